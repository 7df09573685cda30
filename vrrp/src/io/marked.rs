//! What the tables of routes and of rules have in common: changes go to the kernel, and its answers are taken note of.

use std::collections::BTreeMap;
use std::fmt::Display;

use netlink_packet_route::RouteNetlinkMessage;

use super::netlink::{Netlink, Refusal};
use crate::marked::{Change, MarkedReport, OwnThings};

/// Takes note of what of ours is gone.
pub(super) fn note_losses<K: Ord + Clone, S>(
    ours: &mut OwnThings<K, S>,
    held: impl Fn(&K) -> bool,
    report: &mut MarkedReport<K>,
) {
    ours.retain(|key, _| {
        let there = held(key);
        if !there {
            report.lost.push(key.clone());
        }
        there
    });
}

/// Carries changes out. `request` makes the message for one, or says why it cannot be made; `gone` are the errors that
/// mean that there was nothing to take away.
pub(super) fn carry_out<K: Ord + Clone + Display, S>(
    kernel: &mut Netlink,
    ours: &mut OwnThings<K, S>,
    changes: Vec<Change<K, S>>,
    request: impl Fn(&Change<K, S>) -> Result<(RouteNetlinkMessage, u16), String>,
    gone: &[i32],
    report: &mut MarkedReport<K>,
) {
    let mut requests = Vec::new();
    let mut asked = Vec::new();
    for change in changes {
        match (request(&change), change) {
            (Ok(message), change) => {
                requests.push(message);
                asked.push(change);
            }
            // It went with its interface.
            (Err(_), Change::Remove(key)) => {
                ours.remove(&key);
            }
            (Err(why), Change::Add(key, _)) => report.failures.push((key, why)),
        }
    }
    if requests.is_empty() {
        return;
    }
    match kernel.transact(requests) {
        Ok(answers) => {
            for (change, answer) in asked.into_iter().zip(answers) {
                settle(ours, change, answer, gone, report);
            }
        }
        Err(error) => {
            let text = format!("no answer from the kernel: {error}");
            report.failures.extend(asked.iter().map(|change| (change.key().clone(), text.clone())));
        }
    }
}

fn settle<K: Ord + Clone, S>(
    ours: &mut OwnThings<K, S>,
    change: Change<K, S>,
    answer: Result<(), Refusal>,
    gone: &[i32],
    report: &mut MarkedReport<K>,
) {
    match (change, answer) {
        (Change::Add(key, settings), Ok(())) => {
            ours.insert(key.clone(), settings);
            report.added.push(key);
        }
        // The like of it is there, and is somebody else's.
        (Change::Add(..), Err(Refusal { code: libc::EEXIST, .. })) => {}
        (Change::Add(key, _), Err(refusal)) => {
            report.failures.push((key, format!("cannot be added: {}", refusal.in_words())));
        }
        (Change::Remove(key), Ok(())) => {
            ours.remove(&key);
            report.removed.push(key);
        }
        (Change::Remove(key), Err(refusal)) if gone.contains(&refusal.code) => {
            ours.remove(&key);
        }
        (Change::Remove(key), Err(refusal)) => {
            report.failures.push((key, format!("cannot be removed: {}", refusal.in_words())));
        }
    }
}

/// Names of interfaces by index, asked once each.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<u32, Option<String>>);

impl Names {
    pub(super) fn of(&mut self, index: u32) -> Option<String> {
        let name = || nix::net::if_::if_indextoname(index).ok()?.into_string().ok();
        self.0.entry(index).or_insert_with(name).clone()
    }
}

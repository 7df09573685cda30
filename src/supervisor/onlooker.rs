//! Listens for others who take our addresses, routes and rules away, and finds out who they are.

use std::os::fd::AsFd;
use std::sync::mpsc::Sender;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::warn;
use vrrp::io::{Rumour, TableWatch};

use super::culprit;
use super::holdings::Hearsay;
use super::network::Job;
use super::priority;

/// How long an error is waited out, in milliseconds.
const PAUSE: u16 = 1000;

/// Tells the owner each time that something may have been taken away. Ends with the process, or with the owner.
pub(super) fn work(mut watch: TableWatch, jobs: &Sender<Job>) {
    priority::prefer(priority::ADDRESSES);
    loop {
        let _ = poll(&mut [PollFd::new(watch.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE);
        let rumours = match watch.read() {
            Ok(rumours) => rumours,
            Err(error) => {
                warn!("changes by others cannot be heard: {error}");
                let _ = poll(&mut [], PollTimeout::from(PAUSE));
                continue;
            }
        };
        if rumours.is_empty() {
            continue;
        }
        let mut last = (0, String::new());
        let mut hearsay = Vec::new();
        for rumour in rumours {
            let Rumour::Removed { what, by } = rumour else { continue };
            let by = by.map(|port| {
                if last.0 != port {
                    last = (port, culprit::name(port));
                }
                last.1.clone()
            });
            hearsay.push(Hearsay { what, by });
        }
        if jobs.send(Job::Rumours(hearsay)).is_err() {
            return;
        }
    }
}

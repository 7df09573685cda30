//! One `vrrp_track_process`: from a number of processes to well or not.
//!
//! The number counts once it has stood on the other side of the quorum for long enough: `fork_delay` if it got there by
//! new processes, `terminate_delay` if by the end of some. The first number counts at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vrrp::track::Reading;

use crate::config::TrackProcess;

/// One process tracker.
#[derive(Debug)]
pub(super) struct ProcessWatch {
    process: Arc<TrackProcess>,
    count: Option<u32>,
    believed: Option<bool>,
    /// When the contrary will be believed.
    pending: Option<Instant>,
}

impl ProcessWatch {
    pub(super) fn new(process: Arc<TrackProcess>) -> Self {
        ProcessWatch { process, count: None, believed: None, pending: None }
    }

    /// Takes over a new definition. The same processes keep what is known of them.
    pub(super) fn configure(&mut self, process: &Arc<TrackProcess>) {
        let same = |one: &TrackProcess, other: &TrackProcess| {
            (&one.process, one.full_command, one.parameters)
                == (&other.process, other.full_command, other.parameters)
        };
        if !same(&self.process, process) {
            *self = ProcessWatch::new(process.clone());
            return;
        }
        let rule = |p: &TrackProcess| (p.quorum, p.quorum_max);
        let ruled_otherwise = rule(&self.process) != rule(process);
        self.process = process.clone();
        if ruled_otherwise {
            self.pending = None;
            self.believed = self.count.map(|count| self.is_well(count));
        }
    }

    /// Takes in how many there are.
    pub(super) fn observe(&mut self, count: u32, now: Instant) {
        let before = self.count.replace(count);
        let well = self.is_well(count);
        if self.believed == Some(well) {
            self.pending = None;
            return;
        }
        let delay = match before {
            None => Duration::ZERO,
            Some(before) if count > before => self.process.fork_delay,
            Some(_) => self.process.terminate_delay,
        };
        if self.believed.is_none() || delay.is_zero() {
            self.believed = Some(well);
            self.pending = None;
        } else {
            self.pending.get_or_insert(now + delay);
        }
    }

    /// Believes what has been so for long enough.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.pending.is_some_and(|at| at <= now) {
            self.pending = None;
            self.believed = self.count.map(|count| self.is_well(count));
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pending
    }

    /// What it says, and why.
    pub(super) fn reading(&self) -> (Reading, String) {
        let Some((count, well)) = self.count.zip(self.believed) else {
            return (Reading::Unknown, "not counted yet".to_owned());
        };
        let noun = if count == 1 { "process" } else { "processes" };
        let wanted = match (self.process.quorum, self.process.quorum_max) {
            (_, Some(0)) => "there must be none".to_owned(),
            (least, None) => format!("at least {least} wanted"),
            (least, Some(most)) => format!("{least} to {most} wanted"),
        };
        let waits = if self.pending.is_some() { ", and it is waited whether that lasts" } else { "" };
        let why = format!("{count} {noun}, {wanted}{waits}");
        (if well { Reading::Up } else { Reading::Down }, why)
    }

    fn is_well(&self, count: u32) -> bool {
        let most = self.process.quorum_max.map_or(u32::MAX, u32::from);
        (u32::from(self.process.quorum)..=most).contains(&count)
    }
}

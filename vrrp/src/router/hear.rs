//! What a router makes of the adverts it hears.
//!
//! First comes everything for which an advert is dropped, then what is odd but no reason to drop it, and
//! then the election, for a backup and for a master.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Router;
use crate::advert::{Advert, PRIORITY_OWNER, PRIORITY_STOP, Version};
use crate::datagram::Envelope;
use crate::election::{Claim, master_down};
use crate::error::{AdvertError, ErrorKind};
use crate::pace::Pace;
use crate::settings::Settings;
use crate::stage::{Backup, Heard, Respect, Stage, Wait};
use crate::state::{Cause, Note, Output};

impl Router {
    pub(super) fn hear(&mut self, advert: &Advert, envelope: &Envelope, now: Instant) {
        if self.source == Some(envelope.source) {
            self.counters.looped += 1;
            self.note(Note::OwnAddress { source: envelope.source }, now);
            return;
        }
        if !matches!(self.stage, Stage::Backup(_) | Stage::Master(_)) {
            return;
        }
        if let Err(error) = check(&self.settings, advert, envelope) {
            self.reject(Some(envelope.source), &error, now);
            return;
        }
        self.counters.received += 1;
        self.counters.zero_received += u64::from(advert.priority == PRIORITY_STOP);
        self.note_differences(advert, envelope.source, now);
        let heard = Heard { source: envelope.source, priority: advert.priority };
        if self.is_master() {
            self.hear_as_master(heard, advert.interval, now);
        } else {
            self.hear_as_backup(heard, advert.interval, now);
        }
    }

    pub(super) fn reject(&mut self, source: Option<IpAddr>, error: &AdvertError, now: Instant) {
        self.count(error.kind());
        self.note(Note::Rejected { source, error: error.clone() }, now);
    }

    /// What is odd about an advert but no reason to drop it.
    fn note_differences(&mut self, advert: &Advert, source: IpAddr, now: Instant) {
        // Nearly always they are the same in the same order, and need not be sorted to see it.
        let in_order = |addresses: &[IpAddr]| addresses.iter().copied().collect::<BTreeSet<_>>();
        if advert.addresses != self.settings.addresses
            && in_order(&advert.addresses) != in_order(&self.settings.addresses)
        {
            self.count(ErrorKind::AddressList);
            self.note(Note::AddressListDiffers { source, found: advert.addresses.clone() }, now);
        }
        if advert.interval != self.settings.interval {
            let (found, ours) = (advert.interval, self.settings.interval);
            self.note(Note::IntervalDiffers { source, found, ours }, now);
        }
    }

    /// RFC 9568, 6.4.2.
    fn hear_as_backup(&mut self, heard: Heard, interval: Duration, now: Instant) {
        let priority = self.effective_priority();
        let Stage::Backup(backup) = &mut self.stage else { return };
        let respect = if heard.priority == PRIORITY_STOP {
            Respect::Resigned
        } else if heard.priority >= priority {
            backup.tolerate_until = None;
            Respect::Respected
        } else if !self.settings.preempt
            || now < *backup.tolerate_until.get_or_insert(now + self.settings.preempt_delay)
        {
            Respect::Respected
        } else {
            Respect::Ignored
        };
        backup.heard = Some((heard, respect));
        match respect {
            Respect::Resigned => backup.restart(now, Wait::Skew),
            Respect::Respected => {
                backup.master_interval = (self.settings.version == Version::V3).then_some(interval);
                backup.restart(now, Wait::MasterDown);
            }
            Respect::Ignored => {}
        }
    }

    /// RFC 9568, 6.4.3.
    fn hear_as_master(&mut self, heard: Heard, interval: Duration, now: Instant) {
        let ignores = self.settings.owner_ignores && self.settings.is_owner();
        let ours = Claim { priority: self.effective_priority(), source: self.source };
        let theirs = Claim { priority: heard.priority, source: Some(heard.source) };
        let Stage::Master(master) = &mut self.stage else { return };
        if ignores {
            return;
        }
        if heard.priority == PRIORITY_STOP {
            master.pace = Pace::new(now, self.settings.interval, self.beat);
            self.send_advert();
            return;
        }
        if theirs > ours {
            let cause = Cause::BetterMaster { source: heard.source, priority: heard.priority };
            self.yield_to(heard, interval, cause, now);
            return;
        }
        // Who took over while we were held up did so by right: whether we want it back is for a backup to decide.
        if master.is_outlived(&self.settings, heard.priority, now) {
            let cause = Cause::Succeeded { source: heard.source, priority: heard.priority };
            self.succeed(heard, interval, cause, now);
            return;
        }
        // One who speaks more seldom than we do is not met anew each time.
        let memory = master_down(
            self.settings.version,
            ours.priority,
            self.settings.interval.max(interval),
            self.settings.down_timer_adverts,
        );
        let new_encounter = master.meet(heard, memory, now);
        let stubborn = master.rival.is_some_and(|rival| now > rival.first + memory);
        let both_own = ours.priority == PRIORITY_OWNER && heard.priority == PRIORITY_OWNER;
        if both_own && stubborn {
            self.yield_to(heard, interval, Cause::OwnerConflict { source: heard.source }, now);
            return;
        }
        master.plan_lower_announce(now, &self.settings);
        if !self.settings.lower_prio_no_advert {
            self.send_advert();
        }
        self.announce(self.settings.announce.lower_repeat);
        let Heard { source, priority } = heard;
        let note = if both_own {
            Note::OwnerConflict { source }
        } else {
            Note::LowerPriorityMaster { source, priority }
        };
        if new_encounter {
            self.outputs.push_back(Output::Encounter);
        }
        self.note(note, now);
    }

    fn yield_to(&mut self, heard: Heard, interval: Duration, cause: Cause, now: Instant) {
        if self.settings.higher_prio_send_advert {
            self.send_advert();
        }
        self.succeed(heard, interval, cause, now);
    }

    fn succeed(&mut self, heard: Heard, interval: Duration, cause: Cause, now: Instant) {
        let backup = Backup {
            master_interval: (self.settings.version == Version::V3).then_some(interval),
            heard: Some((heard, Respect::Respected)),
            conceded: matches!(cause, Cause::OwnerConflict { .. }),
            ..Backup::new(now, Wait::MasterDown)
        };
        self.enter_backup(backup, cause, now);
    }
}

/// RFC 9568, 7.1 and RFC 3768, 7.1, as far as they need the settings.
fn check(settings: &Settings, advert: &Advert, envelope: &Envelope) -> Result<(), AdvertError> {
    let vrid = advert.vrid;
    if envelope.is_multicast() && envelope.ttl != 255 {
        return Err(AdvertError::WrongTtl { vrid, found: envelope.ttl });
    }
    if vrid != settings.vrid {
        return Err(AdvertError::WrongVrid { found: vrid, expected: settings.vrid });
    }
    if advert.version != settings.version {
        return Err(AdvertError::WrongVersion { vrid, found: advert.version, expected: settings.version });
    }
    if settings.version == Version::V3 {
        return Ok(());
    }
    if advert.auth.kind() != settings.auth.kind() {
        let (found, expected) = (advert.auth.kind(), settings.auth.kind());
        return Err(AdvertError::WrongAuthentication { vrid, found, expected });
    }
    if advert.auth != settings.auth {
        return Err(AdvertError::WrongPassword { vrid });
    }
    if advert.interval != settings.interval {
        return Err(AdvertError::WrongInterval { vrid, found: advert.interval, expected: settings.interval });
    }
    Ok(())
}

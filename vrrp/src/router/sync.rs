//! A router as a member of a sync group: it does not become master by itself, it says that it would.

use std::time::Instant;

use super::Router;
use crate::group::Member;
use crate::stage::{Backup, Respect, Stage, Wait};
use crate::state::{Cause, State};

impl Router {
    /// Whether this router is a member of a group, whose consent it needs to become master. A router that already
    /// waits for that consent and no longer needs it takes over at its next timeout.
    pub fn handle_membership(&mut self, member: bool) {
        self.member = member;
    }

    /// The group becomes master, and this router with it, if it is a backup.
    pub fn handle_lead(&mut self, now: Instant) {
        if let Stage::Backup(backup) = &self.stage {
            let cause = backup.takeover_cause();
            self.enter_master(cause, now);
        }
    }

    /// `member` of the same group is master no more, so neither is this router: it resigns, lest its addresses be
    /// without a master for longer than those of the other, and waits as a backup.
    pub fn handle_follow(&mut self, member: &str, now: Instant) {
        if self.is_master() {
            self.resign();
            let cause = Cause::Sibling { member: member.to_owned() };
            self.enter_backup(Backup::new(now, Wait::MasterDown), cause, now);
        }
    }

    /// Another member heard a second master: that one may have spoken for our addresses too, so they are announced.
    pub fn handle_sibling_rival(&mut self, now: Instant) {
        if let Stage::Master(master) = &mut self.stage {
            master.plan_lower_announce(now, &self.settings);
            self.announce(self.settings.announce.lower_repeat);
        }
    }

    /// How this router stands in its group.
    pub fn as_member(&self) -> Member {
        let (ready, prefers_other) = match &self.stage {
            Stage::Backup(backup) => {
                let respected = backup.heard.is_some_and(|(_, respect)| respect == Respect::Respected);
                (backup.ready, respected)
            }
            _ => (false, false),
        };
        Member { state: self.state(), ready, prefers_other }
    }

    /// A backup's time has come: alone it takes over, in a group it says that it would.
    pub(super) fn take_over(&mut self, cause: Cause, now: Instant) {
        match &mut self.stage {
            Stage::Backup(backup) if self.member => backup.ready = true,
            _ => self.enter_master(cause, now),
        }
    }

    /// Whether nothing but the group's consent is missing.
    pub(super) fn awaits_group(&self) -> bool {
        self.member && matches!(&self.stage, Stage::Backup(backup) if backup.ready)
    }

    /// Begins as master at once, in the place of another program on this host that is master now. With faults, or once it
    /// runs, it is like [`Router::handle_start`].
    pub fn handle_take_over(&mut self, now: Instant) {
        match self.stage {
            Stage::Initialize(_) if self.faults.is_empty() => self.enter_master(Cause::Started, now),
            _ => self.handle_start(now),
        }
    }

    /// Goes on as the master that this host was until its process was started again, `since` when is for readers. Its
    /// advert leaves at once: the caller has made sure that no backup can have taken over meanwhile. With faults, or
    /// once the router runs, it is like [`Router::handle_start`].
    pub fn handle_resume(&mut self, since: Option<Instant>, now: Instant) {
        match self.stage {
            Stage::Initialize(_) if self.faults.is_empty() => {
                self.enter_master(Cause::Resumed, now);
                self.last_transition = Some((since.unwrap_or(now).min(now), Cause::Resumed));
            }
            _ => self.handle_start(now),
        }
    }

    /// The process is about to be replaced by another that goes on in its place ([`Router::handle_resume`]): a master
    /// sends an advert out of turn, so that the other one has as much time as there can be.
    pub fn handle_leave(&mut self) {
        if self.is_master() {
            self.send_advert();
        }
    }

    /// An owner begins as master; in a group as a backup that waits for nothing but the others.
    pub(super) fn start_as_owner(&mut self, now: Instant) {
        if self.member {
            self.enter_backup(Backup::new(now, Wait::Nothing), Cause::Started, now);
        } else {
            self.enter_master(Cause::Started, now);
        }
        debug_assert!(matches!(self.state(), State::Master | State::Backup));
    }
}

//! Operators' overrides at work: an order comes in, weights change, and everybody hears of it.
//!
//! What an override means for tens of thousands of servers is worked out in pieces, between which adverts leave.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipvs_backend::DestinationKey;
use notify::Notice;

use super::effect::Effect;
use super::journal::Entry;
use super::overrides::{Act, DORMANT_FOR, Kind, Order, Override, Overrides, Removal, Wanted};
use super::pool::Pool;
use super::snapshot::OverrideStatus;
use super::target::Target;
use super::windows;
use super::{Director, Owner};
use crate::config::Served;

/// Real servers that are looked at in one piece.
const PIECE: usize = 1000;

/// How long to wait for a virtual server that takes on its configuration.
const PATIENCE: Duration = Duration::from_millis(1);

/// Virtual servers that wait for what overrides mean for them.
#[derive(Debug, Default)]
pub(super) struct Unsteered {
    waiting: BTreeSet<Served>,
    /// One whose real servers up to this one have heard it.
    half: Option<(Served, DestinationKey)>,
}

impl Unsteered {
    pub(super) fn insert(&mut self, served: Served) {
        self.waiting.insert(served);
    }

    pub(super) fn extend(&mut self, all: impl IntoIterator<Item = Served>) {
        self.waiting.extend(all);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.half.is_none()
    }

    /// The real servers of this one hear it on another way.
    pub(super) fn forget(&mut self, served: &Served) {
        self.waiting.remove(served);
        self.half.take_if(|(half, _)| half == served);
    }

    /// The next one, and behind which of its real servers to go on.
    fn next(&mut self) -> Option<(Served, Option<DestinationKey>)> {
        let half = self.half.take().map(|(served, last)| (served, Some(last)));
        half.or_else(|| self.waiting.pop_first().map(|served| (served, None)))
    }
}

/// What operators and the clock want of the real servers of one virtual server, at one instant.
pub(super) struct Wishes<'a> {
    overrides: &'a Overrides,
    concerning: Vec<&'a Override>,
    served: &'a Served,
    wall: Duration,
}

impl<'a> Wishes<'a> {
    pub(super) fn new(overrides: &'a Overrides, served: &'a Served, wall: Duration) -> Self {
        let concerning = if overrides.is_empty() { Vec::new() } else { overrides.of_service(served) };
        Wishes { overrides, concerning, served, wall }
    }

    /// What is wanted of a real server; of most, nothing.
    pub(super) fn of(&self, server: &DestinationKey) -> Wanted {
        match self.overrides.is_empty() {
            true => Wanted::default(),
            false => self.overrides.wanted(&self.concerning, self.served, server, self.wall),
        }
    }
}

impl Director {
    /// Does what an operator says.
    pub(super) fn obey(&mut self, order: Order, now: Instant) {
        match order {
            Order::Restore(all) => self.restore(all, now),
            Order::Set(new) => {
                let words = format!("{}: {new}{}", new.target, self.until(&new, now));
                let (target, reason) = (new.target.clone(), new.reason.clone());
                if self
                    .overrides
                    .set(new)
                    .is_some_and(|old| self.overrides.get(&target, old.kind()) == Some(&old))
                {
                    return;
                }
                self.log(Entry::Override { what: words.clone() });
                self.tell_of_override(&words, reason.as_deref().unwrap_or("none was given"), now);
                self.steer_anew(&target, now);
            }
            Order::TakeBack { target, kind, by } => {
                let Some(old) = self.overrides.take_back(&target, kind) else { return };
                let words = format!("{target}: no longer {}, says {by}", old.act);
                self.log(Entry::Override { what: words.clone() });
                self.tell_of_override(&words, &format!("it was {old}"), now);
                self.steer_anew(&target, now);
            }
        }
        self.keep_overrides(now);
    }

    /// What the last run of the daemon left, without what has ended meanwhile.
    fn restore(&mut self, all: Vec<Override>, now: Instant) {
        for one in all {
            if self.overrides.has_room(&one.target, one.kind()) {
                self.overrides.set(one);
            }
        }
        self.overrides_due(now);
        for one in self.overrides.all().cloned().collect::<Vec<_>>() {
            let what = format!("{}: still {one}{}", one.target, self.until(&one, now));
            self.log(Entry::Override { what });
            self.steer_anew(&one.target, now);
        }
    }

    /// The next override ends, or a drained server has had its time; or the wall clock was set, and what ends at a time of
    /// day ends earlier or later.
    pub(super) fn overrides_due(&mut self, now: Instant) {
        if self.overrides.is_empty() {
            return;
        }
        let wall = self.since_1970(now);
        let over = self.overrides.take_over(wall);
        for one in &over {
            let why = if one.dormant.is_some_and(|since| since + DORMANT_FOR <= wall) {
                "nothing of it has been in the configuration for a day"
            } else {
                "its time is over"
            };
            let words = format!("{}: no longer {}: {why}", one.target, one.act);
            self.log(Entry::Override { what: words.clone() });
            self.tell_of_override(&words, &format!("it was {one}"), now);
            self.steer_anew(&one.target, now);
        }
        let removals: Vec<Target> =
            self.overrides.all().filter(|one| ends_in_removal(one)).map(|one| one.target.clone()).collect();
        for target in &removals {
            self.steer_anew(target, now);
        }
        self.keep_overrides(now);
    }

    /// After another configuration: what is gone, and what is back.
    pub(super) fn configure_overrides(&mut self, now: Instant) {
        if self.overrides.is_empty() {
            return;
        }
        let wall = self.since_1970(now);
        let config = self.config.clone();
        for one in self.overrides.note_dormant(wall, |target| target.is_in(&config)) {
            let state = match one.dormant {
                Some(_) => "is not in the configuration any more; the override is kept for a day",
                None => "is in the configuration again",
            };
            self.log(Entry::Override { what: format!("{} ({one}) {state}", one.target) });
        }
        self.keep_overrides(now);
    }

    /// What ends at a time of day is due then, as the wall clock goes now.
    fn time_overrides(&mut self, now: Instant) {
        let wall = self.since_1970(now);
        let next = self.overrides.next(wall).map(|at| now + at.saturating_sub(wall));
        self.agenda.set(Owner::Overrides, next);
    }

    /// Has them written down, if they are others than before.
    fn keep_overrides(&mut self, now: Instant) {
        self.time_overrides(now);
        let all: Vec<Override> = self.overrides.all().cloned().collect();
        if *self.kept != all {
            self.kept = Arc::new(all);
            self.effect(Effect::KeepOverrides(self.kept.clone()));
        }
    }

    fn tell_of_override(&mut self, what: &str, reason: &str, now: Instant) {
        let alerts = &self.config.global.alerts;
        if alerts.checker.or(alerts.all).unwrap_or(true) {
            self.notify(now, |heading| Notice::daemon(heading, what, reason));
        }
    }

    pub(super) fn until(&self, one: &Override, now: Instant) -> String {
        let left = |at: Duration| span(at.saturating_sub(self.since_1970(now)));
        one.expires.map_or_else(String::new, |at| format!(", for {}", left(at)))
    }

    /// What a target means has changed: its virtual servers are worked out anew, the first of them at once.
    fn steer_anew(&mut self, target: &Target, now: Instant) {
        let concerned = self.pools.keys().filter(|served| target.concerns(served));
        self.unsteered.extend(concerned.cloned());
        self.steer_some(now);
    }

    /// A piece of the virtual servers that wait to be worked out anew.
    pub(super) fn steer_some(&mut self, now: Instant) {
        let (mut left, mut done, mut taken_on) = (PIECE, false, Vec::new());
        while left > 0
            && let Some((served, behind)) = self.unsteered.next()
        {
            let Some(pool) = self.pools.get(&served) else { continue };
            if pool.takes_on() {
                taken_on.push(served);
                continue;
            }
            let wishes = Wishes::new(&self.overrides, &served, self.since_1970(now));
            let first = behind.map_or(Bound::Unbounded, Bound::Excluded);
            let (mut looked, mut last, mut changed) = (0, None, Vec::new());
            for (key, server) in pool.servers.range((first, Bound::Unbounded)).take(left) {
                (looked, last) = (looked + 1, Some(*key));
                changed.extend(
                    Some(wishes.of(key)).filter(|wish| *wish != server.wish()).map(|wish| (*key, wish)),
                );
            }
            let more = last.filter(|_| looked == left);
            left = left.saturating_sub(looked + 1);
            let Some(pool) = self.pools.get_mut(&served) else { continue };
            let (changes, released) = pool.steer(changed, more.is_some(), now);
            if more.is_some() {
                self.unsteered.half = more.map(|last| (served, last));
                continue;
            }
            done = true;
            self.renew_service(&served, now);
            self.tell_changes(&served, changes, now);
            self.tell_released(&served, released, now);
            self.time_pool(&served);
        }
        // What takes on its configuration just now hears of it in the end.
        let pause = if taken_on.is_empty() { Duration::ZERO } else { PATIENCE };
        self.unsteered.extend(taken_on);
        self.agenda.set(Owner::Steering, (!self.unsteered.is_empty()).then_some(now + pause));
        if done {
            self.publish_counts(now);
        }
    }

    /// What an override decides of a server, in words.
    pub(super) fn overridden(
        &self,
        concerning: &[&Override],
        pool: &Pool,
        server: &DestinationKey,
        now: Instant,
    ) -> Option<String> {
        let wall = self.since_1970(now);
        let (_, one) = self.overrides.steer(concerning, &pool.served, server, wall);
        one.map(|one| format!("{one}{}", self.until(one, now)))
    }

    /// The overrides as they are shown.
    pub fn override_status(&self, now: Instant) -> Vec<OverrideStatus> {
        let wall = self.since_1970(now);
        let status = |one: &Override, undo: String| OverrideStatus {
            target: one.target.to_string(),
            act: one.act.to_string(),
            owner: one.owner.clone(),
            reason: one.reason.clone(),
            set_seconds_ago: wall.saturating_sub(one.set).as_secs(),
            expires_in_seconds: one.expires.map(|at| at.saturating_sub(wall).as_secs()),
            removes: ends_in_removal(one),
            dormant: one.dormant.is_some(),
            undo,
        };
        let set = self.overrides.all().map(|one| status(one, one.kind().undo(&one.target)));
        set.chain(self.overrides.by_clock().map(|one| status(one, windows::UNDO.to_owned()))).collect()
    }

    /// The override that an operator's words mean, to take it back: it may be for what is no longer configured. `found` is
    /// what they mean in the configuration.
    ///
    /// # Errors
    /// A sentence that says which there are.
    pub fn find_override(
        &self,
        what: &str,
        found: Result<Target, String>,
        kind: Kind,
    ) -> Result<Target, String> {
        let set = self.overrides.all().filter(|one| one.kind() == kind);
        let exact =
            set.clone().find(|one| found.as_ref() == Ok(&one.target) || one.target.to_string() == what);
        if let Some(one) = exact {
            return Ok(one.target.clone());
        }
        let word = match kind {
            Kind::Drain => "drained",
            Kind::Disable => "disabled",
            Kind::Weight => "given another weight",
        };
        let meets = |one: &Override| found.as_ref().is_ok_and(|found| found.meets(&one.target));
        if let Some(one) = self.overrides.by_clock().find(|one| one.kind() == kind && meets(one)) {
            return Err(format!("{} is {one}: that ends by {}", one.target, windows::UNDO));
        }
        let known: Vec<String> = set.map(|one| format!("`{}`", kind.undo(&one.target))).collect();
        let named = found.map_or_else(|_| what.to_owned(), |target| target.to_string());
        match known.as_slice() {
            [] => Err(format!("{named} is not {word} by an override, and nothing else is")),
            known => {
                Err(format!("{named} itself is not {word}; what can be taken back: {}", known.join(", ")))
            }
        }
    }

    /// The overrides.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// The wall clock at an instant, since 1970: what times of overrides are counted in.
    pub fn wall_clock(&self, now: Instant) -> Duration {
        self.since_1970(now)
    }
}

fn ends_in_removal(one: &Override) -> bool {
    matches!(one.act, Act::Drain { removal: Some(Removal { .. }) })
}

/// A length of time for people: `1 h 30 min`.
fn span(time: Duration) -> String {
    // What is said a moment after it began is as long as it was meant.
    let seconds = time.as_millis().div_ceil(1000);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

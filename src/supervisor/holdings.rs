//! What this daemon has put into the kernel of addresses, routes and rules, and what somebody else took away of it.
//!
//! The tables tell what is gone; [`vrrp::Custody`] tells when it may be put back; rumours from the watch tell who did
//! it. A loss is made good first and told afterwards, and the telling waits a moment for the name of the culprit.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vrrp::io::{AddressTable, RouteTable, RuleTable};
use vrrp::{AddressKey, Custody, NetworkLevel, RouteKey, RouteSettings, RuleKey, RuleSettings, Thing};

use super::herald::Herald;
use super::host::RuntimeDir;
use super::lent::Lent;
use super::remembered::{Noted, Remembered};
use crate::director::effect::Level;
use crate::director::event::{AddressReport, Outcome, Taken};

/// How long the telling of a loss waits for the name of the culprit.
const CULPRIT_PATIENCE: Duration = Duration::from_millis(100);

/// How long a rumour may explain a loss.
const RUMOUR_LASTS: Duration = Duration::from_secs(2);

/// Rumours kept; more than that at once is a flood, and its end explains as much as its beginning.
const RUMOURS: usize = 4096;

/// Somebody took something away; who, in words, if anybody can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hearsay {
    pub(super) what: Thing,
    pub(super) by: Option<String>,
}

/// What was done of a level in haste.
#[derive(Debug)]
pub(super) struct Begun {
    added: Vec<AddressKey>,
    /// Whether that is all that can be added of it.
    complete: bool,
}

/// The tables, what is wanted of them, and what became of it.
#[derive(Debug)]
pub(super) struct Holdings {
    addresses: AddressTable,
    routes: RouteTable,
    rules: RuleTable,
    known_addresses: Remembered<AddressKey>,
    known_routes: Remembered<Noted<RouteKey, RouteSettings>>,
    known_rules: Remembered<Noted<RuleKey, RuleSettings>>,
    lent: Lent,
    /// Hears of each address that is there.
    herald: Herald,
    wanted: Level<NetworkLevel>,
    custody: Custody<Thing>,
    /// What was taken away and is not put back (`no_track`).
    released: BTreeSet<Thing>,
    rumours: Vec<(Instant, Hearsay)>,
    /// Losses that are not told yet, and since when.
    untold: Vec<(Instant, Taken)>,
    /// What was reported last, to see whether there is anything new.
    reported: (Vec<String>, Vec<Thing>),
}

impl Holdings {
    /// Reads the kernel's tables; what the last run left is taken over. `herald` is told of addresses that are there.
    ///
    /// # Errors
    /// What the netlink sockets say.
    pub(super) fn open(directory: &RuntimeDir, herald: Herald) -> io::Result<Self> {
        let known_addresses = directory.remembered("addresses");
        let known_routes: Remembered<Noted<RouteKey, RouteSettings>> = directory.remembered("routes");
        let known_rules: Remembered<Noted<RuleKey, RuleSettings>> = directory.remembered("rules");
        let routes = known_routes.keys().iter().map(|Noted(key, settings)| (key.clone(), settings.clone()));
        let rules = known_rules.keys().iter().map(|Noted(key, settings)| (key.clone(), *settings));
        Ok(Self {
            addresses: AddressTable::open(known_addresses.keys())?,
            routes: RouteTable::open(routes.collect())?,
            rules: RuleTable::open(rules.collect())?,
            known_addresses,
            known_routes,
            known_rules,
            lent: Lent::load(directory),
            herald,
            wanted: Level::default(),
            custody: Custody::default(),
            released: BTreeSet::new(),
            rumours: Vec::new(),
            untold: Vec::new(),
            reported: Default::default(),
        })
    }

    /// Netlink ports of the tables.
    pub(super) fn ports(&self) -> [u32; 3] {
        [self.addresses.port(), self.routes.port(), self.rules.port()]
    }

    /// Whether the kernel was asked to change addresses since this was last called.
    pub(super) fn take_touched(&mut self) -> bool {
        self.addresses.take_touched()
    }

    /// Begins with a new level: what is missing of addresses is added at once. [`settle`](Self::settle) does the rest.
    pub(super) fn take(&mut self, level: Level<NetworkLevel>) -> Begun {
        let before = std::mem::replace(&mut self.wanted, level);
        // What is wanted anew is not held back for what happened before.
        let anew = |thing: &Thing| before.value.wants(thing).is_none();
        let pardoned: Vec<Thing> = self.custody.held().filter(|thing| anew(thing)).cloned().collect();
        for thing in &pardoned {
            self.custody.pardon(thing);
        }
        self.released
            .retain(|thing| before.value.wants(thing).is_some() && self.wanted.value.wants(thing).is_some());
        let level = &self.wanted.value;
        // At a take-over they are known: the backup has seen to it that they were absent.
        if !self.known_addresses.keys().iter().eq(level.addresses.keys()) {
            self.known_addresses.add(level.addresses.keys());
        }
        let routes =
            level.routes.iter().filter_map(|(key, settings)| Some(Noted(key.clone(), settings.clone()?)));
        self.known_routes.add(routes.collect::<Vec<_>>().iter());
        let rules = level.rules.iter().filter_map(|(key, settings)| Some(Noted(key.clone(), (*settings)?)));
        self.known_rules.add(rules.collect::<Vec<_>>().iter());
        self.lent.set(&level.promote);
        let herald = &self.herald;
        let added = match self.held_back(Instant::now()).is_empty() {
            true => self.addresses.add_missing(&self.wanted.value.addresses, |added| herald.there(added)),
            false => None,
        };
        // A take-over is told to the neighbours before anything is read back.
        if added.is_some() {
            self.herald.done(&self.wanted);
        }
        Begun { complete: added.is_some(), added: added.unwrap_or_default() }
    }

    /// Compares the kernel with what is wanted and mends the difference. The report is `None` between two levels
    /// while there is nothing new in it.
    pub(super) fn settle(&mut self, begun: Option<Begun>, now: Instant) -> Option<AddressReport> {
        let mut failures: BTreeMap<Thing, String> = BTreeMap::new();
        let mut unread = Vec::new();
        let lost = self.examine(&mut unread);
        let losses: Vec<(Thing, vrrp::Loss, bool)> = lost
            .into_iter()
            .filter_map(|thing| {
                let tracked = self.wanted.value.wants(&thing)?;
                if !tracked {
                    self.released.insert(thing.clone());
                }
                let loss = self.custody.lost(&thing, now);
                Some((thing, loss, tracked))
            })
            .collect();
        let held_back = self.held_back(now);
        let level = match held_back.is_empty() {
            true => self.wanted.value.clone(),
            false => Arc::new(self.wanted.value.without(held_back.iter())),
        };
        let herald = &self.herald;
        let addresses = self.addresses.apply(&level.addresses, |added| herald.there(added));
        if begun.as_ref().is_some_and(|begun| !begun.complete) {
            self.herald.done(&self.wanted);
        }
        failures.extend(addresses.failures.into_iter().map(|(key, why)| (Thing::Address(key), why)));
        if !addresses.removed.is_empty() {
            // The kernel took routes along without a word: nobody is to blame.
            let _ = self.routes.examine(&level.routes);
        }
        let routes = self.routes.apply(&level.routes);
        failures.extend(routes.failures.into_iter().map(|(key, why)| (Thing::Route(key), why)));
        let rules = self.rules.apply(&level.rules);
        failures.extend(rules.failures.into_iter().map(|(key, why)| (Thing::Rule(key), why)));
        self.remember();

        for (what, loss, tracked) in losses {
            let outcome = match (tracked, failures.get(&what)) {
                (false, _) => Outcome::Untracked,
                (true, Some(why)) => Outcome::Failed(why.clone()),
                (true, None) if held_back.contains(&what) => Outcome::Later,
                (true, None) => Outcome::PutBack,
            };
            self.untold.push((now, Taken { what, by: None, loss, outcome }));
        }
        let tracked_missing = |thing: &&Thing| self.wanted.value.wants(thing) == Some(true);
        let missing: Vec<Thing> = failures
            .keys()
            .chain(&held_back)
            .filter(tracked_missing)
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let told = failures.iter().map(|(thing, why)| format!("{thing}: {why}"));
        let failures: Vec<String> = unread.into_iter().chain(told).collect();
        let news = (failures, missing);
        if begun.is_none() && news == self.reported {
            return None;
        }
        self.reported = news.clone();
        let mut added = begun.map(|begun| begun.added).unwrap_or_default();
        added.extend(addresses.added);
        let (failures, missing) = news;
        Some(AddressReport {
            serial: self.wanted.serial,
            added,
            removed: addresses.removed,
            failures,
            missing,
        })
    }

    /// Reads all tables; what of ours is gone.
    fn examine(&mut self, unread: &mut Vec<String>) -> Vec<Thing> {
        let level = self.wanted.value.clone();
        let mut lost = Vec::new();
        match self.addresses.examine() {
            Ok(keys) => lost.extend(keys.into_iter().map(Thing::Address)),
            Err(error) => unread.push(format!("the kernel's addresses cannot be read: {error}")),
        }
        match self.routes.examine(&level.routes) {
            Ok(keys) => lost.extend(keys.into_iter().map(Thing::Route)),
            Err(error) => unread.push(format!("the kernel's routes cannot be read: {error}")),
        }
        match self.rules.examine(&level.rules) {
            Ok(keys) => lost.extend(keys.into_iter().map(Thing::Rule)),
            Err(error) => unread.push(format!("the kernel's rules cannot be read: {error}")),
        }
        lost
    }

    /// What must not be put back now.
    fn held_back(&self, now: Instant) -> BTreeSet<Thing> {
        let paused = self.custody.held().filter(|thing| self.custody.holds_back(thing, now));
        paused.chain(&self.released).cloned().collect()
    }

    /// Writes down what a successor must know.
    fn remember(&mut self) {
        let level = &self.wanted.value;
        let addresses = level.addresses.keys().chain(self.addresses.ours().keys());
        self.known_addresses.keep(addresses.cloned().collect());
        let wanted = level.routes.iter().filter_map(|(key, settings)| Some((key, settings.as_ref()?)));
        let routes =
            wanted.chain(self.routes.ours()).map(|(key, settings)| Noted(key.clone(), settings.clone()));
        self.known_routes.keep(routes.collect());
        let wanted = level.rules.iter().filter_map(|(key, settings)| Some((key, settings.as_ref()?)));
        let rules = wanted.chain(self.rules.ours()).map(|(key, settings)| Noted(key.clone(), *settings));
        self.known_rules.keep(rules.collect());
    }

    /// Takes note of who took what.
    pub(super) fn hear(&mut self, rumours: Vec<Hearsay>, now: Instant) {
        self.rumours.retain(|(at, _)| now.saturating_duration_since(*at) < RUMOUR_LASTS);
        let room = RUMOURS.saturating_sub(self.rumours.len());
        self.rumours.extend(rumours.into_iter().take(room).map(|rumour| (now, rumour)));
    }

    /// Losses that can be told now: the culprit is known, or it has been waited for long enough.
    pub(super) fn tell(&mut self, now: Instant) -> Vec<Taken> {
        let (rumours, mut told) = (&self.rumours, Vec::new());
        self.untold.retain_mut(|(since, taken)| {
            let heard = rumours.iter().rev().find(|(_, rumour)| taken.what.is_heard_as(&rumour.what));
            taken.by = heard.and_then(|(_, rumour)| rumour.by.clone());
            let waits = heard.is_none() && now < *since + CULPRIT_PATIENCE;
            // What nobody asked for and cannot be mended went with its interface, which is told elsewhere.
            let went_along = taken.by.is_none() && matches!(taken.outcome, Outcome::Failed(_));
            if !waits && !went_along {
                told.push(taken.clone());
            }
            waits
        });
        told
    }

    /// When there is something to tell.
    pub(super) fn telling(&self) -> Option<Instant> {
        self.untold.iter().map(|(since, _)| *since + CULPRIT_PATIENCE).min()
    }

    /// When something that is held back may be put back.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.custody.poll_timeout(now)
    }
}

//! What operators want of real servers, whatever the file says: drained, disabled, another weight.
//!
//! An override is known by what it is for and what it does, so that a second `drain 10.0.0.2` replaces the first and a
//! `weight` beside it stays. It never touches a verdict: checks go on underneath, and a server that is down stays out.
//! Where several concern one server the strictest counts: disabled before drained before a weight, and of two weights
//! the closer one. Times are those of the wall clock, in seconds since 1970, because overrides outlive the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use ipvs_backend::DestinationKey;
use serde::{Deserialize, Serialize};

use super::target::Target;
use crate::config::{MaintenanceWindow, Served};

/// Overrides at most; more is a script gone wild.
pub const MOST: usize = 4096;

/// How long an override is kept whose servers are gone from the configuration.
pub const DORMANT_FOR: Duration = Duration::from_secs(24 * 3600);

/// An operator's word against the file's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// What it is for.
    pub target: Target,
    /// What it does.
    pub act: Act,
    /// Who said it.
    pub owner: String,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// When, since 1970.
    pub set: Duration,
    /// When it ends by itself, since 1970.
    pub expires: Option<Duration>,
    /// Since when nothing that it is for has been in the configuration, since 1970.
    #[serde(default)]
    pub dormant: Option<Duration>,
}

/// What an override does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// No new connections; those that are there go on.
    Drain {
        /// Set if the server is taken out of the table in the end.
        removal: Option<Removal>,
    },
    /// Not in the table: connections that are there end.
    Disable,
    /// Another weight, 0 to 2147483647.
    Weight(u32),
}

/// When a drained server is taken out of the table: when its connections are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// At the latest then, since 1970.
    pub at_latest: Option<Duration>,
}

/// The kinds of overrides: of each there is one for each target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// [`Act::Drain`].
    Drain,
    /// [`Act::Disable`].
    Disable,
    /// [`Act::Weight`].
    Weight,
}

/// What becomes of overrides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Those of the last run of the daemon.
    Restore(Vec<Override>),
    /// This one from now on, in the place of one for the same.
    Set(Override),
    /// No longer.
    TakeBack {
        /// What it was for.
        target: Target,
        /// What it did.
        kind: Kind,
        /// Who says so.
        by: String,
    },
}

/// What overrides make of a real server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Steer {
    /// Nothing: as the file says.
    #[default]
    AsConfigured,
    /// This weight while it is up.
    Weight(u32),
    /// Not in the table.
    Out,
}

/// A server that is being drained for its removal.
pub type Member = (Served, DestinationKey);

/// What operators and the clock want of a real server; nothing of most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// What becomes of it.
    pub(super) steer: Steer,
    /// Whether it is in a `maintenance_window`.
    pub(super) in_window: bool,
}

/// All overrides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    all: BTreeMap<(Target, Kind), Override>,
    /// Those that `maintenance_window`s are at present. The clock sets them and takes them back, nobody else.
    by_clock: BTreeMap<Target, BTreeMap<MaintenanceWindow, Override>>,
    /// Drained servers that have become empty, and are to be removed then.
    emptied: BTreeSet<Member>,
}

impl Kind {
    /// The command that takes it back.
    pub fn undo(self, target: &Target) -> String {
        match self {
            Self::Drain => format!("directord undrain {target}"),
            Self::Disable => format!("directord enable {target}"),
            Self::Weight => format!("directord weight {target} default"),
        }
    }
}

impl Override {
    /// What kind it is.
    pub fn kind(&self) -> Kind {
        match self.act {
            Act::Drain { .. } => Kind::Drain,
            Act::Disable => Kind::Disable,
            Act::Weight(_) => Kind::Weight,
        }
    }

    /// When the next thing happens to it by itself, since 1970.
    fn next(&self) -> Option<Duration> {
        let removal = match self.act {
            Act::Drain { removal } => removal.and_then(|removal| removal.at_latest),
            Act::Disable | Act::Weight(_) => None,
        };
        let forgotten = self.dormant.map(|since| since + DORMANT_FOR);
        [self.expires, removal, forgotten].into_iter().flatten().min()
    }

    /// Whether it is over: it has expired, or nobody has missed it for a day.
    fn is_over(&self, wall: Duration) -> bool {
        let forgotten = self.dormant.map(|since| since + DORMANT_FOR);
        [self.expires, forgotten].into_iter().flatten().any(|at| at <= wall)
    }

    /// What it makes of a server that it covers.
    fn steer(&self, wall: Duration, emptied: bool) -> Steer {
        match self.act {
            Act::Disable => Steer::Out,
            Act::Weight(weight) => Steer::Weight(weight),
            Act::Drain { removal: None } => Steer::Weight(0),
            Act::Drain { removal: Some(removal) } => {
                let over = removal.at_latest.is_some_and(|at| at <= wall);
                if over || emptied { Steer::Out } else { Steer::Weight(0) }
            }
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain { .. } => f.write_str("drained"),
            Self::Disable => f.write_str("disabled"),
            Self::Weight(weight) => write!(f, "weight {weight}"),
        }
    }
}

impl fmt::Display for Override {
    /// `drained by alice (new kernel)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.act, self.owner)?;
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({reason})"))
    }
}

impl Overrides {
    /// All that operators set, by target.
    pub fn all(&self) -> impl Iterator<Item = &Override> + Clone {
        self.all.values()
    }

    /// Those that the clock set, by target.
    pub fn by_clock(&self) -> impl Iterator<Item = &Override> + Clone {
        self.by_clock.values().flat_map(BTreeMap::values)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.by_clock.is_empty()
    }

    /// The one of a kind for a target.
    pub fn get(&self, target: &Target, kind: Kind) -> Option<&Override> {
        self.all.get(&(target.clone(), kind))
    }

    /// Whether one more can be set.
    pub fn has_room(&self, target: &Target, kind: Kind) -> bool {
        self.all.len() < MOST || self.get(target, kind).is_some()
    }

    /// Adds one; what was there for the same is returned.
    pub(super) fn set(&mut self, new: Override) -> Option<Override> {
        self.forget_emptied(&new.target);
        self.all.insert((new.target.clone(), new.kind()), new)
    }

    /// Takes one away.
    pub(super) fn take_back(&mut self, target: &Target, kind: Kind) -> Option<Override> {
        self.forget_emptied(target);
        self.all.remove(&(target.clone(), kind))
    }

    /// A `maintenance_window` has begun, or ends at another time than it was to. True if it has begun.
    pub(super) fn open(&mut self, window: &MaintenanceWindow, new: Override) -> bool {
        let of_target = self.by_clock.entry(new.target.clone()).or_default();
        of_target.insert(window.clone(), new).is_none()
    }

    /// It is over.
    pub(super) fn close(&mut self, window: &MaintenanceWindow, target: &Target) -> Option<Override> {
        let of_target = self.by_clock.get_mut(target)?;
        let closed = of_target.remove(window);
        if of_target.is_empty() {
            self.by_clock.remove(target);
        }
        closed
    }

    /// Those that concern a virtual server.
    pub(super) fn of_service(&self, served: &Served) -> Vec<&Override> {
        self.all.values().chain(self.by_clock()).filter(|one| one.target.concerns(served)).collect()
    }

    /// Whether a real server is in a `maintenance_window`.
    fn in_window(&self, served: &Served, server: &DestinationKey) -> bool {
        let (address, port) = (server.address, Some(server.port));
        // Windows are for these only.
        let targets = || {
            [
                Target::Director,
                Target::Service(served.clone()),
                Target::Server { service: Some(served.clone()), address, port },
            ]
        };
        !self.by_clock.is_empty() && targets().iter().any(|target| self.by_clock.contains_key(target))
    }

    /// What is wanted of a real server, of those that concern its virtual server.
    pub(super) fn wanted(
        &self,
        concerning: &[&Override],
        served: &Served,
        server: &DestinationKey,
        wall: Duration,
    ) -> Wanted {
        let (steer, _) = self.steer(concerning, served, server, wall);
        Wanted { steer, in_window: self.in_window(served, server) }
    }

    /// What a real server is to be, of those that concern its virtual server: the strictest, of weights the closest. With
    /// the one that decides.
    pub(super) fn steer<'a>(
        &self,
        concerning: &[&'a Override],
        served: &Served,
        server: &DestinationKey,
        wall: Duration,
    ) -> (Steer, Option<&'a Override>) {
        let emptied = || self.emptied.contains(&(served.clone(), *server));
        let rank = |one: &Override| {
            let drained = matches!(one.act, Act::Drain { .. });
            let out = one.steer(wall, emptied()) == Steer::Out;
            (out, drained, one.target.closeness())
        };
        let covering = concerning.iter().filter(|one| one.target.covers(served, server));
        let first = covering.max_by_key(|one| rank(one)).copied();
        (first.map_or(Steer::AsConfigured, |one| one.steer(wall, emptied())), first)
    }

    /// Whether a server is to be removed once its connections are gone, and is not yet.
    pub(super) fn awaits_removal(&self, served: &Served, server: &DestinationKey, wall: Duration) -> bool {
        !self.emptied.contains(&(served.clone(), *server))
            && self.all.values().any(|one| {
                let awaits = matches!(one.act, Act::Drain { removal: Some(Removal { at_latest }) }
                    if at_latest.is_none_or(|at| at > wall));
                awaits && one.target.covers(served, server)
            })
    }

    /// Whether any drained server is to be removed in the end.
    pub(super) fn remove_any(&self) -> bool {
        self.all.values().any(|one| matches!(one.act, Act::Drain { removal: Some(_) }))
    }

    /// The connections of a drained server are gone.
    pub(super) fn note_empty(&mut self, member: Member) {
        self.emptied.insert(member);
    }

    /// Takes away those that are over.
    pub(super) fn take_over(&mut self, wall: Duration) -> Vec<Override> {
        let over: Vec<(Target, Kind)> =
            self.all.iter().filter(|(_, one)| one.is_over(wall)).map(|(key, _)| key.clone()).collect();
        over.iter().filter_map(|(target, kind)| self.take_back(target, *kind)).collect()
    }

    /// Notes which of them have nothing left in the configuration, and which have again: those whose state changed.
    pub(super) fn note_dormant(
        &mut self,
        wall: Duration,
        covered: impl Fn(&Target) -> bool,
    ) -> Vec<Override> {
        let mut changed = Vec::new();
        for one in self.all.values_mut() {
            let dormant = !covered(&one.target);
            if dormant != one.dormant.is_some() {
                one.dormant = dormant.then_some(wall);
                changed.push(one.clone());
            }
        }
        changed
    }

    /// Those that any of these servers are subject to, in words.
    pub fn over(&self, members: &[Member]) -> Vec<String> {
        let of = |one: &&Override| members.iter().any(|(served, server)| one.target.covers(served, server));
        let all = self.all.values().chain(self.by_clock());
        all.filter(of).map(|one| format!("{} is still {one}", one.target)).collect()
    }

    /// When the next thing happens by itself, since 1970; what is past has happened.
    pub(super) fn next(&self, wall: Duration) -> Option<Duration> {
        self.all.values().filter_map(Override::next).filter(|at| *at > wall).min()
    }

    /// Who is drained anew is filled anew.
    fn forget_emptied(&mut self, target: &Target) {
        self.emptied.retain(|(served, server)| !target.covers(served, server));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: Duration = Duration::from_secs(1_000_000);

    fn served() -> Served {
        Served::Key("[10.0.0.100]:tcp:80".parse().unwrap())
    }

    fn server() -> DestinationKey {
        "10.0.0.2:80".parse().unwrap()
    }

    fn one(what: &str, act: Act) -> Override {
        let (served, server) = (served(), server());
        let target = Target::find(what, &[(served, &server)]).unwrap();
        let (owner, set) = ("alice".to_owned(), WALL);
        Override { target, act, owner, reason: None, set, expires: None, dormant: None }
    }

    fn steer(all: &Overrides, wall: Duration) -> Steer {
        let served = served();
        all.steer(&all.of_service(&served), &served, &server(), wall).0
    }

    const DRAIN: Act = Act::Drain { removal: None };

    #[test]
    fn the_strictest_counts_and_of_weights_the_closest() {
        let mut all = Overrides::default();
        assert_eq!(steer(&all, WALL), Steer::AsConfigured);
        all.set(one("director", Act::Weight(7)));
        all.set(one("10.0.0.2:80", Act::Weight(5)));
        all.set(one("10.0.0.2", Act::Weight(6)));
        assert_eq!(steer(&all, WALL), Steer::Weight(5));
        all.set(one("tcp:10.0.0.100:80", DRAIN));
        assert_eq!(steer(&all, WALL), Steer::Weight(0));
        all.set(one("director", Act::Disable));
        assert_eq!(steer(&all, WALL), Steer::Out);
        let director = Target::Director;
        assert!(all.take_back(&director, Kind::Disable).is_some());
        assert!(all.take_back(&director, Kind::Disable).is_none());
        all.take_back(&one("tcp:10.0.0.100:80", DRAIN).target, Kind::Drain);
        assert_eq!(steer(&all, WALL), Steer::Weight(5));
    }

    #[test]
    fn a_drain_may_end_with_the_removal() {
        let mut all = Overrides::default();
        let later = WALL + Duration::from_secs(60);
        all.set(one("10.0.0.2", Act::Drain { removal: Some(Removal { at_latest: Some(later) }) }));
        assert_eq!(steer(&all, WALL), Steer::Weight(0));
        assert!(all.awaits_removal(&served(), &server(), WALL));
        assert_eq!(all.next(WALL), Some(later));
        assert_eq!(steer(&all, later), Steer::Out);
        assert!(!all.awaits_removal(&served(), &server(), later));
        assert_eq!(all.next(later), None);
        all.note_empty((served(), server()));
        assert_eq!(steer(&all, WALL), Steer::Out);
        // Drained once more, it begins anew.
        all.set(one("10.0.0.2", Act::Drain { removal: Some(Removal { at_latest: None }) }));
        assert_eq!(steer(&all, later), Steer::Weight(0));
    }

    #[test]
    fn overrides_expire_and_are_forgotten_when_nothing_is_left_of_what_they_are_for() {
        let mut all = Overrides::default();
        let hour = Duration::from_secs(3600);
        all.set(Override { expires: Some(WALL + hour), ..one("10.0.0.2", Act::Disable) });
        assert!(all.take_over(WALL).is_empty());
        assert_eq!(all.take_over(WALL + hour).len(), 1);
        assert!(all.is_empty());
        all.set(one("10.0.0.2", Act::Disable));
        assert_eq!(all.note_dormant(WALL, |_| false).len(), 1);
        assert_eq!(all.note_dormant(WALL + hour, |_| false).len(), 0);
        assert_eq!(all.next(WALL), Some(WALL + DORMANT_FOR));
        assert!(all.take_over(WALL + hour).is_empty());
        assert_eq!(all.note_dormant(WALL + hour, |_| true).len(), 1);
        assert!(all.take_over(WALL + DORMANT_FOR).is_empty());
        all.note_dormant(WALL, |_| false);
        assert_eq!(all.take_over(WALL + DORMANT_FOR).len(), 1);
    }
}

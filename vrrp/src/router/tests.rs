//! One test per rule of RFC 9568 (6.4, 7.1), RFC 3768 and keepalived. A bench holds one router and says
//! exactly what it must want after each fact; anything unexpected fails.

use std::time::Duration;

mod beat;
mod dropped;
mod election;
mod reload;
mod stall;
mod sync;

use super::*;
use crate::advert::Version;
use crate::settings::AnnounceSettings;
use crate::state::Note;

const SECOND: Duration = Duration::from_secs(1);

fn host(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// VRID 51, priority 128 (skew exactly half of its base), one second, our address 10.0.0.5.
fn settings(version: Version) -> Settings {
    Settings { version, priority: 128, ..Settings::new(51, vec![host(100)]) }
}

struct Bench {
    router: Router,
    start: Instant,
    now: Instant,
}

impl Bench {
    fn new(settings: Settings) -> Bench {
        let start = Instant::now();
        let mut router = Router::new(settings);
        router.handle_source(host(5));
        Bench { router, start, now: start }
    }

    /// Started and just become backup.
    fn backup(settings: Settings) -> Bench {
        let mut bench = Bench::new(settings);
        bench.router.handle_start(bench.now);
        assert_eq!(bench.outputs(), [transition(State::Initialize, State::Backup, Cause::Started)]);
        bench
    }

    /// Just become master, because nobody was heard. `start` is the moment it did.
    fn master(settings: Settings) -> Bench {
        let mut bench = Bench::backup(settings);
        bench.pass();
        bench.outputs();
        assert!(bench.router.is_master());
        bench.start = bench.now;
        bench
    }

    /// An owner, just started.
    fn master_owner(settings: Settings) -> Bench {
        let mut bench = Bench::new(settings);
        bench.router.handle_start(bench.now);
        bench.outputs();
        assert!(bench.router.is_master());
        bench
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.router.poll_output()).collect()
    }

    /// Time from the start to the next deadline.
    fn due(&self) -> Duration {
        self.router.poll_timeout().expect("a deadline").0 - self.start
    }

    /// To the moment this long after the start, without handling what is due.
    fn at(&mut self, after: Duration) -> &mut Bench {
        self.now = self.start + after;
        self
    }

    /// The same, with all that is due on the way done and its outputs dropped.
    fn live(&mut self, after: Duration) -> &mut Bench {
        while self.router.poll_timeout().is_some_and(|(at, _)| at <= self.start + after) {
            self.pass();
        }
        self.outputs();
        self.at(after)
    }

    /// To the next deadline, and handles it.
    fn pass(&mut self) -> Reason {
        let (at, reason) = self.router.poll_timeout().expect("a deadline");
        self.now = self.now.max(at);
        self.router.handle_timeout(self.now);
        reason
    }

    /// Lets time pass and tells when bursts of this size were asked for.
    fn bursts(&mut self, size: u32, until: Duration) -> Vec<Duration> {
        let mut bursts = Vec::new();
        while self.due() < until {
            self.pass();
            if self.outputs().contains(&Output::Announce(size)) {
                bursts.push(self.now - self.start);
            }
        }
        bursts
    }

    fn hear_advert(&mut self, advert: &Advert, source: IpAddr, ttl: u8) -> Vec<Output> {
        let envelope = Envelope { source, destination: [224, 0, 0, 18].into(), ttl };
        self.router.handle_advert(advert, &envelope, self.now);
        self.outputs()
    }

    /// An advert that is like ours but for its priority and sender.
    fn hear(&mut self, last: u8, priority: u8) -> Vec<Output> {
        self.hear_advert(&advert(self.router.settings(), priority), host(last), 255)
    }

    fn errors(&self, kind: ErrorKind) -> u64 {
        self.router.counters().errors.get(&kind).copied().unwrap_or(0)
    }

    fn faults(&mut self, faults: &[Fault]) -> Vec<Output> {
        self.router.handle_faults(&faults.iter().cloned().collect(), self.now);
        self.outputs()
    }
}

fn advert(settings: &Settings, priority: u8) -> Advert {
    Advert {
        version: settings.version,
        vrid: settings.vrid,
        priority,
        interval: settings.interval,
        auth: settings.auth.clone(),
        addresses: settings.addresses.clone(),
    }
}

fn send(settings: &Settings, priority: u8) -> Output {
    Output::Send(advert(settings, priority))
}

fn transition(from: State, to: State, cause: Cause) -> Output {
    Output::Transition { from, to, cause }
}

fn better(last: u8, priority: u8) -> Output {
    let cause = Cause::BetterMaster { source: host(last), priority };
    transition(State::Master, State::Backup, cause)
}

fn lower_note(last: u8, priority: u8) -> Output {
    Output::Note(Note::LowerPriorityMaster { source: host(last), priority })
}

// ----- start -----

#[test]
fn a_new_router_waits_for_its_start() {
    let mut bench = Bench::new(settings(Version::V3));
    assert_eq!(bench.router.poll_timeout(), None);
    assert!(bench.hear(9, 200).is_empty());
    assert_eq!((bench.router.state(), bench.router.since()), (State::Initialize, None));
}

#[test]
fn start_with_state_backup_waits_the_full_time() {
    for version in [Version::V2, Version::V3] {
        assert_eq!(Bench::backup(settings(version)).due(), millis(3_500));
    }
}

#[test]
fn start_with_state_master_waits_one_interval_and_skew() {
    for version in [Version::V2, Version::V3] {
        let bench = Bench::backup(Settings { wish: Role::Master, ..settings(version) });
        assert_eq!(bench.due(), millis(1_500));
    }
}

/// RFC 9568, 6.4.1: the owner is master at once; keepalived 2.2.7 tells no BACKUP before it either.
#[test]
fn start_of_an_owner_is_master_at_once() {
    let owner = Settings { priority: 255, wish: Role::Master, ..settings(Version::V3) };
    let mut bench = Bench::new(owner.clone());
    bench.router.handle_start(bench.now);
    let started = transition(State::Initialize, State::Master, Cause::Started);
    assert_eq!(bench.outputs(), [send(&owner, 255), started, Output::Announce(5)]);
}

#[test]
fn start_with_a_fault_is_fault() {
    let mut bench = Bench::new(settings(Version::V2));
    assert!(bench.faults(&[Fault::InterfaceDown]).is_empty());
    bench.router.handle_start(bench.now);
    let cause = Cause::Faults(vec![Fault::InterfaceDown]);
    assert_eq!(bench.outputs(), [transition(State::Initialize, State::Fault, cause)]);
    assert_eq!(bench.router.poll_timeout(), None);
}

#[test]
fn a_second_start_changes_nothing() {
    let mut bench = Bench::master(settings(Version::V3));
    bench.router.handle_start(bench.now);
    assert!(bench.outputs().is_empty() && bench.router.is_master());
}

// ----- becoming master -----

#[test]
fn the_advert_comes_first_then_the_transition_then_the_announcement() {
    let ours = settings(Version::V3);
    let mut bench = Bench::backup(ours.clone());
    assert_eq!(bench.pass(), Reason::MasterDown);
    let taken = transition(State::Backup, State::Master, Cause::NoMaster);
    assert_eq!(bench.outputs(), [send(&ours, 128), taken, Output::Announce(5)]);
    assert_eq!(bench.router.last_transition(), Some(&Cause::NoMaster));
    assert_eq!(bench.router.since(), Some(bench.now));
    assert_eq!(bench.router.counters().became_master, 1);
}

#[test]
fn nothing_happens_before_the_deadline() {
    let mut bench = Bench::backup(settings(Version::V3));
    bench.at(millis(3_499));
    bench.router.handle_timeout(bench.now);
    assert!(bench.outputs().is_empty());
}

/// Adverts are due by the clock, not by when the last one got out; see [`Pace`] for how a late one is made up for.
#[test]
fn adverts_do_not_drift() {
    let ours = settings(Version::V3);
    let mut bench = Bench::master(ours.clone());
    assert_eq!(bench.due(), SECOND);
    bench.at(millis(1_008));
    bench.router.handle_timeout(bench.now);
    assert_eq!(bench.outputs(), [send(&ours, 128)]);
    assert_eq!(bench.due(), millis(2_007));
    bench.live(99 * SECOND + millis(500));
    assert_eq!(bench.due().as_micros(), 100_000_000);
}

#[test]
fn missed_adverts_are_not_made_up_for() {
    let ours = settings(Version::V3);
    let mut bench = Bench::master(ours.clone());
    bench.at(millis(3_700));
    bench.router.handle_timeout(bench.now);
    assert_eq!(bench.outputs(), [send(&ours, 128)]);
    assert_eq!(bench.due(), millis(4_700));
}

#[test]
fn a_second_burst_follows_once() {
    let mut bench = Bench::master(settings(Version::V3));
    assert_eq!(bench.bursts(5, 20 * SECOND), [5 * SECOND]);
}

#[test]
fn a_refresh_comes_again_and_again() {
    let announce = AnnounceSettings {
        delay: Duration::ZERO,
        refresh: Some(millis(2_500)),
        refresh_repeat: 2,
        ..AnnounceSettings::default()
    };
    let mut bench = Bench::master(Settings { announce, ..settings(Version::V3) });
    assert_eq!(bench.bursts(2, 8 * SECOND), [millis(2_500), millis(5_000), millis(7_500)]);
}

#[test]
fn other_interfaces_hear_of_the_addresses_again_and_again() {
    let announce = AnnounceSettings { elsewhere: Some(millis(1_700)), ..AnnounceSettings::default() };
    let mut bench = Bench::master(Settings { announce, ..settings(Version::V3) });
    let start = bench.now;
    let mut heard = Vec::new();
    while bench.now < start + 4 * SECOND {
        bench.pass();
        let now = bench.now - start;
        heard.extend(bench.outputs().iter().filter(|o| **o == Output::AnnounceElsewhere).map(|_| now));
    }
    assert_eq!(heard, [millis(1_700), millis(3_400)]);
}

#[test]
fn no_burst_is_asked_for_when_its_size_is_zero() {
    let announce = AnnounceSettings { repeat: 0, ..AnnounceSettings::default() };
    let ours = Settings { announce, ..settings(Version::V3) };
    let mut bench = Bench::backup(ours.clone());
    bench.pass();
    assert_eq!(
        bench.outputs(),
        [send(&ours, 128), transition(State::Backup, State::Master, Cause::NoMaster)]
    );
}

// ----- faults and stop -----

#[test]
fn a_fault_ends_mastership_with_priority_0() {
    let ours = settings(Version::V3);
    let mut bench = Bench::master(ours.clone());
    let faults = [Fault::InterfaceDown, Fault::Tracked("eth1".into())];
    let fallen = transition(State::Master, State::Fault, Cause::Faults(faults.to_vec()));
    assert_eq!(bench.faults(&faults), [send(&ours, 0), fallen]);
    assert!(bench.faults(&faults[..1]).is_empty(), "one is left");
    assert!(bench.hear(9, 100).is_empty());
    assert_eq!(bench.router.poll_timeout(), None);
}

#[test]
fn a_backup_with_a_fault_says_nothing() {
    let mut bench = Bench::backup(settings(Version::V3));
    let cause = Cause::Faults(vec![Fault::NoSourceAddress]);
    assert_eq!(bench.faults(&[Fault::NoSourceAddress]), [transition(State::Backup, State::Fault, cause)]);
}

/// Never straight to master, not even the owner or one that wishes to be.
#[test]
fn the_end_of_the_last_fault_is_backup() {
    for priority in [128, 255] {
        let ours = Settings { wish: Role::Master, priority, ..settings(Version::V3) };
        let mut bench = Bench::new(ours);
        bench.faults(&[Fault::InterfaceDown]);
        bench.router.handle_start(bench.now);
        bench.outputs();
        let cleared = transition(State::Fault, State::Backup, Cause::FaultsCleared);
        assert_eq!(bench.faults(&[]), [cleared]);
        assert!(bench.due() > 3 * SECOND);
    }
}

#[test]
fn a_master_stops_with_priority_0() {
    let ours = settings(Version::V3);
    let mut bench = Bench::master(ours.clone());
    bench.router.handle_stop(bench.now);
    let stopped = transition(State::Master, State::Stopped, Cause::Stopped);
    assert_eq!(bench.outputs(), [send(&ours, 0), stopped]);
    assert_eq!((bench.router.poll_timeout(), bench.router.counters().zero_sent), (None, 1));
    bench.router.handle_stop(bench.now);
    assert!(bench.faults(&[Fault::InterfaceDown]).is_empty() && bench.hear(9, 100).is_empty());
}

#[test]
fn a_backup_stops_silently() {
    let mut bench = Bench::backup(settings(Version::V3));
    bench.router.handle_stop(bench.now);
    assert_eq!(bench.outputs(), [transition(State::Backup, State::Stopped, Cause::Stopped)]);
}

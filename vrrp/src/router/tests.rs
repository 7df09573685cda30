//! One test per rule of RFC 9568 (6.4, 7.1), RFC 3768 and keepalived. A bench holds one router and says
//! exactly what it must want after each fact; anything unexpected fails.

use std::time::Duration;

use super::*;
use crate::advert::Version;
use crate::auth::{Auth, AuthKind};
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

    /// To the next deadline, and handles it.
    fn pass(&mut self) -> Reason {
        let (at, reason) = self.router.poll_timeout().expect("a deadline");
        self.now = self.now.max(at);
        self.router.handle_timeout(self.now);
        reason
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

/// Adverts are due by the clock, not by when the last one got out.
#[test]
fn adverts_do_not_drift() {
    let ours = settings(Version::V3);
    let mut bench = Bench::master(ours.clone());
    assert_eq!(bench.due(), SECOND);
    bench.at(millis(1_300));
    bench.router.handle_timeout(bench.now);
    assert_eq!(bench.outputs(), [send(&ours, 128)]);
    assert_eq!(bench.due(), 2 * SECOND);
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
    let mut bursts = Vec::new();
    while bench.due() < 20 * SECOND {
        let reason = bench.pass();
        if bench.outputs().contains(&Output::Announce(5)) {
            bursts.push((bench.now - bench.start, reason));
        }
    }
    assert_eq!(bursts, [(5 * SECOND, Reason::SecondAnnounce)]);
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
    let mut bursts = Vec::new();
    while bench.due() < 8 * SECOND {
        bench.pass();
        if bench.outputs().contains(&Output::Announce(2)) {
            bursts.push(bench.now - bench.start);
        }
    }
    assert_eq!(bursts, [millis(2_500), millis(5_000), millis(7_500)]);
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

// ----- backup -----

#[test]
fn a_good_master_restarts_the_timer() {
    for priority in [128, 129, 255] {
        let mut bench = Bench::backup(settings(Version::V2));
        assert!(bench.at(SECOND).hear(9, priority).is_empty());
        assert_eq!(bench.due(), millis(4_500));
        assert_eq!(bench.router.master(), Some((host(9), priority)));
        bench.pass();
        let cause = Cause::MasterSilent { source: host(9), priority };
        assert!(bench.outputs().contains(&transition(State::Backup, State::Master, cause)));
    }
}

#[test]
fn down_timer_adverts_is_the_number_of_missed_adverts() {
    let mut bench = Bench::backup(Settings { down_timer_adverts: 5, ..settings(Version::V3) });
    bench.at(SECOND).hear(9, 200);
    assert_eq!(bench.due(), millis(1_000 + 5_500));
}

/// RFC 9568, 6.4.2: a backup goes by the interval of the master, and its skew too.
#[test]
fn version_3_adopts_the_masters_interval() {
    let ours = settings(Version::V3);
    let mut bench = Bench::backup(ours.clone());
    let theirs = Advert { interval: millis(200), ..advert(&ours, 200) };
    let note =
        Note::IntervalDiffers { source: host(9), found: millis(200), ours: SECOND };
    assert_eq!(bench.at(SECOND).hear_advert(&theirs, host(9), 255), [Output::Note(note)]);
    assert_eq!(bench.due(), SECOND + millis(700));
    assert!(bench.hear_advert(&theirs, host(9), 255).is_empty(), "noted once");
    bench.pass();
    assert!(bench.outputs().contains(&send(&ours, 128)), "with our own interval");
}

/// RFC 3768, 7.1.
#[test]
fn version_2_drops_another_interval() {
    let ours = settings(Version::V2);
    let mut bench = Bench::backup(ours.clone());
    let theirs = Advert { interval: 2 * SECOND, ..advert(&ours, 200) };
    let error = AdvertError::WrongInterval { vrid: 51, found: 2 * SECOND, expected: SECOND };
    let note = Note::Rejected { source: Some(host(9)), error };
    assert_eq!(bench.at(SECOND).hear_advert(&theirs, host(9), 255), [Output::Note(note)]);
    assert_eq!((bench.due(), bench.errors(ErrorKind::Interval)), (millis(3_500), 1));
}

#[test]
fn priority_0_leaves_the_skew_only() {
    for version in [Version::V2, Version::V3] {
        let mut bench = Bench::backup(settings(version));
        bench.at(SECOND).hear(9, 200);
        assert!(bench.at(2 * SECOND).hear(9, 0).is_empty());
        assert_eq!(bench.due(), millis(2_500));
        bench.pass();
        let cause = Cause::MasterResigned { source: host(9) };
        assert!(bench.outputs().contains(&transition(State::Backup, State::Master, cause)));
        assert_eq!(bench.router.counters().zero_received, 1);
    }
}

#[test]
fn another_backup_that_was_faster_restarts_the_timer_after_priority_0() {
    let mut bench = Bench::backup(settings(Version::V3));
    bench.at(SECOND).hear(9, 0);
    bench.at(millis(1_400)).hear(8, 150);
    assert_eq!(bench.due(), millis(1_400 + 3_500));
}

#[test]
fn preemption_lets_the_timer_run_out() {
    let mut bench = Bench::backup(settings(Version::V3));
    for second in 1..=3 {
        assert!(bench.at(second * SECOND).hear(9, 100).is_empty());
        assert_eq!(bench.due(), millis(3_500));
    }
    bench.pass();
    let cause = Cause::Preempted { source: host(9), priority: 100 };
    assert!(bench.outputs().contains(&transition(State::Backup, State::Master, cause)));
}

/// A master that is being preempted does not impose its interval.
#[test]
fn an_ignored_master_does_not_change_the_interval() {
    let ours = settings(Version::V3);
    let mut bench = Bench::backup(ours.clone());
    let slow = Advert { interval: 10 * SECOND, ..advert(&ours, 100) };
    bench.hear_advert(&slow, host(9), 255);
    assert_eq!(bench.due(), millis(3_500));
}

#[test]
fn nopreempt_restarts_the_timer() {
    let mut bench = Bench::backup(Settings { preempt: false, ..settings(Version::V3) });
    assert!(bench.at(3 * SECOND).hear(9, 100).is_empty());
    assert_eq!(bench.due(), millis(6_500));
    bench.pass();
    let cause = Cause::MasterSilent { source: host(9), priority: 100 };
    assert!(bench.outputs().contains(&transition(State::Backup, State::Master, cause)));
}

#[test]
fn preempt_delay_tolerates_a_lower_master_from_its_first_advert_on() {
    let mut bench = Bench::backup(Settings { preempt_delay: 10 * SECOND, ..settings(Version::V3) });
    for second in 1..=10 {
        bench.at(second * SECOND).hear(9, 100);
        assert_eq!(bench.due(), millis(u64::from(second) * 1_000 + 3_500));
    }
    bench.at(11 * SECOND).hear(9, 100);
    assert_eq!(bench.due(), millis(13_500), "the delay is over: the timer runs out");
}

#[test]
fn preempt_delay_begins_anew_after_a_higher_master() {
    let mut bench = Bench::backup(Settings { preempt_delay: 10 * SECOND, ..settings(Version::V3) });
    bench.at(SECOND).hear(9, 100);
    bench.at(2 * SECOND).hear(8, 200);
    bench.at(12 * SECOND).hear(9, 100);
    assert_eq!(bench.due(), millis(15_500), "tolerated again");
}

#[test]
fn preempt_delay_does_not_delay_taking_over_from_a_dead_master() {
    let mut bench = Bench::backup(Settings { preempt_delay: 1_000 * SECOND, ..settings(Version::V3) });
    bench.at(SECOND).hear(9, 100);
    bench.pass();
    assert!(bench.router.is_master());
    assert_eq!(bench.now - bench.start, millis(4_500));
}

// ----- master -----

#[test]
fn a_master_yields_to_a_higher_priority() {
    let mut bench = Bench::master(settings(Version::V3));
    assert_eq!(bench.at(millis(200)).hear(1, 129), [better(1, 129)]);
    assert_eq!((bench.due(), bench.router.master()), (millis(3_700), Some((host(1), 129))));
}

#[test]
fn a_master_that_yields_waits_by_the_new_masters_interval() {
    let ours = settings(Version::V3);
    let mut bench = Bench::master(ours.clone());
    let theirs = Advert { interval: millis(100), ..advert(&ours, 200) };
    bench.hear_advert(&theirs, host(9), 255);
    assert_eq!(bench.due(), millis(350));
}

#[test]
fn a_master_that_yields_may_send_a_last_advert() {
    let ours = Settings { higher_prio_send_advert: true, ..settings(Version::V3) };
    assert_eq!(Bench::master(ours.clone()).hear(1, 129), [send(&ours, 128), better(1, 129)]);
}

/// RFC 9568, 6.4.3.
#[test]
fn among_equals_the_higher_address_wins() {
    let ours = settings(Version::V3);
    assert_eq!(Bench::master(ours.clone()).hear(6, 128), [better(6, 128)]);
    let stays = [send(&ours, 128), Output::Announce(5), lower_note(4, 128)];
    assert_eq!(Bench::master(ours).hear(4, 128), stays);
}

#[test]
fn a_master_answers_priority_0_at_once_and_starts_its_interval_anew() {
    let ours = settings(Version::V3);
    let mut bench = Bench::master(ours.clone());
    assert_eq!(bench.at(millis(300)).hear(9, 0), [send(&ours, 128)]);
    assert_eq!(bench.due(), millis(1_300));
}

#[test]
fn a_lower_master_is_answered_and_the_addresses_are_announced_twice() {
    let announce = AnnounceSettings {
        delay: Duration::ZERO,
        lower_repeat: 3,
        lower_delay: 7 * SECOND,
        ..AnnounceSettings::default()
    };
    let ours = Settings { announce, ..settings(Version::V3) };
    let mut bench = Bench::master(ours.clone());
    let answer = [send(&ours, 128), Output::Announce(3), lower_note(9, 100)];
    assert_eq!(bench.at(millis(500)).hear(9, 100), answer);
    assert_eq!(bench.due(), SECOND, "the rhythm stays");
    let mut bursts = Vec::new();
    while bench.due() < 20 * SECOND {
        bench.pass();
        if bench.outputs().contains(&Output::Announce(3)) {
            bursts.push(bench.now - bench.start);
        }
    }
    assert_eq!(bursts, [millis(7_500)]);
}

/// The note drives `notify_master_rx_lower_pri`: once while the other one goes on, and again when it
/// comes back after it had been silent.
#[test]
fn a_lower_master_is_noted_once_per_encounter() {
    let mut bench = Bench::master(settings(Version::V3));
    let noted = |outputs: Vec<Output>| outputs.contains(&lower_note(9, 100));
    assert!(noted(bench.at(SECOND).hear(9, 100)));
    assert!(!noted(bench.at(2 * SECOND).hear(9, 100)));
    assert!(!noted(bench.at(millis(5_500)).hear(9, 100)));
    assert!(noted(bench.at(millis(9_001)).hear(9, 100)));
}

#[test]
fn a_lower_master_is_not_answered_when_told_so() {
    let ours = Settings { lower_prio_no_advert: true, ..settings(Version::V3) };
    assert_eq!(Bench::master(ours).hear(9, 100), [Output::Announce(5), lower_note(9, 100)]);
}

// ----- owners -----

#[test]
fn an_owner_yields_to_an_owner_of_a_higher_address() {
    let owner = Settings { priority: 255, wish: Role::Master, ..settings(Version::V3) };
    assert_eq!(Bench::master_owner(owner).hear(6, 255), [better(6, 255)]);
}

#[test]
fn an_owner_concedes_to_a_stubborn_owner_and_comes_back_when_it_is_gone() {
    let owner = Settings { priority: 255, wish: Role::Master, ..settings(Version::V3) };
    let mut bench = Bench::master_owner(owner.clone());
    let conflict = Output::Note(Note::OwnerConflict { source: host(4) });
    assert_eq!(bench.hear(4, 255), [send(&owner, 255), Output::Announce(5), conflict]);
    for second in 1..=3 {
        assert_eq!(bench.at(second * SECOND).hear(4, 255), [send(&owner, 255), Output::Announce(5)]);
    }
    let cause = Cause::OwnerConflict { source: host(4) };
    let conceded = transition(State::Master, State::Backup, cause);
    assert_eq!(bench.at(4 * SECOND).hear(4, 255), [conceded]);
    assert_eq!(bench.router.effective_priority(), 254);
    bench.at(5 * SECOND).hear(4, 255);
    bench.pass();
    assert!(bench.outputs().contains(&send(&owner, 255)));
    assert_eq!(bench.router.effective_priority(), 255);
}

impl Bench {
    fn master_owner(settings: Settings) -> Bench {
        let mut bench = Bench::new(settings);
        bench.router.handle_start(bench.now);
        bench.outputs();
        assert!(bench.router.is_master());
        bench
    }
}

#[test]
fn weights_move_the_priority_between_1_and_254_and_never_an_owners() {
    let mut bench = Bench::master(settings(Version::V3));
    for (weight, priority) in [(5, 133), (-128, 1), (-1_000, 1), (i32::MAX, 254), (126, 254), (0, 128)] {
        bench.router.handle_weight(weight);
        assert_eq!(bench.router.effective_priority(), priority, "{weight}");
    }
    bench.router.handle_weight(-28);
    bench.pass();
    assert_eq!(bench.outputs(), [send(bench.router.settings(), 100)]);
    let mut owner = Bench::backup(Settings { priority: 255, ..settings(Version::V3) });
    owner.router.handle_weight(-100);
    assert_eq!(owner.router.effective_priority(), 255);
}

#[test]
fn weights_move_the_deadline_of_a_backup() {
    let mut bench = Bench::backup(settings(Version::V3));
    bench.router.handle_weight(64);
    assert_eq!(bench.due(), millis(3_250));
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

// ----- what is dropped -----

#[track_caller]
fn dropped(ours: &Settings, change: impl Fn(&mut Advert), ttl: u8, error: AdvertError) {
    let mut bench = Bench::backup(ours.clone());
    let mut theirs = advert(ours, 200);
    change(&mut theirs);
    let kind = error.kind();
    let note = Output::Note(Note::Rejected { source: Some(host(9)), error });
    assert_eq!(bench.at(SECOND).hear_advert(&theirs, host(9), ttl), [note]);
    assert!(bench.hear_advert(&theirs, host(9), ttl).is_empty(), "noted once");
    assert_eq!(bench.due(), millis(3_500), "the timer runs on");
    assert_eq!((bench.errors(kind), bench.router.counters().received), (2, 0));
}

/// RFC 9568, 5.1.1.3.
#[test]
fn multicast_with_another_ttl_is_dropped() {
    dropped(&settings(Version::V3), |_| (), 254, AdvertError::WrongTtl { vrid: 51, found: 254 });
}

#[test]
fn unicast_is_accepted_with_any_ttl() {
    let mut bench = Bench::backup(settings(Version::V3));
    let envelope = Envelope { source: host(9), destination: host(5), ttl: 64 };
    let theirs = advert(bench.router.settings(), 200);
    bench.at(SECOND);
    bench.router.handle_advert(&theirs, &envelope, bench.now);
    assert_eq!(bench.due(), millis(4_500));
}

#[test]
fn another_vrid_is_dropped() {
    let error = AdvertError::WrongVrid { found: 52, expected: 51 };
    dropped(&settings(Version::V3), |advert| advert.vrid = 52, 255, error);
}

#[test]
fn another_version_is_dropped() {
    let error = AdvertError::WrongVersion { vrid: 51, found: Version::V2, expected: Version::V3 };
    dropped(&settings(Version::V3), |advert| advert.version = Version::V2, 255, error);
}

#[test]
fn another_authentication_is_dropped() {
    let with = Settings { auth: Auth::password("secret"), ..settings(Version::V2) };
    let (found, expected) = (AuthKind::None, AuthKind::Password);
    let error = AdvertError::WrongAuthentication { vrid: 51, found, expected };
    dropped(&with, |advert| advert.auth = Auth::None, 255, error);
    let error = AdvertError::WrongPassword { vrid: 51 };
    dropped(&with, |advert| advert.auth = Auth::password("secreT"), 255, error);
}

#[test]
fn our_own_adverts_are_ignored() {
    let mut bench = Bench::master(settings(Version::V3));
    assert!(bench.hear(5, 128).is_empty());
    assert_eq!((bench.router.counters().looped, bench.router.counters().received), (1, 0));
}

#[test]
fn what_could_not_be_parsed_is_counted_and_noted_once_per_kind() {
    let mut bench = Bench::backup(settings(Version::V3));
    let error = AdvertError::UnknownType { vrid: 51, found: 3 };
    bench.router.handle_error(&error);
    bench.router.handle_error(&error);
    assert_eq!(bench.outputs(), [Output::Note(Note::Rejected { source: None, error })]);
    bench.router.handle_error(&AdvertError::ZeroInterval { vrid: 51 });
    assert_eq!(bench.outputs().len(), 1);
    assert_eq!((bench.errors(ErrorKind::Type), bench.errors(ErrorKind::Interval)), (2, 1));
}

/// As keepalived since 2.3.3: a rolling change of addresses must not make two masters.
#[test]
fn another_address_list_is_noted_once_and_accepted() {
    let ours = settings(Version::V3);
    let mut bench = Bench::backup(ours.clone());
    let theirs = Advert { addresses: vec![host(100), host(101)], ..advert(&ours, 200) };
    let note = Note::AddressListDiffers { source: host(9), found: theirs.addresses.clone() };
    assert_eq!(bench.at(SECOND).hear_advert(&theirs, host(9), 255), [Output::Note(note)]);
    assert_eq!((bench.due(), bench.errors(ErrorKind::AddressList)), (millis(4_500), 1));
    assert!(bench.hear_advert(&theirs, host(9), 255).is_empty());
}

#[test]
fn the_order_of_addresses_does_not_matter() {
    let ours = Settings { addresses: vec![host(100), host(101)], ..settings(Version::V3) };
    let mut bench = Bench::backup(ours.clone());
    let theirs = Advert { addresses: vec![host(101), host(100)], ..advert(&ours, 200) };
    assert!(bench.hear_advert(&theirs, host(9), 255).is_empty());
}

// ----- reload -----

#[test]
fn a_master_stays_master_through_a_reload() {
    let mut bench = Bench::master(settings(Version::V3));
    let new = Settings { priority: 50, wish: Role::Backup, preempt: false, ..settings(Version::V3) };
    bench.router.handle_settings(new.clone(), bench.now);
    assert!(bench.outputs().is_empty() && bench.router.is_master());
    assert_eq!(bench.due(), SECOND);
    bench.pass();
    assert_eq!(bench.outputs(), [send(&new, 50)]);
}

#[test]
fn a_master_with_new_addresses_advertises_and_announces_them() {
    let mut bench = Bench::master(settings(Version::V3));
    let new = Settings { addresses: vec![host(100), host(101)], ..settings(Version::V3) };
    bench.at(10 * SECOND);
    bench.router.handle_timeout(bench.now);
    bench.outputs();
    bench.router.handle_settings(new.clone(), bench.now);
    assert_eq!(bench.outputs(), [send(&new, 128), Output::Announce(5)]);
    while bench.pass() != Reason::SecondAnnounce {}
    assert_eq!(bench.now - bench.start, 15 * SECOND);
}

#[test]
fn a_shorter_interval_takes_effect_at_once_for_a_master() {
    let mut bench = Bench::master(Settings { interval: 10 * SECOND, ..settings(Version::V3) });
    bench.at(SECOND);
    bench.router.handle_settings(settings(Version::V3), bench.now);
    assert_eq!(bench.due(), 2 * SECOND);
}

#[test]
fn a_backup_with_a_new_interval_of_its_own_waits_anew() {
    let mut bench = Bench::backup(Settings { interval: 10 * SECOND, ..settings(Version::V2) });
    bench.at(20 * SECOND).hear(9, 200);
    bench.at(28 * SECOND);
    bench.router.handle_settings(settings(Version::V2), bench.now);
    assert!(bench.outputs().is_empty());
    assert_eq!(bench.due(), millis(31_500));
}

#[test]
fn a_backup_that_goes_by_the_masters_interval_goes_on() {
    let mut bench = Bench::backup(settings(Version::V3));
    bench.at(SECOND).hear(9, 200);
    bench.at(2 * SECOND);
    bench.router.handle_settings(Settings { interval: 10 * SECOND, ..settings(Version::V3) }, bench.now);
    assert_eq!(bench.due(), millis(4_500));
}

#[test]
fn a_backup_with_a_new_priority_has_the_new_skew() {
    let mut bench = Bench::backup(settings(Version::V3));
    bench.at(SECOND);
    bench.router.handle_settings(Settings { priority: 192, ..settings(Version::V3) }, bench.now);
    assert_eq!(bench.due(), millis(3_250));
}

#[test]
fn a_new_refresh_begins_now() {
    let mut bench = Bench::master(settings(Version::V3));
    let announce = AnnounceSettings { refresh: Some(millis(300)), ..AnnounceSettings::default() };
    bench.at(millis(100));
    bench.router.handle_settings(Settings { announce, ..settings(Version::V3) }, bench.now);
    assert_eq!(bench.due(), millis(400));
    assert_eq!(bench.pass(), Reason::Refresh);
    assert_eq!(bench.outputs(), [Output::Announce(1)]);
}

#[test]
fn settings_out_of_range_are_brought_into_it() {
    let announce = AnnounceSettings { refresh: Some(Duration::ZERO), ..AnnounceSettings::default() };
    let wild = Settings {
        priority: 0,
        interval: Duration::MAX,
        preempt_delay: Duration::MAX,
        down_timer_adverts: 0,
        addresses: vec![host(1), "fe80::1".parse().unwrap()],
        announce: AnnounceSettings { delay: Duration::MAX, lower_delay: Duration::MAX, ..announce },
        ..settings(Version::V3)
    };
    let mut bench = Bench::master(wild);
    bench.hear(9, 1);
    let tame = bench.router.settings();
    assert_eq!((tame.priority, tame.interval, tame.down_timer_adverts), (1, millis(40_950), 1));
    assert_eq!((tame.announce.refresh, &tame.addresses), (None, &vec![host(1)]));
}

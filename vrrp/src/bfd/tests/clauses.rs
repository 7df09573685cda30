//! One test for each clause of RFC 5880 that a session has to keep.

use super::*;

/// 6.8.3: not more than a packet a second while the session is not up; 6.8.7: jitter of 0 to 25 percent.
#[test]
fn the_pace_is_slow_while_down_and_jittered() {
    let mut desk = Desk::new(settings());
    desk.pass(Duration::from_secs(60));
    let gaps = desk.gaps();
    assert!(gaps.len() > 55, "{} packets", gaps.len());
    assert!(gaps.iter().all(|gap| (750 * MS..=1000 * MS).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().max().unwrap().saturating_sub(*gaps.iter().min().unwrap()) > 100 * MS, "no jitter");
    let said = desk.last();
    assert_eq!((said.desired_min_tx, said.required_min_rx), (1000 * MS, 50 * MS));
    assert_eq!((said.state, said.yours, said.demand), (State::Down, None, false));
    assert_eq!(said.required_min_echo_rx, Duration::ZERO, "no echo is asked for");
}

/// 6.8.7: with a multiplier of 1 at most 90 percent of the interval.
#[test]
fn where_each_packet_counts_none_comes_late() {
    let mut desk = Desk::up(Settings { multiplier: NonZeroU8::MIN, ..settings() });
    for _ in 0..500 {
        desk.pass(20 * MS);
        desk.hear(desk.fast(false));
    }
    let gaps = desk.gaps();
    assert!(gaps.len() > 150 && gaps.iter().all(|gap| (37 * MS..=45 * MS).contains(gap)), "{gaps:?}");
}

/// 6.8.6 and 6.2: the three-way handshake.
#[test]
fn down_init_up() {
    let mut desk = Desk::new(settings());
    desk.hear(hello());
    assert_eq!((desk.session.state(), desk.last().yours), (State::Init, Some(number(7))));
    desk.hear(hello());
    assert_eq!(desk.session.state(), State::Init);
    desk.hear(desk.fast(false));
    assert_eq!(desk.session.state(), State::Up);
    // From Down an Init is enough.
    let mut desk = Desk::new(settings());
    desk.hear(Packet { state: State::Init, yours: Some(number(1)), ..hello() });
    assert_eq!(desk.session.state(), State::Up);
    // An Up in Down is from another life: stay, and it will go down.
    let mut desk = Desk::new(settings());
    desk.hear(desk.fast(false));
    assert_eq!(desk.session.state(), State::Down);
}

/// 6.8.3: coming up changes Desired Min TX, so the first packets ask for an answer; without one they go on asking.
#[test]
fn coming_up_begins_a_poll_that_lasts_until_it_is_answered() {
    let mut desk = Desk::new(settings());
    desk.hear(Packet { state: State::Init, yours: Some(number(1)), ..hello() });
    let first = desk.last();
    assert_eq!((first.state, first.poll, first.desired_min_tx), (State::Up, true, 50 * MS));
    for _ in 0..5 {
        desk.pass(50 * MS);
        desk.hear(desk.fast(false));
        assert!(desk.last().poll);
    }
    desk.hear(desk.fast(true));
    desk.pass(60 * MS);
    assert!(!desk.last().poll);
}

/// 6.5 and 6.8.7: a poll is answered at once, and the answer neither polls nor moves our own rhythm.
#[test]
fn a_poll_is_answered_at_once() {
    let mut desk = Desk::up(settings());
    let due = desk.session.poll_timeout();
    desk.hear(Packet { poll: true, ..desk.fast(false) });
    assert_eq!(desk.sent.len(), 1);
    assert!(desk.last().answer && !desk.last().poll);
    assert_eq!(desk.session.poll_timeout().map(|d| d.0).min(due.map(|d| d.0)), due.map(|d| d.0));
    // Even while we poll ourselves.
    let now = desk.now;
    desk.session.handle_settings(Settings { min_tx: 80 * MS, ..settings() }, now);
    desk.drain();
    assert!(desk.last().poll);
    desk.hear(Packet { poll: true, ..desk.fast(false) });
    assert!(desk.last().answer && !desk.last().poll);
}

/// 6.8.4: the detection time is the neighbour's multiplier times the slower of its pace and what we can take.
#[test]
fn silence_for_the_detection_time_is_down() {
    let mut desk = Desk::up(settings());
    desk.hear(Packet { desired_min_tx: 100 * MS, ..desk.fast(false) });
    assert_eq!(desk.session.detection_time(), Some(300 * MS));
    desk.pass(299 * MS);
    assert_eq!(desk.session.state(), State::Up);
    desk.pass(MS);
    assert_eq!((desk.session.state(), desk.session.diagnostic()), (State::Down, Diagnostic::EXPIRED));
    // 6.8.1: its number is forgotten.
    assert_eq!(desk.session.remote_discriminator(), None);
    let said = desk.last();
    assert_eq!((said.state, said.diagnostic, said.yours), (State::Down, Diagnostic::EXPIRED, None));
    assert_eq!(said.desired_min_tx, 1000 * MS);
}

/// A packet that waited in a queue counts from when it arrived, and an older one never shortens the patience.
#[test]
fn a_late_reader_does_not_lose_the_neighbour() {
    let mut desk = Desk::up(settings());
    let packet = desk.fast(false);
    let then = desk.now;
    desk.session.handle_packet(&packet, then + 100 * MS);
    desk.session.handle_packet(&packet, then + 90 * MS);
    desk.drain();
    desk.pass(249 * MS);
    assert_eq!(desk.session.state(), State::Up);
    desk.pass(MS);
    assert_eq!(desk.session.state(), State::Down);
}

/// 6.8.6: the neighbour says Down or AdminDown.
#[test]
fn a_neighbour_that_says_down_is_down() {
    for (state, next) in [(State::Down, State::Down), (State::AdminDown, State::Down)] {
        let mut desk = Desk::up(settings());
        desk.hear(Packet { state, ..desk.fast(false) });
        assert_eq!((desk.session.state(), desk.session.diagnostic()), (next, Diagnostic::SIGNALED));
        assert_eq!(desk.last().state, State::Down, "it is told at once");
    }
    let mut desk = Desk::new(settings());
    desk.hear(hello());
    desk.hear(Packet { state: State::AdminDown, ..hello() });
    assert_eq!(desk.session.state(), State::Down);
    desk.hear(Packet { state: State::AdminDown, ..hello() });
    assert_eq!(desk.session.state(), State::Down, "as long as it says so");
}

/// 6.8.3: a slower pace of ours waits for the answer, a faster one does not.
#[test]
fn slower_packets_wait_for_the_answer() {
    let mut desk = Desk::up(settings());
    let now = desk.now;
    desk.session.handle_settings(Settings { min_tx: 500 * MS, ..settings() }, now);
    desk.drain();
    assert_eq!((desk.last().poll, desk.last().desired_min_tx), (true, 500 * MS), "it is asked at once");
    assert_eq!(desk.session.transmit_interval(), 50 * MS);
    desk.hear(desk.fast(true));
    assert_eq!(desk.session.transmit_interval(), 500 * MS);
    let now = desk.now;
    desk.session.handle_settings(settings(), now);
    assert_eq!(desk.session.transmit_interval(), 50 * MS);
}

/// 6.8.3: a shorter patience of ours waits for the answer, a longer one does not.
#[test]
fn a_shorter_patience_waits_for_the_answer() {
    let mut desk = Desk::up(settings());
    let detection = |desk: &Desk| desk.session.detection_time().unwrap();
    let fast = Packet { desired_min_tx: 10 * MS, ..desk.fast(false) };
    desk.hear(fast);
    assert_eq!(detection(&desk), 150 * MS);
    let now = desk.now;
    desk.session.handle_settings(Settings { min_rx: 20 * MS, ..settings() }, now);
    assert_eq!(detection(&desk), 150 * MS);
    desk.hear(Packet { answer: true, ..fast });
    assert_eq!(detection(&desk), 60 * MS);
    let now = desk.now;
    desk.session.handle_settings(settings(), now);
    assert_eq!(detection(&desk), 150 * MS);
}

/// 6.5: what changes while a poll is under way is asked for by another one.
#[test]
fn a_change_during_a_poll_is_polled_again() {
    let mut desk = Desk::up(settings());
    for min_tx in [500, 700] {
        let now = desk.now;
        desk.session.handle_settings(Settings { min_tx: min_tx * MS, ..settings() }, now);
    }
    desk.drain();
    desk.hear(desk.fast(true));
    assert_eq!(desk.session.transmit_interval(), 50 * MS, "that answered the first question");
    desk.pass(50 * MS);
    assert!(desk.last().poll);
    desk.hear(desk.fast(true));
    assert_eq!(desk.session.transmit_interval(), 700 * MS);
}

/// 6.8.3: when the neighbour can take more, the new pace counts at once.
#[test]
fn a_neighbour_that_can_take_more_gets_more_at_once() {
    let mut desk = Desk::up(settings());
    desk.hear(Packet { required_min_rx: 1000 * MS, ..desk.fast(false) });
    desk.sent.clear();
    desk.pass(60 * MS);
    desk.hear(Packet { required_min_rx: 1000 * MS, ..desk.fast(false) });
    let slow = desk.session.poll_timeout();
    desk.sent.clear();
    desk.hear(desk.fast(false));
    desk.pass(50 * MS);
    assert!(!desk.sent.is_empty(), "it waited for {slow:?}");
}

/// 6.8.7: a neighbour that can take nothing is sent nothing, but answers.
#[test]
fn a_neighbour_that_wants_nothing_gets_nothing() {
    let mut desk = Desk::up(settings());
    let hush = Packet { required_min_rx: Duration::ZERO, ..desk.fast(false) };
    for _ in 0..40 {
        desk.hear(hush);
        desk.pass(50 * MS);
    }
    assert_eq!(desk.sent.len(), 0);
    desk.hear(Packet { poll: true, ..hush });
    assert!(desk.last().answer);
}

/// 6.6 and 6.8.7: demand mode of the neighbour is obeyed while both are up, polls are answered, and silence of the
/// neighbour is still a loss.
#[test]
fn demand_mode_of_the_neighbour_is_obeyed() {
    let mut desk = Desk::up(settings());
    let demand = Packet { demand: true, ..desk.fast(false) };
    for _ in 0..40 {
        desk.hear(demand);
        desk.pass(50 * MS);
    }
    assert_eq!(desk.sent.len(), 0);
    desk.hear(Packet { poll: true, ..demand });
    assert!(desk.last().answer);
    desk.hear(desk.fast(false));
    desk.pass(60 * MS);
    assert!(!desk.last().answer, "it no longer demands silence");
    desk.hear(demand);
    desk.pass(150 * MS);
    assert_eq!(desk.session.state(), State::Down);
    assert_eq!(desk.last().state, State::Down, "and is told so");
}

/// 6.1 and 6.8.7: the passive side begins when it has heard somebody, and falls silent when it hears nobody.
#[test]
fn the_passive_side_waits() {
    let mut desk = Desk::new(Settings { passive: true, ..settings() });
    desk.pass(Duration::from_secs(20));
    assert_eq!(desk.sent.len(), 0);
    desk.hear(hello());
    assert_eq!((desk.session.state(), desk.last().state), (State::Init, State::Init));
    desk.pass(Duration::from_secs(4));
    assert_eq!(desk.session.state(), State::Down);
    desk.sent.clear();
    desk.pass(Duration::from_secs(20));
    assert_eq!(desk.sent.len(), 0);
}

/// An end on purpose is told, and nothing brings the session back.
#[test]
fn an_end_on_purpose_is_told() {
    let mut desk = Desk::up(settings());
    let now = desk.now;
    desk.session.handle_stop(now);
    desk.drain();
    assert_eq!((desk.last().state, desk.last().diagnostic), (State::Down, Diagnostic::ADMIN));
    desk.hear(hello());
    assert_eq!((desk.session.state(), desk.session.poll_timeout()), (State::AdminDown, None));
}

/// The flood rule: however often the neighbour speaks, we keep to our own pace.
#[test]
fn hearing_much_does_not_hurry_us() {
    let mut desk = Desk::up(settings());
    for _ in 0..1000 {
        desk.hear(desk.fast(false));
        desk.pass(MS);
    }
    let gaps = desk.gaps();
    assert!(gaps.iter().all(|gap| *gap >= 37 * MS), "{gaps:?}");
}

#[test]
fn what_is_dropped_is_counted_by_kind() {
    let mut desk = Desk::new(settings());
    desk.session.handle_error(&PacketError::Authenticated);
    desk.session.handle_error(&PacketError::Authenticated);
    desk.session.drop_packet("ttl");
    let counters = desk.session.counters();
    assert_eq!((counters.dropped["authentication"], counters.dropped["ttl"]), (2, 1));
}

/// RFC 5881, 5 and RFC 5883, 3: how far a packet may have come.
#[test]
fn the_least_time_to_live_follows_from_the_hops_allowed() {
    let reach = |ttl, max_hops, multihop| Reach { ttl, max_hops, multihop };
    assert_eq!(reach(255, Some(0), false).least_ttl(), 255);
    assert_eq!(reach(64, Some(0), false).least_ttl(), 64);
    assert_eq!(reach(255, Some(5), true).least_ttl(), 250);
    assert_eq!(reach(3, Some(9), true).least_ttl(), 0);
    assert_eq!(reach(255, None, true).least_ttl(), 0);
    assert_eq!((reach(255, None, true).port(), reach(255, None, false).port()), (4784, 3784));
}

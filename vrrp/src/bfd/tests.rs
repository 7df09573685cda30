use std::num::{NonZeroU8, NonZeroU32};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

mod clauses;
mod packets;

const MS: Duration = Duration::from_millis(1);

fn settings() -> Settings {
    Settings {
        min_tx: 50 * MS,
        min_rx: 50 * MS,
        idle_tx: 1000 * MS,
        multiplier: NonZeroU8::new(5).unwrap(),
        passive: false,
    }
}

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// What a neighbour says that is down and has not heard anybody.
fn hello() -> Packet {
    Packet {
        state: State::Down,
        diagnostic: Diagnostic::NONE,
        poll: false,
        answer: false,
        independent: false,
        demand: false,
        multiplier: NonZeroU8::new(3).unwrap(),
        mine: number(7),
        yours: None,
        desired_min_tx: 1000 * MS,
        required_min_rx: 50 * MS,
        required_min_echo_rx: Duration::ZERO,
    }
}

/// One session, with a clock that only moves when told to.
struct Desk {
    session: Session,
    now: Instant,
    sent: Vec<(Instant, Packet)>,
    states: Vec<State>,
}

impl Desk {
    fn new(settings: Settings) -> Desk {
        let now = Instant::now();
        Desk {
            session: Session::new(number(1), settings, 42, now),
            now,
            sent: Vec::new(),
            states: Vec::new(),
        }
    }

    /// A session that is up, its first poll answered.
    fn up(settings: Settings) -> Desk {
        let mut desk = Desk::new(settings);
        desk.hear(hello());
        desk.hear(Packet { state: State::Init, yours: Some(number(1)), ..hello() });
        assert_eq!(desk.session.state(), State::Up);
        desk.hear(desk.fast(true));
        desk.sent.clear();
        desk
    }

    /// What a neighbour says that is up.
    fn fast(&self, answer: bool) -> Packet {
        Packet { state: State::Up, yours: Some(number(1)), desired_min_tx: 50 * MS, answer, ..hello() }
    }

    fn hear(&mut self, packet: Packet) {
        self.session.handle_packet(&packet, self.now);
        self.drain();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.session.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = at.max(self.now);
            self.session.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(packet) => self.sent.push((self.now, packet)),
                Output::Changed { to, .. } => self.states.push(to),
            }
        }
    }

    fn last(&self) -> Packet {
        self.sent.last().expect("nothing was sent").1
    }

    /// The times between the packets sent.
    fn gaps(&self) -> Vec<Duration> {
        self.sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
    }
}

/// Two sessions and the wire between them.
struct Wire {
    sides: [Desk; 2],
    cut: [bool; 2],
}

impl Wire {
    fn new(one: Settings, two: Settings) -> Wire {
        let now = Instant::now();
        let side = |n, settings, seed| Desk {
            session: Session::new(number(n), settings, seed, now),
            now,
            sent: Vec::new(),
            states: Vec::new(),
        };
        let sides = [side(1, one, 42), side(2, two, 7)];
        Wire { sides, cut: [false; 2] }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.sides[0].now + time;
        loop {
            let next = |desk: &Desk| desk.session.poll_timeout().map(|(at, _)| at);
            let Some(at) = self.sides.iter().filter_map(next).min().filter(|at| *at <= end) else { break };
            for side in &mut self.sides {
                side.now = at;
                side.session.handle_timeout(at);
                side.drain();
            }
            self.deliver();
        }
        for side in &mut self.sides {
            side.now = end;
        }
    }

    fn deliver(&mut self) {
        while self.sides.iter().any(|side| !side.sent.is_empty()) {
            for from in 0..2 {
                let sent = std::mem::take(&mut self.sides[from].sent);
                if !self.cut[from] {
                    for (_, packet) in sent {
                        // Through bytes: what is said must be what is heard.
                        let packet = Packet::parse(&packet.emit()).expect("we speak well");
                        self.sides[1 - from].hear(packet);
                    }
                }
            }
        }
    }

    fn states(&self) -> [State; 2] {
        [self.sides[0].session.state(), self.sides[1].session.state()]
    }
}

#[test]
fn two_sessions_come_up_and_agree_on_the_slower_pace() {
    let slow = Settings { min_rx: 200 * MS, multiplier: NonZeroU8::new(3).unwrap(), ..settings() };
    let mut wire = Wire::new(settings(), slow);
    wire.pass(1500 * MS);
    assert_eq!(wire.states(), [State::Up; 2]);
    let [one, two] = &wire.sides;
    assert_eq!(one.session.transmit_interval(), 200 * MS, "the other side can take no more");
    assert_eq!(two.session.transmit_interval(), 50 * MS);
    assert_eq!(one.session.detection_time(), Some(150 * MS), "three of its packets");
    assert_eq!(two.session.detection_time(), Some(1000 * MS), "five of ours at its pace");
}

#[test]
fn a_cut_in_one_direction_is_seen_by_both() {
    let mut wire = Wire::new(settings(), settings());
    wire.pass(1500 * MS);
    wire.cut[0] = true;
    // What was under way arrived; the other side counts five packets, and tells us.
    wire.pass(260 * MS);
    assert_eq!(wire.states(), [State::Down, State::Down]);
    assert_eq!(wire.sides[1].session.diagnostic(), Diagnostic::EXPIRED);
    assert_eq!(wire.sides[0].session.diagnostic(), Diagnostic::SIGNALED);
    wire.cut[0] = false;
    wire.pass(1500 * MS);
    assert_eq!(wire.states(), [State::Up; 2]);
}

#[test]
fn two_passive_sides_stay_silent_and_one_is_enough_to_begin() {
    let passive = Settings { passive: true, ..settings() };
    let mut wire = Wire::new(passive.clone(), passive.clone());
    wire.pass(5000 * MS);
    assert_eq!(wire.states(), [State::Down; 2]);
    assert_eq!(wire.sides[0].session.counters().sent, 0);
    let mut wire = Wire::new(passive, settings());
    wire.pass(1500 * MS);
    assert_eq!(wire.states(), [State::Up; 2]);
}

#[test]
fn a_stop_is_told_and_takes_the_other_side_down_at_once() {
    let mut wire = Wire::new(settings(), settings());
    wire.pass(1500 * MS);
    let now = wire.sides[0].now;
    wire.sides[0].session.handle_stop(now);
    wire.sides[0].drain();
    wire.deliver();
    assert_eq!(wire.states(), [State::AdminDown, State::Down]);
    assert_eq!(wire.sides[1].session.remote(), (State::Down, Diagnostic::ADMIN));
    wire.pass(5000 * MS);
    assert_eq!(wire.states(), [State::AdminDown, State::Down]);
}

#[test]
fn other_timers_are_agreed_on_without_losing_the_session() {
    let mut wire = Wire::new(settings(), settings());
    wire.pass(1500 * MS);
    for (min_tx, min_rx) in [(400, 400), (20, 20), (20, 300), (300, 20), (50, 50)] {
        let now = wire.sides[0].now;
        let other = Settings { min_tx: min_tx * MS, min_rx: min_rx * MS, ..settings() };
        wire.sides[0].session.handle_settings(other, now);
        wire.sides[0].drain();
        wire.deliver();
        wire.pass(3000 * MS);
        assert_eq!(wire.states(), [State::Up; 2], "{min_tx} {min_rx}");
        assert_eq!(wire.sides[0].session.transmit_interval(), min_tx.max(50) * MS);
        assert_eq!(wire.sides[1].session.transmit_interval(), min_rx.max(50) * MS);
        assert_eq!(wire.sides[0].session.detection_time(), Some(5 * min_rx.max(50) * MS));
    }
    assert!(wire.sides.iter().all(|side| side.session.counters().downs == 0));
}

#[test]
fn the_same_seed_speaks_at_the_same_instants() {
    let run = |seed| {
        let now = Instant::now();
        let mut desk = Desk {
            session: Session::new(number(1), settings(), seed, now),
            now,
            sent: vec![],
            states: vec![],
        };
        desk.pass(20_000 * MS);
        desk.sent.iter().map(|(at, _)| *at - now).collect::<Vec<_>>()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is heard and whenever: no panic, no burst, and the next deadline is never in the past.
    #[test]
    fn any_conversation_is_survived(
        steps in prop::collection::vec((any::<[u8; 4]>(), 0u64..400), 1..200),
        passive: bool,
    ) {
        let mut desk = Desk::new(Settings { passive, ..settings() });
        for ([kind, a, b, c], wait) in steps {
            desk.pass(Duration::from_millis(wait));
            let state = [State::AdminDown, State::Down, State::Init, State::Up][usize::from(kind % 4)];
            let packet = Packet {
                state,
                poll: a & 1 != 0,
                answer: a & 2 != 0,
                demand: a & 4 != 0,
                multiplier: NonZeroU8::new(b).unwrap_or(NonZeroU8::MIN),
                yours: Some(number(1)),
                required_min_rx: Duration::from_millis(u64::from(c) * u64::from(a & 8)),
                desired_min_tx: Duration::from_millis(c.into()),
                ..hello()
            };
            if kind & 4 != 0 {
                desk.session.handle_settings(
                    Settings { min_tx: Duration::from_millis(b.into()), min_rx: Duration::from_millis(c.into()), ..settings() },
                    desk.now,
                );
            }
            desk.hear(packet);
            if let Some((at, _)) = desk.session.poll_timeout() {
                prop_assert!(at > desk.now, "due already");
            }
        }
        // Alone again, it goes down and says so at its slow pace.
        desk.pass(Duration::from_secs(400));
        prop_assert_eq!(desk.session.state(), State::Down);
        desk.sent.clear();
        desk.pass(Duration::from_secs(10));
        prop_assert!(desk.sent.len() <= 14, "{} packets in ten seconds", desk.sent.len());
    }
}

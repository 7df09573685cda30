use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A monitor on a desk: time moves only when told to.
struct Desk {
    monitor: Monitor,
    start: Instant,
    now: Instant,
}

impl Desk {
    fn new(schedule: Schedule, steps: usize, seed: u64) -> Desk {
        let start = Instant::now();
        Desk { monitor: Monitor::new(schedule, steps, seed, start), start, now: start }
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.monitor.poll_output()).collect()
    }

    /// Takes the one attempt that must be there.
    fn attempt(&mut self) -> (u64, usize) {
        match self.outputs()[..] {
            [Output::Attempt { number, step }] => (number, step),
            ref other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, number: u64, passed: bool, took: Duration) -> Vec<Output> {
        let outcome = if passed {
            Outcome::passed(took)
        } else {
            Outcome::failed(FailureKind::Refused, "connection refused", took)
        };
        self.end(number, outcome)
    }

    fn end(&mut self, number: u64, outcome: Outcome) -> Vec<Output> {
        self.now += outcome.took;
        self.monitor.handle_result(number, outcome, self.now);
        self.outputs()
    }

    /// Jumps to the next wake-up, and returns how long that took and why.
    fn jump(&mut self) -> (Duration, Reason) {
        let (until, reason) = self.monitor.poll_timeout().expect("nothing runs");
        let waited = until.saturating_duration_since(self.now);
        self.now += waited;
        self.monitor.handle_timeout(self.now);
        (waited, reason)
    }
}

fn schedule(interval: u64, retry: u32, delay: u64) -> Schedule {
    Schedule {
        interval: SECOND * interval as u32,
        retry,
        delay_before_retry: SECOND * delay as u32,
        ..Schedule::default()
    }
}

#[test]
fn the_first_attempt_starts_at_once_and_decides_alone() {
    let mut desk = Desk::new(schedule(60, 3, 1), 1, 7);
    assert_eq!(desk.attempt(), (1, 0));
    assert!(desk.monitor.counts_as_up());
    assert_eq!(desk.monitor.poll_timeout(), None);
    assert_eq!(desk.answer(1, false, SECOND), [Output::Flipped { up: false }]);
    assert_eq!(desk.monitor.verdict(), Verdict::Down);
    assert_eq!(desk.monitor.last().unwrap().result.as_ref().unwrap_err().kind, FailureKind::Refused);
    assert_eq!(desk.jump().1, Reason::Regular, "no retry of the very first attempt");
}

#[test]
fn the_first_pass_is_no_flip() {
    let mut desk = Desk::new(schedule(60, 3, 1), 1, 7);
    desk.attempt();
    assert_eq!(desk.answer(1, true, SECOND), []);
    assert_eq!(desk.monitor.verdict(), Verdict::Up);
}

#[test]
fn with_alpha_the_first_pass_flips() {
    let mut desk = Desk::new(Schedule { alpha: true, ..schedule(60, 3, 1) }, 1, 7);
    assert!(!desk.monitor.counts_as_up());
    desk.attempt();
    assert_eq!(desk.answer(1, false, SECOND), [], "it was out already");
    desk.jump();
    desk.attempt();
    assert_eq!(desk.answer(2, true, SECOND), [Output::Flipped { up: true }]);
}

#[test]
fn a_live_server_is_retried_after_the_delay_then_down_then_back() {
    let mut desk = Desk::new(schedule(60, 2, 3), 1, 7);
    desk.attempt();
    desk.answer(1, true, SECOND);
    desk.jump();
    for number in 2..4 {
        desk.attempt();
        assert_eq!(desk.answer(number, false, SECOND), []);
        assert_eq!(desk.jump(), (3 * SECOND, Reason::Retry));
    }
    desk.attempt();
    assert_eq!(desk.answer(4, false, SECOND), [Output::Flipped { up: false }]);
    let (waited, reason) = desk.jump();
    assert!(waited <= 60 * SECOND && reason == Reason::Regular);
    desk.attempt();
    assert_eq!(desk.answer(5, true, SECOND), [Output::Flipped { up: true }]);
    assert_eq!(desk.monitor.attempts(), 5);
}

#[test]
fn outcomes_of_other_attempts_are_ignored() {
    let mut desk = Desk::new(schedule(60, 0, 1), 1, 7);
    desk.attempt();
    for stale in [0, 2, u64::MAX] {
        assert_eq!(desk.answer(stale, false, SECOND), []);
        assert_eq!(desk.monitor.verdict(), Verdict::Unknown);
    }
    desk.answer(1, true, SECOND);
    assert_eq!(desk.answer(1, false, SECOND), [], "answered twice");
    assert_eq!(desk.monitor.verdict(), Verdict::Up);
}

#[test]
fn too_early_a_wake_up_does_nothing() {
    let mut desk = Desk::new(schedule(60, 0, 1), 1, 7);
    desk.attempt();
    desk.monitor.handle_timeout(desk.now + 600 * SECOND);
    assert_eq!(desk.outputs(), [], "one attempt at a time");
    desk.answer(1, true, SECOND);
    desk.monitor.handle_timeout(desk.now);
    assert_eq!(desk.outputs(), []);
}

#[test]
fn regular_attempts_lie_on_a_grid_whatever_the_answers_take() {
    let mut desk = Desk::new(schedule(10, 0, 1), 1, 99);
    let mut starts = Vec::new();
    for number in 1..50 {
        desk.attempt();
        starts.push(desk.now - desk.start);
        desk.answer(number, true, Duration::from_millis(13 * number % 9_000));
        desk.jump();
    }
    for pair in starts[1..].windows(2) {
        assert_eq!(pair[1] - pair[0], 10 * SECOND);
    }
    assert!(starts[1] <= 10 * SECOND);
}

#[test]
fn a_silent_server_is_asked_again_when_it_has_been_waited_for() {
    let mut desk = Desk::new(schedule(10, 0, 1), 1, 99);
    let (first, _) = desk.attempt();
    desk.answer(first, true, Duration::ZERO);
    let (phase, _) = desk.jump();
    let hangs = 10 * SECOND + Duration::from_micros(200);
    for number in 2..6 {
        assert_eq!(desk.attempt().0, number);
        desk.end(number, Outcome::failed(FailureKind::Timeout, "no answer", hangs));
        assert_eq!(desk.jump(), (Duration::ZERO, Reason::Regular));
    }
    // One that answers, however late or badly, is asked on the grid again, and a command is run on it.
    let (number, _) = desk.attempt();
    desk.answer(number, false, SECOND);
    let (waited, _) = desk.jump();
    assert_eq!(waited, 9 * SECOND - 4 * Duration::from_micros(200));
    assert_eq!((desk.now - desk.start - phase).as_nanos() % (10 * SECOND).as_nanos(), 0);
    let (number, _) = desk.attempt();
    desk.answer(number, true, 11 * SECOND);
    assert_eq!(desk.jump().0, 9 * SECOND);
    let (number, _) = desk.attempt();
    desk.end(number, Outcome::failed(FailureKind::Command, "it did not end", 11 * SECOND));
    assert_eq!(desk.jump().0, 9 * SECOND);
}

#[test]
fn seeds_spread_the_second_attempts_over_the_interval() {
    let mut tenths = [0; 10];
    for seed in 0..1000 {
        let mut desk = Desk::new(schedule(10, 0, 1), 1, seed);
        desk.attempt();
        desk.answer(1, true, Duration::ZERO);
        let (waited, _) = desk.jump();
        assert!(!waited.is_zero() && waited <= 10 * SECOND);
        tenths[(waited.as_millis() as usize / 1000).min(9)] += 1;
    }
    assert!(tenths.iter().all(|count| (50..=150).contains(count)), "{tenths:?}");
}

#[test]
fn the_same_seed_gives_the_same_times() {
    let waits = |seed| {
        let mut desk = Desk::new(schedule(10, 0, 1), 1, seed);
        desk.attempt();
        desk.answer(1, true, SECOND);
        desk.jump().0
    };
    assert_eq!(waits(5), waits(5));
    assert_ne!(waits(5), waits(6));
}

#[test]
fn warm_up_delays_the_first_attempt() {
    let mut desk = Desk::new(Schedule { warmup: Some(20 * SECOND), ..schedule(10, 0, 1) }, 1, 3);
    assert_eq!(desk.outputs(), []);
    let (waited, reason) = desk.jump();
    assert!(!waited.is_zero() && waited < 20 * SECOND && reason == Reason::First);
    assert_eq!(desk.attempt(), (1, 0));
    let mut at_once = Desk::new(Schedule { warmup: Some(Duration::ZERO), ..schedule(10, 0, 1) }, 1, 3);
    assert_eq!(at_once.attempt(), (1, 0));
}

#[test]
fn urls_take_turns_and_a_dead_server_must_pass_them_all() {
    let mut desk = Desk::new(schedule(10, 0, 1), 3, 3);
    let mut steps = Vec::new();
    let mut flips = Vec::new();
    for (number, passed) in (1..).zip([false, false, true, true, false, true, true, true, true]) {
        steps.push(desk.attempt().1);
        flips.extend(desk.answer(number, passed, SECOND).first().copied().map(|output| (number, output)));
        desk.jump();
    }
    assert_eq!(steps, [0, 0, 0, 1, 2, 2, 0, 1, 2], "a failing URL is asked until it passes");
    assert_eq!(flips, [(1, Output::Flipped { up: false }), (8, Output::Flipped { up: true })]);
}

#[test]
fn not_being_able_to_ask_counts_neither_way() {
    let mut desk = Desk::new(schedule(10, 0, 1), 1, 3);
    desk.attempt();
    desk.monitor.handle_result(1, Outcome::failed(FailureKind::Local, "no free port", SECOND), desk.now);
    assert_eq!(desk.outputs(), []);
    assert_eq!(desk.monitor.verdict(), Verdict::Unknown);
    assert_eq!(desk.monitor.last().unwrap().result.as_ref().unwrap_err().reason, "no free port");
    assert_eq!(desk.jump().1, Reason::Regular);
    desk.attempt();
    assert_eq!(desk.answer(2, false, SECOND), [Output::Flipped { up: false }], "still the first to count");
}

#[test]
fn a_new_schedule_keeps_history_and_never_postpones() {
    let mut desk = Desk::new(schedule(60, 0, 1), 1, 3);
    desk.attempt();
    desk.answer(1, false, SECOND);
    let before = desk.monitor.poll_timeout().unwrap().0;
    desk.monitor.handle_schedule(schedule(600, 0, 1), desk.now);
    assert_eq!(desk.monitor.poll_timeout().unwrap().0, before);
    desk.monitor.handle_schedule(schedule(2, 0, 1), desk.now);
    assert!(desk.monitor.poll_timeout().unwrap().0 <= desk.now + 2 * SECOND);
    assert_eq!(desk.monitor.verdict(), Verdict::Down);
    assert_eq!(desk.outputs(), []);
    assert!(desk.monitor.last().is_some());
}

#[test]
fn the_same_schedule_changes_nothing() {
    let mut desk = Desk::new(schedule(60, 3, 9), 1, 3);
    desk.attempt();
    desk.answer(1, true, SECOND);
    desk.jump();
    desk.attempt();
    desk.answer(2, false, SECOND);
    let before = desk.monitor.poll_timeout();
    desk.now += SECOND;
    desk.monitor.handle_schedule(schedule(60, 3, 9), desk.now);
    assert_eq!(desk.monitor.poll_timeout(), before);
}

#[test]
fn alpha_set_before_the_first_verdict_takes_the_server_out() {
    let mut desk = Desk::new(schedule(60, 3, 1), 1, 3);
    desk.attempt();
    desk.monitor.handle_schedule(Schedule { alpha: true, ..schedule(60, 3, 1) }, desk.now);
    assert_eq!(desk.outputs(), [Output::Flipped { up: false }]);
}

#[test]
fn a_changed_question_voids_the_running_attempt_only() {
    let mut desk = Desk::new(schedule(10, 0, 1), 2, 3);
    for number in 1..3 {
        desk.attempt();
        desk.answer(number, true, SECOND);
        desk.jump();
    }
    assert_eq!(desk.monitor.verdict(), Verdict::Up);
    desk.attempt();
    desk.monitor.handle_question(3);
    assert_eq!(desk.answer(3, false, SECOND), [], "it answered the old question");
    assert_eq!(desk.monitor.verdict(), Verdict::Up);
    desk.jump();
    assert_eq!(desk.attempt(), (4, 0));
    assert_eq!(desk.answer(4, false, SECOND), [Output::Flipped { up: false }]);
}

#[test]
fn absurd_times_are_bounded() {
    let absurd = Schedule {
        interval: Duration::MAX,
        delay_before_retry: Duration::MAX,
        warmup: Some(Duration::MAX),
        ..schedule(1, 1, 1)
    };
    let mut desk = Desk::new(absurd, 1, u64::MAX);
    desk.monitor.handle_schedule(Schedule { interval: Duration::ZERO, ..schedule(1, 1, 0) }, desk.now);
    desk.jump();
    desk.attempt();
    desk.answer(1, true, SECOND);
    let (waited, _) = desk.jump();
    assert!(!waited.is_zero() && waited <= Duration::from_millis(1));
}

proptest! {
    /// Whatever the answers are and take: one attempt at a time, none later than one interval (or the
    /// retry delay) after the last answer, and flips alternate.
    #[test]
    fn attempts_never_overlap_and_never_stall(
        seed: u64,
        retry in 0u32..4,
        steps in 1usize..4,
        answers in prop::collection::vec((any::<bool>(), 0u64..25_000), 1..60),
    ) {
        let mut desk = Desk::new(schedule(10, retry, 2), steps, seed);
        let mut up = desk.monitor.counts_as_up();
        for (number, (passed, took)) in (1..).zip(answers) {
            let (asked, step) = desk.attempt();
            prop_assert_eq!(asked, number);
            prop_assert!(step < steps);
            prop_assert_eq!(desk.monitor.poll_timeout(), None);
            for output in desk.answer(number, passed, Duration::from_millis(took)) {
                prop_assert_eq!(output, Output::Flipped { up: !up });
                up = !up;
            }
            prop_assert_eq!(up, desk.monitor.counts_as_up());
            let (waited, reason) = desk.jump();
            match reason {
                Reason::Retry => prop_assert_eq!(waited, 2 * SECOND),
                _ => prop_assert!(waited <= 10 * SECOND),
            }
        }
    }
}

#[test]
fn the_steps_of_a_server_that_comes_up_follow_each_other_at_once_if_asked_to() {
    let quick = Schedule { fast_recovery: true, ..schedule(60, 0, 1) };
    let mut desk = Desk::new(quick, 3, 7);
    for step in 0..3 {
        let (number, asked) = desk.attempt();
        assert_eq!(asked, step);
        desk.answer(number, true, Duration::ZERO);
        let wait = desk.jump();
        assert_eq!(wait.1, if step < 2 { Reason::Step } else { Reason::Regular });
        assert_eq!(wait.0.is_zero(), step < 2, "{wait:?}");
    }
    assert_eq!(desk.monitor.verdict(), Verdict::Up);
    // One that we could not ask tells nothing, and is not asked again at once.
    let (number, _) = desk.attempt();
    desk.answer(number, false, Duration::ZERO);
    desk.jump();
    let (number, _) = desk.attempt();
    desk.answer(number, true, Duration::ZERO);
    desk.jump();
    let (number, _) = desk.attempt();
    desk.monitor.handle_result(
        number,
        Outcome::failed(FailureKind::Local, "no port", Duration::ZERO),
        desk.now,
    );
    assert_eq!(desk.monitor.poll_timeout().unwrap().1, Reason::Regular);
}

#[test]
fn a_server_comes_up_after_as_many_rounds_of_passes_as_it_is_told_to() {
    let slowly = Schedule { rise: 3, ..schedule(10, 0, 1) };
    let mut desk = Desk::new(slowly.clone(), 1, 7);
    let (number, _) = desk.attempt();
    assert_eq!(desk.answer(number, false, Duration::ZERO), [Output::Flipped { up: false }]);
    // A failure in between begins the row anew; passes come at the interval.
    for (passed, row) in [
        (true, Some((1, 3))),
        (true, Some((2, 3))),
        (false, None),
        (true, Some((1, 3))),
        (true, Some((2, 3))),
    ] {
        let (waited, reason) = desk.jump();
        assert_eq!(reason, Reason::Regular);
        assert!(waited <= 10 * SECOND);
        let (number, _) = desk.attempt();
        assert_eq!(desk.answer(number, passed, Duration::ZERO), []);
        assert_eq!(desk.monitor.row(), row);
    }
    desk.jump();
    let (number, _) = desk.attempt();
    assert_eq!(desk.answer(number, true, Duration::ZERO), [Output::Flipped { up: true }]);
    assert_eq!(desk.monitor.row(), None);

    // One that is new is in no doubt until its row is complete; one failure takes it out.
    let mut desk = Desk::new(slowly, 1, 7);
    let (number, _) = desk.attempt();
    assert_eq!(desk.answer(number, true, Duration::ZERO), []);
    assert_eq!((desk.monitor.verdict(), desk.monitor.counts_as_up()), (Verdict::Unknown, true));
    desk.jump();
    let (number, _) = desk.attempt();
    assert_eq!(desk.answer(number, false, Duration::ZERO), [Output::Flipped { up: false }]);
}

#[test]
fn between_rounds_there_is_a_pause_and_between_their_steps_none() {
    let quick = Schedule { fast_recovery: true, rise: 2, ..schedule(60, 0, 1) };
    let mut desk = Desk::new(quick, 2, 7);
    for (number, reason) in (1..).zip([Reason::Step, Reason::Regular, Reason::Step, Reason::Regular]) {
        desk.attempt();
        desk.answer(number, true, Duration::ZERO);
        assert_eq!(desk.monitor.verdict() == Verdict::Up, number == 4);
        assert_eq!(desk.jump().1, reason);
    }
}

#[test]
fn warnings_of_passes_are_told_once() {
    use crate::warning::{Aside, Concern, Warning};
    let mut desk = Desk::new(schedule(10, 1, 1), 1, 7);
    let mut answer = |odd: bool, passed: bool| {
        let (number, _) = desk.attempt();
        let warning = Warning { about: Concern::Expiry, words: "the certificate ends".to_owned() };
        let aside = Aside { expires: None, warnings: vec![warning] };
        let mut outcome = Outcome::passed(SECOND);
        if !passed {
            outcome = Outcome::failed(FailureKind::Refused, "refused", SECOND);
        }
        outcome.aside = odd.then(|| Box::new(aside));
        desk.monitor.handle_result(number, outcome, desk.now);
        let outputs = desk.outputs();
        desk.jump();
        outputs
    };
    let begins = |begins| [Output::Warned { about: Concern::Expiry, begins }];
    assert_eq!(answer(true, false), [Output::Flipped { up: false }], "only passes count");
    assert_eq!(answer(true, true), [&[Output::Flipped { up: true }][..], &begins(true)].concat());
    assert_eq!(answer(true, true), []);
    assert_eq!(answer(false, false), []);
    assert_eq!(answer(false, true), []);
    assert_eq!(answer(false, true), []);
    assert_eq!(answer(false, true), begins(false));
}

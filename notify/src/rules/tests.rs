use super::*;
use crate::notice::About;

const SECOND: Duration = Duration::from_secs(1);

fn notice(who: &str, what: &str) -> Notice {
    Notice {
        subject: format!("{who} - {what}"),
        body: format!("{who} is {what}.\n"),
        about: About::Instance { name: who.into() },
    }
}

fn outbox(capacity: usize, tries: u32) -> Outbox {
    Outbox::new(Limits { capacity, tries, first_pause: 10 * SECOND, ..Limits::default() })
}

fn outputs(outbox: &mut Outbox) -> Vec<Output> {
    std::iter::from_fn(|| outbox.poll_output()).collect()
}

/// Takes the one thing to send, as number, subject and body.
fn sent(outbox: &mut Outbox) -> (u64, String, String) {
    match &outputs(outbox)[..] {
        [Output::Send { number, notice }] => (*number, notice.subject.clone(), notice.body.clone()),
        other => panic!("{other:?}"),
    }
}

/// Delivers everything and returns the subjects in order.
fn drain(outbox: &mut Outbox, now: Instant) -> Vec<String> {
    let mut subjects = Vec::new();
    while let Some(output) = outbox.poll_output() {
        if let Output::Send { number, notice } = output {
            subjects.push(notice.subject);
            outbox.handle_result(number, Ok(()), now);
        }
    }
    subjects
}

fn transient() -> Result<(), Failure> {
    Err(Failure { reason: "connection refused".into(), permanent: false })
}

fn permanent() -> Result<(), Failure> {
    Err(Failure { reason: "no such user".into(), permanent: true })
}

#[test]
fn notices_leave_one_at_a_time_in_order() {
    let (mut outbox, now) = (outbox(8, 3), Instant::now());
    assert!(outbox.is_empty());
    for who in ["a", "b", "c"] {
        outbox.handle_notice(notice(who, "DOWN"));
    }
    let (number, subject, _) = sent(&mut outbox);
    assert_eq!(subject, "a - DOWN");
    outbox.handle_result(number, Ok(()), now);
    assert_eq!(drain(&mut outbox, now), ["b - DOWN", "c - DOWN"]);
    assert!(outbox.is_empty());
    assert_eq!(outbox.poll_timeout(), None);
}

#[test]
fn the_same_is_not_said_twice_while_it_waits() {
    let (mut outbox, now) = (outbox(8, 3), Instant::now());
    for (who, what) in
        [("a", "DOWN"), ("b", "DOWN"), ("c", "DOWN"), ("b", "DOWN"), ("b", "UP"), ("b", "DOWN")]
    {
        outbox.handle_notice(notice(who, what));
    }
    assert_eq!(drain(&mut outbox, now), ["a - DOWN", "b - DOWN", "c - DOWN", "b - UP", "b - DOWN"]);
    outbox.handle_notice(notice("b", "DOWN"));
    assert_eq!(drain(&mut outbox, now), ["b - DOWN"], "nothing waits any more");
}

#[test]
fn what_is_on_its_way_is_not_changed() {
    let (mut outbox, now) = (outbox(8, 3), Instant::now());
    outbox.handle_notice(notice("a", "DOWN"));
    outbox.handle_notice(notice("a", "DOWN"));
    assert_eq!(drain(&mut outbox, now), ["a - DOWN", "a - DOWN"]);
}

#[test]
fn a_pausing_notice_takes_the_newer_words() {
    let (mut outbox, now) = (outbox(8, 3), Instant::now());
    outbox.handle_notice(notice("a", "DOWN"));
    let (number, ..) = sent(&mut outbox);
    outbox.handle_result(number, transient(), now);
    outputs(&mut outbox);
    outbox.handle_notice(Notice { body: "newer\n".into(), ..notice("a", "DOWN") });
    outbox.handle_timeout(now + 10 * SECOND);
    assert_eq!(sent(&mut outbox).2, "newer\n");
}

#[test]
fn the_oldest_is_dropped_and_the_next_mail_tells() {
    let (mut outbox, now) = (outbox(2, 3), Instant::now());
    for who in ["a", "b", "c", "d"] {
        outbox.handle_notice(notice(who, "DOWN"));
    }
    match &outputs(&mut outbox)[..] {
        [Output::Send { notice: first, .. }, Output::Lost { notice: lost, reason }] => {
            assert_eq!(first.subject, "a - DOWN");
            assert_eq!(lost.subject, "b - DOWN", "the one on its way is not dropped");
            assert!(reason.contains("queue"));
        }
        other => panic!("{other:?}"),
    }
    outbox.handle_overflow(2);
    outbox.handle_result(1, Ok(()), now);
    let (number, subject, body) = sent(&mut outbox);
    assert_eq!(subject, "c - DOWN");
    assert_eq!(body, "c is DOWN.\nNot delivered before this: 3 earlier notices.\n");
    outbox.handle_result(number, transient(), now);
    outputs(&mut outbox);
    outbox.handle_timeout(now + 10 * SECOND);
    let (number, _, body) = sent(&mut outbox);
    assert!(body.contains("3 earlier"), "told until it is delivered");
    outbox.handle_result(number, Ok(()), now);
    assert_eq!(sent(&mut outbox).2, "d is DOWN.\n", "told once");
}

#[test]
fn a_failed_try_is_repeated_with_growing_pauses_then_given_up() {
    let (mut outbox, mut now) = (outbox(8, 3), Instant::now());
    outbox.handle_notice(notice("a", "DOWN"));
    outbox.handle_notice(notice("b", "DOWN"));
    for pause in [10, 30] {
        let (number, subject, _) = sent(&mut outbox);
        assert_eq!(subject, "a - DOWN");
        outbox.handle_result(number, transient(), now);
        let reason = "connection refused".into();
        let delayed = Output::Delayed { subject, reason, pause: SECOND * pause };
        assert_eq!(outputs(&mut outbox), [delayed]);
        assert_eq!(outbox.poll_timeout(), Some((now + SECOND * pause, Reason::Retry)));
        outbox.handle_timeout(now + SECOND * (pause - 1));
        assert_eq!(outputs(&mut outbox), [], "too early");
        now += SECOND * pause;
        outbox.handle_timeout(now);
    }
    let (number, ..) = sent(&mut outbox);
    outbox.handle_result(number, transient(), now);
    match &outputs(&mut outbox)[..] {
        [Output::Lost { notice, reason }, Output::Send { notice: next, .. }] => {
            assert_eq!((notice.subject.as_str(), reason.as_str()), ("a - DOWN", "connection refused"));
            assert_eq!(next.body, "b is DOWN.\nNot delivered before this: 1 earlier notices.\n");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_refused_for_good_is_not_tried_again() {
    let (mut outbox, now) = (outbox(8, 3), Instant::now());
    outbox.handle_notice(notice("a", "DOWN"));
    let (number, ..) = sent(&mut outbox);
    outbox.handle_result(number, permanent(), now);
    assert!(matches!(&outputs(&mut outbox)[..], [Output::Lost { .. }]));
    assert!(outbox.is_empty());
}

#[test]
fn results_of_other_tries_are_ignored() {
    let (mut outbox, now) = (outbox(8, 3), Instant::now());
    outbox.handle_notice(notice("a", "DOWN"));
    let (number, ..) = sent(&mut outbox);
    outbox.handle_result(number + 1, Ok(()), now);
    assert!(!outbox.is_empty());
    outbox.handle_result(number, transient(), now);
    outputs(&mut outbox);
    outbox.handle_result(number, Ok(()), now);
    assert!(!outbox.is_empty(), "answered twice");
}

#[test]
fn hurry_ends_the_pause() {
    let (mut outbox, now) = (outbox(8, 3), Instant::now());
    outbox.handle_notice(notice("a", "DOWN"));
    let (number, ..) = sent(&mut outbox);
    outbox.handle_hurry();
    assert_eq!(outputs(&mut outbox), [], "it is on its way");
    outbox.handle_result(number, transient(), now);
    outputs(&mut outbox);
    outbox.handle_hurry();
    assert_eq!(sent(&mut outbox).0, 2);
}

#[test]
fn silence_forgets_and_the_end_gives_up() {
    let (mut silenced, now) = (outbox(8, 3), Instant::now());
    silenced.handle_notice(notice("a", "DOWN"));
    silenced.handle_notice(notice("b", "DOWN"));
    let (number, ..) = sent(&mut silenced);
    silenced.handle_silence();
    silenced.handle_result(number, Ok(()), now);
    assert_eq!(outputs(&mut silenced), []);
    assert!(silenced.is_empty());

    let mut ended = outbox(8, 3);
    ended.handle_notice(notice("a", "DOWN"));
    ended.handle_notice(notice("b", "DOWN"));
    sent(&mut ended);
    ended.handle_end();
    let lost: Vec<_> = outputs(&mut ended)
        .into_iter()
        .map(|output| match output {
            Output::Lost { notice, .. } => notice.subject,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lost, ["a - DOWN", "b - DOWN"]);
    assert!(ended.is_empty());
}

#[test]
fn pauses_are_bounded() {
    let outbox = outbox(8, u32::MAX);
    assert_eq!(outbox.pause(u32::MAX), Duration::from_secs(3600));
    assert_eq!(outbox.pause(0), 10 * SECOND);
}

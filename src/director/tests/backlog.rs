//! More is due than the brain can do at once.

use std::fmt::Write;

use healthcheck::Outcome;

use super::*;

#[test]
fn an_advert_that_is_due_goes_before_whatever_has_waited_for_longer() {
    let second = instance(11, "priority 100\n").replace("VI_1", "VI_2").replace("0.100", "0.101");
    let mut text = instance(10, "priority 100\n")
        + &second
        + "virtual_server 10.0.0.100 80 {\ndelay_loop 1\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n";
    for last in 1..=50 {
        let _ = writeln!(text, "real_server 10.0.1.{last} 80 {{\nTCP_CHECK {{\nretry 0\n}}\n}}");
    }
    let mut desk = Desk::new(&(text + "}\n"));
    pass(&mut desk, Duration::from_secs(6));
    // Until adverts have just left, and until shortly before the next ones: some checks are due before them.
    while pass(&mut desk, MOMENT) == 0 {}
    let advert = desk.director.next_advert().expect("an instance that is master has one to send");
    let left = advert.saturating_duration_since(desk.now);
    pass(&mut desk, left.saturating_sub(Duration::from_millis(100)));
    let check = desk.director.checks.next().map(|(at, _)| at);
    assert!(check.is_some_and(|check| check < advert), "{check:?} {advert:?}");
    desk.now = advert + Duration::from_millis(100);
    assert_eq!([adverts(&meet_one(&mut desk)), adverts(&meet_one(&mut desk))], [1, 1]);
    // The machine was busy elsewhere for so long that checks have a turn of their own.
    desk.now += Duration::from_secs(2);
    let met = [(); 4].map(|()| adverts(&meet_one(&mut desk)));
    assert_eq!(met, [0, 1, 0, 1]);
}

const MOMENT: Duration = Duration::from_millis(1);

/// Lets time pass with servers that are well; how many adverts there were.
fn pass(desk: &mut Desk, time: Duration) -> usize {
    let (end, mut count) = (desk.now + time, 0);
    while desk.now < end {
        let effects = desk.pass(MOMENT);
        count += adverts(&effects);
        for effect in effects {
            if let Effect::Probe(attempt) = effect {
                let (check, attempt) = (attempt.check, attempt.number);
                desk.tell(Event::ProbeDone { check, attempt, outcome: Outcome::passed(MOMENT) });
            }
        }
    }
    count
}

/// The brain meets the first of its deadlines.
fn meet_one(desk: &mut Desk) -> Vec<Effect> {
    desk.director.handle_timeout(desk.now);
    desk.drain()
}

fn adverts(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Send(_))).count()
}

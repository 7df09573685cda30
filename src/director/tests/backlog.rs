//! More is due than the brain can do at once.

use std::fmt::Write;

use super::pools::Bench;
use super::*;

#[test]
fn an_advert_that_is_due_goes_before_whatever_has_waited_for_longer() {
    let mut text = instance(10, "priority 100\n")
        + "virtual_server 10.0.0.100 80 {\ndelay_loop 1\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n";
    for last in 1..=50 {
        let _ = writeln!(text, "real_server 10.0.1.{last} 80 {{\nTCP_CHECK {{\nretry 0\n}}\n}}");
    }
    let mut bench = Bench::new(&(text + "}\n"));
    bench.answer(&(1..=50).collect::<Vec<u8>>());
    let mut desk = bench.desk;
    // Until an advert has just left: checks are due before the next one.
    loop {
        let effects = desk.pass(Duration::from_millis(1));
        if effects.iter().any(|effect| matches!(effect, Effect::Send(_))) {
            break;
        }
    }
    let advert = desk.director.next_advert().expect("an instance that is master has one to send");
    let check = desk.director.checks.next().map(|(at, _)| at);
    assert!(check.is_some_and(|check| check < advert), "{check:?} {advert:?}");
    // The machine was busy elsewhere for two seconds.
    desk.now += Duration::from_secs(2);
    desk.director.handle_timeout(desk.now);
    let effects = desk.drain();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Send(_))), "{effects:?}");
}

//! Where many instances are master they speak together; a few speak each at its own time.

use super::*;

/// So many instances that are master, the last of them half a millisecond later than the others: at how many instants
/// adverts are sent within a second.
fn instants(count: u8, interval: &str) -> usize {
    let file = |count: u8| {
        let named = |vrid: u8| {
            let more = format!("advert_int {interval}\npriority 255\nstate MASTER");
            instance(vrid, &more).replace("VI_1", &format!("VI_{vrid}")).replace("advert_int 1\n", "")
        };
        (1..=count).map(named).collect::<String>()
    };
    let mut desk = Desk::new(&file(count - 1));
    desk.pass(Duration::from_micros(500));
    desk.configure(&file(count));
    desk.pass(Duration::from_secs(1));
    let end = desk.now + Duration::from_secs(1);
    let mut instants = BTreeSet::new();
    while desk.director.deadline().is_some_and(|at| at <= end) {
        if desk.turn().iter().any(|effect| matches!(effect, Effect::Send(_))) {
            instants.insert(desk.now);
        }
    }
    instants.len()
}

#[test]
fn a_crowd_of_masters_speaks_together_and_a_few_do_not() {
    assert_eq!(instants(220, "0.1"), 10);
    assert_eq!(instants(20, "0.01"), 100);
    assert_eq!(instants(220, "1"), 2);
    assert_eq!(instants(20, "0.1"), 20);
}

//! What is large is handed out with the first change at once, and with those that follow together.

use std::fmt::Write;

use healthcheck::{FailureKind, Outcome};

use super::*;
use crate::director::CheckId;

/// A brain with so many virtual servers, each of so many checked servers, and the attempts that it has asked for.
fn bench(services: u32, servers: u32) -> (Desk, Vec<(CheckId, u64)>) {
    let mut text = String::new();
    for service in 0..services {
        let _ =
            writeln!(text, "virtual_server 10.0.0.{service} 80 {{\ndelay_loop 5\nlvs_sched rr\nprotocol TCP");
        for n in 0..servers {
            let (high, low) = (n / 250, n % 250 + 1);
            let _ =
                writeln!(text, "real_server 10.{service}.{high}.{low} 80 {{\nTCP_CHECK {{\nretry 0\n}}\n}}");
        }
        text.push_str("}\n");
    }
    let mut desk = Desk::new("");
    let mut effects = desk.configure(&text);
    effects.extend(desk.pass(Duration::from_secs(6)));
    let asked = effects.iter().filter_map(|effect| match effect {
        Effect::Probe(attempt) => Some((attempt.check, attempt.number)),
        _ => None,
    });
    let asked: BTreeMap<CheckId, u64> = asked.collect();
    assert_eq!(asked.len(), (services * servers) as usize);
    (desk, asked.into_iter().collect())
}

impl Desk {
    /// An attempt fails; how often the table was handed out for it.
    fn fail(&mut self, (check, attempt): (CheckId, u64)) -> usize {
        let outcome = Outcome::failed(FailureKind::Refused, "refused", Duration::ZERO);
        tables(&self.tell(Event::ProbeDone { check, attempt, outcome }))
    }

    fn held(&self) -> usize {
        let services = self.director.table.value.services.values();
        services.map(|service| service.destinations.len()).sum()
    }
}

fn tables(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Table(_))).count()
}

#[test]
fn a_rack_that_goes_down_is_two_tables_and_not_a_hundred() {
    let (mut desk, asked) = bench(1, 1200);
    assert_eq!(desk.fail(asked[0]), 1, "the first goes out at once");
    assert_eq!(desk.held(), 1199);
    let more: usize = asked[1..100].iter().map(|one| desk.fail(*one)).sum();
    assert_eq!((more, desk.held()), (0, 1199), "the others wait for one another");
    assert_eq!(tables(&desk.pass(Duration::from_millis(10))), 1);
    assert_eq!(desk.held(), 1100);
    // After a pause the next is a first one again.
    desk.pass(Duration::from_millis(20));
    assert_eq!((desk.fail(asked[100]), desk.held()), (1, 1099));
}

#[test]
fn many_small_ones_are_large_together() {
    let (mut desk, asked) = bench(12, 100);
    let tables: Vec<usize> = [0, 1, 500, 1199].map(|n| desk.fail(asked[n])).into();
    assert_eq!((tables, desk.held()), (vec![1, 0, 0, 0], 1199));
    desk.pass(Duration::from_millis(10));
    assert_eq!(desk.held(), 1196);
}

#[test]
fn what_is_small_goes_out_with_every_change() {
    let (mut desk, asked) = bench(1, 20);
    let each: Vec<usize> = asked[..5].iter().map(|one| desk.fail(*one)).collect();
    assert_eq!((each, desk.held()), (vec![1; 5], 15));
}

#[test]
fn what_waits_at_the_end_does_not_come_back() {
    let (mut desk, asked) = bench(1, 1200);
    desk.fail(asked[0]);
    desk.fail(asked[1]);
    desk.tell(Event::Stop);
    desk.pass(Duration::from_millis(50));
    assert_eq!(desk.held(), 0);
}

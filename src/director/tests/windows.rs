//! Maintenance windows in virtual time. The clock of the desk begins on Thursday, 1 January 1970, at midnight.

use super::pools::{Bench, SORRY, VIP, service};
use super::*;
use crate::director::overrides::{Act, Kind};
use crate::director::zone::Zone;

const MAIL: &str = "global_defs {\nnotification_email {\na@example.org\n}\nsmtp_server 10.0.0.8\n}\n";
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn window(lines: &str) -> String {
    format!("maintenance_window {{\n{lines}\n}}")
}

/// Two servers of weight 1 and 2, the second of which is in maintenance then.
fn second(lines: &str) -> String {
    let text = service("10.0.0.100 80", SORRY, &[1, 2]);
    MAIL.to_owned() + &text.replace("weight 2", &format!("weight 2\n{}", window(lines)))
}

impl Bench {
    /// Lets time pass up to so many seconds after the clock began, as it goes without being set; every check passes but
    /// those of the servers that are down.
    fn until(&mut self, seconds: u64, up: &[u8]) {
        let wall = self.desk.director.wall_clock(self.desk.now);
        let left = Duration::from_secs(seconds).saturating_sub(wall);
        // Checks ask every five seconds; of a long wait the last minutes are enough.
        let quick = left.saturating_sub(Duration::from_secs(60));
        let effects = self.desk.pass(quick);
        self.take(effects);
        self.run(left - quick, up);
    }

    fn log(&mut self) -> Vec<String> {
        let logged = self.effects.iter().filter_map(|effect| match effect {
            Effect::Log(entry) => Some(entry.to_string()),
            _ => None,
        });
        logged.collect()
    }

    /// The subjects of mails since the last call, without the router's name.
    fn mails(&mut self) -> Vec<String> {
        let mailed = self.effects.drain(..).filter_map(|effect| match effect {
            Effect::Notify(notice) => notice.subject.split_once("] ").map(|(_, rest)| rest.to_owned()),
            _ => None,
        });
        mailed.collect()
    }

    fn set_clock(&mut self, seconds: u64) {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let effects = self.desk.tell(Event::ClockSet { wall });
        self.take(effects);
    }

    fn zone(&mut self, zone: Zone) {
        let effects = self.desk.tell(Event::Zone(zone));
        self.take(effects);
    }

    fn overridden(&self) -> Vec<Option<String>> {
        self.status().servers.into_iter().map(|server| server.overridden).collect()
    }
}

#[test]
fn a_server_takes_no_new_connections_while_its_window_lasts() {
    let mut bench = Bench::new(&second("from 02:00\nto 04:30\nreason patches"));
    bench.until(2 * HOUR - 1, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2)]);
    bench.until(2 * HOUR, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)]);
    let words = "drained by maintenance_window (patches), for 2 h 30 min".to_owned();
    assert_eq!(bench.overridden(), [None, Some(words.clone())]);
    let listed = bench.desk.director.override_status(bench.desk.now);
    let one = &listed[0];
    assert_eq!((one.target.as_str(), one.act.as_str()), ("tcp:10.0.0.100:80/10.0.1.2:80", "drained"));
    assert_eq!((one.expires_in_seconds, one.reason.as_deref()), (Some(9000), Some("patches")));
    assert!(bench.log().contains(&format!("tcp:10.0.0.100:80/10.0.1.2:80: {words}")), "{:#?}", bench.log());
    bench.until(4 * HOUR + 1799, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)]);
    bench.until(4 * HOUR + 1800, &[1, 2]);
    assert_eq!((bench.held(VIP), bench.overridden()), (vec![(1, 1), (2, 2)], vec![None, None]));
    let over =
        "tcp:10.0.0.100:80/10.0.1.2:80: no longer drained by maintenance_window (patches): its time is over";
    assert!(bench.log().iter().any(|line| line == over), "{:#?}", bench.log());
    assert_eq!(bench.mails(), [""; 0], "nobody need hear of it");
    // And so it goes on.
    bench.until(DAY + 3 * HOUR, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)]);
}

#[test]
fn it_goes_on_over_midnight_and_comes_on_its_days_only() {
    let mut bench = Bench::new(&second("days fri\nfrom 23:00\nto 01:00\nmode disable"));
    bench.until(23 * HOUR + 60, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2)], "it is Thursday");
    bench.until(DAY + 23 * HOUR, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1)]);
    bench.until(2 * DAY + HOUR - 1, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1)], "it is Saturday, and still Friday's window");
    bench.until(2 * DAY + HOUR, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2)]);
}

#[test]
fn who_is_down_meanwhile_is_not_told_of_until_the_window_is_over() {
    let mut bench = Bench::new(&second("from 02:00\nto 03:00"));
    bench.until(2 * HOUR + 60, &[1, 2]);
    bench.until(2 * HOUR + 600, &[1]);
    assert_eq!(bench.held(VIP), [(1, 1)], "checks go on, and a server that is down is out of the table");
    bench.until(2 * HOUR + 1200, &[1, 2]);
    assert_eq!((bench.held(VIP), bench.mails()), (vec![(1, 1), (2, 0)], vec![]), "it was restarted");
    // Later it does not come back.
    bench.until(3 * HOUR + 60, &[1, 2]);
    bench.until(4 * HOUR, &[1]);
    bench.until(DAY + 3 * HOUR - 1, &[1]);
    // It fell before the window, and everybody knows.
    assert_eq!(bench.mails(), ["Realserver [10.0.1.2]:tcp:80 of virtual server [10.0.0.100]:tcp:80 - DOWN"]);
    bench.until(DAY + 3 * HOUR + 60, &[1]);
    assert_eq!(bench.mails(), [""; 0], "nothing new");
    bench.until(DAY + 4 * HOUR, &[1, 2]);
    bench.mails();
    bench.until(2 * DAY + 2 * HOUR, &[1, 2]);
    bench.until(2 * DAY + 3 * HOUR - 1, &[1]);
    assert_eq!(bench.mails(), [""; 0]);
    bench.until(2 * DAY + 3 * HOUR, &[1]);
    assert_eq!(bench.mails(), ["Realserver [10.0.1.2]:tcp:80 of virtual server [10.0.0.100]:tcp:80 - DOWN"]);
}

#[test]
fn a_window_that_leaves_nobody_holds_and_is_told() {
    let lines = format!("{SORRY}\n{}", window("from 02:00\nto 03:00"));
    let mut bench = Bench::new(&(MAIL.to_owned() + &service("10.0.0.100 80", &lines, &[1, 2])));
    bench.until(2 * HOUR - 1, &[1, 2]);
    assert_eq!(bench.mails(), [""; 0]);
    bench.until(2 * HOUR, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 0), (2, 0), (9, 1)], "connections that are there go on");
    let notice = bench.effects.iter().find_map(|effect| match effect {
        Effect::Notify(notice) => Some(notice.clone()),
        _ => None,
    });
    let notice = notice.expect("a notice");
    assert!(notice.subject.ends_with("Virtualserver [10.0.0.100]:tcp:80 - DOWN"), "{}", notice.subject);
    assert!(notice.body.contains("2 of 2 servers are in a maintenance_window"), "{}", notice.body);
    bench.mails();
    bench.until(3 * HOUR, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2)]);
    assert_eq!(bench.mails(), ["Virtualserver [10.0.0.100]:tcp:80 - UP"]);
}

#[test]
fn a_window_for_everybody_is_for_servers_that_come_later_too() {
    let global = format!("global_defs {{\n{}\n}}\n", window("from 02:00\nto 03:00"));
    let mut bench = Bench::new(&(global.clone() + &service("10.0.0.100 80", "", &[1])));
    bench.until(2 * HOUR, &[1]);
    assert_eq!(bench.held(VIP), [(1, 0)]);
    bench.configure(&(global + &service("10.0.0.100 80", "", &[1, 2])));
    assert_eq!(bench.held(VIP), [(1, 0), (2, 0)]);
    bench.configure(&service("10.0.0.100 80", "", &[1, 2]));
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2)], "the window is not in the file any more");
}

#[test]
fn a_start_and_a_reload_within_a_window_know_it_at_once() {
    let (with, without) = (second("from 00:00\nto 01:00"), second("from 05:00\nto 06:00"));
    let mut bench = Bench::new(&with);
    let tables = bench.effects.iter().filter_map(|effect| match effect {
        Effect::Table(level) => level.value.services.get(&VIP.parse().unwrap()).cloned(),
        _ => None,
    });
    let weights =
        tables.flat_map(|service| service.destinations.values().map(|s| s.weight).collect::<Vec<_>>());
    assert!(weights.clone().count() > 0 && weights.clone().all(|weight| weight < 2), "{weights:?}");
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)]);
    bench.configure(&with.replace("weight 1\n", "weight 5\n"));
    assert_eq!(bench.held(VIP), [(1, 5), (2, 0)]);
    bench.configure(&without);
    assert_eq!((bench.held(VIP), bench.overridden()), (vec![(1, 1), (2, 2)], vec![None, None]));
    bench.configure(&with);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)]);
    // The service goes, and comes back.
    bench.configure(&service("10.0.0.101 80", "", &[1]));
    assert!(bench.desk.director.override_status(bench.desk.now).is_empty());
    bench.configure(&with);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)]);
}

#[test]
fn a_server_that_a_reload_takes_out_of_its_window_while_it_is_down_is_told_of() {
    let (with, without) = (second("from 00:00\nto 01:00"), second("from 05:00\nto 06:00"));
    let mut bench = Bench::new(&with);
    bench.until(600, &[1]);
    assert_eq!(bench.mails(), [""; 0]);
    bench.configure(&without);
    assert_eq!(bench.mails(), ["Realserver [10.0.1.2]:tcp:80 of virtual server [10.0.0.100]:tcp:80 - DOWN"]);
}

#[test]
fn a_clock_that_is_set_opens_and_closes_windows() {
    let mut bench = Bench::new(&second("from 02:00\nto 03:00"));
    bench.set_clock(2 * HOUR + 60);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)]);
    bench.set_clock(HOUR);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2)]);
    bench.until(2 * HOUR, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)]);
    bench.set_clock(5 * HOUR);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2)]);
    bench.until(DAY + 2 * HOUR, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)], "and the next one is on time");
    // A clock that is nowhere near is no reason to break.
    bench.set_clock(u64::from(u32::MAX) * 100);
    bench.set_clock(0);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2)]);
}

#[test]
fn by_the_local_clock_a_window_moves_with_daylight_saving_time() {
    // An hour east; from the second day at 01:00 UTC on, two.
    let jump = (DAY + HOUR) as i64;
    let zone = Zone { offset: 3600, changes: vec![(jump, 7200)] };
    let mut bench = Bench::new(&second("from 04:00\nto 05:00"));
    bench.zone(zone.clone());
    bench.until(3 * HOUR - 1, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2)]);
    bench.until(3 * HOUR, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)]);
    bench.until(DAY + 2 * HOUR - 1, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2)]);
    bench.until(DAY + 2 * HOUR, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)]);
    // What UTC says is not moved.
    let mut bench = Bench::new(&second("from 04:00\nto 05:00\ntimezone utc"));
    bench.zone(zone);
    bench.until(DAY + 4 * HOUR, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)]);
    // Another zone, as somebody sets it by hand.
    let mut bench = Bench::new(&second("from 04:00\nto 05:00"));
    bench.zone(Zone { offset: 4 * 3600, changes: Vec::new() });
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)]);
}

#[test]
fn an_operator_and_a_window_do_not_replace_one_another() {
    let mut bench = Bench::new(&second("from 02:00\nto 03:00"));
    bench.until(HOUR, &[1, 2]);
    bench.steer("tcp:10.0.0.100:80/10.0.1.2:80", Act::Drain { removal: None });
    bench.until(3 * HOUR, &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 0)], "the operator has not taken it back");
    bench.take_back("tcp:10.0.0.100:80/10.0.1.2:80", Kind::Drain);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2)]);
    bench.until(DAY + 2 * HOUR, &[1, 2]);
    for what in ["tcp:10.0.0.100:80/10.0.1.2:80", "10.0.1.2", "10.0.0.100:80"] {
        let refused = bench.desk.find_override(what, Kind::Drain).unwrap_err();
        assert!(refused.contains("maintenance_window") && refused.contains("reload"), "{what}: {refused}");
    }
    let refused = bench.desk.find_override("10.0.1.1", Kind::Drain).unwrap_err();
    assert!(!refused.contains("maintenance_window"), "{refused}");
    bench.steer("10.0.1.2", Act::Disable);
    assert_eq!(bench.held(VIP), [(1, 1)], "the strictest counts");
    // What the clock set is not written down: the next run knows the time.
    let kept = bench.effects.iter().rev().find_map(|effect| match effect {
        Effect::KeepOverrides(all) => Some(all.len()),
        _ => None,
    });
    assert_eq!(kept, Some(1));
}

#[test]
fn who_fails_in_a_window_is_none_of_those_that_a_threshold_counts() {
    let lines = "panic_threshold 50%\nflap_hold 100 200";
    let text = service("10.0.0.100 80", lines, &[1, 1, 1, 1]);
    let away = format!("weight 1\n{}\n", window("from 02:00\nto 03:00"));
    let mut bench = Bench::new(&text.replacen("weight 1\n", &away, 2));
    bench.until(2 * HOUR + 60, &[1, 2, 3, 4]);
    for _ in 0..3 {
        bench.until(2 * HOUR + 600, &[3, 4]);
        bench.run(Duration::from_secs(30), &[1, 2, 3, 4]);
        bench.run(Duration::from_secs(30), &[3, 4]);
    }
    bench.run(Duration::from_secs(30), &[3]);
    let status = bench.status();
    assert_eq!((status.panic, bench.held(VIP)), (None, vec![(3, 1)]), "half of the two that are left");
    bench.run(Duration::from_secs(30), &[1, 2, 3]);
    assert_eq!(
        bench.held(VIP),
        [(1, 0), (2, 0), (3, 1)],
        "who is restarted again and again is not held back"
    );
}

//! Sync groups: whatever happens to one member, all agree, and each change is told once.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Two instances, one on eth0 and one on eth1, with further lines.
fn two(first: &str, second: &str, group: &str) -> String {
    let one = |name: &str, interface: &str, vrid: u8, more: &str| {
        format!(
            "vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id {vrid}\nversion 3\nadvert_int 1\n\
             {more}\nvirtual_ipaddress {{\n10.0.0.{vrid}\n}}\n}}\n"
        )
    };
    format!(
        "{}{}vrrp_sync_group G {{\ngroup {{\nA\nB\n}}\n{group}\n}}\n",
        one("A", "eth0", 51, first),
        one("B", "eth1", 52, second)
    )
}

fn alone(text: &str) -> String {
    text.replace("A\nB\n", "A\n")
}

const BOTH: [(&str, bool); 2] = [("eth0", true), ("eth1", true)];

struct Pair {
    desk: Desk,
}

impl Pair {
    fn new(text: &str) -> Pair {
        let mut desk = Desk::new("");
        desk.see(&BOTH);
        desk.configure(text);
        Pair { desk }
    }

    /// Both just became master.
    fn master(text: &str) -> Pair {
        let mut pair = Pair::new(text);
        pair.desk.pass(4 * SECOND);
        assert_eq!(pair.roles(), "MASTER MASTER");
        pair
    }

    fn roles(&self) -> String {
        format!("{} {}", self.desk.status(0).role, self.desk.status(1).role)
    }

    fn group(&self) -> String {
        self.desk.director.snapshot(self.desk.now).groups[0].role.clone()
    }

    /// An advert for the first (51) or the second instance (52).
    fn hear(&mut self, vrid: u8, priority: u8) -> Vec<Effect> {
        let network = vrid - 51;
        let advert = Advert {
            version: vrrp::Version::V3,
            vrid,
            priority,
            interval: SECOND,
            auth: vrrp::Auth::None,
            addresses: vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, vrid))],
        };
        let source = IpAddr::V4(Ipv4Addr::new(10, network, 0, 2));
        let envelope = Envelope { source, destination: IpAddr::V4(vrrp::GROUP_V4), ttl: 255 };
        self.desk.tell(Event::Advert { interface: format!("eth{network}"), envelope, advert })
    }

    /// Lets time pass while another master of this priority is heard on the networks of these routers.
    fn hearing(&mut self, seconds: u32, vrids: &[u8], priority: u8) -> Vec<Effect> {
        let mut effects = Vec::new();
        for _ in 0..seconds {
            for vrid in vrids {
                effects.extend(self.hear(*vrid, priority));
            }
            effects.extend(self.desk.pass(SECOND));
        }
        effects
    }
}

/// What was logged of the group's changes.
fn changes(effects: &[Effect]) -> Vec<String> {
    let lines = effects.iter().filter_map(|effect| match effect {
        Effect::Log(entry) => Some(entry.to_string()),
        _ => None,
    });
    lines.filter_map(|line| line.strip_prefix("vrrp_sync_group G: ").map(str::to_owned)).collect()
}

#[test]
fn all_become_master_at_one_moment_with_the_adverts_first() {
    let mut pair = Pair::new(&two("", "priority 50", ""));
    assert_eq!((pair.roles().as_str(), pair.group().as_str()), ("BACKUP BACKUP", "BACKUP"));
    let effects = pair.desk.pass(4 * SECOND);
    assert_eq!(pair.roles(), "MASTER MASTER");
    let vrids: Vec<u8> = sent(&effects)[..2].iter().map(|sent| sent.advert.vrid).collect();
    assert_eq!(vrids, [52, 51], "first the one whose time came last");
    assert!(effects[..2].iter().all(|effect| matches!(effect, Effect::Send(_))), "{effects:?}");
    let told = changes(&effects);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("BACKUP -> MASTER: A: "), "{told:?}");
}

#[test]
fn one_that_hears_a_better_master_keeps_all_from_becoming_one() {
    let mut pair = Pair::new(&two("", "", ""));
    pair.hearing(10, &[52], 200);
    assert_eq!(pair.roles(), "BACKUP BACKUP");
    pair.desk.pass(4 * SECOND);
    assert_eq!(pair.roles(), "MASTER MASTER");
}

#[test]
fn one_that_gives_way_takes_the_other_along_which_says_farewell() {
    let mut pair = Pair::master(&two("", "", ""));
    let effects = pair.hear(52, 200);
    assert_eq!((pair.roles().as_str(), pair.group().as_str()), ("BACKUP BACKUP", "BACKUP"));
    let farewells: Vec<(u8, u8)> =
        sent(&effects).iter().map(|s| (s.advert.vrid, s.advert.priority)).collect();
    assert_eq!(farewells, [(51, 0)]);
    let told = changes(&effects);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("B: 10.1.0.2 (priority 200) has the better claim"), "{told:?}");
    assert!(pair.desk.status(0).cause.contains("B of the same sync group"));
}

#[test]
fn a_fault_of_one_is_a_fault_of_all_until_the_last_is_gone() {
    let mut pair = Pair::master(&two("", "", ""));
    let effects = pair.desk.see(&[("eth0", true), ("eth1", false)]);
    assert_eq!((pair.roles().as_str(), pair.group().as_str()), ("FAULT FAULT", "FAULT"));
    assert_eq!(sent(&effects).iter().filter(|sent| sent.advert.priority == 0).count(), 2);
    let told = changes(&effects);
    assert_eq!(told, ["MASTER -> FAULT: B: the interface is down"]);
    assert!(pair.desk.status(0).cause.contains("B of the same sync group is at fault"));
    pair.desk.see(&[("eth0", false), ("eth1", true)]);
    assert_eq!(pair.roles(), "FAULT FAULT");
    let effects = pair.desk.see(&BOTH);
    assert_eq!(pair.roles(), "BACKUP BACKUP");
    assert_eq!(changes(&effects).len(), 1);
    // Both at once, and back at once: each member changes its state once.
    pair.desk.pass(4 * SECOND);
    let transitions = |effects: &[Effect]| {
        let entries =
            effects.iter().filter(|e| matches!(e, Effect::Log(super::super::Entry::Transition { .. })));
        entries.count()
    };
    assert_eq!(transitions(&pair.desk.see(&[])), 2);
    assert_eq!(transitions(&pair.desk.see(&BOTH)), 2);
}

#[test]
fn the_trackers_of_the_group_are_everybodys_and_those_of_members_only_without_a_weight() {
    let links = |second, third| [("eth0", true), ("eth1", true), ("eth2", second), ("eth3", third)];
    let member = "track_interface {\neth2 weight -20\n}";
    let mut pair = Pair::new(&two(member, "", "track_interface {\neth3 weight -5\n}"));
    let priorities =
        |pair: &Pair| (pair.desk.status(0).effective_priority, pair.desk.status(1).effective_priority);
    pair.desk.see(&links(false, true));
    assert_eq!(priorities(&pair), (100, 100), "a weight of a member does not count");
    pair.desk.see(&links(true, false));
    assert_eq!(priorities(&pair), (95, 95));
    pair.desk.configure(&two(member, "", "sync_group_tracking_weight\ntrack_interface {\neth3 weight -5\n}"));
    pair.desk.see(&links(false, false));
    assert_eq!(priorities(&pair), (75, 95));
    pair.desk.configure(&two(member, "", "track_interface {\neth3\n}"));
    assert_eq!(pair.roles(), "FAULT FAULT");
    assert!(pair.desk.status(1).cause.contains("track_interface eth3"));
}

#[test]
fn with_nopreempt_a_working_lesser_master_is_left_alone_by_all() {
    let text = two("nopreempt", "nopreempt", "");
    let mut pair = Pair::new(&text);
    pair.hearing(10, &[51, 52], 50);
    assert_eq!(pair.roles(), "BACKUP BACKUP");
    // One that preempts alone changes nothing.
    pair.desk.configure(&two("", "nopreempt", ""));
    pair.hearing(10, &[51, 52], 50);
    assert_eq!(pair.roles(), "BACKUP BACKUP");
    pair.desk.configure(&two("", "", ""));
    pair.hearing(6, &[51, 52], 50);
    assert_eq!(pair.roles(), "MASTER MASTER");
}

#[test]
fn a_master_that_resigns_is_replaced_after_the_longer_skew() {
    let mut pair = Pair::new(&two("", "priority 1", ""));
    pair.hearing(3, &[51, 52], 200);
    pair.hear(51, 0);
    pair.hear(52, 0);
    pair.desk.pass(Duration::from_millis(900));
    assert_eq!(pair.roles(), "BACKUP BACKUP");
    pair.desk.pass(Duration::from_millis(100));
    assert_eq!(pair.roles(), "MASTER MASTER");
}

#[test]
fn owners_become_master_together_and_at_once() {
    let owner = "state MASTER\npriority 255";
    let mut pair = Pair::new(&two(owner, owner, ""));
    pair.desk.pass(Duration::ZERO);
    assert_eq!(pair.roles(), "MASTER MASTER");
}

#[test]
fn a_group_of_one_is_like_none() {
    let mut pair = Pair::new(&alone(&two("", "", "")));
    pair.desk.pass(4 * SECOND);
    assert_eq!(pair.roles(), "MASTER MASTER");
    pair.hear(52, 200);
    assert_eq!(pair.roles(), "MASTER BACKUP");
    pair.hear(51, 200);
    assert_eq!((pair.roles().as_str(), pair.group().as_str()), ("BACKUP BACKUP", "BACKUP"));
}

#[test]
fn a_member_added_by_a_reload_takes_nothing_away_from_a_master() {
    let text = two("", "", "");
    let without = {
        let end = text.find("vrrp_instance B").unwrap();
        let group = text.find("vrrp_sync_group").unwrap();
        alone(&format!("{}{}", &text[..end], &text[group..]))
    };
    let mut pair = Pair::new(&without);
    pair.desk.pass(4 * SECOND);
    assert_eq!(pair.desk.status(0).role, "MASTER");
    let mut effects = pair.desk.configure(&text);
    assert_eq!((pair.roles().as_str(), pair.group().as_str()), ("MASTER BACKUP", "MASTER"));
    effects.extend(pair.desk.pass(4 * SECOND));
    assert_eq!(pair.roles(), "MASTER MASTER");
    assert!(changes(&effects).is_empty(), "{:?}", changes(&effects));
    assert!(sent(&effects).iter().all(|sent| sent.advert.priority == 100), "somebody said farewell");
    // Unless it finds a better master on its own network.
    pair.desk.configure(&without);
    pair.desk.configure(&text);
    pair.hear(52, 200);
    assert_eq!(pair.roles(), "BACKUP BACKUP");
}

#[test]
fn a_removed_member_and_a_removed_group_leave_the_others_alone() {
    let text = two("", "", "");
    let mut pair = Pair::master(&text);
    let effects = pair.desk.configure(&alone(&text));
    assert!(changes(&effects).is_empty() && sent(&effects).is_empty());
    assert_eq!(pair.roles(), "MASTER MASTER");
    pair.desk.see(&[("eth0", true), ("eth1", false)]);
    assert_eq!(pair.roles(), "MASTER FAULT");
    // Back in the group, its fault is everybody's; without the group no more.
    pair.desk.configure(&text);
    assert_eq!(pair.roles(), "FAULT FAULT");
    let end = text.find("vrrp_sync_group").unwrap();
    pair.desk.configure(&text[..end]);
    assert_eq!(pair.roles(), "BACKUP FAULT");
    assert!(pair.desk.director.snapshot(pair.desk.now).groups.is_empty());
}

#[test]
fn one_whose_group_is_removed_while_it_waits_takes_over() {
    let text = two("", "", "");
    let mut pair = Pair::new(&text);
    pair.hearing(6, &[52], 200);
    assert_eq!(pair.roles(), "BACKUP BACKUP");
    let end = text.find("vrrp_sync_group").unwrap();
    pair.desk.configure(&text[..end]);
    pair.desk.pass(Duration::ZERO);
    assert_eq!(pair.roles(), "MASTER BACKUP");
}

#[test]
fn a_second_master_of_one_makes_all_announce() {
    let mut pair = Pair::master(&two("", "", ""));
    pair.desk.pass(6 * SECOND);
    let places = |effects: &[Effect]| -> Vec<String> {
        let announced = effects.iter().filter_map(|effect| match effect {
            Effect::Announce(announcement) => Some(announcement.places.iter().map(|p| p.interface.clone())),
            _ => None,
        });
        announced.flatten().collect()
    };
    let effects = pair.hear(51, 50);
    assert_eq!(places(&effects), ["eth0", "eth1"]);
    let mut later = places(&pair.desk.pass(Duration::from_millis(5_100)));
    later.sort();
    assert_eq!(later, ["eth0", "eth1"], "and once more after the delay");
}

#[test]
fn a_stop_is_told_once_of_the_group() {
    let mut pair = Pair::master(&two("", "", ""));
    let effects = pair.desk.tell(Event::Stop);
    assert_eq!(changes(&effects).len(), 1, "{:?}", changes(&effects));
    assert_eq!(pair.group(), "STOP");
    assert_eq!(sent(&effects).len(), 2, "each says farewell once");
}

#[test]
fn a_group_is_mailed_in_keepalived_s_words_if_that_is_asked_for() {
    let mail = "global_defs {\nrouter_id lvs1\nnotification_email {\nops@example.net\n}\nsmtp_server 192.0.2.25\n}\n";
    let subjects = |effects: &[Effect]| -> Vec<String> {
        let notices = effects.iter().filter_map(|effect| match effect {
            Effect::Notify(notice) => Some(notice.subject.clone()),
            _ => None,
        });
        notices.filter(|subject| subject.contains("Group")).collect()
    };
    let text = |alert: &str| format!("{mail}{}", two("", "", alert));
    let mut pair = Pair::new(&text("smtp_alert on"));
    let effects = pair.desk.pass(4 * SECOND);
    assert_eq!(subjects(&effects), ["[lvs1] VRRP Group G - Entering MASTER state"]);
    let mut pair = Pair::new(&text("smtp_alert off"));
    assert!(subjects(&pair.desk.pass(4 * SECOND)).is_empty());
}

//! Virtual servers: quorum, sorry server, `alpha`, groups, `ha_suspend`. The figures are those of keepalived 2.2.7 with
//! the same files, seen in the lab.

use std::fmt::Write;

use healthcheck::{FailureKind, Outcome};

use super::*;
use crate::config::Served;
use crate::director::CheckId;
use crate::director::event::{AddressReport, HostReport, TableReport};

/// A virtual server with checked servers 10.0.1.1 and following, of these weights.
pub(super) fn service(what: &str, lines: &str, weights: &[u32]) -> String {
    let mut text = format!(
        "virtual_server {what} {{\ndelay_loop 5\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n{lines}\n"
    );
    for (number, weight) in (1..).zip(weights) {
        let _ = writeln!(
            text,
            "real_server 10.0.1.{number} 80 {{\nweight {weight}\nTCP_CHECK {{\nretry 0\n}}\n}}"
        );
    }
    text + "}\n"
}

pub(super) const SORRY: &str = "sorry_server 10.0.9.9 80";

/// A brain, and the attempts that nobody has answered yet.
pub(super) struct Bench {
    pub(super) desk: Desk,
    pub(super) open: BTreeMap<CheckId, u64>,
    pub(super) effects: Vec<Effect>,
}

impl Bench {
    pub(super) fn new(text: &str) -> Self {
        let mut bench = Bench { desk: Desk::new(""), open: BTreeMap::new(), effects: Vec::new() };
        bench.configure(text);
        bench
    }

    pub(super) fn configure(&mut self, text: &str) {
        let effects = self.desk.configure(text);
        self.take(effects);
        // What is no longer wanted goes once the owners have answered, and they answer at once.
        for _ in 0..2 {
            let effects = self.desk.pass(Duration::from_millis(10));
            self.take(effects);
            let director = &self.desk.director;
            let (table, sync) = (director.table.serial, director.sync.serial);
            let (addresses, host) = (director.addresses.serial, director.host.serial);
            let report = |serial| TableReport { serial, ..TableReport::default() };
            let answers = [
                Event::TableApplied(report(table)),
                Event::SyncApplied(report(sync)),
                Event::AddressesApplied(AddressReport { serial: addresses, ..AddressReport::default() }),
                Event::HostApplied(HostReport { serial: host, ..HostReport::default() }),
            ];
            for answer in answers {
                let effects = self.desk.tell(answer);
                self.take(effects);
            }
        }
    }

    pub(super) fn take(&mut self, effects: Vec<Effect>) {
        for effect in &effects {
            if let Effect::Probe(attempt) = effect {
                self.open.insert(attempt.check, attempt.number);
            }
        }
        self.effects.extend(effects);
    }

    /// Waits until each check has asked, and answers: servers whose last part of the address is in `up` pass.
    pub(super) fn answer(&mut self, up: &[u8]) {
        self.answer_with(|last| match up.contains(&last) {
            true => Outcome::passed(Duration::ZERO),
            false => Outcome::failed(FailureKind::Refused, "refused", Duration::ZERO),
        });
    }

    /// The same with any outcomes, by the last part of the address.
    pub(super) fn answer_with(&mut self, outcome: impl Fn(u8) -> Outcome) {
        for _ in 0..2 {
            let effects = self.desk.pass(Duration::from_secs(6));
            self.take(effects);
            for (check, attempt) in std::mem::take(&mut self.open) {
                let Some(place) = self.desk.director.places.get(&check) else { continue };
                let IpAddr::V4(address) = place.server.address else { continue };
                let outcome = outcome(address.octets()[3]);
                let effects = self.desk.tell(Event::ProbeDone { check, attempt, outcome });
                self.take(effects);
            }
        }
    }

    /// What is wanted of a service in the kernel: the last parts of addresses with weights.
    pub(super) fn held(&self, key: &str) -> Vec<(u8, u32)> {
        let services = &self.desk.director.table.value.services;
        let Some(service) = services.get(&key.parse().unwrap()) else { return vec![(0, 0)] };
        let one = |(key, settings): (&ipvs_backend::DestinationKey, &ipvs_backend::DestinationSettings)| {
            let IpAddr::V4(address) = key.address else { panic!("{key}") };
            (address.octets()[3], settings.weight)
        };
        service.destinations.iter().map(one).collect()
    }

    /// The words of quorums that programs heard of since the last call.
    pub(super) fn told(&mut self) -> Vec<String> {
        let told = self.effects.drain(..).filter_map(|effect| match effect {
            Effect::Tell(telling) => match &telling.change.subject {
                notify::hook::Subject::Service(name) => Some(format!("{name} {:?}", telling.change.word)),
                notify::hook::Subject::Server { server, .. } => {
                    Some(format!("{server} {:?}", telling.change.word))
                }
                _ => None,
            },
            _ => None,
        });
        told.collect()
    }
}

pub(super) const VIP: &str = "[10.0.0.100]:tcp:80";

#[test]
fn below_the_quorum_the_sorry_server_stands_in_alone() {
    let lines = format!("quorum 3\nhysteresis 1\n{SORRY}\nquorum_up /bin/a\nquorum_down /bin/b");
    let mut bench = Bench::new(&service("10.0.0.100 80", &lines, &[2, 3]));
    assert_eq!(bench.held(VIP), [(1, 2), (2, 3)]);
    assert_eq!(bench.told(), ["[10.0.0.100]:tcp:80 Up"], "as keepalived, which tells at the start");
    bench.answer(&[2]);
    assert_eq!(bench.held(VIP), [(2, 3)], "3 is not below 3 - 1");
    bench.answer(&[]);
    assert_eq!(bench.held(VIP), [(9, 1)]);
    assert_eq!(bench.told(), ["[10.0.0.100]:tcp:80 Down"]);
    bench.answer(&[2]);
    assert_eq!(bench.held(VIP), [(9, 1)], "3 is below 3 + 1");
    bench.answer(&[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 2), (2, 3)]);
    assert_eq!(bench.told(), ["[10.0.0.100]:tcp:80 Up"]);
}

#[test]
fn a_quorum_that_is_not_reached_at_the_start_is_told() {
    let lines = format!("quorum 3\nhysteresis 1\n{SORRY}\nquorum_down /bin/b");
    let mut bench = Bench::new(&service("10.0.0.100 80", &lines, &[1, 2]));
    assert_eq!(bench.held(VIP), [(9, 1)]);
    assert_eq!(bench.told(), ["[10.0.0.100]:tcp:80 Down"]);
    bench.configure(&service("10.0.0.100 80", SORRY, &[1, 2]));
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2)], "a reload that needs less brings it back");
}

#[test]
fn a_server_of_weight_0_stays_beside_the_sorry_server() {
    let mut bench = Bench::new(&service("10.0.0.100 80", SORRY, &[0, 3]));
    bench.answer(&[1]);
    assert_eq!(bench.held(VIP), [(1, 0), (9, 1)], "it is being drained");
}

#[test]
fn weights_go_to_the_kernels_largest_number() {
    let bench = Bench::new(&service("10.0.0.100 80", "quorum 4294967295", &[65_535, 65_536, 2_147_483_647]));
    assert_eq!(bench.held(VIP), [(1, 65_535), (2, 65_536), (3, 2_147_483_647)]);
    let service = bench.desk.director.snapshot(bench.desk.now).services[0].clone();
    assert_eq!((service.quorum, service.weight_up), (true, 2_147_614_718), "more than all weigh is all");
}

#[test]
fn a_service_without_servers_is_there_and_its_sorry_server_answers() {
    let bench = Bench::new(&service("10.0.0.100 80", SORRY, &[]));
    assert_eq!(bench.held(VIP), [(9, 1)]);
    assert_eq!(Bench::new(&service("10.0.0.100 80", "", &[])).held(VIP), []);
}

#[test]
fn without_a_sorry_server_those_that_are_left_go_on() {
    let mut bench = Bench::new(&service("10.0.0.100 80", "quorum 3", &[2, 2]));
    bench.answer(&[1]);
    assert_eq!(bench.held(VIP), [(1, 2)]);
    let service = bench.desk.director.snapshot(bench.desk.now).services[0].clone();
    assert_eq!((service.quorum, service.weight_up, service.quorum_threshold), (false, 2, 3));
}

#[test]
fn inhibited_servers_stay_with_weight_0() {
    let lines = format!("{SORRY}\nsorry_server_inhibit\ninhibit_on_failure\nquorum 4");
    let mut bench = Bench::new(&service("10.0.0.100 80", &lines, &[2, 3]));
    assert_eq!(bench.held(VIP), [(1, 2), (2, 3), (9, 0)]);
    bench.answer(&[2]);
    assert_eq!(bench.held(VIP), [(1, 0), (2, 0), (9, 1)], "the one that is up makes room as well");
    bench.answer(&[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 2), (2, 3), (9, 0)]);
}

#[test]
fn alpha_waits_for_the_first_pass_and_tells_of_the_first_failure() {
    let lines = "alpha\nquorum_up /bin/a\nquorum_down /bin/b";
    let mut bench = Bench::new(&service("10.0.0.100 80", lines, &[2, 3]));
    assert_eq!(bench.held(VIP), []);
    assert_eq!(bench.told(), [""; 0], "there was no quorum that could be lost");
    let reason = bench.desk.director.snapshot(bench.desk.now).services[0].servers[0].reason.clone();
    assert!(reason.contains("alpha"), "{reason}");
    bench.answer(&[2]);
    assert_eq!(bench.held(VIP), [(2, 3)]);
    let logged = |effect: &&Effect| {
        matches!(effect, Effect::Log(crate::director::Entry::ServerFlipped { up: false, .. }))
    };
    assert_eq!(bench.effects.iter().filter(logged).count(), 1);
    assert_eq!(bench.told(), ["[10.0.0.100]:tcp:80 Up"]);
    bench.answer(&[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 2), (2, 3)]);
    // What serves is not taken out for a check that has said nothing.
    let other = service("10.0.0.100 80", lines, &[2, 3]).replace("retry 0", "retry 0\nconnect_timeout 2");
    bench.configure(&other);
    assert_eq!(bench.held(VIP), [(1, 2), (2, 3)]);
    // A new one waits, and with a sorry server that stands in from the start.
    bench.configure(&service("10.0.0.100 80", lines, &[2, 3, 4]));
    assert_eq!(bench.held(VIP), [(1, 2), (2, 3)]);
    let bench = Bench::new(&service("10.0.0.100 80", &format!("alpha\n{SORRY}"), &[2]));
    assert_eq!(bench.held(VIP), [(9, 1)]);
}

#[test]
fn a_server_whose_check_was_changed_while_it_was_down_comes_back_with_the_first_pass() {
    let text = service("10.0.0.100 80", "", &[2]);
    let mut bench = Bench::new(&text);
    bench.answer(&[]);
    bench.configure(&text.replace("retry 0", "retry 0\nconnect_timeout 2"));
    assert_eq!(bench.held(VIP), []);
    bench.answer(&[1]);
    assert_eq!(bench.held(VIP), [(1, 2)]);
}

const GROUP: &str = "virtual_server_group G {\n10.0.0.1 80\n10.0.0.5-6 81\nfwmark 7\n}\n";
const OF_GROUP: [&str; 4] = ["[10.0.0.1]:tcp:80", "[10.0.0.5]:tcp:81", "[10.0.0.6]:tcp:81", "FWM 7"];

#[test]
fn a_group_is_many_services_with_one_set_of_checks() {
    let text = format!("{GROUP}{}", service("group G", "quorum_up /bin/a", &[2, 3]));
    let mut bench = Bench::new(&text);
    for key in OF_GROUP {
        assert_eq!(bench.held(key), [(1, 2), (2, 3)], "{key}");
    }
    assert_eq!(bench.told(), ["[G]:0 Up"], "as keepalived names it");
    assert_eq!(bench.open.len(), 2);
    bench.answer(&[2]);
    for key in OF_GROUP {
        assert_eq!(bench.held(key), [(2, 3)], "{key}");
    }
    // The servers of address translation agree everywhere, and so the services share one value.
    let table = bench.desk.director.table.value.clone();
    let [first, second, ..] =
        OF_GROUP[1..].iter().map(|key| &table.services[&key.parse().unwrap()]).collect::<Vec<_>>()[..]
    else {
        panic!()
    };
    assert!(Arc::ptr_eq(first, second));
    // A group that changes keeps what is known of its servers.
    bench.configure(&text.replace("10.0.0.5-6 81", "10.0.0.6-7 81"));
    assert_eq!(bench.held("[10.0.0.5]:tcp:81"), [(0, 0)]);
    assert_eq!(bench.held("[10.0.0.7]:tcp:81"), [(2, 3)]);
    bench.configure("");
    assert!(bench.desk.director.table.value.services.is_empty());
    assert!(bench.desk.director.of_groups.is_empty());
}

#[test]
fn behind_direct_routing_the_port_of_a_server_is_that_of_each_address() {
    let text = format!("{GROUP}{}", service("group G", "", &[2]))
        .replace("NAT", "DR")
        .replace("10.0.1.1 80", "10.0.1.1")
        .replace("retry 0", "connect_port 80");
    let bench = Bench::new(&text);
    let ports = OF_GROUP.map(|key| {
        let table = &bench.desk.director.table.value;
        table.services[&key.parse().unwrap()].destinations.keys().next().unwrap().port
    });
    assert_eq!(ports, [80, 81, 81, 0]);
}

#[test]
fn virtual_servers_that_meet_in_one_service_share_it() {
    let udp = service("group G", "", &[0, 0, 4]).replace("TCP\n", "UDP\n").replace("sched rr", "sched wrr");
    let tcp = service("group G", "", &[2, 3]);
    let mut bench = Bench::new(&format!("{GROUP}{tcp}{udp}"));
    assert_eq!(bench.held("[10.0.0.1]:tcp:80"), [(1, 2), (2, 3)]);
    assert_eq!(bench.held("[10.0.0.1]:udp:80"), [(1, 0), (2, 0), (3, 4)]);
    assert_eq!(bench.held("FWM 7"), [(1, 2), (2, 3), (3, 4)]);
    bench.configure(&format!("{GROUP}{udp}"));
    assert_eq!(bench.held("FWM 7"), [(1, 0), (2, 0), (3, 4)]);
    bench.configure(&format!("{GROUP}{tcp}{}", service("10.0.0.1 80", "", &[0, 0, 9])));
    assert_eq!(bench.held("[10.0.0.1]:tcp:80"), [(1, 0), (2, 0), (3, 9)], "the address has its own");
    bench.configure(&service("10.0.0.1 80", "", &[0, 0, 9]));
    assert_eq!(bench.held("[10.0.0.1]:tcp:80"), [(1, 0), (2, 0), (3, 9)]);
    assert_eq!(bench.held("FWM 7"), [(0, 0)]);
}

#[test]
fn a_mark_of_both_families_is_two_services() {
    let group = "virtual_server_group G {\nfwmark 7 inet\nfwmark 7 inet6\nfd00::1 80\n}\n";
    let bench = Bench::new(&format!(
        "{group}{}",
        service("group G", "", &[2]).replace("NAT", "TUN type gue port 6080 csum")
    ));
    for key in ["FWM 7", "FWM 7 v6", "[fd00::1]:tcp:80"] {
        assert_eq!(bench.held(key), [(1, 2)], "{key}");
    }
    let service = &bench.desk.director.table.value.services[&"FWM 7 v6".parse().unwrap()];
    let tunnel = service.destinations.values().next().unwrap().method();
    assert_eq!(tunnel, "TUN gue port 6080 csum");
}

#[test]
fn checks_rest_while_the_address_is_elsewhere() {
    let away = service("10.0.0.100 80", "ha_suspend", &[2]);
    let mut bench = Bench::new(&away);
    let effects = bench.desk.pass(Duration::from_secs(60));
    bench.take(effects);
    assert!(bench.open.is_empty());
    let status = |bench: &Bench| bench.desk.director.snapshot(bench.desk.now).services[0].clone();
    assert!(status(&bench).suspended);
    assert_eq!(bench.held(VIP), [(1, 2)]);
    let here = |more: &[LinkAddress]| {
        let mut addresses = vec![LinkAddress { address: own(), prefix: 24, secondary: false }];
        addresses.extend(more.iter().cloned());
        let link = Link { index: 7, up: true, loopback: false, mac: None, addresses, table: None };
        Event::Links(Arc::new(BTreeMap::from([("eth0".to_owned(), link)])))
    };
    let vip = LinkAddress { address: "10.0.0.100".parse().unwrap(), prefix: 32, secondary: false };
    let effects = bench.desk.tell(here(&[vip]));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Probe(_))), "it asks at once");
    assert!(!status(&bench).suspended);
    bench.take(effects);
    bench.answer(&[]);
    assert_eq!(bench.held(VIP), []);
    // What was asked before it rests does not count.
    let effects = bench.desk.pass(Duration::from_secs(5));
    bench.take(effects);
    bench.desk.tell(here(&[]));
    bench.answer(&[1]);
    assert!(status(&bench).suspended);
    assert_eq!(bench.held(VIP), [], "it stays what it was");
    bench.configure(&away.replace("ha_suspend", ""));
    assert!(!status(&bench).suspended);
}

#[test]
fn with_rs_init_notifies_servers_that_are_up_at_the_start_are_told() {
    let text = service("10.0.0.100 80", "", &[2]).replace("weight 2", "weight 2\nnotify_up /bin/a");
    assert_eq!(Bench::new(&text).told(), [""; 0]);
    let mut bench = Bench::new(&format!("global_defs {{\nrs_init_notifies\n}}\n{text}"));
    assert_eq!(bench.told(), ["[10.0.1.1]:tcp:80 Up"]);
}

#[test]
fn what_is_served_is_a_word() {
    for text in ["\"[10.0.0.1]:tcp:80\"", "\"FWM 7 v6\"", "\"[G]:udp v6\"", "\"[10.0.0.1]:tcp\""] {
        let served: Served = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&served).unwrap(), text);
    }
    assert!(serde_json::from_str::<Served>("\"nothing\"").is_err());
}

/// The last settings that were wanted: in words, and how often the whole table became ours.
fn settings(bench: &Bench) -> (Vec<String>, u64) {
    let level = &bench.desk.director.settings.value;
    (level.settings.iter().map(|(setting, value)| format!("{setting} {value}")).collect(), level.claims)
}

#[test]
fn settings_of_the_kernel_are_asked_for_and_given_back() {
    let text = service("10.0.0.100 80", "", &[2]);
    let global = |lines: &str| format!("global_defs {{\n{lines}\n}}\n{text}");
    let mut bench =
        Bench::new(&global("lvs_timeouts tcp 7 udp 9\nlvs_sysctl {\nconntrack 1\nsync_threshold 3 50\n}"));
    let said =
        ["timeout tcp 7", "timeout udp 9", "net.ipv4.vs.conntrack 1", "net.ipv4.vs.expire_nodest_conn 1"];
    let all: Vec<_> =
        said.iter().map(|s| (*s).to_owned()).chain(["net.ipv4.vs.sync_threshold 3 50".to_owned()]).collect();
    assert_eq!(settings(&bench), (all, 0));
    bench.configure(&global("compat\nlvs_flush\nlvs_flush_on_stop"));
    assert_eq!(
        settings(&bench),
        (vec![], 0),
        "keepalived sets no switch, and it empties the table at the start only"
    );
    bench.desk.tell(Event::Stop);
    assert_eq!(settings(&bench), (vec![], 1));
    let mut bench = Bench::new(&global("compat\nlvs_timeouts tcp 7\nlvs_sysctl {\nconntrack 1\n}"));
    bench.desk.tell(Event::Stop);
    assert_eq!(settings(&bench).0, ["timeout tcp 7"], "keepalived leaves the times as they are");
    // The table is emptied, by difference, at the start of the daemon and never at a reload.
    let mut bench =
        Bench { desk: Desk::new(&global("lvs_flush")), open: BTreeMap::new(), effects: Vec::new() };
    assert_eq!(settings(&bench).1, 1);
    bench.configure(&global("lvs_flush\nlvs_sysctl {\nexpire_nodest_conn 0\n}"));
    assert_eq!(settings(&bench), (vec!["net.ipv4.vs.expire_nodest_conn 0".to_owned()], 1));
    bench.desk.tell(Event::Stop);
    assert_eq!(settings(&bench), (vec![], 1));
    for wrong in ["expire_nodest 1", "conntrack", "conntrack 2", "sync_threshold 3"] {
        let text = global(&format!("lvs_sysctl {{\n{wrong}\n}}"));
        assert!(config::read_text("a", &text).config.is_none(), "{wrong}");
    }
    let (old, none) = (
        config::read_text("a", &global("lvs_sysctl {\nest_cpulist 0-1\nsync_threshold 3 50\n}")),
        Config::default(),
    );
    let old = old.config.expect("it is good");
    let again = config::read_text("a", &config::write::text(&config::write::lines(&old))).config;
    assert!(again.as_ref() == Some(&old) && old != none);
}

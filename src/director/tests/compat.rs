//! What compatible reading changes while the daemon runs, and the order in which things happen.

use healthcheck::{FailureKind, Outcome};

use super::pools::{Bench, VIP, service};
use super::*;
use crate::director::effect::{Announcement, HostLevel};
use crate::director::event::ScriptOutcome;

const COMPAT: &str = "global_defs {\ncompat\n}\n";
const SECOND: Duration = Duration::from_secs(1);

fn addresses(effects: &[Effect]) -> Vec<(u64, String)> {
    let level = effects.iter().rev().find_map(|effect| match effect {
        Effect::Addresses(level) => Some(level.value.clone()),
        _ => None,
    });
    let mut found: Vec<(u64, String)> = Vec::new();
    for (key, wanted) in &level.unwrap().addresses {
        if let vrrp::Wanted::Present(settings) = wanted {
            found.push((settings.details.turn, key.to_string()));
        }
    }
    found.sort();
    found
}

fn announced(effects: &[Effect]) -> Vec<&Announcement> {
    let all = effects.iter();
    all.filter_map(|e| if let Effect::Announce(one) = e { Some(one) } else { None }).collect()
}

fn host(effects: &[Effect]) -> Arc<HostLevel> {
    let level =
        effects.iter().rev().find_map(|e| if let Effect::Host(level) = e { Some(level) } else { None });
    level.unwrap().value.clone()
}

#[test]
fn a_script_that_cannot_be_started_is_a_fault_and_compatibly_nothing() {
    let script = format!(
        "vrrp_script s {{\nscript /bin/check\ninterval 1\n}}\n{}",
        instance(51, "track_script {\ns\n}")
    );
    for (head, role) in [("", "FAULT"), (COMPAT, "BACKUP")] {
        let mut desk = Desk::new(&format!("{head}{script}"));
        let mut effects = desk.pass(Duration::ZERO);
        let run =
            effects.iter().find_map(|e| if let Effect::RunScript(run) = e { Some(run.number) } else { None });
        let outcome = ScriptOutcome::NotStarted("there is no such program".into());
        effects.extend(desk.tell(Event::ScriptDone { script: "s".into(), run: run.unwrap_or(1), outcome }));
        assert_eq!(desk.first_role(), role);
        let more = desk.pass(3 * SECOND);
        let again = more.iter().any(|effect| matches!(effect, Effect::RunScript(_)));
        assert_eq!(again, head.is_empty(), "what is left out is not run again");
    }
}

#[test]
fn a_check_whose_command_cannot_be_run_takes_a_server_out_except_compatibly() {
    let file = service("10.0.0.100 80", "alpha", &[2, 3]);
    let file = file.replace("TCP_CHECK {\nretry 0", "MISC_CHECK {\nmisc_path /bin/check");
    let absent = || Outcome::failed(FailureKind::NotStarted, "there is no /bin/check", Duration::ZERO);
    let failed = || Outcome::failed(FailureKind::Command, "exit status 1", Duration::ZERO);
    for (head, held) in [("", vec![]), (COMPAT, vec![(1, 2), (2, 3)])] {
        let mut bench = Bench::new(&format!("{head}{file}"));
        bench.answer_with(|_| absent());
        assert_eq!(bench.held(VIP), held);
        let told = bench.effects.iter().filter(|effect| {
            matches!(effect, Effect::Log(entry) if entry.to_string().contains("as long as it cannot be run"))
        });
        assert_eq!(told.count(), held.len(), "once for each");
        // Once it has been run it counts, also when it is gone again.
        bench.answer(&[1, 2]);
        assert_eq!(bench.held(VIP), [(1, 2), (2, 3)]);
        bench.answer_with(|last| if last == 1 { absent() } else { failed() });
        assert_eq!(bench.held(VIP), []);
    }
}

#[test]
fn a_sorry_server_that_is_an_inhibited_real_server_keeps_its_weight_compatibly_and_stands_in_otherwise() {
    let file = service("10.0.0.100 80", "inhibit_on_failure\nsorry_server 10.0.1.1 80", &[2, 3]);
    for (head, weight) in [("", 1), (COMPAT, 0)] {
        let mut bench = Bench::new(&format!("{head}{file}"));
        bench.answer(&[1, 2]);
        assert_eq!(bench.held(VIP), [(1, 2), (2, 3)]);
        bench.answer(&[]);
        assert_eq!(bench.held(VIP), [(1, weight), (2, 0)], "{head}");
        bench.answer(&[1]);
        assert_eq!(bench.held(VIP), [(1, 2), (2, 0)]);
    }
}

#[test]
fn processes_that_the_kernel_does_not_tell_of_are_tracked_except_compatibly_in_a_namespace() {
    let process =
        format!("vrrp_track_process p {{\nprocess sshd\n}}\n{}", instance(51, "track_process {\np\n}"));
    let elsewhere = format!("net_namespace other\n{COMPAT}");
    for (head, role) in [("", "FAULT"), (COMPAT, "FAULT"), (elsewhere.as_str(), "BACKUP")] {
        let mut desk = Desk::new(&format!("{head}{process}"));
        desk.tell(Event::ProcessesUnheard("not supported".into()));
        desk.tell(Event::ProcessesCounted { process: "p".into(), count: 0 });
        assert_eq!(desk.first_role(), role);
    }
}

#[test]
fn a_group_does_not_weigh_the_interface_that_a_member_lives_on() {
    let group =
        "vrrp_sync_group G {\ngroup {\nVI_1\n}\ntrack_interface {\neth0 weight 20\neth1 weight 5\n}\n}\n";
    for (more, priority) in [("", 105), ("dont_track_primary", 125)] {
        let mut desk = Desk::new("");
        desk.see(&[("eth0", true), ("eth1", true)]);
        desk.configure(&format!("{}{group}", instance(51, more)));
        assert_eq!(desk.status(0).effective_priority, priority);
    }
}

#[test]
fn a_static_item_that_was_never_there_is_no_fault_compatibly() {
    let text =
        "static_ipaddress {\n10.9.0.1/24 dev eth0 track_group T\n}\ntrack_group T {\ngroup {\nVI_1\n}\n}\n";
    let thing =
        vrrp::Thing::Address(vrrp::AddressKey { interface: "eth0".into(), address: [10, 9, 0, 1].into() });
    let report = |missing: &[&vrrp::Thing]| {
        let missing = missing.iter().map(|thing| (*thing).clone()).collect();
        Event::AddressesApplied(super::super::event::AddressReport {
            serial: 1,
            missing,
            ..Default::default()
        })
    };
    for (head, role) in [("", "FAULT"), (COMPAT, "BACKUP")] {
        let mut desk = Desk::new(&format!("{head}{text}{}", instance(51, "")));
        desk.tell(report(&[&thing]));
        assert_eq!(desk.first_role(), role);
        desk.tell(report(&[]));
        desk.tell(report(&[&thing]));
        assert_eq!(desk.first_role(), "FAULT", "it was there");
    }
}

#[test]
fn of_instances_that_become_master_together_the_first_in_the_file_comes_first() {
    let one = instance(51, "").replace("VI_1", "Z").replace("0.100", "0.11");
    let other = instance(52, "").replace("VI_1", "A").replace("0.100", "0.12");
    let mut desk = Desk::new(&format!("{one}{other}"));
    let effects = desk.pass(5 * SECOND);
    let names: Vec<String> = addresses(&effects).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["10.0.0.11 dev eth0", "10.0.0.12 dev eth0"]);
    assert_eq!(sent(&effects)[0].advert.vrid, 51);
}

#[test]
fn adverts_go_on_coming_from_the_address_they_came_from() {
    let mut desk = Desk::new(&instance(51, ""));
    assert_eq!(sent(&desk.pass(5 * SECOND))[0].source, own());
    let mut link = (*desk.director.links).clone();
    let earlier = LinkAddress { address: "10.0.0.77".parse().unwrap(), prefix: 32, secondary: false };
    link.get_mut("eth0").unwrap().addresses.insert(0, earlier);
    desk.tell(Event::Links(Arc::new(link.clone())));
    assert_eq!(sent(&desk.pass(2 * SECOND))[0].source, own());
    link.get_mut("eth0").unwrap().addresses.truncate(1);
    desk.tell(Event::Links(Arc::new(link)));
    assert_eq!(sent(&desk.pass(2 * SECOND))[0].source.to_string(), "10.0.0.77");
}

#[test]
fn after_a_fault_the_peers_are_told_where_adverts_come_from() {
    let mut desk = Desk::new(&instance(51, &format!("unicast_peer {{\n{}\n}}", peer())));
    assert!(announced(&desk.pass(Duration::ZERO)).is_empty());
    desk.links(false);
    let effects = desk.links(true);
    let told = announced(&effects);
    assert_eq!((told[0].repeat, &told[0].places[0].addresses), (1, &vec![own()]));
}

#[test]
fn addresses_of_each_family_have_interfaces_of_their_own() {
    let more = "use_vmac_addr\nvirtual_ipaddress_excluded {\n2001:db8::1\n2001:db8::2 dev eth1\n}";
    let text = instance(51, more).replace("10.0.0.100", "10.0.0.100 dev eth0\n10.1.0.9 dev eth1");
    let mut desk = Desk::new("");
    desk.see(&[("eth0", true), ("eth1", true)]);
    let mut effects = desk.configure(&text);
    let level = host(&effects);
    let devices: Vec<(&str, &str, bool)> =
        level.devices.iter().map(|(n, d)| (n.as_str(), d.parent.as_str(), d.ipv6)).collect();
    assert_eq!(devices, [("vrrp.51", "eth1", false), ("vrrp1.51", "eth1", true), ("vrrp6.51", "eth0", true)]);
    effects = desk.pass(5 * SECOND);
    let mut names: Vec<String> = addresses(&effects).into_iter().map(|(_, name)| name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "10.0.0.100 dev eth0",
            "10.1.0.9 dev vrrp.51",
            "2001:db8::1 dev vrrp6.51",
            "2001:db8::2 dev vrrp1.51"
        ]
    );
}

#[test]
fn an_interface_that_cannot_carry_an_address_is_a_fault_unless_that_is_not_tracked() {
    for (line, role) in [("10.1.0.1 dev eth1", "FAULT"), ("10.1.0.1 dev eth1 no_track", "BACKUP")] {
        let text = instance(51, "").replace("10.0.0.100", &format!("10.0.0.100\n{line}"));
        let mut desk = Desk::new(&text);
        assert_eq!(desk.first_role(), role);
        desk.see(&[("eth0", true), ("eth1", true)]);
        assert_eq!(desk.first_role(), "BACKUP");
        desk.see(&[("eth0", true), ("eth1", false)]);
        assert_eq!(desk.first_role(), role);
    }
}

#[test]
fn with_an_ipvlan_the_addresses_are_below_and_all_agree_on_what_they_see() {
    let one = instance(51, "use_ipvlan ipvl1 bridge");
    let other = instance(52, "use_ipvlan ipvl0 vepa").replace("VI_1", "VI_2").replace("0.100", "0.110");
    let mut desk = Desk::new("");
    desk.links(true);
    let effects = desk.configure(&format!("{one}{other}"));
    let flags: Vec<vrrp::DeviceKind> = host(&effects).devices.values().map(|device| device.kind).collect();
    assert_eq!(flags, [vrrp::DeviceKind::Ipvlan(vrrp::IpvlanFlag::Vepa); 2], "the last one says it");
    let config = desk.director.config.clone();
    for (name, instance) in &config.instances {
        let devices = desk.director.devices_of(name, instance);
        assert_eq!(devices.interface_of(instance, &instance.addresses[0]), "eth0");
    }
}

#[test]
fn static_addresses_with_a_peer_outlive_the_daemon_compatibly() {
    let lines = "10.9.0.1 dev eth0 peer 10.9.1.1\n10.9.0.2/24 dev eth0\n10.9.0.3 dev eth0 peer 10.9.0.3\n\
                 2001:db8::1 dev eth0 peer 2001:db8::2";
    let virtual_one = instance(51, "").replace("10.0.0.100", "10.0.0.100 peer 10.0.1.1");
    let text = format!("static_ipaddress {{\n{lines}\n}}\n{virtual_one}");
    for (head, left) in [("", vec![]), (COMPAT, vec!["10.9.0.1 dev eth0"])] {
        let mut desk = Desk::new(&format!("{head}{text}"));
        assert_eq!(addresses(&desk.pass(5 * SECOND)).len(), 5);
        let effects = desk.tell(Event::Stop);
        let names: Vec<String> = addresses(&effects).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, left, "{head}");
        let told: Vec<String> = effects
            .iter()
            .filter_map(|e| if let Effect::Log(entry) = e { Some(entry.to_string()) } else { None })
            .filter(|line| line.contains("stay on their interface"))
            .collect();
        assert_eq!(told.len(), left.len());
        assert!(told.iter().all(|line| line.ends_with(" 10.9.0.1 peer 10.9.1.1 dev eth0")), "{told:?}");
        // A reload takes it away, with keepalived too for all but these.
        let mut desk = Desk::new(&format!("{head}{text}"));
        let effects = desk.configure(&format!("{head}{}", instance(51, "")));
        assert!(addresses(&effects).is_empty());
    }
}

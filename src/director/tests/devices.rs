//! Interfaces that instances bring along: names that stay, starts that wait, silence that follows the state.

use super::*;
use crate::director::effect::HostLevel;
use crate::director::event::{AddressReport, HostReport, TableReport};

const MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 51];

impl Desk {
    /// eth0, and the interface of virtual router 51 if it was made.
    fn with_device(&mut self, name: &str, made: bool) -> Vec<Effect> {
        let addresses = vec![LinkAddress { address: own(), prefix: 24, secondary: false }];
        let eth0 = Link {
            index: 7,
            up: true,
            loopback: false,
            mac: Some([2, 0, 0, 0, 0, 1]),
            addresses,
            table: None,
        };
        let eth1 = Link { index: 8, addresses: Vec::new(), ..eth0.clone() };
        let mut links = BTreeMap::from([("eth0".to_owned(), eth0), ("eth1".to_owned(), eth1)]);
        if made {
            let device = Link {
                index: 9,
                up: true,
                loopback: false,
                mac: Some(MAC),
                addresses: Vec::new(),
                table: None,
            };
            links.insert(name.to_owned(), device);
        }
        self.tell(Event::Links(Arc::new(links)))
    }

    fn state_of(&self, name: &str) -> vrrp::State {
        self.director.states().find(|(other, _)| *other == name).unwrap().1
    }
}

fn host(effects: &[Effect]) -> Option<Arc<HostLevel>> {
    let level = |effect: &Effect| match effect {
        Effect::Host(level) => Some(level.value.clone()),
        _ => None,
    };
    effects.iter().rev().find_map(level)
}

fn names(level: &HostLevel) -> Vec<&str> {
    level.devices.keys().map(String::as_str).collect()
}

#[test]
fn an_instance_starts_once_its_interface_is_there() {
    let mut desk = Desk::new("");
    let effects = desk.configure(&instance(51, "use_vmac"));
    assert_eq!(names(&host(&effects).unwrap()), ["vrrp.51"]);
    assert_eq!(desk.state_of("VI_1"), vrrp::State::Initialize);
    desk.with_device("vrrp.51", true);
    assert_eq!(desk.state_of("VI_1"), vrrp::State::Backup, "no fault was told of what was only being made");
    let effects = desk.pass(Duration::from_secs(5));
    assert!(sent(&effects).iter().all(|t| (t.socket.interface.as_str(), t.socket.index) == ("vrrp.51", 9)));
    assert!(sent(&effects).iter().all(|t| t.source == own()), "the address is that of the interface below");
    let announced = effects.iter().find_map(|effect| match effect {
        Effect::Announce(announcement) => announcement.places.first().map(|place| place.mac),
        _ => None,
    });
    assert_eq!(announced, Some(MAC));

    desk.with_device("vrrp.51", false);
    assert_eq!(desk.state_of("VI_1"), vrrp::State::Fault);
    desk.with_device("vrrp.51", true);
    assert_eq!(desk.state_of("VI_1"), vrrp::State::Backup);
}

#[test]
fn an_interface_that_cannot_be_had_is_a_fault() {
    let mut desk = Desk::new(&instance(51, "use_vmac"));
    let refused =
        HostReport { serial: 1, refused: ["vrrp.51".to_owned()].into(), failures: vec!["no".into()] };
    let effects = desk.tell(Event::HostApplied(refused.clone()));
    assert_eq!(desk.state_of("VI_1"), vrrp::State::Fault);
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Log(entry) if entry.to_string().contains("no")))
    );
    let again = desk.tell(Event::HostApplied(refused));
    assert_eq!(again, [], "it is told once");
    desk.with_device("vrrp.51", true);
    assert_eq!(desk.state_of("VI_1"), vrrp::State::Backup);
}

#[test]
fn names_stay_through_reloads_and_follow_keepaliveds() {
    let block = |name: &str, interface: &str, more: &str, address: &str| {
        format!(
            "vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id 51\nversion 3\n{more}\n\
             virtual_ipaddress {{\n{address}\n}}\n}}\n"
        )
    };
    let first = block("m", "eth0", "use_vmac", "10.0.0.100");
    let six = block("s", "eth0", "use_vmac", "fe80::100");
    let earlier = block("a", "eth1", "use_vmac", "10.1.0.100");
    let named = block("b", "eth2", "use_vmac mine", "10.2.0.100");
    let mut desk = Desk::new(&first);
    let parents = |level: &HostLevel| -> Vec<(String, String)> {
        level.devices.iter().map(|(name, device)| (name.clone(), device.parent.clone())).collect()
    };
    let effects = desk.configure(&format!("{first}{six}{earlier}{named}"));
    let expected = [("mine", "eth2"), ("vrrp.51", "eth0"), ("vrrp1.51", "eth1"), ("vrrp6.51", "eth0")];
    assert_eq!(
        parents(&host(&effects).unwrap()),
        expected.map(|(name, on)| (name.to_owned(), on.to_owned()))
    );
    let effects = desk.configure(&format!("global_defs {{\nvmac_prefix v\n}}\n{earlier}"));
    assert_eq!(names(&host(&effects).unwrap()), ["v.51"], "another prefix is another name");
}

#[test]
fn single_addresses_go_where_they_are_told() {
    let text = instance(51, "use_vmac")
        .replace("10.0.0.100", "10.0.0.100\n10.1.0.3 dev eth1 use_vmac\n10.1.0.2 dev eth1");
    let mut desk = Desk::new("");
    desk.see(&[("eth0", true), ("eth1", true)]);
    desk.configure(&text);
    desk.with_device("vrrp.51", true);
    let effects = desk.pass(Duration::from_secs(5));
    let level = effects.iter().rev().find_map(|effect| match effect {
        Effect::Addresses(level) => Some(level.value.clone()),
        _ => None,
    });
    let keys: Vec<String> = level.unwrap().addresses.keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["10.1.0.2 dev eth1", "10.0.0.100 dev vrrp.51", "10.1.0.3 dev vrrp1.51"]);
}

#[test]
fn silence_follows_mastership_and_comes_before_the_addresses() {
    let mut desk = Desk::new(&instance(51, "no_accept"));
    let effects = desk.pass(Duration::from_secs(5));
    let filter = effects.iter().position(|effect| matches!(effect, Effect::Host(_))).unwrap();
    let addresses = effects.iter().position(|effect| matches!(effect, Effect::Addresses(_))).unwrap();
    assert!(filter < addresses);
    assert_eq!(host(&effects).unwrap().filter.silent, [vip()].into());
    let effects = desk.hear(200, peer(), vrrp::GROUP_V4.into());
    assert!(host(&effects).unwrap().filter.silent.is_empty());
    // The owner's addresses are its own; strict mode is silent unless told otherwise.
    for (more, silent) in [
        ("no_accept\npriority 255", false),
        ("strict_mode on", true),
        ("strict_mode on\naccept", false),
        ("", false),
    ] {
        let mut desk = Desk::new(&instance(51, more));
        let effects = desk.pass(Duration::from_secs(5));
        assert_eq!(host(&effects).is_some_and(|level| !level.filter.silent.is_empty()), silent, "{more}");
    }
}

#[test]
fn the_end_takes_interfaces_away_after_the_addresses() {
    let mut desk = Desk::new(&instance(51, "use_vmac"));
    desk.with_device("vrrp.51", true);
    desk.pass(Duration::from_secs(5));
    let effects = desk.tell(Event::Stop);
    assert_eq!(sent(&effects).len(), 1, "the farewell needs the interface");
    assert_eq!(host(&effects), None);
    let stopped = |effects: &[Effect]| effects.contains(&Effect::Stopped);
    let serial = u64::MAX;
    assert!(!stopped(&desk.tell(Event::TableApplied(TableReport { serial, ..Default::default() }))));
    assert!(!stopped(&desk.tell(Event::SettingsApplied(TableReport { serial, ..Default::default() }))));
    let effects = desk.tell(Event::AddressesApplied(AddressReport { serial, ..Default::default() }));
    assert!(!stopped(&effects));
    assert_eq!(host(&effects).as_deref(), Some(&HostLevel::default()));
    assert!(stopped(&desk.tell(Event::HostApplied(HostReport { serial, ..Default::default() }))));
}

#[test]
fn a_group_waits_for_the_interface_of_a_member_without_a_fault() {
    let other = instance(52, "use_vmac").replace("VI_1", "VI_2").replace("0.100", "0.110");
    let group = "vrrp_sync_group G {\ngroup {\nVI_1\nVI_2\n}\n}\n";
    let mut desk = Desk::new("");
    let effects = desk.configure(&format!("{}{other}{group}", instance(51, "")));
    let log: Vec<String> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Log(entry) => Some(entry.to_string()),
            _ => None,
        })
        .collect();
    assert!(log.iter().all(|line| !line.contains("FAULT")), "{log:?}");
}

//! The plan for the interfaces of virtual routers, against a kernel in memory.

use proptest::prelude::*;

use super::*;

fn macvlan(parent: &str, vrid: u8) -> Device {
    Device {
        parent: parent.to_owned(),
        kind: DeviceKind::macvlan(vrid, false, None),
        group: None,
        notify: false,
        ipv4: true,
        ipv6: false,
        addresses: BTreeSet::new(),
    }
}

fn real(index: u32) -> HeldDevice {
    HeldDevice { index, up: true, parent: None, mac: Some([2, 0, 0, 0, 0, 1]), group: 0, form: Form::Other }
}

#[test]
fn the_mac_address_is_the_routers() {
    let mac = |vrid, ipv6, given| DeviceKind::macvlan(vrid, ipv6, given).mac().unwrap();
    assert_eq!(mac(51, false, None), [0, 0, 0x5e, 0, 1, 51]);
    assert_eq!(mac(51, true, None), [0, 0, 0x5e, 0, 2, 51]);
    assert_eq!(mac(51, true, Some(&[2, 1, 2, 3, 4][..])), [2, 1, 2, 3, 4, 51]);
    assert_eq!(mac(51, true, Some(&[2, 1, 2, 3, 4, 5][..])), [2, 1, 2, 3, 4, 5]);
    assert_eq!(mac(51, true, Some(&[2, 1][..])), [0, 0, 0x5e, 0, 2, 51]);
}

#[test]
fn the_switches_are_keepaliveds() {
    let found = settings("vrrp.51", &macvlan("eth0", 51), Manner::AsKeepalived);
    let found: Vec<String> = found.iter().map(|(path, value)| format!("{path}={value}")).collect();
    assert_eq!(
        found,
        [
            "ipv4/conf/eth0/arp_filter=1",
            "ipv4/conf/eth0/arp_ignore=1",
            "ipv4/conf/vrrp.51/accept_local=1",
            "ipv4/conf/vrrp.51/arp_ignore=1",
            "ipv4/conf/vrrp.51/promote_secondaries=1",
            "ipv4/conf/vrrp.51/rp_filter=0",
            "ipv6/conf/vrrp.51/disable_ipv6=1",
        ]
    );
    let shy = settings("vrrp.51", &macvlan("eth0", 51), Manner::Thorough);
    assert_eq!((shy.len(), shy["ipv4/conf/eth0/arp_announce"].as_str()), (8, "2"));
    let six = Device { ipv4: false, ipv6: true, ..macvlan("eth0", 51) };
    let found = settings("vrrp.51", &six, Manner::Thorough);
    assert_eq!(found, BTreeMap::from([("ipv6/conf/vrrp.51/disable_ipv6".to_owned(), "0".to_owned())]));
}

#[test]
fn the_filter_of_all_is_handed_to_each() {
    let now = |all, eth0, eth1, lo| {
        let values =
            [("all", all), ("eth0", eth0), ("eth1", eth1), ("lo", lo), ("vrrp.51", 0), ("default", 0)];
        values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>()
    };
    let spared = BTreeSet::from(["vrrp.51".to_owned()]);
    let written = reverse_path_filter(&now(1, 0, 2, 0), &spared);
    let written: Vec<_> = written.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(written, [("all", 0), ("default", 1), ("eth0", 1)]);
    assert!(reverse_path_filter(&now(0, 0, 2, 0), &spared).is_empty());
    assert!(reverse_path_filter(&BTreeMap::new(), &spared).is_empty());
}

#[test]
fn switches_are_written_and_read_back() {
    let switch = Switch { path: "ipv4/conf/br-lan@x.7/arp_ignore".to_owned(), value: "0".to_owned() };
    assert_eq!(switch.to_string().parse(), Ok(switch));
    for wrong in ["", "ipv4/conf/eth0/arp_ignore", "ipv4/../../../etc/passwd x", "/etc/passwd x", "ipv4//x 1"]
    {
        assert!(wrong.parse::<Switch>().is_err(), "{wrong}");
    }
}

#[test]
fn a_foreign_interface_is_used_if_it_fits_and_never_changed() {
    let mut held = HeldDevices::from([("eth0".to_owned(), real(2))]);
    let wanted = DeviceLevel::from([("vrrp.51".to_owned(), macvlan("eth0", 51))]);
    let theirs = HeldDevice {
        index: 9,
        up: true,
        parent: Some(2),
        mac: wanted["vrrp.51"].kind.mac(),
        group: 0,
        form: Form::PrivateMacvlan,
    };
    held.insert("vrrp.51".to_owned(), theirs.clone());
    assert_eq!(plan(&held, &wanted, &BTreeSet::new()), []);
    let refuse = [DeviceOperation::Refuse { name: "vrrp.51".to_owned() }];
    for other in [
        HeldDevice { mac: Some([2; 6]), ..theirs.clone() },
        HeldDevice { parent: Some(3), ..theirs.clone() },
        HeldDevice { form: Form::Other, ..theirs.clone() },
    ] {
        held.insert("vrrp.51".to_owned(), other);
        assert_eq!(plan(&held, &wanted, &BTreeSet::new()), refuse);
    }
    assert_eq!(plan(&held, &DeviceLevel::new(), &BTreeSet::new()), []);
}

/// Carries operations out the way the kernel does.
fn apply(
    held: &mut HeldDevices,
    wanted: &DeviceLevel,
    ours: &mut BTreeSet<String>,
    operations: Vec<DeviceOperation>,
    next: &mut u32,
) {
    for operation in operations {
        match operation {
            DeviceOperation::Remove { name } => {
                assert!(ours.remove(&name), "{name} was not ours");
                assert!(held.remove(&name).is_some(), "only what is there is removed");
            }
            DeviceOperation::Create { name, parent } => {
                assert!(held.values().any(|device| device.index == parent));
                let form = match wanted[&name].kind {
                    DeviceKind::Macvlan(_) => Form::PrivateMacvlan,
                    DeviceKind::Ipvlan(flag) => Form::Ipvlan(flag),
                };
                *next += 1;
                let mac = wanted[&name].kind.mac();
                let group = wanted[&name].group.unwrap_or(0);
                let made = HeldDevice { index: *next, up: false, parent: Some(parent), mac, group, form };
                assert!(held.insert(name.clone(), made).is_none(), "{name} was there");
                ours.insert(name);
            }
            DeviceOperation::Mend { name } => {
                let device = held.get_mut(&name).unwrap();
                device.mac = wanted[&name].kind.mac().or(device.mac);
                device.group = wanted[&name].group.unwrap_or(device.group);
            }
            DeviceOperation::Raise { name } => held.get_mut(&name).unwrap().up = true,
            DeviceOperation::Refuse { name } => assert!(!ours.contains(&name)),
        }
    }
}

fn any_device() -> impl Strategy<Value = Device> {
    let kind = prop_oneof![
        (0..3_u8).prop_map(|vrid| DeviceKind::macvlan(vrid, false, None)),
        prop_oneof![Just(IpvlanFlag::Bridge), Just(IpvlanFlag::Private)].prop_map(DeviceKind::Ipvlan),
    ];
    (0..3_u8, kind, proptest::option::of(0..2_u32)).prop_map(|(parent, kind, group)| Device {
        parent: format!("eth{parent}"),
        kind,
        group,
        ..macvlan("", 0)
    })
}

fn any_held() -> impl Strategy<Value = HeldDevice> {
    let form =
        prop_oneof![Just(Form::PrivateMacvlan), Just(Form::Other), Just(Form::Ipvlan(IpvlanFlag::Bridge))];
    let mac = (0..3_u8).prop_map(|vrid| DeviceKind::macvlan(vrid, false, None).mac());
    (any::<bool>(), proptest::option::of(2..4_u32), mac, 0..2_u32, form)
        .prop_map(|(up, parent, mac, group, form)| HeldDevice { index: 77, up, parent, mac, group, form })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_plan_leads_to_the_level_and_planning_again_does_nothing(
        foreign in proptest::collection::btree_map((0..4_u8).prop_map(|n| format!("v{n}")), any_held(), 0..3),
        levels in proptest::collection::vec(
            proptest::collection::btree_map((0..4_u8).prop_map(|n| format!("v{n}")), any_device(), 0..4), 1..6),
    ) {
        let mut held = foreign.clone();
        // `eth2` is missing.
        held.insert("eth0".to_owned(), real(2));
        held.insert("eth1".to_owned(), real(3));
        let (mut ours, mut next) = (BTreeSet::new(), 100);
        for level in levels {
            let operations = plan(&held, &level, &ours);
            apply(&mut held, &level, &mut ours, operations, &mut next);
            let again = plan(&held, &level, &ours);
            let is_refusal = |operation: &DeviceOperation| matches!(operation, DeviceOperation::Refuse { .. });
            prop_assert!(again.iter().all(is_refusal), "{:?}", again);
            for (name, device) in &level {
                let refused = again.contains(&DeviceOperation::Refuse { name: name.clone() });
                prop_assert!(!refused || foreign.contains_key(name));
                if !refused && device.parent != "eth2" {
                    let found = &held[name];
                    prop_assert!(found.up && device.kind.has_form(found.form));
                    prop_assert!(device.kind.mac().is_none_or(|mac| found.mac == Some(mac)));
                }
            }
            for name in &ours {
                prop_assert!(level.contains_key(name) && !foreign.contains_key(name));
            }
            prop_assert!(foreign.keys().all(|name| held.contains_key(name)));
        }
    }
}

//! What the tables hold, and that plans lead from one state to another.

use proptest::prelude::*;

use super::*;

fn level(silent: &[&str]) -> FilterLevel {
    let silent = silent.iter().map(|address| address.parse().unwrap()).collect();
    FilterLevel { table: "directord".to_owned(), priority: -1, silent, ..FilterLevel::default() }
}

fn key(text: &str) -> TableKey {
    text.parse().unwrap()
}

#[test]
fn nothing_to_do_is_no_table() {
    assert_eq!(tables(&level(&[]), &VirtualMacs::default(), |_| None), Tables::new());
    let mut missing = level(&[]);
    missing.silent_on.insert(("fe80::1".parse().unwrap(), "eth0".to_owned()));
    assert_eq!(tables(&missing, &VirtualMacs::default(), |_| None), Tables::new());
    assert_eq!(tables(&missing, &VirtualMacs::default(), |_| Some(2)).len(), 1);
}

#[test]
fn each_family_has_its_table() {
    let tables = tables(&level(&["192.0.2.1", "2001:db8::1"]), &VirtualMacs::default(), |_| None);
    assert_eq!(tables.keys().map(ToString::to_string).collect::<Vec<_>>(), ["ip directord", "ip6 directord"]);
    let ip = &tables[&key("ip directord")];
    assert_eq!(ip.chains.iter().map(|chain| chain.name).collect::<Vec<_>>(), ["out", "in"]);
    assert_eq!(ip.sets[0].elements.keys().collect::<Vec<_>>(), [&vec![192, 0, 2, 1]]);
    let ip6 = &tables[&key("ip6 directord")];
    assert_eq!(ip6.chains.len(), 4, "neighbour discovery and link-local addresses are set apart");
    assert!(matches!(ip6.rules[0].1.last(), Some(Expression::Verdict(Verdict::Accept))));
}

#[test]
fn a_virtual_mac_needs_no_chain_for_what_comes_in() {
    let macs = VirtualMacs { v4: BTreeMap::from([(4, 2)]), v6: BTreeMap::new() };
    let tables = tables(&FilterLevel { counters: true, ..level(&[]) }, &macs, |_| None);
    let ip = &tables[&key("ip directord")];
    assert_eq!((tables.len(), ip.chains.len(), ip.rules.len()), (1, 1, 1));
    assert!(ip.rules[0].1.contains(&Expression::Counter) && ip.rules[0].1.contains(&Expression::Duplicate));
}

#[test]
fn a_take_over_changes_elements_only() {
    let none = VirtualMacs::default();
    let before = tables(&level(&["192.0.2.1", "192.0.2.2"]), &none, |_| None);
    let after = tables(&level(&["192.0.2.2", "192.0.2.3"]), &none, |_| None);
    let one = |last| BTreeMap::from([(vec![192, 0, 2, last], None)]);
    let table = key("ip directord");
    let change = TableChange::Elements { table: table.clone(), set: "vips", remove: one(1), add: one(3) };
    assert_eq!(plan(&before, &after), [change]);
    assert_eq!(plan(&before, &Tables::new()), [TableChange::Remove(table.clone())]);
    assert_eq!(plan(&Tables::new(), &after), [TableChange::Replace(table.clone())]);
    let counting = tables(&FilterLevel { counters: true, ..level(&["192.0.2.1"]) }, &none, |_| None);
    assert_eq!(plan(&before, &counting), [TableChange::Replace(table)]);
}

#[test]
fn table_names_are_written_and_read_back() {
    assert_eq!(key("ip6 my table").to_string(), "ip6 my table");
    for wrong in ["", "ip", "ip ", "inet x"] {
        assert!(wrong.parse::<TableKey>().is_err(), "{wrong}");
    }
}

fn any_level() -> impl Strategy<Value = (FilterLevel, VirtualMacs)> {
    let address = prop_oneof![
        (0..4_u8).prop_map(|last| IpAddr::from([192, 0, 2, last])),
        (0..4_u16).prop_map(|last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last])),
    ];
    let on =
        (0..3_u16).prop_map(|last| (Ipv6Addr::from([0xfe80, 0, 0, 0, 0, 0, 0, last]), "eth0".to_owned()));
    let macs = || proptest::collection::btree_map(4..7_u32, 2..4_u32, 0..3);
    (
        proptest::collection::btree_set(address, 0..4),
        proptest::collection::btree_set(on, 0..3),
        any::<[bool; 2]>(),
        macs(),
        macs(),
    )
        .prop_map(|(silent, silent_on, [counters, by_name], v4, v6)| {
            let level = FilterLevel { silent, silent_on, counters, by_name, ..level(&[]) };
            (level, VirtualMacs { v4, v6 })
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_plan_leads_to_the_tables_and_planning_again_does_nothing(levels in proptest::collection::vec(any_level(), 1..6)) {
        let mut held = Tables::new();
        for (level, macs) in levels {
            let wanted = tables(&level, &macs, |_| Some(2));
            for change in plan(&held, &wanted) {
                match change {
                    TableChange::Remove(key) => prop_assert!(held.remove(&key).is_some()),
                    TableChange::Replace(key) => { held.insert(key.clone(), wanted[&key].clone()); }
                    TableChange::Elements { table, set, remove, add } => {
                        let set = held.get_mut(&table).unwrap().sets.iter_mut().find(|s| s.name == set).unwrap();
                        for key in remove.keys() {
                            prop_assert!(set.elements.remove(key).is_some());
                        }
                        for (key, data) in add {
                            prop_assert_eq!(set.elements.insert(key, data), None);
                        }
                    }
                }
            }
            prop_assert_eq!(&held, &wanted);
            // Every set that a rule looks into is there, and every chain that one leads to.
            for table in wanted.values() {
                for expression in table.rules.iter().flat_map(|(_, expressions)| expressions) {
                    match expression {
                        Expression::In(_, name) | Expression::Mapped(_, name) => {
                            prop_assert!(table.sets.iter().any(|set| set.name == *name));
                        }
                        Expression::Verdict(Verdict::Goto(name)) => {
                            prop_assert!(table.chains.iter().any(|chain| chain.name == *name));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

#[test]
fn a_table_that_was_refused_keeps_the_others_there_without_elements() {
    let none = VirtualMacs::default();
    let held = tables(&level(&["192.0.2.1", "2001:db8::1"]), &none, |_| None);
    let (ip, ip6) = (key("ip directord"), key("ip6 directord"));
    let refused = BTreeSet::from([ip.clone()]);
    assert_eq!(with_what_stays(&Tables::new(), &held, &BTreeSet::new()), Tables::new());
    let stays = with_what_stays(&Tables::new(), &held, &refused);
    assert_eq!(stays.keys().collect::<Vec<_>>(), [&ip6]);
    let changes = plan(&held, &stays);
    assert_eq!(changes[0], TableChange::Remove(ip));
    assert!(matches!(&changes[1..], [TableChange::Elements { set: "vips", add, .. }] if add.is_empty()));
    assert!(plan(&stays, &with_what_stays(&Tables::new(), &stays, &refused)).is_empty());
    // What is wanted is as it is wanted, and what an earlier run left is none of it.
    assert_eq!(with_what_stays(&held, &held, &refused), held);
    let earlier = Tables::from([(ip6, Table::default())]);
    assert_eq!(with_what_stays(&Tables::new(), &earlier, &refused), Tables::new());
}

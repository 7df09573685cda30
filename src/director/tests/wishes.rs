//! In which order wishes are handed out.

use super::*;

#[test]
fn the_first_advert_of_an_owner_finds_its_socket_open() {
    let mut desk = Desk::new("");
    let effects = desk.configure(&instance(51, "priority 255\nstate MASTER"));
    let place = |wanted: fn(&Effect) -> bool| effects.iter().position(wanted);
    let opened = place(|effect| matches!(effect, Effect::Sockets(_)));
    let first = place(|effect| matches!(effect, Effect::Send(_)));
    assert!(opened.is_some() && opened < first, "{effects:?}");
}

#[test]
fn a_farewell_leaves_before_its_socket_is_closed() {
    let mut desk = Desk::new(&instance(51, ""));
    desk.pass(Duration::from_secs(5));
    let effects = desk.configure(&instance(52, "priority 255\nstate MASTER"));
    let mut open = true;
    for effect in &effects {
        match effect {
            Effect::Sockets(sockets) => open = !sockets.is_empty(),
            Effect::Send(_) => assert!(open, "{effects:?}"),
            _ => {}
        }
    }
    assert_eq!(sent(&effects).first().map(|t| t.advert.priority), Some(0));
}

#[test]
fn an_address_that_is_named_twice_is_as_it_was_named_first() {
    let two = "virtual_ipaddress_excluded {\n10.0.0.7 label eth0:a\n10.0.0.7 label eth0:b\n}";
    let mut desk =
        Desk::new(&instance(51, "").replace("virtual_ipaddress {", &format!("{two}\nvirtual_ipaddress {{")));
    let effects = desk.pass(Duration::from_secs(5));
    let labels = effects.iter().filter_map(|effect| match effect {
        Effect::Addresses(level) => level.value.addresses.iter().find_map(|(key, wanted)| match wanted {
            vrrp::Wanted::Present(settings) if key.address == IpAddr::from([10, 0, 0, 7]) => {
                settings.label.clone()
            }
            _ => None,
        }),
        _ => None,
    });
    assert_eq!(labels.collect::<Vec<_>>(), ["eth0:a"]);
}

#[test]
fn addresses_are_added_in_the_order_of_the_file() {
    let mut desk =
        Desk::new(&instance(51, "").replace("10.0.0.100\n", "10.0.0.9/24\n10.0.0.100\n10.0.0.7/24\n"));
    let effects = desk.pass(Duration::from_secs(5));
    let level = effects.iter().rev().find_map(|effect| match effect {
        Effect::Addresses(level) => Some(level.value.addresses.clone()),
        _ => None,
    });
    let nothing = BTreeMap::new();
    let plan = vrrp::address::plan(&nothing, &level.expect("it is master"), &BTreeMap::new());
    let order: Vec<String> = plan.iter().map(|operation| operation.key().address.to_string()).collect();
    assert_eq!(order, ["10.0.0.9", "10.0.0.100", "10.0.0.7"]);
}

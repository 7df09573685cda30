//! What an instance stands on, when it begins, and what is said of strangers.

use super::*;
use crate::director::journal::Entry;

/// The interface with these addresses.
fn eth0(up: bool, addresses: &[&str]) -> Event {
    let address = |text: &&str| LinkAddress { address: text.parse().unwrap(), prefix: 24, secondary: false };
    let addresses = addresses.iter().map(address).collect();
    let link = Link { index: 7, up, loopback: false, mac: Some([2, 0, 0, 0, 0, 1]), addresses, table: None };
    Event::Links(Arc::new(BTreeMap::from([("eth0".to_owned(), link)])))
}

fn role(desk: &Desk) -> String {
    desk.director.snapshot(desk.now).instances[0].role.clone()
}

fn cause(desk: &Desk) -> String {
    desk.director.snapshot(desk.now).instances[0].cause.clone()
}

#[test]
fn an_interface_that_is_not_tracked_may_be_down() {
    let mut desk = Desk::new(&instance(51, "dont_track_primary"));
    desk.pass(Duration::from_secs(4));
    let effects = desk.tell(eth0(false, &["10.0.0.1"]));
    assert_eq!((role(&desk).as_str(), sent(&effects).len()), ("MASTER", 0), "no farewell");
    assert_eq!(sent(&desk.pass(Duration::from_secs(2))).len(), 2, "it goes on");
    // Without an address there is nothing to send from.
    desk.tell(eth0(true, &[]));
    assert_eq!(role(&desk), "FAULT");
    let mut other = Desk::new(&instance(51, ""));
    other.pass(Duration::from_secs(4));
    other.tell(eth0(false, &["10.0.0.1"]));
    assert_eq!(role(&other), "FAULT");
}

#[test]
fn a_source_address_that_is_tracked_must_be_there() {
    let source = "mcast_src_ip 10.0.0.7\n";
    let mut loose = Desk::new(&instance(51, source));
    loose.pass(Duration::from_secs(4));
    assert_eq!(role(&loose), "MASTER", "by multicast any address will do");
    let mut desk = Desk::new(&instance(51, &format!("{source}track_src_ip")));
    assert_eq!(role(&desk), "FAULT");
    desk.tell(eth0(true, &["10.0.0.1", "10.0.0.7"]));
    let effects = desk.pass(Duration::from_secs(4));
    assert_eq!(sent(&effects)[0].source, "10.0.0.7".parse::<IpAddr>().unwrap());
    let effects = desk.tell(eth0(true, &["10.0.0.1"]));
    assert_eq!((role(&desk).as_str(), sent(&effects).len()), ("FAULT", 0), "nowhere to say farewell from");
}

#[test]
fn an_instance_that_is_to_have_peers_does_not_turn_to_everybody() {
    for peers in ["", "unicast_peer {\n}", "unicast_src_ip 10.0.0.1"] {
        let mut desk = Desk::new(&instance(51, &format!("unicast_fault_no_peer\n{peers}")));
        assert_eq!(sent(&desk.pass(Duration::from_secs(9))).len(), 0, "{peers}");
        assert!(role(&desk) == "FAULT" && cause(&desk).contains("no unicast_peer"), "{}", cause(&desk));
        desk.configure(&instance(51, "unicast_fault_no_peer\nunicast_peer {\n10.0.0.2\n}"));
        assert!(!sent(&desk.pass(Duration::from_secs(4))).is_empty(), "{peers}");
    }
}

#[test]
fn instances_begin_when_the_machine_has_been_up_for_long_enough() {
    let begins = |up: u64, global: &str| {
        let text = format!("global_defs {{\n{global}\n}}\n{}", instance(51, ""));
        let mut desk = Desk::new_at(&text, Duration::from_secs(up));
        (0..100).find(|_| role(&desk) == "BACKUP" || desk.pass(Duration::from_secs(1)).len() > 9_999)
    };
    assert_eq!(begins(100, "vrrp_delay_after_boot 30"), Some(0), "it has been up for longer");
    assert_eq!(begins(10, "vrrp_delay_after_boot 30"), Some(20));
    assert_eq!(begins(10, "vrrp_delay_after_boot 30\nvrrp_startup_delay 25"), Some(25), "the longer one");
    assert_eq!(begins(10, "vrrp_delay_after_boot 30\nvrrp_startup_delay 5"), Some(20));
    assert_eq!(begins(10, ""), Some(0));
}

#[test]
fn a_router_that_is_not_configured_is_told_once_if_wished() {
    let told = |global: &str, vrids: &[u8]| {
        let mut desk = Desk::new(&format!("global_defs {{\n{global}\n}}\n{}", instance(51, "")));
        let mut lines = Vec::new();
        for vrid in vrids {
            let advert = Advert {
                version: vrrp::Version::V3,
                vrid: *vrid,
                priority: 7,
                interval: Duration::from_secs(1),
                auth: vrrp::Auth::None,
                addresses: vec![vip()],
            };
            let envelope = Envelope { source: peer(), destination: vrrp::GROUP_V4.into(), ttl: 255 };
            let effects = desk.tell(Event::Advert { interface: "eth0".into(), envelope, advert });
            let line = |effect: Effect| match effect {
                Effect::Log(entry @ Entry::UnknownRouter { .. }) => Some(entry.to_string()),
                _ => None,
            };
            lines.extend(effects.into_iter().filter_map(line));
        }
        lines
    };
    assert_eq!(told("", &[52]), [""; 0]);
    let lines = told("log_unknown_vrids", &[52, 52, 53, 51, 52]);
    let said = lines.iter().map(|line| line.contains("10.0.0.2 advertises virtual_router_id 5"));
    assert_eq!(said.collect::<Vec<_>>(), [true, true], "{lines:?}");
}

#[test]
fn faults_are_mailed_unless_that_is_not_wished() {
    let mails = |global: &str| {
        let mail = "notification_email {\na@example.org\n}\nsmtp_server 10.0.0.9\n";
        let mut desk = Desk::new(&format!("global_defs {{\n{mail}{global}\n}}\n{}", instance(51, "")));
        let mut effects = desk.pass(Duration::from_secs(4));
        effects.extend(desk.links(false));
        effects.iter().filter(|effect| matches!(effect, Effect::Notify(_))).count()
    };
    assert_eq!((mails(""), mails("no_email_faults")), (2, 1));
}

#[test]
fn what_is_odd_about_another_router_is_in_the_status_while_it_lasts() {
    let mut desk = Desk::new(&instance(51, ""));
    desk.pass(Duration::from_secs(4));
    let error =
        vrrp::AdvertError::WrongVersion { vrid: 51, found: vrrp::Version::V2, expected: vrrp::Version::V3 };
    desk.tell(Event::BadAdvert { interface: "eth0".into(), source: None, error });
    let oddities = |desk: &Desk| desk.director.snapshot(desk.now).instances[0].oddities.clone();
    assert!(oddities(&desk)[0].contains("V2 advert, V3 expected"), "{:?}", oddities(&desk));
    desk.pass(Duration::from_secs(61));
    assert_eq!(oddities(&desk), [""; 0]);
}

use ipvs_backend::ServiceKey;

use super::*;
use crate::config::{adopt, read_text};

fn config(text: &str) -> Config {
    let reading = read_text("test.conf", text);
    let complaints = reading.render(crate::config::Colour::Never);
    reading.config.unwrap_or_else(|| panic!("{complaints}"))
}

fn plan(old: &str, new: &str) -> Vec<BlockChange> {
    let old = config(old);
    let (new, _) = adopt(&old, config(new));
    changes(&old, &new)
}

const PAIR: &str = "vrrp_instance VI_1 {
 interface eth0
 virtual_router_id 51
 priority 100
 authentication {
  auth_type PASS
  auth_pass sesame
 }
 virtual_ipaddress {
  10.0.0.100/24
 }
}
virtual_server 10.0.0.100 80 {
 lvs_sched wlc
 protocol TCP
 real_server 10.0.1.1 80 {
  weight 1
  TCP_CHECK {
   connect_timeout 3
  }
 }
 real_server 10.0.1.2 80 {
  weight 1
 }
}
virtual_server 10.0.0.100 53 {
 protocol UDP
 real_server 10.0.1.1 53 {
 }
}
";

#[test]
fn the_same_meaning_is_an_empty_plan() {
    assert_eq!(plan(PAIR, PAIR), []);
    assert_eq!(plan(PAIR, &format!("# A comment.\n{}", PAIR.replace("  weight 1\n", ""))), []);
}

#[test]
fn a_changed_weight_is_one_line_of_one_server_of_one_service() {
    let found = plan(PAIR, &PAIR.replacen("weight 1", "weight 5", 1));
    let [service] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((service.change, service.name.as_str()), (Kind::Changed, "10.0.0.100 80 tcp"));
    assert_eq!(service.service, Some(ServiceKey::tcp("10.0.0.100".parse().unwrap(), 80)));
    let [server] = service.blocks.as_slice() else { panic!("{found:#?}") };
    assert_eq!((server.keyword.as_str(), server.name.as_str()), ("real_server", "10.0.1.1 80"));
    let words = |text: &str| Some(text.to_owned());
    assert_eq!(
        server.lines,
        [LineChange { keyword: "weight".to_owned(), before: words("1"), after: words("5") }]
    );
    assert!(service.lines.is_empty() && server.blocks.is_empty());
}

#[test]
fn what_comes_and_goes_is_told_with_its_kind() {
    let new = PAIR
        .replace(" real_server 10.0.1.2 80 {\n  weight 1\n }\n", " real_server 10.0.1.3 80 {\n }\n")
        .replace("  10.0.0.100/24\n", "  10.0.0.101/24\n  10.0.0.102/24\n")
        .replace("   connect_timeout 3\n", "   connect_timeout 7\n");
    let found = plan(PAIR, &new);
    let kinds = |blocks: &[BlockChange]| -> Vec<(Kind, String)> {
        blocks.iter().map(|block| (block.change, format!("{} {}", block.keyword, block.name))).collect()
    };
    assert_eq!(
        kinds(&found),
        [
            (Kind::Changed, "vrrp_instance VI_1".to_owned()),
            (Kind::Changed, "virtual_server 10.0.0.100 80 tcp".to_owned()),
        ]
    );
    assert_eq!(
        kinds(&found[1].blocks),
        [
            (Kind::Changed, "real_server 10.0.1.1 80".to_owned()),
            (Kind::Added, "real_server 10.0.1.3 80".to_owned()),
            (Kind::Removed, "real_server 10.0.1.2 80".to_owned()),
        ]
    );
    assert_eq!(found[0].blocks[0].keyword, "virtual_ipaddress");
    let addresses = &found[0].blocks[0].lines;
    assert_eq!(addresses.iter().filter(|line| line.before.is_none()).count(), 2, "{addresses:?}");
    assert_eq!(addresses.iter().filter(|line| line.after.is_none()).count(), 1, "{addresses:?}");
    assert_eq!(total(&found, "real_server"), Count { added: 1, changed: 1, removed: 1 });
    let check = &found[1].blocks[0].blocks[0];
    assert_eq!((check.keyword.as_str(), check.lines[0].keyword.as_str()), ("TCP_CHECK", "connect_timeout"));
}

#[test]
fn a_password_is_told_to_change_and_never_shown() {
    let found = plan(PAIR, &PAIR.replace("sesame", "poppy"));
    let json = serde_json::to_string(&found).unwrap();
    assert!(json.contains("auth_pass") && json.contains("not shown"), "{json}");
    assert!(!json.contains("sesame") && !json.contains("poppy"), "{json}");
}

#[test]
fn globals_and_what_stands_alone_are_told_too() {
    let found = plan(PAIR, &format!("global_defs {{\n router_id one\n}}\nnet_namespace red\n{PAIR}"));
    let keywords: Vec<&str> = found.iter().map(|block| block.keyword.as_str()).collect();
    assert_eq!(keywords.len(), 2, "{found:#?}");
    assert!(keywords.contains(&"global_defs"), "{keywords:?}");
}

#[test]
fn connections_are_those_of_what_is_touched() {
    let counts = |active| ConnectionCounts { active, inactive: 1, persistent: 0 };
    let key = ServiceKey::tcp("10.0.0.100".parse().unwrap(), 80);
    let server = |last: u8| DestinationKey::new([10, 0, 1, last].into(), 80);
    let known = Connections::from([(key, [(server(1), counts(7)), (server(2), counts(30))].into())]);
    let counted = |new: &str| {
        let mut found = plan(PAIR, new);
        found.iter_mut().for_each(|block| block.count(&known, &config(PAIR)));
        found
    };
    let found = counted(&PAIR.replacen("weight 1", "weight 5", 1));
    assert_eq!(found[0].connections, Some(counts(7)));
    assert_eq!(found[0].blocks[0].connections, Some(counts(7)));
    let both = Some(ConnectionCounts { active: 37, inactive: 2, persistent: 0 });
    assert_eq!(counted(&PAIR.replace("wlc", "rr"))[0].connections, both);
    let gone = PAIR.split("virtual_server 10.0.0.100 80").next().unwrap().to_owned()
        + "virtual_server 10.0.0.100 53 {\n protocol UDP\n real_server 10.0.1.1 53 {\n }\n}\n";
    let found = counted(&gone);
    assert_eq!((found[0].change, found[0].connections), (Kind::Removed, both));
}

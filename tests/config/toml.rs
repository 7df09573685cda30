//! The same configuration as TOML: what it comes to, and that mistakes in it are told like others.

use std::path::Path;

use directord::config::{Code, Purpose, Reading, Severity, read, read_text};

use super::{codes, shown};

#[test]
fn the_example_says_the_same_in_both_forms() {
    let etc = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc");
    let toml = read(&etc.join("directord.toml"), None, Purpose::Check);
    let conf = read(&etc.join("directord.conf"), None, Purpose::Check);
    assert!(toml.config.is_some(), "{}", shown(&toml));
    assert_eq!(toml.config, conf.config);
    let said =
        |reading: &Reading| reading.complaints.iter().map(|one| one.message.clone()).collect::<Vec<_>>();
    assert_eq!(said(&toml), said(&conf));
}

/// A whole instance; its seventh line is the first of these.
fn instance(lines: &str) -> String {
    format!(
        "[vrrp_instance.A]\ninterface = \"eth0\"\nvirtual_router_id = 1\n\
         virtual_ipaddress = [\n  \"10.0.0.9\",\n]\n{lines}\n"
    )
}

#[test]
#[rustfmt::skip]
fn mistakes_are_told_where_they_stand() {
    let cases = [
        (instance("priority = 300"), Code::OutOfRange, 7, 12, "is 300; allowed: 1 to 255"),
        (instance("priority = \"high\""), Code::InvalidNumber, 7, 12, "a whole number from 1 to 255"),
        (instance("priorty = 100"), Code::UnknownKeyword, 7, 1, "did you mean `priority`?"),
        (instance("lvs_sched = \"rr\""), Code::MisplacedKeyword, 7, 1, "belongs to `virtual_server`"),
        (instance("advert_int = \"1s\""), Code::InvalidNumber, 7, 14, "did you mean `1`?"),
        (instance("advert_int = 1e9"), Code::OutOfRange, 7, 14, "is 1000000000 s"),
        (instance("state = \"MASTRE\""), Code::InvalidChoice, 7, 9, "did you mean `MASTER`?"),
        (instance("smtp_alert = \"maybe\""), Code::InvalidSwitch, 7, 14, "allowed: on, true, yes"),
        (instance("nopreempt = 1"), Code::InvalidSwitch, 7, 13, "`true` or `false`"),
        (instance("interface = [\"eth0\", 1]\n"), Code::InvalidToml, 7, 1, "says each thing once"),
        (instance("priority = { a = 1 }"), Code::UnexpectedBlock, 7, 12, "takes no block"),
        (instance("authentication = \"PASS\""), Code::MissingBlock, 7, 18, "is a table of keywords, but this is a string"),
        (instance("").replace("\"10.0.0.9\"", "\"10.0.0.256\""), Code::InvalidAddress, 5, 4, "no IP address"),
        (instance("").replace("\"10.0.0.9\"", "\"10.0.0.9 dev a/b\""), Code::InvalidText, 5, 17, "name of an interface"),
        (instance("").replace("\"10.0.0.9\"", "'''\n10.0.0.9 lable x'''"), Code::InvalidChoice, 6, 10, "did you mean `label`?"),
        (instance("").replace("[vrrp_instance.A]", "[vrrp_instance]"), Code::MissingValue, 2, 1, "needs words: NAME"),
        (format!("{}[vvrp_script.x]\n", instance("")), Code::UnknownKeyword, 8, 2, "did you mean `vrrp_script`?"),
        (format!("{}include = \"x\"\n", instance("")).replace("include", "[a]\ninclude"), Code::UnknownKeyword, 8, 2, "no keyword"),
    ];
    for (text, code, line, column, message) in cases {
        let reading = read_text("a.toml", &text);
        let place = (Severity::Error, code, line, column);
        assert!(codes(&reading).contains(&place), "{place:?} of\n{text}\n{}", shown(&reading));
        assert!(shown(&reading).contains(message), "{message} of\n{text}\n{}", shown(&reading));
        assert!(reading.config.is_none());
        assert!(reading.complaints.iter().all(|complaint| complaint.keepalived.is_none()), "keepalived reads no TOML");
    }
}

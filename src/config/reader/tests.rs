//! Whatever is read for the second time says what it says for the first.

use proptest::prelude::*;

use super::*;
use crate::config::Code;
use crate::config::source::Refusal;

const PATH: &str = "test.conf";

fn reader() -> Reader {
    Reader::new(Path::new(PATH), None, Manner { purpose: Purpose::Run, compat: false })
}

fn around() -> Surroundings<'static> {
    Surroundings { config_id: "", seed: 0, variable: &|_| None, directory: Path::new("/") }
}

/// `more` is what `include more` brings in.
fn fetch(more: &str) -> impl Fn(&Path) -> Vec<Fetched> {
    move |path: &Path| {
        let missing = || Refusal { code: Code::FileMissing, message: "there is none".to_owned() };
        let text = if path.ends_with("more") { Ok(more.to_owned()) } else { Err(missing()) };
        vec![Fetched { path: path.to_owned(), text }]
    }
}

fn fetched(text: &str) -> Fetched {
    Fetched { path: PATH.into(), text: Ok(text.to_owned()) }
}

/// Reads it again, which must come to the same as reading it for the first time.
fn read(reader: &mut Reader, text: &str, more: &str) -> Reading {
    let again = reader.read_fetched(fetched(text), &fetch(more), &around());
    let (first, _) = read_with(fetched(text), &fetch(more), &around(), reader.manner);
    assert_eq!(again.config, first.config, "{text}");
    assert_eq!(again.complaints, first.complaints, "{text}");
    assert_eq!(again.render(crate::config::Colour::Never), first.render(crate::config::Colour::Never));
    again
}

fn service(port: u16, inside: &str) -> String {
    format!(
        "virtual_server 10.0.0.1 {port} {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n{inside}\n \
         real_server 10.0.1.1 80 {{\n TCP_CHECK {{\n connect_timeout 3\n }}\n }}\n}}\n"
    )
}

fn kept(one: &Reading, other: &Reading, port: u16) -> bool {
    let key = ipvs_backend::ServiceKey::tcp("10.0.0.1".parse().unwrap(), port);
    let service = |reading: &Reading| reading.config.as_ref().unwrap().services[&key].clone();
    Arc::ptr_eq(&service(one), &service(other))
}

#[test]
fn what_is_as_it_was_is_the_very_same() {
    let mut reader = reader();
    let before = read(&mut reader, &[service(80, ""), service(81, ""), service(82, "")].concat(), "");
    let text = ["# new\n", &service(82, ""), &service(80, "quorum 1"), &service(81, "")].concat();
    let after = read(&mut reader, &text, "");
    assert!(kept(&before, &after, 81) && kept(&before, &after, 82) && !kept(&before, &after, 80));
    // And a third time, of which most was not read the second time.
    let again = read(&mut reader, &text, "");
    assert!([80, 81, 82].iter().all(|port| kept(&after, &again, *port)));
}

#[test]
fn other_circumstances_make_another_server_of_the_same_text() {
    let globals = |line: &str| format!("global_defs {{\n{line}\n}}\n{}", service(80, ""));
    let mut reader = reader();
    let before = read(&mut reader, &globals("checker_rise 2"), "");
    let after = read(&mut reader, &globals("checker_rise 3"), "");
    assert!(!kept(&before, &after, 80));
    assert!(kept(&after, &read(&mut reader, &globals("checker_rise 3\nrouter_id x"), ""), 80));
    // The same from a file that is included.
    let text = format!("include more\n{}", service(80, ""));
    let before = read(&mut reader, &text, "global_defs {\nchecker_rise 2\n}\n");
    let after = read(&mut reader, &text, "global_defs {\nchecker_rise 3\n}\n");
    assert!(!kept(&before, &after, 80));
}

#[test]
fn a_file_that_was_refused_is_no_lesson() {
    let mut reader = reader();
    let good = service(80, "");
    let before = read(&mut reader, &good, "");
    assert!(read(&mut reader, &good.replace("rr", "rubbish"), "").config.is_none());
    assert!(read(&mut reader, &format!("vrrp_instance A {{\n{good}"), "").config.is_none());
    assert!(read(&mut reader, &format!("{good}{good}"), "").config.is_none());
    assert!(read(&mut reader, &format!("{good}{{\n}}\n"), "").config.is_none());
    assert!(kept(&before, &read(&mut reader, &good, ""), 80));
}

#[test]
fn what_is_complained_of_is_complained_of_again() {
    let mut reader = reader();
    for inside in ["sh-port", "ops # no\u{a0}\u{a0}", "quorum 1\nquorum 2"] {
        let text = [service(80, inside), service(81, "")].concat();
        assert_ne!(read(&mut reader, &text, "").complaints, [], "{inside}");
        assert_ne!(read(&mut reader, &text, "").complaints, [], "{inside}");
    }
    // What is said of the rest keeps nobody from reading in pieces.
    let text = ["global_defs {\nrouter_id a\nrouter_id b\n}\n", &service(80, "")].concat();
    let before = read(&mut reader, &text, "");
    assert_ne!(before.complaints, []);
    assert!(kept(&before, &read(&mut reader, &text, ""), 80));
}

#[test]
fn checks_through_the_table_are_numbered_anew() {
    let mut reader = reader();
    let text = |mark: &str| [mark, &service(80, "via_ipvs"), &service(81, "")].concat();
    read(&mut reader, &text(""), "");
    read(&mut reader, &text(""), "");
    let mark = "virtual_server fwmark 7 {\nlb_algo rr\nlb_kind NAT\nreal_server 10.0.1.1 80 {\n}\n}\n";
    read(&mut reader, &text(mark), "");
}

fn piece() -> impl Strategy<Value = String> {
    let inside = prop_oneof![
        8 => Just(""),
        1 => Just("quorum 2"),
        1 => Just("rubbish"),
        1 => Just("sh-port"),
        1 => Just("include more"),
        1 => Just("}"),
        1 => Just("real_server 10.0.1.9 80 {"),
        1 => Just("virtualhost $X"),
        1 => Just("quorum_up \"/bin/x # {\""),
        1 => Just("via_ipvs"),
    ];
    prop_oneof![
        12 => (80..86_u16, inside).prop_map(|(port, inside)| service(port, inside)),
        1 => Just("$X = y\n".to_owned()),
        1 => Just("include more\n".to_owned()),
        1 => Just("{\n}\n".to_owned()),
        1 => Just("vrrp_instance A\n".to_owned()),
        1 => Just("global_defs {\nchecker_rise 3\n}\n".to_owned()),
        1 => Just("global_defs {\ncompat\n}\n".to_owned()),
        1 => Just("# { virtual_server\n\n".to_owned()),
        1 => Just("virtual_server_group G {\n10.0.0.7 80\n}\n".to_owned()),
        1 => Just(service(90, "").replace("10.0.0.1 90", "group G")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Files that have most in common, one after the other.
    #[test]
    fn reading_again_is_reading(
        pieces in prop::collection::vec(piece(), 1..8),
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(piece())), 0..6),
    ) {
        let (mut reader, mut pieces) = (reader(), pieces);
        read(&mut reader, &pieces.concat(), "");
        for (at, edit) in edits {
            let at = at.index(pieces.len());
            match edit {
                Some(piece) => pieces[at] = piece,
                None if pieces.len() > 1 => drop(pieces.remove(at)),
                None => {}
            }
            read(&mut reader, &pieces.concat(), if at == 0 { "notify x\n" } else { "" });
        }
    }
}

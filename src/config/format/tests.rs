use proptest::prelude::*;

use super::*;
use crate::config::source::{Fetched, Refusal};
use crate::config::{Config, Manner, Purpose, Reading, Severity, Surroundings, read_fetched};

fn tidy(text: &str) -> String {
    String::from_utf8(format(text.as_bytes()).expect("the text can be formatted")).expect("UTF-8")
}

#[track_caller]
fn assert_tidy(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(tidy(text), *expected, "{text}");
        assert_eq!(tidy(expected), *expected, "again: {text}");
    }
}

#[test]
fn indentation_blanks_and_braces_are_tidied() {
    assert_tidy(&[
        ("", ""),
        ("\n\n", ""),
        ("a", "a\n"),
        ("\u{feff}a  b\t c  \r\n\r\n\r\nd\r\n\r\n", "a b c\n\nd\n"),
        ("global_defs{\nrouter_id   X\n  }", "global_defs {\n    router_id X\n}\n"),
        ("a b\n{\nc { d\n}}\n", "a b {\n    c {\n        d\n    }\n}\n"),
        ("a\n\n  { # x\nb } c\n", "a { # x\n    b\n}\nc\n"),
        ("a ${ b\n{\n}", "a ${ b\n{\n}\n"),
        ("$A=\"\"\\\\#", "$A=\"\"\\\\#\n"),
        ("~{}Bob's#'a  b'", "~{}Bob's#'a  b'\n"),
        (
            "url{path /}\nurl { path /\n }\n a { b { c }  }",
            "url { path / }\nurl {\n    path /\n}\na { b { c } }\n",
        ),
        ("a { b } c { d }", "a { b }\nc { d }\n"),
        ("a { }\nb {}", "a { }\nb { }\n"),
        ("script  \"a  b\"  'c  d'  e\\  f", "script \"a  b\" 'c  d' e\\  f\n"),
        ("include  conf.d/{a,b}.conf\ninclude x\n{\n}\n", "include conf.d/{a,b}.conf\ninclude x\n{\n}\n"),
    ]);
}

#[test]
fn comments_stay_where_they_are() {
    assert_tidy(&[
        (
            "a {\n# one  \n\n\n! two\nb   # three\n} # four",
            "a {\n    # one\n\n    ! two\n    b # three\n} # four\n",
        ),
        ("a # one\n{ # two\n}", "a { # one # two\n}\n"),
        ("a\n# one\n{\nb\n}", "a\n# one\n{\n    b\n}\n"),
        ("a 11#no blank\n", "a 11#no blank\n"),
    ]);
    let latin = format(b"a {\n  b   # caf\xe9  \n}\n").expect("comments may be in any encoding");
    assert_eq!(latin, b"a {\n    b # caf\xe9\n}\n");
}

#[test]
fn what_is_expanded_keeps_its_form() {
    assert_tidy(&[
        ("$A=b  c  \n$B = c", "$A=b  c\n$B = c\n"),
        (
            "$VI=\\\nvrrp_instance   $N {\\\n state  \"X  Y\"   \\\n@a   b\\\n  }\nx",
            "$VI=\\\n    vrrp_instance   $N { \\\n        state \"X  Y\" \\\n        @a b \\\n    }\nx\n",
        ),
        (
            "a {\n@id   b   c\n~SEQ(I,  1,2)@x    real_server  10.0.0.$I   80{ }\n}",
            "a {\n    @id b c\n    ~SEQ(I,  1,2) @x real_server 10.0.0.$I 80 { }\n}\n",
        ),
        // The value may hold a quote that is not closed, or `include`.
        ("a {\n  b   $X\n}", "a {\n    b   $X\n}\n"),
        ("$X=\"c  d\nb   $X", "$X=\"c  d\nb   $X\n"),
        ("$X=include\n$X   {a,b}", "$X=include\n$X   {a,b}\n"),
        ("$X=c\n$Y=${X}d\nb   $X   ${Y}   {\n}", "$X=c\n$Y=${X}d\nb $X ${Y} {\n}\n"),
        ("$X=1\na $X{\n}", "$X=1\na $X{\n}\n"),
    ]);
}

#[test]
fn braces_may_depend_on_conditions() {
    assert_tidy(&[(
        "@a vrrp_instance A {\n@b vrrp_instance B {\nstate X\n@b priority 1\n}\nc\n",
        "@a vrrp_instance A {\n@b vrrp_instance B {\n    state X\n    @b priority 1\n}\nc\n",
    )]);
}

#[test]
fn what_cannot_be_formatted_is_told_with_its_place() {
    let trouble = |text: &[u8]| format(text).map_err(|trouble| (trouble.code, trouble.line, trouble.column));
    assert_eq!(trouble(b"a {\n\n b c {\n}"), Err((Code::UnclosedBlock, 1, 3)));
    assert_eq!(trouble(b"a {\n  }\n  \t}"), Err((Code::StrayBrace, 3, 4)));
    assert_eq!(trouble(b"vrrp_instance A {\nvirtual_server {\n}}"), Err((Code::UnclosedBlock, 1, 17)));
    assert_eq!(trouble(b"@a b {\n@c d {\n}\n"), Ok(b"@a b {\n@c d {\n}\n".to_vec()));
    assert_eq!(trouble(b"@a b {\n@c d {\n"), Err((Code::UnclosedBlock, 1, 6)));
    assert_eq!(trouble(b"a\n caf\xe9"), Err((Code::NotUtf8, 2, 5)));
    assert_eq!(trouble(b"a\0"), Err((Code::NulByte, 1, 2)));
    assert_eq!(trouble("{".repeat(100).as_bytes()), Err((Code::TooDeep, 1, 17)));
}

fn read(text: &str, compat: bool) -> Reading {
    let fetch = |path: &std::path::Path| {
        let message = "there is no such file".to_owned();
        vec![Fetched { path: path.to_owned(), text: Err(Refusal { code: Code::FileMissing, message }) }]
    };
    let variable = &|_: &str| Some("a b".to_owned());
    let around = Surroundings { config_id: "low", seed: 1, variable, directory: std::path::Path::new("/") };
    let main = Fetched { path: "main".into(), text: Ok(text.to_owned()) };
    read_fetched(main, &fetch, &around, Manner { purpose: Purpose::Check, compat })
}

/// What the text means, and what there is to complain of.
fn meaning(text: &str, compat: bool) -> (Option<Config>, Vec<(Severity, Code)>) {
    let reading = read(text, compat);
    let mut codes: Vec<_> = reading.complaints.iter().map(|found| (found.severity, found.code)).collect();
    codes.sort();
    (reading.config, codes)
}

/// Pieces of text that mean something, and some that are trouble.
fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "vrrp_instance",
        "virtual_server",
        "interface",
        "eth0",
        "priority",
        "100",
        "virtual_ipaddress",
        "10.0.0.1",
        "include",
        "x",
        "{",
        "}",
        "{",
        "}",
        "{}",
        "\n",
        "\n",
        "\n",
        " ",
        " ",
        "  ",
        "\t",
        "\r\n",
        "\r",
        "#",
        "!",
        "# c",
        "\"",
        "'",
        "\\",
        "\\\n",
        "$",
        "$A",
        "${A}",
        "${A",
        "$A=",
        "$B=",
        "$B",
        "${B}",
        "@low ",
        "@^low ",
        "@",
        "~SEQ(I, 1, 2)",
        "~LST(I, a, b) ",
        "~",
        "$I",
        "${I}",
        "${_HASH}",
        "${_ENV X}",
        "${_PWD}",
        "\u{a0}",
        "\u{b}",
        "é",
        "\"a  b\"",
        "'a  b'",
        "Bob's",
        "global_defs",
        "router_id",
        "state MASTER",
        "virtual_router_id 1",
        "=",
        "a\\",
        "a\\ ",
        "\u{feff}",
    ]);
    prop_oneof![9 => words.prop_map(str::to_owned), 1 => "\\PC{0,3}"]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.concat())
}

/// Lines that are often good, so that deeper parts are reached.
fn lines_of_text() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "vrrp_instance A {",
        "vrrp_instance  A",
        "{",
        "}",
        "  interface   eth0",
        "virtual_router_id 1 # one",
        "@low  priority 9",
        "@high priority 8",
        "virtual_ipaddress { 10.0.0.1 }",
        "virtual_ipaddress {",
        "10.0.0.2/24   dev eth0",
        "# only words",
        "",
        "$A=10.0.0.3",
        "$B=\\",
        "state MASTER\\",
        "$A",
        "$B",
        "${A}",
        "unicast_peer { $A }",
        "~SEQ(I, 1, 3) 10.0.1.$I",
        "virtual_server 10.0.0.9  80 {",
        "lvs_sched rr",
        "real_server 10.0.0.7 80 { weight 2 }",
        "real_server ${A} 80  {",
        "include x",
        "advert_int  1 }",
        "} }",
        "auth_type  PASS",
        "authentication",
        "$Q=\"a",
        "auth_pass  $Q  b\"",
        "router_id it's  x",
        "global_defs{router_id  X}",
        "$C=@low",
        "$C  priority  7",
        "notify \"/a  b\" # c",
        "script 'a  b'",
    ]);
    prop::collection::vec(line, 0..30).prop_map(|lines| lines.join("\n"))
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let Ok(once) = format(text.as_bytes()) else { return Ok(()) };
    let once = String::from_utf8(once).expect("UTF-8 stays UTF-8");
    let twice = format(once.as_bytes()).map(|twice| String::from_utf8(twice).expect("UTF-8"));
    prop_assert_eq!(Ok(&once), twice.as_ref(), "again");
    for compat in [false, true] {
        prop_assert_eq!(meaning(text, compat), meaning(&once, compat), "{}", once);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_keeps_its_meaning(text in text()) {
        check(&text)?;
    }

    #[test]
    fn good_text_keeps_its_meaning(text in lines_of_text()) {
        check(&text)?;
    }
}

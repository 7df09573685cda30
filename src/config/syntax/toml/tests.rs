use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::config::complaint::Complaint;
use crate::config::source::Sources;
use crate::config::syntax::builtin::Surroundings;
use crate::config::syntax::tree;

fn read(text: &str) -> (Tree, Vec<Complaint>) {
    let (mut sources, mut complaints) = (Sources::default(), Complaints::default());
    let file = sources.add(Path::new("test.toml"), text.to_owned(), None);
    let tree = parse(file, &sources.text(file), &mut complaints);
    (tree, complaints.finish(&sources))
}

/// The statements of keepalived's form.
fn plain(text: &str) -> String {
    let (mut sources, mut complaints) = (Sources::default(), Complaints::default());
    let path = Path::new("test.conf");
    let file = sources.add(path, text.to_owned(), None);
    let around = Surroundings { config_id: "", seed: 0, variable: &|_| None, directory: Path::new("/") };
    let tree = tree::parse(file, path, &mut sources, &|_| Vec::new(), &around, &mut complaints);
    assert!(complaints.finish(&sources).is_empty(), "{text}");
    shown(&tree.root, 0)
}

/// Statements in a form that tells words apart.
fn shown(block: &Block, depth: usize) -> String {
    let line = |statement: &Statement| {
        let words: Vec<&str> = statement.words.iter().map(|word| word.text.as_str()).collect();
        let indent = " ".repeat(depth);
        let inside = statement
            .block
            .as_ref()
            .map_or_else(String::new, |block| format!(" {{\n{}{indent}}}", shown(block, depth + 1)));
        format!("{indent}{} {words:?}{inside}\n", statement.keyword.text)
    };
    block.statements.iter().map(line).collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one case after the other")]
fn every_form_becomes_its_statements() {
    let toml = r#"
net_namespace = "blue"

[global_defs]
router_id = "a b"
notification_email = ["a@b.c", 'Boss <x@y.z>']
smtp_server = "mail.example.org 25"
enable_script_security = true
vrrp_strict = false
vrrp_lower_prio_no_advert = false
compat = true

[vrrp_instance.VI_1]
nopreempt = true
preempt = false
advert_int = 0.05
virtual_router_id = 0x33
preempt_delay = 1e1
virtual_ipaddress = ["10.0.0.1/24 dev eth0", ["10.0.0.2", "label", "x#y"]]
notify = ['/bin/say "hi"', "x"]
notify_stop = '/bin/say "a b" #1 {x}'
timer_expired_backup = true

[vrrp_instance.VI_1.authentication]
auth_type = "PASS"
auth_pass = "a\tb"

[virtual_server."192.0.2.1 80"]
persistence_timeout = true
protocol = "TCP"

[virtual_server."192.0.2.1 80".real_server."10.0.0.1 80"]
weight = -2
TCP_CHECK = {}

[[virtual_server."192.0.2.1 80".real_server."10.0.0.1 80".HTTP_GET]]
http_protocol = 1.1
url = [{ path = "/a", status_code = 200 }, { path = "/b", status_code = [200, "300-301"] }]

[[virtual_server."192.0.2.1 80".real_server."10.0.0.1 80".HTTP_GET]]
[[virtual_server."192.0.2.1 80".real_server."10.0.0.1 80".HTTP_GET.url]]
path = "/c"

[virtual_server."fwmark 1"]
[virtual_server_group]
G = ["10.0.0.1 80", "fwmark 2"]
"#;
    let conf = r##"
net_namespace blue
global_defs {
  router_id "a b"
  notification_email { a@b.c
    "Boss" "<x@y.z>"
  }
  smtp_server mail.example.org 25
  enable_script_security
  vrrp_lower_prio_no_advert false
  compat true
}
vrrp_instance VI_1 {
  nopreempt
  advert_int 0.05
  virtual_router_id 51
  preempt_delay 10
  virtual_ipaddress { 10.0.0.1/24 dev eth0
    10.0.0.2 label "x#y"
  }
  notify "/bin/say \"hi\"" x
  notify_stop /bin/say "a b" "#1" "{x}"
  timer_expired_backup
  authentication {
    auth_type PASS
    auth_pass "a\tb"
  }
}
virtual_server 192.0.2.1 80 {
  persistence_timeout
  protocol TCP
  real_server 10.0.0.1 80 {
    weight -2
    TCP_CHECK { }
    HTTP_GET {
      http_protocol 1.1
      url { path /a
        status_code 200
      }
      url { path /b
        status_code 200 300-301
      }
    }
    HTTP_GET { url { path /c
      }
    }
  }
}
virtual_server fwmark 1 { }
virtual_server_group G { 10.0.0.1 80
  fwmark 2
}
"##;
    let (tree, complaints) = read(toml);
    assert_eq!(complaints, []);
    assert_eq!(shown(&tree.root, 0), plain(conf));
}

#[test]
fn places_are_those_of_the_text() {
    let text = "[vrrp_instance.A]\n[vrrp_instance.\"B\"]\nvirtual_ipaddress = [\n  \"10.0.0.1 dev \\\"é\\\" x\",\n  '''\n10.0.0.2 dev\n  eth0''']\npriority = 1_0\n";
    let (tree, _) = read(text);
    let place = |word: &Word| (word.text.clone(), word.span.line, word.span.column, word.span.length);
    let [a, b] = tree.root.statements.as_slice() else { panic!("two instances") };
    assert_eq!((place(&a.keyword).1, place(&a.words[0])), (1, ("A".to_owned(), 1, 16, 1)));
    assert_eq!((place(&b.keyword).1, place(&b.words[0])), (2, ("B".to_owned(), 2, 17, 1)));
    let inside = &b.block.as_ref().expect("a block").statements;
    let lines = &inside[0].block.as_ref().expect("a block").statements;
    let words: Vec<_> =
        lines.iter().flat_map(|line| std::iter::once(&line.keyword).chain(&line.words)).map(place).collect();
    let expected = [
        ("10.0.0.1", 4, 4, 8),
        ("dev", 4, 13, 3),
        ("é", 4, 17, 5),
        ("x", 4, 23, 1),
        ("10.0.0.2", 6, 1, 8),
        ("dev", 6, 10, 3),
        ("eth0", 7, 3, 4),
    ];
    assert_eq!(words, expected.map(|(text, line, column, length)| (text.to_owned(), line, column, length)));
    assert_eq!(place(&inside[1].words[0]), ("10".to_owned(), 8, 12, 3));
}

#[test]
fn mistakes_are_told_with_their_place() {
    let cases = [
        ("a = \n", Code::InvalidToml, (1, 5), "no TOML: string values must be quoted"),
        (
            "[global_defs]\nrouter_id = \"a\"\nrouter_id = \"b\"\n",
            Code::InvalidToml,
            (3, 1),
            "each thing once",
        ),
        ("[global_defs\nrouter_id = \"a\"\n", Code::InvalidToml, (1, 13), "no TOML"),
        ("global_defs = 1\n", Code::MissingBlock, (1, 15), "is a table of keywords, but this is an integer"),
        (
            "static_routes = { a = 1 }\n",
            Code::MissingBlock,
            (1, 17),
            "an array of lines, but this is a table",
        ),
        ("vrrp_instance = [1]\n", Code::MissingBlock, (1, 17), "NAME"),
        ("[vrrp_instance]\npriority = 1\n", Code::MissingValue, (2, 1), "which needs words: NAME"),
        ("[vrrp_instance.A]\nnopreempt = \"yes\"\n", Code::InvalidSwitch, (2, 13), "`true` or `false`"),
        ("[vrrp_instance.A]\npriority = [[1]]\n", Code::UnexpectedWord, (2, 13), "but this is an array"),
        ("[vrrp_instance.A]\nvirtual_ipaddress = ['a \"b']\n", Code::UnclosedQuote, (2, 25), "not closed"),
        ("include = \"x\"\n", Code::UnknownKeyword, (1, 1), "not possible in TOML"),
        ("instance = \"\u{fffd}\"\n", Code::NotUtf8, (1, 12), "not UTF-8"),
    ];
    for (text, code, place, message) in cases {
        let (_, complaints) = read(text);
        let [complaint] = complaints.as_slice() else { panic!("one complaint of {text}: {complaints:?}") };
        assert_eq!(
            (complaint.code, (complaint.line, complaint.column)),
            (code, place),
            "{text}: {complaint}"
        );
        assert!(complaint.to_string().contains(message), "{text}: {complaint}");
    }
}

#[test]
fn what_is_too_much_is_refused_and_not_suffered() {
    let deep = format!("a = {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(read(&deep).1[0].code, Code::InvalidToml);
    let deep = format!("{}a = 1\n", "a.".repeat(100_000));
    assert_eq!(read(&deep).1[0].code, Code::InvalidToml);
    let deep = format!("[{}x]\n", "a.".repeat(60));
    assert!(!read(&deep).0.incomplete);
    let mistakes = "= 1\n".repeat(100_000);
    assert_eq!(read(&mistakes).1.len(), MOST_MISTAKES);
    let long = format!("virtual_server_group.G = [{}]\n", "'1.2.3.4 80', ".repeat(100_000));
    assert_eq!(
        read(&long).0.root.statements[0].block.as_ref().map(|block| block.statements.len()),
        Some(100_000)
    );
    let large = "# comment\n".repeat(MAX_SIZE / 10 + 1);
    assert_eq!(read(&large).1[0].code, Code::FileTooLarge);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_complained_of(
        pieces in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(vec![
                    "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\n", "\"", "'", "\"\"\"", "\\", "#", " ",
                    "global_defs", "vrrp_instance", "virtual_server", "url", "weight", "virtual_ipaddress", "nopreempt",
                    "1", "0x", "-", "true", "1979-05-27", "inf", "\u{0}", "\u{e9}",
                ]).prop_map(str::to_owned),
                "\\PC{0,3}",
            ],
            0..40,
        )
    ) {
        let text = pieces.concat();
        let (tree, complaints) = read(&text);
        prop_assert!(!tree.incomplete || !complaints.is_empty());
        let lines = u32::try_from(text.lines().count()).unwrap_or(u32::MAX) + 1;
        for complaint in complaints {
            prop_assert!((1..=lines).contains(&complaint.line) && complaint.column > 0, "{}", complaint);
        }
    }
}

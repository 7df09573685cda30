use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::config::complaint::{Complaint, Complaints};
use crate::config::source::Sources;
use crate::config::syntax::{self, Block, Statement};

fn read(text: &str) -> (Vec<Line>, Vec<Complaint>) {
    let (mut sources, mut complaints) = (Sources::default(), Complaints::default());
    let file = sources.add(Path::new("test.toml"), text.to_owned(), None);
    let tree = syntax::toml::parse(file, &sources.text(file), &mut complaints);
    (lines(&tree.root), complaints.finish(&sources))
}

fn lines(block: &Block) -> Vec<Line> {
    let line = |statement: &Statement| Line {
        keyword: statement.keyword.text.clone(),
        words: statement.words.iter().map(|word| word.text.clone()).collect(),
        block: statement.block.as_ref().map(lines),
        default: false,
        thing: None,
    };
    block.statements.iter().map(line).collect()
}

fn line(words: &str, block: Option<Vec<Line>>) -> Line {
    let mut words = words.split(' ').map(str::to_owned);
    let keyword = words.next().expect("a keyword");
    Line { keyword, words: words.collect(), block, default: false, thing: None }
}

#[test]
fn blocks_become_tables() {
    let url = |path: &str| line("url", Some(vec![line(path, None), line("status_code 200", None)]));
    let server = vec![
        line("weight 3", None),
        line("HTTP_GET", Some(vec![line("connect_timeout 0.5", None), url("path /a"), url("path /b")])),
    ];
    let other = vec![line("TCP_CHECK", Some(Vec::new())), line("inhibit_on_failure on", None)];
    let service = vec![
        line("protocol TCP", None),
        line("real_server 10.0.0.1 80", Some(server)),
        line("real_server 10.0.0.2 80", Some(other)),
    ];
    let mut name = line("real_name", None);
    name.keyword = "notification_email_from".to_owned();
    name.words = vec!["Boss \"B\" <x@y.z>".to_owned()];
    let list = vec![line("10.0.0.1/24 dev eth0", None), line("10.0.0.2", None)];
    let auth = vec![line("auth_type PASS", None), line("auth_pass 12345678", None)];
    let all = vec![
        line("global_defs", Some(vec![name, line("vrrp_strict", None)])),
        line(
            "vrrp_instance VI_1",
            Some(vec![
                line("virtual_ipaddress", Some(list)),
                line("authentication", Some(auth)),
                line("notify /bin/say hello", None),
            ]),
        ),
        line("virtual_server 192.0.2.10 80", Some(service)),
        line("virtual_server_group G", Some(vec![line("192.0.2.10 80", None)])),
    ];
    // The lists with words before them come first: they would otherwise belong to the last table.
    let expected = r#"[virtual_server_group]
G = ["192.0.2.10 80"]

[global_defs]
notification_email_from = 'Boss "B" <x@y.z>'
vrrp_strict = true

[vrrp_instance.VI_1]
virtual_ipaddress = ["10.0.0.1/24 dev eth0", "10.0.0.2"]
notify = "/bin/say hello"
authentication = { auth_type = "PASS", auth_pass = "12345678" }

[virtual_server."192.0.2.10 80"]
protocol = "TCP"

[virtual_server."192.0.2.10 80".real_server."10.0.0.1 80"]
weight = 3

[virtual_server."192.0.2.10 80".real_server."10.0.0.1 80".HTTP_GET]
connect_timeout = 0.5
url = [{ path = "/a", status_code = 200 }, { path = "/b", status_code = 200 }]

[virtual_server."192.0.2.10 80".real_server."10.0.0.2 80"]
inhibit_on_failure = true
TCP_CHECK = {}
"#;
    assert_eq!(toml(&all), expected);
}

/// Any word that a text may hold.
fn any_word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9_./:-]{1,8}",
        "-?[0-9]{1,12}(\\.[0-9]{0,3})?",
        r#"[ab _#!"'\\{}$@~=,()\t\n]{0,8}"#,
        r"\PC{0,6}",
        "[\\x00-\\x20\\x7f-\\xa0a]{0,4}",
        select(vec![
            "include",
            "@low",
            "~SEQ(I,3)",
            "$A=b",
            "\u{feff}a",
            "true",
            "1e3",
            "0x1",
            "inf",
            "1979-05-27"
        ])
        .prop_map(str::to_owned),
    ]
    .prop_filter("cannot be read", |word| !word.contains(char::REPLACEMENT_CHARACTER))
}

/// Any statement of a place, with any words of the number that its form has.
fn any_line(place: Place) -> BoxedStrategy<Line> {
    let here: Vec<_> = keywords::all().filter(|keyword| keyword.places.contains(&place)).collect();
    let list = || vec(vec(any_word(), 1..4), 0..4);
    let line = |keyword: &str, words: Vec<String>, block| Line {
        keyword: keyword.to_owned(),
        words,
        block,
        default: false,
        thing: None,
    };
    select(here)
        .prop_flat_map(move |keyword| {
            let words = match keyword.form {
                Form::Flag | Form::Block("", _) | Form::Lines("", _) => Just(Vec::new()).boxed(),
                Form::Switch => select(vec!["true", "false"]).prop_map(|word| vec![word.to_owned()]).boxed(),
                Form::Words(_) => vec(any_word(), 0..4).boxed(),
                Form::Block(..) | Form::Lines(..) => vec(any_word(), 1..3).boxed(),
                _ => vec(any_word(), 1..2).boxed(),
            };
            let block = match keyword.form {
                Form::Block(_, inside) => vec(any_line(inside), 0..5).prop_map(Some).boxed(),
                Form::Lines(..) => {
                    list().prop_map(|lists| Some(lists.into_iter().map(of_words).collect())).boxed()
                }
                _ => Just(None).boxed(),
            };
            (words, block).prop_map(move |(words, block)| line(keyword.name, words, block))
        })
        .boxed()
}

fn of_words(words: Vec<String>) -> Line {
    let mut words = words.into_iter();
    let keyword = words.next().unwrap_or_default();
    Line { keyword, words: words.collect(), block: None, default: false, thing: None }
}

/// What TOML keeps: the order of lines of one keyword, and that of blocks. A list that is said twice is one.
fn kept(lines: &[Line], place: Place) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    for line in lines {
        let mut line = line.clone();
        match form(place, &line.keyword) {
            Form::Lines(..) => {
                let same = |other: &&mut Line| (&other.keyword, &other.words) == (&line.keyword, &line.words);
                if let Some(other) = out.iter_mut().find(same) {
                    other.block.get_or_insert_default().extend(line.block.unwrap_or_default());
                    continue;
                }
            }
            Form::Block(_, inside) => line.block = line.block.map(|block| kept(&block, inside)),
            Form::Flag if out.contains(&line) => continue,
            _ => {}
        }
        out.push(line);
    }
    let is_block = |line: &Line| matches!(form(place, &line.keyword), Form::Block(..));
    let (blocks, mut others): (Vec<Line>, Vec<Line>) = out.into_iter().partition(is_block);
    others.sort_by(|one, other| one.keyword.cmp(&other.keyword));
    others.into_iter().chain(blocks).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn any_statements_are_read_back(lines in vec(any_line(Place::Root), 0..6)) {
        let text = toml(&lines);
        let (back, complaints) = read(&text);
        prop_assert!(complaints.iter().all(|one| one.code == crate::config::Code::OddBlank), "{}\n{:?}", text, complaints);
        prop_assert_eq!(kept(&back, Place::Root), kept(&lines, Place::Root), "{}", text);
    }
}

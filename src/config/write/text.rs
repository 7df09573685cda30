//! Statements as text in keepalived's language, so written that reading gives the same words.
//!
//! A word stands bare wherever it can: some keywords of keepalived take no quotes. In quotes stands what would be
//! taken for something else: blanks, comment signs, braces, names to be replaced, and at the beginning of a line
//! conditions, repetitions and `include`.

use super::Line;
use crate::config::syntax::{builtin, definition, lexer, sequence};

/// Blanks for each level of blocks.
const INDENT: usize = 4;

/// One line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The text, with its blanks in front; empty between blocks.
    pub text: String,
    /// Whether a statement begins here.
    pub begins: bool,
}

/// The statements as a file.
pub fn text(lines: &[Line]) -> String {
    let mut out = String::new();
    for row in rows(lines) {
        out.push_str(&row.text);
        out.push('\n');
    }
    out
}

/// The same, line by line.
pub(super) fn rows(lines: &[Line]) -> Vec<Row> {
    let mut rows = Vec::new();
    block(lines, 0, &mut rows);
    rows
}

fn block(lines: &[Line], depth: usize, rows: &mut Vec<Row>) {
    let mut before: Option<&Line> = None;
    for line in lines {
        // Blocks stand apart, but not down in the details.
        if depth < 2 && before.is_some_and(|before| before.block.is_some() || line.block.is_some()) {
            rows.push(Row { text: String::new(), begins: false });
        }
        before = Some(line);
        let mut text = " ".repeat(depth * INDENT);
        text.push_str(&word(&line.keyword, true));
        for other in &line.words {
            text.push(' ');
            text.push_str(&word(other, false));
        }
        if line.block.is_some() {
            text.push_str(" {");
        }
        rows.push(Row { text, begins: true });
        if let Some(inside) = &line.block {
            block(inside, depth + 1, rows);
            rows.push(Row { text: format!("{}}}", " ".repeat(depth * INDENT)), begins: false });
        }
    }
}

/// A word, in quotes if it needs them.
pub(super) fn word(word: &str, first: bool) -> String {
    if !needs_quotes(word, first) {
        return word.to_owned();
    }
    let mut out = String::with_capacity(word.len() + 2);
    out.push('"');
    for (at, c) in word.char_indices() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' if is_name(word, at) => out.push_str("\\x24"),
            // All control characters are below U+00A0.
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn needs_quotes(word: &str, first: bool) -> bool {
    let special = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '#' | '!' | '"' | '\'' | '{' | '}' | '\u{feff}')
    };
    // Outside quotes a backslash is an ordinary character, unless it stands before one that it protects.
    let protects = || {
        let behind = |at: usize| word.get(at + 1..).unwrap_or_default().chars().next();
        word.match_indices('\\').any(|(at, _)| behind(at).is_none_or(|next| next == '\\'))
    };
    let begins = || word.starts_with(['@', '$']) || sequence::is_one(word) || lexer::INCLUDES.contains(&word);
    let builtin = || {
        word.match_indices('$')
            .filter_map(|(at, _)| definition::at(word, at))
            .any(|reference| builtin::is_one(reference.name))
    };
    word.is_empty() || word.contains(special) || protects() || builtin() || (first && begins())
}

/// Whether the `$` there could begin a name that is replaced. Braces may be closed by a later word.
fn is_name(word: &str, at: usize) -> bool {
    word.get(at + 1..).is_some_and(|rest| rest.starts_with('{')) || definition::at(word, at).is_some()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::config::complaint::{Complaint, Complaints, Severity};
    use crate::config::source::Sources;
    use crate::config::syntax::builtin::Surroundings;
    use crate::config::syntax::{Block, tree};

    /// Reads statements back, with all complaints but hints.
    fn read(text: &str) -> (Vec<Line>, Vec<Complaint>) {
        let (mut sources, mut complaints) = (Sources::default(), Complaints::default());
        let file = sources.add(Path::new("test.conf"), text.to_owned(), None);
        let around = Surroundings {
            config_id: "low",
            seed: 1,
            variable: &|_| Some("secret".to_owned()),
            directory: Path::new("/"),
        };
        let tree = tree::parse(
            file,
            Path::new("test.conf"),
            &mut sources,
            &|_| Vec::new(),
            &around,
            &mut complaints,
        );
        let mut complaints = complaints.finish(&sources);
        complaints.retain(|complaint| complaint.severity != Severity::Hint);
        (lines(&tree.root), complaints)
    }

    fn lines(block: &Block) -> Vec<Line> {
        let line = |statement: &crate::config::syntax::Statement| Line {
            keyword: statement.keyword.text.clone(),
            words: statement.words.iter().map(|word| word.text.clone()).collect(),
            block: statement.block.as_ref().map(lines),
            default: false,
            thing: None,
        };
        block.statements.iter().map(line).collect()
    }

    fn line(words: &[&str], block: Option<Vec<Line>>) -> Line {
        let mut words = words.iter().map(|word| (*word).to_owned());
        let keyword = words.next().unwrap_or_default();
        Line { keyword, words: words.collect(), block, default: false, thing: None }
    }

    #[test]
    fn words_stand_bare_where_they_can() {
        let cases = [
            ("eth0", "eth0"),
            ("café", "café"),
            (r"^\d+$", r"^\d+$"),
            ("pa$word", "pa$word"),
            ("a@b", "a@b"),
            ("~x", "~x"),
            ("include", "include"),
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("a#b", r##""a#b""##),
            ("Bob's", r#""Bob's""#),
            (r#"say "x""#, r#""say \"x\"""#),
            (r"C:\", r#""C:\\""#),
            (r"a\\b", r#""a\\\\b""#),
            ("${X}", r#""\x24{X}""#),
            ("a $b", r#""a \x24b""#),
            ("$_HASH", r#""\x24_HASH""#),
            ("a\n\0\u{85}", r#""a\n\x00\x85""#),
        ];
        for (given, expected) in cases {
            assert_eq!(word(given, false), expected, "{given:?}");
        }
        for (given, expected) in [
            ("include", r#""include""#),
            ("@low", r#""@low""#),
            ("~SEQ(I,2)", r#""~SEQ(I,2)""#),
            ("$A=1", r#""\x24A=1""#),
            ("~x", "~x"),
        ] {
            assert_eq!(word(given, true), expected, "{given:?}");
        }
    }

    #[test]
    fn blocks_are_indented_and_stand_apart() {
        let url = line(&["url"], Some(vec![line(&["path", "/"], None)]));
        let get = line(&["HTTP_GET"], Some(vec![line(&["retry", "1"], None), url]));
        let servers = vec![
            line(&["protocol", "TCP"], None),
            line(&["real_server", "10.0.0.1", "80"], Some(vec![get])),
            line(&["real_server", "10.0.0.2", "80"], Some(Vec::new())),
        ];
        let all =
            [line(&["global_defs"], Some(Vec::new())), line(&["virtual_server", "10.0.0.9"], Some(servers))];
        let expected = "\
global_defs {
}

virtual_server 10.0.0.9 {
    protocol TCP

    real_server 10.0.0.1 80 {
        HTTP_GET {
            retry 1
            url {
                path /
            }
        }
    }

    real_server 10.0.0.2 80 {
    }
}
";
        assert_eq!(text(&all), expected);
        assert_eq!(read(expected).0, all);
    }

    fn any_word() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z0-9_./:-]{1,8}",
            r#"[ab _#!"'\\{}$@~=,()\t]{0,8}"#,
            r"\PC{0,6}",
            "[\\x00-\\x20\\x7f-\\xa0a]{0,4}",
            r"(\\x2|\$)?\{?(_ENV|_HASH|_PWD|_RANDOM|A)[ =}]?[a}]?",
            proptest::sample::select(vec![
                "include",
                "includea",
                "@low",
                "@^low",
                "~SEQ(I,3)",
                "~LST(I,a)",
                "~SEQ",
                "$A=b",
                "\u{feff}a",
                "\u{2028}",
                "\u{a0}",
                "$",
            ])
            .prop_map(str::to_owned),
        ]
        .prop_filter("cannot be read", |word| !word.contains(char::REPLACEMENT_CHARACTER))
    }

    fn any_lines() -> impl Strategy<Value = Vec<Line>> {
        let line = |block: BoxedStrategy<Option<Vec<Line>>>| {
            (any_word(), vec(any_word(), 0..5), block).prop_map(|(keyword, words, block)| Line {
                keyword,
                words,
                block,
                default: false,
                thing: None,
            })
        };
        let leaf = line(Just(None).boxed()).boxed();
        leaf.prop_recursive(3, 12, 4, move |inner| {
            line(proptest::option::of(vec(inner, 0..4)).boxed()).boxed()
        })
        .prop_map(|line| vec![line])
        .prop_flat_map(|one| vec(Just(one), 1..3).prop_map(|many| many.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn any_words_are_read_back(lines in any_lines()) {
            let text = text(&lines);
            let (back, complaints) = read(&text);
            prop_assert_eq!(&back, &lines, "{}", text);
            prop_assert!(complaints.is_empty(), "{}\n{:?}", text, complaints);
        }
    }
}

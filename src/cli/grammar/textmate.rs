//! The grammar in the form that TextMate began and many editors read: JSON with regular expressions of Oniguruma.
//!
//! A block has two rules, because a rule sees one line at a time: one for a brace on the line of its keyword, and one
//! for a brace on a later line, which is a rule inside a rule.

use serde_json::{Map, Value, json};

use super::{Look, blocks, camel, places, words};
use crate::config::keywords::Place;

/// Before a keyword and behind it: `-`, `.` and the like belong to the word.
const BEGIN: &str = r"(?<![^\s{}])";
const END: &str = r"(?=$|[\s{}#!])";

/// A brace that opens a block: none of a name, `${NAME}`.
const OPEN: &str = r"(?<!\$)\{";
const BRACE: &str = "punctuation.section.block.directord";

/// The whole grammar.
pub(super) fn grammar() -> String {
    let mut repository = Map::new();
    repository.insert("common".to_owned(), json!({ "patterns": common() }));
    for place in places() {
        repository.insert(camel(place), json!({ "patterns": patterns(place) }));
    }
    let grammar = json!({
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "directord",
        "scopeName": "source.directord",
        "fileTypes": ["keepalived.conf", "directord.conf"],
        "patterns": [{ "include": "#Root" }],
        "repository": repository,
    });
    format!("{grammar:#}\n")
}

fn patterns(place: Place) -> Vec<Value> {
    let mut patterns = vec![json!({ "include": "#common" })];
    for (keyword, inside) in blocks(place) {
        let inside = format!("#{}", camel(inside));
        patterns.extend(block(&[keyword], "storage.type.block.directord", &inside));
    }
    let lines = words(place, Look::Lines);
    if !lines.is_empty() {
        patterns.extend(block(&lines, "keyword.other.directord", "#common"));
    }
    for (look, name) in
        [(Look::Plain, "keyword.other.directord"), (Look::Obsolete, "invalid.deprecated.directord")]
    {
        let words = words(place, look);
        if !words.is_empty() {
            patterns.push(json!({ "name": name, "match": any(&words) }));
        }
    }
    patterns
}

/// A keyword with the block behind it: whose brace stands on the same line, or on a later one.
fn block(keywords: &[&str], name: &str, inside: &str) -> [Value; 2] {
    let keyword = any(keywords);
    let title = json!([
        { "include": "#common" },
        { "name": "entity.name.section.directord", "match": r#"[^\s{}"'#!$]+"# },
    ]);
    let same = json!({
        "begin": format!(r"({keyword})((?:[^{{}}#!$]|\$\{{[^}}]*\}}|\$(?!\{{))*)(\{{)"),
        "beginCaptures": {
            "1": { "name": name },
            "2": { "patterns": title },
            "3": { "name": BRACE },
        },
        "end": r"\}",
        "endCaptures": { "0": { "name": BRACE } },
        "patterns": [{ "include": inside }],
    });
    let later = json!({
        "begin": format!("{keyword}(?!.*{OPEN})"),
        "beginCaptures": { "0": { "name": name } },
        "end": r"(?<=\})",
        "patterns": [
            {
                "begin": OPEN, "end": r"\}",
                "beginCaptures": { "0": { "name": BRACE } },
                "endCaptures": { "0": { "name": BRACE } },
                "patterns": [{ "include": inside }],
            },
            { "include": "#common" },
            { "name": "entity.name.section.directord", "match": r#"[^\s{}"'#!$]+"# },
        ],
    });
    [same, later]
}

fn any(words: &[&str]) -> String {
    // What is longer comes first, so that the beginning of a keyword is not taken for the whole.
    let mut words = words.to_vec();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    format!("{BEGIN}(?:{}){END}", words.join("|"))
}

/// What may stand anywhere.
fn common() -> Value {
    json!([
        { "name": "comment.line.directord", "match": r"(?<!\\)[#!].*$" },
        {
            "name": "string.quoted.double.directord", "begin": "\"", "end": "\"|$",
            "patterns": [{ "name": "constant.character.escape.directord", "match": r"\\." }],
        },
        { "name": "string.quoted.single.directord", "match": r"(?<![^\s{}])'[^'#!]*'" },
        { "name": "constant.character.escape.directord", "match": r"\\[#!{}'\x22\\ \t]|\\$" },
        {
            "match": r"^\s*(\$[A-Za-z_][A-Za-z0-9_]*)(=)",
            "captures": {
                "1": { "name": "variable.other.definition.directord" },
                "2": { "name": "keyword.operator.assignment.directord" },
            },
        },
        { "name": "variable.other.directord", "match": r"\$\{[A-Za-z_][A-Za-z0-9_]*[^}]*\}|\$[A-Za-z_][A-Za-z0-9_]*" },
        { "name": "keyword.control.condition.directord", "match": r"^\s*@\^?[^\s]*" },
        {
            "name": "meta.repetition.directord", "begin": r"(~SEQx?|~LST)\s*\(", "end": r"\)|$",
            "beginCaptures": { "1": { "name": "keyword.control.repetition.directord" } },
        },
        {
            "match": format!(r"{BEGIN}(include[rmwba]?)\s+([^\s#!]+)"),
            "captures": {
                "1": { "name": "keyword.control.include.directord" },
                "2": { "name": "string.unquoted.path.directord" },
            },
        },
        {
            "name": "constant.other.address.directord",
            "match": r"(?<![^\s{}])(?:\d{1,3}(?:\.\d{1,3}){3}|(?=[0-9A-Fa-f:.]*:)[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)(?:-[0-9A-Fa-f]+)?(?:/\d{1,3})?(?=$|[\s{}#!])",
        },
        { "name": "constant.numeric.directord", "match": r"(?<![^\s{}])[+-]?\d+(?:\.\d+)?(?=$|[\s{}#!])" },
        { "name": "constant.language.directord", "match": r"(?<![^\s{}])(?:on|off|yes|no|true|false)(?=$|[\s{}#!])" },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keywords;

    /// Every regular expression in the grammar.
    fn expressions(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    if let ("begin" | "end" | "match", Value::String(text)) = (key.as_str(), value) {
                        found.push(text.clone());
                    }
                    expressions(value, found);
                }
            }
            Value::Array(list) => list.iter().for_each(|value| expressions(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_keyword_stands_in_each_of_its_places() {
        let grammar: Value = serde_json::from_str(&grammar()).expect("it is JSON");
        assert_eq!(grammar["scopeName"], "source.directord");
        for keyword in keywords::all() {
            for place in keyword.places {
                let mut found = Vec::new();
                expressions(&grammar["repository"][camel(*place)], &mut found);
                let listed = found
                    .iter()
                    .any(|text| text.split(['(', ')', '|', ':']).any(|word| word == keyword.name));
                assert!(listed, "{} is missing in {place}", keyword.name);
            }
        }
    }

    #[test]
    fn what_is_included_exists() {
        let grammar: Value = serde_json::from_str(&grammar()).expect("it is JSON");
        let text = grammar.to_string();
        for (at, _) in text.match_indices("\"include\":\"#") {
            let name = text[at + 12..].split('"').next().unwrap_or_default();
            assert!(grammar["repository"].get(name).is_some(), "{name}");
        }
    }

    #[test]
    fn parentheses_and_brackets_balance() {
        let mut found = Vec::new();
        expressions(&serde_json::from_str(&grammar()).expect("it is JSON"), &mut found);
        assert!(found.len() > 50);
        for text in found {
            let (mut depth, mut class, mut protected) = (0, false, false);
            for c in text.chars() {
                match c {
                    _ if protected => protected = false,
                    '\\' => protected = true,
                    ']' if class => class = false,
                    '[' => class = true,
                    '(' if !class => depth += 1,
                    ')' if !class => depth -= 1,
                    _ => {}
                }
                assert!(depth >= 0, "{text}");
            }
            assert_eq!((depth, class, protected), (0, false, false), "{text}");
        }
    }
}

//! Statements as TOML, in the forms that [`syntax::toml`](crate::config::syntax::toml) reads.
//!
//! In each table comes first what stands in one line, then the tables inside it, in their order. Small blocks without
//! words behind their keyword stand in one line too, as inline tables.

use std::collections::BTreeMap;

use super::{Line, text};
use crate::config::keywords::{self, Form, Found, Place};

/// Longer lines are broken, where TOML allows it.
const WIDTH: usize = 100;

/// The statements as a file.
pub fn toml(lines: &[Line]) -> String {
    let mut out = String::new();
    table(lines, Place::Root, "", &mut out);
    out
}

/// What stands behind an equals sign.
enum Value {
    /// Text without line breaks.
    One(String),
    /// Items of an array, each without line breaks.
    List(Vec<String>),
}

/// Everything in a table, the tables inside it as well. `path` leads there, and ends with a dot unless it is empty.
fn table(lines: &[Line], place: Place, path: &str, out: &mut String) {
    let (tables, values): (Vec<&Line>, Vec<&Line>) =
        lines.iter().partition(|line| is_table(form(place, &line.keyword)));
    for (keyword, group) in groups(values, |line| &line.keyword) {
        pair(keyword, &value(form(place, keyword), &group), out);
    }
    if let Some(pairs) = inline(&tables, place) {
        for (keyword, value) in pairs {
            pair(keyword, &value, out);
        }
        return;
    }
    let (lists, blocks): (Vec<&Line>, Vec<&Line>) =
        tables.into_iter().partition(|line| matches!(form(place, &line.keyword), Form::Lines(..)));
    for (keyword, group) in groups(lists, |line| &line.keyword) {
        header(&format!("{path}{}", key(keyword)), false, out);
        for (_, group) in groups(group, |line| &line.words) {
            let words = group.first().map(|line| sentence(&line.words)).unwrap_or_default();
            pair(&words, &list(&group), out);
        }
    }
    let mut count = BTreeMap::new();
    for line in &blocks {
        *count.entry((&line.keyword, &line.words)).or_insert(0) += 1;
    }
    for line in &blocks {
        let several = count.get(&(&line.keyword, &line.words)).is_some_and(|count| *count > 1);
        block(line, several, place, path, out);
    }
}

/// A block as a table of its own, or as one of several in an array.
fn block(line: &Line, several: bool, place: Place, path: &str, out: &mut String) {
    let Form::Block(_, inside) = form(place, &line.keyword) else { return };
    let mut path = format!("{path}{}", key(&line.keyword));
    if !line.words.is_empty() {
        path = format!("{path}.{}", key(&sentence(&line.words)));
    }
    let lines = line.block.as_deref().unwrap_or_default();
    // A table that holds nothing but tables needs no header.
    let bare = |line: &Line| !is_table(form(inside, &line.keyword));
    let tables: Vec<&Line> = lines.iter().filter(|line| !bare(line)).collect();
    if several || lines.is_empty() || lines.iter().any(bare) || inline(&tables, inside).is_some() {
        header(&path, several, out);
    }
    table(lines, inside, &format!("{path}."), out);
}

/// Blocks that all fit in a line each, as values; `None` if there are others, or if their order would be lost.
fn inline<'a>(tables: &[&'a Line], place: Place) -> Option<Vec<(&'a str, Value)>> {
    let kinds = groups(tables.to_vec(), |line| &line.keyword);
    let in_order: Vec<&&Line> = kinds.iter().flat_map(|(_, group)| group).collect();
    if !in_order.iter().zip(tables).all(|(one, other)| std::ptr::eq(**one, *other)) {
        return None;
    }
    let small = |line: &Line| {
        let Form::Block("", inside) = form(place, &line.keyword) else { return None };
        let lines = line.block.as_deref()?;
        let mut pairs = Vec::new();
        for (keyword, group) in groups(lines.iter().collect(), |line| &line.keyword) {
            let form = form(inside, keyword);
            if is_table(form) {
                return None;
            }
            pairs.push(format!("{} = {}", key(keyword), flat(&value(form, &group))));
        }
        let text = if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) };
        (line.keyword.len() + 3 + text.len() <= WIDTH).then_some(text)
    };
    let mut out = Vec::new();
    for (keyword, group) in kinds {
        let mut texts = group.into_iter().map(small).collect::<Option<Vec<String>>>()?;
        let one = if texts.len() == 1 { texts.pop() } else { None };
        out.push((keyword.as_str(), one.map_or_else(|| Value::List(texts), Value::One)));
    }
    Some(out)
}

/// Lines with the same key, in the order in which the keys come first.
fn groups<'a, K: Ord>(lines: Vec<&'a Line>, key: impl Fn(&'a Line) -> &'a K) -> Vec<(&'a K, Vec<&'a Line>)> {
    let mut index = BTreeMap::new();
    let mut groups: Vec<(&K, Vec<&Line>)> = Vec::new();
    for line in lines {
        let key = key(line);
        let at = *index.entry(key).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, group)) => group.push(line),
            None => groups.push((key, vec![line])),
        }
    }
    groups
}

fn form(place: Place, keyword: &str) -> Form {
    match keywords::find(place, keyword) {
        Found::Here(keyword) => keyword.form,
        _ => Form::Words(""),
    }
}

/// Whether it is a table of its own, or one in a table: a block of keywords, or a list with words before it.
fn is_table(form: Form) -> bool {
    matches!(form, Form::Block(..)) || matches!(form, Form::Lines(words, _) if !words.is_empty())
}

fn header(path: &str, several: bool, out: &mut String) {
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(&if several { format!("[[{path}]]\n") } else { format!("[{path}]\n") });
}

fn pair(name: &str, value: &Value, out: &mut String) {
    let (name, flat) = (key(name), flat(value));
    match value {
        Value::List(items) if name.len() + 3 + flat.len() > WIDTH => {
            out.push_str(&format!("{name} = [\n"));
            for item in items {
                out.push_str(&format!("    {item},\n"));
            }
            out.push_str("]\n");
        }
        _ => out.push_str(&format!("{name} = {flat}\n")),
    }
}

fn flat(value: &Value) -> String {
    match value {
        Value::One(text) => text.clone(),
        Value::List(items) => format!("[{}]", items.join(", ")),
    }
}

/// What a keyword says, once or several times.
fn value(form: Form, lines: &[&Line]) -> Value {
    let mut values: Vec<Value> = match form {
        Form::Lines(..) => return list(lines),
        Form::Flag => return Value::One("true".to_owned()),
        Form::Words(_) => lines.iter().map(|line| words(&line.words)).collect(),
        _ => lines.iter().map(|line| Value::One(scalar(form, &line.words))).collect(),
    };
    if values.len() == 1
        && let Some(value) = values.pop()
    {
        return value;
    }
    let array = |line: &&Line| format!("[{}]", strings(&line.words).join(", "));
    match form {
        Form::Words(_) => Value::List(lines.iter().map(array).collect()),
        _ => Value::List(values.iter().map(flat).collect()),
    }
}

/// The lines of a list, of several if it is said several times.
fn list(lines: &[&Line]) -> Value {
    let inside = lines.iter().filter_map(|line| line.block.as_ref()).flatten();
    let item = |line: &Line| {
        let words: Vec<String> = std::iter::once(&line.keyword).chain(&line.words).cloned().collect();
        if words.iter().all(|word| is_plain(word)) {
            string(&words.join(" "))
        } else {
            format!("[{}]", strings(&words).join(", "))
        }
    };
    Value::List(inside.map(item).collect())
}

fn words(words: &[String]) -> Value {
    match words {
        [] => Value::One("true".to_owned()),
        [word] if is_whole(word) => Value::One(word.clone()),
        words if words.iter().all(|word| is_plain(word)) => Value::One(string(&words.join(" "))),
        words => Value::List(strings(words)),
    }
}

fn scalar(form: Form, words: &[String]) -> String {
    let word = words.first().map_or("", String::as_str);
    match form {
        Form::Switch => matches!(word, "" | "on" | "true" | "yes").to_string(),
        Form::Whole(..) | Form::Port if is_whole(word) => word.to_owned(),
        Form::Seconds(..) if is_whole(word) || is_decimal(word) => word.to_owned(),
        _ => string(word),
    }
}

/// Whether it is a whole number as TOML has it.
fn is_whole(word: &str) -> bool {
    word.parse::<i64>().is_ok_and(|number| number.to_string() == word)
}

fn is_decimal(word: &str) -> bool {
    word.split_once('.').is_some_and(|(whole, fraction)| {
        is_whole(whole) && !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Whether a word stays one where a string is cut into words.
fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && !word.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '\\'))
}

/// Words as one string.
fn sentence(words: &[String]) -> String {
    let word = |word: &String| if is_plain(word) { word.clone() } else { text::word(word, false) };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn strings(words: &[String]) -> Vec<String> {
    words.iter().map(|word| string(word)).collect()
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { string(name) }
}

/// A string in quotes, without escapes where that is possible.
fn string(text: &str) -> String {
    let control = |c: char| c.is_control() || c == '\u{feff}';
    if text.contains(['"', '\\']) && !text.contains('\'') && !text.contains(control) {
        return format!("'{text}'");
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if control(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;

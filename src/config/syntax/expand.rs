//! Lines become lines: conditions, definitions and repetitions are carried out, in the order of the text.
//!
//! What is still to be done stands on a stack of its own: the rest of a body, the rounds of a repetition. The line on
//! top is expanded from its front; a body of several lines, or a repetition, goes onto the stack and gives its
//! lines one by one. So nothing is expanded before its turn, and a definition in the middle counts from there on.
//!
//! Expansion is bounded in depth, in lines, in bytes and in replacements. A definition that is made of itself is
//! found by the way its text came, which every [`Fragment`] knows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::builtin::{self, Chance, Surroundings, Value};
use super::condition::Condition;
use super::definition::{self, Definition, Reference};
use super::fragment::{Assembled, Fragment, Line};
use super::sequence::{self, Rounds};
use crate::config::complaint::{Code, Complaints, Severity};
use crate::config::keywords;
use crate::config::origin::{Expanded, OriginId, Origins};
use crate::config::source::Span;

/// Definitions made of definitions.
const MAX_DEPTH: u32 = 64;
/// Bodies and repetitions that are open at a time.
const MAX_OPEN: usize = 512;
/// Lines of bodies and rounds of repetitions, those included that are left out by a condition.
const MAX_LINES: u64 = 1_000_000;
/// Bytes that are put in the place of names, and bytes of repeated lines.
const MAX_BYTES: u64 = 64 << 20;
/// Names that are replaced in text that has been expanded already.
const MAX_REPLACED: u64 = 1_000_000;
/// Looking for a name that was meant takes time; there is an end to that.
const MAX_SUGGESTIONS: u32 = 200;

/// What expansion works with and does not own.
pub struct Desk<'a> {
    /// Where expansions are noted.
    pub origins: &'a mut Origins,
    /// What is wrong.
    pub complaints: &'a mut Complaints,
    /// The world around the text.
    pub around: &'a Surroundings<'a>,
    /// Where the file lies that is being read.
    pub directory: &'a Path,
}

/// The definitions so far, and what is still to be expanded.
pub struct Expander {
    definitions: BTreeMap<String, Arc<Definition>>,
    /// How many definitions there have been.
    defined: u32,
    pending: Vec<Pending>,
    chance: Chance,
    lines: u64,
    bytes: u64,
    replaced: u64,
    suggestions: u32,
    /// Whether a limit was reached. Nothing is expanded any more then.
    spent: bool,
}

/// Something that has lines to give.
enum Pending {
    /// The lines of a body from an index on, and what stands behind the last of them.
    Body { lines: Arc<[Line]>, index: usize, rest: Line, origin: OriginId },
    /// The rounds of a repetition that are left, and the line to repeat.
    Repeat { rounds: Rounds, rest: Line, at: Span },
}

/// What came of the name at the front of a line.
enum Outcome {
    /// The line goes on with what the name stands for.
    Replaced,
    /// These bytes stay as they are.
    Kept(usize),
    /// A comment begins here.
    Comment,
}

impl Expander {
    /// With no definitions.
    pub fn new(seed: u64) -> Self {
        Self {
            definitions: BTreeMap::new(),
            defined: 0,
            pending: Vec::new(),
            chance: Chance::new(seed),
            lines: 0,
            bytes: 0,
            replaced: 0,
            suggestions: MAX_SUGGESTIONS,
            spent: false,
        }
    }

    /// Takes in a line of a file, or the lines of a definition that goes over several.
    pub fn feed(&mut self, lines: Vec<Line>) {
        self.push(Pending::Body {
            lines: lines.into(),
            index: 0,
            rest: Line::default(),
            origin: OriginId::default(),
        });
    }

    /// How much is pending. What an included file feeds stands above that of the file that includes it.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether a limit was reached, so that the text is not complete.
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    /// The next line, if there is one above the `floor`.
    pub fn next(&mut self, floor: usize, desk: &mut Desk<'_>, out: &mut Assembled) -> bool {
        while self.pending.len() > floor && !self.spent {
            let Some(line) = self.next_line(desk) else { continue };
            out.clear();
            if self.head(line, desk, out) {
                return true;
            }
        }
        self.pending.truncate(floor);
        false
    }

    /// The next line of what is on top of the stack, as it is written.
    fn next_line(&mut self, desk: &mut Desk<'_>) -> Option<Line> {
        match self.pending.pop()? {
            Pending::Body { lines, index, rest, origin } => {
                let mut line = lines.get(index)?.with_origin(origin);
                if index + 1 < lines.len() {
                    self.push(Pending::Body { lines, index: index + 1, rest, origin });
                } else {
                    let end = line;
                    line = rest;
                    line.prepend(&end, origin);
                }
                if origin != OriginId::default() {
                    self.spend(
                        1,
                        line.bytes(),
                        0,
                        line.front().map(Fragment::span).unwrap_or_default(),
                        desk,
                    );
                }
                Some(line)
            }
            Pending::Repeat { mut rounds, rest, at } => {
                let values = rounds.next()?;
                let told: Vec<String> =
                    values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                let origin = desk.origins.add(Expanded::Round(told.join(", ").into()), at);
                let line = rest.with_origin(origin);
                self.push(Pending::Repeat { rounds, rest, at });
                self.spend(1, line.bytes(), 0, at, desk);
                for (name, value) in values {
                    let value = Line::of(Fragment::computed(&value, at));
                    self.insert(name, vec![value], true);
                }
                Some(line)
            }
        }
    }

    fn push(&mut self, pending: Pending) {
        self.pending.push(pending);
    }

    /// Takes away what must stand at the front of a line; then expands the rest. Whether there is a line then.
    fn head(&mut self, mut line: Line, desk: &mut Desk<'_>, out: &mut Assembled) -> bool {
        loop {
            line.trim_start();
            let Some(front) = line.front().cloned() else { return false };
            let text = front.text();
            match text.chars().next() {
                _ if front.is_fixed() => break,
                Some('@') => {
                    if !self.condition(&front, &mut line, desk) {
                        return false;
                    }
                }
                Some('~') if sequence::is_one(text) => {
                    self.repetition(&front, line, desk);
                    return false;
                }
                Some('$') => {
                    if let Some((name, end)) = definition::begins(text) {
                        line.eat(end);
                        self.define(name, front.span_of(0, end - 1), line, desk);
                        return false;
                    }
                    match self.replace(&mut line, desk, out) {
                        Outcome::Replaced => {}
                        Outcome::Comment => return false,
                        Outcome::Kept(bytes) => {
                            out.push(&front.part(0, bytes));
                            line.eat(bytes);
                            break;
                        }
                    }
                }
                _ => break,
            }
        }
        self.tail(line, desk, out);
        true
    }

    /// Appends a line whose front has been dealt with.
    fn tail(&mut self, mut line: Line, desk: &mut Desk<'_>, out: &mut Assembled) {
        while let Some(fragment) = line.pop() {
            let text = fragment.text();
            let found = if fragment.is_fixed() { None } else { definition::reference(text) };
            let Some(Reference { start, .. }) = found else {
                out.push(&fragment);
                continue;
            };
            if start > 0 {
                out.push(&fragment.part(0, start));
            }
            line.push(fragment.part(start, text.len()));
            match self.replace(&mut line, desk, out) {
                Outcome::Replaced => {}
                Outcome::Kept(bytes) => {
                    out.push(&fragment.part(start, start + bytes));
                    line.eat(bytes);
                }
                Outcome::Comment => return,
            }
        }
    }

    /// Puts in the place of the name at the front what it stands for.
    fn replace(&mut self, line: &mut Line, desk: &mut Desk<'_>, out: &Assembled) -> Outcome {
        if self.spent {
            return Outcome::Comment;
        }
        let Some(front) = line.pop() else { return Outcome::Kept(0) };
        let Some(reference) = definition::at(front.text(), 0) else {
            line.push(front);
            return Outcome::Kept(1);
        };
        let (name, end) = (reference.name, reference.end);
        let at = front.span_of(0, end);
        let behind = front.part(end, front.text().len());
        let next = behind.text().chars().next().or_else(|| line.first_char());
        let ends_well = reference.braces || next.is_none_or(char::is_whitespace);
        let definition = self.definitions.get(name).cloned();
        let builtin = builtin::is_one(name) && definition.is_none();
        if !ends_well || (definition.is_none() && !builtin) {
            let known = builtin || definition.is_some();
            let quoted = out.is_quoted();
            self.not_replaced(reference, known, quoted, next, at, desk);
            line.push(front);
            return Outcome::Kept(end);
        }
        line.push(behind);
        match definition {
            Some(definition) => self.put(&definition, line, at, desk),
            None => {
                let value =
                    builtin::value(name, reference.arguments, desk.directory, &mut self.chance, desk.around);
                match value {
                    Ok(Value::Comment(sign)) if out.is_quoted() => {
                        line.push(Fragment::computed(&sign.to_string(), at));
                    }
                    Ok(Value::Comment(_)) => return Outcome::Comment,
                    Ok(Value::Text(text, blanks_separate)) => {
                        line.push(Fragment::computed(&builtin::escaped(&text, blanks_separate), at));
                    }
                    Err(message) => desk.complaints.error(Code::UndefinedName, at, message),
                }
            }
        }
        Outcome::Replaced
    }

    /// Puts a definition in front of the line. Of a body of several lines the others follow later, and the rest of
    /// the line behind them.
    fn put(&mut self, definition: &Definition, line: &mut Line, at: Span, desk: &mut Desk<'_>) {
        let Some(first) = definition.lines.first() else { return };
        if definition.computed {
            let value = first.text();
            self.spend(0, value.len(), 0, at, desk);
            return line.push(Fragment::computed(&value, at));
        }
        if self.is_endless(definition, at, desk) {
            return;
        }
        // What stands in a file is as long as the file; only what is made of other things can explode.
        let nested = u64::from(at.origin != OriginId::default());
        self.spend(0, first.bytes(), nested, at, desk);
        let what = Expanded::Definition(definition.number, Arc::clone(&definition.name));
        let origin = desk.origins.add(what, at);
        if definition.lines.len() > 1 {
            let rest = std::mem::take(line);
            self.push(Pending::Body { lines: Arc::clone(&definition.lines), index: 1, rest, origin });
        }
        line.prepend(first, origin);
    }

    fn is_endless(&mut self, definition: &Definition, at: Span, desk: &mut Desk<'_>) -> bool {
        let name = &definition.name;
        let outer: Vec<(u32, &str)> = desk.origins.definitions(at.origin).collect();
        let message = if let Some(depth) = outer.iter().position(|(number, _)| *number == definition.number) {
            let inner: Vec<&str> = outer.iter().take(depth + 1).map(|(_, name)| *name).rev().collect();
            format!("`${name}` is made of itself: ${} → ${name}", inner.join(" → $"))
        } else if desk.origins.depth(at.origin) >= MAX_DEPTH || self.pending.len() >= MAX_OPEN {
            format!("`${name}` is expanded inside more than {MAX_DEPTH} other definitions and repetitions")
        } else {
            return false;
        };
        desk.complaints.error(Code::ExpansionLoop, at, message);
        true
    }

    /// Counts what expansion produces, and gives up when it is too much.
    fn spend(&mut self, lines: u64, bytes: usize, replaced: u64, at: Span, desk: &mut Desk<'_>) {
        self.lines += lines;
        self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        self.replaced += replaced;
        let too_much = if self.lines > MAX_LINES {
            format!("{MAX_LINES} lines")
        } else if self.bytes > MAX_BYTES {
            format!("{} MiB of text", MAX_BYTES >> 20)
        } else if self.replaced > MAX_REPLACED {
            format!("{MAX_REPLACED} replacements")
        } else {
            return;
        };
        if !self.spent {
            self.spent = true;
            let message = format!(
                "definitions and repetitions come to more than {too_much}; what follows is not looked at"
            );
            desk.complaints.error(Code::ExpansionTooLarge, at, message);
        }
    }

    fn not_replaced(
        &mut self,
        reference: Reference<'_>,
        known: bool,
        quoted: bool,
        next: Option<char>,
        at: Span,
        desk: &mut Desk<'_>,
    ) {
        let name = reference.name;
        if known {
            let message = format!("`${name}` is not replaced here: only a blank ends a name without braces");
            let suggestion = Some(format!("write `${{{name}}}`"));
            return desk.complaints.push(Severity::Warning, Code::UndefinedName, at, message, suggestion);
        }
        if !reference.braces && !next.is_none_or(char::is_whitespace) {
            // `$` in a regular expression or a password.
            return;
        }
        let severity = if reference.braces && !quoted { Severity::Warning } else { Severity::Hint };
        let message = format!("`{name}` is not defined before it is used here, and stays as it is written");
        let names = self.definitions.keys().map(String::as_str);
        let nearest = self.suggestions.checked_sub(1).and_then(|left| {
            self.suggestions = left;
            keywords::closest(name, names).map(|name| format!("did you mean `${{{name}}}`?"))
        });
        desk.complaints.push(severity, Code::UndefinedName, at, message, nearest);
    }

    /// Takes away the condition at the front. Whether it holds.
    fn condition(&mut self, front: &Fragment, line: &mut Line, desk: &mut Desk<'_>) -> bool {
        let Some(condition) = Condition::of(front.text()) else { return false };
        if condition.id.is_empty() {
            let message = "there is no config id behind this `@`: the line is left out everywhere";
            desk.complaints.warning(Code::InvalidCondition, front.span_of(0, condition.length), message);
        }
        line.eat(condition.length);
        let holds = condition.holds(desk.around.config_id);
        if !holds {
            self.continued(line);
        }
        holds
    }

    fn repetition(&mut self, front: &Fragment, mut line: Line, desk: &mut Desk<'_>) {
        let found = sequence::of(front.text()).unwrap_or(Err("it is none"));
        let length = found.as_ref().map_or(4, |found| found.length);
        let at = front.span_of(0, length);
        let rounds = found.map_err(str::to_owned).and_then(|found| {
            found.rounds(&mut |item| {
                let text = Arc::from(item);
                self.value(Fragment::written(&text, 0, text.len(), at), desk)
            })
        });
        line.eat(length);
        let problem = match rounds {
            Err(problem) => problem,
            Ok(_) if self.continued(&mut line) > 0 => {
                "a definition of several lines cannot be repeated".to_owned()
            }
            Ok(_) if self.pending.len() >= MAX_OPEN => {
                format!("more than {MAX_OPEN} repetitions and definitions are inside one another")
            }
            Ok(rounds) => return self.push(Pending::Repeat { rounds, rest: line, at }),
        };
        let word = front.text().get(..length.min(40)).unwrap_or("~SEQ").split('(').next().unwrap_or("~SEQ");
        desk.complaints.error(Code::InvalidRepetition, at, format!("`{}`: {problem}", word.trim()));
        self.continued(&mut line);
    }

    /// What a part of a repetition comes to.
    fn value(&mut self, fragment: Fragment, desk: &mut Desk<'_>) -> String {
        let open = self.pending.len();
        let mut out = Assembled::default();
        self.tail(Line::of(fragment), desk, &mut out);
        // A body of several lines makes no value.
        self.pending.truncate(open);
        out.text.trim().to_owned()
    }

    fn define(&mut self, name: &str, at: Span, mut line: Line, desk: &mut Desk<'_>) {
        let continues = line.trim_continuation();
        line.trim_start();
        let mut lines = vec![line];
        let mut more = continues;
        while more && let Some(mut line) = self.take_line() {
            more = line.trim_continuation();
            lines.push(line);
        }
        if continues && lines.len() == 1 {
            let message = format!("the definition of `${name}` goes on in the next line, and there is none");
            desk.complaints.warning(Code::InvalidDefinition, at, message);
        }
        if builtin::is_one(name) {
            let message = format!("`${name}` has a meaning of its own and cannot be defined");
            return desk.complaints.error(Code::InvalidDefinition, at, message);
        }
        if name.starts_with('_') {
            let message = format!("names that begin with `_`, as `${name}`, may get a meaning of their own");
            desk.complaints.hint(Code::InvalidDefinition, at, message);
        }
        self.insert(name.to_owned(), lines, false);
    }

    fn insert(&mut self, name: String, lines: Vec<Line>, computed: bool) {
        self.defined += 1;
        let shown = Arc::from(name.as_str());
        let definition = Definition { number: self.defined, name: shown, lines: lines.into(), computed };
        self.definitions.insert(name, Arc::new(definition));
    }

    /// Takes away the lines that a line goes on in, and tells how many there are.
    fn continued(&mut self, line: &mut Line) -> usize {
        let mut count = 0;
        let mut more = line.trim_continuation();
        while more && let Some(mut line) = self.take_line() {
            more = line.trim_continuation();
            count += 1;
        }
        count
    }

    /// The next line of the body that is on top of the stack, if one is.
    fn take_line(&mut self) -> Option<Line> {
        let Some(Pending::Body { lines, index, rest, origin }) = self.pending.last_mut() else { return None };
        let mut line = lines.get(*index)?.with_origin(*origin);
        *index += 1;
        if *index >= lines.len() {
            let end = line;
            line = std::mem::take(rest);
            line.prepend(&end, *origin);
            self.pending.pop();
        }
        Some(line)
    }
}

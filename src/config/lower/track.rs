//! Trackers: what `vrrp_script` and its like have in common, and the lists in which instances and groups name them.
//!
//! Definitions may stand behind their use, so all of them are read first, and [`Known`] remembers their weights.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{Context, Entry, short};
use super::instance::value_span;
use crate::config::complaint::{Code, Reaction, Severity};
use crate::config::keywords;
use crate::config::source::Span;
use crate::config::syntax::{Statement, Word};
use crate::config::{Thing, Tracks, Weight};

/// What can be tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Interface,
    Script,
    File,
    Process,
    Neighbour,
}

impl Kind {
    /// The keyword of a list of these.
    fn of_list(keyword: &str) -> Option<Self> {
        Some(match keyword {
            "track_interface" => Self::Interface,
            "track_script" => Self::Script,
            "track_file" => Self::File,
            "track_process" => Self::Process,
            "track_bfd" => Self::Neighbour,
            _ => return None,
        })
    }

    /// The keyword of their definitions; interfaces have none.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Script => "vrrp_script",
            Self::File => "track_file",
            Self::Process => "vrrp_track_process",
            Self::Neighbour => "bfd_instance",
        }
    }

    fn thing(self, name: &str) -> Option<Thing> {
        let name = name.to_owned();
        Some(match self {
            Self::Interface => return None,
            Self::Script => Thing::Script(name),
            Self::File => Thing::TrackFile(name),
            Self::Process => Thing::TrackProcess(name),
            Self::Neighbour => Thing::Bfd(name),
        })
    }

    /// The largest weight, and whether one more is cut down to it.
    fn limit(self) -> (i16, bool) {
        match self {
            Self::Interface | Self::Script => (253, true),
            Self::Neighbour => (253, false),
            Self::File | Self::Process => (254, false),
        }
    }
}

/// What is known of a definition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Defined {
    /// Its weight.
    As(Weight),
    /// There is one of that name, of which nothing can be made.
    Unusable,
    /// A neighbour that only health checks hear of.
    ForChecks,
    /// A neighbour that only instances hear of, and its weight.
    ForInstances(Weight),
}

/// What the top level defines, by kind and name.
#[derive(Debug, Default)]
pub(super) struct Known {
    definitions: BTreeMap<(Kind, String), Defined>,
    /// How many names have been compared for suggestions: that costs time.
    compared: usize,
    /// Where they stand.
    places: BTreeMap<(Kind, String), Span>,
}

impl Known {
    /// Those of a file that was read, without their places.
    pub(super) fn of(definitions: &BTreeMap<(Kind, String), Defined>) -> Self {
        Known { definitions: definitions.clone(), ..Known::default() }
    }

    /// What there is of each name.
    pub(super) fn definitions(&self) -> &BTreeMap<(Kind, String), Defined> {
        &self.definitions
    }

    fn get(&self, kind: Kind, name: &str) -> Option<Defined> {
        self.definitions.get(&(kind, name.to_owned())).copied()
    }

    fn nearest(&mut self, kind: Kind, name: &str) -> Option<String> {
        const LIMIT: usize = 100_000;
        self.compared += self.definitions.len();
        if self.compared > LIMIT {
            return None;
        }
        let names =
            self.definitions.keys().filter(|(other, _)| *other == kind).map(|(_, name)| name.as_str());
        keywords::closest(name, names).map(|name| format!("did you mean `{name}`?"))
    }
}

/// Reads all blocks of one kind. Of two with one name the first counts.
pub(super) fn define<'a, T>(
    context: &mut Context<'_>,
    kind: Kind,
    blocks: impl Iterator<Item = &'a Entry<'a>>,
    out: &mut BTreeMap<String, Arc<T>>,
    mut read: impl FnMut(&mut Context<'_>, &str, &Entry<'a>) -> Option<(T, Defined)>,
) {
    for block in blocks {
        let Some(name) = context.text(block) else { continue };
        if !matches!(context.trackers.get(kind, &name), None | Some(Defined::Unusable)) {
            let message = format!("there already is a `{}` named `{name}`", kind.keyword());
            context.error(Code::DuplicateName, value_span(block), message);
            read(context, &name, block);
            continue;
        }
        if let Some(thing) = kind.thing(&name) {
            context.note(thing, block);
        }
        let made = read(context, &name, block);
        let defined = made.as_ref().map_or(Defined::Unusable, |(_, defined)| *defined);
        context.trackers.definitions.insert((kind, name.clone()), defined);
        context.trackers.places.insert((kind, name.clone()), block.span());
        if let Some((made, _)) = made {
            out.insert(name, Arc::new(made));
        }
    }
}

impl Tracks {
    /// Takes in one of the lists; `false` if it is none.
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        let Some(kind) = Kind::of_list(entry.name()) else { return false };
        context.at_most(entry, 0);
        let list = match kind {
            Kind::Interface => &mut self.interfaces,
            Kind::Script => &mut self.scripts,
            Kind::File => &mut self.files,
            Kind::Process => &mut self.processes,
            Kind::Neighbour => &mut self.neighbours,
        };
        for statement in entry.statements() {
            let name = &statement.keyword;
            let own = own_weight(context, kind, name);
            let known = list.get(&name.text).copied();
            // What stands behind a wrong name is looked at all the same.
            let said = tracked(context, kind, statement, own.unwrap_or_default());
            let Some(weight) = said.filter(|_| own.is_some()) else { continue };
            match known {
                None => drop(list.insert(name.text.clone(), weight)),
                Some(known) => again(context, name, known == weight),
            }
        }
        true
    }
}

fn again(context: &mut Context<'_>, name: &Word, same: bool) {
    let what = short(&name.text);
    if same {
        let message = format!("`{what}` is in this list already; it is tracked once");
        context.warning(Code::DuplicateTracker, name.span, message);
    } else {
        let message = format!("`{what}` is in this list already, with another weight");
        let reaction = Reaction::goes_on("the second line is ignored");
        context.error_but(Code::DuplicateTracker, name.span, message, None, reaction);
    }
}

/// Whether there is a tracker that a health check can name; if not, that has been told.
pub(super) fn is_defined(context: &mut Context<'_>, kind: Kind, name: &Word, keepalived: Reaction) -> bool {
    let (what, found) = (kind.keyword(), short(&name.text));
    let (message, suggestion) = match context.trackers.get(kind, &name.text) {
        Some(Defined::As(_) | Defined::ForChecks) => {
            note_later(context, kind, name);
            return true;
        }
        Some(Defined::ForInstances(_)) => {
            let suggestion = "add `checker` to its definition";
            (format!("only instances hear of the `{what}` named `{found}`"), Some(suggestion.to_owned()))
        }
        Some(Defined::Unusable) => {
            (format!("the `{what}` named `{found}` is of no use, as told where it is defined"), None)
        }
        None => {
            let suggestion = context.trackers.nearest(kind, &name.text);
            (format!("there is no `{what}` named `{found}`"), suggestion)
        }
    };
    context.error_but(Code::UndefinedName, name.span, message, suggestion, keepalived);
    false
}

/// Some keepalived, 2.2.7 among them, knows only what it has read already.
fn note_later(context: &mut Context<'_>, kind: Kind, name: &Word) {
    let Some(place) = context.trackers.places.get(&(kind, name.text.clone())) else { return };
    // Places in different texts tell nothing of their order.
    let comparable = place.file == name.span.file && place.origin == name.span.origin;
    if comparable && place.line > name.span.line {
        let what = kind.keyword();
        let message = format!(
            "the `{what}` named `{}` is defined below, in line {}: keepalived 2.2 does not find it, and leaves this check \
             out",
            short(&name.text),
            place.line
        );
        let suggestion = Some(format!("put each `{what}` above the virtual servers"));
        context.complaints.push(Severity::Hint, Code::DefinedLater, name.span, message, suggestion);
    }
}

/// The weight that a tracker has if the list says none; `None` if there is no such tracker.
fn own_weight(context: &mut Context<'_>, kind: Kind, name: &Word) -> Option<Weight> {
    if kind == Kind::Interface {
        return context.interface(name).map(|_| Weight::default());
    }
    let (what, found) = (kind.keyword(), short(&name.text));
    let (message, suggestion) = match context.trackers.get(kind, &name.text) {
        Some(Defined::As(weight) | Defined::ForInstances(weight)) => return Some(weight),
        Some(Defined::Unusable) => {
            (format!("the `{what}` named `{found}` is of no use, as told where it is defined"), None)
        }
        Some(Defined::ForChecks) => {
            let suggestion = "add `vrrp` to its definition";
            (format!("only health checks hear of the `{what}` named `{found}`"), Some(suggestion.to_owned()))
        }
        None => {
            let suggestion = context.trackers.nearest(kind, &name.text);
            (format!("there is no `{what}` named `{found}`"), suggestion)
        }
    };
    let reaction = Reaction::goes_on("the line is ignored");
    context.error_but(Code::UndefinedName, name.span, message, suggestion, reaction);
    None
}

/// The weight that a line of a list gives; `None` if keepalived ignores the line.
fn tracked(context: &mut Context<'_>, kind: Kind, statement: &Statement, own: Weight) -> Option<Weight> {
    if let Some(block) = &statement.block {
        context.error(Code::UnexpectedBlock, block.open, "a tracker takes no block");
        return None;
    }
    let Some(keyword) = statement.word(0) else { return Some(own) };
    let ignored = || Reaction::goes_on("the line is ignored");
    if keyword.text != "weight" {
        let found = short(&keyword.text);
        let message = format!("an option of a tracker is `{found}`; expected `weight NUMBER [reverse]`");
        let suggestion = keywords::closest(&keyword.text, ["weight"].into_iter())
            .map(|_| "did you mean `weight`?".to_owned());
        context.error_but(Code::InvalidChoice, keyword.span, message, suggestion, ignored());
        return None;
    }
    let Some(number) = statement.word(1) else {
        let message = "`weight` needs a number behind it".to_owned();
        context.error_but(Code::MissingValue, keyword.span, message, None, ignored());
        return None;
    };
    let (limit, cut) = kind.limit();
    let beyond = |points: i64| {
        let largest = i64::from(limit);
        if cut && points.abs() == largest + 1 { points.signum() * largest } else { i64::from(own.points) }
    };
    let points = points(context, number, limit, beyond);
    let reverse = match statement.word(2).map(|word| (word, word.text.as_str())) {
        None => own.reverse,
        Some((_, "reverse")) => true,
        Some((_, "noreverse")) => false,
        Some((word, _)) if matches!(kind, Kind::File | Kind::Neighbour) => {
            not_reverse(context, word, &["reverse", "noreverse"], ignored());
            return None;
        }
        Some((word, _)) => {
            not_reverse(context, word, &["reverse", "noreverse"], Reaction::goes_on("the word is ignored"));
            own.reverse
        }
    };
    if let Some(word) = statement.word(3) {
        one_too_many(context, word);
    }
    Some(Weight { points, reverse })
}

fn one_too_many(context: &mut Context<'_>, word: &Word) {
    let message = format!("`{}` is one word too many behind `weight`", short(&word.text));
    context.error(Code::UnexpectedWord, word.span, message);
}

fn not_reverse(context: &mut Context<'_>, word: &Word, allowed: &[&str], keepalived: Reaction) {
    let suggestion = keywords::closest(&word.text, allowed.iter().copied())
        .map(|nearest| format!("did you mean `{nearest}`?"));
    let message =
        format!("behind the weight stands `{}`; allowed: {}", short(&word.text), allowed.join(", "));
    context.error_but(Code::InvalidChoice, word.span, message, suggestion, keepalived);
}

/// `weight` in a definition. `None` if keepalived ignores the line.
pub(super) fn weight(context: &mut Context<'_>, kind: Kind, entry: &Entry<'_>) -> Option<Weight> {
    let number = context.first(entry)?;
    let (limit, _) = kind.limit();
    // Of a script's weight keepalived takes any number, and the priority stops at its limits.
    let beyond = |points: i64| points.signum() * i64::from(limit);
    let points = if kind == Kind::Script {
        points(context, number, limit, beyond)
    } else {
        within(context, number, limit)?
    };
    let reverse = entry.words().get(1).filter(|word| word.text != "reverse");
    if let Some(word) = reverse {
        not_reverse(context, word, &["reverse"], Reaction::goes_on("the word is ignored"));
    } else if let Some(word) = entry.words().get(2) {
        one_too_many(context, word);
    }
    Some(Weight { points, reverse: reverse.is_none() && entry.words().len() > 1 })
}

/// A number of points, or what keepalived takes for it.
fn points(context: &mut Context<'_>, word: &Word, limit: i16, beyond: impl Fn(i64) -> i64) -> i16 {
    let number = number(context, word, limit);
    if number.abs() <= i64::from(limit) {
        return i16::try_from(number).unwrap_or_default();
    }
    let used = beyond(number);
    out_of_range(context, word, limit, Reaction::goes_on(format!("the weight is {used}")));
    i16::try_from(used).unwrap_or_default()
}

fn within(context: &mut Context<'_>, word: &Word, limit: i16) -> Option<i16> {
    let number = number(context, word, limit);
    if number.abs() <= i64::from(limit) {
        return i16::try_from(number).ok();
    }
    out_of_range(context, word, limit, Reaction::goes_on("the line is ignored"));
    None
}

fn out_of_range(context: &mut Context<'_>, word: &Word, limit: i16, keepalived: Reaction) {
    let message = format!("`weight` is {}; allowed: -{limit} to {limit}", short(&word.text));
    context.error_but(Code::OutOfRange, word.span, message, None, keepalived);
}

/// Out of every range.
const FAR: i64 = 1_000_000;

/// Of a number that something follows keepalived takes the number, and 0 for no number at all.
fn number(context: &mut Context<'_>, word: &Word, limit: i16) -> i64 {
    let text = word.text.strip_prefix('+').unwrap_or(&word.text);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let good = text.get(..text.len() - digits.len() + end).filter(|_| end > 0);
    // What does not fit is out of every range.
    let far = if text.starts_with('-') { -FAR } else { FAR };
    let value = good.map_or(0, |good| good.parse().unwrap_or(far).clamp(-FAR, FAR));
    if good.is_none() || end < digits.len() {
        let found = short(&word.text);
        let message = format!("`weight` is `{found}`; expected a whole number from -{limit} to {limit}");
        let suggestion = good.map(|good| format!("did you mean `{good}`?"));
        let reaction = Reaction::goes_on(format!("the weight is {value}"));
        context.error_but(Code::InvalidNumber, word.span, message, suggestion, reaction);
    }
    value
}

/// A definition that lacks what it is made of.
pub(super) fn incomplete(context: &mut Context<'_>, kind: Kind, name: &str, keyword: &str, span: Span) {
    let message = format!("{} `{name}` has no `{keyword}`", kind.keyword());
    let reaction = Reaction::goes_on("it is left out");
    context.error_but(Code::MissingKeyword, span, message, None, reaction);
}

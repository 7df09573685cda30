//! Lines of `virtual_rules` and `static_rules`, in iproute2's words.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::context::{Context, Entry, short};
use super::line::{Groups, Line, id, network, number, track_group, unknown, whole};
use super::route::realms;
use crate::config::complaint::{Code, Reaction};
use crate::config::source::Span;
use crate::config::syntax::{Statement, Word};
use crate::config::{Network, Rule, RuleAction, Watch};

const LEFT_OUT: &str = "the rule is left out";
const IGNORED: &str = "the word is ignored";

/// Words of a line, for suggestions.
const WORDS: &[&str] = &[
    "not",
    "from",
    "to",
    "table",
    "lookup",
    "iif",
    "dev",
    "oif",
    "tos",
    "dsfield",
    "fwmark",
    "preference",
    "order",
    "priority",
    "realms",
    "goto",
    "nop",
    "blackhole",
    "unreachable",
    "prohibit",
    "type",
    "suppress_prefixlength",
    "suppress_ifgroup",
    "uidrange",
    "l3mdev",
    "protocol",
    "ipproto",
    "sport",
    "dport",
    "tunnel-id",
    "inet",
    "inet6",
    "no_track",
    "track_group",
];

/// The preference of the first rule that names none.
const FIRST: u32 = 16_384;

/// Gives each rule that names no preference one: they count down in the order of the file, each family by itself, so
/// that a later rule is tried first. What is no rule, because something is wrong with it, takes none.
pub(super) fn number_all(context: &mut Context<'_>, entries: &[Entry<'_>]) {
    let mut next = [FIRST; 2];
    let inside = |statement: &'_ Statement| statement.block.clone().map_or_else(Vec::new, |b| b.statements);
    for entry in entries {
        let lines: Vec<Statement> = match entry.name() {
            "static_rules" => inside(entry.statement),
            "vrrp_instance" => {
                let blocks = inside(entry.statement);
                blocks.iter().filter(|block| block.keyword.text == "virtual_rules").flat_map(inside).collect()
            }
            _ => continue,
        };
        for line in lines {
            let is_rule = |context: &mut Context<'_>| {
                context.reacting(LEFT_OUT, |context| self::line(context, &line, None))
            };
            if !context.tried(is_rule) {
                continue;
            }
            let mut words = std::iter::once(&line.keyword).chain(&line.words).map(|word| word.text.as_str());
            if words.clone().any(|word| matches!(word, "preference" | "order" | "priority")) {
                continue;
            }
            let ipv6 = words.any(|word| word == "inet6" || word.contains(':'));
            let place = &mut next[usize::from(ipv6)];
            context.preferences.entry(line.keyword.span).or_default().push_back(*place);
            *place = place.saturating_sub(1);
        }
    }
}

/// The rules of a block, without those that are wrong. `groups`: names that `track_group` may
/// say, for what is static.
pub(super) fn lower(context: &mut Context<'_>, entry: &Entry<'_>, groups: Groups<'_>) -> Vec<Rule> {
    context.at_most(entry, 0);
    let line = |statement| context.reacting(LEFT_OUT, |context| line(context, statement, groups));
    entry.statements().iter().filter_map(line).collect()
}

#[derive(Default)]
struct Draft {
    /// The family, where a word says it.
    ipv6: Option<bool>,
    inverted: bool,
    from: Option<Network>,
    to: Option<Network>,
    input: Option<String>,
    output: Option<String>,
    mark: Option<(u32, u32)>,
    preference: Option<u32>,
    action: Option<RuleAction>,
    others: BTreeMap<String, Vec<String>>,
    watch: Watch,
}

fn line(context: &mut Context<'_>, statement: &Statement, groups: Groups<'_>) -> Option<Rule> {
    let mut line = Line::new(context, statement, "a rule", Reaction::Stops);
    let mut draft = Draft::default();
    while let Some(word) = line.next() {
        draft.take(context, word, &mut line, groups);
    }
    // What is said of half a line helps nobody.
    if line.is_lost() {
        return None;
    }
    draft.finish(context, line.span())
}

impl Draft {
    fn take<'a>(
        &mut self,
        context: &mut Context<'_>,
        word: &'a Word,
        line: &mut Line<'a>,
        groups: Groups<'_>,
    ) {
        match word.text.as_str() {
            "not" => self.inverted = true,
            "inet" => self.ipv6 = Some(false),
            "inet6" => self.ipv6 = Some(true),
            "no_track" => self.watch = Watch::Off,
            "track_group" if groups.is_some() => {
                self.watch = track_group(context, word, line, groups);
            }
            "nop" => self.act(context, word, RuleAction::Nop),
            "l3mdev" => self.act(context, word, RuleAction::Domain),
            "type" => {
                if let Some(kind) = line.value(context, word) {
                    self.drop_packets(context, kind);
                }
            }
            "blackhole" | "unreachable" | "prohibit" => self.drop_packets(context, word),
            option if WORDS.contains(&option) && option != "track_group" => {
                if let Some(value) = line.value(context, word) {
                    self.value(context, word, value);
                }
            }
            _ => unknown(context, "a rule", word, WORDS, line),
        }
    }

    fn value(&mut self, context: &mut Context<'_>, word: &Word, value: &Word) {
        let what = format!("`{}`", word.text);
        match word.text.as_str() {
            "from" => self.from = self.network(context, "`from`", value),
            "to" => self.to = self.network(context, "`to`", value),
            "iif" | "dev" => self.input = context.interface(value),
            "oif" => self.output = context.interface(value),
            "table" | "lookup" => {
                if let Some(table) = id(context, &what, value, u32::MAX) {
                    self.act(context, word, RuleAction::Table(table));
                }
            }
            "goto" => {
                if let Some(target) = whole(context, &what, value, 0, u32::MAX) {
                    self.act(context, word, RuleAction::Goto(target));
                }
            }
            "fwmark" => self.mark = mark(context, value),
            "preference" | "order" | "priority" => {
                self.preference = whole(context, "the preference", value, 0, u32::MAX);
            }
            name => {
                let name = if name == "dsfield" { "tos" } else { name };
                if let Some(text) = other(context, name, &what, value) {
                    self.others.insert(name.to_owned(), vec![text]);
                }
            }
        }
    }

    fn act(&mut self, context: &mut Context<'_>, word: &Word, action: RuleAction) {
        if self.action.replace(action).is_some() {
            let message = format!("`{}` is a second thing to do; a rule does one", short(&word.text));
            context.error(Code::Conflict, word.span, message);
        }
    }

    fn drop_packets(&mut self, context: &mut Context<'_>, word: &Word) {
        match word.text.as_str() {
            "blackhole" => self.act(context, word, RuleAction::Blackhole),
            "unreachable" => self.act(context, word, RuleAction::Unreachable),
            "prohibit" => self.act(context, word, RuleAction::Prohibit),
            "table" | "unicast" => {}
            _ => context.invalid_choice("`type`", word, &["blackhole", "unreachable", "prohibit"]),
        }
    }

    /// From or to where; `all`, `any` and `default` are everything.
    fn network(&mut self, context: &mut Context<'_>, what: &str, word: &Word) -> Option<Network> {
        if matches!(word.text.as_str(), "all" | "any" | "default") {
            return None;
        }
        let found = network(context, what, word)?;
        let ipv6 = found.address.is_ipv6();
        if self.ipv6.is_some_and(|before| before != ipv6) {
            let message = "addresses of IPv4 and of IPv6 in one rule".to_owned();
            context.error(Code::FamilyMismatch, word.span, message);
        }
        self.ipv6 = Some(ipv6);
        Some(found)
    }

    fn finish(self, context: &mut Context<'_>, span: Span) -> Option<Rule> {
        let Some(action) = self.action else {
            let message = "this rule does nothing: it has no `table`";
            context.error_but(Code::MissingValue, span, message, None, Reaction::goes_on(LEFT_OUT));
            return None;
        };
        if let (RuleAction::Goto(target), Some(preference)) = (&action, self.preference)
            && preference >= *target
        {
            let message = format!("`goto {target}` goes back: the rule itself has preference {preference}");
            context.error(Code::Conflict, span, message);
        }
        let everywhere = |network: Option<Network>| {
            network.filter(|network| network.prefix > 0 || !is_zero(network.address))
        };
        let ends = self.from.or(self.to).map(|network| network.address.is_ipv6());
        let ipv6 = ends.or(self.ipv6).unwrap_or(false);
        let preference = self.preference.unwrap_or_else(|| {
            let places = context.preferences.get_mut(&span);
            let assigned = places.and_then(VecDeque::pop_front).unwrap_or(FIRST);
            let message = format!("this rule has no `preference`: {assigned} is assigned");
            let suggestion = "add `preference` with the place of the rule among the others";
            context.warning_with(Code::DefaultUsed, span, message, suggestion);
            assigned
        });
        if let RuleAction::Goto(target) = &action
            && self.preference.is_none()
            && preference >= *target
        {
            let message =
                format!("`goto {target}` goes back: preference {preference} is assigned to the rule itself");
            context.error_but(Code::Conflict, span, message, None, Reaction::goes_on(LEFT_OUT));
            return None;
        }
        Some(Rule {
            // The addresses decide, whatever was said behind them.
            ipv6,
            inverted: self.inverted,
            from: everywhere(self.from),
            to: everywhere(self.to),
            input: self.input,
            output: self.output,
            mark: self.mark,
            preference: Some(preference),
            action,
            others: self.others,
            watch: self.watch,
        })
    }
}

fn is_zero(address: IpAddr) -> bool {
    address.is_unspecified()
}

/// `MARK` or `MARK/MASK`.
fn mark(context: &mut Context<'_>, word: &Word) -> Option<(u32, u32)> {
    let (mark, mask) = word.text.split_once('/').unwrap_or((&word.text, "0xffffffff"));
    let found = number(mark).zip(number(mask));
    if found.is_none() {
        let message = format!("`fwmark` is `{}`; allowed: MARK or MARK/MASK", short(&word.text));
        context.error(Code::InvalidNumber, word.span, message);
    }
    found
}

/// An attribute that is kept as a word, if the word is right.
fn other(context: &mut Context<'_>, name: &str, what: &str, word: &Word) -> Option<String> {
    match name {
        "tos" | "protocol" => id(context, what, word, 255).map(|id| id.to_string()),
        "realms" => realms(context, what, word),
        "suppress_prefixlength" => whole(context, what, word, 0, 128).map(|number| number.to_string()),
        "suppress_ifgroup" => id(context, what, word, u32::MAX).map(|id| id.to_string()),
        "tunnel-id" => {
            let found = word.text.parse::<u64>().is_ok() || number(&word.text).is_some();
            if !found {
                let message = format!("{what} is `{}`; expected a whole number", short(&word.text));
                context.error(Code::InvalidNumber, word.span, message);
            }
            found.then(|| word.text.clone())
        }
        "uidrange" => range(context, what, word, u32::MAX, true),
        "sport" | "dport" => context.reacting(IGNORED, |context| range(context, what, word, 65_535, false)),
        "ipproto" => context.reacting(IGNORED, |context| {
            const NAMES: &[&str] =
                &["tcp", "udp", "icmp", "ipv6-icmp", "sctp", "dccp", "gre", "esp", "ah", "vrrp", "udplite"];
            let lower = word.text.to_ascii_lowercase();
            let known = NAMES.contains(&lower.as_str()) || number(&lower).is_some_and(|number| number <= 255);
            if !known {
                context.invalid_choice(what, word, NAMES);
            }
            known.then_some(lower)
        }),
        _ => Some(word.text.clone()),
    }
}

/// `FROM-TO`, and where that is allowed a single number.
fn range(context: &mut Context<'_>, what: &str, word: &Word, max: u32, both: bool) -> Option<String> {
    let (from, to) = match word.text.split_once('-') {
        Some((from, to)) => (number(from), number(to)),
        None if both => (None, None),
        None => (number(&word.text), number(&word.text)),
    };
    let good = from.zip(to).is_some_and(|(from, to)| from <= to && to <= max);
    if !good {
        let message = format!("{what} is `{}`; expected a range like 1-{max}", short(&word.text));
        context.error(Code::InvalidNumber, word.span, message);
    }
    good.then(|| word.text.clone())
}

//! Lines of addresses, routes and rules: words one after the other, some of which need another one behind them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

use super::context::{Context, short};
use crate::config::complaint::{Code, Reaction};
use crate::config::keywords;
use crate::config::source::Span;
use crate::config::syntax::{Statement, Word};
use crate::config::{Id, Network, Watch};

/// The words of a line that have not been looked at yet.
pub(super) struct Line<'a> {
    first: &'a Word,
    rest: std::iter::Chain<std::iter::Once<&'a Word>, std::slice::Iter<'a, Word>>,
    /// What becomes of a line that ends too early.
    cut_off: Reaction,
    /// Whether a word was not understood.
    lost: bool,
}

impl<'a> Line<'a> {
    /// All words of a statement, which must have no block. `cut_off`: what keepalived does if a value is missing.
    pub fn new(context: &mut Context<'_>, statement: &'a Statement, what: &str, cut_off: Reaction) -> Self {
        if let Some(block) = &statement.block {
            context.error(Code::UnexpectedBlock, block.open, format!("{what} takes no block"));
        }
        let first = &statement.keyword;
        Self { first, rest: std::iter::once(first).chain(&statement.words), cut_off, lost: false }
    }

    /// Where the line begins.
    pub fn span(&self) -> Span {
        self.first.span
    }

    /// Whether a word was not understood, and so the rest not looked at.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// The next word, if there is one.
    pub fn next(&mut self) -> Option<&'a Word> {
        self.rest.next()
    }

    /// The next word without taking it.
    pub fn peek(&self) -> Option<&'a Word> {
        self.rest.clone().next()
    }

    /// Takes the next word if it is this one.
    pub fn take(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|next| next.text == word);
        if found {
            self.next();
        }
        found
    }

    /// The word that an option needs.
    pub fn value(&mut self, context: &mut Context<'_>, option: &Word) -> Option<&'a Word> {
        let value = self.next();
        if value.is_none() {
            let message = format!("`{}` needs a value", short(&option.text));
            context.error_but(Code::MissingValue, option.span, message, None, self.cut_off.clone());
        }
        value
    }
}

/// Complains of a word that is none of a line's, and gives up on the rest of the line.
pub(super) fn unknown(
    context: &mut Context<'_>,
    owner: &str,
    word: &Word,
    words: &[&'static str],
    line: &mut Line<'_>,
) {
    line.lost = true;
    while line.next().is_some() {}
    let message = format!("`{}` is no word of {owner}", short(&word.text));
    let nearest = keywords::closest(&word.text, words.iter().copied());
    let suggestion = nearest.map(|name| format!("did you mean `{name}`?"));
    context.error_but(Code::InvalidChoice, word.span, message, suggestion, Code::InvalidChoice.keepalived());
}

/// Names of `track_group` blocks, where a line may name one.
pub(super) type Groups<'a> = Option<&'a BTreeSet<String>>;

/// The group behind `track_group`.
pub(super) fn track_group<'a>(
    context: &mut Context<'_>,
    option: &Word,
    line: &mut Line<'a>,
    groups: Groups<'_>,
) -> Watch {
    let Some(name) = line.value(context, option) else { return Watch::Usual };
    if groups.is_some_and(|groups| groups.contains(&name.text)) {
        return Watch::Group(name.text.clone());
    }
    let message = format!("there is no `track_group` named `{}`", short(&name.text));
    context.error_mended(Code::UndefinedName, name.span, message, "the words are ignored");
    Watch::Usual
}

/// An address, perhaps with a prefix length.
pub(super) fn network(context: &mut Context<'_>, what: &str, word: &Word) -> Option<Network> {
    let (text, prefix) = match word.text.split_once('/') {
        Some((text, prefix)) => (text, Some(prefix)),
        None => (word.text.as_str(), None),
    };
    let Ok(address) = IpAddr::from_str(text) else {
        context.invalid_address(what, text, word.span);
        return None;
    };
    let longest = Network::longest(address);
    let Some(prefix) = prefix else { return Some(Network { address, prefix: longest }) };
    let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let length = prefix.parse().ok().filter(|length| digits && *length <= longest);
    let prefix = match length {
        Some(length) => length,
        None => {
            let message = format!("the prefix length is `{}`; allowed: 0 to {longest}", short(prefix));
            // What begins with no digit counts as zero, what is too long is cut.
            let used = if digits { longest } else { 0 };
            context.error_mended(Code::InvalidPrefix, word.span, message, format!("the length is {used}"));
            used
        }
    };
    Some(Network { address, prefix })
}

/// A number in a range, or a name that the system knows.
pub(super) fn id(context: &mut Context<'_>, what: &str, word: &Word, max: u32) -> Option<Id> {
    let text = &word.text;
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return whole(context, what, word, 0, max).map(Id::Number);
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.chars().all(fits) {
        let message = format!("{what} is `{}`; allowed: a name, or a number up to {max}", short(text));
        context.error(Code::InvalidText, word.span, message);
        return None;
    }
    Some(Id::Name(text.clone()))
}

/// A whole number in a range; iproute2 takes hexadecimal ones as well.
pub(super) fn whole(context: &mut Context<'_>, what: &str, word: &Word, min: u32, max: u32) -> Option<u32> {
    let found = number(&word.text).filter(|number| (min..=max).contains(number));
    if found.is_none() {
        let message = format!("{what} is `{}`; allowed: {min} to {max}", short(&word.text));
        let digits = word.text.bytes().all(|byte| byte.is_ascii_digit());
        let code = if digits && !word.text.is_empty() { Code::OutOfRange } else { Code::InvalidNumber };
        context.error(code, word.span, message);
    }
    found
}

/// `10`, `0x1f`.
pub(super) fn number(text: &str) -> Option<u32> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((text, 10), |digits| (digits, 16));
    // `from_str_radix` takes a sign.
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, radix).ok().filter(|_| plain)
}

/// An address without a prefix length.
pub(super) fn host(context: &mut Context<'_>, what: &str, word: &Word) -> Option<IpAddr> {
    cut_host(context, word).or_else(|| whole_host(context, what, word))
}

/// The address before a prefix length that nobody needs.
pub(super) fn cut_host(context: &mut Context<'_>, word: &Word) -> Option<IpAddr> {
    let address = word.text.split_once('/').and_then(|(text, _)| text.parse().ok())?;
    let message = format!("`{}` has a prefix length", short(&word.text));
    let suggestion = Some(format!("no prefix length is allowed here: `{address}`"));
    let effect = "the prefix length is ignored";
    context.error_mended_with(Code::InvalidAddress, word.span, message, suggestion, effect);
    Some(address)
}

fn whole_host(context: &mut Context<'_>, what: &str, word: &Word) -> Option<IpAddr> {
    let address = IpAddr::from_str(&word.text).ok();
    if address.is_none() {
        context.invalid_address(what, &word.text, word.span);
    }
    address
}

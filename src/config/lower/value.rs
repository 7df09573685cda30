//! Words become numbers, times, switches and addresses, in the form and range that the table of keywords tells.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use super::context::{Context, Entry, short};
use crate::config::complaint::{Code, Reaction, Severity};
use crate::config::keywords::{self, Form, Found, Place, seconds};
use crate::config::source::Span;
use crate::config::syntax::Word;

impl Context<'_> {
    /// Nothing may stand behind the keyword.
    pub fn flag(&mut self, entry: &Entry<'_>) {
        self.at_most(entry, 0);
    }

    /// Exactly one word.
    pub fn word<'b>(&mut self, entry: &Entry<'b>) -> Option<&'b Word> {
        self.at_most(entry, 1);
        self.first(entry)
    }

    /// At least one word; whoever asks looks at the rest.
    pub fn first<'b>(&mut self, entry: &Entry<'b>) -> Option<&'b Word> {
        let word = entry.words().first();
        if word.is_none() {
            let name = entry.keyword.name;
            let message = format!("`{name}` needs a value: {}", entry.keyword.form);
            let keepalived = super::missing::reaction(entry);
            self.error_but(Code::MissingValue, entry.span(), message, None, keepalived);
        }
        word
    }

    /// Complains of words beyond the `count`th.
    pub fn at_most(&mut self, entry: &Entry<'_>, count: usize) {
        let Some(word) = entry.words().get(count) else { return };
        let name = entry.keyword.name;
        let message = format!("`{}` is one word too many behind `{name}`", short(&word.text));
        let looks_like_comment = word.text.starts_with("//") || word.text.starts_with(';');
        let is_keyword = entry.keyword.places.iter().any(|place| is_keyword(*place, &word.text));
        let suggestion = if looks_like_comment {
            Some("comments begin with `#` or `!`".to_owned())
        } else if is_keyword {
            Some(format!("begin a new line before `{}`: a line holds one statement", word.text))
        } else {
            None
        };
        self.complaints.push(Severity::Error, Code::UnexpectedWord, word.span, message, suggestion);
    }

    /// One word as text that is not empty.
    pub fn text(&mut self, entry: &Entry<'_>) -> Option<String> {
        let word = self.word(entry)?;
        if word.text.is_empty() || word.text.contains(char::is_control) {
            let message = format!("`{}` is empty or holds control characters", entry.keyword.name);
            self.error(Code::InvalidText, word.span, message);
            return None;
        }
        Some(word.text.clone())
    }

    /// The name of a network interface: at most 15 bytes, no slash (`dev_valid_name` in Linux).
    pub fn interface(&mut self, word: &Word) -> Option<String> {
        let name = &word.text;
        let odd = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
        if name.is_empty() || name.len() > 15 || name.contains(odd) || name == "." || name == ".." {
            let message = format!(
                "`{}` cannot be the name of an interface: 1 to 15 characters without blank, `/` and `:`",
                short(name)
            );
            self.error(Code::InvalidText, word.span, message);
            return None;
        }
        Some(name.clone())
    }

    /// On or off; the bare keyword means on.
    pub fn switch(&mut self, entry: &Entry<'_>) -> Option<bool> {
        self.at_most(entry, 1);
        let Some(word) = entry.words().first() else { return Some(true) };
        match word.text.as_str() {
            "on" | "true" | "yes" => Some(true),
            "off" | "false" | "no" => Some(false),
            other => {
                let message = format!(
                    "`{}` is `{}`; allowed: on, true, yes, off, false, no",
                    entry.keyword.name,
                    short(other)
                );
                self.error(Code::InvalidSwitch, word.span, message);
                None
            }
        }
    }

    /// A whole number of the keyword's range.
    pub fn whole<T: TryFrom<i64>>(&mut self, entry: &Entry<'_>) -> Option<T> {
        let Form::Whole(min, max) = entry.keyword.form else { return None };
        let word = self.word(entry)?;
        T::try_from(self.number(entry.keyword.name, word, min, max)?).ok()
    }

    /// A whole number of the keyword's range that is followed by nothing and counts seconds.
    pub fn whole_seconds(&mut self, entry: &Entry<'_>) -> Option<Duration> {
        self.whole::<u64>(entry).map(Duration::from_secs)
    }

    /// A whole number in a range.
    pub fn number(&mut self, what: &str, word: &Word, min: i64, max: i64) -> Option<i64> {
        let sign = word.text.len() - word.text.strip_prefix('-').unwrap_or(&word.text).len();
        let digits = word.text.get(sign..).unwrap_or_default();
        let end = sign + digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let mut text = word.text.as_str();
        if end == sign || end < text.len() {
            let good = text.get(..end).filter(|good| good.len() > sign);
            self.not_a_number(what, word, &format!("a whole number from {min} to {max}"), good);
            text = good.filter(|_| self.compat())?;
        }
        // What does not even fit 64 bits is out of range too.
        match text.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Some(number),
            _ => {
                let message = format!("`{what}` is {}; allowed: {min} to {max}", short(&word.text));
                self.error(Code::OutOfRange, word.span, message);
                None
            }
        }
    }

    /// Of a number that something follows keepalived takes the number.
    fn not_a_number(&mut self, what: &str, word: &Word, expected: &str, good: Option<&str>) {
        let found = short(&word.text);
        let (message, keepalived) = match good {
            Some(good) => (
                format!("`{what}` is `{found}`: something follows the number; expected {expected}"),
                format!("the value is {good}"),
            ),
            None => (format!("`{what}` is `{found}`; expected {expected}"), "the line is ignored".to_owned()),
        };
        let suggestion = good.map(|good| format!("did you mean `{good}`?"));
        self.error_but(Code::InvalidNumber, word.span, message, suggestion, Reaction::goes_on(keepalived));
    }

    /// Seconds with decimals, in the keyword's range.
    pub fn seconds(&mut self, entry: &Entry<'_>) -> Option<Duration> {
        let Form::Seconds(min, max) = entry.keyword.form else { return None };
        let word = self.word(entry)?;
        let name = entry.keyword.name;
        let range = format!("{} to {} s", seconds(min), seconds(max));
        let end = word.text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.text.len());
        let exact = micros(&word.text);
        if exact.is_none() {
            let good = word.text.get(..end).filter(|good| micros(good).is_some());
            self.not_a_number(name, word, &format!("seconds, with decimals if you like, from {range}"), good);
        }
        let micros = exact.or_else(|| micros(word.text.get(..end)?).filter(|_| self.compat()))?;
        if exact.is_some() && word.text.split_once('.').is_some_and(|(_, decimals)| decimals.len() > 6) {
            let message = format!("`{name}` has more than six decimals; the others are cut off");
            self.warning(Code::ValueAdjusted, word.span, message);
        }
        if !(min..=max).contains(&micros) {
            let message = format!("`{name}` is {} s; allowed: {range}", short(&word.text));
            self.error(Code::OutOfRange, word.span, message);
            return None;
        }
        Some(Duration::from_micros(micros))
    }

    /// One of the keyword's words, spelled exactly so.
    pub fn choice(&mut self, entry: &Entry<'_>) -> Option<&'static str> {
        self.choice_by(entry, |allowed, word| allowed == word)
    }

    /// One of the keyword's words, in upper or lower case.
    pub fn choice_in_any_case(&mut self, entry: &Entry<'_>) -> Option<&'static str> {
        self.choice_by(entry, str::eq_ignore_ascii_case)
    }

    fn choice_by(&mut self, entry: &Entry<'_>, same: impl Fn(&str, &str) -> bool) -> Option<&'static str> {
        let Form::OneOf(allowed) = entry.keyword.form else { return None };
        let word = self.word(entry)?;
        let choice = allowed.iter().copied().find(|allowed| same(allowed, &word.text));
        if choice.is_none() {
            self.invalid_choice(&format!("`{}`", entry.keyword.name), word, allowed);
        }
        choice
    }

    /// An address of either family.
    pub fn address(&mut self, what: &str, word: &Word) -> Option<IpAddr> {
        let address = IpAddr::from_str(&word.text).ok();
        if address.is_none() {
            self.invalid_address(what, &word.text, word.span);
        }
        address
    }

    /// The address that is the keyword's only word.
    pub fn address_of(&mut self, entry: &Entry<'_>) -> Option<IpAddr> {
        let word = self.word(entry)?;
        self.address(&format!("`{}`", entry.keyword.name), word)
    }

    /// Tells that a text is no address.
    pub fn invalid_address(&mut self, what: &str, text: &str, span: Span) {
        self.invalid_address_but(what, text, span, Code::InvalidAddress.keepalived());
    }

    /// The same where keepalived makes something else of it than of most.
    pub fn invalid_address_but(&mut self, what: &str, text: &str, span: Span, keepalived: Reaction) {
        let message =
            format!("{what} is `{}`, which is no IP address; expected one like 192.0.2.1", short(text));
        let suggestion = if text.starts_with(['<', '$', '{', '%']) {
            Some("it looks like a place that was to be filled in".to_owned())
        } else if let Some((address, _)) = text.split_once('/').filter(|(address, _)| is_address(address)) {
            Some(format!("no prefix length is allowed here: `{address}`"))
        } else if let Some((address, port)) = text.rsplit_once(':').filter(|(address, _)| is_address(address))
        {
            Some(format!("the port is a word of its own: `{address} {port}`"))
        } else {
            None
        };
        self.error_but(Code::InvalidAddress, span, message, suggestion, keepalived);
    }

    /// A port from `min` (0 or 1) to 65535.
    pub fn port(&mut self, what: &str, word: &Word, min: u16) -> Option<u16> {
        let port = word.text.parse::<u16>().ok().filter(|port| *port >= min);
        let plain = word.text.bytes().all(|byte| byte.is_ascii_digit());
        if port.is_none() || !plain {
            let message = format!("{what} is `{}`; expected a port from {min} to 65535", short(&word.text));
            self.error(Code::InvalidPort, word.span, message);
            return None;
        }
        port
    }

    /// The port that is the keyword's only word.
    pub fn port_of(&mut self, entry: &Entry<'_>) -> Option<u16> {
        let word = self.word(entry)?;
        self.port(&format!("`{}`", entry.keyword.name), word, 1)
    }
}

fn is_keyword(place: Place, word: &str) -> bool {
    matches!(keywords::find(place, word), Found::Here(_))
}

fn is_address(text: &str) -> bool {
    IpAddr::from_str(text).is_ok()
}

/// `1`, `1.5`, `.5`, `1.`: seconds as microseconds; what is smaller than one is left out.
pub(super) fn micros(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let whole = if whole.is_empty() { "0" } else { whole };
    // More seconds than a number can hold are out of every range.
    let seconds = whole.parse::<u64>().unwrap_or(u64::MAX);
    Some(seconds.saturating_mul(1_000_000).saturating_add(fraction.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_decimals() {
        let cases = [
            ("1", Some(1_000_000)),
            ("0.01", Some(10_000)),
            (".5", Some(500_000)),
            ("2.", Some(2_000_000)),
            ("1.23456789", Some(1_234_567)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("", None),
            (".", None),
            ("-1", None),
            ("1s", None),
            ("1.2.3", None),
        ];
        for (text, expected) in cases {
            assert_eq!(micros(text), expected, "{text}");
        }
        assert_eq!((seconds(10_000), seconds(255_000_000)), ("0.01".to_owned(), "255".to_owned()));
    }
}

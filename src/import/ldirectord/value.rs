//! Values of directives: numbers, yes and no, texts in quotes, addresses and names.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipvs_backend::{Family, Forwarding};

use super::model::{At, Fallback};
use super::parse::{Directive, short};
use crate::config::Code;
use crate::config::source::Span;
use crate::import::{Desk, Fate, Resolve, names};

/// What reading values takes.
pub(super) struct Reader<'a> {
    pub desk: &'a mut Desk,
    pub resolve: Resolve<'a>,
}

/// Servers that one range may hold.
const LONGEST_RANGE: u32 = 65_536;

impl Reader<'_> {
    /// A whole number in a range. ldirectord takes the first digits that it finds, whatever is around them.
    pub fn number(&mut self, directive: &Directive, min: u32, max: u32) -> Option<At<u32>> {
        let Directive { key, value, value_span, .. } = directive;
        let digits = value.trim_start_matches(|c: char| !c.is_ascii_digit());
        let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
        if digits.is_empty() {
            let message = format!("`{key}` is `{}`; expected a number from {min} to {max}", short(value));
            self.desk.error(Code::InvalidNumber, *value_span, message, "");
            return None;
        }
        let Some(number) = digits.parse().ok().filter(|number| (min..=max).contains(number)) else {
            let message = format!("`{key}` is {}; expected a number from {min} to {max}", short(&digits));
            self.desk.error(Code::OutOfRange, *value_span, message, "");
            return None;
        };
        let rest = value.strip_prefix(digits.as_str()).unwrap_or("?").trim_start();
        if !rest.is_empty() && !rest.starts_with('#') {
            let text =
                format!("read as {number}, as ldirectord does: it takes the first digits that it finds");
            self.desk.report.say(directive.line(), Fate::Trap, text);
        }
        Some(At { line: directive.line(), value: number })
    }

    /// `yes` or `no`.
    pub fn yes_no(&mut self, directive: &Directive) -> Option<At<bool>> {
        self.choice(directive, &[("yes", true), ("no", false)])
    }

    /// One of some words.
    pub fn choice<T: Copy>(&mut self, directive: &Directive, words: &[(&str, T)]) -> Option<At<T>> {
        let Directive { key, value, value_span, .. } = directive;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| word == value) {
            return Some(At { line: directive.line(), value: *meaning });
        }
        let all: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let message = format!("`{key}` is `{}`; expected {}", short(value), all.join(", "));
        let suggestion = if value.contains('#') {
            "in this part of the file a comment takes a line of its own".to_owned()
        } else {
            nearest(value, words.iter().map(|(word, _)| *word))
        };
        self.desk.error(Code::InvalidChoice, *value_span, message, suggestion);
        None
    }

    /// A text in double quotes, which must be there.
    pub fn quoted(&mut self, directive: &Directive) -> Option<At<String>> {
        let Directive { key, value, value_span, .. } = directive;
        let inside = value.strip_prefix('"').and_then(|rest| rest.rsplit_once('"'));
        let Some((text, _)) = inside.filter(|(text, _)| !text.is_empty()) else {
            let message = format!("`{key}` is `{}`; expected a text in double quotes", short(value));
            let bare = value.trim_matches('"');
            let suggestion =
                if bare.is_empty() { String::new() } else { format!("write `{key} = \"{}\"`", short(bare)) };
            self.desk.error(Code::InvalidText, *value_span, message, suggestion);
            return None;
        };
        Some(At { line: directive.line(), value: text.to_owned() })
    }

    /// A text, in double quotes or not.
    pub fn text(&mut self, directive: &Directive) -> Option<At<String>> {
        if directive.value.starts_with('"') {
            return self.quoted(directive);
        }
        Some(At { line: directive.line(), value: directive.value.clone() })
    }

    /// Words with commas between, in double quotes or not.
    pub fn list(&mut self, directive: &Directive) -> Option<At<Vec<String>>> {
        let text = self.text(directive)?;
        let words = text.value.split(',').map(str::trim).filter(|word| !word.is_empty());
        Some(At { line: text.line, value: words.map(str::to_owned).collect() })
    }

    /// `HOST[:PORT] [gate|masq|ipip]`.
    pub fn fallback(&mut self, directive: &Directive, family: Family) -> Option<At<Fallback>> {
        let span = directive.value_span;
        let mut words = directive.value.split_whitespace();
        let (host, port) = endpoint(words.next()?);
        let address = self.host(host, family, span);
        let port = port.map(|word| self.port(word, span));
        let method = match words.next() {
            None => Some(Forwarding::Dr),
            Some(word) => self.method(word, span),
        };
        if let Some(word) = words.next() {
            let message = format!("`{}` stands behind the server and its method", short(word));
            self.desk.error(Code::UnexpectedWord, span, message, "take it away");
        }
        let port = match port {
            Some(port) => Some(port?),
            None => None,
        };
        let value = Fallback { address: address?, port, method: method? };
        Some(At { line: directive.line(), value })
    }

    /// `gate`, `masq` or `ipip`.
    pub fn method(&mut self, word: &str, span: Span) -> Option<Forwarding> {
        match word {
            "gate" => Some(Forwarding::Dr),
            "masq" => Some(Forwarding::Nat),
            "ipip" => Some(Forwarding::Tun),
            _ => {
                let message = format!("the method is `{}`; expected `gate`, `masq` or `ipip`", short(word));
                let suggestion = nearest(word, ["gate", "masq", "ipip"].into_iter());
                self.desk.error(Code::InvalidChoice, span, message, suggestion);
                None
            }
        }
    }

    /// A port as a number or a name.
    pub fn port(&mut self, word: &str, span: Span) -> Option<u16> {
        let port = names::port(word);
        if port.is_none() {
            let message = format!(
                "the port is `{}`; expected a number up to 65535 or the common name of a service",
                short(word)
            );
            let suggestion = match names::similar(word) {
                Some((name, port)) => format!("did you mean `{name}` ({port})?"),
                None => format!("write the number that `getent services {}` tells", short(word)),
            };
            self.desk.error(Code::InvalidPort, span, message, suggestion);
        }
        port
    }

    /// An address, or the name of a host, which is looked up once and for all.
    pub fn host(&mut self, word: &str, family: Family, span: Span) -> Option<IpAddr> {
        if let Ok(address) = IpAddr::from_str(word) {
            if Family::of(address) == family {
                return Some(address);
            }
            let (is, other) = match family {
                Family::V4 => ("IPv4", "`virtual6`, `real6` and `fallback6`"),
                Family::V6 => ("IPv6", "`virtual`, `real` and `fallback`"),
            };
            let message = format!("{address} is no {is} address, and this line is for those");
            let suggestion = format!("the other family has {other}");
            self.desk.error(Code::FamilyMismatch, span, message, suggestion);
            return None;
        }
        let numeric = word.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ':'));
        if word.is_empty()
            || numeric
            || !word.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
        {
            let message = format!("`{}` is neither an address nor the name of a host", short(word));
            self.desk.error(Code::InvalidAddress, span, message, "");
            return None;
        }
        let Some(address) = (self.resolve)(word, family) else {
            let message = format!("the name `{}` has no address here", short(word));
            let suggestion = "write the address; ldirectord asks for it each time it starts";
            self.desk.error(Code::UndefinedName, span, message, suggestion);
            return None;
        };
        let text = format!(
            "`{word}` is {address} now, and that is written; ldirectord looks the name up each time it reads the file"
        );
        self.desk.report.say(span.line, Fate::Changed, text);
        Some(address)
    }

    /// One host, or with `->` all addresses from one to another.
    pub fn hosts(&mut self, word: &str, family: Family, span: Span) -> Option<Vec<IpAddr>> {
        let Some((first, last)) = word.split_once("->") else {
            return Some(vec![self.host(word, family, span)?]);
        };
        let (first, last) = (self.host(first, family, span), self.host(last, family, span));
        let (IpAddr::V4(first), IpAddr::V4(last)) = (first?, last?) else {
            let message = "a range is of IPv4 addresses only";
            self.desk.error(Code::InvalidAddress, span, message, "write a line for each server");
            return None;
        };
        let (start, end) = (u32::from(first), u32::from(last));
        if end < start || end - start >= LONGEST_RANGE {
            let message = format!(
                "the range from {first} to {last} is backward, or holds more than {LONGEST_RANGE} addresses"
            );
            self.desk.error(Code::OutOfRange, span, message, "");
            return None;
        }
        Some((start..=end).map(|bits| Ipv4Addr::from(bits).into()).collect())
    }
}

/// `HOST[:PORT]`, the host in brackets if it is an IPv6 address.
pub(super) fn endpoint(word: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = word.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match word.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (word, None),
    }
}

/// `did you mean …?`, or nothing if no word is near.
pub(super) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> String {
    let distance = |other: &str| strsim::damerau_levenshtein(word, other);
    let near = words.filter(|other| distance(other) <= 2).min_by_key(|other| distance(other));
    near.map(|near| format!("did you mean `{near}`?")).unwrap_or_default()
}

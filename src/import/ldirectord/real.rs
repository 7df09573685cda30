//! `real=`: a server, or a range of them, with all that stands behind it on the line.

use ipvs_backend::{Family, Forwarding, ServiceKey};

use super::model::Real;
use super::parse::{Directive, short};
use super::value::{Reader, endpoint};
use crate::config::Code;

/// Weights that our language knows.
const MAX_WEIGHT: u32 = 65_535;

/// `HOST[->HOST][:PORT] METHOD [WEIGHT] ["REQUEST", "RECEIVE"] [l:N] [u:N]`.
pub(super) fn real(
    directive: &Directive,
    family: Family,
    key: ServiceKey,
    reader: &mut Reader<'_>,
) -> Option<Real> {
    let span = directive.value_span;
    // The quoted texts first: they may hold anything.
    let mut pieces = directive.value.split('"');
    let mut bare = pieces.next().unwrap_or_default().to_owned();
    let mut texts = Vec::new();
    while let Some(text) = pieces.next() {
        texts.push(text.to_owned());
        bare.push(' ');
        bare.push_str(&pieces.next().unwrap_or_default().replace(',', " "));
    }
    if !matches!(texts.len(), 0 | 2) || directive.value.matches('"').count() % 2 == 1 {
        let message =
            "behind the server stand two texts in double quotes, what to ask and what to expect, or none";
        reader.desk.error(Code::InvalidText, span, message, "write \"REQUEST\", \"RECEIVE\"");
        return None;
    }
    let mut words = bare.split_whitespace();
    let (hosts, port) = endpoint(words.next()?);
    let addresses = reader.hosts(hosts, family, span);
    let port = match (port, key) {
        (Some(word), _) => reader.port(word, span),
        (None, ServiceKey::Mark { .. }) => Some(0),
        (None, ServiceKey::Address { port, .. }) => Some(port),
    };
    let Some(method) = words.next() else {
        let message = "the method is missing; expected `gate`, `masq` or `ipip` behind the server";
        reader.desk.error(
            Code::MissingValue,
            span,
            message,
            "`gate` is direct routing, `masq` address translation",
        );
        return None;
    };
    let method = reader.method(method, span);
    let mut out = Real {
        line: directive.line(),
        addresses: addresses?,
        port: port?,
        method: method.unwrap_or(Forwarding::Dr),
        weight: 1,
        request: None,
        receive: None,
        lower: None,
        upper: None,
    };
    for word in words {
        let number = |text: &str| text.parse::<u32>().ok();
        match word.split_once(':') {
            // An option of ipvsadm's, which ldirectord passes over.
            None if word == "-w" => {}
            Some(("l", text)) if number(text).is_some() => out.lower = number(text),
            Some(("u", text)) if number(text).is_some() => out.upper = number(text),
            None if number(word).is_some_and(|weight| weight <= MAX_WEIGHT) => {
                out.weight = number(word).unwrap_or(1);
            }
            _ => {
                let message = format!(
                    "`{}` is neither a weight up to {MAX_WEIGHT}, nor a limit like `u:100` or `l:80`",
                    short(word)
                );
                reader.desk.error(Code::UnexpectedWord, span, message, "");
            }
        }
    }
    let mut texts = texts.into_iter().map(|text| Some(text).filter(|text| !text.is_empty()));
    out.request = texts.next().flatten();
    out.receive = texts.next().flatten();
    Some(out)
}

//! `SMTP_CHECK`, `DNS_CHECK` and `UDP_CHECK`.

use healthcheck::spec::{check_domain, parse_payload, parse_reply};
use healthcheck::{Dns, Kind, Smtp, Udp};

use super::dialogue::Access;
use super::route::Route;
use crate::config::complaint::{Code, Reaction};
use crate::config::lower::context::{Context, Entry};

pub(super) fn smtp<'b>(
    context: &mut Context<'_>,
    block: &Entry<'b>,
    route: &mut Route,
    hosts: &mut Vec<Entry<'b>>,
) -> Kind {
    let mut smtp = Smtp::default();
    let mut access = Access::default();
    route.read(context, block, |context, entry| {
        match entry.name() {
            _ if access.take(context, entry) => {}
            "helo_name" => smtp.helo = context.text(entry).or(smtp.helo.take()),
            "host" => {
                context.at_most(entry, 0);
                hosts.push(*entry);
            }
            _ => return false,
        }
        true
    });
    (smtp.encryption, smtp.login) = access.finish(context);
    Kind::Smtp(smtp)
}

pub(super) fn dns(context: &mut Context<'_>, block: &Entry<'_>, route: &mut Route) -> Kind {
    let mut dns = Dns::default();
    route.read(context, block, |context, entry| {
        match entry.name() {
            "type" => {
                let record = context.choice_in_any_case(entry).and_then(|name| name.parse().ok());
                dns.record = record.unwrap_or(dns.record);
            }
            "name" => {
                if let Some(name) = domain(context, entry) {
                    dns.name = name;
                }
            }
            _ => return false,
        }
        true
    });
    Kind::Dns(dns)
}

fn domain(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let word = context.word(entry)?;
    // The root by another name.
    if word.text.is_empty() {
        return Some(".".to_owned());
    }
    if let Err(error) = check_domain(&word.text) {
        // Only an empty label is found by keepalived.
        let ignored = word.text.trim_end_matches('.').split('.').any(str::is_empty);
        let keepalived =
            Reaction::goes_on(if ignored { "the line is ignored" } else { "it is asked for as it stands" });
        context.error_but(Code::InvalidText, word.span, error.to_string(), None, keepalived);
        if ignored {
            return None;
        }
    }
    Some(word.text.clone())
}

pub(super) fn udp(context: &mut Context<'_>, block: &Entry<'_>, route: &mut Route) -> Kind {
    let mut udp = Udp::default();
    let mut place = block.span();
    route.read(context, block, |context, entry| {
        match entry.name() {
            "payload" => {
                context.first(entry);
                udp.payload = hexadecimal(context, entry, parse_payload).or(udp.payload.take());
            }
            // Without digits, or with wrong ones, any answer will do.
            "require_reply" => {
                udp.reply = Some(hexadecimal(context, entry, parse_reply).unwrap_or_default());
            }
            "min_reply_length" => {
                place = entry.span();
                udp.shortest = context.whole(entry).unwrap_or(udp.shortest);
            }
            "max_reply_length" => {
                place = entry.span();
                udp.longest = context.whole(entry).unwrap_or(udp.longest);
            }
            _ => return false,
        }
        true
    });
    if udp.shortest > udp.longest {
        let message = format!(
            "an answer must have at least {} bytes and at most {}: none ever passes",
            udp.shortest, udp.longest
        );
        let suggestion = Some("make `max_reply_length` larger".to_owned());
        let keepalived = Reaction::goes_on("both are used");
        context.error_but(Code::Conflict, place, message, suggestion, keepalived);
    }
    Kind::Udp(udp)
}

/// All words together; `None` if there are none.
fn hexadecimal<T>(
    context: &mut Context<'_>,
    entry: &Entry<'_>,
    parse: fn(&str) -> Result<Vec<T>, healthcheck::Error>,
) -> Option<Vec<T>> {
    let first = entry.words().first()?;
    let text: Vec<&str> = entry.words().iter().map(|word| word.text.as_str()).collect();
    match parse(&text.join(" ")) {
        Ok(bytes) if !bytes.is_empty() => Some(bytes),
        Ok(_) => {
            let message = format!("`{}` has no digits", entry.keyword.name);
            context.error_but(Code::InvalidText, first.span, message, None, without(entry));
            None
        }
        Err(error) => {
            context.error_but(Code::InvalidText, first.span, error.to_string(), None, without(entry));
            None
        }
    }
}

fn without(entry: &Entry<'_>) -> Reaction {
    Reaction::goes_on(match entry.name() {
        "require_reply" => "any answer will do",
        _ => "the line is ignored",
    })
}

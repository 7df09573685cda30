//! Directives → the typed file. What a directive can be, and in which part of the file, stands here.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipvs_backend::{Family, Protocol, Scheduler, ServiceKey};

use super::model::{At, CheckType, Common, File, Service, Virtual};
use super::parse::{Directive, Document, Section, short};
use super::real::real;
use super::rest;
use super::value::{Reader, endpoint, nearest};
use crate::config::Code;

/// The kernel's limit for persistence: 31 days.
const MAX_PERSISTENT: u32 = 31 * 86_400;
/// A day; nobody waits longer for a check.
const DAY: u32 = 86_400;
/// Directives of both parts; those of one part stand beside their `match`.
const COMMON: &[&str] = &[
    "checktimeout",
    "negotiatetimeout",
    "checkinterval",
    "checkcount",
    "failurecount",
    "fallback",
    "fallback6",
    "fallbackcommand",
    "quiescent",
    "cleanstop",
    "emailalert",
    "emailalertfreq",
    "emailalertstatus",
    "smtp",
];
const OF_SECTIONS: &[&str] = &[
    "real",
    "real6",
    "checktype",
    "service",
    "checkcommand",
    "checkport",
    "request",
    "receive",
    "httpmethod",
    "virtualhost",
    "login",
    "passwd",
    "database",
    "secret",
    "scheduler",
    "persistent",
    "netmask",
    "schedflags",
    "protocol",
    "ops",
];

/// Reads all directives.
pub(super) fn read(document: &Document, reader: &mut Reader<'_>) -> File {
    let mut file = File::default();
    for directive in &document.globals {
        match directive.key.as_str() {
            "fallback6" => file.fallback6 = reader.fallback(directive, Family::V6),
            "emailalertfrom" => file.from = reader.text(directive),
            _ if common(&mut file.common, directive, Family::V4, reader) => {}
            key if rest::GLOBAL.iter().any(|entry| entry.key == key) => {
                rest::check(directive, reader);
                file.rest.push(directive.clone());
            }
            _ => unknown(directive, false, reader),
        }
    }
    let mut seen: BTreeMap<ServiceKey, u32> = BTreeMap::new();
    for section in &document.sections {
        let Some(service) = virtual_server(section, reader) else { continue };
        if let Some(line) = seen.insert(service.key, service.line) {
            let message = format!("the virtual server {} stands on line {line} already", service.key);
            let span = section.head.span;
            reader.desk.error(
                Code::DuplicateService,
                span,
                message,
                "put the servers of both into one section",
            );
        }
        file.virtuals.push(service);
    }
    file
}

/// What both parts know; `false` if it is none of that.
fn common(out: &mut Common, directive: &Directive, family: Family, reader: &mut Reader<'_>) -> bool {
    match directive.key.as_str() {
        "checktimeout" => out.checktimeout = reader.number(directive, 1, DAY),
        "negotiatetimeout" => out.negotiatetimeout = reader.number(directive, 1, DAY),
        "checkinterval" => out.checkinterval = reader.number(directive, 1, DAY),
        "checkcount" => out.checkcount = reader.number(directive, 1, 1_000),
        "failurecount" => out.failurecount = reader.number(directive, 1, 1_000),
        "fallback" if family == Family::V4 => out.fallback = reader.fallback(directive, family),
        "fallback6" if family == Family::V6 => out.fallback = reader.fallback(directive, family),
        "fallbackcommand" => out.fallbackcommand = reader.text(directive),
        "quiescent" => out.quiescent = reader.yes_no(directive),
        "cleanstop" => out.cleanstop = reader.yes_no(directive),
        "emailalert" => out.emailalert = reader.list(directive),
        "emailalertfreq" => out.emailalertfreq = reader.number(directive, 0, u32::MAX),
        "emailalertstatus" => out.emailalertstatus = statuses(directive, reader),
        "smtp" => out.smtp = reader.text(directive),
        _ => return false,
    }
    true
}

fn statuses(directive: &Directive, reader: &mut Reader<'_>) -> Option<At<Vec<String>>> {
    const KNOWN: [&str; 6] = ["all", "none", "starting", "running", "stopping", "reloading"];
    let list = reader.list(directive)?;
    if let Some(odd) = list.value.iter().find(|word| !KNOWN.contains(&word.as_str())) {
        let message = format!("`emailalertstatus` has `{}`; expected {}", short(odd), KNOWN.join(", "));
        let span = directive.value_span;
        reader.desk.error(Code::InvalidChoice, span, message, nearest(odd, KNOWN.into_iter()));
        return None;
    }
    Some(list)
}

fn unknown(directive: &Directive, section: bool, reader: &mut Reader<'_>) {
    let key = directive.key.as_str();
    let known = |words: &[&str]| words.contains(&key);
    let rest = |part: &[rest::Entry]| part.iter().any(|entry| entry.key == key);
    let (code, message, suggestion) = if matches!(key, "timeout" | "connecttimeout") {
        let message = format!("`{key}` is an old name, which ldirectord refuses as well");
        (
            Code::UnknownKeyword,
            message,
            "say `negotiatetimeout`, and `checktimeout` for the other checks".to_owned(),
        )
    } else if section && matches!(key, "fallback" | "fallback6" | "real" | "real6") {
        let message = format!("`{key}` is of the other address family than its section");
        (
            Code::FamilyMismatch,
            message,
            "`fallback` and `real` go with `virtual`, `fallback6` and `real6` with `virtual6`".to_owned(),
        )
    } else if section && (rest(rest::GLOBAL) || key == "emailalertfrom") {
        let message = format!("`{key}` holds for all sections and belongs to none");
        (
            Code::MisplacedKeyword,
            message,
            "begin the line in column one, before the first `virtual=`".to_owned(),
        )
    } else if !section && (known(OF_SECTIONS) || rest(rest::SECTION)) {
        let message = format!("`{key}` belongs to a section");
        (
            Code::MisplacedKeyword,
            message,
            "indent it by a tab or four blanks, below its `virtual=`".to_owned(),
        )
    } else {
        let of_part = if section { OF_SECTIONS } else { &["emailalertfrom", "virtual", "virtual6"] };
        let part = if section { rest::SECTION } else { rest::GLOBAL };
        let all = COMMON.iter().chain(of_part).copied().chain(part.iter().map(|entry| entry.key));
        (Code::UnknownKeyword, format!("ldirectord knows no `{}` here", short(key)), nearest(key, all))
    };
    reader.desk.error(code, directive.span, message, suggestion);
}

/// A section. Ports are known by the end only: names of services may depend on the protocol.
fn virtual_server(section: &Section, reader: &mut Reader<'_>) -> Option<Virtual> {
    let Section { head, body } = section;
    let family = if head.key == "virtual6" { Family::V6 } else { Family::V4 };
    let key = service_key(head, family, body, reader);
    let mut out = Virtual {
        // Without a key the section is still read, for its complaints.
        key: key.unwrap_or(ServiceKey::Mark { family, mark: 0 }),
        line: head.line(),
        common: Common::default(),
        reals: Vec::new(),
        checktype: None,
        service: None,
        checkcommand: None,
        checkport: None,
        request: None,
        receive: None,
        head: None,
        virtualhost: None,
        login: None,
        passwd: None,
        database: None,
        secret: None,
        scheduler: None,
        persistent: None,
        netmask: None,
        schedflags: None,
        protocol: None,
        ops: None,
        rest: Vec::new(),
    };
    for directive in body {
        let known = common(&mut out.common, directive, family, reader)
            || of_section(&mut out, directive, family, reader);
        if !known && rest::SECTION.iter().any(|entry| entry.key == directive.key) {
            rest::check(directive, reader);
            out.rest.push(directive.clone());
        } else if !known {
            unknown(directive, true, reader);
        }
    }
    key.map(|_| out)
}

fn of_section(out: &mut Virtual, directive: &Directive, family: Family, reader: &mut Reader<'_>) -> bool {
    match directive.key.as_str() {
        "real" if family == Family::V4 => out.reals.extend(real(directive, family, out.key, reader)),
        "real6" if family == Family::V6 => out.reals.extend(real(directive, family, out.key, reader)),
        "checktype" => out.checktype = checktype(directive, reader),
        "service" => out.service = reader.choice(directive, Service::WORDS),
        "checkcommand" => out.checkcommand = reader.text(directive),
        "checkport" => {
            let port = reader.number(directive, 1, 65_535);
            let narrow = |said: At<u32>| Some(At { line: said.line, value: u16::try_from(said.value).ok()? });
            out.checkport = port.and_then(narrow);
        }
        "request" => out.request = reader.quoted(directive),
        "receive" => out.receive = reader.quoted(directive),
        "httpmethod" => {
            let words = [("GET", false), ("HEAD", true), ("get", false), ("head", true)];
            out.head = reader.choice(directive, &words);
        }
        "virtualhost" => out.virtualhost = virtualhost(directive, reader),
        "login" => out.login = reader.quoted(directive),
        "passwd" => out.passwd = reader.quoted(directive),
        "database" => out.database = reader.quoted(directive),
        "secret" => out.secret = reader.quoted(directive),
        "scheduler" => out.scheduler = scheduler(directive, reader),
        "persistent" => out.persistent = reader.number(directive, 0, MAX_PERSISTENT),
        "netmask" => out.netmask = netmask(directive, family, reader),
        "schedflags" => out.schedflags = schedflags(directive, reader),
        "protocol" => out.protocol = Some(directive.line()),
        "ops" => out.ops = reader.yes_no(directive),
        _ => return false,
    }
    true
}

/// `ADDRESS:PORT`, or a number, which is a mark of the packet filter.
fn service_key(
    head: &Directive,
    family: Family,
    body: &[Directive],
    reader: &mut Reader<'_>,
) -> Option<ServiceKey> {
    let said = body.iter().rfind(|directive| directive.key == "protocol");
    let span = head.value_span;
    if head.value.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Some(said) = said.filter(|said| said.value != "fwm") {
            let message = "the section is for a mark (a number), and its protocol is `fwm`";
            reader.desk.error(
                Code::InvalidChoice,
                said.value_span,
                message,
                "say `protocol = fwm`, or nothing",
            );
        }
        let mark = head.value.parse().ok().filter(|mark| *mark > 0);
        if mark.is_none() {
            let message = "a mark is a number from 1 to 4294967295";
            reader.desk.error(Code::OutOfRange, span, message, "");
        }
        return Some(ServiceKey::Mark { family, mark: mark? });
    }
    let (host, port) = endpoint(&head.value);
    let address = reader.host(host, family, span);
    let Some(port) = port else {
        let message = format!("`{}` has no port", short(&head.value));
        reader.desk.error(
            Code::MissingValue,
            span,
            message,
            "write `virtual=ADDRESS:PORT`, or the number of a mark",
        );
        return None;
    };
    let port = reader.port(port, span);
    let protocol = match said {
        Some(said) => reader.choice(said, &[("tcp", Protocol::Tcp), ("udp", Protocol::Udp)])?.value,
        None if port == Some(53) => Protocol::Udp,
        None => Protocol::Tcp,
    };
    Some(ServiceKey::Address { protocol, address: address?, port: port? })
}

/// A word, or a number: one check by negotiation, and then so many by connecting.
fn checktype(directive: &Directive, reader: &mut Reader<'_>) -> Option<At<CheckType>> {
    match directive.value.parse() {
        Ok(0) => Some(At { line: directive.line(), value: CheckType::Negotiate }),
        Ok(connects) => Some(At { line: directive.line(), value: CheckType::Combined(connects) }),
        Err(_) => reader.choice(directive, &CheckType::WORDS),
    }
}

fn virtualhost(directive: &Directive, reader: &mut Reader<'_>) -> Option<At<String>> {
    let host = reader.text(directive)?;
    if let Err(error) = healthcheck::spec::check_virtualhost(&host.value) {
        reader.desk.error(Code::InvalidText, directive.value_span, error.to_string(), "");
        return None;
    }
    Some(host)
}

fn scheduler(directive: &Directive, reader: &mut Reader<'_>) -> Option<At<String>> {
    let words = Scheduler::KNOWN.map(|name| (name, name));
    let known = reader.choice(directive, &words)?;
    Some(At { line: known.line, value: known.value.to_owned() })
}

fn netmask(directive: &Directive, family: Family, reader: &mut Reader<'_>) -> Option<At<String>> {
    let Directive { value, value_span, .. } = directive;
    let good = match family {
        Family::V4 => Ipv4Addr::from_str(value).is_ok_and(|mask| !mask.is_unspecified()),
        Family::V6 => value.parse::<u8>().is_ok_and(|prefix| (1..=128).contains(&prefix)),
    };
    if !good {
        let message = format!(
            "`netmask` is `{}`; expected a mask like 255.255.255.0, with `virtual6` a number from 1 to 128",
            short(value)
        );
        reader.desk.error(Code::InvalidPrefix, *value_span, message, "");
    }
    good.then(|| At { line: directive.line(), value: value.clone() })
}

fn schedflags(directive: &Directive, reader: &mut Reader<'_>) -> Option<At<Vec<String>>> {
    let list = reader.list(directive)?;
    let known = &crate::import::SCHEDULER_FLAGS;
    if let Some(odd) = list.value.iter().find(|word| !known.contains(&word.as_str())) {
        let message = format!("`schedflags` has `{}`; expected {}", short(odd), known.join(", "));
        let suggestion = nearest(odd, known.iter().copied());
        reader.desk.error(Code::InvalidChoice, directive.value_span, message, suggestion);
        return None;
    }
    Some(list)
}

//! A server of a section → `real_server` with its check.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipvs_backend::{Forwarding, Protocol, ServiceKey};

use super::check::{Check, Kind};
use super::model::{Real, Service, Virtual};
use super::{dialogue, handshake, value};
use crate::config::Code;
use crate::import::statement::Statements;
use crate::import::{Desk, Fate};

/// Seconds that a check may take: keepalived counts microseconds in 32 bits. An hour and more is as good as never.
const LONGEST: u32 = 4_294;

/// The block of one server, whose port in the table is `port`.
pub(super) fn server(
    real: &Real,
    address: IpAddr,
    port: u16,
    (method, off, silent): (Forwarding, bool, bool),
    check: &Check,
    desk: &mut Desk,
) -> Statements {
    let mut out = Statements::default();
    out.value("weight", if off { 0 } else { real.weight });
    if real.method != method {
        out.value("lvs_method", real.method);
    }
    if let Some(limit) = real.upper {
        out.value("uthreshold", limit);
    }
    if let Some(limit) = real.lower {
        out.value("lthreshold", limit);
    }
    if silent {
        out.value("smtp_alert", "off");
    }
    check_of(check, real, address, port, &mut out, desk);
    out
}

/// Appends the check.
fn check_of(
    check: &Check<'_>,
    real: &Real,
    address: IpAddr,
    port: u16,
    out: &mut Statements,
    desk: &mut Desk,
) {
    let mut inside = Statements::default();
    let nothing: [&str; 0] = [];
    let keyword = match &check.kind {
        Kind::None => return,
        Kind::Ping => "PING_CHECK",
        Kind::Command(command) => {
            inside.value("misc_path", call(command, check.service, real, address));
            inside.value("misc_timeout", check.timeout.min(LONGEST));
            once(check, &mut inside);
            return out.block("MISC_CHECK", nothing, inside);
        }
        Kind::Tcp => "TCP_CHECK",
        Kind::Udp => "UDP_CHECK",
        Kind::Smtp => "SMTP_CHECK",
        Kind::Dns => "DNS_CHECK",
        Kind::Http | Kind::Proxy => "HTTP_GET",
        Kind::Ftp => "FTP_CHECK",
        Kind::Imap { .. } => "IMAP_CHECK",
        Kind::Pop { .. } => "POP3_CHECK",
        Kind::Nntp => "NNTP_CHECK",
        Kind::Sip => "SIP_CHECK",
        Kind::Text => "TEXT_CHECK",
        Kind::Https => "SSL_GET",
        Kind::Ldap { .. } => "LDAP_CHECK",
        Kind::Mysql => "MYSQL_CHECK",
        Kind::Pgsql => "PGSQL_CHECK",
        Kind::Radius => "RADIUS_CHECK",
        Kind::Oracle => "ORACLE_CHECK",
    };
    let mut target = SocketAddr::new(address, check_port(check.service, real));
    if check.kind == Kind::Dns {
        let (kind, name) = question(check.service, real);
        inside.value("type", kind);
        inside.value("name", name);
    }
    if check.kind == Kind::Https {
        // ldirectord believes any certificate.
        inside.value("verify", "off");
    }
    dialogue::write(check, real, &mut inside);
    handshake::write(check, real, &mut inside);
    if matches!(check.kind, Kind::Http | Kind::Https | Kind::Proxy) {
        page(check.service, real, &mut target, &mut inside, desk);
    }
    if !matches!(check.kind, Kind::Ping) {
        if target.port() == 0 {
            let span = desk.line_span(real.line);
            let message =
                "there is no port to check: neither the server, nor `checkport`, nor `service` tells one";
            desk.error(Code::MissingValue, span, message, "add `checkport = PORT` to the section");
        }
        if target.ip() != address {
            inside.value("connect_ip", target.ip());
        }
        if target.port() != port || target.ip() != address {
            inside.value("connect_port", target.port());
        }
    }
    let asked =
        Statements(inside.0.iter().filter(|line| line.keyword.starts_with("connect_")).cloned().collect());
    if let Some(connects) = check.connects {
        inside.value("delay_loop", u64::from(check.interval) * (u64::from(connects) + 1));
    }
    once(check, &mut inside);
    out.block(keyword, nothing, inside);
    if check.connects.is_some() {
        connects(check, asked, out);
    }
}

/// The check that only connects, beside one that negotiates; to a server of UDP ldirectord pings instead.
fn connects(check: &Check<'_>, mut inside: Statements, out: &mut Statements) {
    let udp = matches!(check.service.key, ServiceKey::Address { protocol: Protocol::Udp, .. });
    if udp {
        inside.0.retain(|line| line.keyword != "connect_port");
    }
    once(check, &mut inside);
    out.block(if udp { "PING_CHECK" } else { "TCP_CHECK" }, [] as [&str; 0], inside);
}

/// One failure is enough: of all levels keepalived takes `retry 0` here only.
fn once(check: &Check<'_>, out: &mut Statements) {
    if check.attempts <= 1 {
        out.value("retry", 0);
    }
}

fn check_port(service: &Virtual, real: &Real) -> u16 {
    let own = Some(real.port).filter(|port| *port > 0);
    let said = service.checkport.as_ref().map(|said| said.value);
    said.or(own).unwrap_or_else(|| service.negotiated().port())
}

/// The command with ldirectord's arguments: virtual address or mark, virtual port, real address, real port.
fn call(command: &str, service: &Virtual, real: &Real, address: IpAddr) -> String {
    let bracketed = |address: IpAddr| match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let target = match service.key {
        ServiceKey::Address { address, .. } => bracketed(address),
        ServiceKey::Mark { mark, .. } => mark.to_string(),
    };
    format!("{command} {target} {} {} {}", service.port(), bracketed(address), real.port)
}

/// The type and name that a name server is asked for. What looks like an address was looked up backward.
fn question(service: &Virtual, real: &Real) -> (&'static str, String) {
    let request = real.request.as_ref().or(service.request.as_ref().map(|said| &said.value));
    let name = request.map_or("", String::as_str).trim_start_matches('/');
    match IpAddr::from_str(name) {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            ("SOA", format!("{d}.{c}.{b}.{a}.in-addr.arpa"))
        }
        Ok(IpAddr::V6(address)) => {
            let digits = format!("{:032x}", u128::from(address));
            let reversed: Vec<String> = digits.chars().rev().map(String::from).collect();
            ("SOA", format!("{}.ip6.arpa", reversed.join(".")))
        }
        Err(_) if name.is_empty() => ("A", ".".to_owned()),
        Err(_) => ("A", name.to_owned()),
    }
}

/// `url { … }`. A server's own request may be a whole URL, and then that is fetched wherever it lies.
fn page(service: &Virtual, real: &Real, target: &mut SocketAddr, out: &mut Statements, desk: &mut Desk) {
    let own = real.request.as_deref();
    let request = own.or(service.request.as_ref().map(|said| said.value.as_str())).unwrap_or("/");
    let line = match (own, &service.request) {
        (None, Some(said)) => said.line,
        _ => real.line,
    };
    let mut host = service.virtualhost.as_ref().map(|said| said.value.clone());
    let mut path = request;
    let trimmed = request.trim_start_matches('/');
    if service.negotiated() == Service::HttpProxy {
        return proxied(trimmed, service, real, (host, line), out, desk);
    }
    let whole =
        trimmed.strip_prefix("http://").or(trimmed.strip_prefix("https://")).filter(|_| own.is_some());
    if let Some(rest) = whole {
        let (authority, behind) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        path = behind;
        let (name, port) = value::endpoint(authority);
        let port = port.and_then(|port| port.parse().ok()).unwrap_or(service.negotiated().port());
        match IpAddr::from_str(name) {
            Ok(address) => *target = SocketAddr::new(address, port),
            Err(_) => {
                let text = format!(
                    "the server itself is asked, as `{name}`; ldirectord fetched the page wherever that is"
                );
                desk.report.say(real.line, Fate::Changed, text);
                host = host.or_else(|| Some(name.to_owned()));
            }
        }
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    url(path, host, service, real, line, out, desk);
}

/// A page that is asked for by way of the server: its whole address.
fn proxied(
    request: &str,
    service: &Virtual,
    real: &Real,
    (host, line): (Option<String>, u32),
    out: &mut Statements,
    desk: &mut Desk,
) {
    let path = match request.starts_with("http://") {
        true => request.to_owned(),
        false => format!("http://{}/{request}", host.as_deref().unwrap_or("localhost")),
    };
    url(path, host, service, real, line, out, desk);
}

fn url(
    path: String,
    host: Option<String>,
    service: &Virtual,
    real: &Real,
    line: u32,
    out: &mut Statements,
    desk: &mut Desk,
) {
    if let Err(error) = healthcheck::spec::check_path(&path) {
        let span = desk.line_span(line);
        desk.error(
            Code::InvalidText,
            span,
            error.to_string(),
            "write odd signs as `%` and two hexadecimal digits",
        );
    }
    let mut url = Statements::default();
    url.value("path", path);
    if service.is_head() && !service.expects() {
        url.value("method", "HEAD");
    }
    if let Some(host) = host {
        url.value("virtualhost", host);
    }
    let receive = if real.request.is_some() {
        real.receive.as_ref()
    } else {
        service.receive.as_ref().map(|said| &said.value)
    };
    if let Some(pattern) = receive {
        url.value("regex", pattern);
    }
    out.block("url", [] as [&str; 0], url);
}

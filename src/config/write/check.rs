//! The checks of a real server as statements.
//!
//! Each says itself what it inherits in most files, so that it reads the same wherever it stands.

mod handshake;

use std::time::Duration;

use healthcheck::spec::MaskedByte;
use healthcheck::{
    Check, Grpc, Header, Http, HttpVersion, Kind, Latency, Method, Pattern, Program, Schedule, Sni,
    StatusRanges, Tls, Url,
};
use ipvs_backend::DestinationKey;

use super::Lines;
use super::command::command_line;
use super::dialogue;
use crate::config::{BfdCheck, FileCheck, PlannedCheck, RealServer, Thing};

/// The check of the address of a service.
pub(super) fn vip(check: &Check, out: &mut Lines) {
    let vip = DestinationKey::new(check.target.ip(), check.target.port());
    out.block("vip_check", [], None, |lines| {
        lines.block(&check.kind.to_string(), [], None, |lines| network(vip, check, false, lines));
    });
}

/// All checks of a server. `thing` names them by number: attempts come first.
pub(super) fn write(
    key: DestinationKey,
    server: &RealServer,
    thing: impl Fn(usize) -> Thing,
    out: &mut Lines,
) {
    for (number, check) in server.checks.iter().enumerate() {
        out.block(&check.kind.to_string(), [], Some(thing(number)), |lines| {
            network(key, check, server.alpha, lines)
        });
    }
    for (number, check) in server.planned.iter().enumerate() {
        let thing = thing(server.checks.len() + number);
        out.block(&check.to_string(), [], Some(thing), |lines| match &**check {
            PlannedCheck::File(check) => file(check, lines),
            PlannedCheck::Bfd(check) => bfd(check, server.alpha, lines),
        });
    }
}

fn network(key: DestinationKey, check: &Check, alpha_around: bool, lines: &mut Lines) {
    match &check.kind {
        Kind::Http(http) => {
            web(http, lines);
            lines.unless("fast_recovery", check.schedule.fast_recovery, false);
        }
        Kind::Smtp(smtp) => {
            lines.some("helo_name", smtp.helo.as_deref());
            dialogue::access(&smtp.encryption, smtp.login.as_ref(), lines);
        }
        Kind::Dialogue(dialogue) => dialogue::write(dialogue, lines),
        Kind::Dns(dns) => {
            lines.unless("type", dns.record.to_string(), "SOA".to_owned());
            lines.unless("name", dns.name.as_str(), ".");
        }
        Kind::Udp(udp) => {
            lines.some("payload", udp.payload.as_ref().map(|bytes| plain_digits(bytes)));
            if let Some(reply) = &udp.reply {
                lines.say("require_reply", (!reply.is_empty()).then(|| digits(reply)));
            }
            lines.unless("min_reply_length", udp.shortest, 0);
            lines.unless("max_reply_length", udp.longest, 255);
        }
        Kind::Command(program) => {
            command(program, lines);
            rhythm(check, alpha_around, lines);
            return;
        }
        Kind::Grpc(settings) => grpc(settings, lines),
        Kind::Tcp | Kind::Ping => {}
        kind => handshake::write(kind, lines),
    }
    // The rest is found out again.
    let direct = check.via.as_ref().and_then(|via| via.direct);
    lines.flag("via_ipvs", direct.is_some());
    lines.some("proxy_protocol", check.proxy.map(|header| header.to_string()));
    let (target, mark) = (direct.unwrap_or(check.target), check.mark);
    // Through the table only the service can be asked.
    if direct.is_none() {
        lines.unless("connect_ip", target.ip(), key.address);
    }
    // Port 0 cannot be said: neither the server nor the check has one.
    if target.port() != 0 && direct.is_none() {
        lines.unless("connect_port", target.port(), key.port);
    }
    if let Some(source) = check.source {
        lines.some("bindto", Some(source.ip()).filter(|address| !address.is_unspecified()));
        lines.some("bind_port", Some(source.port()).filter(|port| *port > 0));
    }
    lines.some("bind_if", check.device.as_deref());
    lines.some("fwmark", Some(mark).filter(|mark| *mark > 0));
    lines.unless("connect_timeout", check.connect_timeout, Duration::from_secs(5));
    rhythm(check, alpha_around, lines);
}

fn rhythm(check: &Check, alpha_around: bool, lines: &mut Lines) {
    let Schedule { interval, retry, delay_before_retry, alpha, warmup, rise, latency, .. } = check.schedule;
    let usual = check.kind.schedule(interval);
    lines.unless("delay_loop", interval, Schedule::default().interval);
    lines.unless("retry", retry, usual.retry);
    lines.unless("rise", rise.max(1), usual.rise);
    lines.unless("delay_before_retry", delay_before_retry, usual.delay_before_retry);
    lines.some("warmup", warmup);
    lines.unless("alpha", alpha, alpha_around);
    let Latency { most, warn } = latency;
    lines.some("max_latency", most.map(|time| time.as_millis().to_string()));
    lines.some("warn_latency", warn.map(|time| time.as_millis().to_string()));
    lines.some("log_all_failures", check.log_all_failures);
}

fn web(http: &Http, lines: &mut Lines) {
    lines.some("virtualhost", http.virtualhost.as_deref());
    let version = match http.protocol {
        HttpVersion::Http10 => "1.0",
        HttpVersion::Http10Close => "1.0C",
        HttpVersion::Http11 => "1.1",
        HttpVersion::Http2 => "2",
    };
    lines.unless("http_protocol", version, "1.0");
    if let Some(login) = &http.login {
        lines.value("login", login.name.as_str());
        lines.value("password", login.password.reveal());
    }
    headers(&http.headers, lines);
    if let Some(tls) = &http.tls {
        secure(tls, lines);
    }
    for page in &http.urls {
        lines.block("url", [], None, |lines| url(page, lines));
    }
}

fn headers(headers: &[Header], lines: &mut Lines) {
    for header in headers {
        lines.value("header", format!("{}: {}", header.name, header.value.reveal()));
    }
}

fn secure(tls: &Tls, lines: &mut Lines) {
    lines.say("verify", (!tls.verify).then(|| "off".to_owned()));
    match &tls.sni {
        Sni::Name(name) => lines.value("sni_name", name.as_str()),
        sni => lines.flag("enable_sni", *sni == Sni::VirtualHost),
    }
    lines.some("expiry_days", tls.expiry_days);
}

fn grpc(grpc: &Grpc, lines: &mut Lines) {
    lines.some("service", Some(grpc.service.as_str()).filter(|service| !service.is_empty()));
    lines.some("virtualhost", grpc.virtualhost.as_deref());
    if let Some(tls) = &grpc.tls {
        lines.flag("tls", true);
        secure(tls, lines);
    }
}

fn url(url: &Url, lines: &mut Lines) {
    lines.value("path", url.path.as_str());
    lines.unless("method", url.method.as_str(), Method::Get.as_str());
    headers(&url.headers, lines);
    lines.some("body", url.body.as_ref().map(|body| body.reveal()));
    for assertion in &url.json {
        lines.say("json", assertion.words());
    }
    if url.status != StatusRanges::default() {
        lines.say("status_code", url.status.ranges().iter().map(ToString::to_string));
    }
    lines.some("digest", url.digest.map(|digest| plain_digits(&digest)));
    lines.some("virtualhost", url.virtualhost.as_deref());
    if let Some(pattern) = &url.pattern {
        search(pattern, lines);
    }
    lines.flag("tls_compliant", url.close_notify);
}

pub(super) fn search(pattern: &Pattern, lines: &mut Lines) {
    lines.value("regex", pattern.text.as_str());
    lines.flag("regex_no_match", pattern.absent);
    if !pattern.options.is_empty() {
        lines.say("regex_options", pattern.options.iter().map(ToString::to_string));
    }
    lines.unless("regex_min_offset", pattern.min_offset, 0);
    lines.some("regex_max_offset", pattern.max_offset);
    if let Some((start, most)) = pattern.stack {
        lines.say("regex_stack", [start.to_string(), most.to_string()]);
    }
}

fn command(program: &Program, lines: &mut Lines) {
    lines.value("misc_path", command_line(&program.words));
    if let Some(user) = &program.user {
        lines.say("user", [user].into_iter().chain(&program.group).cloned());
    }
    lines.some("misc_timeout", program.timeout);
    lines.flag("misc_dynamic", program.dynamic);
}

fn file(check: &FileCheck, lines: &mut Lines) {
    lines.value("track_file", check.track_file.as_str());
    if let Some(weight) = check.weight {
        let reverse = weight.reverse.then(|| "reverse".to_owned());
        lines.say("weight", [weight.factor.to_string()].into_iter().chain(reverse));
    }
}

fn bfd(check: &BfdCheck, alpha_around: bool, lines: &mut Lines) {
    lines.value("name", check.name.as_str());
    lines.unless("alpha", check.alpha, alpha_around);
}

fn digits(bytes: &[MaskedByte]) -> String {
    bytes.iter().map(ToString::to_string).collect()
}

fn plain_digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! A section → `virtual_server` with its `real_server`s.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipvs_backend::{Family, Forwarding, Protocol, ServiceKey};

use super::check::Check;
use super::mail::Mail;
use super::model::{At, CheckType, Common, Fallback, File, Real, Virtual};
use super::server::server;
use super::{Patience, either, rest};
use crate::import::statement::Statements;
use crate::import::{Desk, Fate, Report};

/// What became of the directives that hold for all sections, the mail's apart.
pub(super) fn common(file: &File, report: &mut Report) {
    tell(&file.common, report);
    for directive in &file.rest {
        if let Some((fate, text)) = rest::fate(directive) {
            report.say(directive.line(), fate, text);
        }
    }
    let fallbacks = [(&file.common.fallback, Family::V4), (&file.fallback6, Family::V6)];
    for (fallback, family) in fallbacks {
        let Some(said) = fallback else { continue };
        let uses = |service: &&Virtual| service.key.family() == family && service.common.fallback.is_none();
        let (marks, addresses): (Vec<_>, Vec<_>) =
            file.virtuals.iter().filter(uses).partition(|s| s.is_mark());
        if !addresses.is_empty() {
            report.say(said.line, Fate::Translated, "`sorry_server` of each virtual server without its own");
        }
        if !marks.is_empty() {
            let text =
                "it is the `sorry_server` of marks too; ldirectord put a server without an address there";
            report.say(said.line, Fate::Trap, text);
        }
        if marks.is_empty() && addresses.is_empty() {
            report.say(said.line, Fate::Dropped, "every virtual server has a fallback of its own");
        }
    }
}

/// What holds for everything, the mail apart.
pub(super) fn globals(file: &File) -> Statements {
    let mut out = Statements::default();
    let said = file.rest.iter().rfind(|directive| directive.key == "maintenancedir");
    if let Some(directory) = said.filter(|said| !said.value.is_empty()) {
        out.value("maintenance_dir", directory.value.trim_matches('"'));
    }
    out
}

/// What became of the directives that both levels know.
fn tell(common: &Common, report: &mut Report) {
    let mut say = |line: Option<u32>, text: &str| {
        if let Some(line) = line {
            report.say(line, Fate::Translated, text);
        }
    };
    let line = |said: &Option<At<u32>>| said.as_ref().map(|said| said.line);
    say(line(&common.checktimeout), "`connect_timeout`, or `misc_timeout`, of checks that do not negotiate");
    say(line(&common.negotiatetimeout), "`connect_timeout` of checks that negotiate");
    say(line(&common.failurecount), "`retry`, which is one less: it counts what follows the first failure");
    say(common.fallbackcommand.as_ref().map(|said| said.line), "`quorum_down` and `quorum_up`");
    if let Some(said) = &common.fallbackcommand {
        let text = "at the start it is run when servers turn out to be down, not before they were checked";
        report.say(said.line, Fate::Changed, text);
    }
    if let Some(said) = &common.quiescent {
        let text = if said.value {
            "`inhibit_on_failure`"
        } else {
            "without `inhibit_on_failure` a server that is down is removed"
        };
        report.say(said.line, Fate::Translated, text);
    }
    if let Some(said) = &common.cleanstop {
        let (fate, text) = match said.value {
            true => (Fate::Translated, "at the end virtual servers are removed, as always"),
            false => {
                (Fate::Dropped, "at the end virtual servers are removed; a reload does not touch what stays")
            }
        };
        report.say(said.line, fate, text);
    }
}

/// One section.
pub(super) fn write(file: &File, service: &Virtual, mail: &Mail, out: &mut Statements, desk: &mut Desk) {
    let patience = Patience::of(file, service);
    tell(&service.common, &mut desk.report);
    intervals(file, service, desk);
    let method = usual_method(service);
    let check = Check::of(service, &patience, desk);
    let mut inside = Statements::default();
    head(service, method, &mut inside, desk);
    times(&patience, &check, &mut inside);
    let quiescent =
        *either(service.common.quiescent.as_ref(), file.common.quiescent.as_ref()).unwrap_or(&false);
    if quiescent {
        inside.flag("inhibit_on_failure");
    }
    if mail.silences(file, service) {
        inside.value("smtp_alert", "off");
    }
    commands(file, service, &mut inside);
    // A section that is off serves its fallback for good, and nothing else.
    let off = service.check() == CheckType::Off;
    let mut seen: BTreeSet<(IpAddr, u16)> = BTreeSet::new();
    if let Some(fallback) = fallback(file, service) {
        let (address, port) = (fallback.address, fallback_port(service, fallback, desk));
        if off {
            seen.insert((address, port));
            let mut alone = Statements::default();
            alone.value("lvs_method", fallback.method);
            inside.block("real_server", endpoint(address, port), alone);
        } else {
            inside.say("sorry_server", endpoint(address, port));
            if fallback.method != method {
                inside.value("sorry_server_lvs_method", fallback.method);
            }
        }
    }
    for real in &service.reals {
        for address in &real.addresses {
            let port = real_port(service, real, desk);
            if !seen.insert((*address, port)) {
                let text = format!("{address} port {port} is there already, and the first one holds");
                desk.report.say(real.line, Fate::Dropped, text);
                continue;
            }
            let silent = mail.silences(file, service);
            let server = server(real, *address, port, (method, off, silent), &check, desk);
            inside.block("real_server", endpoint(*address, port), server);
        }
        if real.addresses.len() > 1 {
            let text = format!("{} `real_server`s", real.addresses.len());
            desk.report.say(real.line, Fate::Translated, text);
        } else {
            desk.report.say(real.line, Fate::Translated, "`real_server`");
        }
    }
    let words = match service.key {
        ServiceKey::Address { address, port, .. } => endpoint(address, port),
        ServiceKey::Mark { mark, .. } => vec!["fwmark".to_owned(), mark.to_string()],
    };
    desk.report.say(service.line, Fate::Translated, format!("`virtual_server {}`", words.join(" ")));
    out.block("virtual_server", words, inside);
}

fn endpoint(address: IpAddr, port: u16) -> Vec<String> {
    match port {
        0 => vec![address.to_string()],
        port => vec![address.to_string(), port.to_string()],
    }
}

/// What most servers have; it is said once for all.
fn usual_method(service: &Virtual) -> Forwarding {
    let count = |method: Forwarding| service.reals.iter().filter(|real| real.method == method).count();
    let usual = [Forwarding::Dr, Forwarding::Nat, Forwarding::Tun]
        .into_iter()
        .rev()
        .max_by_key(|method| count(*method));
    usual.unwrap_or(Forwarding::Dr)
}

fn head(service: &Virtual, method: Forwarding, out: &mut Statements, desk: &mut Desk) {
    let report = &mut desk.report;
    match service.key {
        ServiceKey::Address { protocol, .. } => out.value("protocol", protocol.to_string().to_uppercase()),
        ServiceKey::Mark { family: Family::V6, .. } => out.value("ip_family", "inet6"),
        ServiceKey::Mark { .. } => {}
    }
    if let Some(line) = service.protocol {
        report.say(
            line,
            Fate::Translated,
            if service.is_mark() { "a mark needs no `protocol`" } else { "`protocol`" },
        );
    }
    out.value("lvs_sched", service.scheduler.as_ref().map_or("wrr", |said| said.value.as_str()));
    if let Some(said) = &service.scheduler {
        report.say(said.line, Fate::Translated, "`lvs_sched`");
    }
    out.value("lvs_method", method);
    if let Some(said) = &service.schedflags {
        said.value.iter().for_each(|flag| out.flag(flag));
        report.say(said.line, Fate::Translated, "flags of the scheduler");
    }
    persistence(service, out, report);
    if let Some(said) = &service.ops {
        let udp = matches!(service.key, ServiceKey::Address { protocol: Protocol::Udp, .. });
        if said.value && udp {
            out.flag("ops");
            report.say(said.line, Fate::Translated, "`ops`");
        } else if said.value {
            report.say(said.line, Fate::Translated, "it has an effect with UDP only, in ldirectord as well");
        } else {
            report.say(said.line, Fate::Translated, "without `ops`");
        }
    }
    for directive in &service.rest {
        if let Some((fate, text)) = rest::fate(directive) {
            report.say(directive.line(), fate, text);
        }
    }
}

fn persistence(service: &Virtual, out: &mut Statements, report: &mut Report) {
    let time = service.persistent.as_ref().filter(|said| said.value > 0);
    if let Some(said) = time {
        out.value("persistence_timeout", said.value);
        report.say(said.line, Fate::Translated, "`persistence_timeout`");
    } else if let Some(said) = &service.persistent {
        report.say(said.line, Fate::Translated, "no persistence");
    } else if !service.is_mark() && service.port() == 0 {
        out.value("persistence_timeout", 360);
        report.say(service.line, Fate::Changed, "a virtual server for every port must be persistent: 360 s");
    }
    let Some(said) = &service.netmask else { return };
    if time.is_some() {
        out.value("persistence_granularity", &said.value);
        report.say(said.line, Fate::Translated, "`persistence_granularity`");
    } else {
        report.say(
            said.line,
            Fate::Translated,
            "left out: without `persistent` it has no effect, in ldirectord neither",
        );
    }
}

/// What became of `checkinterval`, which a section can say in vain.
fn intervals(file: &File, service: &Virtual, desk: &mut Desk) {
    let text = "`delay_loop`, and `delay_before_retry` after a failure; it counts for each server from check to check, \
                not from the end of a pass over all of them";
    if let Some(said) = &file.common.checkinterval {
        desk.report.say(said.line, Fate::Translated, text);
    }
    if let Some(said) = &service.common.checkinterval {
        if file.forks() {
            desk.report.say(said.line, Fate::Translated, text);
        } else {
            let text = "in a section it works with `fork=yes` only, and the one for all sections is used here too; \
                        change `delay_loop` if it was meant";
            desk.report.say(said.line, Fate::Dropped, text);
        }
    }
    let pings = |service: &Virtual| service.check() == CheckType::Ping;
    let own = service.common.checkcount.as_ref().map(|said| (said, pings(service)));
    let all = file.common.checkcount.as_ref().map(|said| (said, file.virtuals.iter().any(pings)));
    for (said, heeded) in own.into_iter().chain(all) {
        let (fate, text) = match (heeded, said.value) {
            (_, 1) => (Fate::Translated, "one attempt in a check"),
            (true, _) => (
                Fate::Changed,
                "`retry` of a `PING_CHECK` counts the echo requests of all checks that must fail",
            ),
            (false, _) => (
                Fate::Translated,
                "left out: only checks by ping heed it, in ldirectord as well; `failurecount` is for all",
            ),
        };
        desk.report.say(said.line, fate, text);
    }
}

fn times(patience: &Patience, check: &Check, out: &mut Statements) {
    if check.is_none() {
        return;
    }
    out.value("delay_loop", patience.interval);
    if !check.is_command() {
        out.value("connect_timeout", patience.timeout.min(3_600));
    }
    let attempts = check.attempts;
    if attempts > 1 {
        out.value("retry", attempts - 1);
        // Within one check by ping the requests follow one another at once.
        let pause = if patience.failures == 1 { 0 } else { patience.interval };
        out.value("delay_before_retry", pause);
    }
    // A server serves after its first good check, not before.
    out.flag("alpha");
}

fn commands(file: &File, service: &Virtual, out: &mut Statements) {
    let said = either(service.common.fallbackcommand.as_ref(), file.common.fallbackcommand.as_ref());
    let Some(command) = said else { return };
    let target = match service.key {
        ServiceKey::Address { protocol, address: IpAddr::V6(address), port } => {
            format!("[{address}]:{port} {protocol}")
        }
        ServiceKey::Address { protocol, address, port } => format!("{address}:{port} {protocol}"),
        ServiceKey::Mark { mark, .. } => format!("{mark} fwm"),
    };
    out.value("quorum_up", format!("{command} stop {target}"));
    out.value("quorum_down", format!("{command} start {target}"));
}

fn fallback<'a>(file: &'a File, service: &'a Virtual) -> Option<&'a Fallback> {
    let all = match service.key.family() {
        Family::V4 => file.common.fallback.as_ref(),
        Family::V6 => file.fallback6.as_ref(),
    };
    either(service.common.fallback.as_ref(), all)
}

fn fallback_port(service: &Virtual, fallback: &Fallback, desk: &mut Desk) -> u16 {
    let own = service.common.fallback.as_ref();
    if let Some(said) = own {
        let text = match service.check() {
            CheckType::Off => "`real_server`, since with `checktype=off` nothing else serves",
            _ => "`sorry_server`",
        };
        desk.report.say(said.line, Fate::Translated, text);
    }
    let port = fallback.port.unwrap_or(service.port());
    if fallback.method == Forwarding::Nat || port == service.port() {
        return port;
    }
    if let Some(said) = own.filter(|_| !service.is_mark()) {
        let text = format!(
            "the port is {}: without `masq` a port cannot change, and ldirectord's did not",
            service.port()
        );
        desk.report.say(said.line, Fate::Trap, text);
    }
    service.port()
}

/// The port that packets arrive at: only address translation can change it.
fn real_port(service: &Virtual, real: &Real, desk: &mut Desk) -> u16 {
    if real.method == Forwarding::Nat || real.port == service.port() {
        return real.port;
    }
    // Packets with a mark arrive at many ports, and keep theirs.
    if service.is_mark() {
        return 0;
    }
    let text = format!(
        "the port is {}: without `masq` a port cannot change, and the kernel never did; checks still ask port {}",
        service.port(),
        real.port
    );
    desk.report.say(real.line, Fate::Trap, text);
    service.port()
}

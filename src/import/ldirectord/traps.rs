//! What ldirectord does with this file, and what hardly anybody wanted: named once, where it stands.
//!
//! None of it is taken over. The notes tell why servers will be seen in another state than before.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::model::{At, CheckType, File, Real, Service, Virtual};
use super::{Patience, either};
use crate::import::{Fate, Report};

/// Notes every trap in the file.
pub(super) fn find(file: &File, report: &mut Report) {
    quiescent(file, report);
    timeouts(file, report);
    shared(file, report);
    for service in &file.virtuals {
        guessed(service, report);
        if negotiates(service) {
            cannot_fail(service, report);
            web(service, report);
        }
        if !service.reals.is_empty() && service.reals.iter().all(|real| real.weight == 0) {
            report.say(
                service.line,
                Fate::Trap,
                "every server has weight 0: there is none for new connections",
            );
        }
    }
}

fn negotiates(service: &Virtual) -> bool {
    matches!(service.check(), CheckType::Negotiate | CheckType::Combined(_))
}

fn quiescent(file: &File, report: &mut Report) {
    let said = |service: &Virtual| service.common.quiescent.is_some() || file.common.quiescent.is_some();
    if !file.virtuals.iter().all(said) {
        let text = "`quiescent` is not said: the manual promises `yes` and the program does `no`, so servers that \
                    are down are removed here too; say `inhibit_on_failure` for weight 0 instead";
        report.say(0, Fate::Trap, text);
    }
    for service in &file.virtuals {
        let Some(persistent) = service.persistent.as_ref().filter(|said| said.value > 0) else { continue };
        if either(service.common.quiescent.as_ref(), file.common.quiescent.as_ref()) == Some(&true) {
            let text = "with `quiescent=yes` clients that came before go on to a server that is down until this time \
                        has passed, unless net.ipv4.vs.expire_quiescent_template is 1";
            report.say(persistent.line, Fate::Trap, text);
        }
    }
}

fn timeouts(file: &File, report: &mut Report) {
    let levels = std::iter::once(&file.common).chain(file.virtuals.iter().map(|service| &service.common));
    let mut any = false;
    for common in levels {
        match (&common.checktimeout, &common.negotiatetimeout) {
            (Some(said), None) => {
                report.say(said.line, Fate::Trap, "it is the default of `negotiatetimeout` as well")
            }
            (None, Some(said)) => {
                report.say(said.line, Fate::Trap, "it is the default of `checktimeout` as well")
            }
            _ => {}
        }
        any |= common.checktimeout.is_some() || common.negotiatetimeout.is_some();
    }
    if !any && file.virtuals.iter().any(negotiates) {
        let text = "no timeout is said: a check that negotiates may take 30 s, any other 5 s; 30 s is longer than the \
                    usual `checkinterval`";
        report.say(0, Fate::Trap, text);
    }
}

/// What ldirectord takes for one check: it is made once, and all sections that have it change together.
type Identity<'a> = (
    CheckType,
    Option<Service>,
    &'a str,
    IpAddr,
    u16,
    Option<&'a str>,
    (Option<u16>, u32),
    (String, String, String),
);
/// What that leaves out.
type Unseen<'a> = ([Option<&'a str>; 4], bool, [u32; 4]);

fn shared(file: &File, report: &mut Report) {
    let mut seen: BTreeMap<Identity<'_>, (u32, Unseen<'_>)> = BTreeMap::new();
    for service in &file.virtuals {
        let patience = Patience::of(file, service);
        for real in &service.reals {
            for address in &real.addresses {
                let unseen = unseen(service, &patience);
                let Some((line, first)) = seen.get(&identity(service, real, *address)) else {
                    seen.insert(identity(service, real, *address), (service.line, unseen));
                    continue;
                };
                if *line == service.line {
                    continue;
                }
                if *first != unseen {
                    let text = format!(
                        "ldirectord checks this server once for this section and that of line {line}, with the login, \
                         method and times of that one; here each has its own"
                    );
                    report.say(real.line, Fate::Trap, text);
                }
                if patience.failures > 1 {
                    let text = format!(
                        "the server is in the section of line {line} as well, and ldirectord counts each failure once \
                         per section: it was out before {} checks had failed; here each section counts for itself",
                        patience.failures
                    );
                    report.say(real.line, Fate::Trap, text);
                }
            }
        }
    }
}

fn identity<'a>(service: &'a Virtual, real: &'a Real, address: IpAddr) -> Identity<'a> {
    let text = |said: &'a Option<At<String>>| said.as_ref().map(|said| said.value.as_str());
    let asked = negotiates(service).then(|| service.negotiated());
    let command = text(&service.checkcommand).unwrap_or_default();
    let port = service.checkport.as_ref().map(|said| said.value);
    let request = real.request.as_deref().or(text(&service.request)).unwrap_or("/").to_owned();
    let receive = real.receive.as_deref().or(text(&service.receive)).unwrap_or_default().to_owned();
    let protocol = match service.key {
        ipvs_backend::ServiceKey::Address { protocol, .. } => protocol.to_string(),
        ipvs_backend::ServiceKey::Mark { .. } => "fwm".to_owned(),
    };
    let method = format!("{protocol} {}", real.method);
    let host = text(&service.virtualhost);
    (
        service.check(),
        asked,
        command,
        address,
        real.port,
        host,
        (port, real.weight),
        (method, request, receive),
    )
}

fn unseen<'a>(service: &'a Virtual, patience: &Patience) -> Unseen<'a> {
    let text = |said: &'a Option<At<String>>| said.as_ref().map(|said| said.value.as_str());
    let texts = [&service.login, &service.passwd, &service.database, &service.secret].map(text);
    let head = service.head.as_ref().is_some_and(|said| said.value);
    (texts, head, [patience.timeout, patience.interval, patience.failures, patience.echoes])
}

fn guessed(service: &Virtual, report: &mut Report) {
    if service.service.is_some() || !negotiates(service) {
        return;
    }
    let text = match service.negotiated() {
        Service::None if service.is_mark() => {
            "a mark is checked only if `service` is said: without it every server counts as up".to_owned()
        }
        Service::None => format!(
            "`service` is not said and port {} tells none, so the servers are never checked; say `checktype = connect`, \
             or which `service` it is",
            service.port()
        ),
        guessed => format!("`service` is not said; port {} was taken for {}", service.port(), guessed.word()),
    };
    report.say(service.line, Fate::Trap, text);
}

/// Checks of ldirectord that pass whatever the server does, and one that cannot pass.
fn cannot_fail(service: &Virtual, report: &mut Report) {
    let line = service.service.as_ref().map_or(service.line, |said| said.line);
    let receives = service.receive.is_some() || service.reals.iter().all(|real| real.receive.is_some());
    let text = match service.negotiated() {
        Service::Pop | Service::Pops if service.login.is_none() => {
            "without `login` ldirectord takes a server whose port is closed for up; here it is down"
        }
        Service::Ftp if !receives => {
            "without `receive` ldirectord takes a server whose port is closed for up; here it is down"
        }
        Service::Dns if !receives => {
            "without `receive` ldirectord takes every server for down; here one that answers is up"
        }
        Service::Mysql | Service::Pgsql | Service::Oracle => {
            "ldirectord waits for a database without limit, and with `fork=no` all other checks wait with it"
        }
        _ => return,
    };
    report.say(line, Fate::Trap, text);
}

fn web(service: &Virtual, report: &mut Report) {
    let line = service.service.as_ref().map_or(service.line, |said| said.line);
    if matches!(service.negotiated(), Service::Http | Service::Https) {
        let text = "ldirectord follows redirects to a good page; here an answer like 301 is a failure: ask for the page \
                    that it leads to, or add its `status_code`";
        report.say(0, Fate::Trap, text);
    }
    if service.negotiated() == Service::Https && service.virtualhost.is_some() {
        let text = "ldirectord does not name the virtual host in the TLS greeting, and so it is here; say `enable_sni` \
                    if the server needs it";
        report.say(line, Fate::Trap, text);
    }
}

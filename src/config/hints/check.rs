//! Traps in the checks of real servers.

use std::sync::Arc;
use std::time::Duration;

use healthcheck::{Check, Http, Kind, Program, Schedule, Sni, StatusRanges};
use ipvs_backend::{DestinationKey, Protocol, ServiceKey};

use super::{Look, seconds};
use crate::config::{Config, RealServer, Served, Thing};

/// Time for all attempts that nobody wonders about, whatever `delay_loop` is.
const PATIENT: Duration = Duration::from_secs(30);

/// Ports whose servers commonly serve TCP beside UDP: domain, kerberos, sunrpc, ldap, https, nfs, stun and sip.
const TCP_AS_WELL: &[u16] = &[53, 88, 111, 389, 443, 2049, 3478, 5060];

/// A check, made or not.
#[derive(Clone, Copy)]
pub(super) enum Any<'a> {
    Network(&'a Check),
    Command(&'a Program, &'a Schedule),
    /// It looks at something else than the server.
    Other,
}

impl<'a> Any<'a> {
    fn http(self) -> Option<&'a Http> {
        match self {
            Any::Network(Check { kind: Kind::Http(http), .. }) => Some(http),
            _ => None,
        }
    }
}

/// The checks of a server, as they are numbered.
fn all(server: &RealServer) -> impl Iterator<Item = Any<'_>> {
    let made = server.checks.iter().map(|check| match &check.kind {
        Kind::Command(program) => Any::Command(program, &check.schedule),
        _ => Any::Network(check),
    });
    made.chain(server.planned.iter().map(|_| Any::Other))
}

/// The checks of all servers, and where they stand.
pub(super) fn everywhere(config: &Config) -> impl Iterator<Item = (Thing, Any<'_>)> {
    config.virtual_servers().flat_map(|(served, service)| {
        service.servers.iter().flat_map(move |(key, server)| {
            let served = served.clone();
            all(server).enumerate().map(move |(number, check)| (served.check(*key, number), check))
        })
    })
}

/// Looks at the checks of each service, and says once what is found in them.
fn each<'a>(
    look: &mut Look<'_>,
    suggestion: &str,
    judge: impl Fn(Any<'_>, DestinationKey) -> Option<(&'a str, String)>,
) {
    for (served, service) in look.config.virtual_servers() {
        let mut found = Vec::new();
        for (key, server) in &service.servers {
            for (number, check) in all(server).enumerate() {
                let judged = judge(check, *key);
                found.extend(judged.map(|(keyword, message)| (served.check(*key, number), keyword, message)));
            }
        }
        look.hint_at_first(&found, suggestion);
    }
}

pub(super) fn slow_check(look: &mut Look<'_>) {
    let suggestion = "make `connect_timeout` or `retry` smaller, or `delay_loop` larger";
    each(look, suggestion, |check, _| match check {
        Any::Network(check) => slowness("connect_timeout", check.connect_timeout, &check.schedule),
        // Without a time of its own a command ends before the next one begins.
        Any::Command(program, schedule) => slowness("misc_timeout", program.timeout?, schedule),
        Any::Other => None,
    });
}

fn slowness(
    keyword: &'static str,
    timeout: Duration,
    schedule: &healthcheck::Schedule,
) -> Option<(&'static str, String)> {
    let (interval, retry) = (schedule.interval, schedule.retry);
    if timeout > interval {
        let message = format!(
            "an attempt may take {}, and `delay_loop` asks for one each {}",
            seconds(timeout),
            seconds(interval)
        );
        return Some((keyword, message));
    }
    let pauses = schedule.delay_before_retry.saturating_mul(retry);
    let total = timeout.saturating_mul(retry.saturating_add(1)).saturating_add(pauses);
    // Where the pause is a round, as for names, nobody expects more than rounds.
    let slow = total > interval && total > PATIENT && schedule.delay_before_retry < interval;
    slow.then(|| {
        let message = format!(
            "a server that does not answer is given up {} after the check began, though `delay_loop` is {}: {} \
             attempts of up to {}, with {} between",
            seconds(total),
            seconds(interval),
            retry.saturating_add(1),
            seconds(timeout),
            seconds(schedule.delay_before_retry)
        );
        ("retry", message)
    })
}

pub(super) fn check_cannot_fail(look: &mut Look<'_>) {
    let anything = |status: &StatusRanges| (200..=599).all(|number| status.contains(number));
    each(look, "name what a good server answers: `status_code 200`", |check, _| {
        let urls = &check.http()?.urls;
        let open = |url: &healthcheck::Url| url.wants_status_only() && anything(&url.status);
        let message = || "every status passes, that of a broken server too".to_owned();
        urls.iter().any(open).then(|| ("url", message()))
    });
    each(look, "name a command that asks the server", |check, _| {
        let Any::Command(check, _) = check else { return None };
        let program = check.words.first()?;
        let name = program.rsplit('/').next().unwrap_or(program);
        (name == "true").then(|| ("misc_path", format!("`{program}` never fails, and asks no server")))
    });
}

pub(super) fn silence_passes(look: &mut Look<'_>) {
    let suggestion = "add `require_reply`, and a `payload` that the service answers";
    each(look, suggestion, |check, _| match check {
        Any::Network(Check { kind: Kind::Udp(udp), .. }) if udp.reply.is_none() => {
            let message = "without `require_reply` silence passes: a server that is gone counts as up";
            Some(("", message.to_owned()))
        }
        _ => None,
    });
}

pub(super) fn digest_and_regex(look: &mut Look<'_>) {
    each(look, "leave out `regex`, or `digest` if the page changes", |check, _| {
        let both = |url: &&healthcheck::Url| url.digest.is_some() && url.pattern.is_some();
        let url = check.http()?.urls.iter().find(both)?;
        let message =
            format!("`digest` fixes every byte of {}: `regex` can find nothing else in it", url.path);
        Some(("url", message))
    });
}

pub(super) fn sni_without_name(look: &mut Look<'_>) {
    each(look, "add `virtualhost`", |check, _| {
        let http = check.http()?;
        let nameless = http.virtualhost.is_none() && http.urls.iter().any(|url| url.virtualhost.is_none());
        let asked = http.tls.as_ref()?.sni == Sni::VirtualHost;
        let message = || "`enable_sni` sends the virtual host, and there is none to send".to_owned();
        (asked && nameless).then(|| ("enable_sni", message()))
    });
}

pub(super) fn unverified_certificate(look: &mut Look<'_>) {
    let given = look.config.tls.as_ref().is_some_and(|tls| tls.ca.is_some());
    let mut servers = look.config.virtual_servers().flat_map(|(_, service)| service.servers.values());
    let credulous = |http: &Http| http.tls.as_ref().is_some_and(|tls| !tls.verify);
    let used = servers.any(|server| all(server).any(|check| check.http().is_some_and(credulous)));
    if given && used {
        let message = "`ca` verifies nothing where `verify` is off, as in keepalived: an `SSL_GET` takes any \
                       certificate of a server";
        look.hint(&Thing::Tls, "ca", message.to_owned(), "say `verify` in `SSL`");
    }
}

pub(super) fn verified_certificate(look: &mut Look<'_>) {
    let said = look.config.tls.as_ref().is_some_and(|tls| tls.ca.is_some() || tls.verify.is_some());
    let verifies =
        |check: Any<'_>| check.http().is_some_and(|http| http.tls.as_ref().is_some_and(|tls| tls.verify));
    if said {
        return;
    }
    let spans = look.spans;
    let checks =
        everywhere(look.config).filter(|(thing, check)| verifies(*check) && !spans.says(thing, &["verify"]));
    let message =
        "the server's certificate must be signed by an authority that this host trusts; keepalived takes any";
    let found: Vec<_> = checks.map(|(thing, _)| (thing, "", message.to_owned())).collect();
    let suggestion = "say in `SSL` whom to trust (`ca`), or `verify off`; `verify` says that it is meant";
    look.hint_at_first(&found, suggestion);
}

pub(super) fn retry_and_fall(look: &mut Look<'_>) {
    let mut things: Vec<Thing> = Vec::new();
    for (served, service) in look.config.virtual_servers() {
        things.push(served.thing());
        for (key, server) in &service.servers {
            things.push(served.server(*key));
            things.extend((0..server.checks.len()).map(|number| served.check(*key, number)));
        }
    }
    let spans = look.spans;
    let both = |thing: &Thing| spans.says(thing, &["fall"]) && spans.says(thing, &["retry"]);
    let message = "`fall` counts, and `retry` does not: both say how many failures take a server out";
    let found: Vec<_> =
        things.into_iter().filter(both).map(|thing| (thing, "retry", message.to_owned())).collect();
    look.hint_at_first(
        &found,
        "leave out `retry`; `fall` is one more, since it counts the first failure too",
    );
}

pub(super) fn proxy_header_sometimes(look: &mut Look<'_>) {
    let asks = |check: &Check| check.via.as_ref().and_then(|via| via.direct).unwrap_or(check.target);
    for (served, service) in look.config.virtual_servers() {
        let mut found = Vec::new();
        for (key, server) in &service.servers {
            let checks = || server.checks.iter().filter(|check| check.kind.connects());
            let begun = |target| checks().any(|other| other.proxy.is_some() && asks(other) == target);
            let bare = |check: &Check| check.kind.connects() && check.proxy.is_none() && begun(asks(check));
            for (number, _) in server.checks.iter().enumerate().filter(|(_, check)| bare(check)) {
                let message = "another check of this port begins with a PROXY header and this one does not: a server \
                               wants it on every connection to a port, or on none";
                found.push((served.check(*key, number), "proxy_protocol", message.to_owned()));
            }
        }
        look.hint_at_first(&found, "say `proxy_protocol` in the `real_server`, for all of its checks");
    }
}

pub(super) fn unchecked_server(look: &mut Look<'_>) {
    for (served, service) in look.config.virtual_servers() {
        let unchecked = |(server, real): (&DestinationKey, &Arc<RealServer>)| {
            let message = || format!("the real server {server} has no check: it counts as up for ever");
            all(real).next().is_none().then(|| (served.server(*server), "", message()))
        };
        let found: Vec<_> = service.servers.iter().filter_map(unchecked).collect();
        look.hint_at_first(&found, "add at least a `TCP_CHECK`");
    }
}

pub(super) fn udp_unchecked(look: &mut Look<'_>) {
    for (served, service) in look.config.virtual_servers() {
        let Served::Key(ServiceKey::Address { protocol: Protocol::Udp, port, .. }) = served else { continue };
        // A service without `protocol` has been complained of for that.
        if !look.spans.says(&served.thing(), &["protocol"]) {
            continue;
        }
        let missed = |(key, server): (&DestinationKey, &Arc<RealServer>)| {
            let by_tcp = |check: Any<'_>| matches!(check, Any::Network(Check { kind: Kind::Tcp, .. }));
            let pings = |check: Any<'_>| matches!(check, Any::Network(Check { kind: Kind::Ping, .. }));
            // A port that somebody chose for the check is meant.
            let plain = |check: Any<'_>| match check {
                Any::Network(check) => check.target.port() == key.port && !TCP_AS_WELL.contains(&port),
                _ => false,
            };
            let all_missed = all(server).all(|check| pings(check) || by_tcp(check) && plain(check));
            let message = if all(server).any(by_tcp) {
                format!("the service is UDP, and only TCP port {} of the server is checked", key.port)
            } else {
                "the service is UDP, and the server is only pinged: its host answers, whatever the service does"
                    .to_owned()
            };
            let any = all(server).next().is_some();
            (any && all_missed).then(|| (served.check(*key, 0), "", message))
        };
        let found: Vec<_> = service.servers.iter().filter_map(missed).collect();
        let suggestion =
            "add a `UDP_CHECK`, or say `connect_port` if another port tells whether the server works";
        look.hint_at_first(&found, suggestion);
    }
}

//! Traps in `virtual_server` and its servers.

use std::time::Duration;

use healthcheck::{Check, Kind, StatusRanges};
use ipvs_backend::{DestinationKey, Protocol, ServiceKey};

use super::{Look, seconds};
use crate::config::{RealServer, Thing, VirtualServer};

/// Time for all attempts that nobody wonders about, whatever `delay_loop` is.
const PATIENT: Duration = Duration::from_secs(30);

/// Checks that this version reads and does not make; a complaint of their own tells that.
pub(super) const OTHER_CHECKS: &[&str] = &[
    "SSL_GET",
    "SMTP_CHECK",
    "DNS_CHECK",
    "MISC_CHECK",
    "UDP_CHECK",
    "PING_CHECK",
    "BFD_CHECK",
    "FILE_CHECK",
];

/// Ports whose servers commonly serve TCP beside UDP: domain, kerberos, sunrpc, ldap, https, nfs, stun and sip.
const TCP_AS_WELL: &[u16] = &[53, 88, 111, 389, 443, 2049, 3478, 5060];

/// What `judge` says of the checks of a service: keyword and message.
fn checks<'a>(
    key: ServiceKey,
    service: &VirtualServer,
    judge: impl Fn(&Check) -> Option<(&'a str, String)>,
) -> Vec<(Thing, &'a str, String)> {
    let mut found = Vec::new();
    for (server, real) in &service.servers {
        for (number, check) in real.checks.iter().enumerate() {
            let thing = Thing::Check(key, *server, number);
            found.extend(judge(check).map(|(keyword, message)| (thing, keyword, message)));
        }
    }
    found
}

pub(super) fn slow_check(look: &mut Look<'_>) {
    for (key, service) in &look.config.services {
        let found = checks(*key, service, slowness);
        let suggestion = "make `connect_timeout` or `retry` smaller, or `delay_loop` larger";
        look.hint_at_first(&found, suggestion);
    }
}

fn slowness(check: &Check) -> Option<(&'static str, String)> {
    let (schedule, timeout) = (&check.schedule, check.connect_timeout);
    let (interval, retry) = (schedule.interval, schedule.retry);
    if timeout > interval {
        let message = format!(
            "an attempt may take {}, and `delay_loop` asks for one each {}",
            seconds(timeout),
            seconds(interval)
        );
        return Some(("connect_timeout", message));
    }
    let pauses = schedule.delay_before_retry.saturating_mul(retry);
    let total = timeout.saturating_mul(retry.saturating_add(1)).saturating_add(pauses);
    (total > interval && total > PATIENT).then(|| {
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
    for (key, service) in &look.config.services {
        let found = checks(*key, service, |check| match &check.kind {
            Kind::Http(http) if http.urls.iter().any(|url| url.digest.is_none() && anything(&url.status)) => {
                Some(("url", "every status passes, that of a broken server too".to_owned()))
            }
            _ => None,
        });
        look.hint_at_first(&found, "name what a good server answers: `status_code 200`");
    }
}

pub(super) fn unchecked_server(look: &mut Look<'_>) {
    for (key, service) in &look.config.services {
        let unchecked = |(server, real): (&DestinationKey, &std::sync::Arc<RealServer>)| {
            let thing = Thing::Server(*key, *server);
            let bare = real.checks.is_empty() && !look.spans.says(&thing, OTHER_CHECKS);
            bare.then(|| {
                (thing, "", format!("the real server {server} has no check: it counts as up for ever"))
            })
        };
        let found: Vec<_> = service.servers.iter().filter_map(unchecked).collect();
        look.hint_at_first(&found, "add at least a `TCP_CHECK`");
    }
}

pub(super) fn udp_checked_by_tcp(look: &mut Look<'_>) {
    for (key, service) in &look.config.services {
        let ServiceKey::Address { protocol: Protocol::Udp, port, .. } = *key else { continue };
        // A service without `protocol` has been complained of for that.
        if TCP_AS_WELL.contains(&port) || !look.spans.says(&Thing::Service(*key), &["protocol"]) {
            continue;
        }
        let by_tcp = |(server, real): (&DestinationKey, &std::sync::Arc<RealServer>)| {
            // A port that somebody chose for the check is meant.
            let plain =
                |check: &std::sync::Arc<Check>| check.kind == Kind::Tcp && check.target.port() == server.port;
            let all = !real.checks.is_empty() && real.checks.iter().all(plain);
            let other = look.spans.says(&Thing::Server(*key, *server), OTHER_CHECKS);
            let message =
                || format!("the service is UDP, and only TCP port {} of the server is checked", server.port);
            (all && !other).then(|| (Thing::Check(*key, *server, 0), "", message()))
        };
        let found: Vec<_> = service.servers.iter().filter_map(by_tcp).collect();
        look.hint_at_first(&found, "say `connect_port` if another port tells whether the server works");
    }
}

pub(super) fn sorry_is_real(look: &mut Look<'_>) {
    for (key, service) in &look.config.services {
        let Some(sorry) = service.sorry.as_ref().filter(|sorry| service.servers.contains_key(&sorry.key))
        else {
            continue;
        };
        let message = format!(
            "the sorry server {} is one of the real servers: it stands in for itself when it is down",
            sorry.key
        );
        look.hint(&Thing::Service(*key), "sorry_server", message, "name a server that is not in the pool");
    }
}

pub(super) fn no_weight(look: &mut Look<'_>) {
    for (key, service) in &look.config.services {
        if !service.servers.is_empty() && service.servers.values().all(|server| server.weight == 0) {
            let message =
                format!("every real server of {key} has weight 0: there is none for new connections");
            look.hint(
                &Thing::Service(*key),
                "",
                message,
                "give a server that should work a `weight` above 0",
            );
        }
    }
}

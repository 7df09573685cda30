//! `real_server` as statements, and the methods of reaching servers.

use ipvs_backend::{DestinationKey, Forwarding};

use super::{Lines, Value, check, window};
use crate::config::{Checksum, Extras, FlapHold, RealServer, Served, Tunnel};

/// What the block around a server says for all of its servers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    pub method: (Forwarding, Option<Tunnel>),
    pub alpha: bool,
}

/// One server, by the keyword of its block.
pub(super) fn write(
    keyword: &str,
    key: DestinationKey,
    server: &RealServer,
    served: &Served,
    around: Around,
    out: &mut Lines,
) {
    let written = DestinationKey { port: written_port(key, server), ..key };
    let words = [written.address.to_string(), written.port.to_string()];
    let Extras {
        upper,
        lower,
        tunnel,
        notify_up,
        notify_down,
        snmp_name,
        drain_on_remove,
        flap_hold,
        windows,
    } = server.extras();
    out.block(keyword, words, Some(served.server(key)), |lines| {
        lines.unless("weight", server.weight, 1);
        let method = (server.forwarding, *tunnel);
        if method != around.method {
            lines.say("lvs_method", self::method(method.0, method.1));
        }
        lines.unless("inhibit_on_failure", server.inhibit, false);
        lines.unless("alpha", server.alpha, around.alpha);
        lines.inherited("smtp_alert", server.alert);
        lines.unless("uthreshold", *upper, 0);
        lines.unless("lthreshold", *lower, 0);
        lines.command("notify_up", notify_up.as_ref());
        lines.command("notify_down", notify_down.as_ref());
        lines.some("snmp_name", snmp_name.as_deref());
        lines.inherited("drain_on_remove", drain_on_remove.unwrap_or_default());
        lines.inherited_words("flap_hold", hold(*flap_hold));
        window::write(windows, lines);
        check::write(written, server, |number| served.check(key, number), lines);
    });
}

/// The port in its head. A server that takes over whatever port a packet is for may have been written with one, which its
/// checks through the table ask.
fn written_port(key: DestinationKey, server: &RealServer) -> u16 {
    let mut asked = server.checks.iter().filter_map(|check| check.via.as_ref()?.direct);
    let asked = asked.find(|direct| direct.port() > 0 && key.port == 0);
    asked.map_or(key.port, |direct| direct.port())
}

/// The words behind `flap_hold`.
pub(super) fn hold(hold: Option<FlapHold>) -> Vec<String> {
    match hold {
        None => vec!["0".to_owned()],
        Some(FlapHold { first, longest }) => vec![first.word(), longest.word()],
    }
}

/// The words behind `lvs_method`.
pub(super) fn method(forwarding: Forwarding, tunnel: Option<Tunnel>) -> Vec<String> {
    let mut words = vec![forwarding.to_string()];
    let (kind, port, checksum) = match tunnel {
        None => return words,
        Some(Tunnel::Gue { port, checksum }) => ("gue", Some(port), checksum),
        Some(Tunnel::Gre { checksum }) => ("gre", None, checksum),
    };
    words.extend(["type".to_owned(), kind.to_owned()]);
    words.extend(port.into_iter().flat_map(|port| ["port".to_owned(), port.to_string()]));
    words.extend(match checksum {
        Checksum::None => None,
        Checksum::Plain => Some("csum".to_owned()),
        Checksum::Remote => Some("remcsum".to_owned()),
    });
    words
}

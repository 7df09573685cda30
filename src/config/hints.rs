//! Hints: traps in a configuration that is legal.
//!
//! Each trap has a function of its own and a line in a table. A hint is for something that hardly anybody means; what
//! many good files do gets none, so that whoever sees one reads it. Where a trap lies in many servers of one service,
//! the first is shown and the others are counted.
//!
//! [`find`] looks at one file, [`compare`] at the files of two directors that should agree.

mod check;
mod command;
mod global;
mod group;
pub mod host;
mod instance;
mod peer;
mod pool;
mod priority;
mod service;
mod takeover;
#[cfg(test)]
mod tests;
mod tracker;
mod window;

pub use host::on_host;
pub use peer::compare;
pub use takeover::ANSWERED;

use std::time::Duration;

use super::complaint::{Code, Complaints, Severity};
use super::{Config, Spans, Thing};

/// One trap.
#[derive(Debug, Clone, Copy)]
pub struct Trap {
    /// The code of its hints.
    pub code: Code,
    /// When it is told, in one sentence.
    pub about: &'static str,
    find: fn(&mut Look<'_>),
}

/// Every trap that one file alone can show.
pub const TRAPS: &[Trap] = &[
    trap(
        Code::OwnerAsBackup,
        "Priority 255 says owner, `state BACKUP` says otherwise.",
        instance::owner_as_backup,
    ),
    trap(
        Code::SharedRouter,
        "Version 2 and version 3 use one VRID on one interface.",
        instance::shared_router,
    ),
    trap(Code::LonelyGroup, "A sync group has one member only.", group::lonely_group),
    trap(Code::UnevenGroup, "Members of a sync group differ in `priority` or `state`.", group::uneven_group),
    trap(Code::NoSourceAddress, "Peers are named, and no `unicast_src_ip`.", instance::no_source_address),
    trap(Code::PeerIsSelf, "The own address is among the peers.", instance::peer_is_self),
    trap(
        Code::ShortDownTimer,
        "One lost advert, or silence below 100 ms, is enough.",
        instance::short_down_timer,
    ),
    trap(Code::AnnouncedOnce, "One gratuitous ARP per address, never repeated.", instance::announced_once),
    trap(Code::RefreshOff, "`garp_master_refresh 0`: announcements are not repeated.", instance::refresh_off),
    trap(
        Code::SlowCheck,
        "An attempt may last longer than `delay_loop`, or all of them longer than that and 30 s.",
        check::slow_check,
    ),
    trap(
        Code::CheckCannotFail,
        "Every status from 200 to 599 passes, with any body; or the command is `true`.",
        check::check_cannot_fail,
    ),
    trap(Code::UncheckedServer, "A real server has no check at all.", check::unchecked_server),
    trap(
        Code::UdpCheckedByTcp,
        "A UDP service has only pings, or TCP checks of a port that is not commonly TCP as well.",
        check::udp_unchecked,
    ),
    trap(Code::SilencePasses, "A `UDP_CHECK` without `require_reply`.", check::silence_passes),
    trap(Code::DigestAndRegex, "A page has a `digest` and a `regex`.", check::digest_and_regex),
    trap(Code::SniWithoutName, "`enable_sni` without a virtual host.", check::sni_without_name),
    trap(
        Code::UnverifiedCertificate,
        "`ca` in `SSL`, and an `SSL_GET` that takes any certificate.",
        check::unverified_certificate,
    ),
    trap(
        Code::VerifiedCertificate,
        "An `SSL_GET`, and neither `verify` nor `ca`: here the certificate must be valid, for keepalived any will do.",
        check::verified_certificate,
    ),
    trap(Code::RetryAndFall, "`retry` and `fall` in one block.", check::retry_and_fall),
    trap(
        Code::ProxyHeaderSometimes,
        "Of two checks of one port one has `proxy_protocol`, and the other does not.",
        check::proxy_header_sometimes,
    ),
    trap(Code::SorryIsReal, "The sorry server is among the real servers.", service::sorry_is_real),
    trap(Code::NoWeight, "Every real server has weight 0.", service::no_weight),
    trap(Code::UnsentMail, "`smtp_alert` without recipients and mail server.", global::unsent_mail),
    trap(Code::QuorumTooHigh, "The quorum is above the sum of all weights.", pool::quorum_too_high),
    trap(
        Code::QuorumNotRegained,
        "Quorum and hysteresis together are above the sum of all weights.",
        pool::quorum_not_regained,
    ),
    trap(Code::HysteresisTooLarge, "The hysteresis is not below the quorum.", pool::hysteresis_too_large),
    trap(Code::AlphaUnchecked, "`alpha` for a server without any check.", pool::alpha_unchecked),
    trap(Code::OmegaWithoutScripts, "`omega`, and no script that it runs.", pool::omega_without_scripts),
    trap(Code::PersistentOps, "`ops` with persistence.", pool::persistent_ops),
    trap(
        Code::InhibitedPersistence,
        "Persistent clients stay with a server that is down, because it is inhibited.",
        pool::inhibited_persistence,
    ),
    trap(
        Code::WindowTakesAll,
        "All servers of a virtual server without a sorry server are in a maintenance window at once.",
        window::window_takes_all,
    ),
    trap(Code::UnusedGroup, "No virtual server uses a `virtual_server_group`.", pool::unused_group),
    trap(
        Code::NopreemptWeight,
        "A tracker lowers the priority, and `nopreempt` may keep the other director from taking over.",
        tracker::nopreempt_with_weight,
    ),
    trap(Code::CappedPriority, "Weights raise the priority beyond 254.", tracker::capped_priority),
    trap(
        Code::UnusedTracker,
        "A script, file, process or neighbour that nobody tracks.",
        tracker::unused_tracker,
    ),
    trap(
        Code::IdleTracker,
        "The own interface is tracked, or something with a weight by the owner of the addresses.",
        tracker::idle_tracker,
    ),
    trap(Code::SlowScript, "A script's `timeout` is longer than its `interval`.", tracker::slow_script),
    trap(
        Code::ScriptsAsRoot,
        "Commands are run as root, or by a user that nobody chose, without `enable_script_security`.",
        command::as_root,
    ),
    trap(Code::NoShell, "A command holds `&&`, `|`, `>` or the like outside quotes.", command::no_shell),
];

const fn trap(code: Code, about: &'static str, find: fn(&mut Look<'_>)) -> Trap {
    Trap { code, about, find }
}

/// Looks for every trap.
pub fn find(config: &Config, spans: &Spans, complaints: &mut Complaints) {
    for trap in TRAPS {
        (trap.find)(&mut Look { config, spans, complaints, code: trap.code });
    }
}

/// What a trap's function sees.
struct Look<'a> {
    config: &'a Config,
    spans: &'a Spans,
    complaints: &'a mut Complaints,
    code: Code,
}

impl Look<'_> {
    /// A hint at the value of a keyword, or where the thing begins if the keyword is not said.
    fn hint(&mut self, thing: &Thing, keyword: &str, message: String, suggestion: &str) {
        let span = self.spans.at(thing, keyword);
        self.complaints.push(Severity::Hint, self.code, span, message, Some(suggestion.to_owned()));
    }

    /// The same, at the first of several.
    fn hint_at_first(&mut self, things: &[(Thing, &str, String)], suggestion: &str) {
        let Some((thing, keyword, message)) = things.first() else { return };
        let message = match things.len() - 1 {
            0 => message.clone(),
            more => format!("{message} (and {more} more like it)"),
        };
        self.hint(thing, keyword, message, suggestion);
    }
}

/// `3 s`, `0.03 s`.
fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

//! The log's vocabulary: every line the brain writes, in one place.
//!
//! An entry says what happened, to whom, and why, in words that an operator can search for.

use std::fmt;

use ipvs_backend::DestinationKey;
use vrrp::track::Reading;

use crate::config::Served;

/// How much an entry matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Somebody should look at it today.
    Error,
    /// Unusual, and perhaps the start of trouble.
    Warning,
    /// A change of state.
    Info,
    /// For those who look for something.
    Debug,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An instance changed its state.
    Transition {
        /// Instance name.
        instance: String,
        /// State before.
        from: vrrp::State,
        /// State now.
        to: vrrp::State,
        /// Why.
        cause: String,
    },
    /// Something about an instance's peers or packets, told once per kind.
    InstanceNote {
        /// Instance name.
        instance: String,
        /// What was seen.
        note: String,
    },
    /// An advert came of a virtual router that is not configured (`log_unknown_vrids`).
    UnknownRouter {
        /// Where.
        interface: String,
        /// Its number.
        vrid: u8,
        /// Who sent it.
        source: std::net::IpAddr,
        /// With which priority.
        priority: u8,
    },
    /// A sync group changed its state.
    GroupTransition {
        /// Its name.
        group: String,
        /// State before.
        from: vrrp::State,
        /// State now.
        to: vrrp::State,
        /// Why.
        cause: String,
    },
    /// What is tracked changed.
    Tracker {
        /// Its kind and name.
        tracker: String,
        /// What it says now.
        reading: Reading,
        /// Why.
        why: String,
    },
    /// Something is wrong with what is tracked itself.
    TrackerProblem {
        /// Its kind and name.
        tracker: String,
        /// What was found.
        note: String,
    },
    /// The priority that adverts tell changed.
    Priority {
        /// Instance name.
        instance: String,
        /// Before.
        from: u8,
        /// Now.
        to: u8,
        /// The base and what is added.
        why: String,
    },
    /// A watched neighbour came or went.
    Neighbour {
        /// Its name.
        name: String,
        /// Whether it is up now.
        up: bool,
        /// Its address, and why it was lost.
        words: String,
    },
    /// A check failed or passed again.
    CheckFlipped {
        /// The virtual server.
        service: Served,
        /// The real server.
        server: DestinationKey,
        /// The check, by keepalived's name.
        check: String,
        /// Whether it passes now.
        up: bool,
        /// What the last attempt said.
        reason: String,
    },
    /// An attempt of a check failed, which is told where that is asked for (`log_all_failures`).
    AttemptFailed {
        /// The virtual server.
        service: Served,
        /// The real server.
        server: DestinationKey,
        /// The check, by keepalived's name.
        check: String,
        /// Why.
        reason: String,
    },
    /// Something is odd about a real server whose checks pass, or is no more.
    Concern {
        /// The virtual server.
        service: Served,
        /// The real server.
        server: DestinationKey,
        /// The check, by keepalived's name.
        check: String,
        /// Whether it begins; else it is over.
        begins: bool,
        /// What it is.
        words: String,
    },
    /// Checks gave a real server another weight.
    Weight {
        /// The virtual server.
        service: Served,
        /// The real server.
        server: DestinationKey,
        /// The weight before.
        from: u32,
        /// The weight now.
        to: u32,
        /// What it is made of.
        why: String,
    },
    /// A real server was taken out or put back.
    ServerFlipped {
        /// The virtual server.
        service: Served,
        /// The real server.
        server: DestinationKey,
        /// Whether it serves now.
        up: bool,
        /// How it is treated: removed, weight 0, back with its weight.
        treatment: String,
    },
    /// An operator's override was set or ended, or a server leaves.
    Override {
        /// What it is for, what became of it, who says so and why.
        what: String,
    },
    /// A virtual server lost or gained its quorum.
    Quorum {
        /// The virtual server.
        service: Served,
        /// Whether it has one now.
        up: bool,
        /// What stands in, if anything.
        stands_in: Option<String>,
        /// What is up, and what is needed.
        words: String,
    },
    /// More servers of a virtual server fail than checks may take out, or no longer.
    Panic {
        /// The virtual server.
        service: Served,
        /// Whether it is so now.
        on: bool,
        /// How many fail, and how many may be taken out.
        words: String,
    },
    /// While a virtual server has no quorum, others stand in than before.
    StandIn {
        /// The virtual server.
        service: Served,
        /// Who; `None`: nobody any more.
        stands_in: Option<String>,
    },
    /// A configuration took effect.
    Configured {
        /// Instances, services and servers in it.
        summary: String,
    },
    /// The kernel refused something.
    Refused {
        /// The table or the address, and the reason.
        what: String,
    },
    /// The IPVS table cannot be reached, or can be again.
    Ipvs {
        /// Why not; `None` when it is back.
        unavailable: Option<String>,
    },
    /// Somebody else changed our services.
    Drift {
        /// The differences.
        what: String,
        /// Whether they were put right.
        repaired: bool,
    },
    /// The address of a virtual server begins or ceases to answer this backup (`vip_check`).
    VipCheck {
        /// Which.
        service: Served,
        /// Whether it answers.
        up: bool,
        /// Why.
        reason: String,
    },
    /// Services that somebody else had made are ours from now on.
    Adopted {
        /// Which.
        what: String,
    },
    /// A line of the configuration that cannot be done.
    LeftOut {
        /// Which, and why.
        what: String,
    },
    /// Somebody else took away what we had put there.
    Taken {
        /// Addresses, routes, rules.
        what: String,
        /// The process that did it, if known.
        by: Option<String>,
        /// Whether it has happened again and again.
        quarrel: bool,
        /// What was done about it.
        outcome: String,
    },
    /// The connection synchronisation daemons were changed.
    Synchronizing {
        /// Those that run now, in words.
        daemons: Vec<String>,
    },
    /// The connection synchronisation daemons are tied to an instance that is not there.
    NobodyToFollow {
        /// Its name.
        instance: String,
    },
    /// A connection synchronisation daemon does not run as it should.
    SyncRefused {
        /// What was refused, and why.
        what: String,
    },
    /// The daemon ends and leaves everything to its successor.
    Leaving,
    /// The daemon lets go of everything.
    Stopping,
    /// Addresses that stay when the daemon ends (`compat`).
    Left {
        /// Which, and how to be rid of them.
        what: String,
    },
}

impl Entry {
    /// How much this entry matters.
    pub fn severity(&self) -> Severity {
        match self {
            Entry::Transition { to: vrrp::State::Fault, .. }
            | Entry::GroupTransition { to: vrrp::State::Fault, .. } => Severity::Error,
            Entry::Refused { .. }
            | Entry::SyncRefused { .. }
            | Entry::NobodyToFollow { .. }
            | Entry::Ipvs { unavailable: Some(_) }
            | Entry::Panic { on: true, .. }
            | Entry::StandIn { stands_in: None, .. }
            | Entry::Quorum { up: false, .. } => Severity::Error,
            Entry::Taken { quarrel: true, .. } => Severity::Error,
            Entry::Taken { .. }
            | Entry::LeftOut { .. }
            | Entry::Drift { .. }
            | Entry::Adopted { .. }
            | Entry::Left { .. }
            | Entry::VipCheck { up: false, .. }
            | Entry::CheckFlipped { up: false, .. }
            | Entry::StandIn { .. }
            | Entry::Concern { begins: true, .. }
            | Entry::ServerFlipped { up: false, .. }
            | Entry::InstanceNote { .. }
            | Entry::TrackerProblem { .. }
            | Entry::Tracker { reading: Reading::Down, .. } => Severity::Warning,
            Entry::CheckFlipped { .. } | Entry::Configured { .. } => Severity::Debug,
            _ => Severity::Info,
        }
    }
}

impl Entry {
    /// The lines about virtual and real servers.
    fn of_service(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::VipCheck { service, up: true, reason } => {
                write!(f, "the address of {service} answers this backup: {reason}")
            }
            Entry::VipCheck { service, up: false, reason } => {
                write!(
                    f,
                    "the address of {service} does not answer this backup: {reason}; nothing is changed here"
                )
            }
            Entry::CheckFlipped { service, server, check, up, reason } => {
                let word = if *up { "passes again" } else { "failed" };
                write!(f, "real_server {server} of virtual_server {service}: {check} {word}: {reason}")
            }
            Entry::AttemptFailed { service, server, check, reason } => {
                write!(
                    f,
                    "real_server {server} of virtual_server {service}: an attempt of {check} failed: {reason}"
                )
            }
            Entry::Concern { service, server, check, begins, words } => {
                let word = if *begins { "warning" } else { "no warning any more" };
                write!(f, "real_server {server} of virtual_server {service}: {check}: {word}: {words}")
            }
            Entry::Weight { service, server, from, to, why } => {
                write!(f, "real_server {server} of virtual_server {service}: weight {from} -> {to} ({why})")
            }
            Entry::ServerFlipped { service, server, up, treatment } => {
                let word = if *up { "UP" } else { "DOWN" };
                write!(f, "real_server {server} of virtual_server {service}: {word}: {treatment}")
            }
            Entry::Quorum { service, up: true, words, .. } => {
                write!(f, "virtual_server {service}: has its quorum: {words}")
            }
            Entry::Quorum { service, up: false, stands_in, words } => {
                let then = stands_in.as_deref().unwrap_or("there is no sorry_server");
                write!(f, "virtual_server {service}: lost its quorum: {words}; {then}")
            }
            Entry::Panic { service, on: true, words } => {
                write!(f, "virtual_server {service}: PANIC: {words}")
            }
            Entry::Panic { service, on: false, words } => {
                write!(f, "virtual_server {service}: the panic is over: {words}")
            }
            Entry::StandIn { service, stands_in } => {
                let then = stands_in.as_deref().unwrap_or("nobody stands in any more");
                write!(f, "virtual_server {service}: still without its quorum: {then}")
            }
            _ => Ok(()),
        }
    }

    /// The lines about the IPVS table.
    fn of_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Ipvs { unavailable: Some(reason) } => {
                write!(f, "virtual servers are not served: {reason}; it is tried again, and VRRP goes on")
            }
            Entry::Ipvs { unavailable: None } => {
                write!(f, "virtual servers are served: the IPVS table is within reach")
            }
            Entry::Drift { what, repaired } => {
                let then = if *repaired { "put right" } else { "left as it is (reconcile report)" };
                write!(f, "somebody else changed the IPVS table: {what}: {then}")
            }
            Entry::Adopted { what } => {
                write!(f, "virtual servers that somebody else had made are ours from now on: {what}")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Transition { instance, from, to, cause } => {
                write!(f, "vrrp_instance {instance}: {from} -> {to}: {cause}")
            }
            Entry::GroupTransition { group, from, to, cause } => {
                write!(f, "vrrp_sync_group {group}: {from} -> {to}: {cause}")
            }
            Entry::Tracker { tracker, reading, why } => match reading {
                Reading::Up => write!(f, "{tracker} is well: {why}"),
                Reading::Down => write!(f, "{tracker} is not well: {why}"),
                Reading::Number(_) => write!(f, "{tracker}: {why}"),
                Reading::Unknown => write!(f, "{tracker} is looked at anew: {why}"),
            },
            Entry::TrackerProblem { tracker, note } => write!(f, "{tracker}: {note}"),
            Entry::Priority { instance, from, to, why } => {
                write!(f, "vrrp_instance {instance}: priority {from} -> {to}: {why}")
            }
            Entry::InstanceNote { instance, note } => write!(f, "vrrp_instance {instance}: {note}"),
            Entry::Neighbour { name, words, .. } => write!(f, "bfd_instance {name}: {words}"),
            Entry::CheckFlipped { .. }
            | Entry::AttemptFailed { .. }
            | Entry::Concern { .. }
            | Entry::Weight { .. }
            | Entry::ServerFlipped { .. }
            | Entry::Panic { .. }
            | Entry::StandIn { .. }
            | Entry::VipCheck { .. }
            | Entry::Quorum { .. } => self.of_service(f),
            Entry::Configured { summary } => write!(f, "configuration in effect: {summary}"),
            Entry::Refused { what } => write!(f, "the kernel refused: {what}"),
            Entry::UnknownRouter { interface, vrid, source, priority } => write!(
                f,
                "{interface}: {source} advertises virtual_router_id {vrid} (priority {priority}), which is not configured here"
            ),
            Entry::Ipvs { .. } | Entry::Drift { .. } | Entry::Adopted { .. } => self.of_table(f),
            Entry::LeftOut { what } | Entry::Left { what } | Entry::Override { what } => f.write_str(what),
            Entry::Taken { what, by, quarrel, outcome } => {
                let by = by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
                match quarrel {
                    false => write!(f, "{what}: taken away{by}, {outcome}"),
                    true => write!(
                        f,
                        "{what}: taken away again and again{by}, and put back more and more slowly; \
                         whatever does this must be told to leave it alone"
                    ),
                }
            }
            Entry::Synchronizing { daemons } if daemons.is_empty() => write!(f, "lvs_sync_daemon: none runs"),
            Entry::Synchronizing { daemons } => write!(f, "lvs_sync_daemon: {}", daemons.join("; ")),
            Entry::NobodyToFollow { instance } => {
                write!(
                    f,
                    "lvs_sync_daemon: connections are not synchronised: there is no vrrp_instance {instance}"
                )
            }
            Entry::SyncRefused { what } => {
                write!(f, "lvs_sync_daemon: connections are not synchronised: {what}; it is tried again")
            }
            Entry::Leaving => {
                write!(
                    f,
                    "leaving: addresses, services and roles stay as they are, for a successor on this host"
                )
            }
            Entry::Stopping => write!(f, "stopping: handing over, then removing addresses and services"),
        }
    }
}

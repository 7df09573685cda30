//! `global_defs`, as the daemon uses it.
//!
//! What instances and virtual servers take over from here stands in each of them already; it is kept here as it was
//! said, so that the file can be written again. What no part of the daemon uses yet is kept as well.

mod daemon;
mod filter;
mod lvs;
mod report;
mod vrrp;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use daemon::*;
pub use filter::*;
pub use lvs::*;
pub use report::*;
pub use vrrp::*;

/// `global_defs`: settings that concern the daemon as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Global {
    /// `compat`: what keepalived survives is survived, with the same effect.
    pub compat: bool,
    /// `router_id`, the name used in mail subjects. `None`: the host name, filled in by the daemon.
    pub router_id: Option<String>,
    /// `default_interface`, of instances and addresses that name none.
    pub default_interface: Option<String>,
    /// `dynamic_interfaces`. An interface may always come and go, whatever is said.
    pub dynamic_interfaces: DynamicInterfaces,
    /// Whom to write to and how. `None`: no mail at all (no recipients, or no `smtp_server`).
    pub email: Option<Email>,
    /// What is mailed and logged.
    pub alerts: Alerts,
    /// Names of processes.
    pub process_names: ProcessNames,
    /// Who runs scripts, and those of the start and the end.
    pub scripts: ScriptRules,
    /// `umask`: rights that new files do not get. `None`: all but reading and writing by the owner.
    pub umask: Option<u16>,
    /// `random_seed`. `None`: the time.
    pub random_seed: Option<u32>,
    /// What instances take over where they say nothing.
    pub vrrp: VrrpDefaults,
    /// Rules of the packet filter that virtual addresses and interfaces need.
    pub filter: PacketFilter,
    /// What concerns IPVS as a whole.
    pub lvs: LvsGlobal,
    /// Named pipes that events are written to.
    pub fifos: Fifos,
    /// Priorities, processors and memory of the parts of the daemon.
    pub scheduling: Scheduling,
    /// Sizes of receive buffers. They grow by themselves.
    pub buffers: Buffers,
    /// SNMP.
    pub snmp: Snmp,
    /// D-Bus.
    pub dbus: Dbus,
    /// Reading the file again.
    pub reload: ReloadRules,
    /// Files that tell the state, and files that are looked into.
    pub files: DaemonFiles,
}

/// Where notices go by mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// `notification_email`, in the file's order; never empty.
    pub to: Vec<String>,
    /// `notification_email_from`. `None`: `root@` and the host name, filled in by the daemon.
    pub from: Option<String>,
    /// `smtp_server`: host name or address.
    pub server: String,
    /// `smtp_server`: port, 25 by default.
    pub port: u16,
    /// `smtp_connect_timeout`, 30 s by default.
    pub connect_timeout: Duration,
    /// `smtp_helo_name`. `None`: the host name.
    pub helo: Option<String>,
}

/// What is mailed and logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alerts {
    /// `smtp_alert`: of instances and servers that nothing closer is said of.
    pub all: Option<bool>,
    /// `smtp_alert_vrrp`, of instances.
    pub vrrp: Option<bool>,
    /// `smtp_alert_checker`, of virtual and real servers.
    pub checker: Option<bool>,
    /// `no_email_faults`: no mail when an instance goes to fault.
    pub no_faults: bool,
    /// `no_checker_emails`: no mail for each single check. It is always so.
    pub no_checks: bool,
    /// `checker_log_all_failures`: log each failed attempt.
    pub log_all_failures: bool,
}

/// `dynamic_interfaces`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DynamicInterfaces {
    /// Not said.
    #[default]
    Unsaid,
    /// Interfaces need not exist yet.
    MayCome,
    /// `allow_if_changes`: they may also come back as another kind.
    MayChange,
}

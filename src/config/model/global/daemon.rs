//! Processes, their priorities and buffers, and the rules for scripts.
//!
//! keepalived has a process each for VRRP, health checks and BFD, and its file speaks of them one by one.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Command;

/// Names of processes, at most 15 bytes each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessNames {
    /// `process_names`: each process gets a name of its own.
    pub distinct: bool,
    /// `process_name`.
    pub daemon: Option<String>,
    /// `vrrp_process_name`.
    pub vrrp: Option<String>,
    /// `checker_process_name`.
    pub checker: Option<String>,
    /// `bfd_process_name`.
    pub bfd: Option<String>,
}

/// Who runs scripts, and the scripts of the start and the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptRules {
    /// `script_user`. `None`: `keepalived_script` if there is such a user; else the daemon's user, unless
    /// [`Self::security`] is asked for.
    pub user: Option<Account>,
    /// `enable_script_security`: do not run as root what others can change.
    pub security: bool,
    /// `set_supplementary_groups`: scripts run with all groups of their user.
    pub supplementary_groups: bool,
    /// `use_symlink_paths`: leave symbolic links in script paths as they are.
    pub symlink_paths: bool,
    /// `notify_timeout`: how long a script that hears of a change of state may run, 60 s by default.
    pub notify_timeout: Duration,
    /// `startup_script`, run before anything else.
    pub startup: Option<Command>,
    /// `startup_script_timeout`, 10 s by default.
    pub startup_timeout: Duration,
    /// `shutdown_script`, run at the very end.
    pub shutdown: Option<Command>,
    /// `shutdown_script_timeout`, 10 s by default.
    pub shutdown_timeout: Duration,
}

impl Default for ScriptRules {
    fn default() -> Self {
        Self {
            user: None,
            security: false,
            supplementary_groups: false,
            symlink_paths: false,
            notify_timeout: Duration::from_secs(60),
            startup: None,
            startup_timeout: Duration::from_secs(10),
            shutdown: None,
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

/// A user, and perhaps a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The user's name.
    pub user: String,
    /// The group's name. `None`: the user's own.
    pub group: Option<String>,
    /// Whether all groups of the user are taken as well: a colon before the group.
    pub supplementary: bool,
}

/// Priorities, processors and memory of the parts of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduling {
    /// `max_auto_priority`, -1 to 99: how far the real-time priority may rise by itself. `None`: not said, it does not.
    pub max_auto_priority: Option<i8>,
    /// `min_auto_priority_delay`: the lateness that makes it rise, 1 s by default.
    pub min_auto_priority_delay: Duration,
    /// `vrrp_…`.
    pub vrrp: PartScheduling,
    /// `checker_…`.
    pub checker: PartScheduling,
    /// `bfd_…`.
    pub bfd: PartScheduling,
}

impl Default for Scheduling {
    fn default() -> Self {
        Self {
            max_auto_priority: None,
            min_auto_priority_delay: Duration::from_secs(1),
            vrrp: PartScheduling::default(),
            checker: PartScheduling::default(),
            bfd: PartScheduling::default(),
        }
    }
}

/// Priority, processors and memory of one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartScheduling {
    /// `…_priority`: niceness, -20 to 19.
    pub nice: i8,
    /// `…_rt_priority`, 1 to 99. `None`: no real-time scheduling.
    pub realtime: Option<u8>,
    /// `…_rlimit_rttime`: longest real-time run without a pause, 10 ms by default.
    pub longest_run: Duration,
    /// `…_no_swap`: lock the memory.
    pub no_swap: bool,
    /// `…_cpu_affinity`: processors; empty means all.
    pub cpus: BTreeSet<u16>,
}

impl Default for PartScheduling {
    fn default() -> Self {
        Self {
            nice: 0,
            realtime: None,
            longest_run: Duration::from_millis(10),
            no_swap: false,
            cpus: BTreeSet::new(),
        }
    }
}

/// Sizes of receive buffers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffers {
    /// `vrrp_netlink_cmd_rcv_bufs`.
    pub vrrp_commands: Buffer,
    /// `vrrp_netlink_monitor_rcv_bufs`.
    pub vrrp_monitor: Buffer,
    /// `lvs_netlink_cmd_rcv_bufs`.
    pub lvs_commands: Buffer,
    /// `lvs_netlink_monitor_rcv_bufs`.
    pub lvs_monitor: Buffer,
    /// `process_monitor_rcv_bufs`.
    pub process_monitor: Buffer,
    /// `vrrp_rx_bufs_policy`. `None`: what the kernel gives.
    pub adverts: Option<AdvertBuffer>,
    /// `vrrp_rx_bufs_multiplier`, 3 by default.
    pub advert_factor: u32,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            vrrp_commands: Buffer::default(),
            vrrp_monitor: Buffer::default(),
            lvs_commands: Buffer::default(),
            lvs_monitor: Buffer::default(),
            process_monitor: Buffer::default(),
            adverts: None,
            advert_factor: 3,
        }
    }
}

/// One netlink buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// Bytes. `None`: what the kernel gives.
    pub size: Option<u32>,
    /// `…_force`: also above the kernel's limit.
    pub force: bool,
}

/// `vrrp_rx_bufs_policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdvertBuffer {
    /// Several times the interface's MTU.
    Mtu,
    /// Several times the length of an advert.
    Advert,
    /// So many bytes.
    Bytes(u32),
}

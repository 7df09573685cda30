//! How the daemon tells others what happens, and when it reads its file again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Command;

/// Named pipes that events are written to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fifos {
    /// `notify_fifo`: events of all kinds.
    pub all: Fifo,
    /// `vrrp_notify_fifo`: events of instances.
    pub vrrp: Fifo,
    /// `lvs_notify_fifo`: events of servers.
    pub lvs: Fifo,
    /// `fifo_write_vrrp_states_on_reload`: repeat all states after a reload.
    pub repeat_on_reload: bool,
}

/// One named pipe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fifo {
    /// Where it is, and whose. `None`: there is none.
    pub pipe: Option<Pipe>,
    /// `…_script`: the command that reads it.
    pub script: Option<Command>,
}

/// `notify_fifo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipe {
    /// Its path.
    pub path: String,
    /// Whose it is. `None`: that of `script_user`.
    pub user: Option<String>,
    /// Its group. `None`: the user's own.
    pub group: Option<String>,
}

/// SNMP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snmp {
    /// `enable_snmp_vrrp`: the state of instances.
    pub vrrp: bool,
    /// `enable_snmp_checker`: the state of servers.
    pub checker: bool,
    /// `enable_snmp_rfc`: the MIBs of RFC 2787 and 6527.
    pub rfc: bool,
    /// `enable_snmp_rfcv2`: the MIB of RFC 2787.
    pub rfc_v2: bool,
    /// `enable_snmp_rfcv3`: the MIB of RFC 6527.
    pub rfc_v3: bool,
    /// `enable_traps`.
    pub traps: bool,
    /// `snmp_socket`. `None`: the master agent's unix socket.
    pub socket: Option<String>,
    /// `snmp_vs_stats_update_interval`: how old counters of virtual servers may be, 5 s by default.
    pub service_age: Duration,
    /// `snmp_rs_stats_update_interval`: how old counters of real servers may be, 0 by default.
    pub server_age: Duration,
}

impl Default for Snmp {
    fn default() -> Self {
        Self {
            vrrp: false,
            checker: false,
            rfc: false,
            rfc_v2: false,
            rfc_v3: false,
            traps: false,
            socket: None,
            service_age: Duration::from_secs(5),
            server_age: Duration::ZERO,
        }
    }
}

/// D-Bus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dbus {
    /// `enable_dbus`.
    pub on: bool,
    /// `dbus_service_name`. `None`: `org.keepalived.Vrrp1`.
    pub service_name: Option<String>,
    /// `dbus_no_interface_name`. `None`: `none`.
    pub no_interface_name: Option<String>,
}

/// Reading the file again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadRules {
    /// `reload_check_config`: test a new file before it is used. It is always so.
    pub check: Sometimes,
    /// `reload_time_file`: a file that says when to reload.
    pub time_file: Option<String>,
    /// `reload_repeat`: reload at that time every day.
    pub repeat: bool,
    /// `reload_file`: a file that is there while the configuration is read.
    pub marker: Sometimes,
}

/// A keyword that may stand alone or with a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sometimes {
    /// Not said.
    #[default]
    No,
    /// Said without a path.
    Yes,
    /// Said with this path.
    At(String),
}

/// Files that tell the state, and files that are looked into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonFiles {
    /// `config_save_dir`: where copies of the configuration are kept.
    pub save_directory: Option<String>,
    /// `data_use_instance`: the instance's name is part of the names of dumps.
    pub with_instance: bool,
    /// `state_dump_file`.
    pub state: Option<String>,
    /// `stats_dump_file`.
    pub statistics: Option<String>,
    /// `json_dump_file`.
    pub json: Option<String>,
    /// `json_version`, 1 or 2; 1 by default.
    pub json_version: u8,
    /// `iproute_usr_dir`: where names of routing tables are found.
    pub iproute_usr: Option<String>,
    /// `iproute_etc_dir`.
    pub iproute_etc: Option<String>,
}

impl Default for DaemonFiles {
    fn default() -> Self {
        Self {
            save_directory: None,
            with_instance: false,
            state: None,
            statistics: None,
            json: None,
            json_version: 1,
            iproute_usr: None,
            iproute_etc: None,
        }
    }
}

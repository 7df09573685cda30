//! The daemons by which two directors tell each other of connections: model, plan, and what keeps them in step.
//!
//! A kernel runs at most one daemon of each [`SyncRole`]: the master sends what it learns of connections to a multicast
//! group, the backup takes it in, so that connections survive when the other director takes over. A running daemon
//! cannot be changed: it is stopped and started anew, which loses no connection.
//!
//! Source: `net/netfilter/ipvs/ip_vs_sync.c` and `ip_vs_ctl.c` of the Linux kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::kernel::{Errno, Kernel};
use crate::{KernelError, ParseError};

/// What a daemon does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncRole {
    /// Sends (`IP_VS_STATE_MASTER`).
    Master,
    /// Takes in (`IP_VS_STATE_BACKUP`).
    Backup,
}

/// How a daemon sends or listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncSettings {
    /// Name of the interface, at most 15 bytes.
    pub interface: String,
    /// Messages carry this number; a backup with another one ignores them, one with 0 takes all.
    pub id: u8,
    /// The longest message in bytes, 1..=65507; `None`: what the kernel makes of the interface's MTU.
    pub max_length: Option<u16>,
    /// UDP port.
    pub port: u16,
    /// Time to live of messages.
    pub ttl: u8,
    /// The multicast group.
    pub group: IpAddr,
}

/// The daemons of a kernel.
pub type SyncDaemons = BTreeMap<SyncRole, SyncSettings>;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SyncChange {
    /// Starts a daemon where none of this role runs.
    Start(SyncRole, SyncSettings),
    /// Stops the daemon of this role.
    Stop(SyncRole),
}

impl SyncSettings {
    /// The port where none is given.
    pub const PORT: u16 = 8848;
    /// The group where none is given.
    pub const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81));
    /// A backup's buffer is at least this long (`ip_vs_sync.c`).
    pub const LEAST_BACKUP: u16 = 1024;

    /// The kernel's defaults on an interface.
    pub fn new(interface: impl Into<String>, id: u8) -> Self {
        let interface = interface.into();
        Self { interface, id, max_length: None, port: Self::PORT, ttl: 1, group: Self::GROUP }
    }

    /// Whether a kernel that was asked for this runs that.
    fn is_met_by(&self, role: SyncRole, found: &SyncSettings) -> bool {
        let length = self.max_length.map(|length| match role {
            SyncRole::Master => length,
            SyncRole::Backup => length.max(Self::LEAST_BACKUP),
        });
        let same_length = length.is_none() || length == found.max_length;
        same_length && Self { max_length: found.max_length, ..self.clone() } == *found
    }
}

/// The changes that lead from what runs to what is wanted. Of what is not wanted, only `ours` is stopped: stops come
/// first.
pub fn plan_sync(found: &SyncDaemons, wanted: &SyncDaemons, ours: &BTreeSet<SyncRole>) -> Vec<SyncChange> {
    let met = |role: &SyncRole| {
        let pair = wanted.get(role).zip(found.get(role));
        pair.is_some_and(|(wanted, found)| wanted.is_met_by(*role, found))
    };
    let stops = found.keys().filter(|role| match wanted.contains_key(role) {
        true => !met(role),
        false => ours.contains(role),
    });
    let starts = wanted.iter().filter(|(role, _)| !met(role));
    let stops = stops.map(|role| SyncChange::Stop(*role));
    stops.chain(starts.map(|(role, settings)| SyncChange::Start(*role, settings.clone()))).collect()
}

/// Keeps a kernel's daemons in step with what is wanted. A role that is wanted is ours from then on, whoever started its
/// daemon; one that is not wanted and never was is left alone.
#[derive(Debug)]
pub struct SyncKeeper<K> {
    kernel: K,
    ours: BTreeSet<SyncRole>,
}

/// What came of one round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// What was changed.
    pub applied: Vec<SyncChange>,
    /// What was refused, in words.
    pub refused: Vec<String>,
}

impl<K: Kernel> SyncKeeper<K> {
    /// A keeper for this kernel. `ours` are the roles that an earlier life of ours left behind.
    pub fn new(kernel: K, ours: BTreeSet<SyncRole>) -> Self {
        Self { kernel, ours }
    }

    /// The roles that are ours.
    pub fn ours(&self) -> &BTreeSet<SyncRole> {
        &self.ours
    }

    /// Reads what runs, and changes what differs.
    ///
    /// # Errors
    /// When the kernel cannot be asked or told at all.
    pub fn converge(&mut self, wanted: &SyncDaemons) -> Result<SyncReport, KernelError> {
        let found = self.kernel.daemons()?;
        let plan = plan_sync(&found, wanted, &self.ours);
        self.ours.extend(wanted.keys());
        let mut report = SyncReport::default();
        for change in plan {
            match self.kernel.change_daemon(&change)? {
                None => report.applied.push(change),
                // Somebody else was quicker, and nothing is left to do.
                Some(Errno::ESRCH) if matches!(change, SyncChange::Stop(_)) => {}
                Some(errno) => report.refused.push(refusal(&change, errno)),
            }
        }
        let left = if report.refused.is_empty() { wanted.clone() } else { self.kernel.daemons()? };
        self.ours.retain(|role| wanted.contains_key(role) || left.contains_key(role));
        Ok(report)
    }
}

/// What an error number means for a change (`start_sync_thread` and `stop_sync_thread`).
fn refusal(change: &SyncChange, errno: Errno) -> String {
    let why = match (change, errno) {
        (SyncChange::Start(_, settings), Errno::ENODEV) => {
            format!("there is no interface {}", settings.interface)
        }
        (SyncChange::Start(_, settings), Errno::EADDRNOTAVAIL) => {
            format!("{} has no address to send from", settings.interface)
        }
        (SyncChange::Start(..), Errno::EEXIST) => "one runs already".to_owned(),
        (SyncChange::Start(..), Errno::EINVAL) => {
            "the kernel takes no such daemon while a real server is of another address family than its service, nor a \
             group of a family that it was not built for"
                .to_owned()
        }
        (_, errno) => errno.to_string(),
    };
    format!("the kernel refused to {change}: {why}")
}

impl fmt::Display for SyncRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

impl FromStr for SyncRole {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "master" => Ok(Self::Master),
            "backup" => Ok(Self::Backup),
            other => Err(ParseError::new("role of a sync daemon", other, "master or backup")),
        }
    }
}

impl fmt::Display for SyncChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(role, settings) => {
                write!(f, "start the {role} sync daemon on {} with id {}", settings.interface, settings.id)
            }
            Self::Stop(role) => write!(f, "stop the {role} sync daemon"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    use super::*;
    use crate::MemoryKernel;

    const BOTH: [SyncRole; 2] = [SyncRole::Master, SyncRole::Backup];

    fn on(interface: &str, id: u8) -> SyncSettings {
        SyncSettings::new(interface, id)
    }

    fn keeper(kernel: &MemoryKernel) -> SyncKeeper<MemoryKernel> {
        SyncKeeper::new(kernel.clone(), BTreeSet::new())
    }

    #[test]
    fn roles_change_by_a_stop_and_a_start() {
        let kernel = MemoryKernel::new();
        let mut keeper = keeper(&kernel);
        let as_role = |role| SyncDaemons::from([(role, on("eth0", 51))]);
        keeper.converge(&as_role(SyncRole::Backup)).unwrap();
        let report = keeper.converge(&as_role(SyncRole::Master)).unwrap();
        let expected =
            [SyncChange::Stop(SyncRole::Backup), SyncChange::Start(SyncRole::Master, on("eth0", 51))];
        assert_eq!(report.applied, expected);
        assert_eq!(keeper.converge(&as_role(SyncRole::Master)).unwrap(), SyncReport::default());
        keeper.converge(&SyncDaemons::new()).unwrap();
        assert!(kernel.sync_daemons().is_empty() && keeper.ours().is_empty());
    }

    #[test]
    fn a_changed_setting_starts_the_daemon_anew_and_the_other_goes_on() {
        let kernel = MemoryKernel::new();
        let mut keeper = keeper(&kernel);
        let mut wanted: SyncDaemons = BOTH.map(|role| (role, on("eth0", 0))).into();
        keeper.converge(&wanted).unwrap();
        wanted.insert(SyncRole::Master, SyncSettings { ttl: 3, max_length: Some(900), ..on("eth0", 0) });
        let report = keeper.converge(&wanted).unwrap();
        assert_eq!(report.applied.len(), 2, "{report:?}");
        assert!(report.applied.iter().all(|change| !change.to_string().contains("backup")), "{report:?}");
    }

    #[test]
    fn a_stranger_is_left_alone_unless_its_role_is_wanted() {
        let kernel = MemoryKernel::new();
        let start = |role| SyncChange::Start(role, on("eth9", 9));
        kernel.meddle_sync(&start(SyncRole::Backup)).unwrap();
        let mut keeper = keeper(&kernel);
        let wanted = SyncDaemons::from([(SyncRole::Master, on("eth0", 1))]);
        keeper.converge(&wanted).unwrap();
        assert_eq!(kernel.sync_daemons()[&SyncRole::Backup], on_kernel("eth9", 9));
        keeper.converge(&SyncDaemons::new()).unwrap();
        assert_eq!(kernel.sync_daemons().into_keys().collect::<Vec<_>>(), [SyncRole::Backup]);
        // One that is wanted is taken over as it is, and leaves with us.
        let wanted = SyncDaemons::from([(SyncRole::Backup, on("eth9", 9))]);
        assert_eq!(keeper.converge(&wanted).unwrap(), SyncReport::default());
        keeper.converge(&SyncDaemons::new()).unwrap();
        assert!(kernel.sync_daemons().is_empty());
    }

    /// What the memory kernel runs when asked for this.
    fn on_kernel(interface: &str, id: u8) -> SyncSettings {
        SyncSettings { max_length: Some(1472), ..on(interface, id) }
    }

    #[test]
    fn what_an_earlier_life_left_is_ours() {
        let kernel = MemoryKernel::new();
        kernel.meddle_sync(&SyncChange::Start(SyncRole::Backup, on("eth0", 1))).unwrap();
        let mut keeper = SyncKeeper::new(kernel.clone(), BTreeSet::from([SyncRole::Backup]));
        keeper.converge(&SyncDaemons::new()).unwrap();
        assert!(kernel.sync_daemons().is_empty());
    }

    #[test]
    fn a_refusal_says_why_and_is_tried_again() {
        let kernel = MemoryKernel::new();
        let mut keeper = keeper(&kernel);
        let wanted = SyncDaemons::from([(SyncRole::Master, on("eth0", 1))]);
        kernel.refuse_next(1, Errno::ENODEV);
        let report = keeper.converge(&wanted).unwrap();
        assert!(report.refused[0].contains("no interface eth0"), "{report:?}");
        assert_eq!(keeper.converge(&wanted).unwrap().applied.len(), 1);
        kernel.fail_next(KernelError::Overrun);
        assert_eq!(keeper.converge(&wanted), Err(KernelError::Overrun));
    }

    #[test]
    fn roles_are_written_and_read() {
        for role in BOTH {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert!("primary".parse::<SyncRole>().is_err());
    }

    fn any_daemons() -> impl Strategy<Value = SyncDaemons> {
        let settings =
            (prop::bool::ANY, 0u8..3, prop::option::of(prop::sample::select(vec![1u16, 900, 1400])));
        let settings = settings.prop_map(|(first, id, max_length)| SyncSettings {
            max_length,
            ..on(if first { "eth0" } else { "eth1" }, id)
        });
        prop::collection::btree_map(prop::sample::select(BOTH.to_vec()), settings, 0..3)
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

        #[test]
        fn a_plan_leads_to_what_is_wanted_and_a_second_one_is_empty(
            before in any_daemons(),
            wanted in any_daemons(),
        ) {
            let kernel = MemoryKernel::new();
            let mut keeper = keeper(&kernel);
            keeper.converge(&before).unwrap();
            let report = keeper.converge(&wanted).unwrap();
            prop_assert_eq!(&report.refused, &Vec::<String>::new());
            prop_assert!(kernel.sync_daemons().keys().eq(wanted.keys()));
            prop_assert_eq!(keeper.converge(&wanted).unwrap(), SyncReport::default());
        }
    }
}

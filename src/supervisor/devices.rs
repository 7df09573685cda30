//! The owner of the interfaces that instances bring along, of the kernel's switches that go with them, and of our
//! tables in the packet filter.
//!
//! A thread of its own: taking an interface away makes the kernel wait for all processors, and no gratuitous ARP
//! should wait with it. The packet filter comes before the interface is switched on, and before the addresses that it
//! is to silence: for those the owner of the addresses asks the [`Gate`].

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use tracing::{error, info, warn};
use vrrp::device::{Manner, Switch};
use vrrp::filter::{TableKey, Tables, VirtualMacs, tables};
use vrrp::io::{DeviceReport, DeviceTable, FilterTable};

use super::inbox::Sender;
use super::remembered::Remembered;
use crate::director::effect::{HostLevel, Level};
use crate::director::event::{Event, HostReport};

/// How long addresses wait for the packet filter before they are added all the same.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long the first level may take; without any, nothing is needed.
const FIRST_LEVEL: Duration = Duration::from_secs(3);

/// What was put into the kernel, remembered across a crash.
#[derive(Debug)]
pub(super) struct Memory {
    devices: Remembered<Name>,
    switches: Remembered<Switch>,
    tables: Remembered<TableKey>,
}

/// The name of an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name(String);

/// Where the owner of the addresses waits until the packet filter is as it should be by then.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate(Arc<(Mutex<Passed>, Condvar)>);

/// Numbers of levels.
#[derive(Debug, Default)]
struct Passed {
    wanted: u64,
    applied: u64,
}

/// The owner.
#[derive(Debug)]
pub(super) struct Owner {
    devices: DeviceTable,
    filter: FilterTable,
    memory: Memory,
    gate: Gate,
    /// The table's name where the file gives none.
    table: &'static str,
    /// What was wrong with the packet filter and was told.
    filter_told: Option<String>,
    /// Tables that stay although nobody wants them, as was told.
    stays_told: BTreeSet<TableKey>,
    /// What was wrong with switches and was told.
    switches_told: BTreeSet<String>,
}

impl Memory {
    /// What the last run left.
    pub(super) fn load(directory: &Path) -> Self {
        Self {
            devices: Remembered::load(directory, "interfaces"),
            switches: Remembered::load(directory, "switches"),
            tables: Remembered::load(directory, "tables"),
        }
    }
}

impl Gate {
    /// A level was handed to the owner.
    pub(super) fn expect(&self, serial: u64) {
        self.lock().wanted = serial;
    }

    /// Waits, not for long, until the packet filter is as the newest level wants it.
    pub(super) fn wait(&self) {
        let passed = self.lock();
        let _ = self.0.1.wait_timeout_while(passed, PATIENCE, |passed| passed.applied < passed.wanted);
    }

    fn pass(&self, serial: u64) {
        self.lock().applied = serial;
        self.0.1.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Passed> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owner {
    /// `compat`: the packet filter's table has keepalived's name where the file gives none, and no more switches are set
    /// and put back than keepalived does.
    pub(super) fn new(memory: Memory, gate: Gate, compat: bool) -> std::io::Result<Self> {
        let manner = if compat { Manner::AsKeepalived } else { Manner::Thorough };
        let predecessors = memory.devices.keys().iter().map(|name| name.0.clone()).collect();
        let devices = DeviceTable::open(&predecessors, memory.switches.keys(), manner)?;
        let filter = FilterTable::new(memory.tables.keys(), manner);
        let table = if compat { "keepalived" } else { "directord" };
        let (stays_told, switches_told) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { devices, filter, memory, gate, table, filter_told: None, stays_told, switches_told })
    }

    /// Takes away everything that a predecessor made.
    pub(super) fn let_go(&mut self) {
        self.converge(&HostLevel::default(), 0);
    }

    /// Works until the brain's end of the queue is gone.
    pub(super) fn work(mut self, levels: &Receiver<Level<HostLevel>>, inbox: &Sender) {
        // What a run that crashed left behind is cleared away even if this one needs nothing of the kind.
        let mut next = levels.recv_timeout(FIRST_LEVEL);
        if next.is_err() {
            self.converge(&HostLevel::default(), 0);
        }
        if let Err(RecvTimeoutError::Timeout) = next {
            next = levels.recv().map_err(Into::into);
        }
        while let Ok(first) = next {
            let level = levels.try_iter().last().unwrap_or(first);
            let report = self.converge(&level.value, level.serial);
            inbox.blocking_event(Event::HostApplied(report));
            next = levels.recv().map_err(Into::into);
        }
    }

    fn converge(&mut self, level: &HostLevel, serial: u64) -> HostReport {
        self.memory
            .devices
            .add(level.devices.keys().map(|name| Name(name.clone())).collect::<Vec<_>>().iter());
        let switches = &mut self.memory.switches;
        let mut report = self.devices.prepare(&level.devices, &mut |all| switches.add(all.iter()));
        self.tell(&report);
        self.converge_filter(level);
        self.gate.pass(serial);
        self.devices.raise(&level.devices, &mut report);
        self.memory.devices.keep(self.devices.ours().iter().map(|name| Name(name.clone())).collect());
        self.memory.switches.keep(self.devices.switches());
        let failures = report.failures.iter().map(|(name, why)| format!("interface {name}: {why}"));
        HostReport {
            serial,
            failures: failures.collect(),
            refused: report.failures.iter().map(|(name, _)| name.clone()).collect(),
        }
    }

    fn converge_filter(&mut self, level: &HostLevel) {
        let mut macs = VirtualMacs::default();
        for (name, device) in level.devices.iter().filter(|(_, device)| device.kind.mac().is_some()) {
            let Some((index, below)) = self.devices.indexes(name) else { continue };
            if device.ipv4 {
                macs.v4.insert(index, below);
            }
            if device.ipv6 {
                macs.v6.insert(index, below);
            }
        }
        let mut filter = level.filter.clone();
        if filter.table.is_empty() {
            filter.table = self.table.to_owned();
        }
        let wanted = tables(&filter, &macs, |name| if_nametoindex(name).ok());
        self.memory.tables.add(wanted.keys());
        match self.filter.converge(&wanted) {
            Ok(_) => {
                if self.filter_told.take().is_some() {
                    info!("the packet filter is as it should be again");
                }
                self.tell_what_stays(&wanted);
            }
            Err(failure) => {
                if self.filter_told.as_ref() != Some(&failure.text) {
                    error!("nftables: {}; virtual addresses may answer where they should not", failure.text);
                    self.filter_told = Some(failure.text);
                }
            }
        }
        self.memory.tables.keep(self.filter.ours().into_iter().chain(wanted.into_keys()).collect());
    }

    fn tell_what_stays(&mut self, wanted: &Tables) {
        let stays: BTreeSet<TableKey> =
            self.filter.ours().into_iter().filter(|key| !wanted.contains_key(key)).collect();
        for table in stays.difference(&self.stays_told) {
            warn!(
                "compat: the nftables table {table} is left, without elements, as keepalived leaves it on a kernel that \
                 cannot copy packets (`nft delete table {table}` takes it away)"
            );
        }
        self.stays_told = stays;
    }

    fn tell(&mut self, report: &DeviceReport) {
        for name in &report.made {
            info!("interface {name} was made");
        }
        for name in &report.removed {
            info!("interface {name} was removed");
        }
        let failures: BTreeSet<String> = report.switches.iter().cloned().collect();
        for failure in failures.difference(&self.switches_told) {
            warn!("{failure}; hosts on the network may learn the wrong MAC address of a virtual address");
        }
        self.switches_told = failures;
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::str::FromStr for Name {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

//! A kernel in memory that obeys the rules of the real one.
//!
//! For tests and simulations: it refuses what `net/netfilter/ipvs/ip_vs_ctl.c` refuses, with the same error
//! numbers, and keeps settings in the form in which the kernel would give them back. Handles share one table,
//! so a test can look in, play the foreign administrator, and let operations fail.
//!
//! Like the real kernel it does not refuse a port that differs from the service's with direct routing or
//! tunnels, although packets keep the port they came with.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::codec::ServiceWire;
use crate::conn::ConnectionCounts;
use crate::kernel::{Errno, Kernel, Rejection};
use crate::key::{DestinationKey, Family, ServiceKey};
use crate::model::{DestinationSettings, Forwarding, Scheduler, Service, ServiceSettings, Table};
use crate::settings::Timeouts;
use crate::sync::{SyncChange, SyncDaemons, SyncRole, SyncSettings};
use crate::traffic::{ServerUsage, Traffic};
use crate::{KernelError, Operation};

/// How many operations the log remembers.
const LOG: usize = 65_536;

/// A shared handle to a table in memory; clones see the same table.
#[derive(Debug, Clone, Default)]
pub struct MemoryKernel {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    services: BTreeMap<ServiceKey, Service>,
    daemons: SyncDaemons,
    timeouts: Option<Timeouts>,
    traffic: BTreeMap<ServiceKey, Traffic>,
    usage: BTreeMap<(ServiceKey, DestinationKey), ServerUsage>,
    missing: BTreeSet<Scheduler>,
    plain_tunnels: bool,
    refuse: Option<(usize, Errno)>,
    errors: VecDeque<KernelError>,
    log: VecDeque<Operation>,
}

impl MemoryKernel {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// A table that holds this already.
    pub fn with_table(table: &Table) -> Self {
        let kernel = Self::new();
        kernel.set_table(table);
        kernel
    }

    /// What the table holds now.
    pub fn table(&self) -> Table {
        self.state().table()
    }

    /// Replaces the whole table behind its owner's back.
    pub fn set_table(&self, table: &Table) {
        let kept = |key: &ServiceKey, service: &Arc<Service>| Service {
            settings: normal(&service.settings, *key),
            destinations: service.destinations.clone(),
        };
        self.state().services =
            table.services.iter().map(|(key, service)| (*key, kept(key, service))).collect();
    }

    /// Carries out one operation behind its owner's back, as an administrator would.
    ///
    /// # Errors
    /// What the kernel refuses it with.
    pub fn meddle(&self, operation: &Operation) -> Result<(), Errno> {
        self.state().carry_out(operation)
    }

    /// A real server has these connections from now on, wherever they come from.
    pub fn set_connections(&self, service: ServiceKey, server: DestinationKey, counts: ConnectionCounts) {
        self.state().usage.entry((service, server)).or_default().connections = counts;
    }

    /// This has been counted of a service, or of a real server of it, wherever it comes from.
    pub fn set_traffic(&self, service: ServiceKey, server: Option<DestinationKey>, traffic: Traffic) {
        let mut state = self.state();
        match server {
            Some(server) => state.usage.entry((service, server)).or_default().traffic = traffic,
            None => {
                state.traffic.insert(service, traffic);
            }
        }
    }

    /// The connection synchronisation daemons that run now.
    pub fn sync_daemons(&self) -> SyncDaemons {
        self.state().daemons.clone()
    }

    /// Starts or stops such a daemon behind the owner's back.
    ///
    /// # Errors
    /// What the kernel refuses it with.
    pub fn meddle_sync(&self, change: &SyncChange) -> Result<(), Errno> {
        self.state().change_daemon(change)
    }

    /// The next `count` operations are refused with this error.
    pub fn refuse_next(&self, count: usize, errno: Errno) {
        self.state().refuse = (count > 0).then_some((count, errno));
    }

    /// The next call fails with this error; calls add up. A failing `apply` carries out the first half of its
    /// operations, for the worst that can happen is that nobody knows how far it came.
    pub fn fail_next(&self, error: KernelError) {
        self.state().errors.push_back(error);
    }

    /// Forgets the faults that were ordered and have not happened yet; a removed scheduler comes back, and so do
    /// tunnels.
    pub fn heal(&self) {
        let mut state = self.state();
        (state.refuse, state.errors, state.missing) = (None, VecDeque::new(), BTreeSet::new());
        state.plain_tunnels = false;
    }

    /// The kernel has no such scheduler from now on.
    pub fn remove_scheduler(&self, scheduler: Scheduler) {
        self.state().missing.insert(scheduler);
    }

    /// The kernel knows tunnels of plain IP in IP only from now on, as Linux before 5.2.
    pub fn remove_tunnels(&self) {
        self.state().plain_tunnels = true;
    }

    /// The operations carried out for the owner since the last call, oldest first; at most the latest 65536.
    pub fn take_log(&self) -> Vec<Operation> {
        self.state().log.drain(..).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked while looking in leaves the table as whole as before.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kernel for MemoryKernel {
    fn dump(&mut self) -> Result<Table, KernelError> {
        let mut state = self.state();
        state.error()?;
        Ok(state.table())
    }

    fn dump_service(&mut self, key: &ServiceKey) -> Result<Option<Service>, KernelError> {
        let mut state = self.state();
        state.error()?;
        Ok(state.services.get(key).cloned())
    }

    fn traffic(&mut self) -> Result<BTreeMap<ServiceKey, Traffic>, KernelError> {
        let mut state = self.state();
        state.error()?;
        let counted = |key| state.traffic.get(key).copied().unwrap_or_default();
        Ok(state.services.keys().map(|key| (*key, counted(key))).collect())
    }

    fn usage(&mut self, key: &ServiceKey) -> Result<BTreeMap<DestinationKey, ServerUsage>, KernelError> {
        let mut state = self.state();
        state.error()?;
        let Some(service) = state.services.get(key) else { return Ok(BTreeMap::new()) };
        let usage = |server| state.usage.get(&(*key, server)).copied().unwrap_or_default();
        Ok(service.destinations.keys().map(|server| (*server, usage(*server))).collect())
    }

    fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Rejection>, KernelError> {
        let mut state = self.state();
        let error = state.error().err();
        let reached = if error.is_some() { operations.len() / 2 } else { operations.len() };
        let mut rejections = Vec::new();
        for (index, operation) in operations.iter().take(reached).enumerate() {
            if let Err(errno) = state.attempt(operation) {
                rejections.push(Rejection::new(index, operation, errno, None));
            }
        }
        error.map_or(Ok(rejections), Err)
    }

    fn daemons(&mut self) -> Result<SyncDaemons, KernelError> {
        let mut state = self.state();
        state.error()?;
        Ok(state.daemons.clone())
    }

    fn change_daemon(&mut self, change: &SyncChange) -> Result<Option<Errno>, KernelError> {
        let mut state = self.state();
        state.error()?;
        Ok(state.refusal().or_else(|| state.change_daemon(change).err()))
    }

    fn timeouts(&mut self) -> Result<Timeouts, KernelError> {
        let mut state = self.state();
        state.error()?;
        // Those of Linux.
        Ok(state.timeouts.unwrap_or(Timeouts { tcp: 900, tcp_fin: 120, udp: 300 }))
    }

    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<Option<Errno>, KernelError> {
        let mut state = self.state();
        state.error()?;
        let refused = state.refusal();
        if refused.is_none() {
            state.timeouts = Some(*timeouts);
        }
        Ok(refused)
    }
}

impl State {
    fn table(&self) -> Table {
        Table {
            services: self.services.iter().map(|(key, service)| (*key, Arc::new(service.clone()))).collect(),
        }
    }

    fn error(&mut self) -> Result<(), KernelError> {
        self.errors.pop_front().map_or(Ok(()), Err)
    }

    /// The refusal that was ordered for the next operation.
    fn refusal(&mut self) -> Option<Errno> {
        let (count, errno) = self.refuse?;
        self.refuse = (count > 1).then_some((count - 1, errno));
        Some(errno)
    }

    fn change_daemon(&mut self, change: &SyncChange) -> Result<(), Errno> {
        match change {
            SyncChange::Stop(role) => self.daemons.remove(role).map(|_| ()).ok_or(Errno::ESRCH),
            SyncChange::Start(role, _) if self.daemons.contains_key(role) => Err(Errno::EEXIST),
            SyncChange::Start(role, settings) => {
                let least = if *role == SyncRole::Backup { SyncSettings::LEAST_BACKUP } else { 1 };
                // As on an interface with an MTU of 1500 bytes.
                let max_length = Some(settings.max_length.unwrap_or(1472).max(least));
                self.daemons.insert(*role, SyncSettings { max_length, ..settings.clone() });
                Ok(())
            }
        }
    }

    fn attempt(&mut self, operation: &Operation) -> Result<(), Errno> {
        if let Some(errno) = self.refusal() {
            return Err(errno);
        }
        self.carry_out(operation)?;
        if self.log.len() == LOG {
            self.log.pop_front();
        }
        self.log.push_back(operation.clone());
        Ok(())
    }

    fn carry_out(&mut self, operation: &Operation) -> Result<(), Errno> {
        match operation {
            Operation::AddService { key, settings } => {
                if self.services.contains_key(key) {
                    return Err(Errno::EEXIST);
                }
                let settings = self.accepted(*key, settings)?;
                self.services.insert(*key, Service::new(settings));
            }
            Operation::SetService { key, settings } => {
                self.service(*key)?;
                let settings = self.accepted(*key, settings)?;
                self.service(*key)?.settings = settings;
            }
            Operation::RemoveService { key } => {
                self.services.remove(key).ok_or(Errno::ESRCH)?;
            }
            Operation::AddDestination { settings, .. } | Operation::SetDestination { settings, .. }
                if self.plain_tunnels && settings.own_header().is_some() =>
            {
                return Err(Errno::EOPNOTSUPP);
            }
            Operation::AddDestination { service, key, settings } => {
                let held = self.service(*service)?;
                check_destination(*service, *key, settings)?;
                if held.destinations.contains_key(key) {
                    return Err(Errno::EEXIST);
                }
                check_address(key.address)?;
                held.destinations.insert(*key, kept(settings));
            }
            Operation::SetDestination { service, key, settings } => {
                let held = self.service(*service)?;
                check_destination(*service, *key, settings)?;
                if !held.destinations.contains_key(key) {
                    return Err(Errno::ENOENT);
                }
                held.destinations.insert(*key, kept(settings));
            }
            Operation::RemoveDestination { service, key } => {
                self.service(*service)?.destinations.remove(key).ok_or(Errno::ENOENT)?;
            }
        }
        Ok(())
    }

    fn service(&mut self, key: ServiceKey) -> Result<&mut Service, Errno> {
        self.services.get_mut(&key).ok_or(Errno::ESRCH)
    }

    /// The settings as the kernel keeps them, if it takes them.
    fn accepted(&self, key: ServiceKey, settings: &ServiceSettings) -> Result<ServiceSettings, Errno> {
        let scheduler = &settings.scheduler;
        if !Scheduler::KNOWN.contains(&scheduler.as_str()) || self.missing.contains(scheduler) {
            return Err(Errno::ENOENT);
        }
        if settings.engine.as_ref().is_some_and(|engine| engine != "sip") {
            return Err(Errno::ENOENT);
        }
        let wire = ServiceWire::new(settings, key.family());
        if key.family() == Family::V6 && !(1..=128).contains(&wire.netmask) {
            return Err(Errno::EINVAL);
        }
        Ok(wire.settings(key.family()))
    }
}

fn normal(settings: &ServiceSettings, key: ServiceKey) -> ServiceSettings {
    ServiceWire::new(settings, key.family()).settings(key.family())
}

/// Without what means nothing to the kernel.
fn kept(settings: &DestinationSettings) -> DestinationSettings {
    DestinationSettings { tunnel: settings.own_header(), ..*settings }
}

fn check_destination(
    service: ServiceKey,
    key: DestinationKey,
    settings: &DestinationSettings,
) -> Result<(), Errno> {
    if Family::of(key.address) != service.family() && settings.forwarding != Forwarding::Tun {
        return Err(Errno::EINVAL);
    }
    if settings.weight > i32::MAX.unsigned_abs() || settings.lower > settings.upper {
        return Err(Errno::ERANGE);
    }
    Ok(())
}

/// New real servers need the address of a single host.
fn check_address(address: IpAddr) -> Result<(), Errno> {
    let usable = match address {
        IpAddr::V4(address) => address.octets()[0] != 0 && !address.is_multicast() && !address.is_broadcast(),
        IpAddr::V6(address) => {
            !address.is_unspecified() && !address.is_multicast() && !address.is_unicast_link_local()
        }
    };
    if usable { Ok(()) } else { Err(Errno::EINVAL) }
}

#[cfg(test)]
mod tests;

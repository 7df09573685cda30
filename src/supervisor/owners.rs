//! Starts the owners: each has a thread of its own, because their kernel calls block.

use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread::{self, JoinHandle};

use tokio::sync::watch;
use tracing::error;
use vrrp::io::{LinkMonitor, TableWatch};

use super::devices::Gate;
use super::herald::Herald;
use super::holdings::Holdings;
use super::host::RuntimeDir;
use super::inbox::Sender;
use super::keeper::{Found, Keeper, Punctual};
use super::links::Nudge;
use super::namespace::IpvsHome;
use super::network::Job;
use super::table::Backend;
use super::{
    devices, herald, host, ipvs_settings, keeper, kept, network, onlooker, priority, sync, table, watched,
    workers,
};
use crate::config;
use crate::director::overrides::Override;

/// Starts the keeper of what the next life must know; what comes back beside its thread leads to it.
pub(super) fn start_keeper(
    runtime_dir: &RuntimeDir,
    found: Found,
    punctual: Punctual,
) -> Result<(std_mpsc::Sender<keeper::Job>, JoinHandle<()>), String> {
    let (jobs, queue) = std_mpsc::channel();
    let keeper = Keeper::new(runtime_dir.path(), found, punctual);
    let work = move || {
        priority::prefer(priority::CHECKS);
        keeper.work(&queue);
    };
    Ok((jobs, spawn("keeper", work)?))
}

/// Starts the owner of the instances' interfaces; what comes back beside its thread leads to it.
pub(super) fn start_devices(
    runtime_dir: &RuntimeDir,
    compat: bool,
    inbox: &Sender,
) -> Result<(JoinHandle<()>, workers::Host), String> {
    let (levels, queue) = std_mpsc::channel();
    let gate = Gate::default();
    let owner = devices::Owner::new(runtime_dir.devices(), gate.clone(), compat)
        .map_err(|error| format!("cannot read the network interfaces: {error}"))?;
    let inbox = inbox.clone();
    let thread = spawn("devices", move || owner.work(&queue, &inbox))?;
    Ok((thread, (levels, gate)))
}

/// Starts the owner of the IPVS table, in the network namespace whose table that is.
pub(super) fn spawn_table(
    (backend, reconcile): (Backend, watch::Receiver<config::Reconcile>),
    runtime_dir: &RuntimeDir,
    home: Arc<IpvsHome>,
    queue: std_mpsc::Receiver<table::Job>,
    inbox: Sender,
) -> Result<JoinHandle<()>, String> {
    let owner = table::Owner::new(backend, runtime_dir.remembered("services"), reconcile);
    let sync = sync::Owner::new(backend, runtime_dir.remembered("sync-daemons"));
    let settings = ipvs_settings::Owner::new(backend, runtime_dir.remembered("ipvs-settings"));
    spawn("ipvs", move || match home.enter() {
        Ok(()) => table::work(owner, sync, settings, &queue, &inbox),
        Err(error) => error!("the IPVS table is out of reach: {error}"),
    })
}

/// Where overrides go that are to be written down: all of them each time.
pub(super) type Writer = std_mpsc::Sender<Arc<Vec<Override>>>;

/// What was left of overrides, and the thread that writes them down.
pub(super) struct Kept {
    pub(super) left: Vec<Override>,
    pub(super) thread: JoinHandle<()>,
}

/// Starts the keeper of overrides.
pub(super) fn start_keeping(runtime_dir: &RuntimeDir) -> Result<(Writer, Kept), String> {
    let (overrides, queue) = std_mpsc::channel();
    let file = kept::File::at(runtime_dir.overrides(), host::name());
    let left = file.load();
    let thread = spawn("overrides", move || file.work(&queue))?;
    Ok((overrides, Kept { left, thread }))
}

/// Starts the owner of track files and processes.
pub(super) fn start_watching(inbox: Sender) -> Result<watched::Sender, String> {
    let (watch, queue) = watched::channel().map_err(|error| format!("cannot make an eventfd: {error}"))?;
    spawn("watched", move || watched::work(&queue, &inbox))?;
    Ok(watch)
}

/// Starts the owner of addresses, routes and rules, the thread that tells it what others do to them, and the one that
/// tells the neighbours of them.
pub(super) fn spawn_network(
    runtime_dir: &RuntimeDir,
    (jobs, queue): (std_mpsc::Sender<Job>, std_mpsc::Receiver<Job>),
    links: &LinkMonitor,
    gate: Gate,
    inbox: Sender,
) -> Result<(JoinHandle<()>, Herald, Nudge), String> {
    let (herald, words) = herald::herald();
    let holdings = Holdings::open(runtime_dir, herald.clone())
        .map_err(|error| format!("cannot read the addresses of the interfaces: {error}"))?;
    let heard = TableWatch::open(holdings.ports())
        .map_err(|error| format!("cannot hear of changes of addresses: {error}"))?;
    links.overlook(&holdings.ports());
    let nudge = Nudge::new().map_err(|error| format!("cannot make an eventfd: {error}"))?;
    spawn("onlooker", move || onlooker::work(heard, &jobs))?;
    spawn("herald", move || herald::work(&words))?;
    let nudged = nudge.clone();
    let owner = spawn("network", move || network::work(holdings, &queue, &gate, &nudge, &inbox))?;
    Ok((owner, herald, nudged))
}

/// A thread of this name.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| format!("cannot start the thread \"{name}\": {error}"))
}

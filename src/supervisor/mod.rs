//! The shell around the brain: it starts the workers and the loop, and sees to an orderly end.
//!
//! This is the only module that spawns, and with [`crate::control`] the only one that knows a runtime. The brain's
//! loop has an operating system thread of its own; probes, mail, control and reload share a multi-threaded runtime;
//! the owners of addresses and of the IPVS table have a thread each, because their kernel calls block.

mod announcements;
mod bookends;
mod calls;
mod clock;
mod command;
mod culprit;
mod devices;
mod fifo;
mod holdings;
mod host;
pub(crate) mod inbox;
mod interfaces;
mod lent;
mod links;
mod mail;
pub(crate) mod names;
mod namespace;
mod neighbours;
mod network;
mod onlooker;
mod priority;
mod probes;
mod process;
mod recorder;
pub(crate) mod reload;
mod remembered;
mod run_loop;
mod scripts;
mod shared;
mod sockets;
mod sync;
pub(crate) mod table;
mod watched;
mod workers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc as std_mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ipvs_backend::KernelError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info};
use vrrp::io::{LinkMonitor, TableWatch};

use crate::config::{self, Colour, Manner, Purpose, Reading};
use crate::control;
use crate::director::Director;
use crate::director::effect::{HostLevel, Level};
use crate::director::event::Event;
use command::Executor;
use devices::Gate;
use holdings::Holdings;
use host::RuntimeDir;
use inbox::Sender;
use network::Job;
use process::LongRuns;
use recorder::Recorder;
use reload::{LastGood, ReloadWish, Reloader, Ways, Wish as Asked};
use run_loop::RunLoop;
use shared::{Back, Owners};

pub use command::launched;
pub(crate) use host::control_socket;
pub use recorder::{Replay, replay};
pub use table::{Backend, KernelState};

/// What `directord run` was asked to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// What `@ID` before its lines is compared with; `None`: the host's name up to its first dot.
    pub config_id: Option<String>,
    /// Whether what keepalived survives is survived.
    pub compat: bool,
    /// Where everything lies that the daemon keeps while it runs.
    pub runtime_dir: PathBuf,
    /// Which IPVS table to keep.
    pub ipvs: Backend,
    /// Where to record what the brain is told.
    pub record: Option<PathBuf>,
    /// Whether instances whose addresses are all there begin as masters: keepalived runs on this host.
    pub take_over: bool,
    /// Where the copy of the last good configuration is kept, which the start falls back to; `None`: in the runtime
    /// directory, and it is not used.
    pub last_good: Option<PathBuf>,
}

impl Options {
    /// How the configuration is read.
    fn manner(&self) -> Manner {
        Manner { purpose: Purpose::Run, compat: self.compat }
    }
}

/// How a run ended; the numbers are the process's exit statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Asked to stop, everything was let go of.
    Stopped = 0,
    /// The system refused something without which nothing works.
    Failed = 1,
    /// The configuration is refused.
    Config = 2,
    /// The kernel has no IPVS, and nothing else was configured.
    NoIpvs = 3,
    /// A capability is missing.
    NoPrivilege = 4,
    /// A fault of this program; its addresses were released, the peer takes over.
    Broken = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Runs the daemon in the foreground until it is told to stop.
pub fn run(options: &Options) -> Exit {
    let mut reading = config::read(&options.config, options.config_id.as_deref(), options.manner());
    let fallen_back = fall_back(options, &mut reading);
    if let Err(exit) = may_start(options, &reading) {
        return exit;
    }
    // What this process makes is for its own user alone.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let runtime_dir = match RuntimeDir::claim(&options.runtime_dir) {
        Ok(claimed) => claimed,
        Err(sentence) => {
            error!("{sentence}");
            return Exit::Failed;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(|| priority::prefer(priority::CHECKS))
        .on_thread_stop(priority::dismiss)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("cannot start threads: {error}");
            return Exit::Failed;
        }
    };
    let executor = Executor::new(calls::MOST);
    if let Some(config) = &reading.config {
        executor.obey(&config.global.scripts);
    }
    let exit = runtime.block_on(async {
        bookends::startup(&executor).await;
        let exit = serve(options, &runtime_dir, (reading, fallen_back), executor.clone())
            .await
            .unwrap_or_else(|sentence| {
                error!("{sentence}");
                Exit::Failed
            });
        bookends::shutdown(&executor).await;
        exit
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    exit
}

/// Where the file is refused, the copy of the last good configuration takes its place if that was asked for; tells so.
fn fall_back(options: &Options, reading: &mut Reading) -> Option<String> {
    let copy = options.last_good.as_ref().filter(|_| reading.config.is_none())?;
    let good = config::read(copy, options.config_id.as_deref(), options.manner());
    if good.config.is_none() {
        error!("{} cannot be used either", copy.display());
        return None;
    }
    error!("the configuration is refused:\n{}", reading.render(Colour::Never));
    let sentence = format!(
        "{} is refused; {} took its place, the configuration last in effect",
        options.config.display(),
        copy.display()
    );
    error!("{sentence}");
    *reading = good;
    Some(sentence)
}

/// Says at once what would keep the daemon from doing what the file asks for; nothing was touched yet.
fn may_start(options: &Options, reading: &Reading) -> Result<(), Exit> {
    let Some(config) = &reading.config else {
        eprint!("{}", reading.render(Colour::for_terminal(&std::io::stderr())));
        return Err(Exit::Config);
    };
    if let Err(sentence) = namespace::enter(&config.root) {
        error!("{sentence}");
        return Err(Exit::Config);
    }
    let exists = |name: &str| nix::net::if_::if_nametoindex(name).is_ok();
    if let Some(sentence) = interfaces::missing(config, exists).filter(|_| reading.compat) {
        error!("{sentence}");
        return Err(Exit::Config);
    }
    let kernel_table = options.ipvs == Backend::Kernel && config.has_virtual_servers();
    let missing = host::missing_capabilities(config, kernel_table);
    if !missing.is_empty() {
        error!(
            "this process lacks {}: start it as root, or give it these capabilities \
             (systemd: AmbientCapabilities=, or setcap on the program)",
            missing.join(" and ")
        );
        return Err(Exit::NoPrivilege);
    }
    if !kernel_table {
        return Ok(());
    }
    match options.ipvs.open() {
        Ok(_) => Ok(()),
        Err(error @ KernelError::NoPrivilege) => {
            error!("{error}");
            Err(Exit::NoPrivilege)
        }
        Err(error) if config.instances.is_empty() => {
            error!("{error}");
            Err(Exit::NoIpvs)
        }
        // VRRP goes on; the owner of the table says what is wrong with it, and tries again.
        Err(_) => Ok(()),
    }
}

/// Starts everything, hands the configuration to the brain, and waits for the end.
async fn serve(
    options: &Options,
    runtime_dir: &RuntimeDir,
    (reading, fallen_back): (Reading, Option<String>),
    executor: Executor,
) -> Result<Exit, String> {
    let cannot = |what: &'static str| move |error: &dyn std::fmt::Display| format!("cannot {what}: {error}");
    let (inbox, receiver) = inbox::inbox().map_err(|e| cannot("make an eventfd")(&e))?;
    let links = LinkMonitor::open().map_err(|e| cannot("follow the network interfaces")(&e))?;
    let our_services = runtime_dir.remembered("services");
    let birth = host::birth(reading.config.as_ref().and_then(|config| config.global.random_seed));
    let recorder = options.record.as_ref().map(|path| Recorder::create(path, &birth)).transpose();
    let recorder = recorder.map_err(|e| cannot("record")(&e))?;
    let mut signals = Signals::listen().map_err(|e| cannot("listen for signals")(&e))?;

    let (network_jobs, network_queue) = std_mpsc::channel();
    let (table_levels, table_queue) = std_mpsc::channel();
    let table_jobs = table_levels.clone();
    let (reloads, reloads_seen) = watch::channel(reload::Reloads::default());
    let (requests, request_queue) = mpsc::channel(8);

    let (devices, host) = start_devices(runtime_dir, options.compat, &inbox)?;
    let (host_levels, gate) = host.clone();
    let network = spawn_network(runtime_dir, network_jobs.clone(), network_queue, gate, inbox.clone())?;
    let table = spawn("ipvs", {
        let (inbox, backend) = (inbox.clone(), options.ipvs);
        let sync = sync::Owner::new(backend, runtime_dir.remembered("sync-daemons"));
        move || table::work(backend, our_services, sync, &table_queue, &inbox)
    })?;
    let watch = start_watching(inbox.clone())?;
    let owners = Owners { network: network_jobs.clone(), host, table: table_levels, watch };
    let (workers, back) = shared::start(owners, &inbox, executor);
    let desk = control::Desk {
        inbox: inbox.clone(),
        requests: requests.clone(),
        reloads: reloads_seen,
        config: options.config.clone(),
        table: table_jobs.clone(),
    };
    let socket = runtime_dir.control_socket().map_err(|e| cannot("clear the control socket")(&e))?;
    control::serve(&socket, desk).map_err(|e| cannot("open the control socket")(&e))?;

    let brain = Director::new(birth);
    let mut run_loop = RunLoop::new(brain, receiver, workers, recorder)
        .map_err(|e| cannot("set up the loop of the brain")(&e))?;
    let (ended, mut end) = oneshot::channel();
    let brain = spawn("director", move || {
        let _ = ended.send(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run_loop.run())));
    })?;

    // The interfaces before the configuration: an instance starts on what is there.
    tell_beginning(options, &inbox, &links).await;
    spawn("links", {
        let inbox = inbox.clone();
        move || links::work(links, &inbox)
    })?;
    let Back { followers, last_words, settlements, notices } = back;
    let ways = Ways { inbox: inbox.clone(), settlements, told: reloads, notices, table: table_jobs.clone() };
    let copy = options.last_good.clone().unwrap_or_else(|| runtime_dir.last_good());
    let mut reloader = Reloader::new(options, ways, followers, LastGood::new(copy, fallen_back));
    reloader.start(reading).await;
    let reloader = tokio::spawn(reloader.work(request_queue));
    host::tell_ready("serving");

    let exit = loop {
        tokio::select! {
            result = &mut end => break how_it_ended(result.ok(), &network_jobs, &host_levels),
            wish = signals.next() => obey(wish, &inbox, &requests).await,
        }
    };
    join(brain);
    let _ = network_jobs.send(Job::End);
    let _ = table_jobs.send(table::Job::End);
    drop(host_levels);
    [network, devices, table].into_iter().for_each(join);
    // It has a way to the mail worker, whose end is waited for.
    reloader.abort();
    let _ = reloader.await;
    last_words.said().await;
    Ok(exit)
}

/// Starts the owner of the instances' interfaces; what comes back beside its thread leads to it.
fn start_devices(
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

/// What the brain has to know before its first configuration.
async fn tell_beginning(options: &Options, inbox: &Sender, links: &LinkMonitor) {
    inbox.event(Event::Links(links.links().clone().into())).await;
    if options.take_over {
        inbox.event(Event::TakeOver).await;
    }
}

/// What the end of the brain's thread means. After a fault its addresses are released here.
fn how_it_ended(
    result: Option<thread::Result<nix::Result<()>>>,
    network: &std_mpsc::Sender<Job>,
    host: &std_mpsc::Sender<Level<HostLevel>>,
) -> Exit {
    let fault = match result {
        Some(Ok(Ok(()))) => return Exit::Stopped,
        Some(Ok(Err(errno))) => format!("the loop cannot wait for the kernel: {errno}"),
        Some(Err(_)) | None => "the brain broke one of its own beliefs".to_owned(),
    };
    error!("{fault}; releasing the addresses, the peer takes over. Please report this with the log");
    let _ = network.send(Job::Addresses(Level { serial: u64::MAX, value: Default::default() }));
    let _ = host.send(Level { serial: u64::MAX, value: Default::default() });
    Exit::Broken
}

/// Starts the owner of track files and processes.
fn start_watching(inbox: Sender) -> Result<watched::Sender, String> {
    let (watch, queue) = watched::channel().map_err(|error| format!("cannot make an eventfd: {error}"))?;
    spawn("watched", move || watched::work(&queue, &inbox))?;
    Ok(watch)
}

/// Starts the owner of addresses, routes and rules, and the thread that tells it what others do to them.
fn spawn_network(
    runtime_dir: &RuntimeDir,
    jobs: std_mpsc::Sender<Job>,
    queue: std_mpsc::Receiver<Job>,
    gate: Gate,
    inbox: Sender,
) -> Result<JoinHandle<()>, String> {
    let holdings = Holdings::open(runtime_dir)
        .map_err(|error| format!("cannot read the addresses of the interfaces: {error}"))?;
    let heard = TableWatch::open(holdings.ports())
        .map_err(|error| format!("cannot hear of changes of addresses: {error}"))?;
    spawn("onlooker", move || onlooker::work(heard, &jobs))?;
    spawn("network", move || network::work(holdings, &queue, &gate, &inbox))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| format!("cannot start the thread \"{name}\": {error}"))
}

/// Waits for a thread whose queue has no sender left.
fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        error!("a worker broke down while it ended");
    }
}

/// What signals ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Stop,
    Reload,
    Dump,
    /// A real-time thread ran for longer than the file allows.
    Overrun,
}

/// The signals that the daemon listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user_1: Signal,
    user_2: Signal,
    overrun: Signal,
    long_runs: LongRuns,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
            overrun: signal(SignalKind::from_raw(libc::SIGXCPU))?,
            long_runs: LongRuns::default(),
        })
    }

    /// The next wish; long real-time runs, which are none, are told meanwhile.
    async fn next(&mut self) -> Wish {
        loop {
            let wish = self.any().await;
            match wish {
                Wish::Overrun => self.long_runs.happened(std::time::Instant::now()),
                wish => return wish,
            }
        }
    }

    async fn any(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hang_up.recv() => Wish::Reload,
            _ = self.user_1.recv() => Wish::Dump,
            _ = self.user_2.recv() => Wish::Dump,
            _ = self.overrun.recv() => Wish::Overrun,
        }
    }
}

async fn obey(wish: Wish, inbox: &Sender, requests: &mpsc::Sender<reload::Request>) {
    match wish {
        Wish::Stop => {
            info!("asked to stop");
            host::tell_stopping();
            inbox.event(Event::Stop).await;
        }
        Wish::Reload => {
            // A full queue means that a reload is about to happen anyway.
            let wish = Asked::Reload(ReloadWish::default());
            let _ = requests.try_send(reload::Request { wish, reply: None });
        }
        Wish::Overrun => {}
        Wish::Dump => info!("dump files are not supported yet; `directord status --json` tells the state"),
    }
}

//! The shell around the brain: it starts the workers and the loop, and sees to an orderly end.
//!
//! This is the only module that spawns, and with [`crate::control`] the only one that knows a runtime. The brain's
//! loop has an operating system thread of its own; probes, mail, control and reload share a multi-threaded runtime;
//! the owners of addresses and of the IPVS table have a thread each, because their kernel calls block.

pub(crate) mod absent;
mod alert;
mod announcements;
mod bookends;
mod calls;
mod clock;
mod command;
pub(crate) mod connections;
mod counting;
mod crowd;
mod culprit;
mod devices;
mod fifo;
mod herald;
mod holdings;
mod host;
pub(crate) mod inbox;
mod interfaces;
mod ipvs_settings;
mod keeper;
mod kept;
mod leftovers;
mod lent;
mod links;
mod mail;
mod memory;
pub(crate) mod names;
mod namespace;
mod neighbours;
mod network;
mod onlooker;
mod owners;
mod priority;
mod probes;
mod process;
mod recorder;
pub(crate) mod reload;
mod remembered;
mod run_loop;
mod scripts;
mod shared;
mod signals;
mod sockets;
mod stretch;
pub(crate) mod succession;
mod sync;
pub(crate) mod table;
pub(crate) mod tally;
mod vigil;
mod watchdog;
mod watched;
mod workers;
mod zone;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ipvs_backend::KernelError;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info};
use vrrp::io::LinkMonitor;

use crate::config::{self, Colour, Config, Manner, Purpose, Reader, Reading};
use crate::control;
use crate::director::Director;
use crate::director::effect::{HostLevel, Level};
use crate::director::event::Event;
use crate::director::overrides::Order;
use command::Executor;
use host::RuntimeDir;
use inbox::Sender;
use keeper::{Found, Punctual};
use links::Polling;
use namespace::IpvsHome;
use network::Job;
use owners::{spawn, spawn_network, spawn_table, start_devices, start_keeper, start_keeping, start_watching};
use recorder::Recorder;
use reload::{LastGood, ReloadWish, Reloader, Ways, Wish as Asked};
use run_loop::RunLoop;
use shared::{Back, Owners};
use signals::{Signals, Wish};
use succession::{Departure, Successions};

pub use command::launched;
pub(crate) use host::{control_socket, nobody_runs_in};
pub use recorder::{Replay, replay};
pub use succession::{Wish as SuccessionWish, become_program};
pub use table::{Backend, KernelState};

/// How long the end waits for tasks that do not end by themselves.
const LAST_TASKS: Duration = Duration::from_millis(200);

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

/// How a run ended, and what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The process ends.
    Exit(Exit),
    /// The process becomes this program, which goes on in its place.
    Become(PathBuf),
}

impl From<Exit> for End {
    fn from(exit: Exit) -> Self {
        End::Exit(exit)
    }
}

/// Runs the daemon in the foreground until it is told to stop.
pub fn run(options: &Options) -> End {
    memory::arrange();
    let mut reader = Reader::new(&options.config, options.config_id.as_deref(), options.manner());
    let mut reading = reader.read();
    let fallen_back = fall_back(options, &mut reading);
    let ipvs_home = match may_start(options, &reading) {
        Ok(home) => Arc::new(home),
        Err(exit) => {
            leftovers::let_go(options);
            return exit.into();
        }
    };
    // What this process makes is for its own user alone.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let runtime_dir = match RuntimeDir::claim_soon(&options.runtime_dir) {
        Ok(claimed) => claimed,
        Err(sentence) => {
            error!("{sentence}");
            return Exit::Failed.into();
        }
    };
    let found = Found::load(&options.runtime_dir);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(|| priority::prefer(priority::CHECKS))
        .on_thread_stop(priority::dismiss)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("cannot start threads: {error}");
            return Exit::Failed.into();
        }
    };
    let executor = Executor::new(calls::MOST);
    if let Some(config) = &reading.config {
        executor.obey(&config.global.scripts);
    }
    let end = runtime.block_on(async {
        // Whoever goes on in another's place neither starts nor ends anything.
        if !found.is_planned() {
            bookends::startup(&executor).await;
        }
        let reading = (reader, reading, fallen_back);
        let served = serve(options, &runtime_dir, reading, found, executor.clone(), ipvs_home).await;
        let (exit, departure) = served.unwrap_or_else(|sentence| {
            error!("{sentence}");
            (Exit::Failed, None)
        });
        match departure {
            None => {
                executor.end_checks().await;
                bookends::shutdown(&executor).await;
            }
            Some(Departure { become_program: Some(program) }) => return End::Become(program),
            Some(Departure { become_program: None }) => {}
        }
        End::Exit(exit)
    });
    runtime.shutdown_timeout(if matches!(end, End::Become(_)) { Duration::ZERO } else { LAST_TASKS });
    end
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
fn may_start(options: &Options, reading: &Reading) -> Result<IpvsHome, Exit> {
    let Some(config) = &reading.config else {
        eprint!("{}", reading.render(Colour::for_terminal(&std::io::stderr())));
        return Err(Exit::Config);
    };
    let entered = namespace::enter(&config.root).and_then(|()| IpvsHome::find(&config.root));
    let home = entered.map_err(|sentence| {
        error!("{sentence}");
        Exit::Config
    })?;
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
        return Ok(home);
    }
    let opened = home.visit(|| options.ipvs.open().map(drop));
    match opened {
        Ok(()) => Ok(home),
        Err(error @ KernelError::NoPrivilege) => {
            error!("{error}");
            Err(Exit::NoPrivilege)
        }
        Err(error) if config.instances.is_empty() => {
            error!("{error}");
            Err(Exit::NoIpvs)
        }
        // VRRP goes on; the owner of the table says what is wrong with it, and tries again.
        Err(_) => Ok(home),
    }
}

/// Starts everything, hands the configuration to the brain, and waits for the end.
#[expect(clippy::too_many_lines, reason = "every worker is started here, in the order that the others need")]
async fn serve(
    options: &Options,
    runtime_dir: &RuntimeDir,
    (reader, reading, fallen_back): (Reader, Reading, Option<String>),
    found: Found,
    executor: Executor,
    ipvs_home: Arc<IpvsHome>,
) -> Result<(Exit, Option<Departure>), String> {
    let cannot = |what: &'static str| move |error: &dyn std::fmt::Display| format!("cannot {what}: {error}");
    let (inbox, receiver) = inbox::inbox().map_err(|e| cannot("make an eventfd")(&e))?;
    let links = LinkMonitor::open().map_err(|e| cannot("follow the network interfaces")(&e))?;
    let birth = host::birth(reading.config.as_ref().and_then(|config| config.global.random_seed));
    let recorder = options.record.as_ref().map(|path| Recorder::create(path, &birth)).transpose();
    let recorder = recorder.map_err(|e| cannot("record")(&e))?;
    let mut signals = Signals::listen().map_err(|e| cannot("listen for signals")(&e))?;

    let (network_jobs, network_queue) = std_mpsc::channel();
    let (table_levels, table_queue) = std_mpsc::channel();
    let (overrides, kept) = start_keeping(runtime_dir)?;
    let table_jobs = table_levels.clone();
    let (reloads, reloads_seen) = watch::channel(reload::Reloads::default());
    let (requests, request_queue) = mpsc::channel(8);
    let (departures, mut departing) = mpsc::channel(1);

    let (devices, host) = start_devices(runtime_dir, reading.compat, &inbox)?;
    let (host_levels, gate) = host.clone();
    let (network, herald, nudge) =
        spawn_network(runtime_dir, (network_jobs.clone(), network_queue), &links, gate, inbox.clone())?;
    let (reconcile, reconcile_seen) = watch::channel(config::Reconcile::default());
    let table = spawn_table(
        (options.ipvs, reconcile_seen),
        runtime_dir,
        ipvs_home.clone(),
        table_queue,
        inbox.clone(),
    )?;
    let watch = start_watching(inbox.clone())?;
    let (heritage, punctual) = (found.clone(), Punctual::new());
    let (keepsakes, keeper) = start_keeper(runtime_dir, found, punctual.clone())?;
    let polling = Polling::new().map_err(|e| cannot("make an eventfd")(&e))?;
    let counter = connections::Counter::new(table_levels.clone());
    let owners = Owners {
        network: network_jobs.clone(),
        herald,
        host,
        table: table_levels,
        watch,
        overrides,
        keeper: keepsakes.clone(),
    };
    let (workers, back) = shared::start(owners, &inbox, executor, polling.clone(), reconcile)
        .map_err(|e| cannot("start the probes")(&e))?;
    let desk = control::Desk {
        inbox: inbox.clone(),
        requests: requests.clone(),
        reloads: reloads_seen,
        config: options.config.clone(),
        counter,
        successions: Successions::new(options, departures),
        started: birth.wall,
        table: table_jobs.clone(),
    };
    let socket = runtime_dir.control_socket().map_err(|e| cannot("clear the control socket")(&e))?;
    control::serve(&socket, desk).map_err(|e| cannot("open the control socket")(&e))?;

    let brain = Director::new(birth);
    let mut run_loop = RunLoop::new(brain, receiver, workers, recorder, punctual)
        .map_err(|e| cannot("set up the loop of the brain")(&e))?;
    let (ended, mut end) = oneshot::channel();
    let brain = spawn("director", move || {
        let _ = ended.send(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run_loop.run())));
    })?;

    // The interfaces before the configuration: an instance starts on what is there.
    tell_beginning(options, &heritage, &inbox, &links).await;
    let windows = reading.config.as_ref().is_some_and(Config::has_windows);
    let zones = zone::follow(inbox.clone(), windows).await;
    if !kept.left.is_empty() {
        inbox.order(Order::Restore(kept.left)).await;
    }
    spawn("links", {
        let inbox = inbox.clone();
        move || links::work(links, &nudge, &polling, &inbox)
    })?;
    let Back { followers, last_words, settlements, notices } = back;
    let ways = Ways {
        inbox: inbox.clone(),
        settlements,
        told: reloads,
        notices,
        table: table_jobs.clone(),
        ipvs_home,
    };
    let copy = options.last_good.clone().unwrap_or_else(|| runtime_dir.last_good());
    let mut reloader = Reloader::new((reader, options), ways, followers, LastGood::new(copy, fallen_back));
    reloader.start(reading).await;
    let reloader = tokio::spawn(reloader.work(request_queue));
    host::tell_ready("serving");
    let watchdog = tokio::spawn(watchdog::tell(inbox.clone(), host::watchdog(), host::tell_alive));

    let (mut left, mut stopping) = (None, false);
    let exit = loop {
        tokio::select! {
            result = &mut end => break how_it_ended(result.ok(), &network_jobs, &host_levels),
            wish = signals.next() => {
                stopping |= wish == Wish::Stop;
                obey(wish, &inbox, &requests).await;
            }
            // Whoever is on the way out hands over. The other way round, systemd's SIGTERM comes after every ExecStop=.
            Some(departure) = departing.recv(), if left.is_none() && !stopping => {
                left = Some((departure, keeper::since_boot()));
                inbox.event(Event::Leave).await;
            }
        }
    };
    join(brain);
    // After a fault everything was let go of.
    let left = left.filter(|_| exit == Exit::Stopped);
    let _ = keepsakes.send(left.as_ref().map_or(keeper::Job::Over, |(_, at)| keeper::Job::Left(*at)));
    join(keeper);
    let _ = network_jobs.send(Job::End);
    let _ = table_jobs.send(table::Job::End);
    drop(host_levels);
    [network, devices, table, kept.thread].into_iter().for_each(join);
    // It has a way to the mail worker, whose end is waited for.
    zones.abort();
    watchdog.abort();
    reloader.abort();
    let _ = reloader.await;
    let departure = left.map(|(departure, _)| departure);
    if departure.is_none() {
        last_words.said().await;
    }
    Ok((exit, departure))
}

/// What the brain has to know before its first configuration.
async fn tell_beginning(options: &Options, heritage: &Found, inbox: &Sender, links: &LinkMonitor) {
    inbox.event(Event::Links(links.links().clone().into())).await;
    inbox.event(Event::Inherited(Box::new(heritage.inheritance()))).await;
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

/// Waits for a thread whose queue has no sender left.
fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        error!("a worker broke down while it ended");
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

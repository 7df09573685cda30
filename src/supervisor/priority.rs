//! How the scheduler treats our threads: adverts first, then addresses, then everything else; and what the file says of
//! that (`vrrp_rt_priority` and its relatives).
//!
//! Where the system permits it (`CAP_SYS_NICE`, or systemd's `LimitRTPRIO=`) the threads that must not wait are
//! real-time threads of the lowest priorities: they run as soon as they are due, before everything ordinary and after
//! whatever the operator holds to be more urgent. A real-time thread that never waits could keep a core from everybody
//! else; the kernel's own guard (`kernel.sched_rt_runtime_us`) leaves the others their share even then. Otherwise the
//! threads are at least preferred among the ordinary ones (`LimitNICE=`), and without that all threads are equal, as
//! in any other daemon.
//!
//! keepalived has processes where we have threads: its VRRP process is our threads for adverts and addresses, its
//! checker process the threads for health checks, IPVS, scripts and mail.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, gettid};
use tracing::{debug, info, warn};

use crate::config::{Global, PartScheduling, ProcessNames, Scheduling};

/// What a thread does, and so how it is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Sends adverts.
    Adverts,
    /// Puts addresses on interfaces and announces them.
    Addresses,
    /// Everything that can wait.
    Checks,
}

/// For the thread that sends adverts.
pub(super) const ADVERTS: Work = Work::Adverts;

/// For the thread that puts addresses on interfaces and announces them.
pub(super) const ADDRESSES: Work = Work::Addresses;

/// For the others.
pub(super) const CHECKS: Work = Work::Checks;

/// One of our threads.
#[derive(Debug)]
struct Thread {
    id: Pid,
    work: Work,
    /// Whether it was ever treated differently from an ordinary thread.
    touched: bool,
}

/// Our threads, and what was last said of them.
struct Crew {
    threads: Vec<Thread>,
    scheduling: Option<(Scheduling, ProcessNames)>,
    /// Refusals already told.
    told: BTreeSet<String>,
}

static CREW: Mutex<Crew> = Mutex::new(Crew { threads: Vec::new(), scheduling: None, told: BTreeSet::new() });

/// How far the thread that sends adverts may rise, and from which lateness on.
static HIGHEST: AtomicI32 = AtomicI32::new(0);
static LATE: AtomicU64 = AtomicU64::new(u64::MAX);
/// Its real-time priority; 0 while it has none.
static CURRENT: AtomicI32 = AtomicI32::new(0);

/// How a thread should be treated.
struct Treatment {
    /// Among real-time threads, 1 (lowest) to 99.
    real_time: Option<i32>,
    /// Among ordinary ones, in nice levels of `setpriority(2)`.
    nice: i32,
    cpus: BTreeSet<u16>,
    name: Option<String>,
    /// Whether the operator asked for it, and so hears that it is not possible.
    said: bool,
}

/// Has the calling thread treated as its work wants, now and after each reload. Threads and processes that it starts
/// are ordinary again.
pub(super) fn prefer(work: Work) {
    let Ok(mut crew) = CREW.lock() else { return };
    let mut thread = Thread { id: gettid(), work, touched: false };
    let Crew { threads, scheduling, told } = &mut *crew;
    treat(&mut thread, scheduling.as_ref(), told);
    threads.push(thread);
}

/// The calling thread ends.
pub(super) fn dismiss() {
    if let Ok(mut crew) = CREW.lock() {
        let gone = gettid();
        crew.threads.retain(|thread| thread.id != gone);
    }
}

/// Has all threads treated as this configuration says.
pub(super) fn obey(global: &Global) {
    let Ok(mut crew) = CREW.lock() else { return };
    let said = (global.scheduling.clone(), global.process_names.clone());
    if crew.scheduling.as_ref() == Some(&said) {
        return;
    }
    crew.told.clear();
    let highest = said.0.max_auto_priority.unwrap_or(0);
    HIGHEST.store(i32::from(highest), Ordering::Relaxed);
    let late = u64::try_from(said.0.min_auto_priority_delay.as_micros()).unwrap_or(u64::MAX);
    LATE.store(late, Ordering::Relaxed);
    if let Some(name) = &said.1.daemon {
        rename(Pid::this(), name);
    }
    let Crew { threads, scheduling, told } = &mut *crew;
    *scheduling = Some(said);
    for thread in threads {
        treat(thread, scheduling.as_ref(), told);
    }
}

/// The thread that sends adverts was late by this much: it may rise by itself (`max_auto_priority`). Called by that
/// thread, once for each deadline; costs nothing as long as it is in time.
pub(super) fn was_late(by: Duration) {
    let highest = HIGHEST.load(Ordering::Relaxed);
    if highest <= 0 || u64::try_from(by.as_micros()).unwrap_or(u64::MAX) < LATE.load(Ordering::Relaxed) {
        return;
    }
    let next = CURRENT.load(Ordering::Relaxed) + 1;
    if next > highest {
        return;
    }
    match real_time(gettid(), next) {
        Ok(()) => {
            CURRENT.store(next, Ordering::Relaxed);
            info!(
                "adverts were late by {} ms: their thread now runs at real-time priority {next}",
                by.as_millis()
            );
        }
        Err(error) => {
            HIGHEST.store(0, Ordering::Relaxed);
            warn!(
                "adverts were late by {} ms, and max_auto_priority has no effect: {}",
                by.as_millis(),
                refused(&error)
            );
        }
    }
}

fn treatment(work: Work, said: Option<&(Scheduling, ProcessNames)>) -> Treatment {
    let (scheduling, names) = said.cloned().unwrap_or_default();
    let (part, real_time, nice, name) = match work {
        Work::Adverts => (scheduling.vrrp, Some(2), -15, names.vrrp),
        Work::Addresses => (scheduling.vrrp, Some(1), -10, None),
        Work::Checks => (scheduling.checker, None, 0, names.checker),
    };
    let PartScheduling { nice: said_nice, realtime, cpus, .. } = part;
    let below = i32::from(work == Work::Addresses);
    Treatment {
        real_time: realtime.map(|priority| (i32::from(priority) - below).max(1)).or(real_time),
        nice: if said_nice == 0 { nice } else { i32::from(said_nice) },
        cpus,
        name,
        said: realtime.is_some() || said_nice != 0,
    }
}

fn treat(thread: &mut Thread, said: Option<&(Scheduling, ProcessNames)>, told: &mut BTreeSet<String>) {
    let wanted = treatment(thread.work, said);
    if let Some(name) = &wanted.name {
        rename(thread.id, name);
    }
    let mut tell = |sentence: String| match wanted.said {
        true if told.insert(sentence.clone()) => warn!("{sentence}"),
        _ => debug!("{sentence}"),
    };
    let ordinary = wanted.real_time.is_none() && wanted.nice == 0;
    if !ordinary || thread.touched {
        thread.touched = true;
        let real_time = match wanted.real_time {
            Some(priority) => real_time(thread.id, priority).inspect_err(|error| {
                tell(format!("no thread of ours runs at real-time priority {priority}: {}", refused(error)));
            }),
            None => Err(std::io::Error::other("not asked for")),
        };
        if thread.work == Work::Adverts {
            CURRENT.store(wanted.real_time.filter(|_| real_time.is_ok()).unwrap_or(0), Ordering::Relaxed);
        }
        if real_time.is_err() {
            if wanted.real_time.is_none() {
                let _ = schedule(thread.id, libc::SCHED_OTHER, 0);
            }
            if let Err(error) = nice(thread.id, wanted.nice) {
                tell(format!("no thread of ours runs at niceness {}: {}", wanted.nice, refused(&error)));
            }
        }
    }
    if let Err(sentence) = affinity(thread, &wanted.cpus)
        && told.insert(sentence.clone())
    {
        warn!("{sentence}");
    }
}

/// Why, and what to do.
fn refused(error: &std::io::Error) -> String {
    format!(
        "{error}; give directord the capability CAP_SYS_NICE, or raise the limits (systemd: LimitRTPRIO= and LimitNICE=)"
    )
}

fn affinity(thread: &mut Thread, cpus: &BTreeSet<u16>) -> Result<(), String> {
    if cpus.is_empty() && !thread.touched {
        return Ok(());
    }
    let mut set = CpuSet::new();
    let all: Vec<usize> = (0..CpuSet::count()).collect();
    let wanted: Vec<usize> =
        if cpus.is_empty() { all } else { cpus.iter().copied().map(usize::from).collect() };
    for cpu in wanted {
        set.set(cpu).map_err(|_| format!("there is no processor {cpu}: it stays out of the affinity"))?;
    }
    sched_setaffinity(thread.id, &set).map_err(|errno| {
        let list: Vec<String> = cpus.iter().map(u16::to_string).collect();
        format!(
            "the processors {} cannot be chosen: {errno}; see which ones there are with lscpu",
            list.join(" ")
        )
    })
}

/// A thread's name, as `ps` and `top` show it.
fn rename(thread: Pid, name: &str) {
    if let Err(error) = std::fs::write(format!("/proc/self/task/{thread}/comm"), name) {
        debug!("a thread cannot be named {name}: {error}");
    }
}

fn real_time(thread: Pid, priority: i32) -> std::io::Result<()> {
    schedule(thread, libc::SCHED_RR, priority)
}

#[expect(
    unsafe_code,
    reason = "no crate in use wraps sched_setscheduler; the call reads one struct, which is whole"
)]
fn schedule(thread: Pid, policy: i32, priority: i32) -> std::io::Result<()> {
    // Some systems have more fields than this one; zero is their default.
    let mut parameters: libc::sched_param = unsafe { MaybeUninit::zeroed().assume_init() };
    parameters.sched_priority = priority;
    let policy = policy | libc::SCHED_RESET_ON_FORK;
    match unsafe { libc::sched_setscheduler(thread.as_raw(), policy, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[expect(
    unsafe_code,
    reason = "no crate in use wraps setpriority; the call takes three integers and no pointer"
)]
fn nice(thread: Pid, level: i32) -> std::io::Result<()> {
    // On Linux this is about the thread alone (setpriority(2), "C library/kernel differences").
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, thread.as_raw().cast_unsigned(), level) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

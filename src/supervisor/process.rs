//! What the file says of the process as a whole: locked memory, the longest real-time run, rights of new files.
//!
//! A refusal by the system is told with what to do about it, once, and nothing else depends on it.

use std::time::{Duration, Instant};

use nix::sys::mman::{MlockAllFlags, mlockall, munlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use tracing::{info, warn};

use crate::config::{Global, PartScheduling};

/// What new files do not get where the file says nothing: any right for others than the owner.
const OWNER_ONLY: u16 = 0o077;

/// From one warning of a long real-time run to the next.
const QUIET: Duration = Duration::from_secs(60);

/// What was done so far.
#[derive(Debug, Default)]
pub(super) struct Process {
    locked: bool,
    limited: bool,
}

impl Process {
    /// Makes the process as this configuration wants it.
    pub(super) fn obey(&mut self, global: &Global) {
        umask(Mode::from_bits_truncate(global.umask.unwrap_or(OWNER_ONLY).into()));
        let scheduling = &global.scheduling;
        let parts = [&scheduling.vrrp, &scheduling.checker, &scheduling.bfd];
        self.lock(parts.iter().any(|part| part.no_swap));
        let runs = parts
            .iter()
            .filter(|part| part.realtime.is_some())
            .map(|part| PartScheduling::clone(part).longest_run);
        self.limit(runs.max());
    }

    /// Locks all memory, also what is asked for later, as soon as it is used.
    fn lock(&mut self, wanted: bool) {
        if wanted == self.locked {
            return;
        }
        if !wanted {
            self.locked = munlockall().is_err();
            return;
        }
        // With a limit, memory that is asked for later would be refused, and nobody lives through that.
        let bounded = getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft != RLIM_INFINITY);
        let may =
            caps::has_cap(None, caps::CapSet::Effective, caps::Capability::CAP_IPC_LOCK).unwrap_or(false);
        let advice =
            "give directord the capability CAP_IPC_LOCK, or no limit (systemd: LimitMEMLOCK=infinity)";
        if bounded && !may {
            warn!("memory is not locked, as no_swap asks for: there is a limit on locked memory; {advice}");
            return;
        }
        let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
        match mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault) {
            Ok(()) => {
                self.locked = true;
                info!("memory is locked: nothing of it is swapped out");
            }
            Err(errno) => warn!("memory is not locked, as no_swap asks for: {errno}; {advice}"),
        }
    }

    /// Has the kernel say (SIGXCPU) when a real-time thread of ours runs for so long without a pause.
    fn limit(&mut self, longest: Option<Duration>) {
        if longest.is_none() && !self.limited {
            return;
        }
        let Ok((_, hard)) = getrlimit(Resource::RLIMIT_RTTIME) else { return };
        let soft = longest.map_or(hard, |run| u64::try_from(run.as_micros()).unwrap_or(u64::MAX).min(hard));
        match setrlimit(Resource::RLIMIT_RTTIME, soft, hard) {
            Ok(()) => self.limited = longest.is_some(),
            Err(errno) => warn!("the longest real-time run cannot be limited: {errno}"),
        }
    }
}

/// Tells of long real-time runs, now and then.
#[derive(Debug, Default)]
pub(super) struct LongRuns {
    last: Option<Instant>,
    since: u64,
}

impl LongRuns {
    /// The kernel spoke up.
    pub(super) fn happened(&mut self, now: Instant) {
        self.since += 1;
        if self.last.is_none_or(|last| now.duration_since(last) >= QUIET) {
            warn!(
                "a real-time thread of ours ran longer without a pause than ..._rlimit_rttime says ({} times); \
                 that is harmless around a reload, and otherwise worth a report",
                self.since
            );
            self.last = Some(now);
            self.since = 0;
        }
    }
}

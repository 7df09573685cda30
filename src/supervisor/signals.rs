//! What signals ask of the daemon.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::process::LongRuns;

/// What signals ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Stop,
    Reload,
    Dump,
    /// A real-time thread ran for longer than the file allows.
    Overrun,
}

/// The signals that the daemon listens to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user_1: Signal,
    user_2: Signal,
    overrun: Signal,
    long_runs: LongRuns,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
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
    pub(super) async fn next(&mut self) -> Wish {
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

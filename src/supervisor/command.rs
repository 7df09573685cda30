//! Runs commands of the configuration: as whom they should run, in a process group of their own, bounded in time and
//! in what they say, and ended with everything they started when their time is over.
//!
//! A command can do anything wrong that a program can: be missing, hang, ignore its end, write for ever, leave a child
//! behind that keeps its output open. None of that keeps a caller waiting longer than it asked for, and none of it
//! concerns the thread that sends adverts: all of this happens on the shared runtime.

mod account;
mod launch;
mod output;
mod program;

use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Gid, Pid, Uid};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::config::{Command, ScriptRules};
use launch::Orders;
pub use launch::launched;
use output::Said;

/// How long names, folders and files of a command may take to be looked up: directory services and network file
/// systems have been seen to take for ever.
const LOOKUP: Duration = Duration::from_secs(5);

/// From the polite request to end (SIGTERM) to the other one (SIGKILL), and from there to giving up.
const GRACE: Duration = Duration::from_secs(2);

/// What scripts do not inherit: it would change what their programs are, or speaks of the daemon's own affairs.
const NOT_INHERITED: &[&str] = &[
    "IFS",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
];

/// Runs commands of one kind, a bounded number at once.
#[derive(Debug, Clone)]
pub(super) struct Executor {
    rules: Arc<RwLock<ScriptRules>>,
    places: Arc<Semaphore>,
    /// Open files that this process was started with the right to.
    files: u64,
    /// The checks that run; none outlives the daemon.
    checks: Groups,
    /// Whether these commands are checks.
    checking: bool,
}

/// Process groups of commands.
type Groups = Arc<Mutex<BTreeSet<Pid>>>;

/// What to run.
#[derive(Debug, Clone)]
pub(super) struct Order<'a> {
    /// The command.
    pub(super) command: &'a Command,
    /// Further words behind those of the command.
    pub(super) arguments: &'a [String],
    /// Variables beyond the daemon's own environment.
    pub(super) environment: &'a [(&'static str, String)],
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// It ended by itself; with its last words, if there were any.
    Ended(ExitStatus, String),
    /// It was not even begun; why, as a sentence.
    NotStarted(String),
    /// It did not end in time.
    Late(Duration),
}

/// A command that runs. Dropped, it is asked to end.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    group: Option<Pid>,
    said: Said,
    /// Where its group is written down while it runs, if it is a check.
    checks: Option<Groups>,
    _place: OwnedSemaphorePermit,
}

impl Executor {
    /// Runs at most `most` commands at once.
    pub(super) fn new(most: usize) -> Self {
        // Asked for before the limit is raised for the probes.
        let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        let places = Arc::new(Semaphore::new(most));
        Executor { rules: Arc::default(), places, files, checks: Groups::default(), checking: false }
    }

    /// The same rules for commands that are checks, with places of their own: [`Executor::end_checks`] ends them.
    pub(super) fn for_checks(&self, most: usize) -> Self {
        Executor { places: Arc::new(Semaphore::new(most)), checking: true, ..self.clone() }
    }

    /// Ends every check that runs: politely, then not. At once where none does, or all obey.
    pub(super) async fn end_checks(&self) {
        let groups = || self.checks.lock().map(|groups| groups.clone()).unwrap_or_default();
        let all = |signal: Option<Signal>| {
            groups().into_iter().filter(|group| killpg(*group, signal).is_ok()).count()
        };
        all(Some(Signal::SIGTERM));
        let end = tokio::time::Instant::now() + GRACE;
        while all(None) > 0 && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        all(Some(Signal::SIGKILL));
    }

    /// The rules from now on.
    pub(super) fn obey(&self, rules: &ScriptRules) {
        if let Ok(mut current) = self.rules.write() {
            current.clone_from(rules);
        }
    }

    pub(super) fn rules(&self) -> ScriptRules {
        self.rules.read().map(|rules| rules.clone()).unwrap_or_default()
    }

    /// Runs a command to its end, or ends it after `limit`.
    pub(super) async fn run(&self, order: Order<'_>, limit: Duration) -> Ending {
        match self.start(order, limit).await {
            Err(sentence) => Ending::NotStarted(sentence),
            Ok(mut running) => match running.wait(limit).await {
                Some(ending) => ending,
                None => {
                    running.end().await;
                    Ending::Late(limit)
                }
            },
        }
    }

    /// Starts a command, once there is a place for it, which may take `limit`. The error is a sentence.
    pub(super) async fn start(&self, order: Order<'_>, limit: Duration) -> Result<Running, String> {
        let place = match timeout(limit, self.places.clone().acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) | Err(_) => return Err("too many other scripts are running already".to_owned()),
        };
        let (rules, command) = (self.rules(), order.command.clone());
        let prepare = tokio::task::spawn_blocking(move || prepare(&command, &rules));
        let prepared = match timeout(LOOKUP, prepare).await {
            Ok(Ok(prepared)) => prepared?,
            Ok(Err(panic)) => return Err(format!("the program could not be looked up: {panic}")),
            Err(_) => return Err("its user or its file could not be looked up in 5 s".to_owned()),
        };
        self.spawn(prepared, &order, place).await
    }

    async fn spawn(
        &self,
        (who, program, words): Prepared,
        order: &Order<'_>,
        place: OwnedSemaphorePermit,
    ) -> Result<Running, String> {
        let cannot = |error: std::io::Error| format!("a process cannot be started: {error}");
        let words = [words.as_slice(), order.arguments].concat();
        let orders = Orders { who, files: self.files };
        let (said, output) = Said::pipe().map_err(cannot)?;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(cannot)?;
        let mut command = orders.command(&program, &words);
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        command.envs(order.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
        command.stdout(output.try_clone().map_err(cannot)?).stderr(output);
        command.process_group(0);
        let mut command = tokio::process::Command::from(command);
        let child = command.spawn().map_err(cannot)?;
        // Our copies of its ends of the pipes go with it.
        drop(command);
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let checks = self.checking.then(|| self.checks.clone());
        let mut running = Running { child, group, said, checks, _place: place };
        running.note(true);
        let mut sentence = String::new();
        ours.set_nonblocking(true).map_err(cannot)?;
        let ours = UnixStream::from_std(ours).map_err(cannot)?;
        // Ends as soon as the script itself runs.
        let _ = timeout(LOOKUP, ours.take(1024).read_to_string(&mut sentence)).await;
        if sentence.is_empty() {
            return Ok(running);
        }
        running.end().await;
        Err(sentence)
    }

    /// The user and group that files for such a command belong to. The error is a sentence.
    pub(super) async fn owner(&self, command: Command) -> Result<(Uid, Gid), String> {
        let rules = self.rules();
        let lookup = tokio::task::spawn_blocking(move || account::identity(&command, &rules));
        match timeout(LOOKUP, lookup).await {
            Ok(Ok(identity)) => identity.map(|identity| identity.owner()),
            Ok(Err(panic)) => Err(panic.to_string()),
            Err(_) => Err("the user could not be looked up in 5 s".to_owned()),
        }
    }
}

/// Whom to become, the file to run, and its words.
type Prepared = (account::Identity, std::path::PathBuf, Vec<String>);

/// Whether a command could be run now, by whom it should be. Names are looked up: call this where waiting does not matter.
pub(super) fn can_be_run(command: &Command, rules: &ScriptRules) -> bool {
    prepare(command, rules).is_ok()
}

fn prepare(command: &Command, rules: &ScriptRules) -> Result<Prepared, String> {
    let words = by_shell(&command.words).unwrap_or_else(|| command.words.clone());
    let who = account::identity(command, rules)?;
    let program = program::find(words.first().map_or("", String::as_str), &who, rules)?;
    Ok((who, program, words))
}

/// The old form of `vrrp_script`, whether a file can be opened, written as a redirection: the one thing that a shell
/// reads.
fn by_shell(words: &[String]) -> Option<Vec<String>> {
    let rest = words.first()?.strip_prefix('<')?;
    let shell = |parts: &[&str]| Some(parts.iter().map(|part| (*part).to_owned()).collect());
    match words {
        [_] if !rest.is_empty() => shell(&["/bin/sh", "-c", ": <\"$0\"", rest]),
        [_, path] if rest.is_empty() => shell(&["/bin/sh", "-c", ": <\"$0\"", path]),
        words => shell(&["/bin/sh", "-c", &words.join(" ")]),
    }
}

impl Running {
    /// Waits for its end, however long that takes.
    pub(super) async fn forever(&mut self) -> Ending {
        loop {
            if let Some(ending) = self.wait(Duration::from_secs(3600)).await {
                return ending;
            }
        }
    }

    /// Waits for its end, not longer than `limit`; `None` if it goes on.
    pub(super) async fn wait(&mut self, limit: Duration) -> Option<Ending> {
        let status = timeout(limit, self.child.wait()).await.ok()?;
        self.note(false);
        self.group = None;
        Some(match status {
            Ok(status) => Ending::Ended(status, self.said.last_words().await),
            Err(error) => Ending::NotStarted(format!("its end cannot be waited for: {error}")),
        })
    }

    /// Writes down that it runs, or no more, if it is a check.
    fn note(&mut self, runs: bool) {
        if let (Some(checks), Some(group)) = (&self.checks, self.group)
            && let Ok(mut checks) = checks.lock()
        {
            match runs {
                true => checks.insert(group),
                false => checks.remove(&group),
            };
        }
    }

    /// Ends it and everything it started: politely, then not; after that it is left to the kernel.
    pub(super) async fn end(&mut self) {
        let Some(group) = self.group else { return };
        let asked = killpg(group, Signal::SIGTERM);
        if asked == Err(Errno::EPERM) {
            tracing::warn!(
                "process {group} belongs to another user and may not be ended by directord: give it the capability \
                 CAP_KILL (systemd: AmbientCapabilities= and CapabilityBoundingSet=)"
            );
        }
        let ended = timeout(GRACE, self.child.wait()).await.is_ok();
        let _ = killpg(group, Signal::SIGKILL);
        self.note(false);
        self.group = None;
        if !ended && timeout(GRACE, self.child.wait()).await.is_err() {
            tracing::warn!(
                "process {group} cannot be ended: it waits in the kernel, for a disk or a file server"
            );
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // A check stays written down: this is the end of the daemon, which sees to it that nothing stays behind.
            let _ = killpg(group, Signal::SIGTERM);
        }
    }
}

impl Ending {
    /// Whether it ended by itself and with status 0.
    pub(super) fn is_success(&self) -> bool {
        matches!(self, Ending::Ended(status, _) if status.success())
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, said) = match self {
            Ending::Ended(status, said) => (status, said),
            Ending::NotStarted(sentence) => return f.write_str(sentence),
            Ending::Late(limit) => return write!(f, "it did not end within {} s", limit.as_secs_f64()),
        };
        match (status.code(), status.signal().map(Signal::try_from)) {
            (Some(code), _) => write!(f, "exit status {code}")?,
            (None, Some(Ok(signal))) => write!(f, "ended by signal {}", signal.as_str())?,
            (None, _) => write!(f, "ended by a signal: {status}")?,
        }
        if said.is_empty() { Ok(()) } else { write!(f, ", its last words: {said}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_form_asks_whether_a_file_can_be_opened() {
        let words = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let expected = Some(words(&["/bin/sh", "-c", ": <\"$0\"", "/run/a b"]));
        assert_eq!(by_shell(&words(&["</run/a b"])), expected);
        assert_eq!(by_shell(&words(&["<", "/run/a b"])), expected);
        assert_eq!(by_shell(&words(&["/bin/true", "<"])), None);
        let more = by_shell(&words(&["</run/a", "&&", "true"]));
        assert_eq!(more, Some(words(&["/bin/sh", "-c", "</run/a && true"])));
    }
}

//! How one process hands everything it keeps to the next: addresses, table, sessions and roles stay as they are.
//!
//! For an upgrade the process itself becomes the new program (`execve`): it keeps its number, so that whoever started it
//! notices nothing. For a restart it ends, and whoever asked for it starts the next one. Either way the program that
//! comes next is asked first whether it would run this configuration: once this process is gone, nobody sends adverts
//! until the next one does.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::Options;

/// How long the next program may think about the configuration.
const JUDGEMENT: Duration = Duration::from_secs(30);

/// How long an answer may be on its way to whoever asked.
const ANSWER: Duration = Duration::from_millis(50);

/// What this process is asked to do for a successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Whether to become the next program oneself; otherwise somebody else starts it.
    pub replace: bool,
    /// The next program; `None`: what now lies where this one was started from.
    pub program: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether this process leaves.
    pub accepted: bool,
    /// Why not, or what happens now.
    pub summary: String,
}

/// Everything is ready: leave, and become this program, if one is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Departure {
    pub(crate) become_program: Option<PathBuf>,
}

/// Judges wishes.
#[derive(Debug, Clone)]
pub(crate) struct Successions {
    options: Options,
    departures: mpsc::Sender<Departure>,
}

impl Successions {
    pub(super) fn new(options: &Options, departures: mpsc::Sender<Departure>) -> Self {
        Successions { options: options.clone(), departures }
    }

    /// Has the next program read the configuration, and leaves if it would run it.
    pub(crate) async fn wish(&self, wish: Wish) -> Answer {
        let program = match wish.program.clone().or_else(own_program) {
            Some(program) => program,
            None => return refusal("this program does not know where it was started from".to_owned()),
        };
        if let Err(why) = self.judge(&program).await {
            warn!("this process does not leave: {why}");
            return refusal(why);
        }
        let become_program = wish.replace.then(|| program.clone());
        info!("{} would run the configuration; this process leaves", program.display());
        let departures = self.departures.clone();
        tokio::spawn(async move {
            // The answer goes out first.
            tokio::time::sleep(ANSWER).await;
            let _ = departures.send(Departure { become_program }).await;
        });
        Answer { accepted: true, summary: format!("{} takes over", program.display()) }
    }

    async fn judge(&self, program: &Path) -> Result<(), String> {
        let (name, config) = (program.display(), self.options.config.display());
        let verdict = self.check(program, true).await?;
        // 0: nothing but hints, 1: warnings. Any program may say so; only ours lists complaints.
        let is_list = |text: &[u8]| {
            let list = serde_json::from_slice::<serde_json::Value>(text);
            list.is_ok_and(|list| list.get("complaints").is_some())
        };
        match verdict.status.code() {
            Some(0 | 1) if is_list(&verdict.stdout) => Ok(()),
            Some(0 | 1) => Err(format!("{name} is no directord: it cannot check a configuration")),
            _ => {
                let told = self.check(program, false).await?;
                let told = [told.stdout, told.stderr].concat();
                let told = String::from_utf8_lossy(&told);
                Err(format!("{name} would not run {config}:\n{}", told.trim_end()))
            }
        }
    }

    /// Has the program check the configuration, for us or for people.
    async fn check(&self, program: &Path, for_us: bool) -> Result<std::process::Output, String> {
        let Options { config, config_id, compat, .. } = &self.options;
        let mut command = Command::new(program);
        command.arg("check").args(for_us.then_some("--json")).args(compat.then_some("--compat"));
        if let Some(id) = config_id {
            command.arg("--config-id").arg(id);
        }
        command.arg(config).stdin(Stdio::null()).kill_on_drop(true);
        match tokio::time::timeout(JUDGEMENT, command.output()).await {
            Err(_) => {
                Err(format!("`{} check` took longer than {} s", program.display(), JUDGEMENT.as_secs()))
            }
            Ok(Err(error)) => Err(format!("{} cannot be started: {error}", program.display())),
            Ok(Ok(output)) => Ok(output),
        }
    }
}

fn refusal(summary: String) -> Answer {
    Answer { accepted: false, summary }
}

/// What now lies where this program was started from: after a package was upgraded, the new one.
pub(super) fn own_program() -> Option<PathBuf> {
    let said = std::env::args_os().next().map(PathBuf::from).filter(|path| path.components().count() > 1);
    said.or_else(|| {
        let found = std::env::current_exe().ok()?;
        // The kernel marks the name of a file that was replaced.
        let name = found.to_str()?.trim_end_matches(" (deleted)").to_owned();
        Some(PathBuf::from(name))
    })
}

/// Becomes the program, with the arguments of this one but for `--take-over`: nobody is to be relieved twice.
///
/// # Errors
/// Returns only if that fails.
pub fn become_program(program: &Path) -> std::io::Error {
    use std::os::unix::process::CommandExt;
    let arguments = std::env::args_os().skip(1).filter(|argument| argument != "--take-over");
    std::process::Command::new(program).args(arguments).exec()
}

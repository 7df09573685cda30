//! `directord checks`: each check with what it says, and how the latest attempts went.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::daemon::asking;
use super::overrides::say_json;
use super::{RUNTIME_DIR, say, time};
use crate::control::{self, ChecksWish, Look};

pub(super) const AFTER_HELP: &str = "\
WHAT is said as with `directord disable`: 10.0.0.2, 10.0.0.2:80, SERVICE/10.0.0.2, 10.0.0.100:80, tcp:10.0.0.100:80, \
fwmark:5, or the NAME of a virtual_server_group; without it, all checks.

FAILED counts attempts that failed in a row. LATENCY is the shortest, the middle and the longest time, in milliseconds, of \
those of the last ten attempts that passed. NEXT is the time until the next attempt; `rests` where nobody is asked at present \
(ha_suspend). `directord why SERVER` tells of each attempt.

Exit status: 0 shown; 1 there is no such server, or nobody answers";

/// `directord checks`.
#[derive(Debug, Args)]
pub(super) struct Checks {
    /// Whose: a real server or a virtual server
    #[arg(value_name = "WHAT")]
    what: Option<String>,
    /// Only those that fail
    #[arg(long)]
    down: bool,
    /// Again and again, after this time, until it is interrupted: 2s by default
    #[arg(long, value_name = "TIME", value_parser = time::parse, num_args = 0..=1, default_missing_value = "2s",
          conflicts_with = "json")]
    watch: Option<Duration>,
    /// As one JSON object, with the last ten results of each check
    #[arg(long)]
    json: bool,
    /// The daemon's runtime directory
    #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

impl Checks {
    pub(super) fn run(&self) -> ExitCode {
        loop {
            let shown = self.show();
            match self.watch {
                Some(pause) if shown == ExitCode::SUCCESS => std::thread::sleep(pause),
                _ => return shown,
            }
        }
    }

    fn show(&self) -> ExitCode {
        let wish = ChecksWish { what: self.what.clone(), down: self.down, results: self.json };
        let answer = match asking(control::checks(&self.runtime_dir, &wish)) {
            Err(code) => return code,
            Ok(answer) => answer,
        };
        if let Some(why) = &answer.refused {
            eprintln!("directord: {why}");
            return ExitCode::FAILURE;
        }
        if self.json {
            return say_json(&answer);
        }
        let look = look();
        let text = control::render_checks(&answer, self.down, look);
        // The screen is cleared from its first line on, so that nothing flickers but what changes.
        let clear = if self.watch.is_some() && look.colour { "\x1b[H\x1b[J" } else { "" };
        say(&format!("{clear}{text}"))
    }
}

/// How answers look where the standard output goes: a terminal has colours and a width.
pub(super) fn look() -> Look {
    if !std::io::stdout().is_terminal() {
        return Look::default();
    }
    let width = terminal_size::terminal_size().map(|(terminal_size::Width(width), _)| usize::from(width));
    Look { width, colour: std::env::var_os("NO_COLOR").is_none() }
}

//! `directord reload`, `confirm` and `rollback`: the running configuration is replaced, or returned to.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::daemon::asking;
use super::{RUNTIME_DIR, say, time};
use crate::control;
use crate::supervisor::Exit;
use crate::supervisor::reload::{ReloadOutcome, ReloadWish};

/// The longest time that a configuration can be on probation.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What can be said behind `directord reload`.
#[derive(Debug, Args)]
pub(super) struct Reload {
    /// Roll back by itself after this time (90s, 5m, 1h) unless `directord confirm` comes before that
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    confirm: Option<Duration>,
    /// Leave out what the kernel refuses, as at a start, instead of rolling back
    #[arg(long)]
    keep_going: bool,
    /// The daemon's runtime directory
    #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

/// A length of time, at most a day.
pub(super) fn parse_time(word: &str) -> Result<Duration, String> {
    let time = time::parse(word).ok().filter(|time| !time.is_zero() && *time <= LONGEST);
    time.ok_or_else(|| "expected a time such as 90s, 5m, 1h or 1h30m, at most 24h".to_owned())
}

/// `directord reload`.
pub(super) fn reload(asked: &Reload) -> ExitCode {
    let wish = ReloadWish { confirm: asked.confirm, keep_going: asked.keep_going, expected: None };
    match asking(control::reload(&asked.runtime_dir, &wish)) {
        Err(code) => code,
        Ok(outcome) => tell(&outcome),
    }
}

/// Prints how a reload ended; what is wrong goes to the standard error output.
pub(super) fn tell(outcome: &ReloadOutcome) -> ExitCode {
    eprint!("{}", outcome.rendered);
    match outcome {
        ReloadOutcome { accepted: true, summary, .. } => say(&format!("{summary}\n")),
        ReloadOutcome { rolled_back: true, summary, .. } => {
            eprintln!("directord: {summary}");
            ExitCode::FAILURE
        }
        ReloadOutcome { summary, .. } => {
            eprintln!("directord: {summary}");
            Exit::Config.into()
        }
    }
}

/// `directord confirm`.
pub(super) fn confirm(runtime_dir: &Path) -> ExitCode {
    done(asking(control::confirm(runtime_dir)))
}

/// `directord rollback`.
pub(super) fn roll_back(runtime_dir: &Path) -> ExitCode {
    done(asking(control::roll_back(runtime_dir)))
}

fn done(answer: Result<ReloadOutcome, ExitCode>) -> ExitCode {
    match answer {
        Err(code) => code,
        Ok(ReloadOutcome { accepted: true, summary, .. }) => say(&format!("{summary}\n")),
        Ok(outcome) => {
            eprintln!("directord: {}", outcome.summary);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (word, seconds) in [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("24h", 86_400)] {
            assert_eq!(parse_time(word), Ok(Duration::from_secs(seconds)), "{word}");
        }
        for word in ["", "m", "0", "0m", "25h", "5d", "-1", "1.5m", "99999999999999999999h", "5 m", "5µ"] {
            assert!(parse_time(word).is_err(), "{word}");
        }
    }
}

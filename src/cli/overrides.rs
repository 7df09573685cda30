//! The commands that override what the file says of real servers: disable, enable, weight, undrain, overrides.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::daemon::asking;
use super::{RUNTIME_DIR, say, time};
use crate::control::{self, OverrideAnswer, OverrideWish, WishedAct};

/// How servers are named, and what becomes of an override.
pub(super) const AFTER_HELP: &str = "\
WHAT is one of
  10.0.0.2 or 2001:db8::2      a machine, in all virtual servers
  10.0.0.2:80                  one of its ports (also [2001:db8::2]:80)
  SERVICE/10.0.0.2             in one virtual server only
  10.0.0.100:80                a virtual server: all of its real servers
  tcp:10.0.0.100:80            the same, where TCP and UDP share the port
  fwmark:5                     a firewall mark (fwmark6:5 for IPv6)
  NAME                         a virtual_server_group
  director                     everything

An override is shown by `directord overrides` and `directord status`. It lasts through reloads and restarts, until it \
is taken back or its time is over. Health checks go on underneath: a server that is down stays out.

Exit status: 0 done; 1 refused, or nobody answers";

/// Whom an override is for, and what goes with it.
#[derive(Debug, Args)]
pub(super) struct For {
    /// Whom it is for: see below
    #[arg(value_name = "WHAT")]
    pub what: String,
    /// Why: shown wherever the override is, and mailed
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// It ends by itself after this time: 90s, 10m, 2h, 1d
    #[arg(long = "for", value_name = "TIME", value_parser = time::parse)]
    pub lasting: Option<Duration>,
    /// Also where a virtual server loses its last usable server by it
    #[arg(long)]
    pub force: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// The daemon's runtime directory
    #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
    pub runtime_dir: PathBuf,
}

/// `directord disable`.
#[derive(Debug, Args)]
pub(super) struct Disable {
    #[command(flatten)]
    of: For,
}

/// `directord undrain` and `directord enable`.
#[derive(Debug, Args)]
pub(super) struct TakeBack {
    /// Whom it was set for, as `directord overrides` shows it
    #[arg(value_name = "WHAT")]
    what: String,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// The daemon's runtime directory
    #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

/// `directord weight`.
#[derive(Debug, Args)]
pub(super) struct Weight {
    #[command(flatten)]
    of: For,
    /// 0 to 2147483647, or `default`: as the file says
    #[arg(value_name = "WEIGHT", value_parser = parse_weight, allow_negative_numbers = true)]
    weight: WeightWord,
}

/// `directord overrides`.
#[derive(Debug, Args)]
pub(super) struct Overrides {
    /// As a JSON array
    #[arg(long)]
    json: bool,
    /// The daemon's runtime directory
    #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

/// What stands behind `directord weight WHAT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WeightWord(Option<u32>);

fn parse_weight(word: &str) -> Result<WeightWord, String> {
    let weight = word.parse().ok().filter(|weight| *weight <= i32::MAX.unsigned_abs());
    match (word, weight) {
        ("default", _) => Ok(WeightWord(None)),
        (_, Some(weight)) => Ok(WeightWord(Some(weight))),
        _ => Err("expected a number from 0 to 2147483647, or `default`".to_owned()),
    }
}

impl For {
    /// The wish to do this.
    pub(super) fn wish(&self, act: WishedAct) -> OverrideWish {
        OverrideWish {
            what: self.what.clone(),
            act,
            reason: self.reason.clone(),
            for_seconds: self.lasting.map(|time| time.as_secs()),
            force: self.force,
        }
    }

    /// Says it, and what came of it; the exit status if that is the end.
    pub(super) fn order(&self, act: WishedAct) -> Result<OverrideAnswer, ExitCode> {
        let answer = asking(control::override_servers(&self.runtime_dir, &self.wish(act)))?;
        if answer.accepted { Ok(answer) } else { Err(tell(&answer, self.json)) }
    }
}

impl Disable {
    pub(super) fn run(&self) -> ExitCode {
        self.of.order(WishedAct::Disable).map_or_else(|code| code, |answer| tell(&answer, self.of.json))
    }
}

impl Weight {
    pub(super) fn run(&self) -> ExitCode {
        let act = WishedAct::Weight(self.weight.0);
        self.of.order(act).map_or_else(|code| code, |answer| tell(&answer, self.of.json))
    }
}

impl TakeBack {
    pub(super) fn run(&self, act: WishedAct) -> ExitCode {
        let (reason, for_seconds, force) = (None, None, false);
        let wish = OverrideWish { what: self.what.clone(), act, reason, for_seconds, force };
        match asking(control::override_servers(&self.runtime_dir, &wish)) {
            Err(code) => code,
            Ok(answer) => tell(&answer, self.json),
        }
    }
}

impl Overrides {
    pub(super) fn run(&self) -> ExitCode {
        match asking(control::overrides(&self.runtime_dir)) {
            Err(code) => code,
            Ok(all) if self.json => say_json(&all),
            Ok(all) if all.is_empty() => say("no overrides: everything is as the file says\n"),
            Ok(all) => say(&control::render_overrides(&all, super::checks::look())),
        }
    }
}

/// What came of a wish, and the exit status that says so.
pub(super) fn tell(answer: &OverrideAnswer, json: bool) -> ExitCode {
    let code = if answer.accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        let said = say_json(answer);
        return if answer.accepted { said } else { code };
    }
    if !answer.accepted {
        eprintln!("directord: {}", answer.summary);
        return code;
    }
    let said = say(&format!("{}\n", answer.summary));
    for warning in &answer.warnings {
        eprintln!("directord: note: {warning}");
    }
    said
}

/// As JSON, for programs.
pub(super) fn say_json(value: &impl serde::Serialize) -> ExitCode {
    match serde_json::to_string_pretty(value) {
        Ok(text) => say(&format!("{text}\n")),
        Err(error) => {
            eprintln!("directord: {error}");
            ExitCode::FAILURE
        }
    }
}

//! `directord plan` and `directord apply`: what a reload would change, before it does, and nothing else afterwards.

mod screen;

use std::collections::BTreeSet;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ipvs_backend::ServiceKey;
use serde::{Deserialize, Serialize};

use super::daemon::asking;
use super::{RUNTIME_DIR, reload, say};
use crate::config::digest::digest;
use crate::config::plan::{self, BlockChange, Count};
use crate::config::{self, Colour, Config, Expectation, Manner, Purpose, Served};
use crate::control::{self, Running};
use crate::supervisor::reload::ReloadWish;
use crate::supervisor::{absent, names};

/// Exit status of a plan that is not empty.
const CHANGES: u8 = 2;

/// Version of the form that `--json` and `--out` write.
const FORM: u32 = 1;

/// What can be said behind `directord plan`.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The configuration to compare with the running one [default: the file that a reload reads]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// As one JSON object: see etc/plan.schema.json
    #[arg(long)]
    json: bool,
    /// Write the plan to a file as well, for `directord apply --plan`
    #[arg(long, value_name = "PLANFILE")]
    out: Option<PathBuf>,
    /// Read the file as the daemon does under --compat
    #[arg(long)]
    compat: bool,
    /// What `@ID` before a line of the configuration is compared with [default: the host's name up to its first dot]
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
    /// The daemon's runtime directory
    #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

/// What can be said behind `directord apply`.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// What `directord plan --out` wrote
    #[arg(long, value_name = "PLANFILE")]
    plan: PathBuf,
    /// Roll back by itself after this time (90s, 5m, 1h) unless `directord confirm` comes before that
    #[arg(long, value_name = "TIME", value_parser = reload::parse_time)]
    confirm: Option<Duration>,
    /// The daemon's runtime directory
    #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

/// What a reload would change; etc/plan.schema.json describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// [`FORM`].
    pub(super) form: u32,
    /// The file.
    pub(super) file: PathBuf,
    /// What it was made from.
    pub(super) expected: Expectation,
    /// Whether nothing would change.
    pub(super) empty: bool,
    /// How many virtual servers, real servers and instances it touches.
    pub(super) totals: Totals,
    /// Set if connections could not be counted: why.
    pub(super) uncounted: Option<String>,
    /// The blocks that differ.
    pub(super) changes: Vec<BlockChange>,
}

/// How many of each kind a plan touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) virtual_servers: Count,
    pub(super) real_servers: Count,
    pub(super) vrrp_instances: Count,
}

/// `directord plan`: 0 nothing would change, 2 something would, 1 it cannot be told.
pub(super) fn plan(asked: &Asked) -> ExitCode {
    let plan = match make(asked) {
        Ok(plan) => plan,
        Err(code) => return code,
    };
    let text = || {
        let mut text = serde_json::to_string_pretty(&plan).expect("texts and numbers can be written as JSON");
        text.push('\n');
        text
    };
    if let Some(out) = &asked.out
        && let Err(error) = fs::write(out, text())
    {
        eprintln!("directord: cannot write {}: {error}", out.display());
        return ExitCode::FAILURE;
    }
    let screen = if asked.json { text() } else { screen::render(&plan, std::io::stdout().is_terminal()) };
    let said = say(&screen);
    if plan.empty || said != ExitCode::SUCCESS { said } else { CHANGES.into() }
}

fn make(asked: &Asked) -> Result<Plan, ExitCode> {
    let Running { file: own, config: running } = asking(control::running(&asked.runtime_dir))?;
    let file = asked.file.clone().unwrap_or(own);
    let wanted = read(asked, &file)?;
    let (wanted, difference) = config::adopt(&running, wanted);
    let changes = plan::changes(&running, &wanted);
    let config::Difference { services, group_services, .. } = difference;
    let touched = services.to_change.into_iter().chain(services.to_remove).map(Served::Key);
    let of_groups = group_services.to_change.into_iter().chain(group_services.to_remove).map(Served::Group);
    let services: BTreeSet<ServiceKey> =
        touched.chain(of_groups).flat_map(|served| running.kernel_services(&served).to_vec()).collect();
    let services: Vec<ServiceKey> = services.into_iter().collect();
    let kernel = asking(control::kernel(&asked.runtime_dir, &services))?;
    let expected = Expectation { running: digest(&running), wanted: digest(&wanted), kernel: kernel.digest };
    let mut plan = Plan::new(file, expected, changes);
    plan.uncounted = kernel.unavailable;
    for block in &mut plan.changes {
        block.count(&kernel.connections, &running);
    }
    Ok(plan)
}

impl Plan {
    fn new(file: PathBuf, expected: Expectation, changes: Vec<BlockChange>) -> Self {
        let totals = Totals {
            virtual_servers: plan::total(&changes, "virtual_server"),
            real_servers: plan::total(&changes, "real_server"),
            vrrp_instances: plan::total(&changes, "vrrp_instance"),
        };
        Plan { form: FORM, file, expected, empty: changes.is_empty(), totals, uncounted: None, changes }
    }
}

/// Reads the file as the daemon would; says what is wrong with it.
fn read(asked: &Asked, file: &Path) -> Result<Config, ExitCode> {
    let manner = Manner { purpose: Purpose::Run, compat: asked.compat };
    let reading = config::read(file, asked.config_id.as_deref(), manner);
    eprint!("{}", reading.render(Colour::for_terminal(&std::io::stderr())));
    let Some(mut config) = reading.config else {
        eprintln!("directord: {} would be refused; nothing would change", file.display());
        return Err(ExitCode::FAILURE);
    };
    config.global.compat |= reading.compat;
    names::look_up(&mut config);
    absent::wait_for_none(&mut config);
    Ok(config)
}

/// `directord apply --plan`: a reload that does what was planned or nothing.
pub(super) fn apply(asked: &Apply) -> ExitCode {
    let text = match fs::read_to_string(&asked.plan) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("directord: cannot read {}: {error}", asked.plan.display());
            return ExitCode::FAILURE;
        }
    };
    let plan = match serde_json::from_str::<Plan>(&text) {
        Ok(plan) if plan.form == FORM => plan,
        Ok(plan) => {
            let found = plan.form;
            eprintln!(
                "directord: {}: a plan of form {found}, expected {FORM}; make a new one",
                asked.plan.display()
            );
            return ExitCode::FAILURE;
        }
        Err(error) => {
            eprintln!("directord: {}: not what `directord plan --out` writes: {error}", asked.plan.display());
            return ExitCode::FAILURE;
        }
    };
    let wish = ReloadWish { confirm: asked.confirm, keep_going: false, expected: Some(plan.expected) };
    match asking(control::reload(&asked.runtime_dir, &wish)) {
        Err(code) => code,
        Ok(outcome) => reload::tell(&outcome),
    }
}

//! `directord why`: what decides over a server, a virtual server or an instance.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::checks::look;
use super::daemon::asking;
use super::overrides::say_json;
use super::{RUNTIME_DIR, say};
use crate::control::{self, WhyWish};

pub(super) const AFTER_HELP: &str = "\
WHAT is the name of a vrrp_instance or of a vrrp_sync_group, or a server said as with `directord disable`: 10.0.0.2, \
10.0.0.2:80, SERVICE/10.0.0.2, 10.0.0.100:80, tcp:10.0.0.100:80, fwmark:5, or the NAME of a virtual_server_group. Without it \
everything is told of that is not as it should be.

Of a server: each check that fails, with its last ten attempts; its place in the table; what weights, overrides, the quorum, \
the sorry server, files and BFD neighbours contribute; what would bring it back, and when the next attempt is. Of an instance: \
its state and the cause, who is master, and where its priority comes from. Times of day are UTC.

Exit status: 0 told; 1 there is no such thing, or nobody answers";

/// `directord why`.
#[derive(Debug, Args)]
pub(super) struct Why {
    /// A real server, a virtual server, an instance or a sync group
    #[arg(value_name = "WHAT")]
    what: Option<String>,
    /// As one JSON object
    #[arg(long)]
    json: bool,
    /// The daemon's runtime directory
    #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

impl Why {
    pub(super) fn run(&self) -> ExitCode {
        let wish = WhyWish { what: self.what.clone() };
        match asking(control::why(&self.runtime_dir, &wish)) {
            Err(code) => code,
            Ok(answer) => match &answer.refused {
                Some(why) => {
                    eprintln!("directord: {why}");
                    ExitCode::FAILURE
                }
                None if self.json => say_json(&answer),
                None => say(&control::render_why(&answer, look())),
            },
        }
    }
}

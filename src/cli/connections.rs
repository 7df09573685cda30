//! `directord connections`: how many connections real servers have, and whose.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::daemon::asking;
use super::overrides::say_json;
use super::{RUNTIME_DIR, say};
use crate::control::{self, ConnectionsAnswer, ConnectionsWish};

pub(super) const AFTER_HELP: &str = "\
Active are established TCP and SCTP connections; inactive are those that open, close or have closed lately, and all of \
UDP; bound are clients that persistence_timeout sends to this server.

Exit status: 0 shown; 1 there is no such server, the table cannot be reached, or nobody answers";

/// `directord connections`.
#[derive(Debug, Args)]
pub(super) struct Connections {
    /// Whose: 10.0.0.2, 10.0.0.2:80, SERVICE/10.0.0.2, 10.0.0.100:80, …, director
    #[arg(value_name = "WHAT")]
    what: String,
    /// How many of them to list; 0: only their numbers
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    list: usize,
    /// As one JSON object
    #[arg(long)]
    json: bool,
    /// The daemon's runtime directory
    #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

impl Connections {
    pub(super) fn run(&self) -> ExitCode {
        let wish = ConnectionsWish { what: self.what.clone(), list: self.list };
        match asking(control::connections(&self.runtime_dir, &wish)) {
            Err(code) => code,
            Ok(ConnectionsAnswer { refused: Some(why), .. }) => {
                eprintln!("directord: {why}");
                ExitCode::FAILURE
            }
            Ok(answer) if self.json => say_json(&answer),
            Ok(answer) => say(&text(&answer)),
        }
    }
}

fn text(answer: &ConnectionsAnswer) -> String {
    let mut out = String::new();
    for server in &answer.servers {
        let place = format!("{} of {}", control::plain(&server.place.server), server.place.service);
        let _ = match server.counts {
            Some(counts) => writeln!(
                out,
                "{place}: {} active, {} inactive, {} bound clients",
                counts.active, counts.inactive, counts.persistent
            ),
            None => writeln!(out, "{place}: not in the table"),
        };
    }
    if !answer.listed.is_empty() {
        let _ = writeln!(
            out,
            "\n{:<5} {:<32} {:<32} {:<24} {:<12} EXPIRES",
            "PROTO", "CLIENT", "TO", "SERVER", "STATE"
        );
    }
    for one in &answer.listed {
        let client = match one.is_template() {
            true => format!("{} (bound)", one.client),
            false => SocketAddr::new(one.client, one.client_port).to_string(),
        };
        let to = SocketAddr::new(one.virtual_address, one.virtual_port);
        let (server, seconds) = (control::plain(&one.server), one.expires);
        let _ = writeln!(
            out,
            "{:<5} {client:<32} {:<32} {server:<24} {:<12} {seconds}s",
            one.protocol,
            to.to_string(),
            one.state
        );
    }
    let hidden = answer.listable.saturating_sub(answer.listed.len() as u64);
    if hidden > 0 {
        let _ = writeln!(out, "and {hidden} more: see --list");
    }
    out
}

//! The commands that ask a running daemon, or live through what one recorded.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use super::say;
use crate::control;
use crate::supervisor::{self, Exit, Replay};

fn asking<T>(question: impl Future<Output = Result<T, control::ControlError>>) -> Result<T, ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(question).map_err(|error| error.to_string()));
    answer.map_err(|error| {
        eprintln!("directord: {error}");
        ExitCode::FAILURE
    })
}

/// `directord status`.
pub(super) fn status(runtime_dir: &Path, json: bool) -> ExitCode {
    match asking(control::status(runtime_dir)) {
        Err(code) => code,
        Ok(status) if json => match serde_json::to_string_pretty(&status) {
            Ok(text) => say(&format!("{text}\n")),
            Err(error) => {
                eprintln!("directord: {error}");
                ExitCode::FAILURE
            }
        },
        Ok(status) => say(&control::render(&status, std::io::stdout().is_terminal())),
    }
}

/// `directord reload`.
pub(super) fn reload(runtime_dir: &Path) -> ExitCode {
    match asking(control::reload(runtime_dir)) {
        Err(code) => code,
        Ok(outcome) => {
            eprint!("{}", outcome.rendered);
            println!("{}", outcome.summary);
            if outcome.accepted { ExitCode::SUCCESS } else { Exit::Config.into() }
        }
    }
}

/// `directord replay`.
pub(super) fn replay(path: &Path) -> ExitCode {
    match supervisor::replay(path) {
        Ok(Replay::Same { inputs, effects }) => {
            say(&format!("{inputs} facts and deadlines, {effects} effects: the same again\n"))
        }
        Ok(Replay::Differs { line, recorded, replayed }) => {
            eprintln!("{}:{line}: recorded: {recorded}\nreplayed: {replayed}", path.display());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("directord: cannot replay {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

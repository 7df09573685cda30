//! Commands that are run: scripts of trackers, checks and notices.

use serde::{Deserialize, Serialize};

/// A command with its arguments, and who runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program and its arguments; never empty.
    pub words: Vec<String>,
    /// The user that runs it. `None`: the one of `script_user`.
    pub user: Option<String>,
    /// The group that runs it. `None`: the user's own.
    pub group: Option<String>,
}

impl From<&healthcheck::Program> for Command {
    fn from(program: &healthcheck::Program) -> Self {
        Command { words: program.words.clone(), user: program.user.clone(), group: program.group.clone() }
    }
}

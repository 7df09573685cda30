//! What can go wrong in the laboratory.

use std::path::PathBuf;

/// Every way the laboratory fails. `Unavailable` is the one a test may turn into `skipped: reason`.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// This machine cannot run the lab; the text says what is missing and what to do.
    #[error("the lab cannot run here: {0}")]
    Unavailable(String),
    /// A file, directory or descriptor could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted, with the path.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A program ran and failed.
    #[error("{program} failed ({status}): {stderr}")]
    Program {
        /// The command line.
        program: String,
        /// Its exit status.
        status: String,
        /// What it wrote to standard error, trimmed.
        stderr: String,
    },
    /// The guest's kernel ended before its job did.
    #[error("the guest ended before its job did; its console said:\n{console}")]
    GuestDied {
        /// The end of the kernel's console.
        console: String,
    },
    /// The guest did not finish in time and was killed.
    #[error("the guest did not finish within {seconds} s; its console said:\n{console}")]
    Timeout {
        /// The limit, in seconds.
        seconds: u64,
        /// The end of the kernel's console.
        console: String,
    },
    /// A binary of this workspace is not where it was built.
    #[error("no {name} at {}: build it with `cargo build --bin {name}`", path.display())]
    NoBinary {
        /// The binary's name.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Something in a scenario was not as it must be.
    #[error("{0}")]
    Failed(String),
}

/// The laboratory's result.
pub type Result<T> = std::result::Result<T, LabError>;

/// Adds to a system error what was being attempted.
pub trait Attempt<T> {
    /// `file.read().attempt("reading /etc/x")?`
    ///
    /// # Errors
    /// The same error, as [`LabError::Io`].
    fn attempt(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> Attempt<T> for std::result::Result<T, E> {
    fn attempt(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|e| LabError::Io { what: what.into(), source: e.into() })
    }
}

//! What a guest is asked to do and what came of it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One command to run in a guest of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The program (a path of the host, or a name in the guest's `PATH`) and its arguments.
    pub command: Vec<String>,
    /// Environment variables besides the guest's own (`PATH`, `HOME`, `TMPDIR`, `LAB_TOOLS`, `RESULTS`).
    pub environment: BTreeMap<String, String>,
    /// The working directory, a path of the host.
    pub directory: PathBuf,
    /// Kernel modules to load before the command starts; others are loaded when first used.
    pub modules: Vec<String>,
    /// A directory of the host that is writable inside as `$RESULTS`. Everything else is read-only.
    pub results: Option<PathBuf>,
    /// The guest's memory in MiB; only what it touches costs.
    pub memory_mib: u32,
    /// How long the whole guest may take, boot included.
    pub timeout: Duration,
    /// Where the tools are, as seen inside.
    pub(crate) tools: PathBuf,
}

impl Job {
    /// A job with the usual settings: IPVS and the links a cluster needs, 512 MiB, four minutes.
    #[must_use]
    pub fn new(command: Vec<String>) -> Self {
        Self {
            command,
            environment: BTreeMap::new(),
            directory: "/".into(),
            modules: crate::modules::USUAL.map(String::from).into(),
            results: None,
            memory_mib: 512,
            timeout: Duration::from_secs(240),
            tools: PathBuf::new(),
        }
    }
}

/// One line that the command wrote, with its newline if it had one; exactly its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// To standard output.
    Out(Vec<u8>),
    /// To standard error.
    Err(Vec<u8>),
}

/// What came of a job whose command ran to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The command's exit status; 128 + N when signal N ended it.
    pub status: i32,
    /// From the start of the kernel to its end.
    pub took: Duration,
    /// What the kernel said.
    pub console: String,
}

/// The `lab` program as every process of a guest finds it: it is process 1 there.
pub const LAB: &str = "/proc/1/exe";
/// Folders the guest covers with its own.
pub(crate) const SHADOWED: [&str; 5] = ["/tmp", "/run", "/var/tmp", "/var/log", "/dev/shm"];
/// Where the guest sees the host's root without them.
pub(crate) const HOST: &str = "/run/host";

/// How a guest sees a path of the host.
#[must_use]
pub fn seen_inside(path: &Path) -> PathBuf {
    if SHADOWED.iter().any(|dir| path.starts_with(dir)) {
        let below_root = path.strip_prefix("/").unwrap_or(path);
        Path::new(HOST).join(below_root)
    } else {
        path.to_path_buf()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covered_paths_are_seen_through_the_second_mount() {
        assert_eq!(seen_inside(Path::new("/tmp/x/lab")), Path::new("/run/host/tmp/x/lab"));
        assert_eq!(seen_inside(Path::new("/usr/bin/ip")), Path::new("/usr/bin/ip"));
        assert_eq!(seen_inside(Path::new("/tmpx/lab")), Path::new("/tmpx/lab"));
    }
}

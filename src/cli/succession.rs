//! The commands that end a daemon, or have another go on in its place.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{daemon, say};
use crate::control::{self, Status};
use crate::supervisor::{self, SuccessionWish};

/// How long the end may take: as long as systemd waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(10);

/// `directord upgrade`.
pub(super) fn upgrade(runtime_dir: &Path, program: Option<PathBuf>) -> ExitCode {
    let before = match daemon::asking(control::status(runtime_dir)) {
        Ok(status) => status,
        Err(code) => return code,
    };
    if let Err(code) = wish(runtime_dir, SuccessionWish { replace: true, program }) {
        return code;
    }
    let anew = |status: &Status| status.started != before.started && status.director.generation > 0;
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        std::thread::sleep(LOOK);
        let Some(after) = daemon::quietly(control::status(runtime_dir)).filter(anew) else { continue };
        let kept = after.director.instances.iter().filter(|instance| instance.role == "MASTER").count();
        return say(&format!(
            "upgraded: directord {} goes on as {} (process {}); master of {kept} of {} vrrp_instances\n",
            before.version,
            after.version,
            after.pid,
            after.director.instances.len()
        ));
    }
    eprintln!("directord: the new program does not answer; look at the log");
    ExitCode::FAILURE
}

/// `directord stop`.
pub(super) fn stop(runtime_dir: &Path, stay: bool, unless_restarted: Option<&str>) -> ExitCode {
    if let Some(unit) = unless_restarted {
        if !is_restarted(unit) {
            // The one who asks sends SIGTERM now.
            return say(&format!("{unit} is not being restarted: it hands over\n"));
        }
        println!("{unit} is being restarted: it leaves everything to its successor");
    }
    let status = match daemon::asking(control::status(runtime_dir)) {
        Ok(status) => status,
        Err(code) => return code,
    };
    if stay || unless_restarted.is_some() {
        if let Err(code) = wish(runtime_dir, SuccessionWish { replace: false, program: None }) {
            return code;
        }
    } else {
        let process = i32::try_from(status.pid).map(Pid::from_raw);
        let sent = process.map_err(|_| nix::errno::Errno::ESRCH).and_then(|pid| kill(pid, Signal::SIGTERM));
        if let Err(errno) = sent {
            eprintln!("directord: process {} cannot be told to stop: {errno}", status.pid);
            return ExitCode::FAILURE;
        }
    }
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if supervisor::nobody_runs_in(runtime_dir) {
            return ExitCode::SUCCESS;
        }
        std::thread::sleep(LOOK);
    }
    eprintln!("directord: process {} did not end within {} s", status.pid, PATIENCE.as_secs());
    ExitCode::FAILURE
}

/// Has the daemon leave everything to a successor.
fn wish(runtime_dir: &Path, wish: SuccessionWish) -> Result<(), ExitCode> {
    let answer = daemon::asking(control::succeed(runtime_dir, &wish))?;
    if answer.accepted {
        return Ok(());
    }
    eprintln!("directord: nothing was changed, the daemon goes on: {}", answer.summary);
    Err(supervisor::Exit::Config.into())
}

/// Whether systemd is about to start the unit again: the kind of its job tells. Whatever cannot be found out means no,
/// and the daemon hands over.
fn is_restarted(unit: &str) -> bool {
    let listed = Command::new("systemctl").args(["list-jobs", "--no-legend", "--no-pager", unit]).output();
    match listed {
        Ok(output) => names_restart(&String::from_utf8_lossy(&output.stdout), unit),
        Err(error) => {
            eprintln!("directord: systemctl cannot be asked: {error}");
            false
        }
    }
}

/// Whether a list of jobs (number, unit, kind, state) has one that starts the unit again.
fn names_restart(list: &str, unit: &str) -> bool {
    list.lines().any(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != unit);
        words.next().is_some() && words.next().is_some_and(|kind| kind == "restart")
    })
}

#[cfg(test)]
mod tests {
    use super::names_restart;

    #[test]
    fn the_kind_of_the_job_tells_a_restart_from_a_stop() {
        let list =
            |kind| format!("  88 other.service restart waiting\n2417 directord.service {kind} running\n");
        assert!(names_restart(&list("restart"), "directord.service"));
        assert!(!names_restart(&list("stop"), "directord.service"));
        assert!(!names_restart("", "directord.service"));
        assert!(!names_restart("No jobs running.", "directord.service"));
    }
}

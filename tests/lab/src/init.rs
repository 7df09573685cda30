//! The guest's init: process 1, started by the kernel with the host's root read-only below it.
//!
//! It mounts what a Linux system expects, makes kernel modules loadable, runs the job with its output on the two
//! serial lines, writes the job's exit status where the host reads it, and turns the guest off.

use crate::error::{Attempt, LabError, Result};
use crate::job::{HOST, Job, SHADOWED};
use crate::modules;
use crate::packages::{self, Tools};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::termios::{SetArg, cfmakeraw, tcdrain, tcgetattr, tcsetattr};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, sethostname};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The guest's folder of the host, writable.
const SCRATCH: &str = "/run/lab";
/// The job's results, writable.
const RESULTS: &str = "/run/results";

/// Is this process the init of a guest? (A container's process 1 is not.)
#[must_use]
pub fn is_init() -> bool {
    std::process::id() == 1 && std::env::var_os("LAB_SCRATCH").is_some()
}

/// Runs the guest from its first process to its end.
pub fn main() {
    if let Err(e) = run() {
        // The kernel's console: the host shows it when there is no status.
        eprintln!("init: {e}");
    }
    nix::unistd::sync();
    let _ = reboot(RebootMode::RB_POWER_OFF);
}

fn run() -> Result<()> {
    mount_system()?;
    let job = fs::read(Path::new(SCRATCH).join("job.json")).attempt("reading the job")?;
    let job: Job =
        serde_json::from_slice(&job).map_err(std::io::Error::from).attempt("understanding the job")?;
    if let Some(results) = &job.results {
        mount_hostfs(results, RESULTS, MsFlags::empty())?;
    }
    let tools = Tools { root: job.tools.clone() };
    sethostname("lab").attempt("setting the host name")?;
    modules::install(&tools)?;
    modules::load(&tools, &job.modules)?;
    packages::output(tools.command("ip").args(["link", "set", "lo", "up"]))?;

    let out = serial_line("/dev/ttyS0")?;
    let err = serial_line("/dev/ttyS1")?;
    fs::write(Path::new(SCRATCH).join("started"), "").attempt("saying that the guest is up")?;
    let status = run_job(&job, &out, &err)?;
    tcdrain(&out).attempt("draining standard output")?;
    tcdrain(&err).attempt("draining standard error")?;
    fs::write(Path::new(SCRATCH).join("status"), status.to_string()).attempt("writing the exit status")
}

/// Mounts the folders a system has, and through them the host's.
fn mount_system() -> Result<()> {
    let scratch = std::env::var_os("LAB_SCRATCH").map(PathBuf::from).unwrap_or_default();
    mount_new("proc", "/proc")?;
    mount_new("tmpfs", "/run")?;
    for dir in [HOST, SCRATCH, RESULTS, "/run/netns", "/run/lock"] {
        fs::create_dir_all(dir).attempt(format!("making {dir}"))?;
    }
    mount_hostfs(Path::new("/"), HOST, MsFlags::MS_RDONLY)?;
    mount_hostfs(&scratch, SCRATCH, MsFlags::empty())?;
    mount_new("sysfs", "/sys")?;
    // The kernel may have mounted /dev by itself.
    if !Path::new("/dev/ttyS0").exists() {
        mount_new("devtmpfs", "/dev")?;
    }
    for dir in ["/dev/shm", "/dev/pts"] {
        fs::create_dir_all(dir).attempt(format!("making {dir}"))?;
    }
    mount_new("devpts", "/dev/pts")?;
    for dir in SHADOWED.iter().filter(|d| **d != "/run" && Path::new(d).is_dir()) {
        mount_new("tmpfs", dir)?;
    }
    Ok(())
}

fn mount_new(kind: &str, at: &str) -> Result<()> {
    let data: Option<&str> = None;
    mount(Some(kind), at, Some(kind), MsFlags::empty(), data).attempt(format!("mounting {kind} on {at}"))
}

fn mount_hostfs(from: &Path, at: &str, flags: MsFlags) -> Result<()> {
    mount(Some("none"), at, Some("hostfs"), flags, Some(from))
        .attempt(format!("mounting the host's {} on {at}", from.display()))
}

/// Opens a serial line that changes no byte.
fn serial_line(path: &str) -> Result<File> {
    let line = File::options().write(true).open(path).attempt(format!("opening {path}"))?;
    let mut settings = tcgetattr(&line).attempt(format!("reading the settings of {path}"))?;
    cfmakeraw(&mut settings);
    tcsetattr(&line, SetArg::TCSANOW, &settings).attempt(format!("making {path} raw"))?;
    Ok(line)
}

/// Runs the command and, as process 1 must, collects every orphan that ends meanwhile.
fn run_job(job: &Job, out: &File, err: &File) -> Result<i32> {
    let [program, arguments @ ..] = job.command.as_slice() else {
        return Err(LabError::Failed("the job has no command".into()));
    };
    let usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs([
            ("PATH", usual),
            ("HOME", "/root"),
            ("TMPDIR", "/tmp"),
            ("TERM", "dumb"),
            ("RESULTS", RESULTS),
        ])
        .env("LAB_TOOLS", &job.tools)
        .envs(&job.environment)
        .stdin(Stdio::null())
        .stdout(out.try_clone().attempt("sharing standard output")?)
        .stderr(err.try_clone().attempt("sharing standard error")?);
    if job.directory.is_dir() {
        command.current_dir(&job.directory);
    }
    let child = match command.spawn() {
        Ok(child) => child,
        Err(e) => {
            use std::io::Write;
            let mut err = err;
            let _ = writeln!(err, "lab: cannot start {program}: {e}");
            return Ok(if e.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 });
        }
    };
    let child = i32::try_from(child.id()).map(Pid::from_raw).unwrap_or(Pid::from_raw(-1));
    loop {
        match waitpid(None, None).attempt("waiting for the job")? {
            WaitStatus::Exited(pid, status) if pid == child => return Ok(status),
            WaitStatus::Signaled(pid, signal, _) if pid == child => return Ok(128 + signal as i32),
            _ => {}
        }
    }
}

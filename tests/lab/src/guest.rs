//! A guest: a User-Mode Linux kernel that runs one job as an ordinary process of this machine.
//!
//! Its root is the host's root, read-only; its init is the `lab` program ([`crate::init`]). It is pinned to one
//! CPU, which makes its system calls several times faster, and holds that CPU's lock, so guests that are started
//! together take turns instead of slowing each other down. However the job ends, and even when this process is
//! killed, nothing of the guest stays behind.

use crate::error::{Attempt, LabError, Result};
use crate::job::{Job, LAB, Line, Outcome, seen_inside};
use crate::packages::{self, Tools};
use crate::{cargo, guard};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// Boots a guest, runs the job in it and hands each line it writes to `on_line`.
///
/// # Errors
/// [`LabError::Unavailable`] when this machine cannot run guests, [`LabError::Timeout`], or
/// [`LabError::GuestDied`] with the kernel's console. A command that fails is no error: see [`Outcome::status`].
pub fn run(job: &Job, on_line: &mut dyn FnMut(Line)) -> Result<Outcome> {
    let tools = packages::ensure()?;
    let cpu = Cpu::acquire()?;
    let mut started = Instant::now();
    let mut guest = Guest::boot(job, &tools, &cpu)?;
    let mut end = guest.stream(started + job.timeout, on_line);
    if end == End::NotUp {
        // Now and then a kernel that is a process of a busy machine hangs before anything has run in it.
        drop(guest);
        started = Instant::now();
        guest = Guest::boot(job, &tools, &cpu)?;
        end = guest.stream(started + job.timeout, on_line);
    }
    let console = guest.scratch.console();
    if end != End::Over {
        return Err(LabError::Timeout { seconds: job.timeout.as_secs(), console });
    }
    match guest.scratch.status() {
        Some(status) => Ok(Outcome { status, took: started.elapsed(), console }),
        None if !guest.scratch.file("started").exists() && console.contains("ptrace") => {
            Err(LabError::Unavailable(format!("the kernel may not trace processes: {console}")))
        }
        None => Err(LabError::GuestDied { console }),
    }
}

/// What a program in a guest did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Its exit status; 128 + N when signal N ended it.
    pub status: i32,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

/// Runs a program of the host, a test binary for example, as root in a guest with IPVS and collects what it says.
/// Inside, `LAB_TOOLS` leads to the fetched programs (see [`Tools::from_guest`]).
///
/// # Errors
/// As [`run`].
pub fn run_binary(path: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Captured> {
    let program = std::iter::once(path.display().to_string());
    let mut job = Job::new(program.chain(arguments.iter().map(|a| (*a).to_owned())).collect());
    job.environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let outcome = run(&job, &mut |line| match line {
        Line::Out(bytes) => stdout.extend(bytes),
        Line::Err(bytes) => stderr.extend(bytes),
    });
    let outcome = outcome.map_err(|error| match error {
        LabError::Timeout { seconds, console } => {
            let said = [stdout.as_slice(), stderr.as_slice()].map(String::from_utf8_lossy).join("\n");
            LabError::Timeout { seconds, console: format!("{console}\nThe program had said:\n{said}") }
        }
        other => other,
    })?;
    Ok(Captured { status: outcome.status, stdout, stderr })
}

/// How long a guest may take until its job begins. It takes one or two seconds.
const BOOT: Duration = Duration::from_secs(40);

/// How it went with a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It has ended by itself.
    Over,
    /// Its time was over first.
    Late,
    /// Nothing has begun in it.
    NotUp,
}

/// A running guest; dropping it ends it.
struct Guest {
    /// Holds our end of the pipe that keeps the guest alive, too.
    guard: Child,
    scratch: Scratch,
}

impl Guest {
    fn boot(job: &Job, tools: &Tools, cpu: &Cpu) -> Result<Self> {
        let scratch = Scratch::new()?;
        let lab = cargo::lab_binary()?;
        let inside = Job {
            tools: seen_inside(&tools.root),
            directory: seen_inside(&job.directory),
            command: command_inside(&job.command),
            ..job.clone()
        };
        let text =
            serde_json::to_vec(&inside).map_err(std::io::Error::from).attempt("writing down the job")?;
        fs::write(scratch.file("job.json"), text).attempt("writing the job file")?;
        std::os::unix::fs::symlink(&lab, scratch.file("init")).attempt("linking the guest's init")?;

        let mut command = Command::new(&lab);
        guard::arguments(&mut command, &scratch.dir, cpu.number, &tools.kernel());
        command
            .args(kernel_arguments(job, &scratch))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", &scratch.dir)
            .env(guard::REGISTERS, cargo::registers()?)
            .env("TMPDIR", memory_dir(job.memory_mib).unwrap_or(&scratch.dir))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let guard = command.spawn().attempt(format!("starting {}", lab.display()))?;
        Ok(Self { guard, scratch })
    }

    /// Hands on every line until the guest ends.
    fn stream(&mut self, deadline: Instant, on_line: &mut dyn FnMut(Line)) -> End {
        let up = (Instant::now() + BOOT).min(deadline);
        let (sender, lines) = mpsc::channel();
        if let Some(out) = self.guard.stdout.take() {
            read_lines(out, Line::Out, sender.clone());
        }
        if let Some(err) = self.guard.stderr.take() {
            read_lines(err, Line::Err, sender);
        }
        loop {
            let now = Instant::now();
            let until = if now < up { up } else { deadline };
            match lines.recv_timeout(until.saturating_duration_since(now)) {
                Ok(line) => on_line(line),
                Err(RecvTimeoutError::Timeout) if !self.scratch.file("started").exists() => {
                    return End::NotUp;
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => return End::Late,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return End::Over,
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // The guard ends the guest when its standard input closes, if the guest has not ended by itself.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Reads lines in a thread of its own, which ends with the stream.
fn read_lines(from: impl Read + Send + 'static, kind: fn(Vec<u8>) -> Line, to: Sender<Line>) {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        loop {
            let mut line = Vec::new();
            match from.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    if to.send(kind(line)).is_err() {
                        return;
                    }
                }
            }
        }
    });
}

/// The kernel's command line. Descriptor 1 is the console's file; [`guard`] adds the two serial lines. Words the kernel does not know become the environment of init.
fn kernel_arguments(job: &Job, scratch: &Scratch) -> Vec<String> {
    let dir = scratch.dir.display();
    vec![
        format!("mem={}M", job.memory_mib),
        "rootfstype=hostfs".into(),
        "rootflags=/".into(),
        "ro".into(),
        format!("init={dir}/init"),
        "quiet".into(),
        "loglevel=4".into(),
        "panic=-1".into(),
        "noreboot".into(),
        "con=null".into(),
        "con0=null,fd:1".into(),
        "ssl=null".into(),
        "umid=guest".into(),
        format!("uml_dir={dir}/"),
        format!("LAB_SCRATCH={dir}"),
    ]
}

/// A program that is a file of the host is named as the guest sees it.
fn command_inside(command: &[String]) -> Vec<String> {
    let mut command = command.to_vec();
    if let Some(program) = command.first_mut()
        && program.contains('/')
        && program != LAB
        && let Ok(path) = fs::canonicalize(&program)
    {
        *program = seen_inside(&path).display().to_string();
    }
    command
}

/// Memory-backed space for the guest's memory file, where there is enough and programs may be mapped from it.
fn memory_dir(memory_mib: u32) -> Option<&'static Path> {
    let dir = Path::new("/dev/shm");
    let space = statvfs(dir).ok()?;
    let free = space.blocks_available() * space.fragment_size();
    let fits = free >= u64::from(memory_mib) << 20;
    (fits && !space.flags().contains(FsFlags::ST_NOEXEC)).then_some(dir)
}

/// One CPU of this machine, ours until dropped.
struct Cpu {
    number: usize,
    _lock: Flock<File>,
}

impl Cpu {
    /// Takes a free CPU, or waits for one.
    fn acquire() -> Result<Self> {
        let allowed =
            nix::sched::sched_getaffinity(Pid::from_raw(0)).attempt("asking for the usable CPUs")?;
        let count = nix::sched::CpuSet::count();
        let cpus: Vec<usize> = (0..count).filter(|&n| allowed.is_set(n).unwrap_or(false)).collect();
        let path = |number: usize| packages::lab_dir().join(format!("cpu-{number}.lock"));
        for &number in cpus.iter().rev() {
            let file = File::create(path(number)).attempt("creating a CPU's lock file")?;
            if let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                return Ok(Self { number, _lock: lock });
            }
        }
        let turn = std::process::id() as usize % cpus.len().max(1);
        let number = cpus.get(turn).copied().unwrap_or(0);
        Ok(Self { number, _lock: packages::lock(&path(number))? })
    }
}

/// The guest's folder on the host: job, console, status. Gone when dropped.
struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("lab.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).attempt(format!("making {}", dir.display()))?;
        Ok(Self { dir })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The end of what the kernel said.
    fn console(&self) -> String {
        let text = fs::read(self.file("console")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
        lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
    }

    /// The command's exit status, when it ran to its end.
    fn status(&self) -> Option<i32> {
        fs::read_to_string(self.file("status")).ok()?.trim().parse().ok()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

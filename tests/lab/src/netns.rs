//! The namespace tier: real sockets and addresses on this machine's own kernel, without touching the machine.
//!
//! A test that needs it starts with [`in_namespaces!`](crate::in_namespaces). The test program then runs itself a
//! second time, for that one test only, inside fresh user, network, mount and process namespaces, where it is root
//! (an ordinary user needs nothing but a kernel with user namespaces). All that the test starts, makes and mounts
//! lives in these namespaces and vanishes with them, however the test ends. Inside, [`Net`] builds a segment of
//! hosts, [`Daemon`] runs a program on one, and [`crate::sniff`] watches the wire.

use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};

use crate::job::HOST;
use crate::packages::{self, Tools};

mod daemon;
mod instance;
mod segment;
#[cfg(test)]
mod tests;

pub use daemon::{Daemon, Program};
pub use instance::Instance;
pub use segment::{Address, Host, Monitor, Net};

/// Set in the environment of the second run; its value says nothing.
const INSIDE: &str = "LAB_INSIDE_NAMESPACES";

/// No test may take longer than this inside its namespaces.
const LIMIT: Duration = Duration::from_secs(120);

/// The same where everything is asked for (`INTEROP=full`).
const LIMIT_OF_ALL: Duration = Duration::from_secs(900);

/// Goes on inside fresh namespaces, or returns from the test: put it first in a `#[test]` function.
///
/// Outside, the macro runs the same test again inside and fails if that failed. Where namespaces are not permitted it
/// prints `skipped: reason` (and fails if the environment says `CI=true` or `INTEROP=full`).
#[macro_export]
macro_rules! in_namespaces {
    () => {{
        fn here() {}
        if !$crate::netns::enter(std::any::type_name_of_val(&here)) {
            return;
        }
    }};
}

/// What [`in_namespaces!`](crate::in_namespaces) does: true inside; outside false, after the inner run passed.
///
/// `here` is the path of an item inside the test function, as `std::any::type_name_of_val` tells it.
///
/// # Panics
/// If the inner run failed, with all that it printed; if the test was skipped although `CI=true`.
pub fn enter(here: &str) -> bool {
    if is_inside() {
        settle_in(Some(if asks_for_all() { LIMIT_OF_ALL } else { LIMIT }));
        return true;
    }
    let mut inner = match rerun() {
        Ok(inner) => inner,
        Err(reason) => {
            skip(reason);
            return false;
        }
    };
    // "program::module::test::here" → "module::test", the name libtest knows.
    let name = here.split("::").skip(1).collect::<Vec<_>>();
    let name = name[..name.len() - 1].join("::");
    inner.args(["--exact", &name, "--nocapture", "--include-ignored", "--test-threads=1"]);
    inner.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut inner = inner.spawn().expect("unshare ran a moment ago");
    let held = inner.stdin.take();
    let output = inner.wait_with_output().expect("a child can be waited for");
    drop(held);
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed inside its namespaces: {}", output.status);
    assert!(said.contains("1 passed"), "no test is called {name:?}: the inner run tested nothing");
    false
}

/// The same for a whole program: `None` inside; outside the exit code of the inner run, which got the same arguments.
///
/// # Errors
/// Why namespaces are not permitted here, as a sentence.
pub fn enter_program() -> Result<Option<i32>, &'static str> {
    if is_inside() {
        settle_in(None);
        return Ok(None);
    }
    let mut inner = rerun()?.args(std::env::args_os().skip(1)).spawn().expect("unshare ran a moment ago");
    // Not `inner.wait()` alone, which would close the pipe that keeps the inner run alive.
    let held = inner.stdin.take();
    let status = inner.wait().expect("a child can be waited for");
    drop(held);
    Ok(Some(exit_code(status)))
}

fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// The command that runs this program inside namespaces, its standard input a pipe: the inner run ends with it.
fn rerun() -> Result<Command, &'static str> {
    let flags = permitted()?;
    let mut inner = Command::new("unshare");
    inner
        .args(flags)
        .arg("--")
        .arg(std::env::current_exe().expect("a running program has a path"))
        .env(INSIDE, "1")
        .env("LAB_TOOLS", &tools().as_ref().expect("they were there for the first try").root)
        .stdin(Stdio::piped());
    Ok(inner)
}

/// Says that something could not be tested here, past libtest's capture, and fails where nothing may be skipped.
///
/// # Panics
/// If the environment says `CI=true`, or `INTEROP=full`: whoever asks for everything by name must not read that it passed.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    // A closed standard error must not fail a test.
    let _ = writeln!(std::io::stderr(), "skipped: {reason} ({test})");
    let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!in_ci && !asks_for_all(), "skipped: {reason}");
}

/// Whether somebody wants to see everything tried (`INTEROP=full`).
fn asks_for_all() -> bool {
    std::env::var("INTEROP").is_ok_and(|which| which == "full")
}

/// The flags for `unshare(1)` that work here, or why none do; found out once per program.
fn permitted() -> Result<&'static [&'static str], &'static str> {
    const AS_ROOT: &[&str] = &["--net", "--mount", "--pid", "--fork", "--kill-child"];
    const AS_USER: &[&str] =
        &["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"];
    static ANSWER: OnceLock<Result<&'static [&'static str], String>> = OnceLock::new();
    let answer = ANSWER.get_or_init(|| {
        tools().as_ref().map_err(String::clone)?;
        let mut reason = String::new();
        let choices: &[&[&str]] =
            if nix::unistd::geteuid().is_root() { &[AS_ROOT, AS_USER] } else { &[AS_USER] };
        for flags in choices {
            match try_flags(flags) {
                Ok(()) => return Ok(*flags),
                Err(why) => reason = why,
            }
        }
        Err(format!("network namespaces are not permitted here: {reason}"))
    });
    answer.as_ref().copied().map_err(String::as_str)
}

/// Makes namespaces with these flags and a pair of joined interfaces in them.
fn try_flags(flags: &[&str]) -> Result<(), String> {
    let ip = tool("ip");
    let mut command = Command::new("unshare");
    command.args(flags).arg("--").arg(ip.get_program()).args(ip.get_args());
    for (key, value) in ip.get_envs() {
        command.env(key, value.unwrap_or_default());
    }
    command.args(["link", "add", "name", "probe0", "type", "veth", "peer", "name", "probe1"]);
    let output =
        command.stdin(Stdio::null()).output().map_err(|e| format!("unshare (package util-linux): {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "))
}

/// Makes the fresh namespaces fit to live in, once per inner run, which ends after `limit`.
fn settle_in(limit: Option<Duration>) {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // Our own /run: short paths for control sockets, and nothing left behind. In a guest, the host lies there.
        let host = std::fs::File::open(HOST).ok();
        mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=755"))
            .expect("root of a mount namespace may mount a tmpfs");
        if let Some(host) = host {
            use std::os::fd::AsRawFd;
            std::fs::create_dir_all(HOST).expect("/run is ours");
            let before = format!("/proc/self/fd/{}", host.as_raw_fd());
            mount(Some(before.as_str()), HOST, None::<&str>, MsFlags::MS_BIND, None::<&str>)
                .expect("the host's root can be seen from two places");
        }
        // Process ids as they are in here. Some containers forbid it; nothing of ours depends on it.
        let _ = mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>);
        std::thread::spawn(|| {
            // The end of the outer run closes this pipe; as process 1 our end is the end of everything in here.
            let _ = std::io::stdin().read(&mut [0]);
            std::process::exit(1);
        });
        if let Some(limit) = limit {
            std::thread::spawn(move || {
                std::thread::sleep(limit);
                eprintln!("the test took more than {limit:?}");
                std::process::exit(1);
            });
        }
    });
}

/// Lays a folder over one of the machine's, such as `/usr` or `/etc`, for all that runs in these namespaces: what is in it
/// is found there before the machine's own. With `written` what is written there goes to that folder.
///
/// # Errors
/// The kernel's refusal, in words.
pub fn overlay(
    folder: &std::path::Path,
    place: &str,
    written: Option<&std::path::Path>,
) -> Result<(), String> {
    let mut options = format!("lowerdir={}:{place}", folder.display());
    if let Some(written) = written {
        let (upper, work) = (written.join("upper"), written.join("work"));
        for made in [&upper, &work] {
            std::fs::create_dir_all(made).map_err(|error| error.to_string())?;
        }
        options += &format!(",upperdir={},workdir={}", upper.display(), work.display());
    }
    mount(Some("overlay"), place, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(|errno| format!("an overlay over {place}: {errno}"))
}

/// A command for one of the tools the tier works with, by its name.
///
/// # Panics
/// Outside of [`in_namespaces!`](crate::in_namespaces), when the tools are not to be had.
pub fn tool(name: &str) -> Command {
    tools().as_ref().expect("the tier is not entered without its tools").command(name)
}

/// The lab's tools. The outer run fetches them and hands their place down: the inner has no way to the network.
fn tools() -> &'static Result<Tools, String> {
    static TOOLS: OnceLock<Result<Tools, String>> = OnceLock::new();
    TOOLS.get_or_init(|| Tools::from_guest().or_else(|_| packages::ensure()).map_err(|e| e.to_string()))
}

/// Asks until `ask` has an answer, at most for `limit`; then panics, naming `what` was awaited.
///
/// # Panics
/// If the limit passes without an answer.
pub fn wait_until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The exit code, or the signal's number plus 128, as a shell would tell it.
pub fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

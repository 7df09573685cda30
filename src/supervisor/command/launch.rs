//! The little program between the daemon and a script: it becomes the script's user, and then the script.
//!
//! The daemon does not fork itself to run a script, for that would write-protect all of its memory for a moment, and
//! the thread that sends adverts would pay for each page. It starts its own program file anew, under another name
//! ([`NAME`]), without copying anything; that process gives up the daemon's rights and runs the script in its place.
//! What keeps it from doing so it writes to its standard input, which leads to the daemon and is closed by success.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Pid, dup2_stdin, getegid, geteuid, getppid, setgroups, setresgid, setresuid};

use super::account::Identity;

/// The name (`argv[0]`) under which the daemon's program is this one.
const NAME: &str = "directord: launch";

/// What the launched process is told, besides the words of the script.
#[derive(Debug, Clone)]
pub(super) struct Orders {
    /// Whom to become.
    pub(super) who: Identity,
    /// Open files that the script may have, as the daemon was started with.
    pub(super) files: u64,
}

impl Orders {
    /// The command that runs `program` with these words (the first is its name), for the daemon to spawn.
    pub(super) fn command(&self, program: &std::path::Path, words: &[String]) -> Command {
        let mut command = Command::new("/proc/self/exe");
        let groups: Vec<String> = self.who.groups.iter().map(u32::to_string).collect();
        command.arg0(NAME);
        command.args([
            self.who.uid.to_string(),
            self.who.gid.to_string(),
            groups.join(","),
            self.files.to_string(),
            std::process::id().to_string(),
        ]);
        command.arg(program).args(words);
        command
    }
}

/// Runs a script in place of this process, if this process was started for that; otherwise returns `None` at once.
pub fn launched() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    if arguments.next()? != NAME {
        return None;
    }
    // Closed by a successful start of the script, which is what the daemon waits for.
    let Ok(channel) = std::io::stdin().as_fd().try_clone_to_owned() else { return Some(ExitCode::FAILURE) };
    let sentence = become_script(arguments);
    let _ = File::from(channel).write_all(sentence.as_bytes());
    Some(ExitCode::FAILURE)
}

/// Does not return unless it fails: then with the reason, as a sentence.
fn become_script(mut arguments: impl Iterator<Item = OsString>) -> String {
    let mut word = || arguments.next().unwrap_or_default().into_string().unwrap_or_default();
    let (uid, gid, groups, files, parent) = (word(), word(), word(), word(), word());
    let (Ok(uid), Ok(gid), Ok(files), Ok(parent)) = (uid.parse(), gid.parse(), files.parse(), parent.parse())
    else {
        return "this is no way to start directord".to_owned();
    };
    let groups = groups.split(',').filter_map(|group| group.parse().ok()).collect();
    let (Some(program), Some(name)) = (arguments.next(), arguments.next()) else {
        return "there is no program to run".to_owned();
    };
    if let Err(sentence) = prepare(&Identity { uid, gid, groups }, files, parent) {
        return sentence;
    }
    let error = Command::new(&program).arg0(name).args(arguments).exec();
    let program = program.display();
    match error.raw_os_error() {
        Some(libc::ENOEXEC) => format!("{program} is no program of this machine"),
        Some(libc::ENOENT) => {
            format!("the interpreter that the first line of {program} names does not exist")
        }
        _ => format!("{program} cannot be run: {error}"),
    }
}

fn prepare(who: &Identity, files: u64, parent: i32) -> Result<(), String> {
    let cannot = |what: &'static str| move |error: nix::Error| format!("{what}: {error}");
    let nothing = File::open("/dev/null").map_err(|error| format!("/dev/null cannot be opened: {error}"))?;
    dup2_stdin(&nothing).map_err(cannot("the standard input cannot be replaced"))?;
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, files.min(hard), hard);
    }
    change_user(who)?;
    // Rights that the daemon was given by systemd are the daemon's alone.
    let _ = caps::clear(None, caps::CapSet::Ambient);
    // What keeps this program's memory small is not meant for databases that scripts start.
    let _ = prctl::set_thp_disable(false);
    // After the change of user, which would undo it.
    prctl::set_pdeathsig(Signal::SIGTERM).map_err(cannot("the end of directord cannot be followed"))?;
    if getppid() != Pid::from_raw(parent) {
        return Err("directord ended meanwhile".to_owned());
    }
    Ok(())
}

fn change_user(who: &Identity) -> Result<(), String> {
    let (uid, gid) = who.owner();
    let same = (geteuid(), getegid()) == (uid, gid);
    if same && !geteuid().is_root() {
        return Ok(());
    }
    let change = || {
        let groups: Vec<Gid> = who.groups.iter().copied().map(Gid::from_raw).collect();
        // Root of a user namespace may not choose its groups, and gains nothing from those it has.
        setgroups(&groups).or_else(|error| if same { Ok(()) } else { Err(error) })?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)
    };
    change().map_err(|error| {
        format!(
            "user {} and group {} cannot be taken on: {error}; directord needs the capabilities CAP_SETUID and \
             CAP_SETGID for that (systemd: AmbientCapabilities= and CapabilityBoundingSet=)",
            who.uid, who.gid
        )
    })
}

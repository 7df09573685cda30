//! What `directord check --host` knows of this machine. Needs no privilege.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::hints::host::{Host, Program};

/// Where programs without a path are looked for, as systemd does.
const DIRECTORIES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The facts, or what could not be asked.
pub(super) fn facts() -> io::Result<Host<'static>> {
    let links = vrrp::io::LinkMonitor::open()?.links().clone();
    Ok(Host { links, ipvs: has_ipvs(), program: &program })
}

/// Loaded, built in, or there as a module.
fn has_ipvs() -> bool {
    if Path::new("/proc/net/ip_vs").exists() {
        return true;
    }
    let Ok(system) = nix::sys::utsname::uname() else { return false };
    let modules = Path::new("/lib/modules").join(system.release());
    ["modules.dep", "modules.builtin"]
        .iter()
        .filter_map(|list| fs::read_to_string(modules.join(list)).ok())
        .any(|list| list.contains("/ip_vs.ko"))
}

fn program(name: &str) -> Program {
    if name.contains('/') {
        return file(Path::new(name));
    }
    let found =
        DIRECTORIES.iter().map(|directory| Path::new(directory).join(name)).find(|path| path.exists());
    found.map_or(Program::Missing, |path| file(&path))
}

fn file(path: &Path) -> Program {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() || found.permissions().mode() & 0o111 == 0 => Program::NotExecutable,
        Ok(_) => Program::There { writable: writable(path) },
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Program::Missing
        }
        Err(_) => Program::Unknown,
    }
}

/// The first part of the path, from the root, that somebody else than root may change.
fn writable(path: &Path) -> Option<String> {
    let path = fs::canonicalize(path).ok()?;
    let mut part = PathBuf::new();
    path.iter().find_map(|name: &OsStr| {
        part.push(name);
        let found = fs::metadata(&part).ok()?;
        let mode = found.mode();
        // In a directory such as /tmp everybody may add, but not replace.
        let sticky = found.is_dir() && mode & 0o1000 != 0;
        let others = mode & 0o002 != 0 || (mode & 0o020 != 0 && found.gid() != 0);
        (found.uid() != 0 || (others && !sticky)).then(|| part.display().to_string())
    })
}

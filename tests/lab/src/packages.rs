//! The programs the lab needs, fetched as Debian packages and unpacked under `target/lab/`.
//!
//! Nothing of the system is touched and no root is needed: apt gets lists and caches of its own, the packages
//! are unpacked with `dpkg -x`, and their programs run with a library path that points beside them.

use crate::error::{Attempt, LabError, Result};
use nix::fcntl::{Flock, FlockArg};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Output};

/// Packages that are fetched together.
struct Set {
    /// The folder below `target/lab` that they are unpacked in.
    root: &'static str,
    /// The packages whose programs are run.
    packages: &'static [&'static str],
    /// The programs used, each of which must exist in the fetched root or on the host.
    programs: &'static [&'static str],
}

/// What the lab itself runs.
const LAB: Set = Set {
    root: "root",
    packages: &["user-mode-linux", "keepalived", "ipvsadm", "iproute2", "msmtp-mta", "kmod", "frr"],
    programs: &["linux.uml", "keepalived", "ipvsadm", "ip", "msmtpd", "modprobe", "bfdd", "vrrpd", "zebra"],
};
/// Servers that checks are tried on.
const SERVERS: Set = Set {
    root: "servers",
    packages: &["nginx", "unbound", "haproxy"],
    programs: &["nginx", "unbound", "haproxy"],
};
/// Servers that conversations are held with. Some insist on users and places of their own: see
/// [`netns::overlay`](crate::netns::overlay).
const TALKERS: Set = Set {
    root: "talkers",
    packages: &[
        "dovecot-core",
        "dovecot-imapd",
        "dovecot-pop3d",
        "vsftpd",
        "opensmtpd",
        "postfix",
        "inn2",
        "inn2-inews",
        "sip-tester",
        "tinyproxy-bin",
    ],
    programs: &["dovecot", "vsftpd", "smtpd", "postfix", "nnrpd", "sipp", "tinyproxy"],
};
/// What is compared with.
const LDIRECTORD: Set = Set { root: "ldirectord", packages: &["ldirectord"], programs: &["ldirectord"] };
/// Servers that handshakes are tried on.
const DATABASES: Set = Set {
    root: "databases",
    packages: &[
        "slapd",
        "mariadb-server-core",
        "postgresql",
        "postgresql-15",
        "freeradius",
        "freeradius-common",
        "freeradius-config",
    ],
    programs: &["slapd", "mariadbd", "freeradius"],
};
/// What runs the unit that is shipped.
const SYSTEMD: Set = Set { root: "systemd", packages: &["systemd"], programs: &["systemctl"] };
/// Libraries that come with the host's C library and must match its loader.
const HOST_LIBRARIES: [&str; 3] = ["libc6", "libgcc-s1", "libc-bin"];
/// Where programs lie, below the fetched root as below the host's.
const PROGRAM_DIRS: [&str; 5] = ["usr/sbin", "usr/bin", "sbin", "bin", "usr/lib/frr"];
const LIBRARY_DIRS: [&str; 3] =
    ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/frr"];

/// Where the lab's programs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// The folder the packages were unpacked in. Programs that are not there are taken from the host.
    pub root: PathBuf,
}

/// The lab's tools, fetched first if they are not there yet (40 MB, some seconds; progress on standard error).
/// Several processes may call this at once: one fetches, the others wait.
///
/// # Errors
/// [`LabError::Unavailable`] when packages can neither be fetched nor found on the host.
pub fn ensure() -> Result<Tools> {
    LAB.ensure()
}

/// Servers that checks are tried on, in the same way and beside the lab's tools: nginx, unbound and HAProxy (8 MB).
///
/// # Errors
/// As [`ensure`].
pub fn servers() -> Result<Tools> {
    SERVERS.ensure()
}

/// Servers that conversations are held with: dovecot, vsftpd, OpenSMTPD, Postfix, INN, SIPp and tinyproxy (60 MB). Only
/// the tests that need them fetch them.
///
/// # Errors
/// As [`ensure`].
pub fn talkers() -> Result<Tools> {
    TALKERS.ensure()
}

/// ldirectord, in the same way (20 MB with its Perl modules); it needs the host's own Perl of the same version.
///
/// # Errors
/// As [`ensure`].
pub fn ldirectord() -> Result<Tools> {
    LDIRECTORD.ensure()
}

/// Servers that handshakes are tried on: slapd, MariaDB, PostgreSQL and FreeRADIUS (110 MB). Only the tests that need
/// them fetch them.
///
/// # Errors
/// As [`ensure`].
pub fn databases() -> Result<Tools> {
    DATABASES.ensure()
}

/// systemd, in the same way (10 MB); `None` where this machine has one of its own.
///
/// # Errors
/// As [`ensure`].
pub fn systemd() -> Result<Option<Tools>> {
    let own = Path::new("/lib/systemd/systemd").exists() && on_host("systemctl").is_some();
    if own { Ok(None) } else { SYSTEMD.ensure().map(Some) }
}

impl Set {
    fn ensure(&self) -> Result<Tools> {
        if !cfg!(target_arch = "x86_64") {
            return Err(LabError::Unavailable("User-Mode Linux packages exist for x86_64 only".into()));
        }
        let dir = lab_dir();
        fs::create_dir_all(&dir).attempt(format!("making {}", dir.display()))?;
        let tools = Tools { root: dir.join(self.root) };
        if self.is_fresh(&tools.root) {
            return Ok(tools);
        }
        // One at a time: apt's folder is shared.
        let _lock = lock(&dir.join("root.lock"))?;
        if self.is_fresh(&tools.root) {
            return Ok(tools);
        }
        let missing: Vec<&str> = self.programs.iter().copied().filter(|p| on_host(p).is_none()).collect();
        match self.fetch(&dir, &tools.root) {
            Ok(()) => Ok(tools),
            Err(_) if missing.is_empty() => Ok(tools),
            Err(e) => Err(LabError::Unavailable(format!(
                "fetching its Debian packages failed and this machine has no {}. Check the network and apt's \
             sources, or install by hand: {}. ({e})",
                missing.join(", "),
                self.packages.join(" "),
            ))),
        }
    }

    /// What the stamp file says when the root holds what this version of the lab wants.
    fn stamp(&self) -> String {
        format!("1 {}\n", self.packages.join(" "))
    }

    fn is_fresh(&self, root: &Path) -> bool {
        fs::read_to_string(root.join("stamp")).is_ok_and(|s| s == self.stamp())
    }

    /// Fetches and unpacks into a new folder that takes the root's name when it is complete.
    fn fetch(&self, dir: &Path, root: &Path) -> Result<()> {
        let apt = Apt::new(dir)?;
        eprintln!("lab: fetching Debian's package lists (once)");
        let update = apt.run("apt-get", &["-qq", "update"]);
        let packages = apt.closure(self.packages)?;
        eprintln!(
            "lab: fetching {} packages: {} and their libraries",
            packages.len(),
            self.packages.join(", ")
        );
        let mut arguments = vec!["-qq", "download"];
        arguments.extend(packages.iter().map(String::as_str));
        // Old lists may do; if they do not, the reason is why there are no new ones.
        apt.run("apt-get", &arguments).map_err(|e| update.err().unwrap_or(e))?;
        eprintln!("lab: unpacking into {}", root.display());
        let new = root.with_extension("new");
        let _ = fs::remove_dir_all(&new);
        fs::create_dir_all(&new).attempt(format!("making {}", new.display()))?;
        for package in fs::read_dir(&apt.downloads).attempt("listing the downloaded packages")? {
            let package = package.attempt("listing the downloaded packages")?.path();
            let mut dpkg = Command::new("dpkg");
            output(dpkg.arg("-x").arg(&package).arg(&new))?;
        }
        fs::write(new.join("stamp"), self.stamp()).attempt("writing the stamp")?;
        let _ = fs::remove_dir_all(root);
        fs::rename(&new, root).attempt(format!("renaming {}", new.display()))?;
        let _ = fs::remove_dir_all(&apt.dir);
        Ok(())
    }
}

impl Tools {
    /// The tools of a guest, which finds their place in its environment (`LAB_TOOLS`).
    ///
    /// # Errors
    /// [`LabError::Unavailable`] outside a guest.
    pub fn from_guest() -> Result<Self> {
        std::env::var_os("LAB_TOOLS")
            .map(|root| Self { root: root.into() })
            .ok_or_else(|| LabError::Unavailable("this part runs inside a guest only: see `lab run`".into()))
    }

    /// A command for one of the fetched programs (the host's when it was not fetched), with its library path.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let Some(path) = self.fetched(name) else {
            return Command::new(on_host(name).unwrap_or_else(|| name.into()));
        };
        let mut command = Command::new(path);
        command.arg0(name).env("LD_LIBRARY_PATH", self.library_path());
        command
    }

    /// The kernel that runs as a process.
    #[must_use]
    pub fn kernel(&self) -> PathBuf {
        self.fetched("linux.uml").or_else(|| on_host("linux.uml")).unwrap_or_else(|| "linux.uml".into())
    }

    /// The folder that holds the kernel's modules, one folder per kernel version.
    #[must_use]
    pub fn modules(&self) -> PathBuf {
        let fetched = self.root.join("usr/lib/uml/modules");
        if fetched.is_dir() { fetched } else { "/usr/lib/uml/modules".into() }
    }

    /// The value of `LD_LIBRARY_PATH` under which fetched programs find fetched libraries.
    #[must_use]
    pub fn library_path(&self) -> String {
        LIBRARY_DIRS.map(|d| self.root.join(d).display().to_string()).join(":")
    }

    /// A program below the root, its symbolic links followed as if the root were `/`.
    fn fetched(&self, name: &str) -> Option<PathBuf> {
        PROGRAM_DIRS.iter().find_map(|d| resolve_below(&self.root, &Path::new(d).join(name)))
    }
}

/// `target/lab` of this workspace.
#[must_use]
pub fn lab_dir() -> PathBuf {
    target_dir().join("lab")
}

/// Cargo's target folder of this workspace.
#[must_use]
pub fn target_dir() -> PathBuf {
    let workspace = workspace();
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => workspace.join(dir),
        None => workspace.join("target"),
    }
}

/// The workspace's folder.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Takes a lock that ends with the returned value (or with the process).
pub(crate) fn lock(path: &Path) -> Result<Flock<fs::File>> {
    let file = fs::File::create(path).attempt(format!("creating {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, e)| e)
        .attempt(format!("locking {}", path.display()))
}

/// apt with lists and caches of its own.
struct Apt {
    dir: PathBuf,
    downloads: PathBuf,
}

impl Apt {
    fn new(lab: &Path) -> Result<Self> {
        let dir = lab.join("apt");
        let downloads = dir.join("downloads");
        let _ = fs::remove_dir_all(&downloads);
        for d in [&dir.join("lists/partial"), &dir.join("cache/archives/partial"), &downloads] {
            fs::create_dir_all(d).attempt(format!("making {}", d.display()))?;
        }
        Ok(Self { dir, downloads })
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(program);
        command
            .current_dir(&self.downloads)
            .env("LC_ALL", "C")
            .args(["-o", &format!("Dir::State::Lists={}", self.dir.join("lists").display())])
            .args(["-o", &format!("Dir::Cache={}", self.dir.join("cache").display())])
            .args(["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"])
            .args(["-o", "APT::Update::Error-Mode=any"])
            .args(["-o", "Acquire::Languages=none", "-o", "Acquire::Retries=2"])
            .args(["-o", "Acquire::http::Timeout=30", "-o", "Acquire::https::Timeout=30"])
            .args(arguments);
        output(&mut command)
    }

    /// The packages and every library package they depend on, step by step.
    fn closure(&self, packages: &[&str]) -> Result<BTreeSet<String>> {
        let mut all: BTreeSet<String> = packages.iter().map(|name| (*name).to_owned()).collect();
        let mut frontier: Vec<String> = all.iter().cloned().collect();
        while !frontier.is_empty() {
            let mut arguments = vec!["depends", "--important"];
            arguments.extend(frontier.iter().map(String::as_str));
            let answer = self.run("apt-cache", &arguments)?;
            frontier = libraries(&String::from_utf8_lossy(&answer.stdout));
            frontier.retain(|p| all.insert(p.clone()));
        }
        Ok(all)
    }
}

/// The library packages that an answer of `apt-cache depends` names.
fn libraries(answer: &str) -> Vec<String> {
    let named = answer.lines().filter_map(|line| line.split_once("Depends: ").map(|(_, name)| name));
    named.filter(|n| n.starts_with("lib") && !HOST_LIBRARIES.contains(n)).map(String::from).collect()
}

/// How much of a failed command and of its complaints an error shows.
const LONGEST_COMMAND: usize = 400;
const MOST_LINES: usize = 6;

/// Runs a command to its end; its failure is an error with what it said.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().attempt(format!("running {program}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let arguments: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
    let text = String::from_utf8_lossy(&output.stderr);
    Err(LabError::Program {
        program: format!("{program} {}", arguments.join(" ")).chars().take(LONGEST_COMMAND).collect(),
        status: output.status.to_string(),
        stderr: text.trim().lines().take(MOST_LINES).collect::<Vec<_>>().join("; "),
    })
}

/// A program on the host: in `PATH`, or where the administrator's programs lie.
fn on_host(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = PROGRAM_DIRS.iter().map(|d| Path::new("/").join(d));
    std::env::split_paths(&path).chain(usual).map(|d| d.join(name)).find(|p| p.is_file())
}

/// `path` below `root` with symbolic links followed inside it (`sbin/modprobe -> /bin/kmod` means the root's).
fn resolve_below(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..8 {
        let here = root.join(&path);
        let Ok(target) = fs::read_link(&here) else {
            return here.is_file().then_some(here);
        };
        path = inside(&path.parent()?.join(target));
    }
    None
}

/// A path made relative to the root, its `.` and `..` worked out.
fn inside(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            Component::Normal(name) => clean.push(name),
            _ => {}
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_library_packages_are_followed() {
        let answer = "ipvsadm\n  PreDepends: init-system-helpers\n  Depends: libc6\n |Depends: libnl-3-200\n  \
                      Depends: <debconf-2.0>\n    cdebconf\n  Depends: libpopt0\n";
        assert_eq!(libraries(answer), ["libnl-3-200", "libpopt0"]);
    }

    #[test]
    fn links_are_followed_inside_the_root() {
        assert_eq!(inside(Path::new("/bin/kmod")), Path::new("bin/kmod"));
        assert_eq!(inside(Path::new("usr/sbin/../bin/x")), Path::new("usr/bin/x"));
        assert_eq!(inside(Path::new("../../etc")), Path::new("etc"));
    }
}

//! The guest's kernel modules, which lie below the fetched root instead of `/lib/modules`.

use crate::error::{Attempt, LabError, Result};
use crate::job::LAB;
use crate::packages::{self, Tools};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// What a cluster of namespaces with IPVS uses; the kernel loads everything else when it is first asked for.
pub const USUAL: [&str; 7] = ["veth", "bridge", "macvlan", "dummy", "ipip", "ip_vs", "ip_vs_rr"];

/// Where `modprobe -d` looks: a folder made in the guest that points at the fetched modules.
const PLACE: &str = "/run/modules";
/// What the kernel runs to load a module: the `lab` program under this name.
const HELPER: &str = "/run/modprobe";

/// Makes `modprobe` work in the guest, for us, for the kernel and for everyone who asks the kernel for its name.
pub(crate) fn install(tools: &Tools) -> Result<()> {
    for dir in ["lib", "usr/lib"] {
        let dir = Path::new(PLACE).join(dir);
        fs::create_dir_all(&dir).attempt(format!("making {}", dir.display()))?;
        symlink(tools.modules(), dir.join("modules")).attempt("linking the kernel's modules")?;
    }
    symlink(LAB, HELPER).attempt(format!("linking {HELPER}"))?;
    fs::write("/run/tools", tools.root.as_os_str().as_encoded_bytes()).attempt("noting the tools' place")?;
    fs::write("/proc/sys/kernel/modprobe", HELPER).attempt("telling the kernel its modprobe")
}

/// Loads modules, with what they need.
///
/// # Errors
/// [`LabError::Program`] when the kernel has no such module.
pub fn load(tools: &Tools, modules: &[String]) -> Result<()> {
    if modules.is_empty() {
        return Ok(());
    }
    packages::output(modprobe(tools).arg("-a").args(modules)).map(drop)
}

/// Is this process the kernel's helper?
#[must_use]
pub fn is_helper() -> bool {
    std::env::args_os().next().is_some_and(|name| name == HELPER)
}

/// The kernel's helper: becomes kmod's modprobe. Returns only with an error.
///
/// # Errors
/// Whatever kept it from starting.
pub fn helper() -> Result<std::convert::Infallible> {
    let root = fs::read_to_string("/run/tools").attempt("reading the tools' place")?;
    let tools = Tools { root: root.into() };
    Err::<_, LabError>(LabError::Io {
        what: "starting modprobe".into(),
        source: modprobe(&tools).args(std::env::args_os().skip(1)).exec(),
    })
}

fn modprobe(tools: &Tools) -> Command {
    let mut command = tools.command("modprobe");
    command.args(["-d", PLACE]);
    command
}

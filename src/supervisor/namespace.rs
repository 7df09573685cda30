//! The network namespaces that the file names: that of the daemon, entered at the start, and that of its IPVS table.
//! Both are kept: a reload that names another is refused, since every socket is open by then.
//!
//! Entering one needs `CAP_SYS_ADMIN`; without it, whoever starts the daemon can put it there (`ip netns exec`, or
//! systemd's `NetworkNamespacePath=`).

use std::fs::{self, File};
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};

use crate::config::{IpvsNamespace, Root};

/// Where process 1 lives: the host's own namespace.
const HOST: &str = "/proc/1/ns/net";
const OWN: &str = "/proc/thread-self/ns/net";

/// Enters the namespace that the file names, before any thread or socket is made. Says why that could not be, or why
/// the configuration must not be used there.
pub(super) fn enter(root: &Root) -> Result<(), String> {
    if let Some(name) = &root.namespace {
        let path = path_of(name);
        if !is_this(&path) {
            let entered = File::open(&path).and_then(|file| Ok(setns(file, CloneFlags::CLONE_NEWNET)?));
            entered.map_err(|error| {
                format!(
                    "cannot enter the network namespace `{name}` ({}): {error}; make it with `ip netns add {name}` and \
                     start directord as root, or start it there, for example with `ip netns exec {name}`",
                    path.display()
                )
            })?;
        }
    }
    mismatch(root).map_or(Ok(()), Err)
}

/// Why the configuration must not be used here, if it names another namespace than this one.
pub(super) fn mismatch(root: &Root) -> Option<String> {
    let name = root.namespace.as_ref()?;
    let path = path_of(name);
    (!is_this(&path)).then(|| {
        format!(
            "the file asks for the network namespace `{name}` ({}), and this process runs in another: start directord \
             there, for example with `ip netns exec`",
            path.display()
        )
    })
}

/// The namespace whose IPVS table is kept (`net_namespace_ipvs`): the one the daemon runs in, or another, which only
/// the thread that owns the table enters.
#[derive(Debug)]
pub(super) struct IpvsHome(Option<File>);

impl IpvsHome {
    /// Finds it. The error is a sentence for the operator.
    pub(super) fn find(root: &Root) -> Result<Self, String> {
        let Some(path) = ipvs_path(root).filter(|path| !is_this(path)) else { return Ok(Self(None)) };
        let file = File::open(&path).map_err(|error| {
            format!(
                "cannot open the network namespace for IPVS ({}): {error}; make it with `ip netns add`, or take \
                 `net_namespace_ipvs` out",
                path.display()
            )
        })?;
        let home = Self(Some(file));
        home.visit(|| home.enter()).map_err(|error| {
            format!(
                "cannot enter the network namespace for IPVS ({}): {error}; start directord as root (it needs \
                 CAP_SYS_ADMIN), or in that namespace",
                path.display()
            )
        })?;
        Ok(home)
    }

    /// Has a thread of its own do something there, as far as it can be entered.
    pub(super) fn visit<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let visitor = scope.spawn(|| {
                let _ = self.enter();
                work()
            });
            visitor.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Takes the calling thread there, and only it.
    ///
    /// # Errors
    /// Most likely the process lacks `CAP_SYS_ADMIN`.
    pub(super) fn enter(&self) -> nix::Result<()> {
        self.0.as_ref().map_or(Ok(()), |file| setns(file, CloneFlags::CLONE_NEWNET))
    }

    /// Why a configuration must not be used now, if it names another namespace for the table.
    pub(super) fn mismatch(&self, root: &Root) -> Option<String> {
        let wanted = ipvs_path(root).unwrap_or_else(|| PathBuf::from(OWN));
        let is = match &self.0 {
            Some(file) => file.metadata().ok().map(|data| (data.st_dev(), data.st_ino())),
            None => identity(Path::new(OWN)),
        };
        (is.is_none() || identity(&wanted) != is).then(|| {
            format!(
                "the file asks for the IPVS table of another network namespace ({}) than this process keeps: restart \
                 directord for that",
                wanted.display()
            )
        })
    }
}

/// Where another namespace for the table would be found.
fn ipvs_path(root: &Root) -> Option<PathBuf> {
    match &root.ipvs_namespace {
        IpvsNamespace::Same => None,
        IpvsNamespace::Host => Some(PathBuf::from(HOST)),
        IpvsNamespace::Named(name) => Some(path_of(name)),
    }
}

fn path_of(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|file| (file.st_dev(), file.st_ino()))
}

/// Whether that is the namespace of this process; one that cannot be looked at is not.
fn is_this(path: &Path) -> bool {
    identity(path).is_some_and(|other| identity(Path::new(OWN)) == Some(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_namespace_will_do() {
        assert_eq!(mismatch(&Root::default()), None);
        let root = Root { namespace: Some("no-such-namespace".to_owned()), ..Root::default() };
        assert!(mismatch(&root).is_some_and(|sentence| sentence.contains("`no-such-namespace`")));
        assert!(enter(&root).is_err_and(|sentence| sentence.contains("ip netns add no-such-namespace")));
        let root =
            Root { ipvs_namespace: IpvsNamespace::Named("no-such-namespace".to_owned()), ..Root::default() };
        assert!(IpvsHome::find(&root).is_err_and(|sentence| sentence.contains("ip netns add")));
        let home = IpvsHome::find(&Root::default()).unwrap();
        assert_eq!(home.mismatch(&Root::default()), None);
        assert!(home.mismatch(&root).is_some_and(|sentence| sentence.contains("restart")));
        assert!(is_this(Path::new("/proc/self/ns/net")));
    }
}

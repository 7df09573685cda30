//! The network namespace that the file names: entered at the start, and kept.
//!
//! Entering one needs `CAP_SYS_ADMIN`; without it, whoever starts the daemon can put it there (`ip netns exec`, or
//! systemd's `NetworkNamespacePath=`). A reload that names another is refused: every socket is open by then.

use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};

use crate::config::{IpvsNamespace, Root};

/// Enters the namespace that the file names, before any thread or socket is made. Says why that could not be, or why
/// the configuration must not be used there.
pub(super) fn enter(root: &Root) -> Result<(), String> {
    if let Some(name) = &root.namespace {
        let path = Path::new("/run/netns").join(name);
        if !is_this(&path) {
            let entered = fs::File::open(&path).and_then(|file| Ok(setns(file, CloneFlags::CLONE_NEWNET)?));
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
    let named =
        |name: &String| (format!("the network namespace `{name}`"), Path::new("/run/netns").join(name));
    let of_ipvs = match &root.ipvs_namespace {
        IpvsNamespace::Same => None,
        IpvsNamespace::Host => {
            Some(("the host's own network namespace".to_owned(), PathBuf::from("/proc/1/ns/net")))
        }
        IpvsNamespace::Named(name) => Some(named(name)),
    };
    let (which, path) =
        root.namespace.as_ref().map(named).into_iter().chain(of_ipvs).find(|(_, path)| !is_this(path))?;
    Some(format!(
        "the file asks for {which} ({}), and this process runs in another: start directord there, for example with \
         `ip netns exec`",
        path.display()
    ))
}

/// Whether that is the namespace of this process; one that cannot be looked at is not.
fn is_this(path: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.st_dev(), file.st_ino()));
    match (identity(path), identity(Path::new("/proc/self/ns/net"))) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
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
        assert!(mismatch(&root).is_some());
        assert!(is_this(Path::new("/proc/self/ns/net")));
    }
}

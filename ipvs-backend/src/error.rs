//! What can go wrong: a text that is no key or setting, and a kernel that cannot be talked to.

/// A text that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} \"{found}\": expected {expected}")]
pub struct ParseError {
    what: &'static str,
    found: String,
    expected: String,
}

impl ParseError {
    pub(crate) fn new(what: &'static str, found: &str, expected: &str) -> Self {
        Self { what, found: found.to_owned(), expected: expected.to_owned() }
    }
}

/// Why the kernel's table could not be read or written at all. That the kernel refuses a single operation is
/// no error of this kind but a [`Rejection`](crate::Rejection).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// The kernel has no IPVS, and it could not be loaded.
    #[error(
        "this kernel has no IPVS: load it with `modprobe ip_vs` (inside a container: on its host), or run a \
         kernel built with CONFIG_IP_VS"
    )]
    NoIpvs,
    /// The process may not change the IPVS table.
    #[error(
        "no permission to use the kernel's IPVS table: run as root or with the capability CAP_NET_ADMIN \
         (that of a user namespace does not count)"
    )]
    NoPrivilege,
    /// The kernel dropped answers because the socket's receive buffer was full: what it did is not known.
    /// Read the table again before the next change.
    #[error("the kernel dropped answers about its IPVS table (receive buffer full): read the table again")]
    Overrun,
    /// The table kept changing while it was read.
    #[error("the IPVS table kept changing while it was read; something else is changing it all the time")]
    Unsettled,
    /// A system call failed.
    #[error("{call} failed on the IPVS netlink socket: {reason}")]
    System {
        /// What was attempted.
        call: &'static str,
        /// The system's words for the error.
        reason: String,
    },
    /// The kernel did not answer in time.
    #[error("the kernel did not answer within {0:?} on the IPVS netlink socket")]
    Timeout(std::time::Duration),
    /// The kernel's answer cannot be understood.
    #[error("the kernel's answer about its IPVS table cannot be understood: {0}")]
    Malformed(String),
}

//! The kernel's process connector: tells of each process that begins, changes its name or ends (`<linux/cn_proc.h>`).
//!
//! It needs `CAP_NET_ADMIN` and speaks in the initial network and process namespaces only. Elsewhere the kernel refuses,
//! or never answers: then there is no [`Report::Listening`], and the caller must do without.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_sys::{Socket, SocketAddr};

// <linux/netlink.h>, <linux/connector.h>, <linux/cn_proc.h>
const NETLINK_CONNECTOR: isize = 11;
const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;
const PROC_CN_MCAST_LISTEN: u32 = 1;
const NLMSG_DONE: u16 = 3;
const PROC_EVENT_NONE: u32 = 0;
const PROC_EVENT_FORK: u32 = 0x1;
const PROC_EVENT_EXEC: u32 = 0x2;
const PROC_EVENT_COMM: u32 = 0x200;
const PROC_EVENT_EXIT: u32 = 0x8000_0000;

/// Length of `struct nlmsghdr` and of `struct cn_msg`, in bytes.
const HEADER: usize = 16;
const CONNECTOR_HEADER: usize = 20;
/// Where the union of `struct proc_event` begins: after what, processor and time.
const BODY: usize = 16;

/// Messages are about 80 bytes; several may come at once.
const BUFFER: usize = 4096;

/// What the kernel tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// We are heard, from now on everything is reported.
    Listening,
    /// This process is new, or another program now, or has another name.
    Changed(i32),
    /// This process has ended.
    Ended(i32),
    /// Reports were lost.
    Lost,
}

/// The subscription.
pub(super) struct Connector {
    socket: Socket,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("socket", &self.socket.as_raw_fd()).finish()
    }
}

impl Connector {
    /// Subscribes. A success means that the wish has left, not that it was granted.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_CONNECTOR)?;
        socket.bind(&SocketAddr::new(0, CN_IDX_PROC))?;
        socket.set_non_blocking(true)?;
        socket.send(&subscription(), 0)?;
        Ok(Connector { socket })
    }

    /// All reports that wait.
    pub(super) fn read(&self) -> Vec<Report> {
        let mut reports = Vec::new();
        let mut buffer = Vec::with_capacity(BUFFER);
        loop {
            buffer.clear();
            match self.socket.recv(&mut buffer, 0) {
                Ok(0) => return reports,
                Ok(_) => parse(&buffer, &mut reports),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => reports.push(Report::Lost),
                Err(_) => return reports,
            }
        }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.socket.as_fd()
    }
}

/// The message that asks for reports.
fn subscription() -> Vec<u8> {
    let length = HEADER + CONNECTOR_HEADER + 4;
    let mut message = Vec::with_capacity(length);
    message.extend(u32::try_from(length).unwrap_or_default().to_ne_bytes());
    message.extend(NLMSG_DONE.to_ne_bytes());
    // Flags, sequence number, sender: nothing to say.
    message.extend([0; 10]);
    for word in [CN_IDX_PROC, CN_VAL_PROC, 0, 0] {
        message.extend(word.to_ne_bytes());
    }
    message.extend(4_u16.to_ne_bytes());
    message.extend(0_u16.to_ne_bytes());
    message.extend(PROC_CN_MCAST_LISTEN.to_ne_bytes());
    message
}

/// Every report in a datagram. What cannot be understood is passed over.
fn parse(mut datagram: &[u8], reports: &mut Vec<Report>) {
    while let Some(length) = word(datagram, 0).and_then(|length| usize::try_from(length).ok()) {
        let Some(message) = datagram.get(..length).filter(|_| length >= HEADER) else { return };
        reports.extend(event(message));
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

fn event(message: &[u8]) -> Option<Report> {
    let connector = message.get(HEADER..)?;
    if (word(connector, 0)?, word(connector, 4)?) != (CN_IDX_PROC, CN_VAL_PROC) {
        return None;
    }
    let event = connector.get(CONNECTOR_HEADER..)?;
    let body = |number: usize| word(event, BODY + 4 * number).map(u32::cast_signed);
    // A thread is told like a process; it has another number than the process that it is part of.
    let process = |thread: i32, process: i32| (thread == process).then_some(process);
    match word(event, 0)? {
        PROC_EVENT_NONE => (body(0)? == 0).then_some(Report::Listening),
        PROC_EVENT_FORK => process(body(2)?, body(3)?).map(Report::Changed),
        PROC_EVENT_EXEC | PROC_EVENT_COMM => process(body(0)?, body(1)?).map(Report::Changed),
        PROC_EVENT_EXIT => process(body(0)?, body(1)?).map(Report::Ended),
        _ => None,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    use super::*;

    fn message(what: u32, words: &[i32]) -> Vec<u8> {
        let mut bytes = subscription();
        bytes.truncate(HEADER + CONNECTOR_HEADER);
        bytes.extend(what.to_ne_bytes());
        bytes.extend([0; BODY - 4]);
        words.iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    fn reports(datagram: &[u8]) -> Vec<Report> {
        let mut reports = Vec::new();
        parse(datagram, &mut reports);
        reports
    }

    #[test]
    fn processes_are_told_from_threads() {
        let cases: &[(u32, &[i32], &[Report])] = &[
            (PROC_EVENT_NONE, &[0], &[Report::Listening]),
            (PROC_EVENT_NONE, &[1], &[]),
            (PROC_EVENT_FORK, &[1, 1, 77, 77], &[Report::Changed(77)]),
            (PROC_EVENT_FORK, &[1, 1, 78, 77], &[]),
            (PROC_EVENT_EXEC, &[77, 77], &[Report::Changed(77)]),
            (PROC_EVENT_COMM, &[77, 77, 0, 0, 0, 0], &[Report::Changed(77)]),
            (PROC_EVENT_EXIT, &[77, 77, 0, 0], &[Report::Ended(77)]),
            (PROC_EVENT_EXIT, &[78, 77, 0, 0], &[]),
            (4, &[77, 77], &[]),
        ];
        for (what, words, expected) in cases {
            assert_eq!(reports(&message(*what, words)), *expected, "{what:#x} {words:?}");
        }
        let both = [message(PROC_EVENT_EXEC, &[5, 5]), message(PROC_EVENT_EXIT, &[6, 6, 0, 0])].concat();
        assert_eq!(reports(&both), [Report::Changed(5), Report::Ended(6)]);
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

        #[test]
        fn no_datagram_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            reports(&bytes);
        }
    }
}

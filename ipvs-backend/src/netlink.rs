//! The real kernel, over a blocking generic netlink socket.
//!
//! Many changes travel in one send, and only the last of them asks for an acknowledgement: the kernel works
//! them off in order before the send returns, and reports each refusal under its own sequence number. So
//! 10,000 real servers cost some forty system calls and the kernel's own work.
//!
//! The socket belongs to the network namespace in which it was opened.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno as SystemErrno;
use nix::sys::socket::{
    self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::{setsockopt_impl, sockopt_impl};

mod tunnels;

use crate::codec::{self, Body, Info, Malformed, Messages, Request};
use crate::kernel::{Errno, Kernel, Rejection};
use crate::key::{DestinationKey, ServiceKey};
use crate::model::{Service, Table};
use crate::settings::Timeouts;
use crate::sync::{SyncChange, SyncDaemons};
use crate::traffic::{ServerUsage, Traffic};
use crate::{KernelError, Operation};

/// Changes per send: at most 54 KiB of them (a change takes at most 212 bytes), below the 64 KiB that any
/// socket may send, and as many refusals as the default receive buffer of 208 KiB holds.
const BATCH: usize = 256;
/// The kernel answers before the send returns; only a broken one lets us wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long loading the module may take.
const MODPROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// Wanted size of the receive buffer, in bytes; without the right to it the system's largest is taken.
const RECEIVE_BUFFER: usize = 4 << 20;
/// The kernel's datagrams are at most 32 KiB long.
const DATAGRAM: usize = 64 << 10;
/// How often a dump that was disturbed by a change is repeated.
const DUMPS: usize = 5;

sockopt_impl!(
    /// Refusals carry the header of the request only (`NETLINK_CAP_ACK`, Linux 4.3).
    CapAck, SetOnly, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, bool
);
sockopt_impl!(
    /// Refusals carry the kernel's own words (`NETLINK_EXT_ACK`, Linux 4.12).
    ExtAck, SetOnly, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, bool
);

/// The IPVS table of the network namespace in which it was opened.
#[derive(Debug)]
pub struct NetlinkKernel {
    socket: OwnedFd,
    /// The number that the kernel gave to the family "IPVS".
    family: u16,
    info: Info,
    /// Whether it knows more tunnels than plain IP in IP, once that was seen.
    tunnels: Option<bool>,
    sequence: u32,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
}

/// What came of one request.
enum Outcome {
    Complete,
    Refused(Errno),
    /// A dump during which the table changed.
    Interrupted,
}

impl NetlinkKernel {
    /// Opens the table. Asking for the family loads `ip_vs` where the kernel can do so by itself; otherwise
    /// `modprobe` is tried once.
    ///
    /// # Errors
    /// [`KernelError::NoIpvs`] and [`KernelError::NoPrivilege`] tell what the operator has to do.
    pub fn open() -> Result<Self, KernelError> {
        let mut kernel = Self {
            socket: open_socket()?,
            family: 0,
            info: Info { version: [0; 3], connection_table_size: 0 },
            tunnels: None,
            sequence: 0,
            outgoing: Vec::new(),
            incoming: vec![0; DATAGRAM],
        };
        kernel.family = kernel.resolve()?;
        kernel.info = kernel.read_info()?;
        Ok(kernel)
    }

    /// The kernel's IPVS version and connection table size.
    pub fn info(&self) -> Info {
        self.info
    }

    /// The number of the family, having loaded the module if need be.
    fn resolve(&mut self) -> Result<u16, KernelError> {
        if let Some(family) = self.look_up()? {
            return Ok(family);
        }
        load_module();
        self.look_up()?.ok_or(KernelError::NoIpvs)
    }

    fn look_up(&mut self) -> Result<Option<u16>, KernelError> {
        let mut family = None;
        match self
            .exchange(Request::Family, |item| codec::decode_family(item).map(|found| family = Some(found)))?
        {
            Outcome::Refused(Errno::ENOENT) => Ok(None),
            Outcome::Refused(errno) => Err(unexpected("looking up IPVS", errno)),
            Outcome::Complete | Outcome::Interrupted => Ok(family),
        }
    }

    fn read_info(&mut self) -> Result<Info, KernelError> {
        let mut info = None;
        match self.exchange(Request::Info, |item| codec::decode_info(item).map(|found| info = Some(found)))? {
            Outcome::Refused(errno) => Err(unexpected("asking for the IPVS version", errno)),
            Outcome::Complete | Outcome::Interrupted => {
                info.ok_or(KernelError::Malformed("no version was told".to_owned()))
            }
        }
    }

    /// All services without their real servers. A family that has gone (the module was unloaded) is looked up
    /// again.
    fn services(&mut self) -> Result<Table, KernelError> {
        for _ in 0..DUMPS {
            let mut table = Table::default();
            let outcome = self.exchange(Request::Services, |item| {
                if let Some((key, settings)) = codec::decode_service(item)? {
                    table.services.insert(key, Arc::new(Service::new(settings)));
                }
                Ok(())
            })?;
            match outcome {
                Outcome::Complete => return Ok(table),
                Outcome::Interrupted => {}
                Outcome::Refused(Errno::ENOENT) => self.family = self.resolve()?,
                Outcome::Refused(errno) => return Err(unexpected("reading the services", errno)),
            }
        }
        Err(KernelError::Unsettled)
    }

    fn read_destinations(&mut self, key: ServiceKey, service: &mut Service) -> Result<(), KernelError> {
        for _ in 0..DUMPS {
            service.destinations.clear();
            let outcome = self.exchange(Request::Destinations(key), |item| {
                service.destinations.extend(codec::decode_destination(item, key.family())?);
                Ok(())
            })?;
            match outcome {
                Outcome::Complete => return Ok(()),
                Outcome::Interrupted => {}
                Outcome::Refused(errno) => return Err(unexpected("reading the real servers", errno)),
            }
        }
        Err(KernelError::Unsettled)
    }

    /// Sends one request and hands each item of the answer to `each`, to the end of the answer: a dump that
    /// is left in its middle would block the next one.
    fn exchange(
        &mut self,
        request: Request<'_>,
        mut each: impl FnMut(&[u8]) -> Result<(), Malformed>,
    ) -> Result<Outcome, KernelError> {
        let sequence = self.take_sequences(1);
        self.outgoing.clear();
        codec::request(&mut self.outgoing, self.family, sequence, request);
        send(&self.socket, &self.outgoing)?;
        let mut interrupted = false;
        let mut failed = None;
        loop {
            let datagram = receive(&self.socket, &mut self.incoming)?;
            for answer in Messages::new(datagram) {
                let answer = answer.map_err(malformed)?;
                if answer.sequence != sequence {
                    continue; // to a request that was given up
                }
                interrupted |= answer.interrupted;
                match answer.body {
                    Body::Item(item) => failed = failed.or(each(item).err()),
                    Body::Overrun => return Err(KernelError::Overrun),
                    Body::Refused { errno, .. } => return Ok(Outcome::Refused(errno)),
                    Body::Acknowledged | Body::Done => {
                        let outcome = if interrupted { Outcome::Interrupted } else { Outcome::Complete };
                        return failed.map_or(Ok(outcome), |error| Err(malformed(error)));
                    }
                }
            }
        }
    }

    /// Applies at most [`BATCH`] operations, of which the first is the `offset`th of the caller's.
    fn apply_batch(
        &mut self,
        operations: &[Operation],
        offset: usize,
        rejections: &mut Vec<Rejection>,
    ) -> Result<(), KernelError> {
        let count = u32::try_from(operations.len()).expect("a batch is small");
        let first = self.take_sequences(count);
        self.outgoing.clear();
        for (sequence, operation) in (0..count).zip(operations) {
            let request = Request::Change { operation, acknowledge: sequence + 1 == count };
            codec::request(&mut self.outgoing, self.family, first.wrapping_add(sequence), request);
        }
        send(&self.socket, &self.outgoing)?;
        loop {
            let datagram = receive(&self.socket, &mut self.incoming)?;
            for answer in Messages::new(datagram) {
                let answer = answer.map_err(malformed)?;
                let place = answer.sequence.wrapping_sub(first);
                let index = usize::try_from(place).unwrap_or(usize::MAX);
                let Some(operation) = operations.get(index) else { continue };
                match answer.body {
                    Body::Overrun => return Err(KernelError::Overrun),
                    Body::Refused { errno: Errno::EPERM, .. } => return Err(KernelError::NoPrivilege),
                    Body::Refused { errno, words } => {
                        rejections.push(Rejection::new(offset + index, operation, errno, words));
                    }
                    Body::Acknowledged | Body::Done | Body::Item(_) => {}
                }
                if place + 1 == count {
                    return Ok(());
                }
            }
        }
    }

    /// The first of `count` sequence numbers that were not used lately.
    fn take_sequences(&mut self, count: u32) -> u32 {
        let first = self.sequence;
        self.sequence = first.wrapping_add(count);
        first
    }
}

/// The socket, for whoever wants to give it more room or less.
impl AsFd for NetlinkKernel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Kernel for NetlinkKernel {
    fn dump(&mut self) -> Result<Table, KernelError> {
        let mut table = self.services()?;
        for (key, service) in &mut table.services {
            self.read_destinations(*key, Arc::make_mut(service))?;
        }
        Ok(table)
    }

    fn dump_service(&mut self, key: &ServiceKey) -> Result<Option<Service>, KernelError> {
        let mut service = None;
        let outcome = self.exchange(Request::Service(*key), |item| {
            service = codec::decode_service(item)?.map(|(_, settings)| Service::new(settings));
            Ok(())
        })?;
        match outcome {
            Outcome::Refused(Errno::ESRCH) => return Ok(None),
            Outcome::Refused(errno) => return Err(unexpected("reading a service", errno)),
            Outcome::Complete | Outcome::Interrupted => {}
        }
        if let Some(service) = &mut service {
            self.read_destinations(*key, service)?;
        }
        Ok(service)
    }

    fn traffic(&mut self) -> Result<BTreeMap<ServiceKey, Traffic>, KernelError> {
        for _ in 0..DUMPS {
            let mut counted = BTreeMap::new();
            let outcome = self.exchange(Request::Services, |item| {
                counted.extend(codec::decode_traffic(item)?);
                Ok(())
            })?;
            match outcome {
                Outcome::Complete => return Ok(counted),
                Outcome::Interrupted => {}
                Outcome::Refused(Errno::ENOENT) => self.family = self.resolve()?,
                Outcome::Refused(errno) => return Err(unexpected("counting the services' traffic", errno)),
            }
        }
        Err(KernelError::Unsettled)
    }

    fn usage(&mut self, key: &ServiceKey) -> Result<BTreeMap<DestinationKey, ServerUsage>, KernelError> {
        for _ in 0..DUMPS {
            let mut usage = BTreeMap::new();
            let outcome = self.exchange(Request::Destinations(*key), |item| {
                usage.extend(codec::decode_usage(item, key.family())?);
                Ok(())
            })?;
            match outcome {
                Outcome::Complete => return Ok(usage),
                Outcome::Interrupted => {}
                Outcome::Refused(errno) => return Err(unexpected("counting connections", errno)),
            }
        }
        Err(KernelError::Unsettled)
    }

    fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Rejection>, KernelError> {
        let mut rejections = Vec::new();
        for (number, batch) in operations.chunks(BATCH).enumerate() {
            self.apply_batch(batch, number * BATCH, &mut rejections)?;
        }
        self.take_back_tunnels(operations, &mut rejections)?;
        Ok(rejections)
    }

    fn daemons(&mut self) -> Result<SyncDaemons, KernelError> {
        for _ in 0..DUMPS {
            let mut daemons = SyncDaemons::new();
            let outcome = self.exchange(Request::Daemons, |item| {
                daemons.extend(codec::decode_daemon(item)?);
                Ok(())
            })?;
            match outcome {
                Outcome::Complete => return Ok(daemons),
                Outcome::Interrupted => {}
                Outcome::Refused(Errno::ENOENT) => self.family = self.resolve()?,
                Outcome::Refused(errno) => return Err(unexpected("reading the sync daemons", errno)),
            }
        }
        Err(KernelError::Unsettled)
    }

    fn change_daemon(&mut self, change: &SyncChange) -> Result<Option<Errno>, KernelError> {
        // The kernel does not acknowledge the stop of a daemon that was started a moment ago and never ran, so a
        // question that is always answered goes right behind: requests are worked off in order.
        let first = self.take_sequences(2);
        self.outgoing.clear();
        codec::request(&mut self.outgoing, self.family, first, Request::Daemon(change));
        codec::request(&mut self.outgoing, self.family, first.wrapping_add(1), Request::Info);
        send(&self.socket, &self.outgoing)?;
        let mut refused = None;
        loop {
            let datagram = receive(&self.socket, &mut self.incoming)?;
            for answer in Messages::new(datagram) {
                let answer = answer.map_err(malformed)?;
                match (answer.sequence.wrapping_sub(first), answer.body) {
                    (0 | 1, Body::Overrun) => return Err(KernelError::Overrun),
                    (0, Body::Refused { errno: Errno::EPERM, .. }) => return Err(KernelError::NoPrivilege),
                    (0, Body::Refused { errno, .. }) => refused = Some(errno),
                    (1, Body::Refused { .. } | Body::Acknowledged | Body::Done) => return Ok(refused),
                    _ => {}
                }
            }
        }
    }

    fn timeouts(&mut self) -> Result<Timeouts, KernelError> {
        let mut times = None;
        let outcome = self.exchange(Request::Timeouts, |item| {
            codec::decode_timeouts(item).map(|found| times = Some(found))
        })?;
        match outcome {
            Outcome::Refused(errno) => Err(unexpected("asking for the time-outs", errno)),
            Outcome::Complete | Outcome::Interrupted => {
                times.ok_or(KernelError::Malformed("no time-outs were told".to_owned()))
            }
        }
    }

    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<Option<Errno>, KernelError> {
        match self.exchange(Request::SetTimeouts(*timeouts), |_| Ok(()))? {
            Outcome::Refused(Errno::EPERM) => Err(KernelError::NoPrivilege),
            Outcome::Refused(errno) => Ok(Some(errno)),
            Outcome::Complete | Outcome::Interrupted => Ok(None),
        }
    }
}

fn open_socket() -> Result<OwnedFd, KernelError> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkGeneric)
        .map_err(|errno| system("socket", errno))?;
    // Older kernels lack these two; answers are then only wordier or less so.
    let _ = socket::setsockopt(&socket, CapAck, &true);
    let _ = socket::setsockopt(&socket, ExtAck, &true);
    if socket::setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        let _ = socket::setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER);
    }
    let timeout = TimeVal::seconds(ANSWER_TIMEOUT.as_secs().cast_signed());
    socket::setsockopt(&socket, sockopt::ReceiveTimeout, &timeout)
        .map_err(|errno| system("setsockopt", errno))?;
    // Connected to the kernel, a netlink socket takes nothing from other processes.
    let kernel = NetlinkAddr::new(0, 0);
    socket::connect(socket.as_raw_fd(), &kernel).map_err(|errno| system("connect", errno))?;
    Ok(socket)
}

fn send(socket: &OwnedFd, bytes: &[u8]) -> Result<(), KernelError> {
    loop {
        return match socket::send(socket.as_raw_fd(), bytes, MsgFlags::empty()) {
            Err(SystemErrno::EINTR) => continue,
            Err(SystemErrno::ENOBUFS) => Err(KernelError::Overrun),
            Err(errno) => Err(system("send", errno)),
            Ok(_) => Ok(()), // a netlink send takes all or nothing
        };
    }
}

fn receive<'a>(socket: &OwnedFd, buffer: &'a mut [u8]) -> Result<&'a [u8], KernelError> {
    loop {
        return match socket::recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC) {
            Err(SystemErrno::EINTR) => continue,
            Err(SystemErrno::EAGAIN) => Err(KernelError::Timeout(ANSWER_TIMEOUT)),
            Err(SystemErrno::ENOBUFS) => {
                discard(socket, buffer);
                Err(KernelError::Overrun)
            }
            Err(errno) => Err(system("recv", errno)),
            Ok(length) => buffer
                .get(..length)
                .ok_or_else(|| KernelError::Malformed(format!("a datagram of {length} bytes was cut off"))),
        };
    }
}

/// Throws away the answers that were not lost: as long as they fill the buffer there is no room for those to the next
/// question, which would be lost as well.
fn discard(socket: &OwnedFd, buffer: &mut [u8]) {
    let end = Instant::now() + ANSWER_TIMEOUT;
    while Instant::now() < end {
        match socket::recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(_) | Err(SystemErrno::EINTR | SystemErrno::ENOBUFS) => {}
            Err(_) => return,
        }
    }
}

/// Lets `modprobe` load the module, for kernels that do not load it when asked for the family. Whether it
/// worked shows in the next look-up.
fn load_module() {
    let command = Command::new("modprobe")
        .arg("ip_vs")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = command else { return };
    let deadline = Instant::now() + MODPROBE_TIMEOUT;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// A refusal of something that the kernel has no reason to refuse.
fn unexpected(call: &'static str, errno: Errno) -> KernelError {
    match errno {
        Errno::EPERM => KernelError::NoPrivilege,
        Errno::ENOENT => KernelError::NoIpvs,
        errno => KernelError::System { call, reason: errno.to_string() },
    }
}

fn system(call: &'static str, errno: SystemErrno) -> KernelError {
    match errno {
        SystemErrno::EPERM | SystemErrno::EACCES => KernelError::NoPrivilege,
        // No generic netlink at all: no IPVS either.
        SystemErrno::EPROTONOSUPPORT => KernelError::NoIpvs,
        errno => KernelError::System { call, reason: errno.desc().to_owned() },
    }
}

fn malformed(error: Malformed) -> KernelError {
    KernelError::Malformed(error.to_string())
}

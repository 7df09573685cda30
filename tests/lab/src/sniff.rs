//! A capture of the wire: every VRRP advert, gratuitous ARP and unsolicited neighbour advertisement, with the kernel's time stamp and the host it came from.
//!
//! [`Sniffer`] collects them in a thread; [`Timeline`] answers questions about what was seen: who was master when,
//! the first advert of a host after an instant, and so on. The decoder here is deliberately independent of the `vrrp`
//! crate: a test should not trust the code it tests.

use std::io::{IoSliceMut, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeSpec, TimeVal};

/// Something that was seen on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When the kernel took the frame in.
    pub at: SystemTime,
    /// The host whose cable it came from.
    pub from: String,
    /// What it was.
    pub what: What,
}

/// The kinds of frames that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A VRRP advert, version 2 or 3.
    Advert(Advert),
    /// A gratuitous ARP (sender and target address are the same), or for IPv6 an unsolicited neighbour advertisement.
    Garp(IpAddr),
}

/// The fields of a VRRP advert (RFC 3768 section 5.1, RFC 9568 section 5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Source address of the packet.
    pub source: IpAddr,
    /// Destination address: the group 224.0.0.18 or ff02::12, or a peer.
    pub destination: IpAddr,
    /// IP time to live; 255 if it is what it should be.
    pub ttl: u8,
    /// Protocol version, 2 or 3.
    pub version: u8,
    /// Virtual router id.
    pub vrid: u8,
    /// Priority; 0 says "I stop".
    pub priority: u8,
    /// Version 2: authentication type. Version 3: 0.
    pub auth_type: u8,
    /// The interval it announces.
    pub interval: Duration,
    /// The virtual addresses it announces.
    pub addresses: Vec<IpAddr>,
}

/// A capture that runs until it is dropped.
pub struct Sniffer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Event>>,
    more: Condvar,
    stop: AtomicBool,
}

/// What was seen so far, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline(pub Vec<Event>);

impl Sniffer {
    /// Captures what comes in at `ports` (interface, name of the host behind it) in this thread's network namespace.
    ///
    /// # Errors
    /// If the kernel refuses a packet socket.
    pub(crate) fn start(ports: &[(String, String)], reading: Reading) -> Result<Sniffer> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
        setsockopt(&fd, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&fd, sockopt::RcvBuf, &(4 << 20))?;
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::new(0, 100_000))?;
        // Asked for by name each time a new index appears: an interface may be replaced during a test.
        let ports = ports.to_vec();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        // A new thread is in the network namespace of the thread that makes it.
        let thread = std::thread::spawn(move || capture(&fd, &ports, &theirs, reading));
        Ok(Sniffer { shared, thread: Some(thread) })
    }

    /// All that was seen until now.
    pub fn timeline(&self) -> Timeline {
        Timeline(self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Waits until `look` finds what it looks for, at most for `limit`; then panics, naming `what` was awaited.
    ///
    /// # Panics
    /// If the limit passes first; the text holds the last of what was seen.
    pub fn wait_for<T>(&self, what: &str, limit: Duration, look: impl FnMut(&Timeline) -> Option<T>) -> T {
        self.look_for(limit, look).unwrap_or_else(|| {
            let Timeline(seen) = self.timeline();
            let last = Timeline(seen[seen.len().saturating_sub(40)..].to_vec());
            panic!("waited {limit:?} for {what}; the last frames:\n{last}");
        })
    }

    /// Waits until `look` finds what it looks for; `None` if the limit passes first.
    pub fn look_for<T>(&self, limit: Duration, mut look: impl FnMut(&Timeline) -> Option<T>) -> Option<T> {
        let end = Instant::now() + limit;
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let timeline = Timeline(std::mem::take(&mut *seen));
            let found = look(&timeline);
            *seen = timeline.0;
            let left = end.saturating_duration_since(Instant::now());
            if found.is_some() || left.is_zero() {
                return found;
            }
            seen = self.shared.more.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the first advert with a priority above 0 that `host` sends after `after`.
    ///
    /// # Panics
    /// If none comes within `limit`.
    pub fn wait_advert(&self, host: &str, after: SystemTime, limit: Duration) -> Event {
        self.wait_for(&format!("an advert from {host}"), limit, |t| t.first_advert(host, after).cloned())
    }

    /// Since `from` nobody but `host` was master, it said no farewell, and it goes on.
    ///
    /// # Panics
    /// If that is not so, or its next advert does not come within `limit`.
    pub fn expect_unbroken(&self, host: &str, from: SystemTime, limit: Duration) {
        self.wait_advert(host, SystemTime::now(), limit);
        let timeline = self.timeline();
        let others: Vec<_> =
            timeline.masters().into_iter().filter(|(at, master)| *at >= from && *master != host).collect();
        assert_eq!(others, [], "somebody else took over:\n{timeline}");
        assert_eq!(timeline.farewell(host, from), None, "{timeline}");
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic was printed when it happened.
            let _ = thread.join();
        }
        if std::thread::panicking() {
            let Timeline(seen) = self.timeline();
            let last = seen[seen.len().saturating_sub(60)..].to_vec();
            println!("--- the last frames on the wire ---\n{}", Timeline(last));
        }
    }
}

impl Timeline {
    /// Every advert with its event.
    pub fn adverts(&self) -> impl DoubleEndedIterator<Item = (&Event, &Advert)> {
        self.0.iter().filter_map(Event::advert)
    }

    /// The adverts after an instant, found quickly in a long capture.
    fn adverts_after(&self, after: SystemTime) -> impl Iterator<Item = (&Event, &Advert)> {
        let start = self.0.partition_point(|e| e.at <= after);
        self.0[start..].iter().filter_map(Event::advert)
    }

    /// The first advert with a priority above 0 that `host` sent after `after`.
    pub fn first_advert(&self, host: &str, after: SystemTime) -> Option<&Event> {
        self.adverts_after(after).find(|(e, a)| e.from == host && a.priority > 0).map(|(e, _)| e)
    }

    /// The last advert, farewell or not, that `host` sent before `before`.
    pub fn last_advert(&self, host: &str, before: SystemTime) -> Option<&Event> {
        self.adverts().rev().find(|(e, _)| e.from == host && e.at < before).map(|(e, _)| e)
    }

    /// The first advert of priority 0 that `host` sent after `after`.
    pub fn farewell(&self, host: &str, after: SystemTime) -> Option<&Event> {
        self.adverts_after(after).find(|(e, a)| e.from == host && a.priority == 0).map(|(e, _)| e)
    }

    /// The first gratuitous ARP for `address` that `host` sent after `after`.
    pub fn first_garp(&self, host: &str, address: impl Into<IpAddr>, after: SystemTime) -> Option<&Event> {
        self.garps(host, address).find(|e| e.at > after)
    }

    /// Every gratuitous ARP for `address` from `host`.
    pub fn garps(&self, host: &str, address: impl Into<IpAddr>) -> impl Iterator<Item = &Event> {
        let address = address.into();
        self.0.iter().filter(move |e| e.from == host && e.what == What::Garp(address))
    }

    /// How many adverts with a priority above 0 `host` sent in `from..until`.
    pub fn count_adverts(&self, host: &str, from: SystemTime, until: SystemTime) -> usize {
        self.adverts()
            .filter(|(e, a)| e.from == host && a.priority > 0 && e.at >= from && e.at < until)
            .count()
    }

    /// Who was master when: each host's first advert (priority above 0) after another's, in order.
    pub fn masters(&self) -> Vec<(SystemTime, &str)> {
        let mut changes: Vec<(SystemTime, &str)> = Vec::new();
        for (e, _) in self.adverts().filter(|(_, a)| a.priority > 0) {
            if changes.last().is_none_or(|(_, host)| *host != e.from) {
                changes.push((e.at, &e.from));
            }
        }
        changes
    }

    /// Who sent the last advert with a priority above 0 at or before `at`.
    pub fn master_at(&self, at: SystemTime) -> Option<&str> {
        self.adverts().rev().find(|(e, a)| e.at <= at && a.priority > 0).map(|(e, _)| e.from.as_str())
    }
}

impl Event {
    /// The advert, if it is one, with its event.
    fn advert(&self) -> Option<(&Event, &Advert)> {
        match &self.what {
            What::Advert(advert) => Some((self, advert)),
            What::Garp(_) => None,
        }
    }
}

impl std::fmt::Display for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(start) = self.0.first().map(|e| e.at) else { return Ok(()) };
        for e in &self.0 {
            let at = e.at.duration_since(start).unwrap_or_default().as_secs_f64();
            match &e.what {
                What::Garp(address) => writeln!(f, "{at:10.6} {:8} gratuitous ARP {address}", e.from)?,
                What::Advert(a) => writeln!(
                    f,
                    "{at:10.6} {:8} v{} vrid {} priority {} every {:?} to {} {:?}",
                    e.from, a.version, a.vrid, a.priority, a.interval, a.destination, a.addresses
                )?,
            }
        }
        Ok(())
    }
}

/// Time from one event to a later one; zero if they are the other way round.
pub fn between(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}

/// When frames are read. Their time is the kernel's in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Each as it comes.
    AtOnce,
    /// What has come together, after a rest: nobody who sends pays for waking the reader up.
    Together,
}

/// The rest between two readings of what has come together.
const REST: Duration = Duration::from_millis(2);

/// Receives frames until told to stop.
fn capture(fd: &OwnedFd, ports: &[(String, String)], shared: &Shared, reading: Reading) {
    let mut names: Vec<(usize, Option<String>)> = Vec::new();
    let mut frame = [0; 2048];
    let mut control = nix::cmsg_space!(TimeSpec);
    while !shared.stop.load(Ordering::Relaxed) {
        let mut parts = [IoSliceMut::new(&mut frame)];
        let flags = match reading {
            Reading::AtOnce => MsgFlags::empty(),
            Reading::Together => MsgFlags::MSG_DONTWAIT,
        };
        let Ok(message) = recvmsg::<LinkAddr>(fd.as_raw_fd(), &mut parts, Some(&mut control), flags) else {
            if reading == Reading::Together {
                std::thread::sleep(REST);
            }
            continue; // the time limit that lets us look at `stop`
        };
        let Some(link) = message.address else { continue };
        // Each frame is seen coming in at one port and going out at others: the former is wanted.
        if i32::from(link.pkttype()) == i32::from(nix::libc::PACKET_OUTGOING) {
            continue;
        }
        let at = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|m| match m {
                ControlMessageOwned::ScmTimestampns(t) => Some(SystemTime::UNIX_EPOCH + Duration::from(t)),
                _ => None,
            })
        });
        let length = message.bytes;
        let Some(from) = host_behind(link.ifindex(), &mut names, ports) else { continue };
        let Some(what) = frame.get(..length).and_then(decode) else { continue };
        let event = Event { at: at.unwrap_or_else(SystemTime::now), from, what };
        shared.seen.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        shared.more.notify_all();
    }
}

/// The host behind an interface, found by the interface's name the first time.
fn host_behind(
    index: usize,
    known: &mut Vec<(usize, Option<String>)>,
    ports: &[(String, String)],
) -> Option<String> {
    if let Some((_, name)) = known.iter().find(|(i, _)| *i == index) {
        return name.clone();
    }
    let interface = nix::net::if_::if_indextoname(u32::try_from(index).ok()?).ok()?;
    let interface = interface.to_string_lossy().into_owned();
    let host = ports.iter().find(|(port, _)| *port == interface).map(|(_, host)| host.clone());
    known.push((index, host.clone()));
    host
}

/// Reads an Ethernet frame; `None` if it is neither an advert nor a gratuitous ARP.
fn decode(frame: &[u8]) -> Option<What> {
    let payload = frame.get(14..)?;
    match frame.get(12..14)? {
        [0x08, 0x00] => decode_v4(payload).map(What::Advert),
        [0x86, 0xdd] => decode_v6(payload),
        [0x08, 0x06] => {
            let (sender, target) = (address(payload.get(14..18)?)?, address(payload.get(24..28)?)?);
            (sender == target).then_some(What::Garp(sender))
        }
        _ => None,
    }
}

fn decode_v4(ip: &[u8]) -> Option<Advert> {
    let mut header = usize::from(ip.first()? & 0x0f) * 4;
    match *ip.get(9)? {
        VRRP => {}
        // An authentication header before it (RFC 2402): its length in words of 32 bits, without the first two.
        AH if *ip.get(header)? == VRRP => header += (usize::from(*ip.get(header + 1)?) + 2) * 4,
        _ => return None,
    }
    let vrrp = ip.get(header..usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?])))?;
    decode_advert(address(ip.get(12..16)?)?, address(ip.get(16..20)?)?, *ip.get(8)?, vrrp)
}

/// An advert, or an unsolicited neighbour advertisement (RFC 4861 section 4.4: type 136, not the S flag).
fn decode_v6(ip: &[u8]) -> Option<What> {
    const ICMPV6: u8 = 58;
    let payload = ip.get(40..40 + usize::from(u16::from_be_bytes([*ip.get(4)?, *ip.get(5)?])))?;
    match *ip.get(6)? {
        VRRP => {
            let (source, destination) = (address(ip.get(8..24)?)?, address(ip.get(24..40)?)?);
            decode_advert(source, destination, *ip.get(7)?, payload).map(What::Advert)
        }
        ICMPV6 if payload.first() == Some(&136) && payload.get(4)? & 0x40 == 0 => {
            Some(What::Garp(address(payload.get(8..24)?)?))
        }
        _ => None,
    }
}

fn decode_advert(source: IpAddr, destination: IpAddr, ttl: u8, vrrp: &[u8]) -> Option<Advert> {
    let &[kind, vrid, priority, count, a, b, _, _, ..] = vrrp else { return None };
    let (version, auth_type, interval) = match kind {
        0x21 => (2, a, Duration::from_secs(u64::from(b))),
        0x31 => (3, 0, Duration::from_millis(10 * u64::from(u16::from_be_bytes([a & 0x0f, b])))),
        _ => return None,
    };
    let length = if source.is_ipv4() { 4 } else { 16 };
    let addresses = vrrp[8..].chunks_exact(length).take(usize::from(count)).filter_map(address).collect();
    Some(Advert { source, destination, ttl, version, vrid, priority, auth_type, interval, addresses })
}

/// VRRP's IP protocol number.
const VRRP: u8 = 112;

/// That of the authentication header.
const AH: u8 = 51;

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).into());
    v4.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETHERNET: [u8; 12] = [1, 0, 0x5e, 0, 0, 18, 2, 0, 0, 0, 0, 1];

    /// A version 3 advert of 10.0.0.1 for 10.0.0.100, VRID 51, priority 200, 10 centiseconds.
    fn advert() -> Vec<u8> {
        let mut frame = ETHERNET.to_vec();
        frame.extend([0x08, 0x00]);
        frame.extend([0x45, 0xc0, 0, 32, 0, 0, 0, 0, 255, 112, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18]);
        frame.extend([0x31, 51, 200, 1, 0, 10, 0, 0, 10, 0, 0, 100]);
        frame
    }

    #[test]
    fn reads_an_advert() {
        let Some(What::Advert(a)) = decode(&advert()) else { panic!("not read") };
        assert_eq!((a.version, a.vrid, a.priority, a.ttl), (3, 51, 200, 255));
        assert_eq!(a.interval, Duration::from_millis(100));
        assert_eq!(a.source, Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(a.addresses, [Ipv4Addr::new(10, 0, 0, 100)]);
    }

    #[test]
    fn survives_every_truncation() {
        let frame = advert();
        for length in 0..frame.len() {
            assert_eq!(decode(&frame[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn tells_who_was_master() {
        let mut seen = Vec::new();
        for (ms, from, priority) in
            [(0, "a", 200), (100, "a", 200), (150, "a", 0), (200, "b", 100), (300, "b", 100)]
        {
            let Some(What::Advert(mut a)) = decode(&advert()) else { panic!("not read") };
            a.priority = priority;
            let at = SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
            seen.push(Event { at, from: from.into(), what: What::Advert(a) });
        }
        let timeline = Timeline(seen);
        let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        assert_eq!(timeline.masters(), [(at(0), "a"), (at(200), "b")]);
        assert_eq!(timeline.master_at(at(199)), Some("a"));
        assert_eq!(timeline.farewell("a", at(0)).map(|e| e.at), Some(at(150)));
        assert_eq!(timeline.first_advert("b", at(200)).map(|e| e.at), Some(at(300)));
    }
}

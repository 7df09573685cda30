//! Many servers in one process, which note when somebody connects to them and can die one by one.
//!
//! Server number n has an address of its own below 127.0.0.0/8 and listens on port 80 there, in the namespace of the host
//! that the daemon under test runs on. One thread serves them all. The time of an attempt is when its connection is
//! accepted.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lab::netns::Host;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::Samples;

/// What the servers do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Close it when the other side does, as a server does that was asked nothing.
    Tcp,
    /// Answer one request.
    Http,
}

/// How a server stops working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Its port is closed: connections are refused.
    Refuses,
    /// Nothing comes back: of TCP not even the first packet, of HTTP no answer.
    Silent,
}

/// One attempt: the number of the server, and when its connection was accepted.
pub type Asked = (usize, Instant);

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
/// How long a server that hangs holds a connection.
const HELD: Duration = Duration::from_secs(10);
const BACKLOG: i32 = 1024;
/// Open files that are asked for.
const FILES: u64 = 1 << 17;
/// Tokens of connections lie beyond those of all listeners.
const FIRST_CONNECTION: u64 = 1 << 32;

/// Servers on a host; gone when dropped.
pub struct Servers<'a> {
    host: &'a Host,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    manner: Manner,
    epoll: Epoll,
    state: Mutex<State>,
    end: AtomicBool,
}

#[derive(Default)]
struct State {
    listeners: Vec<Listener>,
    asked: Vec<Asked>,
    /// The last attempt at each.
    last: BTreeMap<usize, Instant>,
}

enum Listener {
    Alive(TcpListener),
    /// It accepts and says nothing.
    Mute(TcpListener),
    /// Its queue is full: the kernel drops whatever comes.
    Full {
        _listener: TcpListener,
        _first: Socket,
    },
    Closed,
}

impl Listener {
    fn open(&self) -> Option<&TcpListener> {
        match self {
            Listener::Alive(listener) | Listener::Mute(listener) => Some(listener),
            Listener::Full { .. } | Listener::Closed => None,
        }
    }
}

/// Where a server listens.
pub fn address(number: usize) -> SocketAddrV4 {
    let byte = |n: usize| u8::try_from(n).expect("there are not that many servers");
    SocketAddrV4::new(Ipv4Addr::new(127, 1, byte(number / 250), byte(number % 250 + 1)), 80)
}

/// The server that listens at an address.
pub fn number(address: SocketAddrV4) -> usize {
    let [_, _, high, low] = address.ip().octets();
    (usize::from(high) * 250 + usize::from(low)).saturating_sub(1)
}

impl<'a> Servers<'a> {
    /// Starts so many on a host.
    ///
    /// # Panics
    /// If the kernel refuses.
    pub fn start(host: &'a Host, count: usize, manner: Manner) -> Servers<'a> {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit can be read");
        if setrlimit(Resource::RLIMIT_NOFILE, FILES, hard.max(FILES)).is_err() {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("what is permitted is permitted");
        }
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("there is epoll");
        let shared = Shared { manner, epoll, state: Mutex::default(), end: AtomicBool::new(false) };
        let listeners = host.enter(|| (0..count).map(|n| shared.listen(n)).collect());
        shared.state().listeners = listeners;
        let shared = Arc::new(shared);
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || served.serve());
        Servers { host, shared, thread: Some(thread) }
    }

    /// The attempts since this was last called.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.state().asked)
    }

    /// When a server was asked last.
    pub fn last_asked(&self, number: usize) -> Option<Instant> {
        self.shared.state().last.get(&number).copied()
    }

    /// Lets a server die.
    pub fn kill(&self, number: usize, death: Death) {
        let mut state = self.shared.state();
        let before = std::mem::replace(&mut state.listeners[number], Listener::Closed);
        state.listeners[number] = match (death, self.shared.manner, before) {
            (Death::Refuses, _, _) => Listener::Closed,
            (Death::Silent, Manner::Http, Listener::Alive(listener)) => Listener::Mute(listener),
            (Death::Silent, _, before) => {
                drop(before);
                self.host.enter(|| fill(number))
            }
        };
    }

    /// Brings a server back.
    pub fn revive(&self, number: usize) {
        let mut state = self.shared.state();
        state.listeners[number] = Listener::Closed;
        state.listeners[number] = self.host.enter(|| self.shared.listen(number));
    }
}

impl Drop for Servers<'_> {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn bound(number: usize, backlog: i32) -> TcpListener {
    let open = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from(address(number)).into())?;
        socket.listen(backlog)?;
        socket.set_nonblocking(true)?;
        Ok::<_, std::io::Error>(socket)
    };
    open().unwrap_or_else(|error| panic!("server {number} cannot listen: {error}")).into()
}

/// A listener whose queue of connections nobody has accepted is full.
fn fill(number: usize) -> Listener {
    let listener = bound(number, 0);
    let first = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets");
    first.connect(&SocketAddr::from(address(number)).into()).expect("there is room for one");
    Listener::Full { _listener: listener, _first: first }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn listen(&self, number: usize) -> Listener {
        let listener = bound(number, BACKLOG);
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64);
        self.epoll.add(&listener, event).expect("a listener can be waited for");
        Listener::Alive(listener)
    }

    fn serve(&self) {
        let mut ready = vec![EpollEvent::empty(); 512];
        let mut talking: BTreeMap<RawFd, TcpStream> = BTreeMap::new();
        let mut held: VecDeque<(Instant, TcpStream)> = VecDeque::new();
        while !self.end.load(Ordering::Relaxed) {
            let count = self.epoll.wait(&mut ready, EpollTimeout::from(20_u8)).unwrap_or(0);
            let mut state = self.state();
            for event in ready.iter().take(count) {
                let token = event.data();
                if let Some(connection) = token.checked_sub(FIRST_CONNECTION) {
                    let Ok(connection) = RawFd::try_from(connection) else { continue };
                    if let Some(stream) = talking.remove(&connection) {
                        answer(stream);
                    }
                    continue;
                }
                let number = usize::try_from(token).unwrap_or(usize::MAX);
                let Some(listener) = state.listeners.get(number) else { continue };
                let mute = matches!(listener, Listener::Mute(_));
                let Some(Ok((stream, _))) = listener.open().map(TcpListener::accept) else { continue };
                let now = Instant::now();
                state.asked.push((number, now));
                state.last.insert(number, now);
                if mute {
                    held.push_back((now + HELD, stream));
                    continue;
                }
                let descriptor = stream.as_raw_fd();
                let token = FIRST_CONNECTION + u64::from(descriptor.unsigned_abs());
                if self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, token)).is_ok() {
                    talking.insert(descriptor, stream);
                }
            }
            drop(state);
            let now = Instant::now();
            while held.front().is_some_and(|(until, _)| *until <= now) {
                held.pop_front();
            }
        }
    }
}

/// Reads a request, which is there, and answers it; or sees that the other side has nothing more to say.
fn answer(mut stream: TcpStream) {
    let mut request = [0; 2048];
    if stream.read(&mut request).is_ok_and(|length| length > 0) {
        let _ = stream.write_all(ANSWER);
    }
}

/// How much longer than the interval it took, in milliseconds, until each server was asked again; and how many attempts
/// there were.
pub fn lateness(asked: &[Asked], interval: Duration) -> (Samples, usize) {
    let mut last: BTreeMap<usize, Instant> = BTreeMap::new();
    let mut late = Vec::new();
    for (number, at) in asked {
        if let Some(before) = last.insert(*number, *at) {
            late.push(at.duration_since(before).saturating_sub(interval).as_secs_f64() * 1e3);
        }
    }
    let mut samples = Samples::default();
    samples.extend(late);
    (samples, asked.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_has_an_address() {
        assert_eq!(address(0).to_string(), "127.1.0.1:80");
        for n in [0, 249, 250, 9_999] {
            assert_eq!(number(address(n)), n);
        }
    }

    #[test]
    fn lateness_is_what_goes_beyond_the_interval() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let asked = [(0, at(0)), (1, at(500)), (0, at(990)), (1, at(1510)), (0, at(2090))];
        let (late, count) = lateness(&asked, Duration::from_secs(1));
        assert_eq!((count, late.count(), late.min()), (5, 3, 0.0));
        assert!((late.median() - 10.0).abs() < 0.001 && (late.max() - 100.0).abs() < 0.001);
    }
}

//! Two clients that notice everything: one opens a new connection every few milliseconds, one holds a single long
//! transfer. Neither gives up soon: what is slow on a slow machine is told as slow, not as failed.

use super::namespace::Namespace;
use super::topology::SERVICES;
use crate::error::{LabError, Result};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// So many requests may be under way.
const WORKERS: u32 = 64;
/// What says nothing for this long has failed.
const DEAD: Duration = Duration::from_secs(10);

/// What both saw.
#[derive(Debug, Clone, Default)]
pub struct Experience {
    /// How long each request took that was answered, in the order of time.
    pub answered: Vec<Duration>,
    /// Why others failed, and how often.
    pub failed: BTreeMap<String, u32>,
    /// The longest time without a byte of the long transfer.
    pub pause: Duration,
    /// How much arrived by it.
    pub bytes: u64,
    /// Why it ended before it was to.
    pub broken: Option<String>,
}

/// The two at work.
#[derive(Debug)]
pub struct Steady {
    over: Arc<AtomicBool>,
    requests: JoinHandle<Result<Experience>>,
    transfer: JoinHandle<Result<Experience>>,
}

impl Steady {
    /// Both begin, with this time from one new connection to the next.
    #[must_use]
    pub fn start(client: &Namespace, every: Duration) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let run = |work: fn(&AtomicBool, Duration) -> Experience| {
            let (client, over) = (client.clone(), Arc::clone(&over));
            std::thread::spawn(move || client.enter(|| Ok(work(&over, every))))
        };
        let (requests, transfer) = (run(open_and_close), run(hold_on));
        Self { over, requests, transfer }
    }

    /// Both end, and tell.
    ///
    /// # Errors
    /// When the client's machine could not be entered.
    pub fn stop(self) -> Result<Experience> {
        self.over.store(true, Ordering::Relaxed);
        let gone = |_| Err(LabError::Failed("a client panicked".into()));
        let requests = self.requests.join().unwrap_or_else(gone)?;
        let transfer = self.transfer.join().unwrap_or_else(gone)?;
        Ok(Experience { pause: transfer.pause, bytes: transfer.bytes, broken: transfer.broken, ..requests })
    }
}

impl Experience {
    /// The slowest request that was answered.
    #[must_use]
    pub fn slowest(&self) -> Duration {
        self.answered.iter().copied().max().unwrap_or_default()
    }

    /// How many failed.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failed.values().sum()
    }
}

/// New connections, to each service in turn. Worker k takes each `WORKERS`th tick, so that the rhythm holds
/// while requests hang; ticks missed on a busy machine are left out.
fn open_and_close(over: &AtomicBool, every: Duration) -> Experience {
    let start = Instant::now();
    let worker = |first: u32| {
        let (mut answered, mut failed) = (Vec::new(), Vec::new());
        let mut tick = first;
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep((start + every * tick).saturating_duration_since(Instant::now()));
            let service = SERVICES[tick as usize % SERVICES.len()];
            let began = Instant::now();
            match ask(service.vip) {
                Ok(_) => answered.push((began, began.elapsed())),
                Err(error) => failed.push(format!("{} {error}", service.mode)),
            }
            while start + every * tick < Instant::now() {
                tick += WORKERS;
            }
        }
        (answered, failed)
    };
    let mut experience = Experience::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|first| scope.spawn(move || worker(first))).collect();
        let mut all = Vec::new();
        for (answered, failed) in workers.into_iter().filter_map(|worker| worker.join().ok()) {
            all.extend(answered);
            for why in failed {
                *experience.failed.entry(why).or_default() += 1;
            }
        }
        all.sort_unstable();
        experience.answered = all.into_iter().map(|(_, took)| took).collect();
    });
    experience
}

/// One request, on a connection of its own.
fn ask(vip: Ipv4Addr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((vip, 80)), DEAD)?;
    stream.set_read_timeout(Some(DEAD))?;
    stream.write_all(format!("GET / HTTP/1.0\r\nHost: {vip}\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    match text.starts_with("HTTP/1.0 200 ") {
        true => Ok(()),
        false => Err(std::io::Error::other(format!("not the answer of a real server: {text:?}"))),
    }
}

/// One transfer through the service whose answers pass the director, for as long as it is let.
fn hold_on(over: &AtomicBool, _: Duration) -> Experience {
    let mut experience = Experience::default();
    if let Err(error) = transfer(over, &mut experience) {
        experience.broken = Some(error.to_string());
    }
    experience
}

fn transfer(over: &AtomicBool, experience: &mut Experience) -> std::io::Result<()> {
    let vip = SERVICES[0].vip;
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((vip, 80)), DEAD)?;
    stream.set_read_timeout(Some(DEAD))?;
    stream.write_all(format!("GET /long HTTP/1.0\r\nHost: {vip}\r\n\r\n").as_bytes())?;
    let mut buffer = [0; 4096];
    let mut last = Instant::now();
    while !over.load(Ordering::Relaxed) {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err(std::io::Error::other("it was closed"));
        }
        experience.bytes += read as u64;
        experience.pause = experience.pause.max(last.elapsed());
        last = Instant::now();
    }
    Ok(())
}

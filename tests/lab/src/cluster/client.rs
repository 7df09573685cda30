//! The client: single requests, many at once, and a steady load that measures what an outage looks like to it.

use super::namespace::Namespace;
use super::server::{LAST_WORD, SLOW};
use super::topology::{SERVICES, Service};
use crate::error::{Attempt, LabError, Result};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a request may take. Below the kernel's first retransmission of a lost SYN (1 s), so that a request
/// that met nobody counts as lost.
pub const PATIENCE: Duration = Duration::from_millis(900);
/// Requests per second and service of a [`Load`].
pub const RATE: u32 = 30;
/// At most this many requests of one service are under way at a time.
const WORKERS: u32 = 30;

/// How many requests each server answered, by name; failed ones under the error's text.
pub type Split = BTreeMap<String, u32>;

/// One request, on a connection of its own; the server's name.
///
/// # Errors
/// The connection's, or a time-out after [`PATIENCE`].
pub fn get(vip: Ipv4Addr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((vip, 80)), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET / HTTP/1.0\r\nHost: {vip}\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    match text.split_once("\r\n\r\n") {
        Some((head, name)) if head.starts_with("HTTP/1.0 200 ") => Ok(name.to_owned()),
        _ => Err(Error::new(ErrorKind::InvalidData, format!("not the answer of a real server: {text:?}"))),
    }
}

/// A page that takes its time, while it is read.
#[derive(Debug)]
pub struct Transfer {
    /// The server that it comes from.
    pub server: String,
    rest: JoinHandle<Result<String>>,
}

impl Transfer {
    /// Asks for it, and reads as far as the server's name.
    ///
    /// # Errors
    /// The connection's.
    pub fn start(client: &Namespace, vip: Ipv4Addr) -> Result<Self> {
        let mut reader = client.enter(|| {
            let mut stream = TcpStream::connect_timeout(&SocketAddr::from((vip, 80)), PATIENCE)
                .attempt(format!("connecting to {vip}"))?;
            stream.set_read_timeout(Some(Duration::from_secs(3))).attempt("limiting a read")?;
            let request = format!("GET{SLOW}HTTP/1.0\r\nHost: {vip}\r\n\r\n");
            stream.write_all(request.as_bytes()).attempt("asking for a page")?;
            Ok(BufReader::new(stream))
        })?;
        let (mut line, mut head) = (String::new(), true);
        while head {
            line.clear();
            let length = reader.read_line(&mut line).attempt("reading the head of a page")?;
            head = length > 0 && !line.trim().is_empty();
        }
        line.clear();
        reader.read_line(&mut line).attempt("reading the name of a server")?;
        let rest = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).attempt("reading the rest of a page")?;
            Ok(text)
        });
        Ok(Self { server: line.trim().to_owned(), rest })
    }

    /// Whether it came whole, once it has ended.
    ///
    /// # Errors
    /// What cut it off.
    pub fn whole(self) -> Result<bool> {
        let joined =
            self.rest.join().unwrap_or_else(|_| Err(LabError::Failed("the transfer panicked".into())));
        Ok(joined?.ends_with(LAST_WORD))
    }
}

/// Sends `count` requests, a few at a time.
///
/// # Errors
/// When the client's machine cannot be entered; failed requests are counted, not returned.
pub fn requests(client: &Namespace, vip: Ipv4Addr, count: u32) -> Result<Split> {
    let next = AtomicU32::new(0);
    let worker = || {
        let mut split = Split::new();
        while next.fetch_add(1, Ordering::Relaxed) < count {
            let who = get(vip).unwrap_or_else(|e| e.to_string());
            *split.entry(who).or_default() += 1;
        }
        split
    };
    client.enter(|| {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
            let mut all = Split::new();
            for (who, n) in workers.into_iter().filter_map(|w| w.join().ok()).flatten() {
                *all.entry(who).or_default() += n;
            }
            Ok(all)
        })
    })
}

/// One request of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Which service.
    pub vip: Ipv4Addr,
    /// When it began.
    pub at: Instant,
    /// The server's name, or what went wrong.
    pub answer: std::result::Result<String, String>,
}

/// A steady stream of requests to every service.
#[derive(Debug)]
pub struct Load {
    told: Arc<Stop>,
    thread: JoinHandle<Result<Vec<Sample>>>,
}

impl Load {
    /// Starts [`RATE`] requests per second to each service.
    #[must_use]
    pub fn start(client: &Namespace) -> Self {
        let told = Arc::new(Stop::default());
        let (client, stop) = (client.clone(), Arc::clone(&told));
        let thread = std::thread::spawn(move || client.enter(|| Ok(drive(&stop))));
        Self { told, thread }
    }

    /// Ends it and returns what happened, in the order of time.
    ///
    /// # Errors
    /// When the client's machine could not be entered.
    pub fn stop(self) -> Result<Samples> {
        self.told.tell();
        let joined = self.thread.join().unwrap_or_else(|_| Err(LabError::Failed("the load panicked".into())));
        let mut samples = joined?;
        samples.sort_by_key(|s| s.at);
        Ok(Samples(samples))
    }
}

/// A word that ends every wait for it at once.
#[derive(Debug, Default)]
struct Stop {
    said: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn tell(&self) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Sleeps until an instant; true when the word was said before.
    fn sleep_until(&self, at: Instant) -> bool {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let left = at.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(said, left, |said| !*said);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Worker k of a service takes the ticks k, k + WORKERS, …: the rate holds while requests hang. Ticks that were
/// missed on a machine too busy to keep up are left out, or the load would starve what it is to measure.
fn drive(stop: &Stop) -> Vec<Sample> {
    let start = Instant::now();
    let tick = Duration::from_secs(1) / RATE;
    let worker = |service: &Service, first: u32| {
        let mut samples = Vec::new();
        let mut at = start + tick * first;
        loop {
            if stop.sleep_until(at) {
                return samples;
            }
            let began = Instant::now();
            let answer = get(service.vip).map_err(|e| e.to_string());
            samples.push(Sample { vip: service.vip, at: began, answer });
            while at < Instant::now() {
                at += tick * WORKERS;
            }
        }
    };
    std::thread::scope(|scope| {
        let all = SERVICES.iter().flat_map(|s| (0..WORKERS).map(move |n| (s, n)));
        let workers: Vec<_> = all.map(|(s, n)| scope.spawn(move || worker(s, n))).collect();
        workers.into_iter().filter_map(|w| w.join().ok()).flatten().collect()
    })
}

/// What a load saw, in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples(pub Vec<Sample>);

impl Samples {
    /// The requests that failed among those that began at or after an instant.
    #[must_use]
    pub fn failed_since(&self, since: Instant) -> Vec<&Sample> {
        self.0.iter().filter(|s| s.at >= since && s.answer.is_err()).collect()
    }

    /// How many requests there were, and how many of them failed.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.0.len(), self.0.iter().filter(|s| s.answer.is_err()).count())
    }

    /// The client's outage of a service: from the first failed request of the longest row of failures to the
    /// first request after it that was answered. Zero when none failed.
    #[must_use]
    pub fn outage(&self, vip: Ipv4Addr) -> Duration {
        let mut longest = Duration::ZERO;
        let mut began = None;
        for sample in self.0.iter().filter(|s| s.vip == vip) {
            let first = match &sample.answer {
                Err(_) => *began.get_or_insert(sample.at),
                Ok(_) => began.take().unwrap_or(sample.at),
            };
            longest = longest.max(sample.at - first);
        }
        longest
    }

    /// How many requests failed, by the reason.
    #[must_use]
    pub fn failures(&self) -> Split {
        let mut split = Split::new();
        for reason in self.0.iter().filter_map(|s| s.answer.as_ref().err()) {
            *split.entry(reason.clone()).or_default() += 1;
        }
        split
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_from_the_first_failure_to_the_next_answer() {
        let [service, other, _] = SERVICES;
        let start = Instant::now();
        let sample = |ms: u64, ok: bool| Sample {
            vip: service.vip,
            at: start + Duration::from_millis(ms),
            answer: if ok { Ok("rs1".into()) } else { Err("lost".into()) },
        };
        let samples = Samples(vec![
            sample(0, true),
            sample(10, false),
            sample(20, false),
            sample(40, true),
            sample(50, false),
            sample(60, true),
        ]);
        assert_eq!(samples.outage(service.vip), Duration::from_millis(30));
        assert_eq!(samples.outage(other.vip), Duration::ZERO);
        assert_eq!(samples.counts(), (6, 3));
        assert_eq!(samples.failed_since(start + Duration::from_millis(30)).len(), 1);
        assert_eq!(samples.failures(), Split::from([("lost".into(), 3)]));
    }
}

//! The real servers' web server: it answers its own name, so that a client sees who served it.

use super::namespace::Namespace;
use super::process::Process;
use crate::error::{Attempt, Result};
use crate::job::LAB;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Threads that accept, so that a peer that says nothing does not hold up the others.
const THREADS: usize = 8;
/// How long a peer may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(2);

/// The path of a page that takes its time.
pub const SLOW: &str = " /slow ";
/// The end of that page.
pub const LAST_WORD: &str = "complete";
/// How many drops it comes in, one after the other.
const DROPS: u32 = 60;

/// Starts `lab serve` on a machine.
///
/// # Errors
/// When it cannot be started.
pub fn start(machine: &Namespace) -> Result<Process> {
    let log = Path::new("/run/cluster").join(format!("{}.log", machine.name()));
    Process::start(machine, Command::new(LAB).args(["serve", machine.name()]), &log)
}

/// Serves HTTP on a port of every address: `/health` answers `ok`, `/long` never ends, every other path answers the name. Never returns.
///
/// # Errors
/// When the port cannot be had.
pub fn serve(name: &str, port: u16) -> Result<()> {
    let listener =
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).attempt(format!("listening on port {port}"))?;
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for stream in listener.incoming().flatten() {
                    // A peer that goes away in the middle is its own business.
                    let _ = answer(&stream, name);
                }
            });
        }
    });
    Ok(())
}

fn answer(mut stream: &TcpStream, name: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    if request.contains(SLOW) {
        return drip(stream, name);
    }
    if request.contains(" /long ") {
        stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n")?;
        loop {
            stream.write_all(&[b'x'; 1024])?;
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let body = if request.contains(" /health ") { "ok" } else { name };
    let length = body.len();
    stream.write_all(
        format!("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}")
            .as_bytes(),
    )
}

/// The name, then a drop every now and then, for six seconds, then the last word.
fn drip(mut stream: &TcpStream, name: &str) -> std::io::Result<()> {
    stream.write_all(format!("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n{name}\n").as_bytes())?;
    for _ in 0..DROPS {
        std::thread::sleep(Duration::from_millis(100));
        stream.write_all(b".")?;
    }
    stream.write_all(LAST_WORD.as_bytes())
}

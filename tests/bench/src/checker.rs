//! A daemon that checks servers, and what it did to its table: of keepalived by the stand-in for IPVS, of directord, whose
//! table is one in memory, by the line in its log that goes out with the change.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use lab::netns::{Daemon, Host, Program, tool};

use crate::STANDIN;
use crate::servers::{self, Manner};

/// Servers of one virtual service.
const PER_SERVICE: usize = 100;
const DAY: u64 = 86_400;

/// What the servers are checked by.
#[derive(Debug, Clone, Copy)]
pub struct Checks {
    /// How many servers.
    pub servers: usize,
    /// By `TCP_CHECK` or `HTTP_GET`.
    pub manner: Manner,
    /// `retry`.
    pub retry: u32,
}

/// `delay_loop` and, for each half of a check, `connect_timeout`.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// `delay_before_retry`.
pub const RETRY_DELAY: Duration = Duration::from_secs(1);

impl Checks {
    /// The configuration file, for either daemon.
    pub fn configuration(&self) -> String {
        let more = format!("   retry {}\n   delay_before_retry 1\n   connect_timeout 1\n", self.retry);
        let check = match self.manner {
            Manner::Tcp => format!("  TCP_CHECK {{\n{more}  }}\n"),
            Manner::Http => {
                format!("  HTTP_GET {{\n   url {{\n    path /\n    status_code 200\n   }}\n{more}  }}\n")
            }
        };
        let mut text = String::new();
        for service in 0..self.servers.div_ceil(PER_SERVICE) {
            let (high, low) = (service / 250, service % 250 + 1);
            let _ = writeln!(
                text,
                "virtual_server 10.9.{high}.{low} 80 {{\n delay_loop 1\n alpha\n lvs_sched wlc\n lvs_method DR\n \
                 protocol TCP"
            );
            for number in (service * PER_SERVICE..self.servers).take(PER_SERVICE) {
                let address = servers::address(number);
                let (ip, port) = (address.ip(), address.port());
                let _ = writeln!(text, " real_server {ip} {port} {{\n  weight 1\n{check} }}");
            }
            text.push_str("}\n");
        }
        text
    }

    /// The longest that a death may stay unnoticed: a period, and each attempt and pause after it.
    pub fn patience(&self, attempt: Duration) -> Duration {
        INTERVAL + attempt * (self.retry + 1) + RETRY_DELAY * self.retry
    }
}

/// A server was put into the table, or taken out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Its number.
    pub server: usize,
    /// When.
    pub at: SystemTime,
    /// Whether it is in.
    pub is_in: bool,
}

/// A daemon that checks servers.
pub struct Checker<'a> {
    /// The daemon.
    pub daemon: Daemon<'a>,
    program: Program,
    record: PathBuf,
}

impl<'a> Checker<'a> {
    /// Starts the program on a host.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(program: &Program, host: &'a Host, checks: &Checks) -> Checker<'a> {
        let record = match program {
            Program::Directord(_) => host.dir().join("daemon.log"),
            Program::Keepalived => host.dir().join("table"),
        };
        let _ = std::fs::remove_file(&record);
        let daemon = Daemon::start_with(program, host, &checks.configuration(), |command| {
            if *program == Program::Keepalived {
                *command = tool("keepalived");
                command
                    .args(["--dont-fork", "--no-syslog", "--check", "-f"])
                    .arg(host.dir().join("daemon.conf"));
                command.arg("-p").arg(host.dir().join("pid")).arg("-c").arg(host.dir().join("check.pid"));
                let _ = std::fs::remove_file(host.dir().join("check.pid"));
                command.env("LD_PRELOAD", std::env::var_os(STANDIN).unwrap_or_default());
                command.env("STANDIN_RECORD", &record);
            }
        });
        Checker { daemon, program: program.clone(), record }
    }

    /// All changes so far, in their order.
    pub fn changes(&self) -> Vec<Change> {
        let text = String::from_utf8_lossy(&std::fs::read(&self.record).unwrap_or_default()).into_owned();
        let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let read = |line: &str| match self.program {
            Program::Directord(_) => logged(line, today),
            Program::Keepalived => recorded(line),
        };
        text.lines().filter_map(read).collect()
    }

    /// The servers that are in the table, and when the last of them came.
    pub fn present(&self) -> (BTreeSet<usize>, Option<SystemTime>) {
        let (mut present, mut last) = (BTreeSet::new(), None);
        for change in self.changes() {
            match change.is_in {
                true => {
                    present.insert(change.server);
                    last = Some(change.at);
                }
                false => drop(present.remove(&change.server)),
            }
        }
        (present, last)
    }

    /// Waits until so many servers are in the table: how long that took from the start of the daemon. `None`: they are
    /// not all there after `limit`.
    pub fn wait_present(&self, servers: usize, limit: Duration) -> Option<Duration> {
        let end = SystemTime::now() + limit;
        while SystemTime::now() < end {
            std::thread::sleep(Duration::from_millis(200));
            let (present, last) = self.present();
            if present.len() == servers {
                return last?.duration_since(self.daemon.started()).ok();
            }
        }
        None
    }
}

/// A line of directord's log: `2026-01-31T12:00:00.000001Z  WARN real_server [127.1.0.1]:80 of …: DOWN: removed`.
fn logged(line: &str, now: u64) -> Option<Change> {
    let rest = line.split_once(" real_server ")?.1;
    let (server, words) = rest.split_once(" of virtual_server ")?;
    let is_in = match (words.contains(": UP: "), words.contains(": DOWN: ")) {
        (true, false) => true,
        (false, true) => false,
        _ => return None,
    };
    let mut clock = line.split_once('T')?.1.split_once('Z')?.0.split(':');
    let (hours, minutes) = (clock.next()?.parse::<u64>().ok()?, clock.next()?.parse::<u64>().ok()?);
    let seconds = clock.next()?.parse::<f64>().ok()?;
    let midnight = now / DAY * DAY;
    let of_day = hours * 3600 + minutes * 60;
    // Written before midnight, read after it.
    let day = if midnight + of_day > now + DAY / 2 { midnight - DAY } else { midnight };
    let since = Duration::from_secs(day + of_day) + Duration::from_secs_f64(seconds);
    let server = server.replace(['[', ']'], "");
    Some(Change { server: servers::number(server.parse().ok()?), at: SystemTime::UNIX_EPOCH + since, is_in })
}

/// A line of the stand-in's: `NANOSECONDS add-server SERVICE SERVER WEIGHT`.
fn recorded(line: &str) -> Option<Change> {
    let mut words = line.split(' ');
    let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(words.next()?.parse().ok()?);
    let command = words.next()?;
    let server = servers::number(words.nth(1)?.parse().ok()?);
    let weight = words.next()?.parse::<i32>().ok()?;
    let is_in = match command {
        "add-server" | "edit-server" => weight > 0,
        "delete-server" => false,
        _ => return None,
    };
    Some(Change { server, at, is_in })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_lines_are_read() {
        let at = |nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
        let line = "1700000000000000001 add-server 10.9.0.1:80 127.1.1.1:80 1";
        assert_eq!(
            recorded(line),
            Some(Change { server: 250, at: at(1_700_000_000_000_000_001), is_in: true })
        );
        // 2023-11-14T22:13:20Z.
        let line = "2023-11-14T22:13:20.500000Z  WARN real_server [127.1.0.3]:80 of virtual_server [10.9.0.1]:tcp:80: \
                    DOWN: removed";
        let down = Change { server: 2, at: at(1_700_000_000_500_000_000), is_in: false };
        assert_eq!(logged(line, 1_700_000_001), Some(down));
        assert_eq!(logged(line, 1_700_000_001 + 7_200), Some(down), "read after midnight");
        assert_eq!(logged("2023-11-14T22:13:20.5Z INFO serving", 1_700_000_001), None);
    }
}

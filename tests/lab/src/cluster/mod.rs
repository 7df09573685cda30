//! A whole cluster inside one guest: client, mail server, two directors and three real servers, each in a network
//! namespace of its own, with real IPVS underneath.

pub mod client;
pub mod daemon;
pub mod director;
pub mod mailbox;
pub mod namespace;
pub mod process;
pub mod server;
pub mod steady;
pub mod table;
pub mod topology;

use crate::error::{LabError, Result};
use crate::packages::Tools;
use client::{Load, Split, Transfer};
use daemon::Daemon;
use director::Director;
use mailbox::Mailbox;
use process::Process;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use topology::{SERVICES, Topology};

/// The directors' advertisement interval in seconds.
pub const ADVERT_INTERVAL: f64 = 0.1;
/// After this long without an advert a backup takes over: three intervals and its skew, for priority 100 (RFC 9568
/// section 6.1).
pub const TAKE_OVER: Duration = Duration::from_micros(300_000 + 100_000 * (256 - 100) / 256);

/// The cluster.
#[derive(Debug)]
pub struct Cluster {
    topology: Topology,
    /// director1, master while it can be, and director2.
    pub directors: [Director; 2],
    /// The web servers of rs1 to rs3; `None` after one was killed.
    servers: [Option<Process>; 3],
    /// The mail server.
    pub mailbox: Mailbox,
}

impl Cluster {
    /// Wires the machines, starts real servers and mail server. The directors' daemons are not started yet.
    ///
    /// # Errors
    /// Whatever could not be made or started.
    pub fn build(tools: &Tools, daemon: &Daemon) -> Result<Self> {
        let topology = Topology::build(tools)?;
        let director = |n: usize| {
            let machine = &topology.directors[n - 1];
            Director::new(n, machine, daemon, ADVERT_INTERVAL, tools)
        };
        let directors = [director(1)?, director(2)?];
        let mailbox = Mailbox::start(&topology.mail, tools)?;
        let mut cluster = Self { topology, directors, servers: [None, None, None], mailbox };
        for number in 1..=3 {
            cluster.start_server(number)?;
        }
        Ok(cluster)
    }

    /// Starts the web server of real server 1, 2 or 3.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_server(&mut self, number: usize) -> Result<()> {
        self.servers[number - 1] = Some(server::start(&self.topology.servers[number - 1])?);
        Ok(())
    }

    /// Kills the web server of real server 1, 2 or 3: its machine refuses connections from now on.
    pub fn kill_server(&mut self, number: usize) {
        if let Some(mut process) = self.servers[number - 1].take() {
            process.kill();
        }
    }

    /// Stops the web server of real server 1, 2 or 3 in its tracks: connections to it hang.
    pub fn freeze_server(&self, number: usize) {
        self.servers[number - 1].as_ref().inspect(|process| process.freeze());
    }

    /// Gives real server 1, 2 or 3 a VIP on `lo`, or takes it away.
    ///
    /// # Errors
    /// See [`Topology::hold`].
    pub fn server_vip(&self, number: usize, vip: Ipv4Addr, held: bool) -> Result<()> {
        self.topology.hold(&self.topology.servers[number - 1], vip, held)
    }

    /// A director's power cut; the instant of it.
    ///
    /// # Errors
    /// See [`Director::power_off`].
    pub fn power_off(&mut self, number: usize) -> Result<Instant> {
        self.directors[number - 1].power_off(&self.topology)
    }

    /// A director's power is back.
    ///
    /// # Errors
    /// See [`Director::power_on`].
    pub fn power_on(&mut self, number: usize) -> Result<()> {
        self.directors[number - 1].power_on(&self.topology)
    }

    /// Pulls a director's network cables while its daemon goes on.
    ///
    /// # Errors
    /// See [`Topology::unplug`].
    pub fn unplug(&self, number: usize) -> Result<()> {
        self.topology.unplug(&self.topology.directors[number - 1])
    }

    /// Plugs a director in again.
    ///
    /// # Errors
    /// See [`Topology::plug`].
    pub fn plug(&self, number: usize) -> Result<()> {
        self.topology.plug(&self.topology.directors[number - 1])
    }

    /// Sends requests from the client, a few at a time.
    ///
    /// # Errors
    /// See [`client::requests`].
    pub fn requests(&self, vip: Ipv4Addr, count: u32) -> Result<Split> {
        client::requests(&self.topology.client, vip, count)
    }

    /// Begins a transfer of some seconds from the client.
    ///
    /// # Errors
    /// See [`Transfer::start`].
    pub fn transfer(&self, vip: Ipv4Addr) -> Result<Transfer> {
        Transfer::start(&self.topology.client, vip)
    }

    /// Where requests come from.
    #[must_use]
    pub fn client(&self) -> &namespace::Namespace {
        &self.topology.client
    }

    /// Starts a steady load from the client.
    #[must_use]
    pub fn load(&self) -> Load {
        Load::start(&self.topology.client)
    }

    /// Whether real server 1, 2 or 3 is in service in all three modes on a director (or, with `false`, in none).
    ///
    /// # Errors
    /// When the director's table cannot be read.
    pub fn in_service(&self, director: usize, server: usize, everywhere: bool) -> Result<bool> {
        let table = self.directors[director - 1].table()?;
        let there = |s: &topology::Service| table.in_service(s.vip).any(|a| a == s.servers[server - 1]);
        Ok(SERVICES.iter().all(|s| there(s) == everywhere))
    }

    /// Waits until a condition holds and returns how long that took.
    ///
    /// # Errors
    /// The condition's own, a daemon that ended by itself, or after the limit `expected …`.
    pub fn wait(
        &mut self,
        limit: Duration,
        expected: &str,
        condition: impl Fn(&Self) -> Result<bool>,
    ) -> Result<Duration> {
        let began = Instant::now();
        while !condition(self)? {
            for director in &mut self.directors {
                director.check_running()?;
            }
            if began.elapsed() > limit {
                let limit = limit.as_secs_f64();
                return Err(LabError::Failed(format!(
                    "expected {expected} within {limit:.1} s; it did not happen"
                )));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(began.elapsed())
    }
}

//! The network of the cluster: who is where, and how they are wired.
//!
//! ```text
//!            client .10    mail .25
//!               │             │
//!   ────────────┴──┬───────┬──┴────┬───────┬───────┬──────  LAN   10.0.0.0/24  (eth0)
//!              director1 director2 rs1     rs2     rs3      VIPs  .100 NAT  .101 DR  .102 TUN
//!   ──────────────┴───────┴────────┴───────┴───────┴──────  back  10.0.1.0/24  (eth1)
//!                                                           gateway .254, on the master director
//! ```
//!
//! All three forwarding modes work side by side on the same real servers. NAT uses their addresses on the back
//! network, whose default route is a floating gateway that moves with the VIPs, so replies pass the director again.
//! DR and TUN use their LAN addresses; the VIPs are on `lo` and `tunl0` there, and ARP is told not to answer for them.

use super::namespace::Namespace;
use crate::error::{Attempt, LabError, Result};
use crate::packages::Tools;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::Stdio;

/// The virtual service of one forwarding mode, on port 80.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// The mode as the configuration spells it: NAT, DR, TUN.
    pub mode: &'static str,
    /// Its virtual address.
    pub vip: Ipv4Addr,
    /// Its real servers, rs1 to rs3.
    pub servers: [Ipv4Addr; 3],
}

/// The services, one per forwarding mode.
pub const SERVICES: [Service; 3] = [
    Service { mode: "NAT", vip: lan(100), servers: [back(21), back(22), back(23)] },
    Service { mode: "DR", vip: lan(101), servers: [lan(21), lan(22), lan(23)] },
    Service { mode: "TUN", vip: lan(102), servers: [lan(21), lan(22), lan(23)] },
];
/// The real servers' default route under NAT; moves with the VIPs.
pub const GATEWAY: Ipv4Addr = back(254);
/// The mail server.
pub const MAIL: Ipv4Addr = lan(25);

/// One machine.
struct Machine {
    name: &'static str,
    /// The last byte of its addresses.
    number: u8,
    has_back: bool,
}

const MACHINES: [Machine; 7] = [
    Machine { name: "client", number: 10, has_back: false },
    Machine { name: "mail", number: 25, has_back: false },
    Machine { name: "director1", number: 11, has_back: true },
    Machine { name: "director2", number: 12, has_back: true },
    Machine { name: "rs1", number: 21, has_back: true },
    Machine { name: "rs2", number: 22, has_back: true },
    Machine { name: "rs3", number: 23, has_back: true },
];

/// The machines, wired.
#[derive(Debug, Clone)]
pub struct Topology {
    /// Where requests come from.
    pub client: Namespace,
    /// Where mail goes to.
    pub mail: Namespace,
    /// The two directors.
    pub directors: [Namespace; 2],
    /// The real servers.
    pub servers: [Namespace; 3],
    tools: Tools,
}

impl Topology {
    /// Makes the machines and wires them.
    ///
    /// # Errors
    /// Whatever `ip` or the kernel refused.
    pub fn build(tools: &Tools) -> Result<Self> {
        let [client, mail, d1, d2, rs1, rs2, rs3] = MACHINES.map(|m| Namespace::create(m.name));
        let topology = Self {
            client: client?,
            mail: mail?,
            directors: [d1?, d2?],
            servers: [rs1?, rs2?, rs3?],
            tools: tools.clone(),
        };
        ip_batch(tools, None, &bridges_and_cables())?;
        for machine in &MACHINES {
            ip_batch(tools, Some(machine.name), &interfaces(machine))?;
        }
        for director in &topology.directors {
            director.set(&[("ipv4/ip_forward", "1"), ("ipv4/conf/all/send_redirects", "0")])?;
        }
        for server in &topology.servers {
            set_up_real_server(tools, server)?;
        }
        Ok(topology)
    }

    /// Pulls a machine's network cables, at the switches' end and at once.
    ///
    /// # Errors
    /// Whatever the kernel refused.
    pub fn unplug(&self, machine: &Namespace) -> Result<()> {
        set_ports(find(machine)?, "0x1002")
    }

    /// Plugs a machine in again.
    ///
    /// # Errors
    /// Whatever the kernel refused.
    pub fn plug(&self, machine: &Namespace) -> Result<()> {
        set_ports(find(machine)?, "0x1003")
    }

    /// Gives a machine an address on `lo`, or takes it away.
    ///
    /// # Errors
    /// Whatever `ip` refused.
    pub fn hold(&self, machine: &Namespace, address: Ipv4Addr, held: bool) -> Result<()> {
        let word = if held { "add" } else { "del" };
        ip_batch(&self.tools, Some(machine.name()), &format!("addr {word} {address}/32 dev lo\n"))
    }

    /// Sets a machine up as it is after a boot: with its own addresses only.
    ///
    /// # Errors
    /// Whatever `ip` refused.
    pub fn reset(&self, machine: &Namespace) -> Result<()> {
        let flush = "addr flush dev eth0\naddr flush dev eth1\n".to_owned();
        ip_batch(&self.tools, Some(machine.name()), &(flush + &interfaces(find(machine)?)))
    }
}

fn find(machine: &Namespace) -> Result<&'static Machine> {
    let unknown = || LabError::Failed(format!("there is no machine called {}", machine.name()));
    MACHINES.iter().find(|m| m.name == machine.name()).ok_or_else(unknown)
}

/// The ports a machine is wired to: (bridge, the machine's interface, the port's name on the bridge).
fn ports(m: &Machine) -> impl Iterator<Item = (&'static str, &'static str, String)> {
    let cables: &[_] = if m.has_back { &[("lan", "eth0"), ("back", "eth1")] } else { &[("lan", "eth0")] };
    let number = m.number;
    cables.iter().map(move |(bridge, interface)| (*bridge, *interface, format!("{bridge}-{number}")))
}

/// Sets the flags of a machine's ports: broadcast and multicast (0x1002), up or not (bit 0). By a file of the
/// kernel's, because starting `ip` takes longer than an outage that is to be measured.
fn set_ports(m: &Machine, flags: &str) -> Result<()> {
    ports(m).try_for_each(|(_, _, port)| {
        let file = format!("/sys/class/net/{port}/flags");
        fs::write(&file, flags).attempt(format!("writing {flags} to {file}"))
    })
}

const fn lan(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number)
}

const fn back(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 1, number)
}

fn bridges_and_cables() -> String {
    let mut batch = String::new();
    for bridge in ["lan", "back"] {
        let _ = writeln!(batch, "link add {bridge} type bridge mcast_snooping 0\nlink set {bridge} up");
    }
    for m in &MACHINES {
        for (bridge, interface, port) in ports(m) {
            let _ = writeln!(batch, "link add {port} type veth peer name {interface} netns {}", m.name);
            let _ = writeln!(batch, "link set {port} master {bridge} up");
        }
    }
    batch
}

fn interfaces(m: &Machine) -> String {
    let mut batch = format!("link set lo up\naddr add {}/24 dev eth0\nlink set eth0 up\n", lan(m.number));
    if m.has_back {
        let _ = writeln!(batch, "addr add {}/24 dev eth1\nlink set eth1 up", back(m.number));
    }
    batch
}

/// What the administrator of a real server does so that it can serve in all three modes.
fn set_up_real_server(tools: &Tools, server: &Namespace) -> Result<()> {
    let [_, dr, tun] = SERVICES;
    server.set(&[
        ("ipv4/conf/all/arp_ignore", "1"),
        ("ipv4/conf/all/arp_announce", "2"),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/tunl0/rp_filter", "0"),
    ])?;
    let batch = format!(
        "addr add {dr}/32 dev lo\n\
         addr add {tun}/32 dev tunl0\n\
         link set tunl0 up\n\
         rule add from 10.0.1.0/24 lookup 100\n\
         route add 10.0.1.0/24 dev eth1 table 100\n\
         route add default via {GATEWAY} dev eth1 table 100\n",
        dr = dr.vip,
        tun = tun.vip,
    );
    ip_batch(tools, Some(server.name()), &batch)
}

/// Many `ip` commands in one process: starting one is dear in a guest.
fn ip_batch(tools: &Tools, namespace: Option<&str>, batch: &str) -> Result<()> {
    let mut ip = tools.command("ip");
    if let Some(namespace) = namespace {
        ip.args(["-n", namespace]);
    }
    let ip = ip.args(["-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = ip.spawn().attempt("starting ip")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(batch.as_bytes()).attempt("talking to ip")?;
    }
    let output = child.wait_with_output().attempt("waiting for ip")?;
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::Program {
        program: format!("ip -batch in {}", namespace.unwrap_or("the guest")),
        status: output.status.to_string(),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

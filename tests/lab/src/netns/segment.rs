//! A segment: hosts, each a network namespace of its own, joined by veth pairs to a bridge in yet another one.
//!
//! Host number n is called by its name, has `eth0` with the address 10.0.0.n/24, and forgets everything when the
//! [`Net`] is dropped. The bridge's side of each cable is named after the host, so a capture there tells who sent.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns, unshare};

use super::tool;
use crate::sniff::{Reading, Sniffer};

/// Hosts on one bridge.
pub struct Net {
    switch: Host,
    hosts: Vec<Host>,
}

/// One host of a [`Net`]: a network namespace with `lo` and `eth0`.
pub struct Host {
    name: String,
    address: Ipv4Addr,
    ns: OwnedFd,
    dir: PathBuf,
}

/// One IPv4 address on an interface, as the kernel tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The interface.
    pub interface: String,
    /// The address itself.
    pub address: Ipv4Addr,
    /// Prefix length.
    pub prefix: u8,
    /// The label; the interface's name where none was given.
    pub label: String,
}

/// A running `ip monitor`.
pub struct Monitor {
    child: Child,
    path: PathBuf,
}

impl Monitor {
    /// What was seen until now; nothing is from here on.
    pub fn end(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.said()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap_or_default()
    }
}

impl Net {
    /// Builds a segment with these hosts, in order 10.0.0.1 and fe80::1, 10.0.0.2 and fe80::2, and so on. Names: at most 8 letters or digits.
    ///
    /// # Panics
    /// If the kernel refuses (outside of [`in_namespaces!`](crate::in_namespaces), say).
    pub fn new(names: &[&str]) -> Net {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let root = PathBuf::from(format!("/run/net{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let switch = Host::new("switch", Ipv4Addr::UNSPECIFIED, &root);
        // No snooping: with it a bridge without a querier may hold back multicast to silent members.
        switch.ip("link add name br0 up type bridge stp_state 0 forward_delay 0 mcast_snooping 0");
        let mut hosts = Vec::new();
        for (n, name) in (1..).zip(names) {
            let host = Host::new(name, Ipv4Addr::new(10, 0, 0, n), &root);
            let net = Net::cable(name);
            // The peer's end is made where `ip` runs: in the host; the other goes to the switch by descriptor.
            host.join(&switch, &net);
            switch.ip(&format!("link set dev {net} master br0 up"));
            host.ip(&format!("addr add {}/24 brd + dev eth0", host.address));
            // A link-local address that can be used at once: nobody asks for duplicates. Where the machine's default is
            // to have no IPv6, this segment has it all the same.
            host.enter(|| std::fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "0"))
                .expect("a namespace of our own has settings of its own");
            host.ip("link set dev eth0 addrgenmode none");
            host.ip("link set dev eth0 up");
            host.ip(&format!("addr add fe80::{n}/64 dev eth0 nodad"));
            hosts.push(host);
        }
        Net { switch, hosts }
    }

    /// The bridge's port for a host.
    fn cable(host: &str) -> String {
        format!("to-{host}")
    }

    /// The host of this name.
    ///
    /// # Panics
    /// If there is none.
    pub fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|h| h.name == name).unwrap_or_else(|| panic!("no host is called {name:?}"))
    }

    /// All hosts, in the order they were named.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Pulls the host's cable at the switch: the host sees no carrier.
    pub fn unplug(&self, host: &str) {
        self.switch.ip(&format!("link set dev {} down", Net::cable(host)));
    }

    /// Puts the cable back.
    pub fn plug(&self, host: &str) {
        self.switch.ip(&format!("link set dev {} up", Net::cable(host)));
    }

    /// Splits the segment into its hosts, each alone with its carrier on; or joins them again.
    pub fn isolate(&self, on: bool) {
        for host in &self.hosts {
            let on = if on { "on" } else { "off" };
            self.switch
                .ip(&format!("link set dev {} type bridge_slave isolated {on}", Net::cable(&host.name)));
        }
    }

    /// Cuts one direction: the host hears no multicast any more, and is heard; or hears it again.
    pub fn deafen(&self, host: &str, deaf: bool) {
        let flood = if deaf { "off" } else { "on" };
        let port = Net::cable(host);
        self.switch.ip(&format!("link set dev {port} type bridge_slave mcast_flood {flood}"));
    }

    /// Gives a host whose `eth0` was deleted a new one with the old address.
    pub fn replace_nic(&self, host: &str) {
        let h = self.host(host);
        let cable = Net::cable(host);
        h.join(&self.switch, &cable);
        self.switch.ip(&format!("link set dev {cable} master br0 up"));
        h.ip(&format!("addr add {}/24 brd + dev eth0", h.address));
        h.ip("link set dev eth0 up");
    }

    /// Makes a further segment of its own with the same hosts: their interface `ethN` with 10.N.0.1, 10.N.0.2 and so on.
    pub fn widen(&self, n: u8) {
        self.switch
            .ip(&format!("link add name br{n} up type bridge stp_state 0 forward_delay 0 mcast_snooping 0"));
        for (number, host) in (1..).zip(&self.hosts) {
            let cable = Net::further_cable(&host.name, n);
            host.connect(&self.switch, &format!("eth{n}"), &cable);
            self.switch.ip(&format!("link set dev {cable} master br{n} up"));
            host.ip(&format!("addr add 10.{n}.0.{number}/24 brd + dev eth{n}"));
            host.ip(&format!("link set dev eth{n} up"));
        }
    }

    fn further_cable(host: &str, n: u8) -> String {
        format!("to{n}-{host}")
    }

    /// Starts to capture all that the hosts send, each frame once, as it comes into the switch.
    pub fn sniff(&self) -> Sniffer {
        self.sniff_by(Reading::AtOnce)
    }

    /// The same, read a few milliseconds later: for measuring what sending costs.
    pub fn sniff_lightly(&self) -> Sniffer {
        self.sniff_by(Reading::Together)
    }

    fn sniff_by(&self, reading: Reading) -> Sniffer {
        let further =
            |h: &Host| (1..=u8::MAX).map(|n| (Net::further_cable(&h.name, n), h.name.clone())).collect();
        let further = self.hosts.iter().flat_map(|h| -> Vec<(String, String)> { further(h) });
        let ports = self.hosts.iter().map(|h| (Net::cable(&h.name), h.name.clone()));
        let ports: Vec<_> = ports.chain(further).collect();
        self.switch
            .enter(|| Sniffer::start(&ports, reading))
            .expect("root of a network namespace may capture")
    }
}

impl Host {
    /// A new network namespace with `lo` up.
    fn new(name: &str, address: Ipv4Addr, root: &Path) -> Host {
        let dir = root.join(name);
        std::fs::create_dir_all(&dir).expect("/run is ours");
        let ns = std::thread::scope(|s| {
            let made = s.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET)
                    .expect("root of a user namespace may make network namespaces");
                // IPv6 on each interface would only add noise to the captures.
                let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
                File::open("/proc/thread-self/ns/net").expect("every thread has a network namespace")
            });
            made.join().expect("the thread above does not panic")
        });
        let host = Host { name: name.to_owned(), address, ns: ns.into(), dir };
        host.ip("link set dev lo up");
        host
    }

    /// Makes `eth0` here, joined to a new interface `port` in the switch.
    fn join(&self, switch: &Host, port: &str) {
        self.connect(switch, "eth0", port);
    }

    fn connect(&self, switch: &Host, interface: &str, port: &str) {
        let switch_ns = switch.ns.try_clone().expect("descriptors are not that scarce");
        // `ip` opens what has a slash in it as a file: our own descriptor, handed down as its standard input.
        let mut ip = tool("ip");
        ip.args([
            "link",
            "add",
            "name",
            interface,
            "type",
            "veth",
            "peer",
            "name",
            port,
            "netns",
            "/proc/self/fd/0",
        ]);
        let output = self.enter(|| ip.stdin(switch_ns).output()).expect("ip runs");
        expect_success(&ip, &output);
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own address on `eth0`.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A folder of its own; gone with the namespaces.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs `work` on a thread that is in this host. Sockets opened and programs spawned there stay there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|s| {
            let thread = s.spawn(|| {
                setns(&self.ns, CloneFlags::CLONE_NEWNET).expect("the namespace is ours");
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a program on this host.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub fn spawn(&self, command: &mut Command) -> std::io::Result<Child> {
        self.enter(|| command.spawn())
    }

    /// Runs a program on this host to its end.
    ///
    /// # Errors
    /// As [`Command::output`].
    pub fn output(&self, command: &mut Command) -> std::io::Result<Output> {
        self.enter(|| command.stdin(Stdio::null()).output())
    }

    /// Runs `ip` with these words and returns what it printed.
    ///
    /// # Panics
    /// If `ip` fails, with its complaint.
    pub fn ip(&self, words: &str) -> String {
        let mut ip = tool("ip");
        ip.args(words.split_whitespace());
        let output = self.output(&mut ip).expect("ip runs");
        expect_success(&ip, &output);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts to write down what changes of its addresses.
    ///
    /// # Panics
    /// If `ip monitor` cannot be started.
    pub fn monitor(&self) -> Monitor {
        self.monitor_of(&["address"])
    }

    /// The same of any kinds of things that `ip monitor` knows; addresses must be among them.
    ///
    /// # Panics
    /// If `ip monitor` cannot be started.
    pub fn monitor_of(&self, kinds: &[&str]) -> Monitor {
        let path = self.dir.join("monitor");
        let out = File::create(&path).expect("/run is ours");
        let mut ip = tool("ip");
        ip.arg("monitor").args(kinds).stdin(Stdio::null()).stdout(out);
        let child = self.spawn(&mut ip).expect("ip runs");
        let monitor = Monitor { child, path };
        // It listens once it has told of a change.
        super::wait_until("the monitor to listen", std::time::Duration::from_secs(5), || {
            self.ip("address add 127.0.0.9/32 dev lo");
            self.ip("address del 127.0.0.9/32 dev lo");
            monitor.said().contains("127.0.0.9").then_some(())
        });
        monitor
    }

    /// The IPv4 addresses on its interfaces, loopback aside.
    pub fn addresses(&self) -> Vec<Address> {
        let text = self.ip("-j -4 addr show");
        let links: serde_json::Value = serde_json::from_str(&text).expect("ip prints JSON");
        let mut found = Vec::new();
        for link in links.as_array().into_iter().flatten() {
            for a in link["addr_info"].as_array().into_iter().flatten() {
                let interface = link["ifname"].as_str().unwrap_or_default().to_owned();
                let Some(Ok(address)) = a["local"].as_str().map(str::parse) else { continue };
                if interface == "lo" {
                    continue;
                }
                let prefix = a["prefixlen"].as_u64().and_then(|p| u8::try_from(p).ok()).unwrap_or_default();
                let label = a["label"].as_str().unwrap_or(&interface).to_owned();
                found.push(Address { interface, address, prefix, label });
            }
        }
        found
    }

    /// Whether one of its interfaces has the address.
    pub fn has(&self, address: impl Into<IpAddr>) -> bool {
        match address.into() {
            IpAddr::V4(address) => self.addresses().iter().any(|a| a.address == address),
            IpAddr::V6(address) => self.ip("-6 addr show").contains(&format!("inet6 {address}/")),
        }
    }

    /// Takes `eth0` administratively up or down.
    pub fn set_link(&self, up: bool) {
        self.ip(&format!("link set dev eth0 {}", if up { "up" } else { "down" }));
    }
}

/// Panics with the program's own complaint if it failed.
fn expect_success(command: &Command, output: &Output) {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {}", output.status, complaint.trim());
}

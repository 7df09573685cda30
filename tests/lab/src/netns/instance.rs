//! A `vrrp_instance` block for tests: the few settings they vary, its text, and the times the protocol gives it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// One `vrrp_instance`, called `VI_1`, on `eth0`, virtual router 51.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Protocol version, 2 or 3.
    pub version: u8,
    /// Time between adverts.
    pub interval: Duration,
    /// Priority, 1 to 254.
    pub priority: u8,
    /// Leave a master of lower priority alone.
    pub nopreempt: bool,
    /// Adverts by unicast: own address and the peer's. `None`: multicast.
    pub unicast: Option<(IpAddr, IpAddr)>,
    /// Version 2: the clear-text password. `None`: no authentication.
    pub password: Option<String>,
    /// Lines of `virtual_ipaddress`.
    pub addresses: Vec<String>,
    /// Further lines of the block.
    pub more: String,
}

impl Instance {
    /// A multicast instance that preempts, with [`Instance::VIP`] as its address.
    pub fn new(version: u8, interval: Duration, priority: u8) -> Instance {
        Instance {
            version,
            interval,
            priority,
            nopreempt: false,
            unicast: None,
            password: None,
            addresses: vec![format!("{}/24 dev eth0 label eth0:vip", Instance::VIP)],
            more: String::new(),
        }
    }

    /// The same over IPv6 (version 3), with [`Instance::VIP_V6`] as its address, and a link-local one before it, which
    /// RFC 9568 section 5.2.9 wants.
    #[must_use]
    pub fn v6(self) -> Instance {
        let addresses = vec!["fe80::64/64 dev eth0".into(), format!("{}/64 dev eth0", Instance::VIP_V6)];
        Instance { addresses, ..self }
    }

    /// The virtual address.
    pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

    /// The virtual address of an instance over IPv6.
    pub const VIP_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x64);

    /// The virtual address of this instance.
    pub fn vip(&self) -> IpAddr {
        let v6 = self.addresses.iter().any(|line| line.contains("::"));
        if v6 { Instance::VIP_V6.into() } else { Instance::VIP.into() }
    }

    /// The same with another priority.
    #[must_use]
    pub fn priority(&self, priority: u8) -> Instance {
        Instance { priority, ..self.clone() }
    }

    /// How long a backup waits at least after an advert of priority 0: version 2 in seconds (RFC 3768 section 6.1),
    /// version 3 in parts of the interval (RFC 9568 section 6.1).
    pub fn skew(&self) -> Duration {
        let unit = if self.version == 2 { Duration::from_secs(1) } else { self.interval };
        unit * (256 - u32::from(self.priority)) / 256
    }

    /// How long a backup waits at least after the last advert: three intervals and the skew.
    pub fn patience(&self) -> Duration {
        self.interval * 3 + self.skew()
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "vrrp_instance VI_1 {{")?;
        writeln!(f, "    state BACKUP\n    interface eth0\n    virtual_router_id 51")?;
        writeln!(f, "    version {}\n    priority {}", self.version, self.priority)?;
        writeln!(f, "    advert_int {}", self.interval.as_secs_f64())?;
        if self.nopreempt {
            writeln!(f, "    nopreempt")?;
        }
        if let Some((own, peer)) = self.unicast {
            writeln!(f, "    unicast_src_ip {own}\n    unicast_peer {{\n        {peer}\n    }}")?;
        }
        if let Some(password) = &self.password {
            writeln!(
                f,
                "    authentication {{\n        auth_type PASS\n        auth_pass {password}\n    }}"
            )?;
        }
        if !self.more.is_empty() {
            writeln!(f, "    {}", self.more)?;
        }
        writeln!(f, "    virtual_ipaddress {{")?;
        for line in &self.addresses {
            writeln!(f, "        {line}")?;
        }
        writeln!(f, "    }}\n}}")
    }
}

//! A machine's IPVS table as its kernel shows it in `/proc/net/ip_vs`.

use std::net::Ipv4Addr;

/// The table: its virtual services in the kernel's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// The virtual services.
    pub services: Vec<Virtual>,
}

/// One virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Virtual {
    /// Its virtual address.
    pub vip: Ipv4Addr,
    /// Its port.
    pub port: u16,
    /// The scheduler's name.
    pub scheduler: String,
    /// Its real servers.
    pub destinations: Vec<Destination>,
}

/// One real server of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its address.
    pub address: Ipv4Addr,
    /// How packets get there: `Masq`, `Route` or `Tunnel`.
    pub forward: String,
    /// Its weight; 0 gets no new connections.
    pub weight: u32,
}

impl Table {
    /// Reads the kernel's text. Lines it does not understand (IPv6, firewall marks) are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut table = Self::default();
        // Servers belong to the service above them, also where that is left out.
        let mut left_out = false;
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["TCP" | "UDP" | "SCTP", local, scheduler, ..] => {
                    let Some((vip, port)) = endpoint(local) else {
                        left_out = true;
                        continue;
                    };
                    left_out = false;
                    let scheduler = (*scheduler).to_owned();
                    table.services.push(Virtual { vip, port, scheduler, destinations: Vec::new() });
                }
                ["TCP" | "UDP" | "SCTP" | "FWM", ..] => left_out = true,
                ["->", remote, forward, weight, ..] if !left_out => {
                    let (Some((address, _)), Ok(weight)) = (endpoint(remote), weight.parse()) else {
                        continue;
                    };
                    let destination = Destination { address, forward: (*forward).to_owned(), weight };
                    if let Some(service) = table.services.last_mut() {
                        service.destinations.push(destination);
                    }
                }
                _ => {}
            }
        }
        table
    }

    /// The real servers of a virtual address that get new connections.
    pub fn in_service(&self, vip: Ipv4Addr) -> impl Iterator<Item = Ipv4Addr> {
        let services = self.services.iter().filter(move |s| s.vip == vip);
        services.flat_map(|s| &s.destinations).filter(|d| d.weight > 0).map(|d| d.address)
    }
}

/// `0A000064:0050` is 10.0.0.100 port 80.
fn endpoint(text: &str) -> Option<(Ipv4Addr, u16)> {
    let (address, port) = text.split_once(':')?;
    let address = u32::from_str_radix(address, 16).ok()?;
    Some((address.into(), u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_shows() {
        let table = Table::parse(
            "IP Virtual Server version 1.2.1 (size=4096)\n\
             Prot LocalAddress:Port Scheduler Flags\n  \
             -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n\
             TCP  0A000064:0050 rr  \n  \
             -> 0A000116:0050      Masq    0      0          0\n  \
             -> 0A000115:0050      Masq    1      2          7\n",
        );
        let [service] = table.services.as_slice() else { panic!("{table:?}") };
        assert_eq!((service.port, service.scheduler.as_str(), service.destinations.len()), (80, "rr", 2));
        let vip = Ipv4Addr::new(10, 0, 0, 100);
        assert_eq!(table.in_service(vip).collect::<Vec<_>>(), [Ipv4Addr::new(10, 0, 1, 21)]);
    }
}

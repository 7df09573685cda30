//! What is left of the packet filter after a stop. On a kernel that cannot copy packets to another interface (`nft_dup_ipv4`)
//! keepalived fails to take one of its tables away, and `--compat` does as it does; on others nothing is left.

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use lab::netns::{Daemon, Host, Instance, Net, Program, skip, wait_until};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use super::v3;

/// How long anything may take on a slow machine.
const SLACK: Duration = Duration::from_secs(20);

// <linux/netlink.h>, <linux/netfilter/nf_tables.h>
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const SUBSYSTEM: u16 = 10;
const GET_TABLE: u16 = 1;
const GET_ELEMENTS: u16 = 13;
const IP: u8 = 2;
const IP6: u8 = 10;

const SILENT: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7));

/// The kernel's first answer about a table, or a set in it.
fn answer(host: &Host, kind: u16, flags: u16, family: u8, names: &[&str]) -> Vec<u8> {
    let mut body = vec![family, 0, 0, 0];
    for (attribute, name) in (1_u16..).zip(names) {
        let length = u16::try_from(name.len() + 5).expect("a short name");
        body.extend([length.to_ne_bytes(), attribute.to_ne_bytes()].concat());
        body.extend(name.bytes());
        body.resize((body.len() + 1).next_multiple_of(4), 0);
    }
    let length = u32::try_from(body.len() + 16).expect("a short message");
    let header = [(SUBSYSTEM << 8 | kind).to_ne_bytes(), (NLM_F_REQUEST | flags).to_ne_bytes()].concat();
    let message = [&length.to_ne_bytes()[..], &header, &[0; 8], &body].concat();
    host.enter(|| {
        let mut socket = Socket::new(NETLINK_NETFILTER).expect("a kernel with nftables");
        socket.bind(&SocketAddr::new(0, 0)).expect("any port");
        socket.send(&message, 0).expect("it takes requests");
        socket.recv_from_full().expect("it answers").0
    })
}

/// Whether there is a table of keepalived's name, and whether it silences the address.
fn table(host: &Host, family: u8) -> (bool, bool) {
    let one = answer(host, GET_TABLE, 0, family, &["keepalived"]);
    let there = one[4..6] != NLMSG_ERROR.to_ne_bytes();
    let elements = answer(host, GET_ELEMENTS, NLM_F_DUMP, family, &["keepalived", "vips"]);
    let IpAddr::V6(silent) = SILENT else { return (there, false) };
    (there, elements.windows(16).any(|bytes| bytes == silent.octets()))
}

pub(super) fn the_packet_filter_is_left_as_keepalived_leaves_it() {
    let with = |instance: Instance, more: &str| Instance { more: more.to_owned(), ..instance };
    let excluded = format!("no_accept\nvirtual_ipaddress_excluded {{\n{SILENT}\n}}");
    let text = format!(
        "global_defs {{\ncompat\nnftables\n}}\n{}{}",
        with(v3(), "use_vmac\nno_accept"),
        with(v3().v6(), &excluded).to_string().replace("VI_1", "VI_6")
    );
    let directord = Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned());
    let mut ends = Vec::new();
    for program in [directord, Program::Keepalived] {
        let net = Net::new(&["one"]);
        let one = net.host("one");
        let mut daemon = Daemon::start(&program, one, &text);
        wait_until(&format!("both addresses by {program:?}"), SLACK, || {
            (one.has(Instance::VIP) && one.has(SILENT)).then_some(())
        });
        if daemon.log().contains("the kernel has no nftables") {
            skip("the kernel has no nftables");
            return;
        }
        wait_until("an address that does not answer", SLACK, || {
            (table(one, IP6) == (true, true)).then_some(())
        });
        assert!(daemon.stop().success());
        let left = (table(one, IP), table(one, IP6));
        ends.push(left);
        if program == Program::Keepalived {
            continue;
        }
        let log = daemon.log();
        let lacking = log.contains("cannot copy packets to another interface");
        assert_eq!(left, ((false, false), (lacking, false)), "{log}");
        assert_eq!(log.contains("nftables table ip6 keepalived is left"), lacking, "{log}");
        // Whoever comes next takes it for what it is.
        let mut next = Daemon::start(&program, one, &v3().to_string());
        wait_until("the address", SLACK, || one.has(Instance::VIP).then_some(()));
        assert_eq!(next.stop().code(), Some(0));
        assert!(!table(one, IP6).0, "{}", next.log());
    }
    assert_eq!(ends[0], ends[1], "our end and keepalived's");
}

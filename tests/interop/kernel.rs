//! The same text for keepalived and for directord: the kernel must hold the same addresses, routes and rules, to the
//! last attribute, marks included.

use std::path::Path;
use std::time::Duration;

use lab::netns::{Daemon, Host, Net, Program, wait_until};

const TEXT: &str = "
global_defs {
    compat
    default_interface eth0
}
static_ipaddress {
    10.9.0.1/24 dev eth0 brd +
    10.9.0.2/32 dev eth0 scope link
    10.9.1.1 peer 10.9.1.2 dev eth0
    2001:db8:9::1/64 dev eth0
    2001:db8:9::2/128 dev eth0
}
static_routes {
    10.20.0.0/16 dev eth0 scope link
    10.21.0.0/16 via 10.9.0.9 dev eth0 metric 10 mtu lock 1400 advmss 1000
    2001:db8:20::/48 via 2001:db8:9::9 dev eth0
    blackhole 10.66.0.0/16
    unreachable 2001:db8:66::/48
}
static_rules {
    from 10.20.0.0/16 table 100 preference 5
    from 10.21.0.0/16 to 10.20.0.0/16 table 101
    to 10.22.0.0/16 lookup 103
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    version 3
    advert_int 0.1
    priority 200
    virtual_ipaddress {
        10.0.0.100/24 dev eth0 label eth0:vip
        10.0.0.101 brd 10.0.0.255
        10.0.0.102/24 brd - scope link noprefixroute
        10.0.0.103/24 brd + preferred_lft 1000
        10.0.0.104/32 preferred_lft 0
        10.0.0.105/31 brd +
    }
    virtual_ipaddress_excluded {
        10.0.1.1 peer 10.0.1.2
        2001:db8::1/64
        2001:db8::2/128
        2001:db8::3/64 -nodad
        2001:db8::4/128 preferred_lft forever
        2001:db8::5/64 home preferred_lft 500
        2001:db8::6/64 mngtmpaddr noprefixroute
    }
    virtual_routes {
        default via 10.0.0.254 dev eth0 metric 7
        10.30.0.0/16 via 10.0.0.254 dev eth0 src 10.0.0.100 table 100
        10.31.0.0/16 nexthop via 10.0.0.253 dev eth0 weight 3 nexthop via 10.0.0.254 dev eth0 onlink
        10.32.0.0/16 dev eth0 initcwnd 20 initrwnd 30 quickack 1 hoplimit 20 features ecn rto_min 300ms congctl reno
        10.33.0.0/16 via 10.0.0.254 dev eth0 tos 0x10 realms 3/4
        2001:db8:30::/48 via 2001:db8::fe dev eth0 pref high
        2001:db8:31::/48 dev eth0 metric 50
        prohibit 10.34.0.0/16
        throw 10.35.0.0/16
        10.38.0.0/16 via 10.0.0.254
    }
    virtual_rules {
        from 10.30.0.0/16 table 100 preference 300
        not to 10.31.0.0/16 iif eth0 lookup 100 preference 301
        fwmark 0x10 table 102 preference 302 suppress_prefixlength 0
        ipproto tcp dport 80-90 table 102 preference 303
        uidrange 10-20 table 102 preference 304
        from 10.1.0.0/16 blackhole preference 305
        from 10.2.0.0/16 goto 400 preference 306
        from 10.3.0.0/16 tos 0x10 realms 3/4 table 102 preference 307
        from 2001:db8::/32 table 100 preference 308
        from 10.4.0.0/16 nop preference 309
        from 10.5.0.0/16 table 102
    }
}
";

/// What the kernel holds, without what goes by while one looks.
fn held(host: &Host) -> Vec<String> {
    let mut lines = Vec::new();
    for words in [
        "-d address show dev eth0",
        "-d route show table all",
        "-d -6 route show table all",
        "-d rule show",
        "-d -6 rule show",
    ] {
        let text = host.ip(words);
        // Lifetimes run, link-layer addresses are by chance, and the kernel numbers its copies of multicast routes.
        let fixed = text.lines().map(|line| line.trim().replace(" proto 0x70", ""));
        lines.extend(fixed.filter(|line| !line.contains("valid_lft") && !line.starts_with("link/")));
    }
    lines.retain(|line| {
        !line.contains("minmtu") && !line.contains("mtu 1500 qdisc") && !line.contains("veth")
    });
    lines.sort();
    lines
}

/// Addresses, and what bears a daemon's mark.
fn marked(lines: &[String]) -> Vec<&String> {
    lines.iter().filter(|line| line.starts_with("inet") || line.contains("proto keepalived")).collect()
}

pub(super) fn the_kernel_holds_the_same() {
    let net = Net::new(&["one", "two"]);
    let directord = Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned());
    let mut ends = Vec::new();
    for (program, host) in [(Program::Keepalived, net.host("one")), (directord, net.host("two"))] {
        // Both hosts have the same addresses, each alone.
        host.ip("address flush dev eth0");
        host.ip("address add 10.0.0.1/24 brd + dev eth0");
        host.ip("address add fe80::1/64 dev eth0 nodad");
        net.isolate(true);
        let before = held(host);
        let mut daemon = Daemon::start(&program, host, TEXT);
        wait_until("the last rule", Duration::from_secs(5), || {
            host.ip("rule show").contains("16382:").then_some(())
        });
        let during = wait_until("what changes no more", Duration::from_secs(5), || {
            let now = held(host);
            std::thread::sleep(Duration::from_millis(300));
            (now == held(host)).then_some(now)
        });
        daemon.stop();
        let after = held(host);
        let left: Vec<&String> =
            marked(&after).into_iter().filter(|line| !marked(&before).contains(line)).collect();
        // keepalived leaves IPv4 addresses with a peer behind: so do we of static ones. The virtual one must not stay.
        let (is_static, is_virtual): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|line| line.starts_with("inet 10.9.1.1 peer 10.9.1.2/32 "));
        assert_eq!(is_static.len(), 1, "{program:?} left {after:#?}");
        assert_eq!(is_virtual.len(), usize::from(program == Program::Keepalived), "left {is_virtual:?}");
        assert!(
            is_virtual.iter().all(|line| line.starts_with("inet 10.0.1.1 peer 10.0.1.2/32 ")),
            "{is_virtual:?}"
        );
        assert_eq!(marked(&after).len(), marked(&before).len() + is_static.len() + is_virtual.len());
        ends.push(during);
    }
    let missing: Vec<_> = ends[0].iter().filter(|line| !ends[1].contains(line)).collect();
    let more: Vec<_> = ends[1].iter().filter(|line| !ends[0].contains(line)).collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "only keepalived:\n{missing:#?}\nonly directord:\n{more:#?}"
    );
}

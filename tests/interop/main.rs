//! directord beside keepalived (Debian's 2.2.7), in both roles, on a segment of network namespaces.
//!
//! The assertions are about the wire: who sent what in which order, never sooner than the protocol allows, and not
//! absurdly late. `DIRECTORD_TEST_PROGRAM=keepalived` puts keepalived on our side too: a case that then fails as well
//! is a mistake in the case.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Instance, Net, Program};

mod bfd;
mod cut;
mod frames;
mod frr;
mod guest;
mod handshakes;
mod kernel;
mod left;
mod matrix;
mod pair;
mod programs;
mod relief;
mod stall;
mod texts;
mod tracked;
mod verdict;
mod vrrpd;

const WE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const WE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
const PEER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2));

/// Version 3, five adverts a second.
fn v3() -> Instance {
    Instance::new(3, Duration::from_millis(200), 100)
}

/// Version 2, whose intervals are whole seconds.
fn v2() -> Instance {
    Instance::new(2, Duration::from_secs(1), 100)
}

/// The same by unicast, seen from our side.
fn unicast(instance: Instance) -> Instance {
    Instance { unicast: Some((WE, PEER)), ..instance }
}

/// The same with a password.
fn password(instance: Instance) -> Instance {
    Instance { password: Some("opensesm".into()), ..instance }
}

/// The same with an authentication header before each advert.
fn header(instance: Instance) -> Instance {
    Instance { more: "authentication {\nauth_type AH\nauth_pass opensesm\n}".into(), ..instance }
}

/// The same in another group.
fn other_group(instance: Instance) -> Instance {
    Instance { more: "mcast_dst_ip 224.0.0.77".into(), ..instance }
}

/// The same by unicast, with the checksum of very old versions.
fn old_checksum(instance: Instance) -> Instance {
    Instance { more: "old_unicast_checksum".into(), ..unicast(instance) }
}

/// Runs one case on several instances at once: with whole seconds between adverts each is mostly waiting.
fn each(case: fn(&Instance), instances: &[Instance]) {
    std::thread::scope(|s| {
        for instance in instances {
            let cast = if instance.unicast.is_some() { "unicast" } else { "multicast" };
            let with = instance.password.as_ref().map_or(String::new(), |_| ", password".into());
            let more = instance.more.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
            let family = if instance.vip().is_ipv6() { "IPv6" } else { "IPv4" };
            let name = format!("version {}, {family}, {cast}{with} {more}", instance.version);
            let case = move || case(instance);
            std::thread::Builder::new()
                .name(name)
                .spawn_scoped(s, case)
                .expect("threads are not that scarce");
        }
    });
}

#[test]
fn the_kernel_holds_the_same_addresses_routes_and_rules() {
    in_namespaces!();
    kernel::the_kernel_holds_the_same();
}

#[test]
fn the_packet_filter_is_left_as_keepalived_leaves_it() {
    in_namespaces!();
    left::the_packet_filter_is_left_as_keepalived_leaves_it();
}

#[test]
fn other_groups_and_checksums() {
    in_namespaces!();
    each(pair::as_backup, &[other_group(v3()), old_checksum(v3())]);
    each(pair::as_master, &[other_group(v3()), old_checksum(v3())]);
}

#[test]
fn a_peer_with_the_old_checksum_is_answered_in_kind() {
    in_namespaces!();
    pair::old_checksum_found_out(&unicast(v3()));
}

#[test]
fn a_wrong_header_is_no_master() {
    in_namespaces!();
    pair::wrong_header(&header(v2()));
}

#[test]
fn a_wrong_password_is_no_master() {
    in_namespaces!();
    pair::wrong_password(&password(v2()));
}

#[test]
fn a_sync_group_follows_the_interface_that_one_member_tracks() {
    in_namespaces!();
    tracked::interface();
}

#[test]
fn a_sync_group_follows_a_file_a_script_and_an_operator() {
    in_namespaces!();
    tracked::file_script_and_operator();
}

#[test]
fn a_sync_group_follows_a_process() {
    in_namespaces!();
    tracked::process();
}

#[test]
fn programs_are_told_what_keepalived_tells_them() {
    in_namespaces!();
    let ours = Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned());
    let (ours, mut theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| programs::life(&Program::Keepalived));
        (programs::life(&ours), theirs.join().expect("it lived"))
    });
    for (_, lines) in theirs.iter_mut().filter(|(diary, _)| diary == "pipe") {
        if lines.last().is_some_and(|line| line != programs::UNREAD) {
            lines.push(programs::UNREAD.to_owned());
        }
    }
    assert_eq!(ours, theirs);
}

#[test]
fn keepalived_judges_each_keyword_as_compatible_reading_does() {
    in_namespaces!();
    let net = Net::new(&["host"]);
    let texts = texts::all();
    let differences = verdict::differences(net.host("host"), &texts);
    println!("{} texts, {} differences", texts.len(), differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

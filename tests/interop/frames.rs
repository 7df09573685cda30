//! What keepalived puts on the wire, frame by frame, as our own codecs read and build it.
//!
//! With `INTEROP_FRAMES=FILE` the frames are written down as well: that is how `vrrp/tests/frames.txt`, which the desk
//! holds against the codecs, was made.

use std::fmt::Write;
use std::io::Read;
use std::net::IpAddr;
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Daemon, Instance, Net, Program, wait_until};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::{PEER, PEER_V6, WE, WE_V6};

/// How long a frame may be awaited.
const SLACK: Duration = Duration::from_secs(15);
/// All protocols, in network byte order (`ETH_P_ALL` of <linux/if_ether.h>).
const ALL: i32 = 0x0300;

/// What is captured of one life of keepalived: its name, and its configuration.
fn lives() -> Vec<(&'static str, Instance)> {
    let v2 = || Instance::new(2, Duration::from_secs(1), 150);
    let v3 = || Instance::new(3, Duration::from_millis(250), 150);
    let list = |count: u8, more: Instance| {
        let addresses = (1..=count).map(|n| format!("192.0.2.{n}/32 dev eth0")).collect();
        Instance { addresses, ..more }
    };
    let list_v6 = |count: u8| {
        let addresses = (1..=count).map(|n| format!("2001:db8:1::{n:x}/128 dev eth0"));
        let first = ["fe80::64/64 dev eth0".to_owned()];
        Instance { addresses: first.into_iter().chain(addresses).collect(), ..v3() }
    };
    let to = |own: IpAddr, peer: IpAddr, plain: Instance| Instance { unicast: Some((own, peer)), ..plain };
    vec![
        ("v2", v2()),
        ("v2-password", super::password(v2())),
        ("v2-header", super::header(v2())),
        ("v2-unicast", to(PEER, WE, v2())),
        ("v2-unicast-header", super::header(to(PEER, WE, v2()))),
        ("v2-long", list(40, v2())),
        ("v3", v3()),
        ("v3-unicast", to(PEER, WE, v3())),
        ("v3-old-checksum", Instance { more: "old_unicast_checksum".into(), ..to(PEER, WE, v3()) }),
        ("v3-long", list(90, v3())),
        ("v3-ipv6", v3().v6()),
        ("v3-ipv6-unicast", to(PEER_V6, WE_V6, v3().v6())),
        ("v3-ipv6-long", list_v6(30)),
    ]
}

/// What kind a frame is, if we keep it: an advert, a farewell, or an announcement.
fn kind(frame: &[u8]) -> Option<&'static str> {
    let advert = |vrrp: &[u8]| Some(if *vrrp.get(2)? == 0 { "farewell" } else { "advert" });
    match (frame.get(12..14)?, frame.get(14..)?) {
        ([0x08, 0x00], ip) => match *ip.get(9)? {
            112 => advert(ip.get(20..)?),
            51 => advert(ip.get(44..)?),
            _ => None,
        },
        ([0x86, 0xdd], ip) => match (*ip.get(6)?, *ip.get(40)?) {
            (112, _) => advert(ip.get(40..)?),
            // Not the kernel's answer to a question.
            (58, 136) => (ip.get(44)? & 0x40 == 0).then_some("announcement"),
            _ => None,
        },
        ([0x08, 0x06], arp) => (arp.get(14..18)? == arp.get(24..28)?).then_some("announcement"),
        _ => None,
    }
}

/// One life of keepalived, seen from the other host: the first frame of each kind.
fn live(name: &str, instance: &Instance) -> Vec<(String, Vec<u8>)> {
    let net = Net::new(&["we", "peer"]);
    let socket = net.host("we").enter(|| {
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(ALL))).expect("root may");
        socket.set_nonblocking(true).expect("any socket can");
        // A thousand announcements come at once.
        setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20)).expect("root may");
        socket
    });
    let mut seen: Vec<(String, Vec<u8>)> = Vec::new();
    let mut await_kind = |wanted: &'static str| {
        wait_until(&format!("{name}: {wanted}"), SLACK, || {
            let mut buffer = [0; 4096];
            while let Ok(length) = (&socket).read(&mut buffer) {
                let frame = &buffer[..length];
                let Some(found) = kind(frame) else { continue };
                let name = format!("{name}.{found}");
                if !seen.iter().any(|(other, _)| *other == name) {
                    seen.push((name, frame.to_vec()));
                }
            }
            seen.iter().any(|(other, _)| other.ends_with(wanted)).then_some(())
        });
    };
    // It need not write a line for each announcement.
    let mut keepalived =
        Daemon::start_with(&Program::Keepalived, net.host("peer"), &instance.to_string(), |_| {});
    await_kind(".advert");
    await_kind(".announcement");
    keepalived.stop();
    await_kind(".farewell");
    seen
}

#[test]
fn frames_of_keepalived_are_what_our_codecs_make_of_them() {
    in_namespaces!();
    let lives = lives();
    let frames: Vec<(String, Vec<u8>)> = std::thread::scope(|scope| {
        let started: Vec<_> =
            lives.iter().map(|(name, instance)| scope.spawn(move || live(name, instance))).collect();
        started.into_iter().flat_map(|life| life.join().expect("it lived")).collect()
    });
    assert_eq!(frames.len(), lives.len() * 3);
    if let Some(path) = std::env::var_os("INTEROP_FRAMES") {
        let mut text = String::new();
        for (name, frame) in &frames {
            let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name} {hex}");
        }
        std::fs::write(path, text).expect("a file that can be written");
    }
    for (name, frame) in &frames {
        vrrp_frames::same_both_ways(name, frame);
    }
}

/// The desk's comparison, which is about bytes only.
#[path = "../../vrrp/tests/frames/compare.rs"]
mod vrrp_frames;

//! directord beside keepalived (Debian's 2.2.7), in both roles, on a segment of network namespaces.
//!
//! The assertions are about the wire: who sent what in which order, never sooner than the protocol allows, and not
//! absurdly late. `DIRECTORD_TEST_PROGRAM=keepalived` puts keepalived on our side of the matrix too: a case that then
//! fails as well is a mistake in the case.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use lab::in_namespaces;
use lab::netns::{Net, Program};

mod matrix;
mod password;
mod programs;
mod relief;
mod texts;
mod verdict;

const WE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const WE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
const PEER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2));

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

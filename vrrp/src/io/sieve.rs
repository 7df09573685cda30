//! What the kernel need not wake us for.
//!
//! Every change of an address or a route is told to each socket that listens for such changes, while whoever made the
//! change waits: two listeners that hear of two hundred additions double the time that these take. So a small packet
//! filter on the socket (`SO_ATTACH_FILTER` of socket(7)) drops what says nothing new to us, our own changes above
//! all, before it is queued and before anybody wakes. Without the filter everything still works, only slower.

use std::io;
use std::os::fd::AsFd;

use socket2::{SockFilter, SockRef};

// Where the fields lie in `struct nlmsghdr` (netlink(7)), and behind it in `struct rtmsg` (rtnetlink(7)).
const TYPE: u32 = 4;
const PORT: u32 = 12;
const ROUTE_MARK: u32 = 16 + 5;

const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;

// Instructions of <linux/bpf_common.h>: load what lies at a place into the accumulator, compare it, return.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

const ALL_OF_IT: u32 = u32::MAX;
const NOTHING: u32 = 0;

/// What is dropped.
#[derive(Debug, Default)]
pub(super) struct Sieve<'a> {
    /// What the owners of these netlink ports have asked for.
    pub(super) ports: &'a [u32],
    /// Routes: all that is said of them, but that one with such a mark (`rtm_protocol`) was taken away.
    pub(super) routes_but: Option<&'a [u8]>,
}

impl Sieve<'_> {
    /// Puts it on a socket, in place of an older one.
    pub(super) fn attach(&self, socket: &impl AsFd) -> io::Result<()> {
        SockRef::from(socket).attach_filter(&self.program())
    }

    fn program(&self) -> Vec<SockFilter> {
        let step = |code, value| SockFilter::new(code, 0, 0, value);
        // Each question is followed by the answer to a yes; a no passes over it.
        let if_equal = |value, answer| [SockFilter::new(IF_EQUAL, 0, 1, value), step(RETURN, answer)];
        let mut program = vec![step(LOAD_WORD, PORT)];
        program.extend(self.ports.iter().flat_map(|port| if_equal(loaded(port.to_ne_bytes()), NOTHING)));
        if let Some(marks) = self.routes_but {
            program.push(step(LOAD_HALF, TYPE));
            program.extend(if_equal(loaded_half(RTM_NEWROUTE), NOTHING));
            let marked: Vec<SockFilter> =
                marks.iter().flat_map(|mark| if_equal(u32::from(*mark), ALL_OF_IT)).collect();
            // Over the look at the mark: the load, the comparisons, the last word.
            let over = u8::try_from(marked.len() + 2).unwrap_or(u8::MAX);
            program.push(SockFilter::new(IF_EQUAL, 0, over, loaded_half(RTM_DELROUTE)));
            program.push(step(LOAD_BYTE, ROUTE_MARK));
            program.extend(marked);
            program.push(step(RETURN, NOTHING));
        }
        program.push(step(RETURN, ALL_OF_IT));
        program
    }
}

/// A value as a filter loads it: network byte order is taken for granted, which netlink does not have.
fn loaded(value: [u8; 4]) -> u32 {
    u32::from_be_bytes(value)
}

fn loaded_half(value: u16) -> u32 {
    u32::from(u16::from_be_bytes(value.to_ne_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    const NEW_ADDRESS: u16 = 20;

    /// A message of the kernel: a header, and what begins like `struct rtmsg`.
    fn message(kind: u16, port: u32, mark: u8) -> Vec<u8> {
        let mut bytes = vec![0; 28];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[12..16].copy_from_slice(&port.to_ne_bytes());
        bytes[21] = mark;
        bytes
    }

    /// Of these messages those that pass. Any socket for datagrams has filters.
    fn passing(sieve: &Sieve, messages: &[(u16, u32, u8)]) -> Vec<(u16, u32, u8)> {
        let (there, here) = UnixDatagram::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        sieve.attach(&here).unwrap();
        let mut passed = Vec::new();
        for (kind, port, mark) in messages {
            let bytes = message(*kind, *port, *mark);
            there.send(&bytes).unwrap();
            let mut heard = [0; 64];
            if let Ok(length) = here.recv(&mut heard) {
                assert_eq!(heard[..length], bytes, "a message is whole or not there");
                passed.push((*kind, *port, *mark));
            }
        }
        passed
    }

    #[test]
    fn what_we_did_ourselves_is_not_heard() {
        let sieve = Sieve { ports: &[4711, 0x8000_0001], routes_but: None };
        let all = [
            (NEW_ADDRESS, 4711, 0),
            (NEW_ADDRESS, 0x8000_0001, 0),
            (NEW_ADDRESS, 4712, 0),
            (NEW_ADDRESS, 0, 0),
            (RTM_NEWROUTE, 0, 2),
        ];
        assert_eq!(passing(&sieve, &all), all[2..]);
        assert_eq!(passing(&Sieve::default(), &all), all);
    }

    #[test]
    fn of_routes_only_the_end_of_marked_ones_is_heard() {
        let sieve = Sieve { ports: &[4711], routes_but: Some(&[112, 18]) };
        let heard = [(RTM_DELROUTE, 0, 112), (RTM_DELROUTE, 9, 18), (NEW_ADDRESS, 9, 2), (17, 0, 0)];
        let not_heard =
            [(RTM_NEWROUTE, 0, 112), (RTM_DELROUTE, 0, 2), (RTM_DELROUTE, 4711, 112), (NEW_ADDRESS, 4711, 0)];
        let all: Vec<_> = heard.into_iter().chain(not_heard).collect();
        assert_eq!(passing(&sieve, &all), heard);
        assert_eq!(passing(&Sieve { routes_but: Some(&[]), ..sieve }, &all), heard[2..]);
    }
}

//! BFD packets by chance: the decoder and a session take whatever arrives, and keep their promises.
//!
//! Packets that hold are changed at random and heard by a session in virtual time. It goes on for `FUZZ_SECONDS` (one
//! second if nothing is said), from the seed `FUZZ_SEED`; what fails is told with both.

use std::num::{NonZeroU8, NonZeroU32};
use std::time::{Duration, Instant};

use vrrp::bfd::{Output, Packet, Session, Settings, State};

/// Numbers by chance (xorshift64*): the same seed gives the same ones.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or(0)
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number of seconds, or a seed"))
}

/// Bytes that a neighbour could send, and then some.
fn datagram(chance: &mut Chance, last: &[u8], ours: NonZeroU32) -> Vec<u8> {
    let mut bytes = last.to_vec();
    for _ in 0..chance.below(3) {
        let at = usize::try_from(chance.below(bytes.len() as u64)).unwrap_or(0);
        let byte = chance.byte();
        match (chance.below(12), bytes.get_mut(at)) {
            (0, _) => bytes.truncate(at),
            (1, _) => bytes.extend(std::iter::repeat_n(byte, 30)),
            (_, Some(place)) => *place = byte,
            (_, None) => {}
        }
    }
    // Most of them should get through the door.
    if chance.below(4) > 0 {
        bytes.resize(24.max(bytes.len()), 0);
        bytes[0] = 0x20 | bytes[0] & 0x1f;
        bytes[1] &= !0x05;
        bytes[2] = bytes[2].max(1);
        bytes[3] = 24;
        if chance.below(2) == 0 {
            bytes[8..12].copy_from_slice(&ours.get().to_be_bytes());
        }
    }
    bytes
}

#[test]
fn any_datagram_is_read_or_refused_and_a_session_survives_it() {
    let seed = number("FUZZ_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let end = Instant::now() + Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(1));
    let mut chance = Chance(seed.wrapping_mul(2).wrapping_add(1));
    let ours = NonZeroU32::new(0x0102_0304).expect("it is not zero");
    let settings = Settings {
        min_tx: Duration::from_millis(10),
        min_rx: Duration::from_millis(10),
        idle_tx: Duration::from_secs(1),
        multiplier: NonZeroU8::new(3).expect("it is not zero"),
        passive: false,
    };
    let first = [0x20, 0x40, 3, 24, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10, 0, 0, 0, 0];
    let (mut count, mut read, mut ups) = (0_u64, 0_u64, 0);
    while Instant::now() < end {
        let mut now = Instant::now();
        let mut session = Session::new(ours, settings.clone(), chance.below(u64::MAX), now);
        let mut last = first.to_vec();
        for _ in 0..200 {
            count += 1;
            let bytes = datagram(&mut chance, &last, ours);
            now += Duration::from_micros(chance.below(40_000));
            if session.poll_timeout().is_some_and(|(at, _)| at <= now) {
                session.handle_timeout(now);
            }
            match Packet::parse(&bytes) {
                Ok(packet) => {
                    read += 1;
                    assert_eq!(
                        packet.emit()[4..],
                        bytes[4..24],
                        "seed {seed}: another packet than {bytes:02x?}"
                    );
                    session.handle_packet(&packet, now);
                    last = bytes;
                }
                Err(error) => assert!(!error.to_string().is_empty() && !error.kind().is_empty()),
            }
            let mut sent = 0;
            while let Some(output) = session.poll_output() {
                if let Output::Send(packet) = output {
                    sent += 1;
                    assert_eq!(
                        Packet::parse(&packet.emit()),
                        Ok(packet),
                        "seed {seed}: we send what we refuse"
                    );
                }
            }
            assert!(sent <= 4, "seed {seed}: {sent} packets at once");
            let due = session.poll_timeout().map(|(at, _)| at);
            assert!(due.is_none_or(|at| at > now), "seed {seed}: due at once, for ever");
            assert!(session.state() != State::AdminDown);
        }
        ups += session.counters().ups;
    }
    assert!(
        read > count / 10 && ups > 0,
        "seed {seed}: too few got through to mean anything: {read} of {count}"
    );
    println!("{count} datagrams from seed {seed}, {read} of them packets; sessions came up {ups} times");
}

//! Bytes by chance: whatever arrives, each decoder answers soon and without a panic, and what a builder makes is what
//! it should be.
//!
//! Each target changes examples at random, and puts right what would otherwise stop it at the door (lengths, checksums).
//! It goes on for `FUZZ_SECONDS` (one second if nothing is said), from the seed `FUZZ_SEED`; what fails is told with both.

#![cfg(feature = "io")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use vrrp::io::{gratuitous_arp_frame, unsolicited_advertisement_frame};
use vrrp::{
    Advert, Auth, ChecksumForm, Envelope, Guard, HmacSettings, Mode, Proof, Protection, Reception, Replay,
    Seal, Secret, Version, datagram_v4, header_datagram_v4, split_header_v4, split_v4,
};

/// Numbers by chance (xorshift64*): the same seed gives the same ones.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap_or(0) % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        let odd = [0, 1, 2, 3, 0x21, 0x31, 0x45, 51, 112, 127, 128, 254, 255];
        if self.below(3) == 0 { odd[self.below(odd.len())] } else { self.next().to_le_bytes()[0] }
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// Changes a few bytes, cuts off or appends.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(8) {
                0 => bytes.truncate(at),
                1 => bytes.extend(std::iter::repeat_n(self.byte(), self.below(40))),
                _ => {
                    let byte = self.byte();
                    if let Some(place) = bytes.get_mut(at) {
                        *place = byte;
                    }
                }
            }
        }
    }

    fn envelope(&mut self) -> Envelope {
        let group = self.below(2) == 0;
        let ttl = self.byte();
        let (source, destination): (IpAddr, IpAddr) = if self.below(3) == 0 {
            let peer = Ipv6Addr::from(self.bytes::<16>());
            (
                Ipv6Addr::from(self.bytes::<16>()).into(),
                if group { vrrp::GROUP_V6.into() } else { peer.into() },
            )
        } else {
            let peer = Ipv4Addr::from(self.bytes::<4>());
            (
                Ipv4Addr::from(self.bytes::<4>()).into(),
                if group { vrrp::GROUP_V4.into() } else { peer.into() },
            )
        };
        Envelope { source, destination, ttl }
    }

    fn advert(&mut self, v4: bool) -> Advert {
        let version = if v4 && self.below(2) == 0 { Version::V2 } else { Version::V3 };
        let auth = match (version, self.below(3)) {
            (Version::V3, _) | (_, 0) => Auth::None,
            (_, 1) => Auth::Header,
            _ => Auth::Password(self.bytes()),
        };
        let most = if self.below(10) == 0 { 255 } else { 4 };
        let address = |chance: &mut Chance| -> IpAddr {
            if v4 { chance.bytes::<4>().into() } else { chance.bytes::<16>().into() }
        };
        Advert {
            version,
            vrid: self.byte().max(1),
            priority: self.byte(),
            interval: Duration::from_secs(1 + self.below(40) as u64),
            auth,
            addresses: (0..self.below(most + 1)).map(|_| address(self)).collect(),
        }
    }
}

/// Tries for as long as told; a failure names the seed of the attempt.
fn fuzz(target: fn(&mut Chance)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let end = Instant::now() + Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(1));
    let first = number("FUZZ_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 32);
    let mut attempts = 0;
    while attempts == 0 || (Instant::now() < end && number("FUZZ_SEED").is_none()) {
        for _ in 0..100 {
            let seed = first + attempts;
            let attempt = std::panic::catch_unwind(|| {
                target(&mut Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
            });
            assert!(attempt.is_ok(), "again: FUZZ_SEED={seed} cargo test -p vrrp --test fuzz");
            attempts += 1;
        }
    }
    println!("{attempts} attempts from seed {first}");
}

/// The sum of RFC 1071, folded; 0xffff for undamaged data.
fn sum(bytes: &[u8]) -> u32 {
    let words =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| (*low).into()));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

fn key(chance: &mut Chance) -> Secret {
    Secret::new(chance.bytes::<32>().to_vec())
}

fn guard(key: Secret, replay: Replay, mode: Mode) -> Guard {
    Guard::new(Protection::Hmac(HmacSettings { keys: [(1, key)].into(), active: 1, replay, mode }))
}

#[test]
fn advert() {
    fuzz(|chance| {
        let envelope = chance.envelope();
        let advert = chance.advert(envelope.source.is_ipv4());
        let forms = [ChecksumForm::Usual, ChecksumForm::Plain, ChecksumForm::OldUnicast];
        let form = forms[chance.below(3)];
        let mut payload = advert.emit_as(envelope.source, envelope.destination, form, None);
        if !(form == ChecksumForm::OldUnicast && envelope.is_multicast()) {
            assert_eq!(Advert::parse(&payload, &envelope).as_ref(), Ok(&advert), "what is emitted is read");
        }
        chance.change(&mut payload);
        if payload.len() > 8 && chance.below(2) == 0 {
            payload[6..8].fill(0);
            let right = !u16::try_from(sum(&payload)).unwrap_or(0);
            payload[6..8].copy_from_slice(&right.to_be_bytes());
        }
        if let Ok(read) = Advert::parse(&payload, &envelope) {
            let again = read.emit(envelope.source, envelope.destination);
            assert_eq!(Advert::parse(&again, &envelope), Ok(read), "what is read can be said again");
        }
        if let IpAddr::V4(_) = envelope.source {
            let mut packet = datagram_v4(&envelope, 1, &payload);
            chance.change(&mut packet);
            if let Ok((envelope, payload)) = split_v4(&packet) {
                let _ = Reception::read(payload, envelope, None);
            }
        }
    });
}

#[test]
fn header() {
    fuzz(|chance| {
        let source: IpAddr = chance.bytes::<4>().into();
        let envelope = Envelope { source, destination: vrrp::GROUP_V4.into(), ttl: 255 };
        let advert = Advert { version: Version::V2, auth: Auth::Header, ..chance.advert(true) };
        let password = Secret::new(chance.bytes::<8>().to_vec());
        let payload = advert.emit(envelope.source, envelope.destination);
        let sequence = u32::try_from(chance.below(1 << 31)).unwrap_or(1).max(1);
        let good = header_datagram_v4(&envelope, 7, sequence, &password, &payload);
        let mut packet = good.clone();
        chance.change(&mut packet);
        let Ok(Some((found, proof, rest))) = split_header_v4(&packet) else { return };
        let Ok(heard) = Reception::read(rest, found, Some(proof)) else { return };
        let mut guard = Guard::new(Protection::Header(password));
        let believed = guard.judge(&heard.advert, &found, &heard.proof, Duration::ZERO);
        // Routers may change the type of service, the fragmentation field, and by that the checksum.
        let covered = |packet: &[u8]| [&packet[..1], &packet[2..6], &packet[8..10], &packet[12..]].concat();
        let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        if believed.is_ok() {
            assert_eq!(covered(&packet[..length]), covered(&good), "a changed packet was believed");
        }
    });
}

#[test]
fn trailer() {
    fuzz(|chance| {
        let (envelope, key) = (chance.envelope(), key(chance));
        let advert = Advert { auth: Auth::None, ..chance.advert(envelope.source.is_ipv4()) };
        let replay = if chance.below(2) == 0 { Replay::Monotonic } else { Replay::Time(5) };
        let now = Duration::from_millis(chance.next() >> 8);
        let mut sender = guard(key.clone(), replay, Mode::Enforce);
        let Some(Seal::Trailer(trailer)) = sender.seal(&advert, envelope.source, now) else {
            panic!("it is signed")
        };
        let form = ChecksumForm::Usual;
        let good = advert.emit_as(envelope.source, envelope.destination, form, Some(&trailer));
        let mut payload = good.clone();
        chance.change(&mut payload);
        for (bytes, as_sent) in [(&payload, payload == good), (&good, true)] {
            let Ok(heard) = Reception::read(bytes, envelope, None) else {
                assert!(!as_sent, "what is emitted is read");
                continue;
            };
            let mut receiver = guard(key.clone(), replay, Mode::Enforce);
            let believed = receiver.judge(&heard.advert, &envelope, &heard.proof, now).is_ok();
            // The checksum alone is not signed; it has been found right.
            let same = bytes.len() == good.len() && bytes[..6] == good[..6] && bytes[8..] == good[8..];
            assert_eq!(believed, same, "believed exactly if it was signed");
            assert!(receiver.judge(&heard.advert, &envelope, &heard.proof, now).is_err(), "twice");
            let unsigned = receiver.judge(&heard.advert, &envelope, &Proof::None, now);
            assert!(unsigned.is_err(), "without a signature");
        }
    });
}

#[test]
fn announcements() {
    fuzz(|chance| {
        let mac: [u8; 6] = chance.bytes();
        let v4 = Ipv4Addr::from(chance.bytes::<4>());
        let arp = gratuitous_arp_frame(mac, v4);
        assert_eq!((&arp[..6], &arp[6..12], &arp[12..14]), (&[0xff; 6][..], &mac[..], &[8, 6][..]));
        assert_eq!(
            (&arp[22..28], &arp[28..32], &arp[38..42]),
            (&mac[..], &v4.octets()[..], &v4.octets()[..])
        );

        let (v6, router) = (Ipv6Addr::from(chance.bytes::<16>()), chance.below(2) == 0);
        let frame = unsolicited_advertisement_frame(mac, v6, router);
        assert_eq!(
            (&frame[22..38], &frame[62..78], &frame[80..86]),
            (&v6.octets()[..], &v6.octets()[..], &mac[..])
        );
        assert_eq!(frame[58], if router { 0xa0 } else { 0x20 });
        let covered = [&frame[22..54], &[0, 0, 0, 32, 0, 0, 0, 58], &frame[54..]].concat();
        assert_eq!(sum(&covered), 0xffff, "the checksum of RFC 4443, 2.3");
    });
}

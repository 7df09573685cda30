//! Bytes: golden packets, what is refused, and that emitting and parsing are each other's inverse.

use super::*;

/// The first packet of keepalived 2.2.7 with `min_rx 100` and `multiplier 3`, as captured.
const FIRST: [u8; 24] = [
    0x20, 0x40, 0x03, 0x18, 0x7b, 0xe0, 0x76, 0x99, 0, 0, 0, 0, 0x00, 0x0f, 0x42, 0x40, 0x00, 0x01, 0x86,
    0xa0, 0, 0, 0, 0,
];

#[test]
fn a_first_packet_is_read_field_by_field() {
    let packet = Packet::parse(&FIRST).unwrap();
    let expected = Packet {
        multiplier: NonZeroU8::new(3).unwrap(),
        mine: number(0x7be0_7699),
        required_min_rx: 100 * MS,
        ..hello()
    };
    assert_eq!(packet, expected);
    assert_eq!(packet.emit(), FIRST);
}

#[test]
fn every_flag_has_its_bit() {
    let bits = |packet: Packet| packet.emit()[1];
    let up = Packet { state: State::Up, yours: Some(number(9)), ..hello() };
    assert_eq!(bits(up), 0xc0);
    assert_eq!(bits(Packet { poll: true, ..up }), 0xe0);
    assert_eq!(bits(Packet { answer: true, ..up }), 0xd0);
    assert_eq!(bits(Packet { independent: true, ..up }), 0xc8);
    assert_eq!(bits(Packet { demand: true, ..up }), 0xc2);
    assert_eq!(bits(Packet { state: State::AdminDown, ..up }), 0x00);
    assert_eq!(Packet { diagnostic: Diagnostic::ADMIN, ..up }.emit()[0], 0x27);
}

/// RFC 5880, 6.8.6: each reason to drop a packet that can be seen without a session.
#[test]
fn what_is_no_packet_is_refused_with_its_reason() {
    let spoiled = |at: usize, byte: u8| {
        let mut bytes = FIRST;
        bytes[at] = byte;
        Packet::parse(&bytes).unwrap_err()
    };
    assert_eq!(spoiled(0, 0x40), PacketError::Version { found: 2 });
    assert_eq!(spoiled(3, 23), PacketError::Length { found: 23 });
    assert_eq!(spoiled(3, 25), PacketError::Truncated { found: 24, expected: 25 });
    assert_eq!(spoiled(2, 0), PacketError::ZeroMultiplier);
    assert_eq!(spoiled(1, 0x41), PacketError::Multipoint);
    assert_eq!(spoiled(1, 0x44), PacketError::Authenticated);
    assert_eq!(spoiled(1, 0xc0), PacketError::Nameless { state: State::Up });
    let mut anonymous = FIRST;
    anonymous[4..8].fill(0);
    assert_eq!(Packet::parse(&anonymous), Err(PacketError::ZeroDiscriminator));
    assert_eq!(Packet::parse(&FIRST[..23]), Err(PacketError::Truncated { found: 23, expected: 24 }));
    assert!(Packet::parse(&[]).is_err());
}

/// Only what the length field covers counts (RFC 5880, 6.8.6).
#[test]
fn what_follows_a_packet_is_not_read() {
    let mut longer = FIRST.to_vec();
    longer.extend([0xff; 40]);
    assert_eq!(Packet::parse(&longer), Packet::parse(&FIRST));
}

fn any_packet() -> impl Strategy<Value = Packet> {
    let words = (any::<[bool; 4]>(), 0u8..4, 0u8..32, 1u8..);
    let numbers = (1u32.., any::<u32>(), any::<[u32; 3]>());
    (words, numbers).prop_map(|((flags, state, diagnostic, multiplier), (mine, yours, intervals))| {
        let [tx, rx, echo] = intervals.map(|micros| Duration::from_micros(micros.into()));
        let yours = NonZeroU32::new(yours);
        let state = [State::AdminDown, State::Down, State::Init, State::Up][usize::from(state)];
        Packet {
            state: if yours.is_none() { State::Down } else { state },
            diagnostic: Diagnostic(diagnostic),
            poll: flags[0],
            answer: flags[1],
            independent: flags[2],
            demand: flags[3],
            multiplier: NonZeroU8::new(multiplier).unwrap(),
            mine: number(mine),
            yours,
            desired_min_tx: tx,
            required_min_rx: rx,
            required_min_echo_rx: echo,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_emitted_is_parsed(packet in any_packet()) {
        prop_assert_eq!(Packet::parse(&packet.emit()), Ok(packet));
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_what_is_read_says_the_same_again(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        lucky: bool,
    ) {
        let mut bytes = bytes;
        if lucky && bytes.len() >= LENGTH {
            bytes[0] = 0x20 | bytes[0] & 0x1f;
            bytes[1] &= !0x05;
            bytes[3] = 24;
        }
        if let Ok(packet) = Packet::parse(&bytes) {
            prop_assert_eq!(&packet.emit()[..3], &bytes[..3]);
            prop_assert_eq!(&packet.emit()[4..], &bytes[4..24]);
        }
    }
}

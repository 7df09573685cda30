//! Golden bytes are those of a little-endian machine; answers were recorded from Linux 6.1.

use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::sample::{any_settings, every_key, nat, server, service};
use crate::{DestinationSettings, Errno, Forwarding, Granularity, Operation, Persistence, ServiceSettings};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn encoded(asked: Request<'_>) -> Vec<u8> {
    let mut buffer = Vec::new();
    request(&mut buffer, 0x1c, 7, asked);
    buffer
}

fn only(bytes: &[u8]) -> Answer<'_> {
    let answers: Vec<_> = Messages::new(bytes).collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.into_iter().next().unwrap().unwrap()
}

fn item(bytes: &[u8]) -> &[u8] {
    match only(bytes).body {
        Body::Item(item) => item,
        other => panic!("no item: {other:?}"),
    }
}

#[cfg(target_endian = "little")]
mod golden {
    use super::*;

    #[test]
    fn family_request() {
        assert_eq!(
            encoded(Request::Family),
            hex("20000000 1000 0500 07000000 00000000  03 02 0000  0900 0200 49505653 00 000000")
        );
    }

    #[test]
    fn dump_request() {
        assert_eq!(encoded(Request::Services), hex("14000000 1c00 0103 07000000 00000000  04 01 0000"));
    }

    #[test]
    fn add_service() {
        let settings = ServiceSettings {
            persistence: Some(Persistence {
                timeout: Duration::from_millis(299_001),
                granularity: Granularity::Netmask(Ipv4Addr::new(255, 255, 255, 0)),
            }),
            flags: crate::flag::SH_PORT | 0x8000_0002,
            scheduler: "sh".parse().unwrap(),
            engine: Some("sip".to_owned()),
        };
        let operation = Operation::AddService { key: service("[10.0.0.1]:udp:80"), settings };
        assert_eq!(
            encoded(Request::Change { operation: &operation, acknowledge: true }),
            hex("70000000 1c00 0500 07000000 00000000  01 01 0000
                 5c00 0180
                   0600 0100 0200 0000
                   0600 0200 1100 0000
                   1400 0300 0a000001 000000000000000000000000
                   0600 0400 0050 0000
                   0700 0600 736800 00
                   0800 0b00 73697000
                   0c00 0700 11000000 ffffffff
                   0800 0800 2c010000
                   0800 0900 ffffff00")
        );
    }

    #[test]
    fn set_destination_of_a_mark() {
        let settings = DestinationSettings {
            forwarding: Forwarding::Tun,
            weight: 7,
            upper: 100,
            lower: 50,
            tunnel: None,
        };
        let operation = Operation::SetDestination {
            service: service("FWM 9 v6"),
            key: server("[2001:db8::2]:8080"),
            settings,
        };
        assert_eq!(
            encoded(Request::Change { operation: &operation, acknowledge: false }),
            hex("70000000 1c00 0100 07000000 00000000  06 01 0000
                 1400 0180
                   0600 0100 0a00 0000
                   0800 0500 09000000
                 4800 0280
                   1400 0100 20010db8000000000000000000000002
                   0600 0200 1f90 0000
                   0600 0b00 0a00 0000
                   0800 0300 02000000
                   0800 0400 07000000
                   0800 0500 64000000
                   0800 0600 32000000")
        );
    }

    #[test]
    fn remove_destination() {
        let operation = Operation::RemoveDestination {
            service: service("[10.0.0.1]:tcp:80"),
            key: server("[10.0.0.2]:80"),
        };
        assert_eq!(
            encoded(Request::Change { operation: &operation, acknowledge: false }),
            hex("6c000000 1c00 0100 07000000 00000000  07 01 0000
                 3000 0180
                   0600 0100 0200 0000
                   0600 0200 0600 0000
                   1400 0300 0a000001 000000000000000000000000
                   0600 0400 0050 0000
                 2800 0280
                   1400 0100 0a000002 000000000000000000000000
                   0600 0200 0050 0000
                   0600 0b00 0200 0000")
        );
    }

    #[test]
    fn recorded_family() {
        let bytes = hex("38000000 1000 0000 00000000 cd020000  01 02 0000
                         0900 0200 49505653 00 000000  0600 0100 1c00 0000
                         0800 0300 01000000  0800 0400 00000000");
        assert_eq!(decode_family(item(&bytes)), Ok(0x1c));
    }

    #[test]
    fn recorded_info() {
        let bytes =
            hex("24000000 1c00 0000 01000000 cd020000  0e 01 0000  0800 0100 01020100  0800 0200 00100000");
        assert_eq!(decode_info(item(&bytes)), Ok(Info { version: [1, 2, 1], connection_table_size: 4096 }));
    }

    #[test]
    fn recorded_services() {
        // ipvsadm -A -f 9 -6 -s sh -b sh-port -p 90 -M 64, without its statistics
        let bytes = hex("50000000 1c00 0200 02000000 cd020000  01 01 0000
                         3c00 0100  0600 0100 0a00 0000  0800 0500 09000000  0700 0600 736800 00
                         0c00 0700 13000000 ffffffff  0800 0800 5a000000  0800 0900 40000000  0400 0a00");
        let (key, settings) = decode_service(item(&bytes)).unwrap().unwrap();
        assert_eq!(key, service("FWM 9 v6"));
        let persistence =
            Persistence { timeout: Duration::from_secs(90), granularity: Granularity::Prefix(64) };
        assert_eq!(
            settings,
            ServiceSettings {
                scheduler: "sh".parse().unwrap(),
                flags: crate::flag::SH_PORT,
                persistence: Some(persistence),
                engine: None,
            }
        );
        // ipvsadm -A -u 10.0.0.1:53 -s rr -o
        let bytes = hex("68000000 1c00 0200 02000000 d3020000  01 01 0000
                         5400 0100  0600 0100 0200 0000  0600 0200 1100 0000
                         1400 0300 0a000001 000000000000000000000000  0600 0400 0035 0000
                         0700 0600 727200 00  0c00 0700 06000000 ffffffff  0800 0800 00000000
                         0800 0900 ffffffff");
        let (key, settings) = decode_service(item(&bytes)).unwrap().unwrap();
        assert_eq!(key, service("[10.0.0.1]:udp:53"));
        let rr = ServiceSettings::new("rr".parse().unwrap());
        assert_eq!(settings, ServiceSettings { flags: crate::flag::ONE_PACKET, ..rr });
    }

    #[test]
    fn recorded_destination() {
        // ipvsadm -a -f 9 -6 -r [2001:db8::2]:0 -i -w 7 -x 100 -y 50, without its statistics
        let bytes = hex("8c000000 1c00 0200 03000000 cd020000  05 01 0000
                         7800 0200  1400 0100 20010db8000000000000000000000002  0600 0200 0000 0000
                         0800 0300 02000000  0800 0400 07000000  0500 0d00 00 000000  0600 0e00 0000 0000
                         0600 0f00 0000 0000  0800 0500 64000000  0800 0600 32000000  0800 0700 00000000
                         0800 0800 00000000  0800 0900 00000000  0600 0b00 0a00 0000");
        let (key, settings) = decode_destination(item(&bytes), crate::Family::V6).unwrap().unwrap();
        assert_eq!(key, server("[2001:db8::2]:0"));
        assert_eq!(
            settings,
            DestinationSettings {
                forwarding: Forwarding::Tun,
                weight: 7,
                upper: 100,
                lower: 50,
                tunnel: None
            }
        );
    }

    #[test]
    fn connections_of_a_recorded_destination() {
        // The same with three active, four inactive and five persistent connections.
        let bytes = hex("8c000000 1c00 0200 03000000 cd020000  05 01 0000
                         7800 0200  1400 0100 20010db8000000000000000000000002  0600 0200 0000 0000
                         0800 0300 02000000  0800 0400 07000000  0500 0d00 00 000000  0600 0e00 0000 0000
                         0600 0f00 0000 0000  0800 0500 64000000  0800 0600 32000000  0800 0700 03000000
                         0800 0800 04000000  0800 0900 05000000  0600 0b00 0a00 0000");
        let (key, usage) = decode_usage(item(&bytes), crate::Family::V6).unwrap().unwrap();
        assert_eq!(key, server("[2001:db8::2]:0"));
        assert_eq!(usage.connections, crate::ConnectionCounts { active: 3, inactive: 4, persistent: 5 });
    }

    #[test]
    fn recorded_refusal_and_acknowledgement() {
        let refusal =
            hex("24000000 0200 0001 0d000000 d8020000 fdffffff 44000000 1c00 0500 0d000000 00000000");
        let acknowledgement =
            hex("24000000 0200 0001 06000000 d8020000 00000000 44000000 1c00 0500 06000000 00000000");
        let both = [refusal, acknowledgement].concat();
        let answers: Vec<_> = Messages::new(&both).map(Result::unwrap).collect();
        assert_eq!(answers[0].sequence, 0xd);
        assert_eq!(answers[0].body, Body::Refused { errno: Errno::ESRCH, words: None });
        assert_eq!(answers[1].sequence, 6);
        assert_eq!(answers[1].body, Body::Acknowledged);
    }

    #[test]
    fn refusal_in_the_kernels_words() {
        let bytes = hex("2c000000 0200 0003 01000000 00000000 eaffffff 44000000 1c00 0500 01000000 00000000
                         0700 0100 6e6f00 00");
        let body = only(&bytes).body;
        assert_eq!(body, Body::Refused { errno: Errno::EINVAL, words: Some("no".to_owned()) });
    }

    #[test]
    fn end_of_a_dump() {
        let done = hex("14000000 0300 0200 02000000 cd020000 00000000");
        assert_eq!(only(&done), Answer { sequence: 2, interrupted: false, body: Body::Done });
        let failed = hex("14000000 0300 1200 02000000 cd020000 f4ffffff");
        let body = Body::Refused { errno: Errno::ENOMEM, words: None };
        assert_eq!(only(&failed), Answer { sequence: 2, interrupted: true, body });
    }
}

#[test]
fn local_counts_as_translation_when_written() {
    assert_eq!(wire::forwarding_number(Forwarding::Local), 0);
}

#[test]
fn without_an_address_family_a_server_is_of_its_services() {
    let operation = Operation::AddDestination {
        service: service("[10.0.0.1]:tcp:80"),
        key: server("[10.0.0.2]:80"),
        settings: nat(3),
    };
    let mut bytes = encoded(Request::Change { operation: &operation, acknowledge: false });
    let family = bytes.windows(4).rposition(|window| window == [6, 0, 11, 0]).unwrap();
    bytes[family + 2] = 0x3f; // an attribute of a kind that does not exist
    let decoded = decode_destination(item(&bytes), crate::Family::V4).unwrap();
    assert_eq!(decoded, Some((server("[10.0.0.2]:80"), nat(3))));
}

#[test]
fn unknown_protocols_are_passed_over() {
    let key = service("[10.0.0.1]:tcp:80");
    let operation = Operation::AddService { key, settings: ServiceSettings::default() };
    let mut bytes = encoded(Request::Change { operation: &operation, acknowledge: false });
    let protocol = bytes.windows(4).position(|window| window == [6, 0, 2, 0]).unwrap();
    bytes[protocol + 4] = 47;
    assert_eq!(decode_service(item(&bytes)), Ok(None));
    bytes[protocol + 2] = 0x3f;
    assert!(decode_service(item(&bytes)).is_err());
}

#[test]
fn a_batch_of_the_longest_changes_fits_one_send() {
    let settings = ServiceSettings {
        engine: Some("an-engine-with-a-long-name".to_owned()),
        ..ServiceSettings::new(crate::Scheduler::from_kernel("a-scheduler-with-a-long-name"))
    };
    let key = service("[10.0.0.1]:tcp:80");
    let add = Operation::AddService { key, settings };
    let destination =
        Operation::AddDestination { service: key, key: server("[10.0.0.2]:80"), settings: nat(1) };
    let longest = [add, destination]
        .map(|operation| encoded(Request::Change { operation: &operation, acknowledge: true }).len());
    assert!(longest.into_iter().max().unwrap() * 256 < 65_536, "{longest:?}");
}

#[test]
fn messages_end_at_a_malformed_one() {
    for bytes in [&[1, 0, 0, 0][..], &[16, 0], &[0; 64], &[255; 64]] {
        let answers: Vec<_> = Messages::new(bytes).collect();
        assert!(matches!(answers.as_slice(), [Err(_)]), "{answers:?}");
    }
}

proptest! {
    #[test]
    fn services_survive_the_wire(
        (key, settings) in every_key().prop_flat_map(|key| (Just(key), any_settings(key.family())))
    ) {
        let operation = Operation::AddService { key, settings: settings.clone() };
        let bytes = encoded(Request::Change { operation: &operation, acknowledge: false });
        let (found, read) = decode_service(item(&bytes)).unwrap().unwrap();
        prop_assert_eq!(found, key);
        prop_assert!(read.same_as(&settings, key.family()));
    }

    #[test]
    fn destinations_survive_the_wire(key in every_key(), address: std::net::IpAddr, port: u16, weight: u32) {
        let held = (crate::DestinationKey::new(address, port), nat(weight));
        let operation = Operation::AddDestination { service: key, key: held.0, settings: held.1 };
        let bytes = encoded(Request::Change { operation: &operation, acknowledge: false });
        prop_assert_eq!(decode_destination(item(&bytes), key.family()), Ok(Some(held)));
    }

    #[test]
    fn garbage_is_no_panic(bytes: Vec<u8>) {
        digest(&bytes);
    }

    /// Garbage that looks right at its outside.
    #[test]
    fn spoilt_messages_are_no_panic(
        key in every_key(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index,
    ) {
        let operation =
            Operation::AddDestination { service: key, key: server("[10.0.0.2]:80"), settings: nat(1) };
        let mut bytes = encoded(Request::Change { operation: &operation, acknowledge: false });
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(cut.index(bytes.len() + 1));
        digest(&bytes);
    }
}

/// Decodes in all ways.
fn digest(bytes: &[u8]) {
    for answer in Messages::new(bytes).flatten() {
        if let Body::Item(item) = answer.body {
            decode_all(item);
        }
    }
    decode_all(bytes);
}

fn decode_all(item: &[u8]) {
    let _ = decode_family(item);
    let _ = decode_info(item);
    let _ = decode_service(item);
    let _ = decode_destination(item, crate::Family::V6);
}

mod daemons {
    //! The connection synchronisation daemons.

    use super::super::*;
    use crate::sync::{SyncChange, SyncRole, SyncSettings};

    fn bytes(request: Request<'_>) -> Vec<u8> {
        let mut buffer = Vec::new();
        super::super::request(&mut buffer, 0x1d, 7, request);
        buffer
    }

    /// What the kernel tells of a daemon has the attributes that start one.
    #[test]
    fn a_daemon_is_read_back_as_it_was_asked_for() {
        let plain = SyncSettings { max_length: Some(1400), ..SyncSettings::new("eth0", 51) };
        let odd = SyncSettings { port: 9000, ttl: 9, group: "ff05::51".parse().unwrap(), ..plain.clone() };
        for settings in [plain, odd] {
            for role in [SyncRole::Master, SyncRole::Backup] {
                let message = bytes(Request::Daemon(&SyncChange::Start(role, settings.clone())));
                assert_eq!(decode_daemon(&message[20..]), Ok(Some((role, settings.clone()))));
            }
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_start_and_a_stop_byte_by_byte() {
        let settings = SyncSettings { ttl: 3, ..SyncSettings::new("eth1", 5) };
        let start = bytes(Request::Daemon(&SyncChange::Start(SyncRole::Master, settings)));
        #[rustfmt::skip]
        let expected = [
            84, 0, 0, 0, 0x1d, 0, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, // header: request, acknowledged
            9, 1, 0, 0,                                         // IPVS_CMD_NEW_DAEMON
            64, 0, 3, 0x80,                                     // IPVS_CMD_ATTR_DAEMON, nested
            8, 0, 1, 0, 1, 0, 0, 0,                             // state: master
            9, 0, 2, 0, b'e', b't', b'h', b'1', 0, 0, 0, 0,     // interface
            8, 0, 3, 0, 5, 0, 0, 0,                             // id
            8, 0, 5, 0, 224, 0, 0, 81,                          // group, in network order
            6, 0, 7, 0, 0x90, 0x22, 0, 0,                       // port 8848, in the host's order
            5, 0, 8, 0, 3, 0, 0, 0,                             // time to live
        ];
        let length = u32::from_ne_bytes(start[..4].try_into().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), start.len());
        assert_eq!(start[4..20], expected[4..20]);
        assert_eq!(start[24..], expected[24..]);
        let stop = bytes(Request::Daemon(&SyncChange::Stop(SyncRole::Backup)));
        assert_eq!(stop[16..], [10, 1, 0, 0, 12, 0, 3, 0x80, 8, 0, 1, 0, 2, 0, 0, 0]);
        let list = bytes(Request::Daemons);
        assert_eq!((list.len(), list[16]), (20, 11));
    }

    #[test]
    fn what_is_no_daemon_is_refused() {
        assert!(decode_daemon(&[]).is_err());
        assert!(decode_daemon(&[4, 0, 3, 0x80]).is_err());
        let other = [12, 0, 3, 0x80, 8, 0, 1, 0, 9, 0, 0, 0];
        assert_eq!(decode_daemon(&other), Ok(None));
    }
}

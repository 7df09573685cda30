//! How adverts look and who is believed, as far as the brain decides it.

use vrrp::{ChecksumForm, Proof, Reception, Seal, Version};

use super::*;

const KEY: &str = "key 1 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// The moment at which a desk begins.
const NOON: SystemTime = SystemTime::UNIX_EPOCH;
const HOUR: Duration = Duration::from_secs(3_600);

fn signed(lines: &str) -> String {
    instance(51, &format!("auth_hmac {{\n{KEY}\n{lines}\n}}"))
}

fn unicast(lines: &str) -> String {
    let peers = "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n10.0.0.3 min_ttl 250\n}\n";
    instance(51, &format!("{peers}{lines}"))
}

/// What the advert of another director looks like here; `text` is its configuration.
fn from_peer(text: &str, priority: u8, wall: SystemTime) -> Event {
    let reading = config::read_text("peer.conf", text);
    let config = reading.config.expect("a good configuration");
    let instance = config.instances.values().next().expect("an instance");
    let advert = Advert {
        version: instance.router.version,
        vrid: 51,
        priority,
        interval: instance.router.interval,
        auth: instance.router.auth.clone(),
        addresses: vec![vip()],
    };
    let mut guard = vrrp::Guard::new(instance.protection());
    let since_1970 = wall.duration_since(NOON).unwrap_or_default();
    let group: IpAddr = vrrp::GROUP_V4.into();
    let trailer = match guard.seal(&advert, peer(), since_1970) {
        Some(Seal::Trailer(trailer)) => Some(trailer),
        _ => None,
    };
    let bytes = advert.emit_as(peer(), group, ChecksumForm::Usual, trailer.as_ref());
    let envelope = Envelope { source: peer(), destination: group, ttl: 255 };
    let reception = Reception::read(&bytes, envelope, None).expect("it is whole");
    Event::Reception { interface: "eth0".into(), reception: Box::new(reception) }
}

impl Desk {
    /// At this time of day.
    fn at_noon_and(text: &str, wall: Duration) -> Desk {
        let mut desk = Desk::new("");
        desk.tell(Event::ClockSet { wall: NOON + wall });
        desk.configure(text);
        desk
    }

    fn counter(&self, name: &str) -> u64 {
        let snapshot = self.director.snapshot(self.now);
        snapshot.instances[0].counters.get(name).copied().unwrap_or_default()
    }
}

fn notes(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Log(entry @ super::super::journal::Entry::InstanceNote { .. }) => Some(entry.to_string()),
            _ => None,
        })
        .collect()
}

#[test]
fn an_advert_to_many_peers_is_signed_once_and_each_is_signed_anew() {
    let text = unicast(&format!("auth_hmac {{\n{KEY}\n}}"));
    let mut desk = Desk::at_noon_and(&text, HOUR);
    let effects = desk.pass(Duration::from_secs(6));
    let sent = sent(&effects);
    assert!(sent.len() >= 2);
    assert!(sent.iter().all(|transmission| transmission.destinations.len() == 2));
    let trailers: Vec<_> = sent.iter().map(|transmission| transmission.seal.clone()).collect();
    assert!(matches!(trailers[0], Some(Seal::Trailer(_))) && trailers[0] != trailers[1]);
    let Some(Seal::Trailer(first)) = trailers[0] else { panic!("it is signed") };
    // Key 1; then the seconds of the time of day at which the backup took over.
    assert_eq!(first[..8], [1, 1, 0, 0, 0, 0, 0x0e, 0x13], "3600 s and the wait for a master");
}

#[test]
fn signed_adverts_count_by_the_clock_that_was_told() {
    let mut desk = Desk::at_noon_and(&signed(""), 2 * HOUR);
    assert_eq!(notes(&desk.tell(from_peer(&signed(""), 200, NOON + 2 * HOUR))), [] as [&str; 0]);
    assert_eq!((desk.counter("received"), desk.counter("proven")), (1, 1));
    // The clock of this host is set back an hour: the peer's adverts come from the future, and it is said once.
    let wall = NOON + HOUR;
    desk.tell(Event::ClockSet { wall });
    for second in 1..=3 {
        desk.now += Duration::from_secs(1);
        let told =
            notes(&desk.tell(from_peer(&signed(""), 200, NOON + 2 * HOUR + Duration::from_secs(second))));
        assert_eq!(told.len(), usize::from(second == 1), "{told:?}");
        assert!(told.iter().all(|note| note.contains("set both clocks")), "{told:?}");
    }
    assert_eq!((desk.counter("received"), desk.counter("dropped_signature_stale")), (1, 3));
    // The peer's is set as well: it counts again, though its numbers are lower than before.
    let theirs = desk.director.wall(desk.now);
    assert_eq!(notes(&desk.tell(from_peer(&signed(""), 200, theirs))), [] as [&str; 0]);
    assert_eq!(desk.counter("received"), 2);
    assert_eq!(desk.first_role(), "BACKUP");
}

#[test]
fn a_signature_that_is_missing_wrong_or_unasked_for_is_counted_by_its_name() {
    let mut desk = Desk::at_noon_and(&signed(""), HOUR);
    let mut other = signed("").replace("hex:00", "hex:ff");
    desk.tell(from_peer(&other, 200, NOON + HOUR));
    desk.hear(200, peer(), vrrp::GROUP_V4.into());
    let good = from_peer(&signed(""), 100, NOON + HOUR);
    desk.tell(good.clone());
    let replayed = notes(&desk.tell(good));
    assert!(replayed.iter().any(|note| note.contains("repeated or late")), "{replayed:?}");
    other = signed("").replace("key 1", "key 9");
    desk.tell(from_peer(&other, 200, NOON + HOUR));
    for (name, count) in [
        ("received", 1),
        ("dropped_signature_invalid", 1),
        ("dropped_signature_missing", 1),
        ("dropped_signature_unknown_key", 1),
        ("dropped_replay", 1),
    ] {
        assert_eq!(desk.counter(name), count, "{name}");
    }
    // Step by step: whoever does not enforce believes both.
    desk.configure(&signed("mode receive-only"));
    desk.hear(200, peer(), vrrp::GROUP_V4.into());
    assert_eq!((desk.counter("received"), desk.counter("unproven")), (2, 1));
    desk.pass(Duration::from_secs(3));
    // And who has no keys at all says what to do.
    desk.configure(&instance(51, ""));
    let told = notes(&desk.tell(from_peer(&signed(""), 200, NOON + HOUR)));
    assert!(told.iter().any(|note| note.contains("auth_hmac here")), "{told:?}");
    assert_eq!(desk.counter("dropped_authentication"), 1);
}

#[test]
fn a_skewed_clock_is_told_before_it_is_too_late() {
    let mut desk = Desk::at_noon_and(&signed("time_window 10"), HOUR);
    let late = from_peer(&signed(""), 200, NOON + HOUR - Duration::from_secs(7));
    let told = notes(&desk.tell(late));
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("7 s behind ours"), "{told:?}");
    assert_eq!(desk.counter("received"), 1);
}

#[test]
fn peers_have_their_distance_and_others_are_not_heard() {
    let mut desk = Desk::new(&unicast(""));
    let mut hear = |last: u8, ttl: u8| {
        let source = IpAddr::from([10, 0, 0, last]);
        let advert = Advert {
            version: Version::V3,
            vrid: 51,
            priority: 200,
            interval: Duration::from_secs(1),
            auth: vrrp::Auth::None,
            addresses: vec![vip()],
        };
        let envelope = Envelope { source, destination: own(), ttl };
        desk.tell(Event::Advert { interface: "eth0".into(), envelope, advert });
        (desk.counter("received"), desk.counter("dropped_ttl"))
    };
    assert_eq!(hear(2, 255), (1, 0));
    assert_eq!(hear(2, 254), (1, 1));
    assert_eq!(hear(3, 250), (2, 1));
    assert_eq!(hear(3, 249), (2, 2));
    assert_eq!(hear(4, 255), (2, 2));
    assert_eq!(desk.director.snapshot(desk.now).stray_adverts["source"], 1);
}

#[test]
fn the_time_to_live_and_the_checksum_are_as_configured() {
    let first = |text: &str| {
        let mut desk = Desk::new(text);
        let effects = desk.pass(Duration::from_secs(4));
        sent(&effects)[0].clone()
    };
    let plain = first(&instance(51, ""));
    assert_eq!((plain.ttl, plain.checksum, plain.seal), (255, ChecksumForm::Usual, None));
    assert_eq!(first(&unicast("unicast_ttl 64")).ttl, 64);
    assert_eq!(first(&instance(51, "v3_checksum_as_v2")).checksum, ChecksumForm::Plain);
    let elsewhere = first(&instance(51, "mcast_dst_ip 224.0.0.99"));
    let group: IpAddr = [224, 0, 0, 99].into();
    assert_eq!((&elsewhere.destinations[..], elsewhere.socket.group), (&[group][..], Some(group)));
}

#[test]
fn the_old_checksum_is_answered_in_kind_unless_that_is_forbidden() {
    let old = |desk: &mut Desk| {
        let reception = Reception {
            envelope: Envelope { source: peer(), destination: own(), ttl: 255 },
            advert: Advert {
                version: Version::V3,
                vrid: 51,
                priority: 50,
                interval: Duration::from_secs(1),
                auth: vrrp::Auth::None,
                addresses: vec![vip()],
            },
            checksum: ChecksumForm::OldUnicast,
            proof: Proof::None,
        };
        desk.tell(Event::Reception { interface: "eth0".into(), reception: Box::new(reception) })
    };
    let mut desk = Desk::new(&unicast(""));
    desk.pass(Duration::from_secs(4));
    let effects = old(&mut desk);
    assert_eq!(sent(&effects)[0].checksum, ChecksumForm::OldUnicast);
    let mut desk = Desk::new(&unicast("old_unicast_checksum never"));
    desk.pass(Duration::from_secs(4));
    assert_eq!(sent(&old(&mut desk)).len(), 0);
    assert_eq!(desk.counter("dropped_checksum"), 1);
}

#[test]
fn instances_wait_for_the_startup_delay_and_not_again_at_a_reload() {
    let delayed = |rest: &str| format!("global_defs {{\nvrrp_startup_delay 10\n}}\n{rest}");
    let mut desk = Desk::new(&delayed(&instance(51, "")));
    desk.pass(Duration::from_millis(9_900));
    assert_eq!(desk.first_role(), "INIT");
    desk.pass(Duration::from_millis(200));
    assert_eq!(desk.first_role(), "BACKUP");
    let other = instance(52, "").replace("VI_1", "VI_0").replace("10.0.0.100", "10.0.0.101");
    desk.configure(&delayed(&(instance(51, "") + &other)));
    assert_eq!(desk.first_role(), "BACKUP", "the new one begins at once");
}

#[test]
fn headers_are_expected_on_a_socket_of_their_own_and_their_absence_is_noticed() {
    let header = "version 2\nauthentication {\nauth_type AH\nauth_pass secret12\n}";
    let mut desk = Desk::new(&instance(51, "").replace("version 3", header));
    let sockets: Vec<bool> = desk.director.sockets.iter().map(|socket| socket.header).collect();
    assert_eq!(sockets, [false, true]);
    let effects = desk.pass(Duration::from_secs(5));
    let seals: Vec<_> = sent(&effects).iter().map(|transmission| transmission.seal.clone()).collect();
    assert!(matches!(
        seals[..2],
        [Some(Seal::Header { sequence: 1, .. }), Some(Seal::Header { sequence: 2, .. })]
    ));
    assert!(!format!("{seals:?}").contains("secret"));
    let plain = instance(51, "").replace("version 3", "version 2");
    let reception = from_peer(&plain, 200, NOON);
    desk.tell(reception);
    assert_eq!((desk.counter("dropped_authentication"), desk.first_role().as_str()), (1, "MASTER"));
}

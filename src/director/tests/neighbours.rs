//! Watched neighbours: who is told what, and when.

use std::collections::BTreeSet;
use std::num::{NonZeroU8, NonZeroU32};

use vrrp::bfd::{Diagnostic, Packet, PacketError, State};

use super::super::effect::{NeighbourPacket, NeighbourSockets};
use super::*;

fn bfd(more: &str) -> String {
    format!("bfd_instance N {{\nneighbor_ip 10.0.0.9\nmin_rx 50\nmin_tx 50\nmultiplier 3\n{more}\n}}\n")
}

fn tracking(weight: &str) -> String {
    instance(51, &format!("track_bfd {{\nN {weight}\n}}"))
}

fn neighbour() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9))
}

fn packets(effects: &[Effect]) -> Vec<&NeighbourPacket> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::SendToNeighbour(packet) = effect { Some(packet) } else { None })
        .collect()
}

fn sockets(effects: &[Effect]) -> Option<Arc<NeighbourSockets>> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::NeighbourSockets(level) => Some(level.clone()),
        _ => None,
    })
}

fn logged(effects: &[Effect], text: &str) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Log(entry) if entry.to_string().contains(text)))
}

impl Desk {
    fn number(&self) -> NonZeroU32 {
        let (_, neighbour) = self.director.neighbours.all().next().expect("it is configured");
        neighbour.watched.as_ref().expect("it has an address").1.discriminator()
    }

    fn packet(&self, state: State) -> Packet {
        Packet {
            state,
            diagnostic: Diagnostic::NONE,
            poll: false,
            answer: false,
            independent: false,
            demand: false,
            multiplier: NonZeroU8::new(3).unwrap(),
            mine: NonZeroU32::new(77).unwrap(),
            yours: Some(self.number()),
            desired_min_tx: Duration::from_millis(50),
            required_min_rx: Duration::from_millis(50),
            required_min_echo_rx: Duration::ZERO,
        }
    }

    fn hear_packet(&mut self, packet: Packet, source: IpAddr, ttl: u8, multihop: bool) -> Vec<Effect> {
        let envelope = Envelope { source, destination: own(), ttl };
        self.tell(Event::NeighbourHeard { envelope, multihop, packet: Ok(packet) })
    }

    fn hear_neighbour(&mut self, state: State) -> Vec<Effect> {
        self.hear_packet(self.packet(state), neighbour(), 255, false)
    }

    fn bring_up(&mut self) -> Vec<Effect> {
        self.hear_neighbour(State::Init)
    }

    /// Time in which the neighbour goes on speaking.
    fn pass_together(&mut self, time: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        for _ in 0..time.as_millis() / 50 {
            effects.extend(self.pass(Duration::from_millis(50)));
            let answer = Packet { answer: true, ..self.packet(State::Up) };
            effects.extend(self.hear_packet(answer, neighbour(), 255, false));
        }
        effects
    }

    fn state(&self) -> String {
        self.director.snapshot(self.now).neighbours[0].state.clone()
    }
}

#[test]
fn a_neighbour_is_spoken_to_from_sockets_that_are_wanted() {
    let mut desk = Desk::new("");
    let effects = desk.configure(&bfd("source_ip 10.0.0.1"));
    let level = sockets(&effects).expect("sockets");
    assert_eq!(level.listen, BTreeSet::from([(false, 3784)]));
    assert_eq!((level.speak["N"].source, level.speak["N"].ttl), (Some(own()), 255));
    let effects = desk.pass(Duration::from_secs(1));
    let sent = packets(&effects);
    assert_eq!(sent[0].destination, "10.0.0.9:3784".parse().unwrap());
    let effects = desk.configure(&bfd("multihop\nhoplimit 9"));
    let level = sockets(&effects).expect("sockets");
    assert_eq!(level.listen, BTreeSet::from([(false, 4784)]));
    let effects = desk.configure(SERVERS);
    assert_eq!(*sockets(&effects).expect("sockets"), NeighbourSockets::default());
}

#[test]
fn an_instance_waits_for_its_neighbour_and_leaves_with_it() {
    let mut desk = Desk::new(&(bfd("") + &tracking("")));
    assert_eq!(desk.first_role(), "FAULT");
    assert!(sent(&desk.pass(Duration::from_secs(9))).is_empty());
    assert!(desk.director.snapshot(desk.now).instances[0].cause.contains("track_bfd N"));
    let effects = desk.bring_up();
    assert!(logged(&effects, "bfd_instance N: 10.0.0.9 is up"), "{effects:?}");
    assert_eq!(desk.first_role(), "BACKUP");
    desk.pass_together(Duration::from_secs(4));
    assert_eq!(desk.first_role(), "MASTER");
    // Three times 50 ms of silence.
    let effects = desk.pass(Duration::from_millis(160));
    assert_eq!((desk.first_role().as_str(), desk.state().as_str()), ("FAULT", "down"));
    assert!(logged(&effects, "control detection time expired"), "{effects:?}");
    let farewell = sent(&effects).last().copied().expect("it says farewell").advert.priority;
    assert_eq!(farewell, 0);
}

#[test]
fn an_advert_leaves_before_a_packet() {
    let mut desk = Desk::new(&(bfd("") + &tracking("")));
    desk.bring_up();
    desk.pass_together(Duration::from_secs(4));
    let effects = desk.hear_neighbour(State::Down);
    let place = |wanted: fn(&Effect) -> bool| effects.iter().position(wanted);
    let advert = place(|effect| matches!(effect, Effect::Send(_)));
    let packet = place(|effect| matches!(effect, Effect::SendToNeighbour(_)));
    assert_eq!((advert, packet), (Some(0), Some(1)), "{effects:?}");
}

#[test]
fn a_weight_changes_the_priority_only() {
    let mut desk = Desk::new(&(bfd("weight -30") + &tracking("")));
    desk.pass(Duration::from_secs(4));
    let last = |effects: &[Effect]| sent(effects).last().map(|t| t.advert.priority);
    assert_eq!(last(&desk.pass(Duration::from_secs(2))), Some(70));
    desk.bring_up();
    assert_eq!(last(&desk.pass_together(Duration::from_secs(2))), Some(100));
    let mut desk = Desk::new(&(bfd("") + &tracking("weight 20")));
    desk.pass(Duration::from_secs(4));
    desk.bring_up();
    assert_eq!(last(&desk.pass_together(Duration::from_secs(2))), Some(120));
}

#[test]
fn reverse_makes_success_a_fault() {
    let mut desk = Desk::new(&(bfd("weight 0 reverse") + &tracking("")));
    assert_eq!(desk.first_role(), "BACKUP");
    desk.bring_up();
    assert_eq!(desk.first_role(), "FAULT");
}

#[test]
fn a_reload_keeps_the_session_and_asks_for_other_timers_by_a_poll() {
    let text = |min_tx: u32| bfd("").replace("min_tx 50", &format!("min_tx {min_tx}")) + &tracking("");
    let mut desk = Desk::new(&text(50));
    desk.bring_up();
    desk.pass_together(Duration::from_secs(5));
    let effects = desk.configure(&text(80));
    let sent = packets(&effects);
    assert!(sent[0].packet.poll && sent[0].packet.desired_min_tx == Duration::from_millis(80), "{sent:?}");
    assert_eq!((desk.state().as_str(), desk.first_role().as_str()), ("up", "MASTER"));
    assert_eq!(sockets(&effects), None, "no socket is opened anew");
    desk.pass_together(Duration::from_secs(1));
    assert_eq!(desk.director.snapshot(desk.now).neighbours[0].transmit_interval, Some(0.08));
    // Another address is another neighbour, and it is not up yet.
    let effects = desk.configure(&text(80).replace("10.0.0.9", "10.0.0.8"));
    assert_eq!(packets(&effects)[0].packet.state, State::Down);
    assert_eq!(desk.first_role(), "FAULT");
}

#[test]
fn a_neighbour_that_is_no_longer_tracked_or_configured_does_no_harm() {
    let mut desk = Desk::new(&(bfd("") + &tracking("")));
    desk.bring_up();
    desk.pass_together(Duration::from_secs(5));
    let effects = desk.configure(&instance(51, ""));
    assert_eq!(packets(&effects)[0].packet.diagnostic, Diagnostic::ADMIN);
    assert_eq!(desk.first_role(), "MASTER");
    assert!(!sent(&effects).iter().any(|t| t.advert.priority == 0), "it left for a moment");
    assert!(desk.director.snapshot(desk.now).neighbours.is_empty());
}

#[test]
fn strangers_are_not_heard_and_packets_from_afar_are_dropped() {
    let mut desk = Desk::new(&bfd(""));
    desk.bring_up();
    let down = desk.packet(State::Down);
    desk.hear_packet(down, peer(), 255, false);
    desk.hear_packet(Packet { yours: None, ..down }, peer(), 255, false);
    desk.hear_packet(Packet { yours: NonZeroU32::new(1), ..down }, neighbour(), 255, false);
    desk.hear_packet(down, neighbour(), 254, false);
    desk.hear_packet(down, neighbour(), 255, true);
    let envelope = Envelope { source: neighbour(), destination: own(), ttl: 255 };
    let packet = Err(PacketError::Authenticated);
    desk.tell(Event::NeighbourHeard { envelope, multihop: false, packet });
    let packet = Err(PacketError::ZeroMultiplier);
    desk.tell(Event::NeighbourHeard {
        envelope: Envelope { source: peer(), ..envelope },
        multihop: false,
        packet,
    });
    let snapshot = desk.director.snapshot(desk.now);
    assert_eq!(snapshot.neighbours[0].state, "up");
    let counters = &snapshot.neighbours[0].counters;
    for kind in ["dropped_ttl", "dropped_port", "dropped_authentication"] {
        assert_eq!(counters.get(kind), Some(&1), "{kind}: {counters:?}");
    }
    let strays = [("discriminator", 1), ("multiplier", 1), ("source", 2)];
    assert_eq!(snapshot.stray_packets, strays.map(|(kind, n)| (kind.to_owned(), n)).into());
    // A neighbour that was started anew names no session, and is known by its address.
    desk.hear_packet(Packet { yours: None, ..down }, neighbour(), 255, false);
    assert_eq!(desk.state(), "down");
}

#[test]
fn hops_are_counted_from_the_time_to_live_that_is_configured() {
    let mut desk = Desk::new(&bfd("ttl 64\nmax_hops 2\nmultihop"));
    desk.hear_packet(desk.packet(State::Init), neighbour(), 61, true);
    assert_eq!(desk.state(), "down");
    desk.hear_packet(desk.packet(State::Init), neighbour(), 62, true);
    assert_eq!(desk.state(), "up");
}

fn checked(alpha: &str) -> String {
    SERVERS.replace(
        "TCP_CHECK { \n            connect_timeout 1\n        } ",
        &format!("BFD_CHECK {{\nname N\n{alpha}\n}}"),
    )
}

fn weight(desk: &Desk) -> Option<u32> {
    desk.director.snapshot(desk.now).services[0].servers[0].effective_weight
}

#[test]
fn a_server_leaves_and_returns_with_its_neighbour() {
    let mut desk = Desk::new(&(bfd("") + &checked("")));
    assert_eq!(weight(&desk), Some(3), "nothing is known yet");
    desk.bring_up();
    assert_eq!(desk.director.snapshot(desk.now).services[0].servers[0].verdict, "up");
    let effects = desk.pass(Duration::from_millis(160));
    assert_eq!(weight(&desk), None);
    assert!(logged(&effects, "BFD_CHECK N failed: 10.0.0.9 is down: control detection time expired"));
    assert!(table(&effects).is_some_and(|table| table.services.values().all(|s| s.destinations.is_empty())));
    // A reload that changes something else does not bring it back.
    desk.configure(&(bfd("") + &checked("").replace("weight 3", "weight 5")));
    assert_eq!(weight(&desk), None);
    desk.hear_packet(Packet { yours: None, ..desk.packet(State::Down) }, neighbour(), 255, false);
    desk.hear_neighbour(State::Init);
    assert_eq!(weight(&desk), Some(5));
}

#[test]
fn a_neighbour_that_never_comes_up_takes_its_server_out_in_time() {
    let mut desk = Desk::new(&(bfd("") + &checked("")));
    desk.pass(Duration::from_millis(2900));
    assert_eq!(weight(&desk), Some(3));
    desk.pass(Duration::from_millis(200));
    assert_eq!(weight(&desk), None, "three idle intervals have passed");
    let server = desk.director.snapshot(desk.now).services[0].servers[0].clone();
    assert!(server.reason.contains("has not come up yet"), "{}", server.reason);
    assert_eq!(server.checks[0].check, "BFD_CHECK N");
}

#[test]
fn with_alpha_a_server_is_out_until_its_neighbour_is_up() {
    let mut desk = Desk::new(&(bfd("") + &checked("alpha")));
    assert_eq!(weight(&desk), None);
    desk.bring_up();
    assert_eq!(weight(&desk), Some(3));
}

#[test]
fn a_stop_is_told_to_the_neighbour_and_takes_no_server_out() {
    let mut desk = Desk::new(&(bfd("") + &checked("")));
    desk.bring_up();
    let effects = desk.tell(Event::Stop);
    assert_eq!(packets(&effects).last().map(|p| p.packet.state), Some(State::Down));
    assert!(!logged(&effects, "BFD_CHECK"), "{effects:?}");
}

#[test]
fn a_neighbour_that_is_switched_off_goes_on_counting_as_up() {
    let mut desk = Desk::new(&(bfd("") + &tracking("") + &checked("")));
    desk.bring_up();
    desk.pass_together(Duration::from_secs(4));
    let effects = desk.hear_neighbour(State::AdminDown);
    assert!(logged(&effects, "switched the session off"), "{effects:?}");
    desk.pass(Duration::from_secs(60));
    assert_eq!(
        (desk.state().as_str(), desk.first_role().as_str(), weight(&desk)),
        ("down", "MASTER", Some(3))
    );
    // It begins anew and falls silent: now it is lost.
    desk.hear_packet(Packet { yours: None, ..desk.packet(State::Down) }, neighbour(), 255, false);
    assert_eq!((desk.state().as_str(), desk.first_role().as_str()), ("init", "MASTER"));
    desk.pass(Duration::from_secs(4));
    assert_eq!((desk.first_role().as_str(), weight(&desk)), ("FAULT", None));
}

#[test]
fn nobody_watched_is_down_for_ever() {
    let mut desk = Desk::new(&(bfd("").replace("10.0.0.9", "none") + &tracking("") + &checked("")));
    desk.pass(Duration::from_secs(9));
    assert_eq!((desk.first_role().as_str(), weight(&desk)), ("FAULT", None));
}

#[test]
fn a_session_that_was_up_goes_on_under_its_numbers_after_a_restart() {
    let text = bfd("") + &tracking("");
    let mut desk = Desk::new("");
    let mut effects = desk.configure(&text);
    effects.extend(desk.bring_up());
    effects.extend(desk.pass_together(Duration::from_secs(5)));
    let left = legacy::legacy(&effects);
    assert_eq!(left.roles["VI_1"].state, vrrp::State::Master);

    let (mut heir, mut effects) = legacy::heir(&left, Duration::from_secs(1), true, &text);
    assert_eq!(heir.number(), desk.number());
    assert_eq!(heir.director.snapshot(heir.now).instances[0].role, "MASTER");
    effects.extend(heir.pass(Duration::ZERO));
    let said = &packets(&effects)[0].packet;
    assert_eq!((said.state, said.yours), (State::Up, NonZeroU32::new(77)));
    let effects = heir.pass_together(Duration::from_secs(2));
    assert!(packets(&effects).iter().all(|sent| sent.packet.state == State::Up));
    heir.pass(Duration::from_secs(4));
    assert_eq!(heir.director.snapshot(heir.now).instances[0].role, "FAULT", "its silence was not noticed");
}

//! Gratuitous ARP and unsolicited neighbour advertisements on their way out: at once, or at the pace that the file asks
//! for on an interface.
//!
//! A burst of a thousand messages is nothing to a host and too much for some switches; `garp_interval` and its relatives
//! stretch it. Without them each address is announced at once, and the repetitions follow round by round, a moment apart:
//! what a full buffer somewhere lost the first time is not to drown in the same buffer four times more. What waits is
//! forgotten as soon as the address it speaks of is no longer ours.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tracing::{error, warn};
use vrrp::io::Announcer;
use vrrp::{AddressKey, AddressLevel, Wanted};

use crate::config::Pace;
use crate::director::effect::{Announcement, Neighbourhood};

/// Between the rounds of a burst that has no pace: time for whoever reads it to empty its buffer.
const BREATH: Duration = Duration::from_millis(1);

/// Sends announcements.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    announcer: Option<Announcer>,
    queues: Queues,
}

/// What waits for its turn.
#[derive(Debug, Default)]
struct Queues {
    paced: BTreeMap<Queue, Waiting>,
    /// What is said again without a pace, by round; those of bursts that come together leave together.
    repeats: BTreeMap<u32, Vec<Message>>,
    /// When the next round may leave.
    breathed: Option<Instant>,
}

/// Messages that share a pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Queue {
    /// Those of a `garp_group`, by its number.
    Group { group: usize, v6: bool },
    /// Those that leave by the interface of this index, whatever lies on it.
    Interface { ground: u32, v6: bool },
}

/// What waits, and when the next of it may leave.
#[derive(Debug)]
struct Waiting {
    next: Instant,
    every: Duration,
    messages: VecDeque<Message>,
}

/// One frame to send.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) key: AddressKey,
    index: u32,
    mac: [u8; 6],
    /// Of those that wait, the lowest comes first: the round of the burst, then the place of the instance in the file.
    turn: (u32, u32),
    /// IPv6: whether this host is a router to its neighbours.
    router: bool,
}

impl Announcements {
    /// Opens the socket, so that nothing has to wait for it later. A refusal is told when there is something to send.
    pub(super) fn prepare(&mut self) {
        self.announcer = Announcer::open().ok();
    }

    /// Takes in a burst: each address once, then all again; `said` are those whose first message has left already.
    /// Returns what may leave at once. The rest goes on with [`Self::go_on`].
    pub(super) fn take(
        &mut self,
        burst: &Announcement,
        said: &BTreeSet<AddressKey>,
        now: Instant,
    ) -> Vec<Message> {
        self.queues.take(burst, said, &routers(burst), now)
    }

    /// The first message of a burst for each address that has no pace to keep.
    pub(super) fn at_once(&self, burst: &Announcement) -> BTreeMap<AddressKey, Message> {
        let routers = routers(burst);
        let messages = burst.places.iter().flat_map(|place| {
            let unpaced = |message: &Message| every(place.pace, message).is_zero();
            messages(place, &routers).into_iter().filter(unpaced)
        });
        messages.map(|message| (message.key.clone(), message)).collect()
    }

    /// When something that waits may leave.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queues.next()
    }

    /// Sends what may leave now, if its address is still wanted here.
    pub(super) fn go_on(&mut self, wanted: &AddressLevel, now: Instant) {
        let due = self.queues.due(wanted, now);
        for message in &due {
            self.send(message);
        }
        self.queues.breathe(Instant::now());
    }

    /// Everything that waits, in the order in which it would leave.
    #[cfg(test)]
    pub(super) fn rest(&mut self, wanted: &AddressLevel) -> Vec<Message> {
        let mut rest = Vec::new();
        while let Some(at) = self.next() {
            rest.extend(self.queues.due(wanted, at));
            self.queues.breathe(at);
        }
        rest
    }

    /// Sends one message.
    pub(super) fn send(&mut self, message: &Message) {
        if self.announcer.is_none() {
            match Announcer::open() {
                Ok(opened) => self.announcer = Some(opened),
                Err(error) => return error!("cannot send gratuitous ARP: {error}"),
            }
        }
        let Some(announcer) = &self.announcer else { return };
        let Message { key, index, mac, router, .. } = message;
        let (what, sent) = match key.address {
            IpAddr::V4(address) => ("gratuitous ARP", announcer.gratuitous_arp(*index, *mac, address)),
            IpAddr::V6(address) => (
                "unsolicited neighbour advertisement",
                announcer.unsolicited_advertisement(*index, *mac, address, *router),
            ),
        };
        if let Err(error) = sent {
            warn!("{what} for {} on {} was not sent: {error}", key.address, key.interface);
        }
    }
}

impl Queues {
    /// Takes in a burst, which takes the place of what an older one left, and returns what may leave at once.
    fn take(
        &mut self,
        burst: &Announcement,
        said: &BTreeSet<AddressKey>,
        routers: &BTreeSet<u32>,
        now: Instant,
    ) -> Vec<Message> {
        for place in &burst.places {
            let of_another = |message: &Message| {
                message.key.interface != place.interface || !place.addresses.contains(&message.key.address)
            };
            self.paced.values_mut().for_each(|waiting| waiting.messages.retain(of_another));
            self.repeats.values_mut().for_each(|round| round.retain(of_another));
        }
        let each = |place| -> Vec<Message> { messages(place, routers) };
        let places: Vec<(&Neighbourhood, Vec<Message>)> = burst.places.iter().map(|p| (p, each(p))).collect();
        let mut at_once = Vec::new();
        // An address that stands twice is announced as often; once may have been said.
        let mut said = said.clone();
        for round in 0..burst.repeat {
            for (place, messages) in &places {
                for message in messages.iter().filter(|message| round > 0 || !said.remove(&message.key)) {
                    let message = Message { turn: (round, burst.turn), ..message.clone() };
                    at_once.extend(self.line_up(message, place, now));
                }
            }
        }
        self.breathe(now);
        for waiting in self.paced.values_mut() {
            waiting.messages.make_contiguous().sort_by_key(|message| message.turn);
        }
        at_once
    }

    /// The message itself if it may leave at once.
    fn line_up(&mut self, message: Message, place: &Neighbourhood, now: Instant) -> Option<Message> {
        let pace = place.pace;
        let v6 = message.key.address.is_ipv6();
        let every = every(pace, &message);
        if every.is_zero() {
            let (round, _) = message.turn;
            if round == 0 {
                return Some(message);
            }
            self.repeats.entry(round).or_default().push(message);
            return None;
        }
        let queue = match pace.group {
            Some(group) => Queue::Group { group, v6 },
            None => Queue::Interface { ground: place.ground, v6 },
        };
        let fresh = || Waiting { next: now, every, messages: VecDeque::new() };
        let waiting = self.paced.entry(queue).or_insert_with(fresh);
        waiting.every = every;
        if waiting.messages.is_empty() && waiting.next <= now {
            waiting.next = now + every;
            return Some(message);
        }
        waiting.messages.push_back(message);
        None
    }

    fn next(&self) -> Option<Instant> {
        let paced = self.paced.values().filter(|waiting| !waiting.messages.is_empty());
        paced.map(|waiting| waiting.next).chain(self.breathed).min()
    }

    /// The next round waits from now on, if there is one that does not wait yet.
    fn breathe(&mut self, now: Instant) {
        self.repeats.retain(|_, round| !round.is_empty());
        self.breathed = self.breathed.or(Some(now + BREATH)).filter(|_| !self.repeats.is_empty());
    }

    fn due(&mut self, wanted: &AddressLevel, now: Instant) -> Vec<Message> {
        let mut due = Vec::new();
        let ours = |message: &Message| matches!(wanted.get(&message.key), Some(Wanted::Present(_)));
        if self.breathed.is_some_and(|at| at <= now) {
            let round = self.repeats.pop_first().map(|(_, round)| round).unwrap_or_default();
            due.extend(round.into_iter().filter(ours));
            self.breathed = None;
        }
        for waiting in self.paced.values_mut() {
            waiting.messages.retain(ours);
            if waiting.next <= now
                && let Some(message) = waiting.messages.pop_front()
            {
                // Whoever was held up does not hurry afterwards: the pace is a promise to switches.
                waiting.next = now + waiting.every;
                due.push(message);
            }
        }
        // A queue keeps its instant for as long as it matters.
        self.paced.retain(|_, waiting| !waiting.messages.is_empty() || waiting.next > now);
        due
    }
}

/// The time between messages of this kind.
fn every(pace: Pace, message: &Message) -> Duration {
    if message.key.address.is_ipv6() { pace.gna } else { pace.garp }
}

/// Indexes of the interfaces on which this host is a router, as far as neighbours there are told of IPv6 addresses.
fn routers(burst: &Announcement) -> BTreeSet<u32> {
    let v6 = |place: &&Neighbourhood| place.addresses.iter().any(IpAddr::is_ipv6);
    let forwarding = burst.places.iter().filter(v6).filter(|place| forwards(&place.interface));
    forwarding.map(|place| place.index).collect()
}

/// One message for each address of a place.
fn messages(place: &Neighbourhood, routers: &BTreeSet<u32>) -> Vec<Message> {
    let of = |address: &IpAddr| Message {
        key: AddressKey { interface: place.interface.clone(), address: *address },
        index: place.index,
        mac: place.mac,
        turn: (0, 0),
        router: routers.contains(&place.index),
    };
    place.addresses.iter().map(of).collect()
}

/// Whether this host forwards IPv6 packets that come in by the interface, which makes it a router to its neighbours.
fn forwards(interface: &str) -> bool {
    let setting = std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{interface}/forwarding"));
    setting.is_ok_and(|setting| setting.trim() != "0")
}

#[cfg(test)]
mod tests {
    use vrrp::AddressSettings;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn place(interface: &str, index: u32, pace: Pace, last: &[u8]) -> Neighbourhood {
        let addresses = last.iter().map(|last| IpAddr::from([192, 0, 2, *last])).collect();
        Neighbourhood {
            interface: interface.into(),
            index,
            ground: index,
            mac: [2, 0, 0, 0, 0, 1],
            pace,
            addresses,
        }
    }

    fn level(places: &[&Neighbourhood]) -> AddressLevel {
        let keys = places.iter().flat_map(|place| messages(place, &BTreeSet::new())).map(|m| m.key);
        keys.map(|key| (key.clone(), Wanted::Present(AddressSettings::host(key.address)))).collect()
    }

    fn last(messages: &[Message]) -> Vec<(u32, u8)> {
        let last = |message: &Message| match message.key.address {
            IpAddr::V4(address) => (message.index, address.octets()[3]),
            IpAddr::V6(_) => unreachable!(),
        };
        messages.iter().map(last).collect()
    }

    /// Everything that leaves later, with the seconds after `start`.
    fn later(queues: &mut Queues, wanted: &AddressLevel, start: Instant) -> Vec<(u64, u32, u8)> {
        let mut left = Vec::new();
        while let Some(at) = queues.next() {
            let seconds = (at - start).as_secs();
            let due = last(&queues.due(wanted, at));
            queues.breathe(at);
            left.extend(due.into_iter().map(|(index, last)| (seconds, index, last)));
        }
        left
    }

    /// What leaves without a pace, round by round, each a moment after the one before.
    fn rounds(queues: &mut Queues, wanted: &AddressLevel, mut now: Instant) -> Vec<Vec<(u32, u8)>> {
        let mut rounds = Vec::new();
        while let Some(at) = queues.next() {
            assert!(at == now + BREATH, "{:?} after the last", at - now);
            assert!(queues.due(wanted, at - BREATH / 2).is_empty());
            // It takes a while to send.
            rounds.push(last(&queues.due(wanted, at)));
            now = at + 7 * BREATH;
            queues.breathe(now);
        }
        rounds
    }

    #[test]
    fn without_a_pace_each_address_is_announced_at_once_and_again_round_by_round() {
        let now = Instant::now();
        let place = place("eth0", 2, Pace::default(), &[1, 2]);
        let wanted = level(&[&place]);
        let burst = Announcement { places: vec![place], repeat: 3, turn: 0 };
        let mut queues = Queues::default();
        let sent = queues.take(&burst, &BTreeSet::new(), &BTreeSet::new(), now);
        assert_eq!(last(&sent), [(2, 1), (2, 2)]);
        let all = || vec![(2, 1), (2, 2)];
        assert_eq!(rounds(&mut queues, &wanted, now), [all(), all()]);
        assert_eq!(queues.next(), None);
    }

    #[test]
    fn bursts_that_come_together_repeat_together_and_what_is_gone_or_new_is_not_repeated() {
        let now = Instant::now();
        let places = [place("a", 1, Pace::default(), &[1, 2]), place("b", 2, Pace::default(), &[3])];
        let [first, second] =
            places.clone().map(|place| Announcement { places: vec![place], repeat: 2, turn: 0 });
        let mut queues = Queues::default();
        let mut take = |burst, now| last(&queues.take(burst, &BTreeSet::new(), &BTreeSet::new(), now));
        assert_eq!(take(&first, now), [(1, 1), (1, 2)]);
        assert_eq!(take(&second, now + BREATH / 4), [(2, 3)]);
        // What is announced anew is not repeated because of the burst before.
        assert_eq!(take(&second, now + BREATH / 2), [(2, 3)]);
        let wanted = level(&[&place("a", 1, Pace::default(), &[2]), &places[1]]);
        assert_eq!(rounds(&mut queues, &wanted, now), [[(1, 2), (2, 3)]]);
    }

    #[test]
    fn interfaces_of_a_group_share_its_pace_and_others_have_their_own() {
        let start = Instant::now();
        let shared = Pace { group: Some(0), garp: SECOND, ..Pace::default() };
        let own = Pace { garp: 2 * SECOND, ..Pace::default() };
        let places = [place("a", 1, shared, &[1]), place("b", 2, shared, &[2]), place("c", 3, own, &[3, 4])];
        let wanted = level(&places.iter().collect::<Vec<_>>());
        let mut queues = Queues::default();
        let burst = Announcement { places: places.to_vec(), repeat: 1, turn: 0 };
        assert_eq!(last(&queues.take(&burst, &BTreeSet::new(), &BTreeSet::new(), start)), [(1, 1), (3, 3)]);
        assert_eq!(later(&mut queues, &wanted, start), [(1, 2, 2), (2, 3, 4)]);
        // The pace holds from one burst to the next.
        assert_eq!(
            last(&queues.take(&burst, &BTreeSet::new(), &BTreeSet::new(), start + 3 * SECOND)),
            [(1, 1)]
        );
        assert_eq!(later(&mut queues, &wanted, start), [(4, 2, 2), (4, 3, 3), (6, 3, 4)]);
    }

    #[test]
    fn what_lies_on_one_interface_shares_its_pace_and_waits_in_the_order_of_the_file() {
        let start = Instant::now();
        let pace = Pace { garp: SECOND, ..Pace::default() };
        let upon =
            |name: &str, index, last: &[u8]| Neighbourhood { ground: 1, ..place(name, index, pace, last) };
        let (second, first) = (upon("vrrp.2", 8, &[3, 4]), upon("vrrp.1", 7, &[1, 2]));
        let wanted = level(&[&first, &second]);
        let mut queues = Queues::default();
        let burst = |place, turn| Announcement { places: vec![place], repeat: 1, turn };
        assert_eq!(
            last(&queues.take(&burst(second, 1), &BTreeSet::new(), &BTreeSet::new(), start)),
            [(8, 3)]
        );
        assert_eq!(last(&queues.take(&burst(first, 0), &BTreeSet::new(), &BTreeSet::new(), start)), []);
        assert_eq!(later(&mut queues, &wanted, start), [(1, 7, 1), (2, 7, 2), (3, 8, 4)]);
    }

    #[test]
    fn what_is_no_longer_wanted_is_not_announced() {
        let start = Instant::now();
        let pace = Pace { garp: SECOND, ..Pace::default() };
        let burst = Announcement { places: vec![place("a", 1, pace, &[1, 2, 3])], repeat: 3, turn: 0 };
        let mut queues = Queues::default();
        assert_eq!(last(&queues.take(&burst, &BTreeSet::new(), &BTreeSet::new(), start)), [(1, 1)]);
        let wanted = level(&[&place("a", 1, pace, &[2])]);
        assert_eq!(later(&mut queues, &wanted, start), [(1, 1, 2), (2, 1, 2), (3, 1, 2)]);
    }

    #[test]
    fn a_new_burst_takes_the_place_of_an_older_one_and_a_delay_is_not_made_up_for() {
        let start = Instant::now();
        let pace = Pace { garp: SECOND, ..Pace::default() };
        let place = place("a", 1, pace, &[1, 2]);
        let wanted = level(&[&place]);
        let burst = |repeat| Announcement { places: vec![place.clone()], repeat, turn: 0 };
        let mut queues = Queues::default();
        queues.take(&burst(9), &BTreeSet::new(), &BTreeSet::new(), start);
        queues.take(&burst(2), &BTreeSet::new(), &BTreeSet::new(), start);
        let held_up = start + 10 * SECOND;
        assert_eq!(last(&queues.due(&wanted, held_up)), [(1, 1)]);
        assert_eq!(later(&mut queues, &wanted, start), [(11, 1, 2), (12, 1, 1), (13, 1, 2)]);
    }
}

//! The thread that tells the neighbours where addresses are.
//!
//! A thread of its own, so that the first of many addresses is announced while the kernel still adds the others. An
//! announcement never overtakes its address: the brain's burst waits here until the owner of the addresses says that
//! an address is there, or that all has been done that there was to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Instant;

use vrrp::{AddressKey, NetworkLevel};

use super::alert::Alert;
use super::announcements::{Announcements, Message};
use super::priority;
use crate::director::effect::{Announcement, Level};

/// The way to this thread.
#[derive(Debug, Clone)]
pub(super) struct Herald(mpsc::Sender<Word>);

/// What it is told.
#[derive(Debug)]
pub(super) enum Word {
    /// By the loop: addresses are likely to come in a moment.
    Rouse,
    /// By the brain: tell the neighbours, once the level of this number has been carried out.
    Announce(Announcement, u64),
    /// By the owner of the addresses: these have just been added.
    There(Vec<AddressKey>),
    /// By the same: what could be done of this level has been done.
    Done(Level<NetworkLevel>),
}

/// The bursts, and how far the owner of the addresses is.
#[derive(Debug, Default)]
struct Desk {
    announcements: Announcements,
    /// The newest level that has been carried out.
    done: Level<NetworkLevel>,
    /// What the owner has added since.
    there: BTreeSet<AddressKey>,
    waiting: Vec<Waiting>,
}

/// A burst that came before its addresses.
#[derive(Debug)]
struct Waiting {
    burst: Announcement,
    level: u64,
    /// The first message for each address that has not left yet.
    unsaid: BTreeMap<AddressKey, Message>,
    /// Addresses whose first message has left.
    said: BTreeSet<AddressKey>,
}

/// The way to the thread, and its end of it.
pub(super) fn herald() -> (Herald, Receiver<Word>) {
    let (sender, receiver) = mpsc::channel();
    (Herald(sender), receiver)
}

impl Herald {
    /// Addresses are likely to come in a moment.
    pub(super) fn rouse(&self) {
        // A thread that has ended was told so by a panic that ends the process; nothing to do here.
        let _ = self.0.send(Word::Rouse);
    }

    /// Tell the neighbours, once the level of this number has been carried out.
    pub(super) fn announce(&self, burst: Announcement, level: u64) {
        // A thread that has ended was told so by a panic that ends the process; nothing to do here.
        let _ = self.0.send(Word::Announce(burst, level));
    }

    /// These addresses have just been added.
    pub(super) fn there(&self, added: &[AddressKey]) {
        let _ = self.0.send(Word::There(added.to_vec()));
    }

    /// What could be done of this level has been done.
    pub(super) fn done(&self, level: &Level<NetworkLevel>) {
        let _ = self.0.send(Word::Done(level.clone()));
    }
}

/// Works until nobody is left who could tell it anything.
pub(super) fn work(words: &Receiver<Word>) {
    priority::prefer(priority::ADDRESSES);
    let mut desk = Desk::default();
    desk.announcements.prepare();
    let mut alert = Alert::default();
    loop {
        match alert.receive(words, desk.announcements.next()) {
            Ok(Word::Rouse) => alert.rouse(),
            Ok(word) => {
                for message in desk.hear(word, Instant::now()) {
                    desk.announcements.send(&message);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        desk.announcements.go_on(&desk.done.value.addresses, Instant::now());
    }
}

impl Desk {
    /// What may leave because of this word.
    fn hear(&mut self, word: Word, now: Instant) -> Vec<Message> {
        match word {
            Word::Rouse => Vec::new(),
            Word::Announce(burst, level) if level <= self.done.serial => {
                self.announcements.take(&burst, &BTreeSet::new(), now)
            }
            Word::Announce(burst, level) => {
                let unsaid = self.announcements.at_once(&burst);
                let mut waiting = Waiting { burst, level, unsaid, said: BTreeSet::new() };
                let messages = waiting.say(&self.there);
                self.waiting.push(waiting);
                messages
            }
            Word::There(added) => {
                let messages = self.waiting.iter_mut().flat_map(|waiting| waiting.say(&added)).collect();
                self.there.extend(added);
                messages
            }
            Word::Done(level) => {
                self.there.clear();
                let released = self.waiting.extract_if(.., |waiting| waiting.level <= level.serial);
                let released: Vec<Waiting> = released.collect();
                self.done = level;
                let take = |waiting: Waiting| self.announcements.take(&waiting.burst, &waiting.said, now);
                released.into_iter().flat_map(take).collect()
            }
        }
    }
}

impl Waiting {
    /// The first messages for these addresses.
    fn say<'a>(&mut self, there: impl IntoIterator<Item = &'a AddressKey>) -> Vec<Message> {
        let mut messages = Vec::new();
        for key in there {
            if let Some((key, message)) = self.unsaid.remove_entry(key) {
                self.said.insert(key);
                messages.push(message);
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use vrrp::{AddressSettings, Wanted};

    use super::*;
    use crate::config::Pace;
    use crate::director::effect::Neighbourhood;

    const NOBODY: [u8; 0] = [];

    fn key(last: u8) -> AddressKey {
        AddressKey::new("eth0", [192, 0, 2, last].into())
    }

    fn burst(repeat: u32, pace: Pace, last: &[u8]) -> Announcement {
        let addresses = last.iter().map(|last| key(*last).address).collect();
        let (interface, mac) = ("eth0".to_owned(), [2, 0, 0, 0, 0, 1]);
        let places = vec![Neighbourhood { interface, ground: 2, index: 2, mac, pace, addresses }];
        Announcement { places, repeat, turn: 0 }
    }

    fn level(serial: u64, last: &[u8]) -> Level<NetworkLevel> {
        let wanted = |last: &u8| (key(*last), Wanted::Present(AddressSettings::host(key(*last).address)));
        let addresses = last.iter().map(wanted).collect();
        Level { serial, value: Arc::new(NetworkLevel { addresses, ..NetworkLevel::default() }) }
    }

    fn there(last: &[u8]) -> Word {
        Word::There(last.iter().map(|last| key(*last)).collect())
    }

    /// The last numbers of the addresses that are told because of this word.
    fn hear(desk: &mut Desk, word: Word) -> Vec<u8> {
        last(desk.hear(word, Instant::now()))
    }

    /// Those of what is said again later.
    fn rest(desk: &mut Desk) -> Vec<u8> {
        last(desk.announcements.rest(&desk.done.value.addresses))
    }

    fn last(messages: Vec<Message>) -> Vec<u8> {
        let last = |message: Message| match message.key.address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => unreachable!(),
        };
        messages.into_iter().map(last).collect()
    }

    #[test]
    fn an_address_is_announced_when_it_is_there_and_not_before() {
        let mut desk = Desk::default();
        assert_eq!(hear(&mut desk, there(&[1, 9])), NOBODY);
        let words = Word::Announce(burst(2, Pace::default(), &[1, 2, 3, 4]), 5);
        assert_eq!(hear(&mut desk, words), [1], "the first came before the word of the brain");
        assert_eq!(hear(&mut desk, there(&[3, 2])), [3, 2]);
        assert_eq!(hear(&mut desk, there(&[3])), NOBODY, "once is enough for the beginning");
        assert_eq!(hear(&mut desk, Word::Done(level(4, &[]))), NOBODY, "an older level");
        let others = hear(&mut desk, Word::Done(level(5, &[1, 2, 3, 4])));
        assert_eq!(others, [4], "what could not be added by us is announced last");
        assert_eq!(rest(&mut desk), [1, 2, 3, 4], "then all again");
        assert_eq!(hear(&mut desk, there(&[1])), NOBODY);
    }

    #[test]
    fn an_address_that_stands_twice_is_announced_twice_as_often() {
        let mut desk = Desk::default();
        let words = Word::Announce(burst(2, Pace::default(), &[1, 2, 2]), 1);
        assert_eq!(hear(&mut desk, words), NOBODY);
        assert_eq!(hear(&mut desk, there(&[1, 2])), [1, 2]);
        assert_eq!(hear(&mut desk, Word::Done(level(1, &[1, 2]))), [2]);
        assert_eq!(rest(&mut desk), [1, 2, 2]);
    }

    #[test]
    fn what_has_nothing_to_wait_for_leaves_at_once() {
        let mut desk = Desk::default();
        assert_eq!(hear(&mut desk, Word::Done(level(7, &[1]))), NOBODY);
        assert_eq!(hear(&mut desk, Word::Announce(burst(2, Pace::default(), &[1]), 7)), [1]);
        assert_eq!(rest(&mut desk), [1]);
    }

    #[test]
    fn what_has_a_pace_keeps_it() {
        let mut desk = Desk::default();
        let pace = Pace { garp: Duration::from_secs(1), ..Pace::default() };
        assert_eq!(hear(&mut desk, Word::Announce(burst(1, pace, &[1, 2]), 1)), NOBODY);
        assert_eq!(hear(&mut desk, there(&[1, 2])), NOBODY);
        assert_eq!(hear(&mut desk, Word::Done(level(1, &[1, 2]))), [1]);
        assert!(desk.announcements.next().is_some(), "the other one waits for its turn");
    }
}

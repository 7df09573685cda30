//! Addresses of hosts that files in the directory of servers in maintenance are named by. Whoever is asked may take its
//! time, so it is asked on a thread of its own; what was known last holds until there is an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

/// How long an answer is believed.
const FRESH: Duration = Duration::from_secs(60);
/// How soon a name is looked up again that nobody knew.
const AGAIN: Duration = Duration::from_secs(5);

type Addresses = BTreeSet<IpAddr>;
type Answers = BTreeMap<String, Result<Addresses, String>>;

/// What is known of names.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    known: Answers,
    /// Somebody is being asked.
    asked: Option<Receiver<Answers>>,
    /// When it is time to ask again.
    next: Option<Instant>,
}

impl Lookups {
    /// Whether an answer is being waited for, or should be asked for soon.
    pub(super) fn must_look(&self) -> bool {
        self.asked.is_some() || self.known.values().any(Result::is_err)
    }

    /// Whether there may be something new.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.asked.is_some() || self.next.is_some_and(|next| next <= now)
    }

    /// What is known of these names, and of no others from now on. One that is not here is being asked for.
    pub(super) fn find(&mut self, names: &BTreeSet<String>, now: Instant) -> &Answers {
        self.known.retain(|name, _| names.contains(name));
        self.take_answers(now);
        let new = names.iter().any(|name| !self.known.contains_key(name));
        if names.is_empty() {
            self.next = None;
        } else if self.asked.is_none() && (new || self.next.is_none_or(|next| next <= now)) {
            self.ask(names.clone());
        }
        &self.known
    }

    fn take_answers(&mut self, now: Instant) {
        let Some(asked) = &self.asked else { return };
        match asked.try_recv() {
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => (self.asked, self.next) = (None, Some(now + AGAIN)),
            Ok(answers) => {
                let failed = answers.values().any(Result::is_err);
                for (name, answer) in answers {
                    // Who is in maintenance stays there while nobody can be asked.
                    match (answer, self.known.get(&name)) {
                        (Err(_), Some(Ok(_))) => {}
                        (answer, _) => drop(self.known.insert(name, answer)),
                    }
                }
                self.asked = None;
                self.next = Some(now + if failed { AGAIN } else { FRESH });
            }
        }
    }

    fn ask(&mut self, names: BTreeSet<String>) {
        let (sender, receiver) = channel();
        let work = move || {
            let answer = |name: &str| match (name, 0).to_socket_addrs() {
                Ok(found) => Ok(found.map(|address| address.ip()).collect()),
                Err(error) => Err(error.to_string()),
            };
            let answers = names.into_iter().map(|name| (name.clone(), answer(&name))).collect();
            // Nobody may want to know any more.
            let _ = sender.send(answers);
        };
        let begun = std::thread::Builder::new().name("lookups".to_owned()).spawn(work);
        self.asked = begun.is_ok().then_some(receiver);
        if self.asked.is_none() {
            self.next = Some(Instant::now() + AGAIN);
        }
    }
}

/// Whether a word could name a host, and perhaps a port of it: both.
pub(super) fn host_of(name: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match name.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
        None => (name, None),
    };
    let odd = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '.' | '_');
    let fits = !host.is_empty() && host.len() <= 253 && !host.contains(odd);
    (fits && host.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_other_words() {
        for (name, expected) in [
            ("web1", Some(("web1", None))),
            ("web1.example.org:80", Some(("web1.example.org", Some(80)))),
            ("web1:http", None),
            ("web1:0", None),
            (".hidden", None),
            ("a b", None),
            ("", None),
            (":80", None),
        ] {
            assert_eq!(host_of(name), expected, "{name}");
        }
    }

    #[test]
    fn an_answer_comes_later_and_is_kept_while_nobody_knows() {
        let mut lookups = Lookups::default();
        let (begin, names) = (Instant::now(), BTreeSet::from(["localhost".to_owned()]));
        assert!(lookups.find(&names, begin).is_empty() && lookups.must_look());
        let deadline = begin + Duration::from_secs(20);
        while lookups.find(&names, begin).is_empty() {
            assert!(Instant::now() < deadline, "no answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        let found = lookups.find(&names, begin)["localhost"].clone().expect("everybody knows this one");
        assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty(), "{found:?}");
        assert!(!lookups.must_look() && lookups.is_due(begin + FRESH));
        // The next answer is none.
        let (sender, receiver) = channel();
        lookups.asked = Some(receiver);
        sender.send(Answers::from([("localhost".to_owned(), Err("no answer".to_owned()))])).expect("heard");
        assert_eq!(lookups.find(&names, begin)["localhost"], Ok(found));
        assert!(lookups.find(&BTreeSet::new(), begin).is_empty());
    }
}

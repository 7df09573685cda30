//! What was done, what should have followed, and what was seen, on one time line.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use lab::sniff::{Event, Timeline, between};

/// What a kernel kept for a host it could not reach comes out of it in one go, which takes no longer than this.
const IN_ONE_GO: Duration = Duration::from_millis(5);

/// A master that should be one from some time on.
#[derive(Debug, Clone)]
struct Reign {
    host: String,
    earliest: SystemTime,
    latest: SystemTime,
}

/// The record of one play.
#[derive(Debug)]
pub struct Record {
    title: String,
    /// One master's first adverts may cross the last one of another.
    crossing: Duration,
    done: Vec<(SystemTime, String)>,
    expected: Vec<Reign>,
    /// Whose cable was out and is in again, and since when.
    plugged: Option<(String, SystemTime)>,
}

impl Record {
    /// An empty record; adverts of a former master this long after it was replaced were under way.
    pub fn new(title: String, crossing: Duration) -> Record {
        Record { title, crossing, done: Vec::new(), expected: Vec::new(), plugged: None }
    }

    /// Something was done now.
    pub fn done(&mut self, what: impl Into<String>) -> SystemTime {
        let now = SystemTime::now();
        self.done.push((now, what.into()));
        now
    }

    /// The cable of this host is put in again now.
    pub fn plugged(&mut self, host: &str) -> SystemTime {
        let now = self.done(format!("{host} plugged in again"));
        self.plugged = Some((host.to_owned(), now));
        now
    }

    /// From some time in `earliest..=latest` on this host should be the master.
    pub fn expect(&mut self, host: &str, earliest: SystemTime, latest: SystemTime) {
        self.expected.push(Reign { host: host.into(), earliest, latest });
    }

    /// Whether the masters were those expected, each in its time; if not, the whole story.
    pub fn compare(&self, timeline: &Timeline) -> Result<(), String> {
        let masters = self.masters(timeline);
        let fits = |(at, host): &(SystemTime, String), reign: &Reign| {
            *host == reign.host && (reign.earliest..=reign.latest).contains(at)
        };
        let count = masters.len() == self.expected.len();
        match count && masters.iter().zip(&self.expected).all(|(seen, reign)| fits(seen, reign)) {
            true => Ok(()),
            false => Err(self.tell("the masters were others", timeline)),
        }
    }

    /// Who was master from when on.
    fn masters(&self, timeline: &Timeline) -> Vec<(SystemTime, String)> {
        let mut masters: Vec<(SystemTime, String)> = Vec::new();
        let adverts = timeline.adverts().filter(|(_, advert)| advert.priority > 0);
        for (event, _) in adverts.filter(|(event, _)| !self.was_kept(timeline, event)) {
            let current = masters.last();
            let before = masters.len().checked_sub(2).map(|n| &masters[n]);
            let under_way = current.is_some_and(|(since, _)| between(*since, event.at) < self.crossing)
                && before.is_some_and(|(_, host)| *host == event.from);
            if current.is_none_or(|(_, host)| *host != event.from) && !under_way {
                masters.push((event.at, event.from.clone()));
            }
        }
        masters
    }

    /// Whether this advert was sent while the cable was out: what goes to a peer, not to the group, the kernel keeps until it
    /// knows the way to it again. The farewell with which the host left its mastership then comes with it.
    fn was_kept(&self, timeline: &Timeline, advert: &Event) -> bool {
        let Some((host, plugged)) = &self.plugged else { return false };
        let farewell = timeline.farewell(host, *plugged).map(|event| event.at);
        advert.from == *host
            && advert.at > *plugged
            && farewell.is_some_and(|at| at >= advert.at && between(advert.at, at) <= IN_ONE_GO)
    }

    /// The whole story, with a sentence on what is wrong with it.
    pub fn tell(&self, wrong: &str, timeline: &Timeline) -> String {
        let farewells = timeline.adverts().filter(|(_, advert)| advert.priority == 0);
        let mut lines: Vec<(SystemTime, String)> = self.done.clone();
        lines
            .extend(self.masters(timeline).into_iter().map(|(at, host)| (at, format!("  {host} is master"))));
        lines.extend(farewells.map(|(event, _)| (event.at, format!("  {} says farewell", event.from))));
        lines.sort_by_key(|(at, _)| *at);
        let zero = lines.first().map_or(SystemTime::UNIX_EPOCH, |(at, _)| *at);
        let seconds = |at: SystemTime| between(zero, at).as_secs_f64();
        let mut text = format!("{}: {wrong}\n  seen:\n", self.title);
        for (at, line) in lines {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {:9.4}  {line}", seconds(at));
        }
        text.push_str("  expected:\n");
        for Reign { host, earliest, latest } in &self.expected {
            let (from, to) = (seconds(*earliest), seconds(*latest));
            let _ = writeln!(text, "  {from:9.4} to {to:9.4}  {host} is master");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use lab::sniff::{Advert, What};

    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    /// Adverts: when, from whom, with which priority.
    fn timeline(adverts: &[(u64, &str, u8)]) -> Timeline {
        let event = |&(millis, from, priority): &(u64, &str, u8)| {
            let advert = Advert {
                source: [10, 0, 0, 1].into(),
                destination: [10, 0, 0, 2].into(),
                ttl: 255,
                version: 3,
                vrid: 1,
                priority,
                auth_type: 0,
                interval: Duration::from_millis(100),
                addresses: Vec::new(),
            };
            Event { at: at(millis), from: from.into(), what: What::Advert(advert) }
        };
        Timeline(adverts.iter().map(event).collect())
    }

    #[test]
    fn what_the_kernel_kept_while_the_cable_was_out_makes_nobody_master() {
        let mut record = Record::new("a play".into(), Duration::from_millis(50));
        record.plugged = Some(("we".into(), at(1_000)));
        let seen = |later: u64| {
            let adverts = [(0, "we", 100), (500, "peer", 200), (1_600, "we", 100), (1_600 + later, "we", 0)];
            record.masters(&timeline(&adverts)).into_iter().map(|(_, host)| host).collect::<Vec<_>>()
        };
        assert_eq!(seen(1), ["we", "peer"]);
        assert_eq!(seen(100), ["we", "peer", "we"], "it was master for an interval");
    }
}

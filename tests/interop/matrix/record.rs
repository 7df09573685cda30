//! What was done, what should have followed, and what was seen, on one time line.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use lab::sniff::{Timeline, between};

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
}

impl Record {
    /// An empty record; adverts of a former master this long after it was replaced were under way.
    pub fn new(title: String, crossing: Duration) -> Record {
        Record { title, crossing, done: Vec::new(), expected: Vec::new() }
    }

    /// Something was done now.
    pub fn done(&mut self, what: impl Into<String>) -> SystemTime {
        let now = SystemTime::now();
        self.done.push((now, what.into()));
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
        for (event, _) in timeline.adverts().filter(|(_, advert)| advert.priority > 0) {
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

//! What checks say of a server's weight beside the file: commands with `misc_dynamic`, and the numbers in files
//! (`FILE_CHECK`). They add to the configured weight, all of them together, as in keepalived.
//!
//! A file whose number is multiplied by 0 says no weight but whether the server may serve at all: with any other number
//! than 0 it may not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use healthcheck::Verdict;
use ipvs_backend::DestinationKey;
use vrrp::track::Reading;

use super::Director;
use super::event::CheckId;
use super::journal::Entry;
use crate::config::{Config, FileCheck, FileWeight, PlannedCheck, RealServer, Served};

/// The largest weight of the kernel's table.
const MOST: i64 = i32::MAX as i64;

/// What the checks of one server say of its weight.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// The weight that a command's last exit status asks for.
    commands: BTreeMap<CheckId, u32>,
    files: BTreeMap<String, FileGiven>,
}

/// What one file says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileGiven {
    factor: FileWeight,
    number: Option<i64>,
    /// What is known, in words.
    words: String,
}

impl FileGiven {
    /// What it adds.
    fn points(&self) -> i64 {
        let factor = i64::from(self.factor.factor) * if self.factor.reverse { -1 } else { 1 };
        self.number.unwrap_or(0).saturating_mul(factor).clamp(-MOST, MOST)
    }

    fn verdict(&self) -> Verdict {
        match self.number {
            None => Verdict::Unknown,
            Some(number) if self.factor.factor == 0 && (number != 0) != self.factor.reverse => Verdict::Down,
            Some(_) => Verdict::Up,
        }
    }
}

impl Given {
    /// What is still asked for, with what is known of it.
    pub(super) fn configured(&self, server: &RealServer, checks: &[CheckId], config: &Config) -> Self {
        let commands = self.commands.iter().filter(|(id, _)| checks.contains(id));
        let files = file_checks(server).map(|check| {
            let known = self.files.get(&check.track_file);
            let (number, words) = known
                .map_or((None, "no verdict yet".to_owned()), |known| (known.number, known.words.clone()));
            (check.track_file.clone(), FileGiven { factor: factor(check, config), number, words })
        });
        Given { commands: commands.map(|(id, weight)| (*id, *weight)).collect(), files: files.collect() }
    }

    /// The weight that comes of it.
    pub(super) fn weight(&self, configured: u32) -> u32 {
        let base = i64::from(configured);
        let commands: i64 = self.commands.values().map(|weight| i64::from(*weight) - base).sum();
        let files = self.files.values().fold(0, |sum: i64, file| sum.saturating_add(file.points()));
        let sum = base.saturating_add(commands).saturating_add(files);
        u32::try_from(sum.clamp(0, MOST)).unwrap_or(0)
    }

    /// By name: what each file says, and whether the server may serve for it.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, Verdict, &str)> {
        self.files.iter().map(|(name, file)| (name.as_str(), file.verdict(), file.words.as_str()))
    }

    /// What is added to the configured weight, and by whom; `None` if nothing is.
    pub(super) fn words(&self, configured: u32) -> Option<String> {
        let base = i64::from(configured);
        let commands = self.commands.values().map(|weight| i64::from(*weight) - base);
        let commands =
            commands.filter(|points| *points != 0).map(|points| format!("{points:+} by a MISC_CHECK"));
        let files = self.files.iter().filter(|(_, file)| file.points() != 0);
        let files = files.map(|(name, file)| format!("{:+} by {name}, for {}", file.points(), file.words));
        let all: Vec<String> = commands.chain(files).collect();
        (!all.is_empty()).then(|| format!("configured {configured}, {}", all.join(", ")))
    }

    fn command(&mut self, id: CheckId, weight: Option<u32>) {
        match weight {
            Some(weight) => drop(self.commands.insert(id, weight)),
            None => drop(self.commands.remove(&id)),
        }
    }

    /// What a file says now: its verdicts before and after, if it is asked for.
    fn file(&mut self, name: &str, number: Option<i64>, words: &str) -> Option<(Verdict, Verdict)> {
        let file = self.files.get_mut(name)?;
        let before = file.verdict();
        (file.number, file.words) = (number, words.to_owned());
        Some((before, file.verdict()))
    }
}

fn file_checks(server: &RealServer) -> impl Iterator<Item = &FileCheck> {
    server.planned.iter().filter_map(|check| match &**check {
        PlannedCheck::File(check) => Some(check),
        PlannedCheck::Bfd(_) => None,
    })
}

/// What its number is multiplied by: as the check says, else as the file's own block does.
fn factor(check: &FileCheck, config: &Config) -> FileWeight {
    check.weight.unwrap_or_else(|| match config.files.get(&check.track_file) {
        Some(file) => FileWeight { factor: file.weight.points.into(), reverse: file.weight.reverse },
        None => FileWeight { factor: 1, reverse: false },
    })
}

impl Director {
    /// The files that servers are checked by.
    pub(super) fn files_of_checks(&self) -> BTreeSet<String> {
        if self.config.files.is_empty() {
            // Most have none, and tens of thousands of servers.
            return BTreeSet::new();
        }
        let servers = self.config.virtual_servers().flat_map(|(_, service)| service.all_servers());
        servers.flat_map(|(_, server)| file_checks(server).map(|check| check.track_file.clone())).collect()
    }

    /// A command has ended well, and asks for a weight, or for the configured one.
    pub(super) fn command_weight(
        &mut self,
        id: CheckId,
        service: Served,
        server: DestinationKey,
        weight: Option<u32>,
        now: Instant,
    ) {
        self.weigh(service, server, now, |given| {
            given.command(id, weight);
            None
        });
    }

    /// Tells these servers of a pool what their files say, after a configuration.
    pub(super) fn note_files(&mut self, service: &Served, asking: &[DestinationKey], now: Instant) {
        let Some(pool) = self.pools.get(service) else { return };
        let mut asked: BTreeMap<String, Vec<(Served, DestinationKey)>> = BTreeMap::new();
        for key in asking {
            for (name, ..) in pool.servers.get(key).iter().flat_map(|server| server.given.files()) {
                asked.entry(name.to_owned()).or_default().push((service.clone(), *key));
            }
        }
        for (name, places) in asked {
            self.tell_file(&name, places, now);
        }
    }

    /// Tells all servers that are checked by a file what it says now.
    pub(super) fn tell_file_checks(&mut self, name: &str, now: Instant) {
        let mut places = Vec::new();
        for (service, pool) in &self.pools {
            let asking = pool.servers.iter().filter(|(_, server)| server.given.files.contains_key(name));
            places.extend(asking.map(|(key, _)| (service.clone(), *key)));
        }
        self.tell_file(name, places, now);
    }

    fn tell_file(&mut self, name: &str, places: Vec<(Served, DestinationKey)>, now: Instant) {
        let Some((reading, words)) = self.reading("track_file", name) else { return };
        let number = match reading {
            Reading::Number(number) => Some(number),
            _ => None,
        };
        for (service, server) in places {
            self.weigh(service, server, now, |given| {
                let (before, after) = given.file(name, number, &words)?;
                (before != after)
                    .then(|| (format!("FILE_CHECK {name}"), after != Verdict::Down, words.clone()))
            });
        }
    }

    /// Takes in what a check says of a weight, and does what follows: from the weight, and from a verdict (whose, whether
    /// it is good, and why).
    fn weigh(
        &mut self,
        service: Served,
        key: DestinationKey,
        now: Instant,
        fact: impl FnOnce(&mut Given) -> Option<(String, bool, String)>,
    ) {
        let Some(pool) = self.pools.get_mut(&service) else { return };
        let weighed = pool.servers.change(&key, |server| {
            let from = server.weight();
            let verdict = fact(&mut server.given);
            let why = server.given.words(server.config.weight).unwrap_or_else(|| "as configured".to_owned());
            (from, server.weight(), why, verdict)
        });
        let Some((from, to, why, verdict)) = weighed else { return };
        if from != to {
            let changes = pool.recount(now);
            self.log(Entry::Weight { service: service.clone(), server: key, from, to, why });
            self.tell_changes(&service, changes, now);
            self.renew_service(&service, now);
        }
        if let Some((check, up, words)) = verdict {
            self.check_flipped(service, key, check, up, &words, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(factor: i32, reverse: bool, number: i64) -> FileGiven {
        FileGiven {
            factor: FileWeight { factor, reverse },
            number: Some(number),
            words: "/f says so".to_owned(),
        }
    }

    fn given(commands: &[u32], files: &[FileGiven]) -> Given {
        let commands = commands.iter().zip(0..).map(|(weight, id)| (CheckId(id), *weight)).collect();
        let files = files.iter().zip('a'..).map(|(file, name)| (name.to_string(), file.clone())).collect();
        Given { commands, files }
    }

    #[test]
    fn all_that_is_said_adds_up_to_the_configured_weight() {
        for (commands, files, expected) in [
            (&[][..], &[][..], 10),
            (&[3], &[], 3),
            (&[3, 12], &[], 5),
            (&[], &[file(2, false, 4)], 18),
            (&[], &[file(2, true, 4)], 2),
            (&[0], &[file(1, false, -5)], 0),
            (&[20], &[file(1, false, 7)], 27),
            (&[], &[file(i32::MAX, false, i64::MAX)], i32::MAX as u32),
        ] {
            assert_eq!(given(commands, files).weight(10), expected, "{commands:?} {files:?}");
        }
    }

    #[test]
    fn what_is_added_is_told_with_its_cause() {
        let words = given(&[3], &[file(2, false, 4), file(1, false, 0)]).words(10);
        assert_eq!(words.as_deref(), Some("configured 10, -7 by a MISC_CHECK, +8 by a, for /f says so"));
        assert_eq!(given(&[10], &[]).words(10), None);
    }

    #[test]
    fn a_file_that_weighs_nothing_says_whether_the_server_may_serve() {
        for (file, expected) in [
            (file(0, false, 0), Verdict::Up),
            (file(0, false, -1), Verdict::Down),
            (file(0, true, 0), Verdict::Down),
            (file(0, true, 1), Verdict::Up),
            (file(1, false, -500), Verdict::Up),
            (FileGiven { number: None, ..file(0, false, 0) }, Verdict::Unknown),
        ] {
            assert_eq!(file.verdict(), expected, "{file:?}");
        }
    }
}

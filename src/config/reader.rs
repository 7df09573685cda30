//! Reads a file block by block, and again and again; what it says the same as before only once.
//!
//! Of a file with ten thousand real servers most are in blocks that stand for themselves. Each `virtual_server` is read by
//! itself, behind all the others that it goes by (defaults, `SSL`, groups, what can be tracked): so its words and
//! statements need no more memory than the largest of them does. And a reload most often changes a few lines: where the
//! text of a block is what it was, and so is all that it goes by, the virtual server is the very value that was made of it
//! before, which nobody need compare either. In the text of the rest the lines of such blocks stay, empty, so that
//! everything else stands where it stood.
//!
//! That is done only where it can make no difference but in time and memory: to run a file, if nothing is expanded in it,
//! and nothing is to be said about any of these blocks. In all other cases the whole text is read at once.

mod blocks;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blocks::{BlockAt, blocks};

use super::complaint::Complaints;
use super::lower::circumstances::Circumstances;
use super::lower::number_marks;
use super::source::{Fetched, Sources};
use super::syntax::include::Fetch;
use super::syntax::toml;
use super::syntax::tree::{self, Tree};
use super::{Config, Manner, Purpose, Reading, Served, Surroundings, VirtualServer};
use super::{finish, read_with, source};

/// Reads one file, as often as is wanted.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    config_id: Option<String>,
    manner: Manner,
    known: Option<Known>,
    prints: Prints,
}

/// What is known of the text that was read last.
#[derive(Debug)]
struct Known {
    circumstances: Circumstances,
    services: BTreeMap<Print, (Served, Arc<VirtualServer>)>,
}

/// What a block's text comes to: 128 bits, by keys that nobody else knows. Two blocks have the same only if they are.
type Print = (u64, u64);

/// How texts become prints.
#[derive(Debug, Default)]
struct Prints(RandomState, RandomState);

impl Prints {
    fn of(&self, text: &str) -> Print {
        (self.0.hash_one(text.as_bytes()), self.1.hash_one(text.as_bytes()))
    }
}

impl Reader {
    /// Reads this file; `config_id` as in [`super::read`].
    pub fn new(path: &Path, config_id: Option<&str>, manner: Manner) -> Self {
        let (path, config_id) = (path.to_owned(), config_id.map(str::to_owned));
        Reader { path, config_id, manner, known: None, prints: Prints::default() }
    }

    /// Reads it, as [`super::read`] does.
    pub fn read(&mut self) -> Reading {
        let host = source::Host::of(self.config_id.as_deref());
        let main = source::file(&self.path);
        let mut reading = self.read_fetched(main, &source::from_disk, &host.surroundings());
        finish(&mut reading, &self.path);
        reading
    }

    /// The configuration that took effect: what it says the same is kept once.
    pub fn share(&mut self, config: &Config) {
        for (served, service) in self.known.iter_mut().flat_map(|known| known.services.values_mut()) {
            if let Some(running) = config.virtual_server(served)
                && !Arc::ptr_eq(running, service)
                && running == service
            {
                service.clone_from(running);
            }
        }
    }

    fn read_fetched(&mut self, main: Fetched, fetch: Fetch<'_>, around: &Surroundings<'_>) -> Reading {
        match self.read_in_pieces(&main, fetch, around) {
            Some(reading) => reading,
            None => read_with(main, fetch, around, self.manner).0,
        }
    }

    /// Reads each virtual server by itself; `None` if the whole is to be read at once.
    fn read_in_pieces(
        &mut self,
        main: &Fetched,
        fetch: Fetch<'_>,
        around: &Surroundings<'_>,
    ) -> Option<Reading> {
        let text = main.text.as_ref().ok().filter(|_| !toml::is_one(&main.path))?;
        if self.manner.purpose != Purpose::Run || self.manner.compat {
            return None;
        }
        let blocks = blocks(text).filter(|blocks| !blocks.is_empty())?;
        let rest = Fetched { path: main.path.clone(), text: Ok(without(text, &blocks)) };
        let (mut reading, circumstances) = read_with(rest, fetch, around, self.manner);
        let circumstances = circumstances.filter(|_| !reading.compat)?;
        let config = reading.config.as_mut()?;
        let before = self.known.as_ref().filter(|known| known.circumstances == circumstances);
        let texts = || blocks.iter().map(|block| block.text(text));
        let prints: Vec<Print> = texts().map(|text| self.prints.of(text)).collect();
        let is_known = |print: &Print| before.is_some_and(|before| before.services.contains_key(print));
        let new = prints.iter().zip(texts()).filter(|(print, _)| !is_known(print)).map(|(_, text)| text);
        let mut new = circumstances.lower(new.map(|text| parsed(&main.path, text, around)))?.into_iter();
        let mut services = BTreeMap::new();
        for print in prints {
            let known = before.and_then(|before| before.services.get(&print)).cloned();
            let (served, service) =
                known.or_else(|| new.next().filter(|(_, service)| stands_alone(service)))?;
            let other = match &served {
                Served::Key(key) => config.services.insert(*key, service.clone()),
                Served::Group(key) => config.group_services.insert(key.clone(), service.clone()),
            };
            if other.is_some() || services.insert(print, (served, service)).is_some() {
                return None;
            }
        }
        number_marks(config);
        self.known = Some(Known { circumstances, services });
        Some(reading)
    }
}

/// The text with nothing but the ends of lines in the place of blocks.
fn without(text: &str, blocks: &[BlockAt]) -> String {
    let mut rest = String::with_capacity(text.len() / 8);
    let mut from = 0;
    for block in blocks {
        rest.push_str(text.get(from..block.bytes.start).unwrap_or_default());
        rest.extend(std::iter::repeat_n('\n', block.ends));
        from = block.bytes.end;
    }
    rest.push_str(text.get(from..).unwrap_or_default());
    rest
}

/// The tree of a block that includes nothing; `None` if there is anything to be said about it.
fn parsed(path: &Path, text: &str, around: &Surroundings<'_>) -> Option<Tree> {
    let (mut sources, mut complaints) = (Sources::default(), Complaints::default());
    let file = sources.add(path, text.to_owned(), None);
    let nothing = |_: &Path| Vec::new();
    let tree = tree::parse(file, path, &mut sources, &nothing, around, &mut complaints);
    (complaints.count() == 0).then_some(tree)
}

/// Whether it is made of nothing but texts: passwords are read from their files each time, and if one cannot be read, the
/// place is told where it is wanted.
fn stands_alone(service: &VirtualServer) -> bool {
    let checks = || service.all_servers().flat_map(|(_, server)| &server.checks);
    checks().all(|check| check.secret_files().next().is_none())
}

#[cfg(test)]
mod tests;

//! Reads a file again and again, and what it says the same as before only once.
//!
//! Of a file with ten thousand real servers a reload most often changes a few lines. Where the text of a `virtual_server`
//! block is what it was, and so is all that it goes by beside (defaults, `SSL`, groups, what can be tracked), the virtual
//! server is the very value that was made of it before, which nobody need compare either. Such a block is taken out of the
//! text before that is read; its lines stay, empty, so that everything else stands where it stood.
//!
//! That is done only where it can make no difference but in time: with a file in which nothing is expanded, with blocks of
//! which nothing was complained, and if the rest has no more and no other complaints than before. In all other cases the
//! whole text is read.

mod blocks;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blocks::{BlockAt, blocks};

use super::lower::lesson::{Circumstances, Lesson, Recalled};
use super::source::{Fetched, FileId};
use super::syntax::include::Fetch;
use super::syntax::toml;
use super::{Code, Complaint, Config, Manner, Reading, Served, Severity, Surroundings, VirtualServer};
use super::{finish, read_beside, source};

/// Reads one file, as often as is wanted.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    config_id: Option<String>,
    manner: Manner,
    known: Option<Known>,
    fresh: Option<Fresh>,
}

/// What is known of a text that was read.
#[derive(Debug)]
struct Known {
    circumstances: Circumstances,
    services: Services,
    /// What was complained of.
    said: Vec<Said>,
    prints: Prints,
}

/// A text that was read as a whole, and of which nothing has been remembered yet.
#[derive(Debug)]
struct Fresh {
    text: Arc<str>,
    lesson: Lesson,
    complaints: Vec<Complaint>,
}

/// What a block's text comes to: 128 bits, by keys that nobody else knows. Two blocks have the same only if they are.
type Print = (u64, u64);

/// Virtual servers by the text that they were made of.
type Services = BTreeMap<Print, (Served, Arc<VirtualServer>)>;

/// How texts become prints.
#[derive(Debug, Clone, Default)]
struct Prints(RandomState, RandomState);

impl Prints {
    fn of(&self, text: &str) -> Print {
        (self.0.hash_one(text.as_bytes()), self.1.hash_one(text.as_bytes()))
    }
}

/// A complaint without its place.
type Said = (Severity, Code, String);

fn said(complaints: &[Complaint]) -> Vec<Said> {
    complaints.iter().map(|one| (one.severity, one.code, one.message.clone())).collect()
}

/// A text without what is known of it.
struct Rest {
    text: String,
    recalled: Vec<(Served, Arc<VirtualServer>)>,
    /// All blocks of the whole text.
    blocks: Vec<(Print, BlockAt)>,
}

impl Reader {
    /// Reads this file; `config_id` as in [`super::read`].
    pub fn new(path: &Path, config_id: Option<&str>, manner: Manner) -> Self {
        let (path, config_id) = (path.to_owned(), config_id.map(str::to_owned));
        Reader { path, config_id, manner, known: None, fresh: None }
    }

    /// Reads it, as [`super::read`] does.
    pub fn read(&mut self) -> Reading {
        let host = source::Host::of(self.config_id.as_deref());
        let mut reading =
            self.read_fetched(source::file(&self.path), &source::from_disk, &host.surroundings());
        finish(&mut reading, &self.path);
        reading
    }

    /// Remembers what was read last, for the next time. That need not be waited for before the configuration is used; it
    /// is done with the next reading at the latest.
    pub fn learn(&mut self) {
        let Some(Fresh { text, lesson, complaints }) = self.fresh.take() else { return };
        let prints = self.known.take().map(|known| known.prints).unwrap_or_default();
        let Some(blocks) = blocks(&text) else { return };
        let blocks = blocks.into_iter().map(|block| (prints.of(block.text(&text)), block)).collect();
        self.known = Some(Known::of(blocks, lesson, &complaints, None, prints));
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
        self.learn();
        if let Some(reading) = self.read_rest(&main, fetch, around) {
            return reading;
        }
        let (reading, lesson) = read_beside(main, fetch, around, self.manner, None);
        // What is refused is not what the next text will be like.
        if let Some(lesson) = lesson.filter(|_| reading.config.is_some() && !reading.compat) {
            let (text, complaints) = (reading.sources.text(FileId::default()), reading.complaints.clone());
            self.fresh = Some(Fresh { text, lesson, complaints });
        }
        reading
    }

    /// Reads what is not known yet; `None` if the whole is to be read.
    fn read_rest(&mut self, main: &Fetched, fetch: Fetch<'_>, around: &Surroundings<'_>) -> Option<Reading> {
        let text = main.text.as_ref().ok().filter(|_| !toml::is_one(&main.path))?;
        let known = self.known.as_ref()?;
        let Rest { text, recalled, blocks } = known.rest(text)?;
        let rest = Fetched { path: main.path.clone(), text: Ok(text) };
        let recalled = Recalled { circumstances: &known.circumstances, services: recalled };
        let (reading, lesson) = read_beside(rest, fetch, around, self.manner, Some(recalled));
        let lesson = lesson.filter(|lesson| lesson.fits && !reading.compat)?;
        if reading.config.is_none() || said(&reading.complaints) != known.said {
            return None;
        }
        let (before, prints) = (Some(&known.services), known.prints.clone());
        self.known = Some(Known::of(blocks, lesson, &reading.complaints, before, prints));
        Some(reading)
    }
}

impl Known {
    /// What is known of a text: of each block, if it was read now or before.
    fn of(
        blocks: Vec<(Print, BlockAt)>,
        lesson: Lesson,
        complaints: &[Complaint],
        before: Option<&Services>,
        prints: Prints,
    ) -> Self {
        let Lesson { circumstances, written, .. } = lesson;
        let main = written.into_iter().filter(|written| written.at.file == FileId::default());
        let written: BTreeMap<u32, _> =
            main.map(|written| (written.at.line, (written.served, written.service))).collect();
        let mut services = Services::new();
        for (print, block) in blocks {
            let before = before.and_then(|before| before.get(&print));
            let complained = complaints.iter().any(|complaint| block.lines().contains(&complaint.line));
            let now = written.get(&block.line).filter(|(_, service)| !complained && stands_alone(service));
            if let Some(service) = before.or(now) {
                services.insert(print, service.clone());
            }
        }
        Known { circumstances, services, said: said(complaints), prints }
    }

    /// What is left of a text if what is known is taken out; `None` if nothing is, or not for certain.
    fn rest(&self, text: &str) -> Option<Rest> {
        let blocks: Vec<(Print, BlockAt)> =
            blocks(text)?.into_iter().map(|block| (self.prints.of(block.text(text)), block)).collect();
        let mut rest = String::with_capacity(text.len() / 8);
        let (mut recalled, mut from) = (Vec::new(), 0);
        for (print, block) in &blocks {
            let Some(service) = self.services.get(print) else { continue };
            recalled.push(service.clone());
            rest.push_str(text.get(from..block.bytes.start)?);
            rest.extend(std::iter::repeat_n('\n', block.ends));
            from = block.bytes.end;
        }
        rest.push_str(text.get(from..)?);
        (!recalled.is_empty()).then_some(Rest { text: rest, recalled, blocks })
    }
}

/// Whether it is made of nothing but its block and the circumstances: numbers are given to checks that go through the
/// table when all are known, and passwords are read from their files each time.
fn stands_alone(service: &VirtualServer) -> bool {
    let checks = || service.all_servers().flat_map(|(_, server)| &server.checks);
    service.vip_check.is_none()
        && checks().all(|check| check.via.is_none() && check.secret_files().next().is_none())
}

#[cfg(test)]
mod tests;

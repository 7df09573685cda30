//! Configurations of other programs, made into ours: ldirectord's file, and what `ipvsadm-save` prints.
//!
//! An import gives statements of our own language, and a report that tells of each line what became of it: nothing is
//! lost in silence. What cannot be read is complained of as in a configuration of ours. Nothing here opens a file or
//! asks a resolver; who imports hands both in.

pub mod ipvsadm;
pub mod ldirectord;
mod names;
mod report;
mod statement;

use std::net::IpAddr;
use std::path::Path;

use ipvs_backend::Family;

pub use report::{Fate, Note, Report};

use crate::config::complaint::Complaints;
use crate::config::source::{FileId, Span};
use crate::config::write::Line;
use crate::config::{Code, Complaint, Reaction, Sources};

/// Flags of schedulers, under the names that ipvsadm and our language share.
const SCHEDULER_FLAGS: [&str; 7] =
    ["flag-1", "flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port", "mh-fallback"];

/// Looks up the name of a host; `None` if it has no address of that family.
pub type Resolve<'a> = &'a dyn Fn(&str, Family) -> Option<IpAddr>;

/// What an import gave.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The configuration as statements; `None` if something could not be read.
    pub lines: Option<Vec<Line>>,
    /// What became of each line.
    pub report: Report,
    /// What could not be read.
    pub complaints: Vec<Complaint>,
    /// The text, for showing the lines complained of.
    pub sources: Sources,
}

impl Imported {
    /// The report for people, a line for each note.
    pub fn report(&self) -> String {
        let name = self.sources.name(FileId(0));
        self.report.render(name, |line| subject(self.sources.line(name, line)))
    }
}

/// A line as the report shows it: without what is secret.
fn subject(line: &str) -> String {
    let line = line.trim();
    match line.split_once('=') {
        Some((key, _)) if matches!(key.trim(), "passwd" | "secret") => format!("{}=…", key.trim()),
        _ => line.to_owned(),
    }
}

/// What every import needs while it reads: the complaints and the report.
struct Desk {
    file: FileId,
    sources: Sources,
    complaints: Complaints,
    report: Report,
}

impl Desk {
    fn new(name: &str, text: &str) -> Self {
        let mut sources = Sources::default();
        let file = sources.add(Path::new(name), text.to_owned(), None);
        Self { file, sources, complaints: Complaints::default(), report: Report::default() }
    }

    /// The place of a piece of a line; `start` and `length` count bytes of `line`.
    fn span(&self, number: u32, line: &str, start: usize, length: usize) -> Span {
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let column = count(line.get(..start).unwrap_or_default()) + 1;
        let length = count(line.get(start..start + length).unwrap_or_default()).max(1);
        Span { file: self.file, line: number, column, length, ..Span::default() }
    }

    /// The place of a whole line.
    fn line_span(&self, number: u32) -> Span {
        let line = self.sources.line(self.sources.name(self.file), number);
        let start = line.len() - line.trim_start().len();
        self.span(number, line, start, line.len() - start)
    }

    /// Something that cannot be read. keepalived has no part in it.
    fn error(&mut self, code: Code, span: Span, message: impl Into<String>, suggestion: impl Into<String>) {
        let suggestion = Some(suggestion.into()).filter(|text| !text.is_empty());
        self.complaints.refuse(code, span, message.into(), suggestion, Reaction::Stops);
    }

    fn finish(self, lines: Vec<Line>) -> Imported {
        let lines = (!self.complaints.has_errors()).then_some(lines);
        let complaints = self.complaints.finish(&self.sources);
        Imported { lines, report: self.report, complaints, sources: self.sources }
    }
}

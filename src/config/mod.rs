//! The configuration as the daemon uses it: typed, complete, with every default filled in.
//!
//! A file is read in three steps, each with a module of its own: [`syntax`] turns text into a tree with positions,
//! [`keywords`] knows every keyword once, and [`lower`] turns the tree into a [`Config`] and a list of complaints.
//! Then [`hints`] looks for traps in what is legal. Only [`source`] touches the system, to read files: a configuration can be checked on any machine.

pub mod complaint;
pub mod diff;
pub mod digest;
pub mod format;
pub mod hints;
mod key_files;
pub mod keywords;
pub mod lower;
mod model;
pub mod origin;
pub mod plan;
mod reader;
mod relink;
pub mod render;
pub mod resolve;
mod secrets;
pub mod source;
pub mod spans;
pub mod syntax;
mod wildcard;
pub mod write;

use std::path::{Path, PathBuf};

pub use complaint::{Code, Complaint, Reaction, Severity};
pub use diff::{Changes, Difference, adopt};
pub use digest::Expectation;
pub use model::*;
pub use reader::Reader;
pub use render::{Colour, render};
pub use source::Sources;
pub use spans::{Spans, Thing};

use complaint::Complaints;
use lower::Lowered;
use lower::circumstances::Circumstances;
use source::{Fetched, FileId, Refusal, Span};
pub use syntax::builtin::Surroundings;
use syntax::include::Fetch;
use syntax::toml;
use syntax::tree::{self, Tree};

/// What reading a file gave: always every complaint, and the configuration if none of them is an error.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The configuration; `None` if there is any error.
    pub config: Option<Config>,
    /// Everything that is to be said about the file, in the order of the text.
    pub complaints: Vec<Complaint>,
    /// The texts, for [`render()`].
    pub sources: Sources,
    /// Where the configuration's things stand in the texts; empty without a configuration.
    pub spans: Spans,
    /// The statements, expanded; empty unless the purpose is to show them.
    pub tree: Tree,
    /// Whether the file itself, not one that it includes, could not be read.
    pub unreadable: bool,
    /// Whether it was read as keepalived reads it, because of a wish from outside or its own `compat`.
    pub compat: bool,
}

impl Reading {
    /// The complaints for people; see [`render()`].
    pub fn render(&self, colour: Colour) -> String {
        render(&self.complaints, &self.sources, colour)
    }
}

/// What a configuration is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// For people who look at it: hints as well, which take a table of places to find.
    Check,
    /// For people who want to see what comes of it: the statements are kept.
    Show,
    /// For a daemon to run: errors and warnings, and no more work at the start than that.
    Run,
}

/// How a configuration is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// What for.
    pub purpose: Purpose,
    /// Whether what keepalived survives is survived, with the same effect; `compat` in `global_defs` says so as well.
    pub compat: bool,
}

impl From<Purpose> for Manner {
    /// Strictly.
    fn from(purpose: Purpose) -> Self {
        Self { purpose, compat: false }
    }
}

/// Reads a file and those it includes. `config_id` is what `@id` before a line is compared with; `None`: the host's name
/// up to its first dot.
///
/// A file that asks for nothing is refused: one that was emptied by accident (a full disk, a template that failed)
/// must not take everything down.
pub fn read(path: &Path, config_id: Option<&str>, manner: impl Into<Manner>) -> Reading {
    Reader::new(path, config_id, manner.into()).read()
}

/// What is left to do when the text is read: files with keys are read, and whether anything is to be done is judged.
fn finish(reading: &mut Reading, path: &Path) {
    key_files::load(reading);
    let compat = reading.compat;
    if reading.config.take_if(|config| config.is_empty() && !compat).is_some() {
        reading.complaints.push(nothing_to_do(path, Severity::Error));
    } else if reading.config.as_ref().is_some_and(Config::is_empty) {
        reading.complaints.push(nothing_to_do(path, Severity::Warning));
    }
}

fn nothing_to_do(path: &Path, severity: Severity) -> Complaint {
    Complaint {
        severity,
        code: Code::NothingToDo,
        file: path.display().to_string(),
        line: 1,
        column: 1,
        length: 1,
        message: "the file asks for nothing: it has neither a `vrrp_instance` nor a `virtual_server`"
            .to_owned(),
        suggestion: Some("if nothing is to be done, stop directord".to_owned()),
        keepalived: Some("it runs and does nothing".to_owned()),
        trail: Vec::new(),
    }
}

/// Reads a text as if it stood in a file of that name, strictly. It can include nothing, and has no config id.
pub fn read_text(name: &str, text: &str) -> Reading {
    read_text_as(name, text, Purpose::Check)
}

/// The same in any manner.
pub fn read_text_as(name: &str, text: &str, manner: impl Into<Manner>) -> Reading {
    let nothing = |path: &Path| {
        let message = "a text that is no file cannot include any".to_owned();
        vec![Fetched { path: path.to_owned(), text: Err(Refusal { code: Code::FileMissing, message }) }]
    };
    let around = Surroundings { config_id: "", seed: 0, variable: &|_| None, directory: Path::new("/") };
    read_fetched(Fetched { path: PathBuf::from(name), text: Ok(text.to_owned()) }, &nothing, &around, manner)
}

/// Reads a file that has been fetched already; `fetch` gets those it includes, and `around` is the world it asks.
pub fn read_fetched(
    main: Fetched,
    fetch: Fetch<'_>,
    around: &Surroundings<'_>,
    manner: impl Into<Manner>,
) -> Reading {
    read_with(main, fetch, around, manner.into()).0
}

/// The same, and what virtual servers go by there.
fn read_with(
    main: Fetched,
    fetch: Fetch<'_>,
    around: &Surroundings<'_>,
    mut manner: Manner,
) -> (Reading, Option<Circumstances>) {
    let mut sources = Sources::default();
    let mut complaints = Complaints::default();
    let Fetched { path, text } = main;
    let is_toml = toml::is_one(&path);
    let unreadable = text.is_err();
    let mut tree = Tree::default();
    let mut asked = false;
    let lowered = match text {
        Ok(text) => {
            let file = sources.add(&path, text, None);
            tree = if is_toml {
                toml::parse(file, &sources.text(file), &mut complaints)
            } else {
                tree::parse(file, &path, &mut sources, fetch, around, &mut complaints)
            };
            // keepalived reads no TOML: there is nothing to be compatible with.
            asked = !is_toml && lower::asks_for_compatibility(&tree);
            manner.compat = !is_toml && (manner.compat || asked);
            if manner.compat {
                complaints.be_compatible();
            }
            // Half a text is not what was meant.
            let lowered = (!tree.incomplete).then(|| lower(&mut tree, manner, is_toml, &mut complaints));
            // With that keyword keepalived ends at any mistake, even at its start.
            if lowered.as_ref().is_some_and(|lowered| lowered.config.global.reload.check != Sometimes::No) {
                complaints.be_thorough();
            }
            lowered
        }
        Err(Refusal { code, message }) => {
            let file = sources.add(&path, String::new(), None);
            complaints.error(code, start_of(file), message);
            None
        }
    };
    let lowered = lowered.filter(|_| !complaints.has_errors());
    let (mut config, spans, circumstances) = match lowered {
        Some(Lowered { config, spans, circumstances }) => (Some(config), spans, Some(circumstances)),
        None => (None, Spans::default(), None),
    };
    // The way keepalived links blocks may have taken the word out of `global_defs`; it was obeyed all the same.
    if let Some(config) = &mut config {
        config.global.compat |= asked;
    }
    if let Some(config) = config.as_ref().filter(|_| manner.purpose == Purpose::Check) {
        hints::find(config, &spans, &mut complaints);
    }
    let mut complaints = complaints.finish(&sources);
    if is_toml {
        complaints.iter_mut().for_each(|complaint| complaint.keepalived = None);
    }
    // The complaints tell by now where expanded text came from.
    sources.origins = Default::default();
    if manner.purpose != Purpose::Show {
        tree = Tree::default();
    }
    (Reading { config, complaints, sources, spans, tree, unreadable, compat: manner.compat }, circumstances)
}

/// Lowers the tree, in compatible reading as keepalived links it.
fn lower(tree: &mut Tree, manner: Manner, is_toml: bool, complaints: &mut Complaints) -> Lowered {
    // keepalived's way with braces is nothing to TOML.
    let relink = |tree: &Tree| if is_toml { None } else { relink::relink(tree) };
    if manner.compat
        && let Some(relinked) = relink(tree)
    {
        *tree = relinked.tree;
    }
    let lowered = lower::lower(tree, manner, complaints);
    if complaints.has_errors()
        && !manner.compat
        && let Some(relinked) = relink(tree)
    {
        for span in relinked.misread {
            let message = "keepalived does not read this line as it is meant: it ignores a `{` behind an unknown \
                           keyword, and the `}` closes another block";
            complaints.hint(Code::ReadElsewhere, span, message);
        }
    }
    lowered
}

fn start_of(file: FileId) -> Span {
    Span { file, line: 1, column: 1, length: 1, ..Span::default() }
}

//! A configuration as statements again: the way back from [`Config`] to text.
//!
//! What comes out is the effective configuration: defaults filled in, names and repetitions replaced, what was left out
//! left out. Reading it gives the same [`Config`]; a test holds that for any. There is a file for each kind of block, as
//! in `lower`; which form the statements take on paper, keepalived's or TOML, is not known here.

mod address;
mod annotated;
mod bfd;
mod check;
mod command;
mod dialogue;
mod global;
mod group;
mod inherit;
mod instance;
mod root;
mod script;
mod secret;
mod server;
mod server_group;
mod service;
mod text;
mod tls;
mod toml;
mod track;
mod track_file;
mod track_process;
mod window;

use std::net::IpAddr;
use std::time::Duration;

pub use annotated::annotated;
#[cfg(test)]
pub(super) use command::command_line;
pub use secret::without_secrets;
pub use text::text;
pub use toml::toml;

use super::{Config, Thing};

/// One statement of the effective configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The keyword, under its current name; in a list of addresses and the like, the first word.
    pub keyword: String,
    /// The words behind it.
    pub words: Vec<String>,
    /// What stands in braces behind it.
    pub block: Option<Vec<Line>>,
    /// Whether the same would hold if it were not said.
    pub default: bool,
    /// The thing whose block this is, for looking up where it and what it says stand in the text.
    pub thing: Option<Thing>,
}

/// The whole configuration, in the order in which people write it.
pub fn lines(config: &Config) -> Vec<Line> {
    let mut all = Vec::new();
    in_pieces(config, |piece| all.extend(piece));
    all
}

/// The same with what need not be said left out, as a file. Of ten thousand servers no more than those of one service are
/// in memory as statements at a time.
pub fn said(config: &Config) -> String {
    let mut out = String::new();
    in_pieces(config, |piece| {
        let said = without_defaults(piece);
        if !out.is_empty() && !said.is_empty() {
            out.push('\n');
        }
        out.push_str(&text(&said));
    });
    out
}

/// Hands over the configuration piece by piece: what stands before the virtual servers, and each of these.
fn in_pieces(config: &Config, mut take: impl FnMut(Vec<Line>)) {
    let mut out = Lines::default();
    global::write(&config.global, &mut out);
    let globals = out.0.iter().find_map(|line| line.block.clone()).unwrap_or_default();
    root::write(&config.root, &mut out);
    group::write_static(config, &mut out);
    script::write(config, &mut out);
    track_file::write(config, &mut out);
    track_process::write(config, &mut out);
    bfd::write(config, &mut out);
    group::write(config, &mut out);
    instance::write(config, &mut out);
    server_group::write(&config.server_groups, &mut out);
    tls::write(config.tls.as_ref(), &mut out);
    let mut complete = |mut out: Lines| {
        inherit::mark(&mut out.0, &globals);
        take(out.0);
    };
    complete(out);
    for (served, service) in config.virtual_servers() {
        let mut out = Lines::default();
        service::write(config, &served, service, &mut out);
        complete(out);
    }
}

/// Only what differs from what would hold anyway.
pub fn without_defaults(lines: Vec<Line>) -> Vec<Line> {
    let said = lines.into_iter().filter(|line| !line.default);
    let said = said.map(|line| Line { block: line.block.map(without_defaults), ..line });
    // Of all blocks only this one means nothing when it is empty.
    said.filter(|line| line.keyword != "global_defs" || line.block != Some(Vec::new())).collect()
}

/// Statements being put together.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    /// A statement with its words.
    pub fn say(&mut self, keyword: &str, words: impl IntoIterator<Item = String>) {
        self.push(keyword, words.into_iter().collect(), false, None, None);
    }

    /// A statement with one value.
    pub fn value(&mut self, keyword: &str, value: impl Value) {
        self.push(keyword, vec![value.word()], false, None, None);
    }

    /// A statement with one value, if there is one.
    pub fn some(&mut self, keyword: &str, value: Option<impl Value>) {
        if let Some(value) = value {
            self.value(keyword, value);
        }
    }

    /// A statement with one value, of which is known what holds if it is not said.
    pub fn unless<T: Value + PartialEq>(&mut self, keyword: &str, value: T, default: T) {
        let same = value == default;
        self.push(keyword, vec![value.word()], same, None, None);
    }

    /// A statement with one value, of which `global_defs` tells what holds if it is not said.
    pub fn inherited(&mut self, keyword: &str, value: impl Value) {
        self.push(keyword, vec![value.word()], true, None, None);
    }

    /// The same with several words.
    pub fn inherited_words(&mut self, keyword: &str, words: Vec<String>) {
        self.push(keyword, words, true, None, None);
    }

    /// A keyword that stands alone, if it is meant.
    pub fn flag(&mut self, keyword: &str, on: bool) {
        if on {
            self.say(keyword, []);
        }
    }

    /// A block, which may be that of a thing with a place in the text.
    pub fn block(
        &mut self,
        keyword: &str,
        words: impl IntoIterator<Item = String>,
        thing: Option<Thing>,
        fill: impl FnOnce(&mut Lines),
    ) {
        let mut inside = Lines::default();
        fill(&mut inside);
        self.push(keyword, words.into_iter().collect(), false, Some(inside.0), thing);
    }

    /// A block of lines of their own kind, each a list of words; nothing if there are none.
    pub fn list(&mut self, keyword: &str, lines: impl IntoIterator<Item = Vec<String>>) {
        let mut inside = Lines::default();
        for words in lines {
            let mut words = words.into_iter();
            if let Some(first) = words.next() {
                inside.say(&first, words);
            }
        }
        if !inside.0.is_empty() {
            self.push(keyword, Vec::new(), false, Some(inside.0), None);
        }
    }

    fn push(
        &mut self,
        keyword: &str,
        words: Vec<String>,
        default: bool,
        block: Option<Vec<Line>>,
        thing: Option<Thing>,
    ) {
        self.0.push(Line { keyword: keyword.to_owned(), words, block, default, thing });
    }
}

/// A value that is one word of the language.
pub(super) trait Value {
    /// The word, without quotes.
    fn word(&self) -> String;
}

macro_rules! by_display {
    ($($kind:ty),+) => {
        $(impl Value for $kind {
            fn word(&self) -> String {
                self.to_string()
            }
        })+
    };
}

by_display!(u8, u16, u32, u64, i64, i32, usize, String, &str, IpAddr);

impl Value for bool {
    fn word(&self) -> String {
        if *self { "on" } else { "off" }.to_owned()
    }
}

impl Value for Duration {
    /// Seconds, with as many decimals as there are.
    fn word(&self) -> String {
        super::keywords::seconds(u64::try_from(self.as_micros()).unwrap_or(u64::MAX))
    }
}

impl<T: Value> Value for &T {
    fn word(&self) -> String {
        (*self).word()
    }
}

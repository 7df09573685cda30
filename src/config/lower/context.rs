//! What the files of lowering share: the list of complaints, and how a block's statements are looked up.

use std::collections::{BTreeMap, VecDeque};

use super::missing;
use super::tls::TlsDefaults;
use super::track::Known;
use crate::config::complaint::{Code, Complaints, Reaction, Severity};
use crate::config::keywords::{self, Form, Found, Keyword, Place, Status};
use crate::config::source::Span;
use crate::config::syntax::{Block, Statement, Word};
use crate::config::{Manner, Purpose, Spans, Thing};

/// Keywords of which the first counts in these blocks; of all others the last does.
const FIRST_COUNTS: &[(&str, Place)] = &[
    ("digest", Place::Url),
    ("file", Place::TrackFile),
    ("instance", Place::Root),
    ("lvs_notify_fifo", Place::Global),
    ("lvs_notify_fifo_script", Place::Global),
    ("lvs_sync_daemon", Place::Global),
    ("net_namespace", Place::Root),
    ("net_namespace_ipvs", Place::Root),
    ("nftables", Place::Global),
    ("nftables_ipvs", Place::Global),
    ("notify_fifo", Place::Global),
    ("notify_fifo_script", Place::Global),
    ("process", Place::TrackProcess),
    ("shutdown_script", Place::Global),
    ("snmp_socket", Place::Global),
    ("startup_script", Place::Global),
    ("vmac_addr_prefix", Place::Global),
    ("vmac_prefix", Place::Global),
    ("vrrp_iptables", Place::Global),
    ("vrrp_ipsets", Place::Global),
    ("vrrp_notify_fifo", Place::Global),
    ("vrrp_notify_fifo_script", Place::Global),
];

/// Keywords of which each adds to those before.
const ADDING: &[&str] =
    &["bfd_cpu_affinity", "checker_cpu_affinity", "header", "json", "lvs_timeouts", "vrrp_cpu_affinity"];

/// A statement whose keyword is known and works.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub keyword: &'static Keyword,
    pub statement: &'a Statement,
}

impl<'a> Entry<'a> {
    /// The keyword under its current name.
    pub fn name(&self) -> &'static str {
        self.keyword.canonical()
    }

    /// Where the keyword stands.
    pub fn span(&self) -> Span {
        self.statement.keyword.span
    }

    /// Where its block ends, which is where something that is missing would have to stand; without a block, where the
    /// keyword stands.
    pub fn end(&self) -> Span {
        let close = self.statement.block.as_ref().and_then(|block| block.close);
        close.unwrap_or(self.statement.keyword.span)
    }

    /// The words behind it.
    pub fn words(&self) -> &'a [Word] {
        &self.statement.words
    }

    /// Its block; an empty one is as good as none.
    pub fn statements(&self) -> &'a [Statement] {
        self.statement.block.as_ref().map_or(&[], |block| &block.statements)
    }
}

/// Keywords of which each says a part.
const ADD_UP: &[&str] = &["status_code"];

pub(super) struct Context<'a> {
    manner: Manner,
    pub complaints: &'a mut Complaints,
    pub spans: Spans,
    /// What `SSL` says for all checks.
    pub tls: TlsDefaults,
    /// What the top level defines for others to track.
    pub trackers: Known,
    /// Whether the block being read is one that is not in effect yet, which has been said.
    idle: bool,
    /// The preference of each rule that names none, by where it is written: what stands in a definition becomes a rule
    /// with each use of it.
    pub preferences: BTreeMap<Span, VecDeque<u32>>,
    /// Suggestions cost time; a file full of nonsense gets no more than these.
    suggestions: usize,
}

impl<'a> Context<'a> {
    pub fn new(manner: Manner, complaints: &'a mut Complaints) -> Self {
        Self {
            manner,
            complaints,
            spans: Spans::default(),
            tls: TlsDefaults::default(),
            trackers: Known::default(),
            idle: false,
            preferences: BTreeMap::new(),
            suggestions: 200,
        }
    }

    /// Reads something to see whether anything comes of it; nothing is said of it.
    pub fn tried<T>(&self, read: impl FnOnce(&mut Context<'_>) -> Option<T>) -> bool {
        let mut unheard = Complaints::default();
        if self.manner.compat {
            unheard.be_compatible();
        }
        read(&mut Context::new(self.manner, &mut unheard)).is_some()
    }

    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.complaints.error(code, span, message);
    }

    pub fn warning(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.complaints.warning(code, span, message);
    }

    pub fn error_with(&mut self, code: Code, span: Span, message: String, suggestion: impl Into<String>) {
        self.complaints.push(Severity::Error, code, span, message, Some(suggestion.into()));
    }

    pub fn warning_with(&mut self, code: Code, span: Span, message: String, suggestion: impl Into<String>) {
        self.complaints.push(Severity::Warning, code, span, message, Some(suggestion.into()));
    }

    /// Whether what keepalived survives is to be survived, with the same effect.
    pub fn compat(&self) -> bool {
        self.manner.compat
    }

    /// An error of which keepalived makes something else than of most of its kind; `keepalived` is a clause such as
    /// "the instance is left out", and with [`Self::compat`] the caller must see to it that it is so.
    pub fn error_but(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        suggestion: Option<String>,
        keepalived: Reaction,
    ) {
        self.complaints.refuse(code, span, message.into(), suggestion, keepalived);
    }

    /// Reads something of which keepalived makes this if it is wrong in any way; then nothing comes of it.
    pub fn reacting<T>(
        &mut self,
        effect: &'static str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let around = (self.complaints.count_with_effect(0), self.complaints.expect(Some(effect)));
        let value = read(self);
        let errors = self.complaints.count_with_effect(0);
        self.complaints.count_with_effect(around.0);
        self.complaints.expect(around.1);
        value.filter(|_| errors == 0)
    }

    /// An error after which keepalived goes on with this, whatever it makes of other mistakes around it; the caller
    /// does the same.
    pub fn error_mended(&mut self, code: Code, span: Span, message: String, effect: impl Into<String>) {
        self.error_mended_with(code, span, message, None, effect);
    }

    /// The same, with what to write instead.
    pub fn error_mended_with(
        &mut self,
        code: Code,
        span: Span,
        message: String,
        suggestion: Option<String>,
        effect: impl Into<String>,
    ) {
        let before = self.complaints.expect(None);
        self.complaints.refuse(code, span, message, suggestion, Reaction::goes_on(effect.into()));
        self.complaints.expect(before);
    }

    /// Remembers where a thing stands, and what is said in its block.
    pub fn note(&mut self, thing: Thing, block: &Entry<'_>) {
        if self.manner.purpose == Purpose::Run {
            return;
        }
        let value = |statement: &Statement| statement.words.first().unwrap_or(&statement.keyword).span;
        let place = block.keyword.inside().unwrap_or(Place::Root);
        let said = block.statements().iter().filter_map(|statement| {
            match keywords::find(place, &statement.keyword.text) {
                Found::Here(keyword) => Some((keyword.canonical(), value(statement))),
                _ => None,
            }
        });
        self.spans.add(thing, value(block.statement), said);
    }

    /// The statements of a block that are to be carried out; everything about the others has been said.
    ///
    /// Keywords that are not in effect yet are among them: their values are read and kept.
    pub fn entries<'b>(&mut self, block: &'b Block, place: Place) -> Vec<Entry<'b>> {
        let mut entries: Vec<Entry<'b>> = Vec::with_capacity(block.statements.len());
        // One line per keyword of the table at most, so that looking through it stays cheap.
        let mut seen: Vec<(&'static str, Span)> = Vec::new();
        for statement in &block.statements {
            let Some(entry) = self.entry(statement, place) else { continue };
            // Keys are many.
            if !entry.keyword.has_block() && (place, entry.name()) != (Place::AuthHmac, "key") {
                self.note_repetition(&entry, &mut seen);
            }
            entries.push(entry);
        }
        entries
    }

    /// The same for a block that another keyword opens: where that keyword is not in effect yet, nothing inside it
    /// is, and saying so once is enough.
    pub fn entries_of<'b>(&mut self, owner: &Entry<'b>, place: Place) -> Vec<Entry<'b>> {
        let Some(block) = &owner.statement.block else { return Vec::new() };
        self.within(owner, |context| context.entries(block, place))
    }

    /// Reads a block to its depths: what has been said of its keyword is not said again of blocks inside it.
    pub fn within<T>(&mut self, owner: &Entry<'_>, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.idle;
        self.idle |= matches!(owner.keyword.status, Status::NotYet(_) | Status::Refused(_));
        let made = read(self);
        self.idle = before;
        made
    }

    fn note_repetition(&mut self, entry: &Entry<'_>, seen: &mut Vec<(&'static str, Span)>) {
        let name = entry.name();
        if ADDING.contains(&name) {
            return;
        }
        let Some((_, first)) = seen.iter_mut().find(|(other, _)| *other == name) else {
            seen.push((name, entry.span()));
            return;
        };
        if ADD_UP.contains(&name) {
            return;
        }
        let places = entry.keyword.places;
        let is_first = FIRST_COUNTS.iter().any(|(first, place)| *first == name && places.contains(place));
        let which = if is_first { "first" } else { "last" };
        let message = format!("`{name}` is given again, after line {}; the {which} one counts", first.line);
        *first = entry.span();
        self.warning(Code::RepeatedKeyword, entry.span(), message);
    }

    fn entry<'b>(&mut self, statement: &'b Statement, place: Place) -> Option<Entry<'b>> {
        let keyword = self.look_up(statement, place)?;
        let name = keyword.name;
        let span = statement.keyword.span;
        let mut fits = true;
        if keyword.has_block() && statement.block.is_none() {
            let message = format!("`{name}` needs a block in braces behind it");
            self.error_with(Code::MissingBlock, span, message, format!("write `{name} … {{ … }}`"));
            fits = false;
        }
        if let Some(block) = &statement.block
            && !keyword.has_block()
        {
            self.error(Code::UnexpectedBlock, block.open, format!("`{name}` takes no block"));
            fits = false;
        }
        let resolved = match keywords::find(place, keyword.canonical()) {
            Found::Here(keyword) => keyword.status,
            _ => keyword.status,
        };
        match resolved {
            Status::Works | Status::SameAs(_) | Status::Accepted(_) => self.note_old_name(keyword, span),
            Status::Obsolete(why) => {
                let entry = Entry { keyword, statement };
                if keyword.form != Form::Flag && missing::reaction(&entry) == Reaction::Stops {
                    self.first(&entry);
                }
                self.warning(Code::NoEffect, span, format!("`{name}` has no effect any more: {why}"));
                return None;
            }
            // What is said of a block holds for what stands in it.
            Status::NotYet(_) if self.idle => {}
            Status::NotYet(consequence) => {
                let message = format!("`{name}` is not in effect yet: {consequence}");
                self.warning(Code::NotSupportedYet, span, message);
            }
            Status::Refused(danger) => {
                let message = format!("`{name}` is not supported yet, and without it {danger}");
                self.error(Code::NotSupportedYet, span, message);
            }
        }
        fits.then_some(Entry { keyword, statement })
    }

    /// keepalived itself wants to see some names no more.
    fn note_old_name(&mut self, keyword: &Keyword, span: Span) {
        const OLD: &[&str] = &["nb_get_retry"];
        if OLD.contains(&keyword.name) {
            let (old, new) = (keyword.name, keyword.canonical());
            let message = format!("`{old}` is an older name of `{new}`");
            let suggestion = Some(format!("write `{new}`"));
            self.complaints.push(Severity::Hint, Code::OldName, span, message, suggestion);
        }
    }

    fn look_up(&mut self, statement: &Statement, place: Place) -> Option<&'static Keyword> {
        if statement.is_brace() {
            return None;
        }
        let Word { text, span, .. } = &statement.keyword;
        let places = match keywords::find(place, text) {
            Found::Here(keyword) => return Some(keyword),
            Found::Elsewhere(places) => places,
            Found::Nowhere => {
                self.unknown(statement, place);
                return None;
            }
        };
        let names: Vec<String> = places.iter().map(Place::to_string).collect();
        let message = format!("`{text}` is no keyword of {place}; it belongs to {}", names.join(" or "));
        self.error_but(Code::MisplacedKeyword, *span, message, None, ignored(statement, place));
        None
    }

    fn unknown(&mut self, statement: &Statement, place: Place) {
        let Word { text: word, span, .. } = &statement.keyword;
        let suggestion =
            self.closest(|| keywords::nearest(place, word)).map(|name| format!("did you mean `{name}`?"));
        let mut message = format!("`{}` is no keyword of {place}", short(word));
        if suggestion.is_none() && word.starts_with("//") {
            message.push_str("; comments begin with `#` or `!`");
        }
        self.error_but(Code::UnknownKeyword, *span, message, suggestion, ignored(statement, place));
    }

    fn closest(&mut self, search: impl FnOnce() -> Option<&'static str>) -> Option<&'static str> {
        self.suggestions = self.suggestions.checked_sub(1)?;
        search()
    }

    /// A word that is none of the allowed ones.
    pub fn invalid_choice(&mut self, what: &str, word: &Word, allowed: &[&'static str]) {
        let nearest = self.closest(|| keywords::closest(&word.text, allowed.iter().copied()));
        let suggestion = nearest.map(|name| format!("did you mean `{name}`?"));
        let message = format!("{what} is `{}`; allowed: {}", short(&word.text), allowed.join(", "));
        self.complaints.push(Severity::Error, Code::InvalidChoice, word.span, message, suggestion);
    }

    /// A keyword that a block must have.
    pub fn missing(&mut self, owner: &str, keyword: &str, span: Span) {
        self.error(Code::MissingKeyword, span, format!("{owner} has no `{keyword}`"));
    }

    /// A keyword whose value has no place of its own in the configuration: all that can be done is to see whether it
    /// is a value of its form.
    pub fn forgotten(&mut self, entry: &Entry<'_>) {
        match entry.keyword.form {
            Form::Flag => self.flag(entry),
            Form::Switch => drop(self.switch(entry)),
            Form::Whole(..) => drop(self.whole::<i64>(entry)),
            Form::Seconds(..) => drop(self.seconds(entry)),
            Form::OneOf(_) => drop(self.choice(entry)),
            Form::Address => drop(self.address_of(entry)),
            Form::Port => drop(self.port_of(entry)),
            Form::Word(_) => drop(self.word(entry)),
            Form::Words(_) => {}
            Form::Lines(words, _) => {
                if words.is_empty() {
                    self.at_most(entry, 0);
                }
            }
            Form::Block(words, place) => {
                if words.is_empty() {
                    self.at_most(entry, 0);
                }
                for entry in self.entries_of(entry, place) {
                    self.forgotten(&entry);
                }
            }
        }
        if entry.keyword.status == Status::Works {
            let message = format!("`{}` is not in effect yet", entry.keyword.name);
            self.warning(Code::NotSupportedYet, entry.span(), message);
        }
    }
}

/// What keepalived does with a keyword that it does not know where it stands.
fn ignored(statement: &Statement, place: Place) -> Reaction {
    match (&statement.block, place) {
        (None, _) => Reaction::goes_on("the line is ignored"),
        (Some(_), Place::Root) => {
            Reaction::goes_on("it is ignored, and what is in its block is read as if it stood outside")
        }
        (Some(_), place) => Reaction::goes_on(format!(
            "it is ignored, what is in its block is read as if it stood outside, and its `}}` closes {place}"
        )),
    }
}

/// A word for a message, cut off if it is very long.
pub(super) fn short(word: &str) -> String {
    const LIMIT: usize = 60;
    match word.char_indices().nth(LIMIT) {
        Some((at, _)) => format!("{}…", word.get(..at).unwrap_or_default()),
        None => word.to_owned(),
    }
}

//! Directives of ldirectord that say nothing of a virtual server: what became of each, in one table.

use super::parse::Directive;
use super::value::Reader;
use crate::import::Fate::{self, Changed, Dropped, Translated};

/// One directive.
pub(super) struct Entry {
    pub key: &'static str,
    pub form: Form,
    /// What becomes of it, with `yes` if it is a matter of yes and no.
    pub fate: Fate,
    pub text: &'static str,
    /// The same with `no`.
    pub with_no: Option<(Fate, &'static str)>,
}

/// What may stand behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    YesNo,
    Quoted,
    Text,
}

const fn entry(key: &'static str, form: Form, fate: Fate, text: &'static str) -> Entry {
    Entry { key, form, fate, text, with_no: None }
}

impl Entry {
    const fn or_no(mut self, fate: Fate, text: &'static str) -> Self {
        self.with_no = Some((fate, text));
        self
    }
}

/// Those for all sections.
pub(super) const GLOBAL: &[Entry] = &[
    entry("autoreload", Form::YesNo, Dropped, "a changed file is read when `directord reload` says so")
        .or_no(Translated, "a file is read again only when `directord reload` says so"),
    entry("callback", Form::Quoted, Dropped, "nothing is run when the file changes; copy it where it is deployed"),
    entry("logfile", Form::Quoted, Dropped, "log lines go to the standard error output, and so to the journal"),
    entry("execute", Form::Text, Dropped, "one daemon serves all virtual servers; import that file as well and `include` it"),
    entry("supervised", Form::YesNo, Translated, "`directord run` stays in the foreground always")
        .or_no(Dropped, "`directord run` stays in the foreground; have systemd start it"),
    entry("fork", Form::YesNo, Translated, "no check ever waits for another, without processes for it")
        .or_no(Translated, "one process it is; still no check waits for another"),
    entry("readdquiescent", Form::YesNo, Translated, "a server that is missing in the table is put back, with the weight that it should have")
        .or_no(Dropped, "a server that somebody took out by hand is put back, with the weight that it should have; to take one out, say `weight 0` in the file"),
    entry("maintenancedir", Form::Text, Changed, "`maintenance_dir`: names of hosts are looked up forward, where ldirectord asked for the name of each address"),
];

/// Those of a section.
pub(super) const SECTION: &[Entry] = &[
    entry(
        "monitorfile",
        Form::Text,
        Dropped,
        "there is no file of single checks; changes of a server are logged",
    ),
    entry("servicename", Form::Text, Dropped, "mails name a service by its address"),
    entry("comment", Form::Text, Dropped, "mails hold no text of the operator's"),
    entry("load", Form::Quoted, Translated, "ldirectord reads it and never uses it"),
];

/// Complains of a value that ldirectord would refuse.
pub(super) fn check(directive: &Directive, reader: &mut Reader<'_>) {
    let found = GLOBAL.iter().chain(SECTION).find(|entry| entry.key == directive.key);
    match found.map(|entry| entry.form) {
        Some(Form::YesNo) => drop(reader.yes_no(directive)),
        Some(Form::Quoted) => drop(reader.quoted(directive)),
        Some(Form::Text) | None => {}
    }
}

/// What became of a directive.
pub(super) fn fate(directive: &Directive) -> Option<(Fate, &'static str)> {
    let entry = GLOBAL.iter().chain(SECTION).find(|entry| entry.key == directive.key)?;
    Some(entry.with_no.filter(|_| directive.value == "no").unwrap_or((entry.fate, entry.text)))
}

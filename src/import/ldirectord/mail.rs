//! Whom ldirectord writes to → `global_defs`.
//!
//! ldirectord has recipients and a mail server for each section, we have one list and one server. Sections that write
//! to nobody are told to be silent.

use super::model::{At, Common, File, Virtual};
use crate::import::statement::Statements;
use crate::import::{Fate, Report};

/// Who is written to, over all sections.
pub(super) struct Mail {
    recipients: Vec<String>,
}

impl Mail {
    /// Whether a section must be told not to write.
    pub fn silences(&self, file: &File, service: &Virtual) -> bool {
        !self.recipients.is_empty() && !writes(file, service)
    }
}

/// Whether a section's events are mailed.
fn writes(file: &File, service: &Virtual) -> bool {
    let (own, all) = (&service.common, &file.common);
    let never = super::either(own.emailalertstatus.as_ref(), all.emailalertstatus.as_ref())
        .is_some_and(|status| status.iter().any(|word| word == "none"));
    !never && (own.emailalert.is_some() || all.emailalert.is_some())
}

/// Writes `global_defs` with the mail in it, if there is any, behind what belongs there besides.
pub(super) fn write(file: &File, mut inside: Statements, out: &mut Statements, report: &mut Report) -> Mail {
    let mut recipients: Vec<String> = Vec::new();
    let sections = || file.virtuals.iter().map(|service| &service.common);
    let commons = || std::iter::once(&file.common).chain(sections());
    for address in commons().filter_map(|common| common.emailalert.as_ref()).flat_map(|said| &said.value) {
        if !recipients.contains(address) {
            recipients.push(address.clone());
        }
    }
    let server = commons().find_map(|common| common.smtp.as_ref());
    for common in commons() {
        tell(common, &recipients, server, report);
    }
    if let Some(from) = &file.from {
        report.say(from.line, Fate::Translated, "`notification_email_from`");
    }
    if recipients.is_empty() {
        if !inside.0.is_empty() {
            out.block("global_defs", [] as [&str; 0], inside);
        }
        return Mail { recipients };
    }
    let mut list = Statements::default();
    for address in &recipients {
        list.flag(address);
    }
    inside.block("notification_email", [] as [&str; 0], list);
    if let Some(from) = &file.from {
        inside.value("notification_email_from", &from.value);
    }
    match server {
        Some(server) => inside.value("smtp_server", &server.value),
        None => {
            inside.value("smtp_server", "127.0.0.1");
            let line = commons().find_map(|common| common.emailalert.as_ref()).map_or(0, |said| said.line);
            let text = "mail goes by SMTP to 127.0.0.1, where ldirectord started the local mailer; name another \
                        `smtp_server` if none listens there";
            report.say(line, Fate::Changed, text);
        }
    }
    out.block("global_defs", [] as [&str; 0], inside);
    Mail { recipients }
}

/// What became of the directives of one level.
fn tell(common: &Common, recipients: &[String], server: Option<&At<String>>, report: &mut Report) {
    if let Some(said) = &common.emailalert {
        if said.value.len() == recipients.len() {
            report.say(said.line, Fate::Translated, "`notification_email`");
        } else {
            let text = "`notification_email` is one list for all virtual servers: these are written to about the \
                        others as well";
            report.say(said.line, Fate::Changed, text);
        }
        if said.value.len() > 1 && server.is_some() {
            let text =
                "with `smtp` ldirectord sent a list as one malformed recipient; here each gets the mail";
            report.say(said.line, Fate::Trap, text);
        }
    }
    if let Some(said) = &common.smtp {
        if server.is_some_and(|server| server.value == said.value) {
            report.say(said.line, Fate::Translated, "`smtp_server`, port 25");
        } else {
            let text = "there is one `smtp_server` for all mail, the first one said";
            report.say(said.line, Fate::Dropped, text);
        }
    }
    if let Some(said) = &common.emailalertfreq {
        let (fate, text) = match said.value {
            0 => (Fate::Translated, "a change is mailed once, as always"),
            _ => (
                Fate::Dropped,
                "a change is mailed once and not repeated; let monitoring remind of what is still down",
            ),
        };
        report.say(said.line, fate, text);
    }
    if let Some(said) = &common.emailalertstatus {
        let all = said.value.iter().any(|word| word == "all");
        let none = said.value.iter().any(|word| word == "none");
        let (fate, text) = match (all, none) {
            (_, true) => (Fate::Translated, "`smtp_alert off` for these servers"),
            (true, _) => (Fate::Translated, "changes are mailed whatever the daemon does, as always"),
            _ => (
                Fate::Dropped,
                "changes are mailed whatever the daemon does; a start and a reload by themselves make no mails",
            ),
        };
        report.say(said.line, fate, text);
    }
}

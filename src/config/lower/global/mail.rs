//! Whom to write to, and how.

use std::time::Duration;

use super::{keep, nearest};
use crate::config::Email;
use crate::config::complaint::Code;
use crate::config::lower::context::{Context, Entry, short};
use crate::config::source::Span;

/// What has been said about mail.
#[derive(Debug, Default)]
pub(super) struct MailDraft {
    to: Vec<String>,
    /// Where somebody is named, right or wrong.
    to_span: Option<Span>,
    from: Option<String>,
    server: Option<(String, u16)>,
    helo: Option<String>,
    timeout: Option<Duration>,
}

impl MailDraft {
    pub fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "notification_email" => self.recipients(context, entry),
            "notification_email_from" => {
                let from = context.word(entry).and_then(|word| mail_address(context, &word.text, word.span));
                keep(&mut self.from, from);
            }
            "smtp_server" => keep(&mut self.server, server(context, entry)),
            "smtp_helo_name" => {
                let helo = context.word(entry).and_then(|word| host_name(context, &word.text, word.span));
                keep(&mut self.helo, helo);
            }
            "smtp_connect_timeout" => {
                keep(&mut self.timeout, nearest(context, entry, 0..=0).map(Duration::from_secs));
            }
            _ => return false,
        }
        true
    }

    fn recipients(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) {
        context.at_most(entry, 0);
        if entry.statements().is_empty() {
            context.warning(Code::MissingValue, entry.span(), "`notification_email` names nobody");
            return;
        }
        self.to_span = Some(entry.span());
        for statement in entry.statements() {
            if let Some(block) = &statement.block {
                context.error(Code::UnexpectedBlock, block.open, "a mail address takes no block");
            }
            for word in std::iter::once(&statement.keyword).chain(&statement.words) {
                self.to.extend(mail_address(context, &word.text, word.span));
            }
        }
    }

    pub fn finish(self, context: &mut Context<'_>) -> Option<Email> {
        let span = self.to_span.filter(|_| !self.to.is_empty())?;
        let Some((server, port)) = self.server else {
            let message = "there is no `smtp_server`: no mail is sent".to_owned();
            let suggestion = "add `smtp_server 127.0.0.1` if a mail server runs on this host";
            context.warning_with(Code::MissingKeyword, span, message, suggestion);
            return None;
        };
        let connect_timeout = self.timeout.unwrap_or(Duration::from_secs(30));
        Some(Email { to: self.to, from: self.from, server, port, connect_timeout, helo: self.helo })
    }
}

fn server(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<(String, u16)> {
    context.at_most(entry, 2);
    let word = context.first(entry)?;
    let host = host_name(context, &word.text, word.span)?;
    let port = match entry.words().get(1) {
        Some(word) => context.port("the port of `smtp_server`", word, 1)?,
        None => 25,
    };
    Some((host, port))
}

/// A host name or an address.
fn host_name(context: &mut Context<'_>, text: &str, span: Span) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if text.is_empty() || text.len() > 253 || !text.chars().all(fits) {
        let message = format!("`{}` is neither a host name nor an address", short(text));
        context.error(Code::InvalidText, span, message);
        return None;
    }
    Some(text.to_owned())
}

/// `user@host`, or `Name <user@host>`; a bare `user` is one of the mail server's own.
fn mail_address(context: &mut Context<'_>, text: &str, span: Span) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    if !text.is_empty() && text.chars().all(plain) {
        let full = format!("{text}@localhost");
        let message = format!("`{text}` has no host; it is read as `{full}`");
        context.warning_with(Code::ValueAdjusted, span, message, "write the whole address");
        return Some(full);
    }
    let inner = text.split_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or(text);
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';');
    let good = inner.rsplit_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    if !good || inner.contains(odd) || text.contains(char::is_control) {
        let message = format!("`{}` is no mail address; expected one like admin@example.org", short(text));
        context.error(Code::InvalidText, span, message);
        return None;
    }
    Some(text.to_owned())
}

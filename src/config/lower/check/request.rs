//! What a web check sends besides the path, and what must hold of JSON that comes back.
//!
//! All of these keywords are our own: keepalived ignores the lines. Values that may be secrets are never repeated in
//! a complaint.

use healthcheck::spec::{LONGEST_BODY, check_login};
use healthcheck::{Assertion, BasicLogin, Header, Method, Secret, Url};

use crate::config::complaint::{Code, Reaction};
use crate::config::lower::context::{Context, Entry};
use crate::config::source::Span;

/// More headers than this are a mistake.
const MOST_HEADERS: usize = 32;
/// So are more assertions about one page.
const MOST_ASSERTIONS: usize = 64;

fn ignored() -> Reaction {
    Reaction::goes_on("the line is ignored")
}

/// `header`: each adds one.
pub(super) fn header(context: &mut Context<'_>, entry: &Entry<'_>, headers: &mut Vec<Header>) {
    let Some(first) = context.first(entry) else { return };
    let words: Vec<&str> = entry.words().iter().map(|word| word.text.as_str()).collect();
    if headers.len() >= MOST_HEADERS {
        let message = format!("there are {MOST_HEADERS} headers already, which is as many as are sent");
        return context.error_but(Code::OutOfRange, entry.span(), message, None, ignored());
    }
    match words.join(" ").parse() {
        Ok(header) => headers.push(header),
        Err(error) => {
            let error: healthcheck::Error = error;
            context.error_but(Code::InvalidText, first.span, error.to_string(), None, ignored());
        }
    }
}

/// A word that may be a secret.
pub(super) fn secret(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Secret> {
    if let Some(more) = entry.words().get(1) {
        let message = format!("`{}` is one word, and here are several", entry.keyword.name);
        let suggestion = Some("put it in quotes".to_owned());
        context.error_but(Code::UnexpectedWord, more.span, message, suggestion, ignored());
        return None;
    }
    let word = context.first(entry)?;
    if word.text.len() > LONGEST_BODY {
        let message = format!("`{}` is longer than {} KiB", entry.keyword.name, LONGEST_BODY / 1024);
        context.error_but(Code::OutOfRange, word.span, message, None, ignored());
        return None;
    }
    Some(Secret::new(word.text.clone()))
}

/// What has been said of basic authentication.
#[derive(Default)]
pub(super) struct Account {
    name: Option<String>,
    password: Option<(Secret, Span)>,
}

impl Account {
    pub fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "login" => {
                let Some(word) = context.word(entry) else { return true };
                match check_login(&word.text) {
                    Ok(()) => self.name = Some(word.text.clone()),
                    Err(error) => {
                        context.error_but(Code::InvalidText, word.span, error.to_string(), None, ignored());
                    }
                }
            }
            "password" => {
                let said = secret(context, entry).map(|password| (password, entry.span()));
                self.password = said.or(self.password.take());
            }
            _ => return false,
        }
        true
    }

    /// `headers` are those of all requests of the check.
    pub fn finish<'h>(
        self,
        context: &mut Context<'_>,
        block: &Entry<'_>,
        mut headers: impl Iterator<Item = &'h Header>,
    ) -> Option<Box<BasicLogin>> {
        let Some(name) = self.name else {
            if let Some((_, span)) = self.password {
                context.warning(Code::NoEffect, span, "`password` has no effect without `login`");
            }
            return None;
        };
        if headers.any(|header| header.name.eq_ignore_ascii_case("authorization")) {
            let message = "`login` and a header Authorization say two things";
            context.error_but(Code::Conflict, block.span(), message, None, ignored());
        }
        let password = self.password.map_or_else(|| Secret::new(String::new()), |(password, _)| password);
        Some(Box::new(BasicLogin { name, password }))
    }
}

/// Takes in a statement of a page, if it is one of these.
pub(super) fn take(context: &mut Context<'_>, entry: &Entry<'_>, url: &mut Url) -> bool {
    match entry.name() {
        "method" => {
            let name = context.choice_in_any_case(entry);
            let method = Method::ALL.iter().find(|(_, other)| Some(*other) == name);
            url.method = method.map_or(url.method, |(method, _)| *method);
        }
        "header" => header(context, entry, &mut url.headers),
        "body" => url.body = secret(context, entry).or(url.body.take()),
        "json" => url.json.extend(assertion(context, entry, url.json.len())),
        _ => return false,
    }
    true
}

fn assertion(context: &mut Context<'_>, entry: &Entry<'_>, before: usize) -> Option<Assertion> {
    let first = context.first(entry)?;
    let words: Vec<&str> = entry.words().iter().map(|word| word.text.as_str()).collect();
    if before >= MOST_ASSERTIONS {
        let message = format!("there are {MOST_ASSERTIONS} `json` already, which is as many as a page has");
        context.error_but(Code::OutOfRange, entry.span(), message, None, ignored());
        return None;
    }
    match Assertion::read(&words) {
        Ok(assertion) => Some(assertion),
        Err(error) => {
            context.error_but(Code::InvalidText, first.span, error.to_string(), None, ignored());
            None
        }
    }
}

/// What of a page does not go together.
pub(super) fn finish(context: &mut Context<'_>, block: &Entry<'_>, url: &mut Url) {
    let place = |name: &str| {
        let said = block.statements().iter().rev().find(|statement| statement.keyword.text == name);
        said.map_or(block.span(), |statement| statement.keyword.span)
    };
    if url.body.is_some() && !url.method.takes_body() {
        let message = format!("a {} has no `body`", url.method);
        let suggestion = Some("say `method POST`".to_owned());
        context.error_but(Code::Conflict, place("body"), message, suggestion, ignored());
        url.body = None;
    }
    if url.method == Method::Head && !url.wants_status_only() {
        let message = "the answer to a HEAD has no body: what is said of the page can never hold";
        let suggestion = Some("say `method GET`".to_owned());
        context.error_but(Code::Conflict, place("method"), message, suggestion, ignored());
    }
}

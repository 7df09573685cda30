//! `HTTP_GET` and `SSL_GET`.

use healthcheck::spec::{check_path, check_virtualhost, parse_digest};
use healthcheck::{Http, HttpVersion, Kind, Pattern, Search as Compiled, StatusRange, StatusRanges, Url};

use super::request::{self, Account};
use super::route::Route;
use super::secure::Secure;
use crate::config::complaint::{Code, Reaction};
use crate::config::keywords::Place;
use crate::config::lower::context::{Context, Entry, short};
use crate::config::lower::server::Inherited;
use crate::config::source::Span;

/// What is asked, or nothing if there is no page to ask for.
pub(super) fn lower(
    context: &mut Context<'_>,
    block: &Entry<'_>,
    inherited: &Inherited,
    route: &mut Route,
) -> Option<Kind> {
    let tls = block.name() == "SSL_GET";
    let mut http = Http { virtualhost: inherited.virtualhost.clone(), ..Http::default() };
    let mut any_url = false;
    let (mut secure, mut account) = (Secure::new(context), Account::default());
    let (mut close_notify, mut fast_recovery) = (false, false);
    route.read(context, block, |context, entry| {
        match entry.name() {
            "virtualhost" => http.virtualhost = virtualhost(context, entry).or(http.virtualhost.take()),
            "http_protocol" => {
                http.protocol = match context.choice_in_any_case(entry) {
                    Some("1.0") => HttpVersion::Http10,
                    Some("1.0C") => HttpVersion::Http10Close,
                    Some("2") => HttpVersion::Http2,
                    Some(_) => HttpVersion::Http11,
                    None => http.protocol,
                }
            }
            "fast_recovery" => fast_recovery = context.switch(entry).unwrap_or(fast_recovery),
            "header" => request::header(context, entry, &mut http.headers),
            "tls_compliant" => {
                context.flag(entry);
                close_notify = true;
            }
            "url" => {
                any_url = true;
                http.urls.extend(url(context, entry));
            }
            _ => return account.take(context, entry) || secure.take(context, entry),
        }
        true
    });
    if !any_url || http.urls.is_empty() {
        // keepalived crashes over a check without any.
        let left_out = Reaction::goes_on("the check is left out");
        let keepalived = if any_url { left_out } else { Reaction::Stops };
        let message =
            format!("`{}` has no `url`{}", block.name(), if any_url { " that can be used" } else { "" });
        context.error_but(Code::MissingKeyword, block.end(), message, None, keepalived);
        return None;
    }
    for url in http.urls.iter_mut() {
        url.close_notify = tls && (url.close_notify || close_notify);
    }
    route.fast_recovery = fast_recovery;
    let headers = http.headers.iter().chain(http.urls.iter().flat_map(|url| &url.headers));
    http.login = account.finish(context, block, headers);
    http.tls = tls.then(|| secure.finish(context));
    Some(Kind::Http(http))
}

/// `virtualhost`, at any level.
pub(in crate::config::lower) fn virtualhost(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let word = context.word(entry)?;
    if let Err(error) = check_virtualhost(&word.text) {
        let keepalived = Reaction::goes_on("it is sent as it stands");
        context.error_but(Code::InvalidText, word.span, error.to_string(), None, keepalived);
    }
    Some(word.text.clone())
}

fn url(context: &mut Context<'_>, block: &Entry<'_>) -> Option<Url> {
    context.at_most(block, 0);
    let mut url = Url::unread();
    let mut has_path = false;
    let mut ranges = Vec::new();
    let mut search = Search::default();
    for entry in context.entries_of(block, Place::Url) {
        match entry.name() {
            "path" => {
                has_path = true;
                url.path = path(context, &entry).unwrap_or(url.path);
            }
            "status_code" => statuses(context, &entry, &mut ranges),
            "digest" => url.digest = url.digest.or(digest(context, &entry)),
            "virtualhost" => url.virtualhost = virtualhost(context, &entry).or(url.virtualhost),
            "tls_compliant" => {
                context.flag(&entry);
                url.close_notify = true;
            }
            _ if search.take(context, &entry) || request::take(context, &entry, &mut url) => {}
            _ => context.forgotten(&entry),
        }
    }
    url.status = StatusRanges::new(ranges).unwrap_or_default();
    url.pattern = search.finish(context, block);
    request::finish(context, block, &mut url);
    if !has_path {
        let keepalived = Reaction::goes_on("the page is left out");
        context.error_but(Code::MissingKeyword, block.span(), "`url` has no `path`", None, keepalived);
    }
    has_path.then_some(url)
}

fn path(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let word = context.word(entry)?;
    if let Err(error) = check_path(&word.text) {
        let with_slash = format!("/{}", word.text);
        let suggestion = check_path(&with_slash).is_ok().then(|| format!("did you mean `{with_slash}`?"));
        let keepalived = Reaction::goes_on("it is asked for as it stands");
        context.error_but(Code::InvalidText, word.span, error.to_string(), suggestion, keepalived);
    }
    Some(word.text.clone())
}

/// Several lines add up, and a word that is wrong leaves the others as they are.
pub(super) fn statuses(context: &mut Context<'_>, entry: &Entry<'_>, ranges: &mut Vec<StatusRange>) {
    context.first(entry);
    for word in entry.words() {
        match word.text.parse() {
            Ok(range) => ranges.push(range),
            Err(error) => {
                let error: healthcheck::Error = error;
                let keepalived = Reaction::goes_on("the word is ignored");
                context.error_but(Code::InvalidNumber, word.span, error.to_string(), None, keepalived);
            }
        }
    }
}

fn digest(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<[u8; 16]> {
    let word = context.word(entry)?;
    let parsed = parse_digest(&word.text);
    if let Err(error) = &parsed {
        context.error(Code::InvalidText, word.span, error.to_string());
    }
    parsed.ok()
}

/// What is said of a regular expression.
#[derive(Default)]
pub(super) struct Search {
    text: Option<(String, Span)>,
    pattern: Pattern,
    /// Whether anything besides the expression itself was said.
    any: bool,
}

impl Search {
    pub fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        let pattern = &mut self.pattern;
        match entry.name() {
            "regex" => {
                self.text = expression(context, entry).or(self.text.take());
                return true;
            }
            "regex_no_match" => {
                context.flag(entry);
                pattern.absent = true;
            }
            "regex_options" => options(context, entry, pattern),
            "regex_min_offset" => {
                pattern.min_offset = context.whole(entry).unwrap_or(pattern.min_offset);
            }
            "regex_max_offset" => pattern.max_offset = context.whole(entry).or(pattern.max_offset),
            "regex_stack" => pattern.stack = stack(context, entry).or(pattern.stack),
            _ => return false,
        }
        self.any = true;
        true
    }

    pub fn finish(mut self, context: &mut Context<'_>, block: &Entry<'_>) -> Option<Box<Pattern>> {
        let place = |name: &str| {
            let said =
                block.statements().iter().rev().find(|statement| statement.keyword.text.starts_with(name));
            said.map_or(block.span(), |statement| statement.keyword.span)
        };
        let Some((text, span)) = self.text else {
            if self.any {
                let message = "what is said of an expression has no effect without `regex`";
                context.warning(Code::NoEffect, place("regex_"), message);
            }
            return None;
        };
        let Pattern { min_offset, max_offset, .. } = self.pattern;
        if let Some(max) = max_offset.filter(|max| *max < min_offset) {
            let message = format!("`regex_min_offset` {min_offset} lies behind `regex_max_offset` {max}");
            let keepalived = Reaction::goes_on("both are ignored");
            context.error_but(Code::Conflict, place("regex_min_offset"), message, None, keepalived);
            (self.pattern.min_offset, self.pattern.max_offset) = (0, None);
        }
        let pattern = Pattern { text, ..self.pattern };
        // keepalived looks at the grammar only when it runs, and leaves the expression out then.
        if let Err(error) = Compiled::new(&pattern) {
            let keepalived = Reaction::goes_on("the expression is ignored");
            context.error_but(Code::InvalidText, span, error.to_string(), None, keepalived);
            return None;
        }
        Some(Box::new(pattern))
    }
}

/// The expression is one word.
fn expression(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<(String, Span)> {
    let word = context.first(entry)?;
    if let Some(more) = entry.words().get(1) {
        let message = format!("`regex` is one word, and `{}` is another", short(&more.text));
        let suggestion = Some("put the whole expression in quotes".to_owned());
        let keepalived = Reaction::goes_on("the expression is ignored");
        context.error_but(Code::UnexpectedWord, more.span, message, suggestion, keepalived);
        return None;
    }
    Some((word.text.clone(), word.span))
}

fn options(context: &mut Context<'_>, entry: &Entry<'_>, pattern: &mut Pattern) {
    context.first(entry);
    for word in entry.words() {
        match word.text.parse() {
            Ok(option) => {
                let option: healthcheck::PatternOption = option;
                if !option.is_heeded() {
                    let message =
                        format!("`{option}` is not in effect yet: the expression is read without it");
                    context.warning(Code::NotSupportedYet, word.span, message);
                }
                pattern.options.insert(option);
            }
            Err(error) => {
                let error: healthcheck::Error = error;
                let nearest = healthcheck::PatternOption::NAMES.iter().copied();
                let nearest = crate::config::keywords::closest(&word.text, nearest);
                let suggestion = nearest.map(|name| format!("did you mean `{name}`?"));
                let keepalived = Reaction::goes_on("the word is ignored");
                context.error_but(Code::InvalidChoice, word.span, error.to_string(), suggestion, keepalived);
            }
        }
    }
}

/// `START MAXIMUM`, in bytes.
fn stack(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<(u64, u64)> {
    context.first(entry)?;
    let [start, most] = entry.words() else {
        let message = "`regex_stack` takes two numbers: the memory at first and at most, in bytes";
        let keepalived = Reaction::goes_on("the line is ignored");
        context.error_but(Code::MissingValue, entry.span(), message, None, keepalived);
        return None;
    };
    let mut number = |word| context.number("regex_stack", word, 1, i64::from(i32::MAX));
    let (start, most) = (u64::try_from(number(start)?).ok()?, u64::try_from(number(most)?).ok()?);
    if start > most {
        let message = format!("`regex_stack` begins with {start} bytes and ends at {most}, which is less");
        context.error(Code::Conflict, entry.span(), message);
        return None;
    }
    Some((start, most))
}

//! `FTP_CHECK`, `IMAP_CHECK`, `POP3_CHECK`, `NNTP_CHECK`, `SIP_CHECK` and `TEXT_CHECK`; and logins and TLS of `SMTP_CHECK`.

use healthcheck::{
    Dialogue, Encryption, Ftp, Kind, Login, Password, Protocol, Secret, Sip, Sni, StatusRanges, Text, Tls,
    Transport,
};

use super::http::{Search, statuses, virtualhost};
use super::route::Route;
use crate::config::complaint::{Code, Reaction};
use crate::config::lower::context::{Context, Entry, short};
use crate::config::source::Span;

/// What is said of how a server is spoken to: TLS, and who we are.
#[derive(Default)]
pub(super) struct Access {
    tls: Option<(&'static str, Span)>,
    verify: Option<(bool, Span)>,
    sni: Option<(String, Span)>,
    expiry_days: Option<(u32, Span)>,
    login: Option<String>,
    password: Option<(Password, Span)>,
}

impl Access {
    /// Takes in a statement, if it is one of these.
    pub fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        let span = entry.span();
        match entry.name() {
            "tls" if entry.words().is_empty() => self.tls = context.switch(entry).map(|_| ("on", span)),
            "tls" => self.tls = tls(context, entry).map(|word| (word, span)).or(self.tls),
            "verify" => self.verify = context.switch(entry).map(|on| (on, span)).or(self.verify),
            "sni_name" => self.sni = virtualhost(context, entry).map(|name| (name, span)).or(self.sni.take()),
            "expiry_days" => {
                self.expiry_days = context.whole(entry).map(|days| (days, span)).or(self.expiry_days);
            }
            "login" => self.login = context.text(entry).or(self.login.take()),
            "password" => {
                let said = context.text(entry).map(|text| Password::Said(Secret::new(text)));
                self.note(context, said, span);
            }
            "password_file" => {
                let file = context.text(entry).map(|path| {
                    let place = entry.words().first().map_or(span, |word| word.span);
                    context.spans.key_files.insert(path.clone(), place);
                    Password::File(path, None)
                });
                self.note(context, file, span);
            }
            _ => return false,
        }
        true
    }

    fn note(&mut self, context: &mut Context<'_>, password: Option<Password>, span: Span) {
        let Some(password) = password else { return };
        let other = |before: &Password| std::mem::discriminant(before) != std::mem::discriminant(&password);
        if self.password.as_ref().is_some_and(|(before, _)| other(before)) {
            let message = "`password` and `password_file` are both given";
            let suggestion = Some("take one of them away".to_owned());
            context.error_but(
                Code::Conflict,
                span,
                message,
                suggestion,
                Reaction::goes_on("the last one counts"),
            );
        }
        self.password = Some((password, span));
    }

    /// What comes of it.
    pub fn finish(self, context: &mut Context<'_>) -> (Encryption, Option<Login>) {
        let without = |context: &mut Context<'_>, span: Span, name: &str, other: &str| {
            let message = format!("`{name}` has no effect without `{other}`");
            context.warning(Code::NoEffect, span, message);
        };
        let settings = |context: &Context<'_>| Tls {
            expiry_days: self.expiry_days.map(|(days, _)| days).or(context.tls.expiry_days),
            sni: self.sni.as_ref().map_or(Sni::Off, |(name, _)| Sni::Name(name.clone())),
            verify: self.verify.map_or(context.tls.verify.unwrap_or(!context.compat()), |(on, _)| on),
            files: context.tls.files.clone(),
        };
        let encryption = match self.tls {
            Some(("on", _)) => Encryption::On(settings(context)),
            Some(("starttls", _)) => Encryption::StartTls(settings(context)),
            _ => {
                if let Some((_, span)) = self.verify {
                    without(context, span, "verify", "tls");
                }
                if let Some((_, span)) = self.expiry_days {
                    without(context, span, "expiry_days", "tls");
                }
                if let Some((_, span)) = self.sni {
                    without(context, span, "sni_name", "tls");
                }
                Encryption::Off
            }
        };
        let login = match (self.login, self.password) {
            (Some(name), password) => {
                Some(Login { name, password: password.map(|(password, _)| password).unwrap_or_default() })
            }
            (None, Some((password, span))) => {
                let name = if matches!(password, Password::File(..)) { "password_file" } else { "password" };
                without(context, span, name, "login");
                None
            }
            (None, None) => None,
        };
        (encryption, login)
    }
}

/// `off`, `on`, and where the language has it `starttls`; whoever may say on and off may say it in other words too.
fn tls(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<&'static str> {
    match entry.keyword.form {
        crate::config::keywords::Form::Switch => {
            context.switch(entry).map(|on| if on { "on" } else { "off" })
        }
        _ => context.choice(entry),
    }
}

/// Checks that may log in.
pub(super) fn letting_in(context: &mut Context<'_>, block: &Entry<'_>, route: &mut Route) -> Kind {
    let (mut access, mut search, mut path) = (Access::default(), Search::default(), None);
    route.read(context, block, |context, entry| {
        match entry.name() {
            _ if access.take(context, entry) => {}
            "path" => path = file(context, entry).or(path.take()),
            _ => return search.take(context, entry),
        }
        true
    });
    let place = access.tls.map(|(_, span)| span);
    let (encryption, login) = access.finish(context);
    let pattern = search.finish(context, block);
    let protocol = match block.name() {
        "IMAP_CHECK" => Protocol::Imap,
        "POP3_CHECK" => Protocol::Pop3,
        "NNTP_CHECK" => Protocol::Nntp,
        _ => {
            ftp(context, block, path.as_ref().map(|(_, span)| *span), place, &encryption, pattern.is_some());
            let path = path.map(|(path, _)| path);
            let pattern = pattern.filter(|_| path.is_some());
            Protocol::Ftp(Ftp { path, pattern })
        }
    };
    Kind::Dialogue(Box::new(Dialogue { protocol, encryption, login }))
}

/// What does not go together in an `FTP_CHECK`.
fn ftp(
    context: &mut Context<'_>,
    block: &Entry<'_>,
    path: Option<Span>,
    tls: Option<Span>,
    encryption: &Encryption,
    searches: bool,
) {
    if searches && path.is_none() {
        let said = block.statements().iter().find(|statement| statement.keyword.text == "regex");
        let span = said.map_or(block.span(), |statement| statement.keyword.span);
        context.warning(Code::NoEffect, span, "`regex` has no effect without `path`");
    }
    if path.is_some() && encryption.tls().is_some() {
        let message = "a file is fetched without TLS only: servers want one session for both connections";
        let suggestion = Some("take `path` away, and the login is checked with TLS".to_owned());
        let span = tls.unwrap_or(block.span());
        context.error_but(Code::Conflict, span, message, suggestion, Reaction::goes_on("both are used"));
    }
}

/// The file of an `FTP_CHECK`.
fn file(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<(String, Span)> {
    context.text(entry).map(|path| (path, entry.span()))
}

pub(super) fn sip(context: &mut Context<'_>, block: &Entry<'_>, route: &mut Route) -> Kind {
    let (mut access, mut ranges, mut transport) = (Access::default(), Vec::new(), None);
    let mut sip = Sip::default();
    route.read(context, block, |context, entry| {
        match entry.name() {
            _ if access.take(context, entry) => {}
            "uri" => sip.uri = uri(context, entry).or(sip.uri.take()),
            "transport" => transport = way(context, entry).or(transport),
            "status_code" => statuses(context, entry, &mut ranges),
            _ => return false,
        }
        true
    });
    let (encryption, login) = access.finish(context);
    let usual = if encryption.tls().is_some() { Transport::Tcp } else { Transport::Udp };
    sip.transport = datagrams_in_the_clear(context, transport, usual, &encryption);
    sip.status = StatusRanges::new(ranges).unwrap_or_default();
    Kind::Dialogue(Box::new(Dialogue { protocol: Protocol::Sip(sip), encryption, login }))
}

pub(super) fn text(context: &mut Context<'_>, block: &Entry<'_>, route: &mut Route) -> Kind {
    let (mut access, mut search, mut transport) = (Access::default(), Search::default(), None);
    let mut text = Text::default();
    route.read(context, block, |context, entry| {
        match entry.name() {
            _ if access.take(context, entry) => {}
            "send" => text.send = context.word(entry).map(|word| word.text.clone()).or(text.send.take()),
            "half_close" => {
                context.flag(entry);
                text.half_close = true;
            }
            "transport" => transport = way(context, entry).or(transport),
            _ => return search.take(context, entry),
        }
        true
    });
    let (encryption, login) = access.finish(context);
    text.pattern = search.finish(context, block);
    text.transport = datagrams_in_the_clear(context, transport, Transport::Tcp, &encryption);
    Kind::Dialogue(Box::new(Dialogue { protocol: Protocol::Text(text), encryption, login }))
}

fn way(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<(Transport, Span)> {
    let word = context.choice_in_any_case(entry)?;
    Some((if word == "UDP" { Transport::Udp } else { Transport::Tcp }, entry.span()))
}

/// TLS needs a connection.
fn datagrams_in_the_clear(
    context: &mut Context<'_>,
    said: Option<(Transport, Span)>,
    usual: Transport,
    encryption: &Encryption,
) -> Transport {
    match said {
        Some((Transport::Udp, span)) if encryption.tls().is_some() => {
            let message = "`tls` needs a connection, and `transport UDP` has none";
            let keepalived = Reaction::goes_on("TCP is used");
            context.error_but(
                Code::Conflict,
                span,
                message,
                Some("say `transport TCP`".to_owned()),
                keepalived,
            );
            Transport::Tcp
        }
        said => said.map_or(usual, |(transport, _)| transport),
    }
}

/// Something that can stand between angle brackets.
fn uri(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let word = context.word(entry)?;
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"<>\"".contains(&byte);
    let scheme = ["sip:", "sips:"].iter().any(|scheme| word.text.starts_with(scheme));
    if !scheme || !word.text.bytes().all(fits) {
        let message = format!(
            "`uri` is `{}`; expected one such as sip:probe@example.org, without blanks",
            short(&word.text)
        );
        let with_scheme = format!("sip:{}", word.text);
        let suggestion =
            (!scheme && word.text.bytes().all(fits)).then(|| format!("did you mean `{with_scheme}`?"));
        let keepalived = Reaction::goes_on("the line is ignored");
        context.error_but(Code::InvalidText, word.span, message, suggestion, keepalived);
        return None;
    }
    Some(word.text.clone())
}

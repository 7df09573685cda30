//! `LDAP_CHECK`, `MYSQL_CHECK`, `PGSQL_CHECK`, `RADIUS_CHECK` and `ORACLE_CHECK`.
//!
//! What is secret in them is not repeated in complaints.

use healthcheck::dialogue::radius::{LONGEST_NAME, LONGEST_PASSWORD};
use healthcheck::spec::check_oracle_name;
use healthcheck::{Kind, Ldap, Login, Oracle, Password, Radius, Secret, Sni, Sql, Tls};

use super::http::virtualhost;
use super::route::Route;
use crate::config::complaint::Code;
use crate::config::keywords::Form;
use crate::config::lower::context::{Context, Entry};
use crate::config::source::Span;

pub(super) fn ldap(context: &mut Context<'_>, block: &Entry<'_>, route: &mut Route) -> Option<Kind> {
    let (mut account, mut security) = (Account::default(), Security::new(context));
    let mut base = None;
    route.read(context, block, |context, entry| {
        match entry.name() {
            "base" => base = context.text(entry).or(base.take()),
            _ if account.take(context, entry) => {}
            _ => return security.take(context, entry),
        }
        true
    });
    let login = account.login(context);
    if let Some(login) = login.as_ref().filter(|login| login.password == Password::default()) {
        let message = format!(
            "`login {}` has no password: a bind with an empty one is anonymous, and passes whatever the login",
            login.name
        );
        context.error_with(
            Code::MissingKeyword,
            block.end(),
            message,
            "add `password`, or leave `login` out",
        );
    }
    let starttls = security.starttls;
    Some(Kind::Ldap(Ldap { login, base, tls: security.finish(context), starttls }))
}

/// `MYSQL_CHECK` and `PGSQL_CHECK`.
pub(super) fn sql(context: &mut Context<'_>, block: &Entry<'_>, route: &mut Route) -> Option<Kind> {
    let (mut account, mut security) = (Account::default(), Security::new(context));
    let mut sql = Sql::default();
    let mut idle = None;
    route.read(context, block, |context, entry| {
        match entry.name() {
            "database" => {
                sql.database = context.text(entry).or(sql.database.take());
                idle = Some(entry.span());
            }
            "query" => {
                sql.query = context.text(entry).or(sql.query.take());
                idle = Some(entry.span());
            }
            "allow_cleartext" => {
                context.flag(entry);
                sql.cleartext = true;
            }
            _ if account.take(context, entry) => {}
            _ => return security.take(context, entry),
        }
        true
    });
    sql.login = account.login(context);
    sql.tls = security.finish(context);
    if let Some(span) = idle.filter(|_| sql.login.is_none()) {
        let message = "without `login` nobody is let in, and no database is asked anything";
        context.warning(Code::NoEffect, span, message);
    }
    Some(if block.name() == "MYSQL_CHECK" { Kind::Mysql(sql) } else { Kind::Pgsql(sql) })
}

pub(super) fn radius(context: &mut Context<'_>, block: &Entry<'_>, route: &mut Route) -> Option<Kind> {
    let mut account = Account::default();
    let (mut secret, mut rejection, mut signed) = (None, None, true);
    let mut status: Option<Span> = None;
    route.read(context, block, |context, entry| {
        match entry.name() {
            "secret" => secret = said(context, entry).or(secret.take()),
            "secret_file" => secret = file(context, entry).or(secret.take()),
            "accept_reject" => {
                context.flag(entry);
                rejection = Some(entry.span());
            }
            "require_message_authenticator" => signed = context.switch(entry).unwrap_or(signed),
            "status_server" => {
                context.flag(entry);
                status = Some(entry.span());
            }
            _ => return account.take(context, entry),
        }
        true
    });
    let mut login = account.login(context);
    match (status, &login) {
        (None, None) => {
            let message = "`RADIUS_CHECK` has no `login`".to_owned();
            let suggestion = "add `login` and `password`, or `status_server` to ask the server how it is";
            context.error_with(Code::MissingKeyword, block.end(), message, suggestion);
        }
        (Some(span), Some(_)) => {
            context.warning(Code::NoEffect, span, "`status_server` has no effect beside `login`");
        }
        _ => {}
    }
    if let Some(span) = rejection.filter(|_| login.is_none()) {
        context.warning(Code::NoEffect, span, "without `login` nobody is rejected");
    }
    let long = |login: &mut Login| {
        login.name.len() > LONGEST_NAME || login.password.reveal().len() > LONGEST_PASSWORD
    };
    if login.take_if(long).is_some() {
        let message = format!(
            "the login is longer than {LONGEST_NAME} bytes, or the password than {LONGEST_PASSWORD}: no question of \
             RADIUS holds it"
        );
        context.error(Code::InvalidText, block.span(), message);
    }
    if secret.is_none() {
        context.missing("`RADIUS_CHECK`", "secret", block.end());
    }
    let rejection = rejection.is_some() && login.is_some();
    Some(Kind::Radius(Radius { login, secret: secret?, rejection, signed }))
}

pub(super) fn oracle(context: &mut Context<'_>, block: &Entry<'_>, route: &mut Route) -> Option<Kind> {
    let (mut service, mut sid) = (None, None);
    route.read(context, block, |context, entry| {
        match entry.name() {
            "service_name" => service = oracle_name(context, entry).or(service.take()),
            "sid" => sid = oracle_name(context, entry).or(sid.take()),
            _ => return false,
        }
        true
    });
    let oracle = match (service, sid) {
        (Some(_), Some(_)) => {
            let message = "a listener is asked either for a service or for an instance";
            context.error_with(Code::Conflict, block.span(), message.to_owned(), "leave `sid` out");
            return None;
        }
        (Some(name), None) => Oracle::Service(name),
        (None, Some(name)) => Oracle::Sid(name),
        (None, None) => Oracle::Listener,
    };
    Some(Kind::Oracle(oracle))
}

fn oracle_name(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let word = context.word(entry)?;
    if let Err(error) = check_oracle_name(&word.text) {
        context.error(Code::InvalidText, word.span, error.to_string());
        return None;
    }
    Some(word.text.clone())
}

/// Who logs in.
#[derive(Default)]
struct Account {
    name: Option<String>,
    password: Option<(Password, Span)>,
}

impl Account {
    fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        let password = match entry.name() {
            "login" => {
                self.name = context.text(entry).or(self.name.take());
                return true;
            }
            "password" => said(context, entry),
            "password_file" => file(context, entry),
            _ => return false,
        };
        self.password = password.map(|password| (password, entry.span())).or(self.password.take());
        true
    }

    fn login(self, context: &mut Context<'_>) -> Option<Login> {
        let (password, span) = self.password.unzip();
        let Some(name) = self.name else {
            if let Some(span) = span {
                context.warning(Code::NoEffect, span, "a password has no effect without `login`");
            }
            return None;
        };
        Some(Login { name, password: password.unwrap_or_default() })
    }
}

/// One word that nobody is to see.
fn said(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Password> {
    let name = entry.keyword.name;
    let word = context.first(entry)?;
    if entry.words().len() > 1 {
        let message = format!("`{name}` takes one word");
        context.error_with(Code::UnexpectedWord, entry.span(), message, "put it into quotes");
        return None;
    }
    if word.text.is_empty() || word.text.contains(char::is_control) {
        context.error(Code::InvalidText, word.span, format!("`{name}` is empty or holds control characters"));
        return None;
    }
    Some(Password::Said(Secret::new(word.text.clone())))
}

fn file(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Password> {
    let path = context.text(entry)?;
    let place = entry.words().first().map_or(entry.span(), |word| word.span);
    context.spans.key_files.insert(path.clone(), place);
    Some(Password::File(path, None))
}

/// Whether TLS is spoken, and how.
struct Security {
    tls: bool,
    starttls: bool,
    verify: bool,
    sni: Sni,
    expiry_days: Option<u32>,
}

impl Security {
    fn new(context: &Context<'_>) -> Self {
        let verify = context.tls.verify.unwrap_or(!context.compat());
        let expiry_days = context.tls.expiry_days;
        Self { tls: false, starttls: false, verify, sni: Sni::Off, expiry_days }
    }

    fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "tls" if entry.keyword.form == Form::Switch => {
                self.tls = context.switch(entry).unwrap_or(self.tls)
            }
            "tls" => {
                let said = context.choice(entry);
                self.tls = said.map_or(self.tls, |said| said != "off");
                self.starttls = said.map_or(self.starttls, |said| said == "starttls");
            }
            "verify" => self.verify = context.switch(entry).unwrap_or(self.verify),
            "sni_name" => self.sni = virtualhost(context, entry).map_or(self.sni.clone(), Sni::Name),
            "expiry_days" => self.expiry_days = context.whole(entry).or(self.expiry_days),
            _ => return false,
        }
        true
    }

    fn finish(self, context: &Context<'_>) -> Option<Tls> {
        let Self { tls, verify, sni, expiry_days, .. } = self;
        tls.then(|| Tls { sni, verify, expiry_days, files: context.tls.files.clone() })
    }
}

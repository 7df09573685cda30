//! Checks of directories, databases, RADIUS and Oracle's listener: what ldirectord says in them, in our words.

use healthcheck::dialogue::radius::{LONGEST_NAME, LONGEST_PASSWORD};
use healthcheck::spec::check_oracle_name;

use super::check::{Check, Kind};
use super::model::{At, Real, Service, Virtual};
use crate::import::statement::Statements;

/// The kind of check for one of these services, as far as the section says what it needs.
pub(super) fn kind(service: &Virtual) -> Kind {
    match service.negotiated() {
        Service::Ldap => Kind::Ldap { tls: false },
        Service::Ldaps => Kind::Ldap { tls: true },
        Service::Mysql => Kind::Mysql,
        Service::Pgsql => Kind::Pgsql,
        Service::Oracle => Kind::Oracle,
        Service::Radius if said(service.secret.as_ref()).is_some() && !too_long(service) => Kind::Radius,
        Service::Radius => Kind::Udp,
        _ => Kind::Tcp,
    }
}

/// What ldirectord looked at in one of these, and our check does not.
pub(super) fn lost(service: &Virtual, kind: &Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Ldap { .. } if request(service, None).is_none() => {
            "that the directory takes the bind is asked; ldirectord asked for its root entry as well"
        }
        Kind::Ldap { .. } => return None,
        Kind::Mysql | Kind::Pgsql if login(service).is_none() => {
            "that the server greets is asked: without `login` nobody is let in here, where ldirectord came as the user \
             that runs it"
        }
        Kind::Mysql | Kind::Pgsql if request(service, None).is_none() => {
            "the login is enough where there is no `request`; ldirectord asked an empty question"
        }
        Kind::Mysql | Kind::Pgsql => return None,
        Kind::Oracle => {
            "that the listener knows the instance (`database`) is asked, not the login nor the query"
        }
        Kind::Radius if login(service).is_none() => {
            "without `login` the server is asked how it is (Status-Server); ldirectord logged in as nobody"
        }
        Kind::Radius => return None,
        Kind::Udp => "that the port is not refused is asked: without `secret` no server of RADIUS answers",
        _ => return None,
    })
}

/// Whether the login of the section means anything to the check.
pub(super) fn logs_in(service: &Virtual, kind: &Kind) -> bool {
    match kind {
        // A bind with an empty password is anonymous, whatever the name.
        Kind::Ldap { .. } => said(service.passwd.as_ref()).is_some(),
        Kind::Mysql | Kind::Pgsql | Kind::Radius => login(service).is_some(),
        _ => false,
    }
}

/// What is the kind's own; nothing for all other kinds.
pub(super) fn write(check: &Check<'_>, real: &Real, out: &mut Statements) {
    let service = check.service;
    match &check.kind {
        Kind::Ldap { tls } => {
            if *tls {
                out.value("tls", "on");
                // ldirectord believes any certificate.
                out.value("verify", "off");
            }
            if logs_in(service, &check.kind) {
                account(service, out);
            }
            if let Some(base) = request(service, Some(real)) {
                out.value("base", base);
            }
        }
        Kind::Mysql | Kind::Pgsql if login(service).is_some() => {
            account(service, out);
            if let Some(database) = said(service.database.as_ref()) {
                out.value("database", database);
            }
            if let Some(query) = request(service, Some(real)) {
                out.value("query", query);
            }
        }
        Kind::Radius => {
            match login(service) {
                Some(_) => account(service, out),
                None => out.flag("status_server"),
            }
            if let Some(secret) = said(service.secret.as_ref()) {
                out.value("secret", secret);
            }
            // ldirectord believes answers that are not signed, and servers of old sign none.
            out.value("require_message_authenticator", "off");
        }
        Kind::Oracle => {
            let sid = said(service.database.as_ref()).filter(|name| check_oracle_name(name).is_ok());
            if let Some(sid) = sid {
                out.value("sid", sid);
            }
        }
        _ => {}
    }
}

fn account(service: &Virtual, out: &mut Statements) {
    let Some(login) = login(service) else { return };
    out.value("login", login);
    if let Some(passwd) = said(service.passwd.as_ref()) {
        out.value("password", passwd);
    }
}

fn login(service: &Virtual) -> Option<String> {
    said(service.login.as_ref())
}

/// A value that is there; what would break a line is a blank.
fn said(value: Option<&At<String>>) -> Option<String> {
    one_line(&value?.value)
}

fn one_line(text: &str) -> Option<String> {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// What is asked for, the server's own or the section's, without the slash that ldirectord puts in front and takes off again.
fn request(service: &Virtual, real: Option<&Real>) -> Option<String> {
    let own = real.and_then(|real| real.request.as_deref());
    let request = own.or(service.request.as_ref().map(|said| said.value.as_str()))?;
    one_line(request.strip_prefix('/').unwrap_or(request))
}

/// Whether no question of RADIUS holds the login.
fn too_long(service: &Virtual) -> bool {
    let longer = |value: Option<&At<String>>, most: usize| said(value).is_some_and(|text| text.len() > most);
    longer(service.login.as_ref(), LONGEST_NAME) || longer(service.passwd.as_ref(), LONGEST_PASSWORD)
}

//! The checks that begin with a handshake, as statements.

use healthcheck::{Kind, Ldap, Login, Oracle, Password, Radius, Sni, Sql, Tls};

use crate::config::write::Lines;

/// What is their own; nothing for all others.
pub(super) fn write(kind: &Kind, lines: &mut Lines) {
    match kind {
        Kind::Ldap(Ldap { login, base, tls, starttls }) => {
            account(login.as_ref(), lines);
            lines.some("base", base.as_deref());
            security(tls.as_ref(), Some(if *starttls { "starttls" } else { "on" }), lines);
        }
        Kind::Mysql(sql) | Kind::Pgsql(sql) => {
            let Sql { login, database, query, tls, cleartext } = sql;
            account(login.as_ref(), lines);
            lines.some("database", database.as_deref());
            lines.some("query", query.as_deref());
            security(tls.as_ref(), None, lines);
            lines.flag("allow_cleartext", *cleartext);
        }
        Kind::Radius(Radius { login, secret, rejection, signed }) => {
            account(login.as_ref(), lines);
            lines.flag("status_server", login.is_none());
            password("secret", "secret_file", secret, lines);
            lines.flag("accept_reject", *rejection);
            lines.unless("require_message_authenticator", *signed, true);
        }
        Kind::Oracle(Oracle::Service(name)) => lines.value("service_name", name.as_str()),
        Kind::Oracle(Oracle::Sid(name)) => lines.value("sid", name.as_str()),
        _ => {}
    }
}

fn account(login: Option<&Login>, lines: &mut Lines) {
    let Some(login) = login else { return };
    lines.value("login", login.name.as_str());
    if login.password != Password::default() {
        password("password", "password_file", &login.password, lines);
    }
}

fn password(said: &str, file: &str, password: &Password, lines: &mut Lines) {
    match password {
        Password::Said(secret) => lines.value(said, secret.reveal()),
        Password::File(path, _) => lines.value(file, path.as_str()),
    }
}

fn security(tls: Option<&Tls>, when: Option<&str>, lines: &mut Lines) {
    let Some(tls) = tls else { return };
    lines.say("tls", when.map(str::to_owned));
    lines.say("verify", (!tls.verify).then(|| "off".to_owned()));
    if let Sni::Name(name) = &tls.sni {
        lines.value("sni_name", name.as_str());
    }
    lines.some("expiry_days", tls.expiry_days);
}

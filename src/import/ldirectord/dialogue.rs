//! Checks that hold a conversation: what ldirectord says in them, in our words.

use ipvs_backend::{Protocol, ServiceKey};

use super::check::{Check, Kind};
use super::model::{Real, Virtual};
use crate::import::statement::Statements;

/// What is the kind's own; nothing for all other kinds.
pub(super) fn write(check: &Check<'_>, real: &Real, out: &mut Statements) {
    let service = check.service;
    match check.kind {
        Kind::Ftp => {
            login(service, out);
            if let Some(path) = request(service, real).filter(|path| !path.trim_matches('/').is_empty()) {
                out.value("path", format!("/{}", path.trim_start_matches('/')));
                expected(service, real, out);
            }
        }
        Kind::Imap { tls } | Kind::Pop { tls } => {
            if tls {
                out.value("tls", "on");
                // ldirectord believes any certificate.
                out.value("verify", "off");
            }
            login(service, out);
        }
        Kind::Sip => {
            if let Some(login) = &service.login {
                out.value("uri", format!("sip:{}", login.value));
            }
            if !is_udp(service) {
                out.value("transport", "TCP");
            }
            out.value("status_code", 200);
        }
        Kind::Text => {
            if let Some(text) = request(service, real) {
                let text = text.strip_prefix('/').unwrap_or(text);
                out.value("send", text.replace("\\n", "\n"));
            }
            // Each line is looked at by itself.
            if expected(service, real, out) {
                out.value("regex_options", "multiline");
            }
            if is_udp(service) {
                out.value("transport", "UDP");
            } else {
                out.flag("half_close");
            }
        }
        _ => {}
    }
}

fn is_udp(service: &Virtual) -> bool {
    matches!(service.key, ServiceKey::Address { protocol: Protocol::Udp, .. })
}

fn login(service: &Virtual, out: &mut Statements) {
    let Some(login) = service.login.as_ref().filter(|said| !said.value.is_empty()) else { return };
    out.value("login", &login.value);
    if let Some(passwd) = service.passwd.as_ref().filter(|said| !said.value.is_empty()) {
        out.value("password", &passwd.value);
    }
}

/// What is asked for: the server's own, else the section's.
fn request<'a>(service: &'a Virtual, real: &'a Real) -> Option<&'a str> {
    real.request.as_deref().or(service.request.as_ref().map(|said| said.value.as_str()))
}

/// The expression, if there is one.
fn expected(service: &Virtual, real: &Real, out: &mut Statements) -> bool {
    let section = service.receive.as_ref().map(|said| &said.value);
    let pattern = real.receive.as_ref().or(section).filter(|pattern| !pattern.is_empty());
    if let Some(pattern) = pattern {
        out.value("regex", pattern);
    }
    pattern.is_some()
}

//! Checks that hold a conversation, as statements.

use healthcheck::{Dialogue, Encryption, Login, Password, Protocol, Sni, StatusRanges, Transport};

use super::Lines;
use super::check::search;

/// All that is the kind's own.
pub(super) fn write(dialogue: &Dialogue, lines: &mut Lines) {
    match &dialogue.protocol {
        Protocol::Ftp(ftp) => {
            lines.some("path", ftp.path.as_deref());
            if let Some(pattern) = &ftp.pattern {
                search(pattern, lines);
            }
        }
        Protocol::Imap | Protocol::Pop3 | Protocol::Nntp => {}
        Protocol::Sip(sip) => {
            lines.some("uri", sip.uri.as_deref());
            let secure = dialogue.encryption.tls().is_some();
            let usual = if secure { Transport::Tcp } else { Transport::Udp };
            lines.unless("transport", sip.transport.to_string(), usual.to_string());
            if sip.status != StatusRanges::default() {
                lines.say("status_code", sip.status.ranges().iter().map(ToString::to_string));
            }
        }
        Protocol::Text(text) => {
            lines.some("send", text.send.as_deref());
            if let Some(pattern) = &text.pattern {
                search(pattern, lines);
            }
            lines.unless("transport", text.transport.to_string(), Transport::Tcp.to_string());
            lines.flag("half_close", text.half_close);
        }
    }
    access(&dialogue.encryption, dialogue.login.as_ref(), lines);
}

/// TLS, and who we are.
pub(super) fn access(encryption: &Encryption, login: Option<&Login>, lines: &mut Lines) {
    lines.unless("tls", encryption.to_string(), Encryption::Off.to_string());
    if let Some(tls) = encryption.tls() {
        lines.say("verify", (!tls.verify).then(|| "off".to_owned()));
        if let Sni::Name(name) = &tls.sni {
            lines.value("sni_name", name.as_str());
        }
        lines.some("expiry_days", tls.expiry_days);
    }
    let Some(Login { name, password }) = login else { return };
    lines.value("login", name.as_str());
    match password {
        Password::Said(secret) if secret.reveal().is_empty() => {}
        Password::Said(secret) => {
            lines.value("password", secret.reveal());
        }
        Password::File(path, _) => lines.value("password_file", path.as_str()),
    }
}

//! The files that `key N file:PATH` of `auth_hmac` names, and `password_file` and `secret_file` of checks. They are read
//! with the configuration, by whoever reads that: when a key is needed it is at hand.
//!
//! A file holds the key itself, for `auth_hmac` also `hex:` and its digits; one end of line behind it does not count.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use vrrp::Secret;

use super::complaint::{Code, Complaint, Severity};
use super::lower::hmac::{LENGTHS, hexadecimal, wrong_length};
use super::source::{self, Span};
use super::{Config, HmacKey, Instance, Reading};

/// What is in a file.
struct Kind {
    name: &'static str,
    /// Longer files hold none, in bytes.
    longest: u64,
    /// The secret itself.
    read: fn(Secret) -> Result<Secret, String>,
}

/// 64 bytes in hexadecimal, `hex:` and an end of line.
const KEY: Kind = Kind { name: "key", longest: 4 + 128 + 2, read: key };
/// A line.
const PASSWORD: Kind = Kind { name: "password", longest: 1024 + 2, read: password };

/// Puts the keys in place. A key that cannot be had is an error: without it no advert can be signed or believed.
pub(super) fn load(reading: &mut Reading) {
    let Some(mut config) = reading.config.take() else { return };
    let mut complaints = Vec::new();
    let mut known = BTreeMap::new();
    let mut place = |path: &str, kind: &Kind| -> Option<Secret> {
        let span = reading.spans.key_files.get(path).copied().unwrap_or_default();
        let mut complain = |severity, code, message: String, suggestion: Option<&str>| {
            complaints.push(complaint(
                reading.sources.name(span.file),
                span,
                severity,
                code,
                message,
                suggestion,
            ));
        };
        let found = source::secret(Path::new(path), kind.longest);
        match found.and_then(|(bytes, readable)| Ok(((kind.read)(bytes)?, readable))) {
            Ok((key, readable_by_others)) => {
                if readable_by_others {
                    let message = format!("`{path}` can be read by others than its owner");
                    let suggestion = Some("chmod 600, and make another key if it may have been seen");
                    complain(Severity::Warning, Code::FileUnsafe, message, suggestion);
                }
                Some(key)
            }
            Err(why) => {
                complain(
                    Severity::Error,
                    Code::FileUnreadable,
                    format!("no {} in `{path}`: {why}", kind.name),
                    None,
                );
                None
            }
        }
    };
    fill(&mut config, &mut |path| place(path, &KEY));
    let from_file = |check: &healthcheck::Check| check.secret_files().next().is_some();
    config.change_checks(from_file, |check| {
        // One file may serve thousands of servers.
        check.fill(|path| {
            let secret = known.entry(path.to_owned()).or_insert_with(|| place(path, &PASSWORD));
            let text = secret.as_ref().and_then(|secret| std::str::from_utf8(secret.reveal()).ok());
            text.map(|text| healthcheck::Secret::new(text.to_owned()))
        });
    });
    let failed = complaints.iter().any(|complaint| complaint.severity == Severity::Error);
    reading.complaints.extend(complaints);
    reading.config = (!failed).then_some(config);
}

fn fill(config: &mut Config, place: &mut impl FnMut(&str) -> Option<Secret>) {
    for instance in config.instances.values_mut() {
        let from_file = |instance: &Instance| {
            let keys = instance.hmac.as_ref().map(|hmac| hmac.keys.values());
            keys.into_iter().flatten().any(|key| matches!(key, HmacKey::File(..)))
        };
        if !from_file(instance) {
            continue;
        }
        let keys = Arc::make_mut(instance).hmac.as_mut().map(|hmac| hmac.keys.values_mut());
        for key in keys.into_iter().flatten() {
            if let HmacKey::File(path, bytes) = key {
                *bytes = place(path);
            }
        }
    }
}

/// The key in a file.
fn key(bytes: Secret) -> Result<Secret, String> {
    let text = line(&bytes);
    let key = match text.strip_prefix(b"hex:") {
        Some(digits) => std::str::from_utf8(digits).ok().and_then(hexadecimal).map(Secret::new),
        None => Some(Secret::new(text.to_vec())),
    };
    let key = key.ok_or("behind `hex:` stand pairs of hexadecimal digits")?;
    if !LENGTHS.contains(&key.reveal().len()) {
        return Err(wrong_length(&key));
    }
    Ok(key)
}

/// The password in a file.
fn password(bytes: Secret) -> Result<Secret, String> {
    let text = line(&bytes);
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if u64::try_from(text.len()).is_ok_and(|length| length > PASSWORD.longest - 2) {
        return Err(format!("it is longer than {} bytes", PASSWORD.longest - 2));
    }
    if std::str::from_utf8(text).is_err() {
        return Err("it is not UTF-8".to_owned());
    }
    if text.iter().any(u8::is_ascii_control) {
        return Err("it has more than one line, or control characters".to_owned());
    }
    Ok(Secret::new(text.to_vec()))
}

/// Without the end of line.
fn line(bytes: &Secret) -> &[u8] {
    let text = bytes.reveal();
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

fn complaint(
    file: &str,
    span: Span,
    severity: Severity,
    code: Code,
    message: String,
    suggestion: Option<&str>,
) -> Complaint {
    Complaint {
        severity,
        code,
        file: file.to_owned(),
        line: span.line,
        column: span.column,
        length: span.length,
        message,
        suggestion: suggestion.map(str::to_owned),
        keepalived: None,
        trail: Vec::new(),
    }
}

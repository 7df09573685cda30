//! The files that `key N file:PATH` of `auth_hmac` names. They are read with the configuration, by whoever reads that:
//! when a key is needed it is at hand.
//!
//! A file holds the key itself, or `hex:` and its digits; one end of line behind it does not count.

use std::path::Path;
use std::sync::Arc;

use vrrp::Secret;

use super::complaint::{Code, Complaint, Severity};
use super::lower::hmac::{LENGTHS, hexadecimal, wrong_length};
use super::source::{self, Span};
use super::{Config, HmacKey, Instance, Reading};

/// Longer files hold no key: 64 bytes in hexadecimal, `hex:` and an end of line.
const LONGEST: u64 = 4 + 128 + 2;

/// Puts the keys in place. A key that cannot be had is an error: without it no advert can be signed or believed.
pub(super) fn load(reading: &mut Reading) {
    let Some(mut config) = reading.config.take() else { return };
    let mut complaints = Vec::new();
    let mut place = |path: &str| -> Option<Secret> {
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
        match read(Path::new(path)) {
            Ok((key, readable_by_others)) => {
                if readable_by_others {
                    let message = format!("`{path}` can be read by others than its owner");
                    let suggestion = Some("chmod 600, and make another key if it may have been seen");
                    complain(Severity::Warning, Code::FileUnsafe, message, suggestion);
                }
                Some(key)
            }
            Err(why) => {
                complain(Severity::Error, Code::FileUnreadable, format!("no key in `{path}`: {why}"), None);
                None
            }
        }
    };
    fill(&mut config, &mut place);
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

/// The key in a file, and whether others than its owner may read it.
fn read(path: &Path) -> Result<(Secret, bool), String> {
    let (bytes, readable_by_others) = source::secret(path, LONGEST)?;
    let text = bytes.reveal();
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let key = match text.strip_prefix(b"hex:") {
        Some(digits) => std::str::from_utf8(digits).ok().and_then(hexadecimal).map(Secret::new),
        None => Some(Secret::new(text.to_vec())),
    };
    let key = key.ok_or("behind `hex:` stand pairs of hexadecimal digits")?;
    if !LENGTHS.contains(&key.reveal().len()) {
        return Err(wrong_length(&key));
    }
    Ok((key, readable_by_others))
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

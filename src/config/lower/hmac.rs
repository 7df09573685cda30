//! `auth_hmac`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use vrrp::Secret;

use super::context::{Context, Entry};
use crate::config::complaint::Code;
use crate::config::keywords::Place;
use crate::config::source::Span;
use crate::config::syntax::Word;
use crate::config::{Hmac, HmacKey, HmacMode};

/// The signature, if the block has what it needs.
pub(super) fn lower(context: &mut Context<'_>, block: &Entry<'_>) -> Option<Hmac> {
    context.at_most(block, 0);
    let mut keys = BTreeMap::new();
    let mut active: Option<(u8, Span)> = None;
    let (mut monotonic, mut window, mut mode) = (false, None, HmacMode::default());
    for entry in context.entries_of(block, Place::AuthHmac) {
        match entry.name() {
            "key" => keys.extend(key(context, &entry)),
            "active_key" => {
                active = context.whole(&entry).map(|id| (id, super::instance::value_span(&entry)));
            }
            "anti_replay" => monotonic = context.choice(&entry) == Some("monotonic"),
            "time_window" => window = context.whole(&entry),
            "mode" => {
                mode = match context.choice(&entry) {
                    Some("permissive") => HmacMode::Permissive,
                    Some("receive-only") => HmacMode::ReceiveOnly,
                    _ => HmacMode::Enforce,
                }
            }
            _ => context.forgotten(&entry),
        }
    }
    if keys.is_empty() {
        context.missing("`auth_hmac`", "key", block.span());
    }
    let active = match active {
        Some((id, span)) => {
            if !keys.contains_key(&id) {
                context.error(Code::Conflict, span, format!("there is no key {id} to sign with"));
            }
            id
        }
        None => {
            if keys.len() > 1 {
                context.missing("`auth_hmac` with several keys", "active_key", block.span());
            }
            *keys.keys().next()?
        }
    };
    Some(Hmac { keys, active, monotonic, window, mode })
}

/// `key ID VALUE`.
fn key(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<(u8, HmacKey)> {
    let word = context.first(entry)?;
    context.at_most(entry, 2);
    let id = context.number("the number of a key", word, 1, 255)?;
    let Some(value) = entry.words().get(1) else {
        context.error(Code::MissingValue, entry.span(), "`key` needs a number and a value");
        return None;
    };
    Some((u8::try_from(id).ok()?, bytes(context, value)?))
}

/// `hex:…`, `file:PATH`, or the key itself. What it says is not repeated in complaints.
fn bytes(context: &mut Context<'_>, word: &Word) -> Option<HmacKey> {
    if let Some(path) = word.text.strip_prefix("file:") {
        if path.is_empty() {
            context.error(Code::InvalidText, word.span, "`file:` names no file");
            return None;
        }
        context.spans.key_files.insert(path.to_owned(), word.span);
        return Some(HmacKey::File(path.to_owned(), None));
    }
    let bytes = match word.text.strip_prefix("hex:") {
        Some(digits) => hexadecimal(digits),
        None => Some(word.text.as_bytes().to_vec()),
    };
    let Some(bytes) = bytes else {
        context.error(Code::InvalidText, word.span, "behind `hex:` stand pairs of hexadecimal digits");
        return None;
    };
    let bytes = Secret::new(bytes);
    if !LENGTHS.contains(&bytes.reveal().len()) {
        context.error(Code::InvalidText, word.span, wrong_length(&bytes));
        return None;
    }
    Some(HmacKey::Bytes(bytes))
}

/// Bytes of a key.
pub(in crate::config) const LENGTHS: RangeInclusive<usize> = 32..=64;

pub(in crate::config) fn wrong_length(key: &Secret) -> String {
    format!("the key has {} bytes; allowed: {} to {}", key.reveal().len(), LENGTHS.start(), LENGTHS.end())
}

pub(in crate::config) fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}

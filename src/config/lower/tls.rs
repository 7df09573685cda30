//! `SSL`.

use std::sync::Arc;

use super::context::{Context, Entry};
use crate::config::keywords::Place;
use crate::config::{Thing, TlsFiles};

/// What it says for all checks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct TlsDefaults {
    pub verify: Option<bool>,
    pub expiry_days: Option<u32>,
    pub files: Option<Arc<healthcheck::TlsFiles>>,
}

impl From<&TlsFiles> for TlsDefaults {
    fn from(said: &TlsFiles) -> Self {
        Self { verify: said.verify, expiry_days: said.expiry_days, files: said.of_checks().map(Arc::new) }
    }
}

/// All blocks together: of what is said twice the last one counts.
pub(super) fn lower<'a>(
    context: &mut Context<'_>,
    blocks: impl Iterator<Item = &'a Entry<'a>>,
) -> Option<TlsFiles> {
    let mut files = None;
    for block in blocks {
        context.at_most(block, 0);
        context.note(Thing::Tls, block);
        let files = files.get_or_insert_with(TlsFiles::default);
        for entry in context.entries_of(block, Place::Tls) {
            if entry.name() == "verify" {
                files.verify = context.switch(&entry).or(files.verify);
                continue;
            }
            if entry.name() == "expiry_days" {
                files.expiry_days = context.whole(&entry).or(files.expiry_days);
                continue;
            }
            let value = context.text(&entry);
            let slot = match entry.name() {
                "password" => &mut files.password,
                "ca" => &mut files.ca,
                "certificate" => &mut files.certificate,
                _ => &mut files.key,
            };
            *slot = value.or(slot.take());
        }
    }
    files
}

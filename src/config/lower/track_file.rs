//! `track_file` at the top level.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{Context, Entry, short};
use super::instance::value_span;
use super::track::{self, Defined, Kind};
use crate::config::complaint::{Code, Reaction};
use crate::config::keywords::Place;
use crate::config::{InitFile, TrackFile, Weight};

/// Beyond this a number does to a priority what this does.
const SENSIBLE: u32 = 254;

/// All files of the file.
pub(super) fn lower<'a>(
    context: &mut Context<'_>,
    blocks: impl Iterator<Item = &'a Entry<'a>>,
    out: &mut BTreeMap<String, Arc<TrackFile>>,
) {
    track::define(context, Kind::File, blocks, out, |context, name, block| {
        let file = read(context, name, block)?;
        let weight = file.weight;
        Some((file, Defined::As(weight)))
    });
}

fn read(context: &mut Context<'_>, name: &str, block: &Entry<'_>) -> Option<TrackFile> {
    let mut given = false;
    let mut file = None;
    let mut weight = Weight { points: 1, reverse: false };
    let mut init = None;
    for entry in context.entries_of(block, Place::TrackFile) {
        match entry.name() {
            // The first one counts.
            "file" if file.is_none() => {
                given = true;
                file = path(context, &entry);
            }
            "file" => drop(path(context, &entry)),
            "weight" => weight = track::weight(context, Kind::File, &entry).unwrap_or(weight),
            "init_file" => init = Some(init_file(context, &entry)),
            _ => context.forgotten(&entry),
        }
    }
    if !given {
        track::incomplete(context, Kind::File, name, "file", block.end());
    }
    Some(TrackFile { path: file?, weight, init })
}

fn path(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let path = context.text(entry)?;
    if path.starts_with('/') {
        return Some(path);
    }
    let message = format!("`{}` is no absolute path", short(&path));
    let suggestion = Some("write the whole path, from `/`".to_owned());
    let reaction = Reaction::goes_on("the path begins where it was started, a service at `/`");
    context.error_but(Code::InvalidText, value_span(entry), message, suggestion, reaction);
    Some(format!("/{path}"))
}

fn init_file(context: &mut Context<'_>, entry: &Entry<'_>) -> InitFile {
    let mut init = InitFile::default();
    for word in entry.words() {
        if word.text == "overwrite" {
            init.overwrite = true;
            continue;
        }
        let Ok(value) = word.text.parse::<i32>() else {
            let found = short(&word.text);
            let message = format!("`init_file` is `{found}`; expected a whole number, `overwrite`, or both");
            let reaction = Reaction::goes_on("the word is ignored");
            context.error_but(Code::InvalidChoice, word.span, message, None, reaction);
            continue;
        };
        if value.unsigned_abs() > SENSIBLE {
            let message = format!(
                "{value} is written to the file, though -{SENSIBLE} to {SENSIBLE} is all that matters"
            );
            context.warning(Code::OutOfRange, word.span, message);
        }
        init.value = value;
    }
    init
}

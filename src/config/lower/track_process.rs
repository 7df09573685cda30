//! `vrrp_track_process`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::context::{Context, Entry};
use super::instance::value_span;
use super::track::{self, Defined, Kind};
use crate::config::complaint::{Code, Reaction};
use crate::config::keywords::Place;
use crate::config::{Parameters, TrackProcess, Weight};

/// All process trackers of the file.
pub(super) fn lower<'a>(
    context: &mut Context<'_>,
    blocks: impl Iterator<Item = &'a Entry<'a>>,
    out: &mut BTreeMap<String, Arc<TrackProcess>>,
) {
    track::define(context, Kind::Process, blocks, out, |context, name, block| {
        let process = Draft::read(context, block).finish(context, name, block)?;
        let weight = process.weight;
        Some((process, Defined::As(weight)))
    });
}

#[derive(Default)]
struct Draft {
    process: Option<Vec<String>>,
    given: bool,
    full_command: bool,
    parameters: Option<Parameters>,
    weight: Weight,
    quorum: Option<u16>,
    quorum_max: Option<u16>,
    fork_delay: Duration,
    terminate_delay: Duration,
}

impl Draft {
    fn read(context: &mut Context<'_>, block: &Entry<'_>) -> Self {
        let mut draft = Self::default();
        for entry in context.entries_of(block, Place::TrackProcess) {
            match entry.name() {
                // The first one counts.
                "process" if draft.process.is_none() => {
                    draft.given = true;
                    draft.process = process(context, &entry);
                }
                "process" => drop(process(context, &entry)),
                "full_command" => {
                    context.flag(&entry);
                    draft.full_command = true;
                }
                "param_match" => draft.parameters = parameters(context, &entry).or(draft.parameters),
                "weight" => {
                    draft.weight = track::weight(context, Kind::Process, &entry).unwrap_or(draft.weight);
                }
                "quorum" | "quorum_max" => draft.take_quorum(context, &entry),
                _ => draft.take_delay(context, &entry),
            }
        }
        draft
    }

    fn take_delay(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) {
        let (fork, terminate) = match entry.name() {
            "delay" => (true, true),
            "fork_delay" => (true, false),
            "terminate_delay" => (false, true),
            _ => return context.forgotten(entry),
        };
        let Some(delay) = context.seconds(entry) else { return };
        if fork {
            self.fork_delay = delay;
        }
        if terminate {
            self.terminate_delay = delay;
        }
    }

    /// A limit that leaves no room for the other, named before it, is ignored.
    fn take_quorum(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) {
        let Some(number) = context.whole::<u16>(entry) else { return };
        let is_max = entry.name() == "quorum_max";
        let (quorum, max) =
            if is_max { (self.quorum, Some(number)) } else { (Some(number), self.quorum_max) };
        if let (Some(quorum), Some(max)) = (quorum, max)
            && quorum > max
        {
            let message = format!("there must be {quorum} processes, and there may be {max}");
            let reaction = Reaction::goes_on("the line is ignored");
            context.error_but(Code::Conflict, value_span(entry), message, None, reaction);
            return;
        }
        (self.quorum, self.quorum_max) = (quorum, max);
    }

    fn finish(self, context: &mut Context<'_>, name: &str, block: &Entry<'_>) -> Option<TrackProcess> {
        if !self.given {
            track::incomplete(context, Kind::Process, name, "process", block.end());
        }
        let process = self.process?;
        // Nobody need be there if nobody may.
        let quorum = self.quorum.unwrap_or(u16::from(self.quorum_max != Some(0)));
        Some(TrackProcess {
            full_command: self.full_command || process.len() > 1 || self.parameters.is_some(),
            process,
            parameters: self.parameters.unwrap_or_default(),
            weight: self.weight,
            quorum,
            quorum_max: self.quorum_max,
            fork_delay: self.fork_delay,
            terminate_delay: self.terminate_delay,
        })
    }
}

/// The program and its parameters.
fn process(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Vec<String>> {
    let program = context.first(entry)?;
    if program.text.is_empty() || entry.words().iter().any(|word| word.text.contains('\0')) {
        let message = "`process` is empty or holds a NUL character";
        context.error(Code::InvalidText, program.span, message);
        return None;
    }
    Some(entry.words().iter().map(|word| word.text.clone()).collect())
}

fn parameters(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Parameters> {
    Some(if context.choice(entry)? == "initial" { Parameters::Initial } else { Parameters::Partial })
}

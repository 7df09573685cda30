//! `vrrp_track_process` as statements.

use std::time::Duration;

use super::Lines;
use crate::config::{Config, Parameters, Thing, Weight};

/// All process trackers, by name.
pub(super) fn write(config: &Config, out: &mut Lines) {
    for (name, process) in &config.processes {
        let thing = Some(Thing::TrackProcess(name.clone()));
        out.block("vrrp_track_process", [name.clone()], thing, |lines| {
            lines.say("process", process.process.clone());
            lines.flag("full_command", process.full_command);
            match process.parameters {
                Parameters::Exact => {}
                Parameters::Initial => lines.value("param_match", "initial"),
                Parameters::Partial => lines.value("param_match", "partial"),
            }
            lines.weight(process.weight, Weight::default());
            // That nobody need be there follows from that nobody may.
            if process.quorum > 0 {
                lines.unless("quorum", process.quorum, 1);
            }
            lines.some("quorum_max", process.quorum_max);
            for (keyword, delay) in
                [("fork_delay", process.fork_delay), ("terminate_delay", process.terminate_delay)]
            {
                lines.some(keyword, Some(delay).filter(|delay| *delay > Duration::ZERO));
            }
        });
    }
}

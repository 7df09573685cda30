//! `track_file` at the top level as statements.

use super::Lines;
use crate::config::{Config, Thing, Weight};

/// All track files, by name.
pub(super) fn write(config: &Config, out: &mut Lines) {
    for (name, file) in &config.files {
        let thing = Some(Thing::TrackFile(name.clone()));
        out.block("track_file", [name.clone()], thing, |lines| {
            lines.value("file", file.path.as_str());
            lines.weight(file.weight, Weight { points: 1, reverse: false });
            if let Some(init) = file.init {
                let overwrite = init.overwrite.then(|| "overwrite".to_owned());
                lines.say("init_file", [init.value.to_string()].into_iter().chain(overwrite));
            }
        });
    }
}

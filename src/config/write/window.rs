//! `maintenance_window` as statements.

use super::Lines;
use crate::config::{Days, MaintenanceWindow, WindowClock, WindowMode};

/// Those of one block around them, in its order.
pub(super) fn write(windows: &[MaintenanceWindow], lines: &mut Lines) {
    for MaintenanceWindow { days, from, to, clock, mode, reason } in windows {
        lines.block("maintenance_window", [], None, |lines| {
            if *days != Days::ALL {
                lines.say("days", days.names().map(str::to_owned));
            }
            lines.value("from", from.to_string());
            lines.value("to", to.to_string());
            lines.unless("timezone", clock.as_str(), WindowClock::default().as_str());
            lines.unless("mode", mode.as_str(), WindowMode::default().as_str());
            lines.some("reason", reason.as_deref());
        });
    }
}

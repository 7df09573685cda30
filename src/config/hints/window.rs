//! Traps in `maintenance_window`.

use super::Look;
use crate::config::{Days, MaintenanceWindow, VirtualServer, WindowClock};

const DAY: u16 = 24 * 60;
const WEEK: u16 = 7 * DAY;

pub(super) fn window_takes_all(look: &mut Look<'_>) {
    let everybody = &look.config.global.lvs.windows;
    let mut found = Vec::new();
    for (served, service) in look.config.virtual_servers().filter(|(_, service)| service.sorry.is_none()) {
        let clocks = [WindowClock::Local, WindowClock::Utc];
        if let Some(minute) = clocks.into_iter().find_map(|clock| all_at(everybody, service, clock)) {
            let message = format!(
                "at {} every server of {served} is in a maintenance window, and there is no sorry server: nobody takes \
                 new connections then",
                time(minute)
            );
            found.push((served.thing(), "maintenance_window", message));
        }
    }
    look.hint_at_first(
        &found,
        "give the servers windows at different times, or the virtual server a `sorry_server`",
    );
}

/// The first minute of the week, counted from Monday by this clock, in which all servers are in a window.
fn all_at(everybody: &[MaintenanceWindow], service: &VirtualServer, clock: WindowClock) -> Option<u16> {
    let servers = || service.servers.values().chain(service.backups.values());
    let mut own =
        servers().filter(|server| server.weight > 0).map(|server| &server.extras().windows).peekable();
    own.peek()?;
    let shared = everybody.iter().chain(&service.windows);
    // Most servers have none of their own, and are in those for all.
    if own.clone().any(Vec::is_empty) {
        let none = everybody.is_empty() && service.windows.is_empty();
        return if none { None } else { Minutes::of(shared, clock).first() };
    }
    let shared = Minutes::of(shared, clock);
    own.map(|own| Minutes::of(own, clock).or(&shared)).reduce(|all, own| all.and(&own))?.first()
}

/// Minutes of a week.
struct Minutes(Vec<bool>);

impl Minutes {
    /// Those in which one of these windows is open by this clock.
    fn of<'a>(windows: impl IntoIterator<Item = &'a MaintenanceWindow>, clock: WindowClock) -> Minutes {
        let mut minutes = vec![false; usize::from(WEEK)];
        for window in windows.into_iter().filter(|window| window.clock == clock) {
            let (from, to) = (window.from.minutes(), window.to.minutes());
            let length = if to > from { to - from } else { to + DAY - from };
            for day in (0..7).filter(|day| window.days.has(*day)) {
                for minute in 0..length {
                    let at = (u16::from(day) * DAY + from + minute) % WEEK;
                    minutes.get_mut(usize::from(at)).into_iter().for_each(|open| *open = true);
                }
            }
        }
        Minutes(minutes)
    }

    fn or(mut self, other: &Minutes) -> Minutes {
        self.0.iter_mut().zip(&other.0).for_each(|(one, other)| *one |= other);
        self
    }

    fn and(mut self, other: &Minutes) -> Minutes {
        self.0.iter_mut().zip(&other.0).for_each(|(one, other)| *one &= other);
        self
    }

    fn first(&self) -> Option<u16> {
        self.0.iter().position(|open| *open).and_then(|at| u16::try_from(at).ok())
    }
}

/// `mon 02:30`.
fn time(minute: u16) -> String {
    let day = Days::NAMES.get(usize::from(minute / DAY)).copied().unwrap_or_default();
    format!("{day} {:02}:{:02}", minute % DAY / 60, minute % 60)
}

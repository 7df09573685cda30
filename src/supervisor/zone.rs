//! How the local clock stands against UTC: what the system says (`TZ`, `/etc/localtime`), told to the brain as a list of
//! changes to come, and told again when it is another.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;

use super::inbox::Sender;
use crate::director::event::Event;
use crate::director::zone::Zone;

/// How often the system is asked: somebody may give it another zone, and its rules change once in a while.
const INTERVAL: Duration = Duration::from_secs(60);

/// How long the start has the machine for itself.
const REST: Duration = Duration::from_secs(1);

/// Changes to come that are told of: two years of daylight saving time, and a few for countries that have more.
const CHANGES: usize = 6;

/// A window may have begun before the last change: what was before that is told too.
const BACK: SignedDuration = SignedDuration::from_hours(3 * 24);

/// Tells the brain, and from then on. Whoever configures maintenance windows waits for the first time; for everybody else
/// that would delay the start, for the whole of the system's database of zones may have to be looked through.
pub(super) async fn follow(inbox: Sender, windows: bool) -> JoinHandle<()> {
    let told = if windows { Some(tell(&inbox).await) } else { None };
    tokio::spawn(async move {
        let told = match told {
            Some(zone) => zone,
            None => {
                tokio::time::sleep(REST).await;
                tell(&inbox).await
            }
        };
        watch(inbox, told).await;
    })
}

/// Tells the brain for the first time.
async fn tell(inbox: &Sender) -> Zone {
    let zone = read(&TimeZone::system(), Timestamp::now());
    inbox.event(Event::Zone(zone.clone())).await;
    zone
}

/// Tells it again whenever it is another.
async fn watch(inbox: Sender, mut told: Zone) {
    let mut rhythm = tokio::time::interval(INTERVAL);
    rhythm.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rhythm.tick().await;
        let zone = read(&TimeZone::system(), Timestamp::now());
        if zone != told {
            inbox.event(Event::Zone(zone.clone())).await;
            told = zone;
        }
    }
}

/// What a zone has to do with now.
fn read(zone: &TimeZone, now: Timestamp) -> Zone {
    let from = now.checked_sub(BACK).unwrap_or(Timestamp::MIN);
    let changes = zone.following(from).take(CHANGES);
    let changes = changes.map(|change| (change.timestamp().as_second(), change.offset().seconds()));
    Zone { offset: zone.to_offset(from).seconds(), changes: changes.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_a_zone_are_the_changes_to_come() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        // 2026-10-25 01:00 UTC, when the clocks are put back, and a day later.
        let change = 1_792_890_000;
        let at = Timestamp::from_second(change + 86_400).expect("a time");
        let zone = read(&berlin, at);
        assert_eq!(zone.offset, 7200, "what was before the change may still matter");
        assert_eq!(zone.changes[..2], [(change, 3600), (1_806_195_600, 7200)]);
        assert_eq!(zone.changes.len(), CHANGES);
        assert_eq!(read(&TimeZone::UTC, at), Zone::default());
    }
}

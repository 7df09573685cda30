//! Whole clusters on a desk, in virtual time.
//!
//! Two or three real brains, a network that loses, delays, doubles and splits, a memory kernel each, real servers
//! that die and come back, daemons that are killed, restarted and reloaded: all drawn from a seed. While faults are
//! at work, safety must hold; once they stop, the cluster must come to rest within the protocol's own time.
//!
//! A seed and a commit reproduce any failure: `SIM_SEED=n cargo test --test sim`; `SIM_SEEDS=n` runs more of them, and
//! `SIM_HOURS=n` says how many hours the clusters of the second test live together (a release build is ten times
//! faster). A seed that found a fault stays in [`FOUND`], with a sentence.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail here")]

mod chance;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use world::{Tempo, World};

/// Seeds that once found something.
const FOUND: &[(u64, &str)] = &[];

#[test]
fn clusters_stay_safe_under_faults_and_come_to_rest_after_them() {
    if let Some(seed) = number("SIM_SEED") {
        World::new(seed, Tempo::Fast).live();
        return;
    }
    let seeds = number("SIM_SEEDS").unwrap_or(300);
    for seed in FOUND.iter().map(|(seed, _)| *seed).chain(1..=seeds) {
        World::new(seed, Tempo::Fast).live();
    }
}

#[test]
fn restarts_upgrades_and_mended_crashes_are_noticed_by_nobody() {
    let seeds = number("SIM_SEED").map_or(1..=100, |seed| seed..=seed);
    for seed in seeds {
        World::live_calmly(seed);
    }
}

#[test]
fn clusters_live_for_many_hours() {
    if let Some(seed) = number("SIM_SEED") {
        World::new(seed, Tempo::Slow).live();
        return;
    }
    let wanted = Duration::from_secs(3600) * u32::try_from(number("SIM_HOURS").unwrap_or(200)).unwrap();
    let (seeds, lived) = (AtomicU64::new(0), AtomicU64::new(0));
    let live = || {
        while lived.load(Ordering::Relaxed) < wanted.as_secs() {
            let seed = seeds.fetch_add(1, Ordering::Relaxed) + 1;
            let life = World::new(seed, Tempo::Slow).live();
            lived.fetch_add(life.as_secs(), Ordering::Relaxed);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(live);
        }
    });
    println!("{} hours in {} clusters", lived.into_inner() / 3600, seeds.into_inner());
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

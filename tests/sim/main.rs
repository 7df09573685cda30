//! Whole clusters on a desk, in virtual time.
//!
//! Two or three real brains, a network that loses, delays, doubles and splits, a memory kernel each, real servers
//! that die and come back, daemons that are killed, restarted and reloaded: all drawn from a seed. While faults are
//! at work, safety must hold; once they stop, the cluster must come to rest within the protocol's own time.
//!
//! A seed and a commit reproduce any failure: `SIM_SEED=n cargo test --test sim`; `SIM_SEEDS=n` runs more of them.
//! A seed that found a fault stays in [`FOUND`], with a sentence.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail here")]

mod chance;
mod world;

use world::World;

/// Seeds that once found something.
const FOUND: &[(u64, &str)] = &[];

#[test]
fn clusters_stay_safe_under_faults_and_come_to_rest_after_them() {
    if let Some(seed) = number("SIM_SEED") {
        return World::new(seed).live();
    }
    let seeds = number("SIM_SEEDS").unwrap_or(300);
    for seed in FOUND.iter().map(|(seed, _)| *seed).chain(1..=seeds) {
        World::new(seed).live();
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

//! The matrix: every combination of protocol version, family, authentication, cast, preemption, order of the starts and
//! end of a mastership, each a play of two programs whose timeline (who is master when) follows from the protocol.
//!
//! By default a part runs in which every two properties meet in every way; `INTEROP=full` plays all.

use std::collections::BTreeSet;
use std::sync::Mutex;

use lab::in_namespaces;

mod case;
mod play;
mod record;

use case::{Case, FACTORS};

/// How many plays go on at once: those with whole seconds between adverts are mostly waiting.
const AT_ONCE_V2: usize = 24;
const AT_ONCE_V3: usize = 8;

#[test]
fn matrix_v2() {
    in_namespaces!();
    play_all(chosen().into_iter().filter(|case| case.version() == 2).collect(), AT_ONCE_V2);
}

#[test]
fn matrix_v3() {
    in_namespaces!();
    play_all(chosen().into_iter().filter(|case| case.version() == 3).collect(), AT_ONCE_V3);
}

/// The cases to play.
fn chosen() -> Vec<Case> {
    match std::env::var("INTEROP") {
        Ok(all) if all == "full" => Case::all().collect(),
        // One case by its name, to look into it.
        Ok(name) => Case::all().filter(|case| case.to_string() == name).collect(),
        Err(_) => pairs(),
    }
}

/// Plays the cases, several at once, and fails with the whole timeline of each that went otherwise than it should.
fn play_all(cases: Vec<Case>, at_once: usize) {
    let count = cases.len();
    let queue = Mutex::new(cases.into_iter());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|s| {
        for _ in 0..at_once.min(count) {
            s.spawn(|| {
                loop {
                    let next = queue.lock().expect("nobody panics with it").next();
                    let Some(case) = next else { break };
                    if let Err(told) = play::play(case) {
                        failures.lock().expect("nobody panics with it").push(told);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("nobody panicked with it");
    println!("{count} cases, {} went otherwise than expected", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A small part of all cases in which each two values of two properties meet: chosen greedily, always the case with the
/// most pairs that have not met yet.
fn pairs() -> Vec<Case> {
    let all: Vec<Case> = Case::all().collect();
    let mut open: BTreeSet<_> = all.iter().flat_map(pairs_of).collect();
    let mut chosen = Vec::new();
    while !open.is_empty() {
        let worth = |case: &&Case| pairs_of(case).filter(|pair| open.contains(pair)).count();
        // Of equals the first: `max_by_key` would take the last.
        let best = *all.iter().rev().max_by_key(worth).expect("there are cases");
        for pair in pairs_of(&best) {
            open.remove(&pair);
        }
        chosen.push(best);
    }
    chosen
}

/// Each two properties of a case with their values.
fn pairs_of(case: &Case) -> impl Iterator<Item = [(usize, usize); 2]> {
    let values = case.values();
    (0..FACTORS).flat_map(move |a| (a + 1..FACTORS).map(move |b| [(a, values[a]), (b, values[b])]))
}

#[test]
fn every_two_properties_meet_in_the_part_that_runs_by_default() {
    let part = pairs();
    for pair in Case::all().flat_map(|case| pairs_of(&case).collect::<Vec<_>>()) {
        assert!(part.iter().any(|case| pairs_of(case).any(|p| p == pair)), "{pair:?}");
    }
    assert!(part.len() <= 24, "{} cases are many for every run", part.len());
}

//! The restart scenario: reloads, restarts, an upgrade and a crash of the master, under clients that notice everything.
//! With directord nothing may fail; with keepalived the same is done as well as it can be, for comparison.

use crate::cluster::daemon::Daemon;
use crate::cluster::steady::{Experience, Steady};
use crate::demo;
use crate::error::Result;
use crate::scenario::{Stage, Step, expect};
use std::thread::sleep;
use std::time::Duration;

/// All steps, in their order.
pub const ALL: &[&Step] = &[&PREPARE, &demo::START, &RELOADS, &RESTARTS, &UPGRADE, &CRASH, &demo::STOP];

/// From one new connection to the next: `LAB_EVERY` milliseconds, by default slow enough for a busy machine whose guest
/// has a part of one processor.
fn every() -> Duration {
    let said = std::env::var("LAB_EVERY").ok().and_then(|text| text.parse().ok());
    Duration::from_millis(said.unwrap_or(40))
}

/// From one act to the next.
const BETWEEN: Duration = Duration::from_millis(400);

const PREPARE: Step = Step {
    title: "adverts once a second, as usual",
    run: |stage| {
        for director in &mut stage.cluster.directors {
            director.replace("advert_int 0.1", "advert_int 1")?;
        }
        Ok(())
    },
};

const RELOADS: Step = Step {
    title: "20 reloads, each with other weights",
    run: |stage| {
        under_load(stage, |stage| {
            for turn in 0..20 {
                let (from, to) =
                    if turn % 2 == 0 { ("weight 1", "weight 2") } else { ("weight 2", "weight 1") };
                let director = &mut stage.cluster.directors[0];
                director.replace(from, to)?;
                director.reload();
                sleep(BETWEEN / 2);
            }
            Ok(())
        })
    },
};

const RESTARTS: Step = Step {
    title: "5 restarts",
    run: |stage| {
        under_load(stage, |stage| {
            for _ in 0..5 {
                let director = &mut stage.cluster.directors[0];
                director.ask(&["stop", "--stay"])?;
                // directord has ended by then, and is collected; keepalived is asked to.
                director.stop(Duration::from_secs(10));
                director.start()?;
                sleep(BETWEEN * 2);
            }
            Ok(())
        })
    },
};

const UPGRADE: Step = Step {
    title: "one upgrade in place",
    run: |stage| {
        if stage.daemon == Daemon::Keepalived {
            stage.say("keepalived has nothing of the kind");
            return Ok(());
        }
        under_load(stage, |stage| {
            let said = stage.cluster.directors[0].ask(&["upgrade"])?;
            stage.say(said.unwrap_or_default().trim().to_owned());
            sleep(BETWEEN);
            Ok(())
        })
    },
};

const CRASH: Step = Step {
    title: "kill -9, and a start at once",
    run: |stage| {
        under_load(stage, |stage| {
            let director = &mut stage.cluster.directors[0];
            director.process().into_iter().for_each(|process| process.kill());
            director.start()?;
            sleep(BETWEEN * 5);
            Ok(())
        })
    },
};

/// Does something under load, and tells what the clients saw of it; with directord they must have seen nothing.
fn under_load(stage: &mut Stage, act: impl FnOnce(&mut Stage) -> Result<()>) -> Result<()> {
    let steady = Steady::start(stage.cluster.client(), every());
    sleep(BETWEEN);
    let done = act(stage);
    sleep(BETWEEN);
    let seen = steady.stop()?;
    done?;
    stage.say(words(&seen));
    stage.cluster.directors[0].check_running()?;
    if stage.daemon != Daemon::Keepalived {
        expect(seen.failures() == 0, "no failed request", format!("{:?}", seen.failed))?;
        expect(seen.broken.is_none(), "a transfer that goes on", format!("{:?}", seen.broken))?;
        expect(stage.cluster.directors[0].holds_vips(true)?, "director1 with all VIPs", "it without")?;
        return expect(
            stage.cluster.directors[1].holds_vips(false)?,
            "director2 without VIPs",
            "it with some",
        );
    }
    let limit = Duration::from_secs(15);
    stage
        .cluster
        .wait(limit, "director1 to hold all VIPs again", |cluster| cluster.directors[0].holds_vips(true))?;
    Ok(())
}

fn words(seen: &Experience) -> String {
    let long = match &seen.broken {
        None => {
            format!("{} KiB without a break, longest pause {} ms", seen.bytes >> 10, seen.pause.as_millis())
        }
        Some(why) => format!("broken after {} KiB: {why}", seen.bytes >> 10),
    };
    let slow = seen.answered.iter().filter(|took| **took > Duration::from_millis(50)).count();
    let why = if seen.failed.is_empty() { String::new() } else { format!(" ({:?})", seen.failed) };
    format!(
        "{} requests answered, {} failed{why}; slowest {} ms, {slow} above 50 ms; the long transfer: {long}",
        seen.answered.len(),
        seen.failures(),
        seen.slowest().as_millis(),
    )
}

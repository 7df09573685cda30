//! The demonstration: the main job of a director pair, step by step, on a cluster with real IPVS.
//!
//! Each step makes something happen, measures it and says what it saw; it fails when that is not what a user of
//! such a pair may expect.

use crate::cluster::TAKE_OVER;
use crate::cluster::client::{Samples, Split};
use crate::cluster::topology::SERVICES;
use crate::error::Result;
use crate::scenario::{Stage, Step, expect};
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// All steps, in the order of the demonstration.
pub const ALL: &[&Step] = &[
    &START,
    &BALANCE,
    &SERVER_DIES,
    &SERVER_RETURNS,
    &POWER_CUT,
    &POWER_BACK,
    &MAIL_OF_SERVERS,
    &MAIL_OF_DIRECTORS,
    &STOP,
];

/// Both directors start; the first becomes master, both hold the IPVS table.
pub const START: Step = Step {
    title: "two directors start",
    run: |stage| {
        for director in &mut stage.cluster.directors {
            director.start()?;
        }
        ready(stage)
    },
};

/// Waits until the pair is what each scenario begins with, and shows it.
///
/// # Errors
/// When it does not become so.
pub fn ready(stage: &mut Stage) -> Result<()> {
    let took = stage.cluster.wait(secs(10), "director1 to hold all VIPs and director2 none", |cluster| {
        Ok(cluster.directors[0].holds_vips(true)? && cluster.directors[1].holds_vips(false)?)
    })?;
    stage.say(format!("director1 is master after {} and holds {}", ms(took), vips()));
    for director in [1, 2] {
        let expected = format!("nine real servers in the table of director{director}");
        stage.cluster.wait(secs(10), &expected, |cluster| {
            Ok((1..=3).all(|server| cluster.in_service(director, server, true).unwrap_or(false)))
        })?;
    }
    stage.say("director2 is backup and ready, its IPVS table already filled");
    if let Some(status) = stage.cluster.directors[0].status(&[])? {
        stage.show("directord status on director1:", status);
    }
    stage.show_table(1)
}

/// Requests are spread evenly in each forwarding mode.
pub const BALANCE: Step = Step {
    title: "300 requests to each virtual service",
    run: |stage| {
        for service in &SERVICES {
            let split = stage.cluster.requests(service.vip, 300)?;
            stage.say(format!("{:3} {}: {}", service.mode, service.vip, words(&split)));
            let even = split.len() == 3 && ["rs1", "rs2", "rs3"].iter().all(|s| split.get(*s) >= Some(&95));
            expect(even, "about 100 answers from each of rs1, rs2 and rs3 and no failure", words(&split))?;
        }
        Ok(())
    },
};

/// A real server dies under load and leaves all services; no request fails after that.
pub const SERVER_DIES: Step = Step {
    title: "the web server of rs2 is killed, under load",
    run: |stage| {
        let load = stage.cluster.load();
        sleep(Duration::from_millis(600));
        stage.cluster.kill_server(2);
        let took =
            stage.cluster.wait(secs(5), "rs2 to leave all three services of director1", |cluster| {
                cluster.in_service(1, 2, false)
            })?;
        let removed = Instant::now();
        stage.say(format!("removed after {}", ms(took)));
        sleep(Duration::from_millis(1200));
        let samples = load.stop()?;
        let late = samples.failed_since(removed);
        stage.say(format!("{}; after the removal {} failed", lost(&samples), none_or(late.len())));
        let seen = || format!("{} failures, the first: {:?}", late.len(), late.first());
        expect(late.is_empty(), "no failed request after the removal", seen())?;
        stage.show_table(1)
    },
};

/// The real server is back and gets requests again.
pub const SERVER_RETURNS: Step = Step {
    title: "the web server of rs2 is started again",
    run: |stage| {
        stage.cluster.start_server(2)?;
        let took =
            stage.cluster.wait(secs(8), "rs2 to return to all three services of director1", |cluster| {
                cluster.in_service(1, 2, true)
            })?;
        stage.say(format!("back in service after {}", ms(took)));
        for service in &SERVICES {
            let split = stage.cluster.requests(service.vip, 30)?;
            stage.say(format!("{:3} {}: {}", service.mode, service.vip, words(&split)));
            expect(split.contains_key("rs2"), "answers from rs2 again", words(&split))?;
        }
        Ok(())
    },
};

/// The master loses power under load; the backup takes over.
pub const POWER_CUT: Step = Step {
    title: "director1, the master, loses power, under load",
    run: |stage| {
        let load = stage.cluster.load();
        sleep(Duration::from_millis(600));
        let silent = stage.cluster.power_off(1)?;
        stage
            .cluster
            .wait(secs(8), "director2 to hold all VIPs", |cluster| cluster.directors[1].holds_vips(true))?;
        let taken = Instant::now();
        let took = taken - silent;
        stage.say(format!(
            "VIPs taken over by director2 after {} (three adverts and skew: {})",
            ms(took),
            ms(TAKE_OVER)
        ));
        sleep(Duration::from_millis(1500));
        let samples = load.stop()?;
        stage.say(format!("the client's outage: {}", outages(&samples)));
        let late = samples.failed_since(taken + SETTLING);
        stage.say(format!("{}; after the take-over {} failed", lost(&samples), none_or(late.len())));
        let seen = || format!("{} failures, the first: {:?}", late.len(), late.first());
        expect(late.is_empty(), "no failed request after the take-over", seen())?;
        let limit = TAKE_OVER + Duration::from_millis(700);
        let short = SERVICES.iter().all(|s| samples.outage(s.vip) < limit);
        expect(short, format!("outages below {}", ms(limit)), outages(&samples))?;
        stage.show_table(2)
    },
};

/// The old master is back and takes its role again.
pub const POWER_BACK: Step = Step {
    title: "director1 has power again, under load",
    run: |stage| {
        let load = stage.cluster.load();
        sleep(Duration::from_millis(300));
        stage.cluster.power_on(1)?;
        let took = stage.cluster.wait(
            secs(10),
            "director1 to hold all VIPs again and director2 none",
            |cluster| Ok(cluster.directors[0].holds_vips(true)? && cluster.directors[1].holds_vips(false)?),
        )?;
        let handed = Instant::now();
        stage.say(format!("director1 is master again after {}", ms(took)));
        sleep(Duration::from_millis(1200));
        let samples = load.stop()?;
        stage.say(format!("{}; the client's outage: {}", lost(&samples), outages(&samples)));
        let late = samples.failed_since(handed + SETTLING);
        let seen = || format!("{} failures, the first: {:?}", late.len(), late.first());
        expect(late.is_empty(), "no failed request after the hand-over", seen())?;
        stage.show_table(1)
    },
};

/// The mails about rs2 arrived.
pub const MAIL_OF_SERVERS: Step = Step {
    title: "mail about the real server",
    run: |stage| mail(stage, &["- DOWN", "- UP"], |subject| subject.contains("Realserver")),
};

/// The mails about the directors arrived.
pub const MAIL_OF_DIRECTORS: Step = Step {
    title: "mail about the directors",
    run: |stage| mail(stage, &["MASTER", "BACKUP"], |subject| subject.contains("VI_1")),
};

/// Both stop and leave nothing behind.
pub const STOP: Step = Step {
    title: "both directors are stopped",
    run: |stage| {
        for number in [1, 0] {
            let director = &mut stage.cluster.directors[number];
            let stopped = director.stop(secs(5));
            let name = director.name();
            expect(stopped, format!("{name} to end within 5 s of SIGTERM"), "it still running")?;
            let addresses = director.addresses()?;
            expect(director.holds_vips(false)?, format!("no VIP left on {name}"), format!("{addresses:?}"))?;
            let table = director.table()?;
            let left = table.services.iter().any(|left| SERVICES.iter().any(|s| s.vip == left.vip));
            expect(!left, format!("none of its virtual services left on {name}"), format!("{table:?}"))?;
        }
        stage.say("no VIP and no virtual service is left");
        Ok(())
    },
};

/// Requests that begin this soon after a director changed may still have met the old one.
const SETTLING: Duration = Duration::from_millis(100);

/// Waits until each of the words is in the subject of a mail; shows the subjects that belong to them.
fn mail(stage: &mut Stage, wanted: &[&str], belongs: fn(&str) -> bool) -> Result<()> {
    let expected = format!("mails with {} in their subjects", wanted.join(" and "));
    let arrived = stage.cluster.wait(secs(8), &expected, |cluster| {
        let messages = cluster.mailbox.messages()?;
        Ok(wanted.iter().all(|word| messages.iter().any(|m| m.subject.contains(word))))
    });
    let mut subjects: BTreeMap<String, u32> = BTreeMap::new();
    for message in stage.cluster.mailbox.messages()? {
        if arrived.is_err() || belongs(&message.subject) {
            *subjects.entry(message.subject).or_default() += 1;
        }
    }
    let lines: Vec<String> = subjects.iter().map(|(subject, count)| format!("{count} x {subject}")).collect();
    stage.show(format!("{} mails:", subjects.values().sum::<u32>()), lines.join("\n"));
    arrived.map(drop)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

fn vips() -> String {
    SERVICES.map(|s| format!("{} ({})", s.vip, s.mode)).join(", ")
}

pub(crate) fn words(split: &Split) -> String {
    split.iter().map(|(who, n)| format!("{who} {n}")).collect::<Vec<_>>().join(", ")
}

fn lost(samples: &Samples) -> String {
    let (all, failed) = samples.counts();
    let reasons = if failed == 0 { String::new() } else { format!(" ({})", words(&samples.failures())) };
    format!("{} of {all} requests failed{reasons}", none_or(failed))
}

fn none_or(count: usize) -> String {
    if count == 0 { "none".into() } else { count.to_string() }
}

fn outages(samples: &Samples) -> String {
    SERVICES.map(|s| format!("{} {}", s.mode, ms(samples.outage(s.vip)))).join(", ")
}

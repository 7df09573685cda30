//! The adoption scenario: a director that finds an IPVS table changes in it what differs, and nothing that is not its
//! own; one that is killed and started again takes over what it left, and its counters go on.

use crate::cluster::Cluster;
use crate::cluster::topology::SERVICES;
use crate::demo;
use crate::error::Result;
use crate::scenario::{Stage, Step, expect};
use std::cell::Cell;
use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::Duration;

/// All steps, in their order.
pub const ALL: &[&Step] =
    &[&PREPARE, &demo::START, &CORRECTED, &demo::BALANCE, &KILLED_AND_STARTED, &demo::STOP, &STILL_THERE];

/// Somebody else's virtual service, which no configuration of ours names.
const FOREIGN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 200);

/// Fills director1's table before its daemon starts: somebody else's service, and ours with wrong settings.
pub const PREPARE: Step = Step {
    title: "director1's kernel holds an IPVS table already",
    run: |stage| {
        let lines = [
            "-A -t 10.0.0.200:8080 -s wlc -p 300",
            "-a -t 10.0.0.200:8080 -r 10.0.0.99:8080 -g -w 7",
            "-A -t 10.0.0.100:80 -s rr",
            "-a -t 10.0.0.100:80 -r 10.0.1.21:80 -m -w 1",
            "-a -t 10.0.0.100:80 -r 10.0.1.22:80 -m -w 5",
            "-A -t 10.0.0.101:80 -s wlc",
            "-a -t 10.0.0.101:80 -r 10.0.0.21:80 -g -w 1",
        ];
        for line in lines {
            let arguments: Vec<&str> = line.split(' ').collect();
            stage.cluster.directors[0].ipvsadm(&arguments)?;
        }
        stage.show_table(1)
    },
};

/// After the start the own services are as configured and the other one is untouched.
pub const CORRECTED: Step = Step {
    title: "the own services are corrected, the other one is untouched",
    run: |stage| {
        let table = stage.cluster.directors[0].table()?;
        for service in &SERVICES {
            let found = table.services.iter().find(|s| s.vip == service.vip);
            let right =
                found.is_some_and(|s| s.scheduler == "rr" && s.destinations.iter().all(|d| d.weight == 1));
            expect(right, format!("{} with rr and weights of 1", service.vip), format!("{found:?}"))?;
        }
        foreign_is_untouched(stage)
    },
};

/// kill -9 and a new start: the table stays in force throughout, and its counters show that it is still the same.
pub const KILLED_AND_STARTED: Step = Step {
    title: "director1's daemon is killed (kill -9) and started again",
    run: |stage| {
        // The kernel brings the counters it shows up to date every two seconds.
        sleep(Duration::from_millis(2200));
        let before = connections(&stage.cluster)?;
        let director = &mut stage.cluster.directors[0];
        director.process().into_iter().for_each(|process| process.kill());
        director.start()?;
        let smallest = Cell::new(usize::MAX);
        let watched = |cluster: &Cluster| -> Result<bool> {
            let table = cluster.directors[0].table()?;
            smallest.set(smallest.get().min(SERVICES.iter().flat_map(|s| table.in_service(s.vip)).count()));
            Ok(cluster.directors[0].holds_vips(true)? && cluster.directors[1].holds_vips(false)?)
        };
        for _ in 0..100 {
            watched(&stage.cluster)?;
            sleep(Duration::from_millis(10));
        }
        let limit = Duration::from_secs(10);
        stage.cluster.wait(limit, "director1 to hold all VIPs again and director2 none", watched)?;
        let (after, fewest) = (connections(&stage.cluster)?, smallest.get());
        stage.say(format!(
            "never fewer than {fewest} real servers; connections counted: {before:?}, now {after:?}"
        ));
        expect(fewest == 9, "nine real servers in the table throughout", fewest)?;
        let same = before.iter().zip(&after).all(|(b, a)| b <= a && *b >= 300);
        expect(same, "counters that go on from 300 or more", format!("{before:?}, then {after:?}"))?;
        foreign_is_untouched(stage)
    },
};

/// The other service outlives the directors.
pub const STILL_THERE: Step = Step { title: "the other service is still there", run: foreign_is_untouched };

fn foreign_is_untouched(stage: &mut Stage) -> Result<()> {
    let table = stage.cluster.directors[0].table()?;
    let found = table.services.iter().find(|s| s.vip == FOREIGN);
    let intact = found.is_some_and(|s| {
        (s.port, s.scheduler.as_str(), s.destinations.len()) == (8080, "wlc", 1)
            && s.destinations.iter().all(|d| d.weight == 7 && d.forward == "Route")
    });
    expect(intact, format!("{FOREIGN}:8080 as it was"), format!("{found:?}"))?;
    stage.say(format!("{FOREIGN}:8080 is as it was"));
    Ok(())
}

/// How many connections the kernel of director1 has counted for each of the own services since it was made.
fn connections(cluster: &Cluster) -> Result<Vec<u64>> {
    let text = cluster.directors[0].ipvsadm(&["-Ln", "--stats", "--exact"])?;
    let count = |vip: Ipv4Addr| {
        let local = format!("{vip}:80");
        let line = text.lines().find(|l| l.split_whitespace().nth(1) == Some(&local))?;
        line.split_whitespace().nth(2)?.parse().ok()
    };
    Ok(SERVICES.iter().map(|s| count(s.vip).unwrap_or(0)).collect())
}

//! The counters scenario: what `directord status` says of traffic is what `ipvsadm` says, to the last byte.

use crate::cluster::topology::SERVICES;
use crate::demo;
use crate::error::{Attempt, LabError, Result};
use crate::scenario::{Step, expect};
use serde_json::Value;
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

/// All steps, in their order.
pub const ALL: &[&Step] = &[&demo::START, &demo::BALANCE, &THE_SAME, &demo::STOP];

/// Connections, packets and bytes in both directions, by service and by real server.
type Counted = BTreeMap<String, [u64; 5]>;

/// After real traffic, both tell the same numbers.
const THE_SAME: Step = Step {
    title: "`directord status` counts as `ipvsadm --stats --exact` does",
    run: |stage| {
        // The kernel brings what it shows up to date every two seconds; what the last requests left is closed by then.
        sleep(Duration::from_millis(4500));
        let director = &stage.cluster.directors[0];
        let theirs = by_ipvsadm(&director.ipvsadm(&["-Ln", "--stats", "--exact"])?);
        let json = director.ask(&["status", "--json"])?.unwrap_or_default();
        let status: Value =
            serde_json::from_str(&json).map_err(std::io::Error::from).attempt("reading the status")?;
        let ours = by_status(&status)?;
        expect(ours == theirs, format!("{theirs:#?}"), format!("{ours:#?}"))?;
        expect(theirs.len() == 12, "three services of three servers", format!("{theirs:#?}"))?;
        let least = theirs.values().map(|numbers| numbers[0]).min();
        expect(least >= Some(95), "about 100 connections of each", format!("{theirs:#?}"))?;
        // An average over some seconds: of the requests a moment ago something is left.
        let rates = &status["services"][0]["traffic"]["rates"];
        let (cps, bps) = (rates["connections"].as_u64(), rates["bytes_in"].as_u64());
        expect(cps > Some(0) && bps > cps, "rates above 0", rates)?;
        let shown = director.ask(&["status", "--traffic"])?.unwrap_or_default();
        expect(shown.contains("CONN/S") && shown.contains("all since"), "a table of numbers", &shown)?;
        stage.show("directord status --traffic:", shown);
        // With estimation off the kernel adds nothing up any more, and that is said.
        let switch = "ipv4/vs/run_estimation";
        stage.cluster.directors[0].set(&[(switch, "0")])?;
        let before = stage.cluster.directors[0].ipvsadm(&["-Ln", "--stats", "--exact"])?;
        stage.cluster.requests(SERVICES[0].vip, 50)?;
        sleep(Duration::from_millis(2500));
        let after = stage.cluster.directors[0].ipvsadm(&["-Ln", "--stats", "--exact"])?;
        expect(before == after, "counters that stand still", &after)?;
        let shown = stage.cluster.directors[0].ask(&["status"])?.unwrap_or_default();
        expect(shown.contains("run_estimation is 0"), "a word about it", shown)?;
        stage.cluster.directors[0].set(&[(switch, "1")])
    },
};

/// `TCP  10.0.0.100:80  12 60 60 4000 5000`, and `-> 10.0.1.21:80 …` below it.
fn by_ipvsadm(text: &str) -> Counted {
    let mut counted = Counted::new();
    let mut service = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind, name, numbers @ ..] = words.as_slice() else { continue };
        let numbers: Vec<u64> = numbers.iter().filter_map(|word| word.parse().ok()).collect();
        let Ok(numbers) = <[u64; 5]>::try_from(numbers) else { continue };
        match *kind {
            "->" => {
                counted.insert(format!("{service} {name}"), numbers);
            }
            _ => {
                service = (*name).to_owned();
                counted.insert(service.clone(), numbers);
            }
        }
    }
    counted
}

fn by_status(status: &Value) -> Result<Counted> {
    let numbers = |traffic: &Value| {
        let of = |name: &str| {
            let number = traffic[name].as_u64();
            number.ok_or_else(|| LabError::Failed(format!("expected the number {name}; saw {traffic}")))
        };
        Ok::<_, LabError>([
            of("connections")?,
            of("packets_in")?,
            of("packets_out")?,
            of("bytes_in")?,
            of("bytes_out")?,
        ])
    };
    // `[10.0.0.100]:tcp:80` and `[10.0.1.21]:80`.
    let plain = |name: &Value| {
        let name = name.as_str().unwrap_or_default();
        name.replace(['[', ']'], "").replace(":tcp", "")
    };
    let mut counted = Counted::new();
    for service in status["services"].as_array().into_iter().flatten() {
        let name = plain(&service["service"]);
        counted.insert(name.clone(), numbers(&service["traffic"])?);
        for server in service["servers"].as_array().into_iter().flatten() {
            counted.insert(format!("{name} {}", plain(&server["server"])), numbers(&server["traffic"])?);
        }
    }
    Ok(counted)
}

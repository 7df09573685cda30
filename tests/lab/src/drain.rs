//! The scenario of maintenance: a real server is drained while a long transfer goes through it. The transfer goes on, new
//! connections go to others, also after a kill -9 and a new start of the daemon, and then the server is back.

use crate::cluster::topology::SERVICES;
use crate::demo;
use crate::error::{LabError, Result};
use crate::scenario::{Stage, Step, expect};
use std::net::Ipv4Addr;
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

/// All steps, in their order.
pub const ALL: &[&Step] = &[&demo::START, &DRAIN, &RESTART, &UNDRAIN, &REMOVE, &ON_REMOVE, &demo::STOP];

const LIMIT: Duration = Duration::from_secs(10);

/// A drain that is waited for, with a transfer under way.
pub const DRAIN: Step = Step {
    title: "a server is drained while a long transfer goes through it",
    run: |stage| {
        let service = SERVICES[0];
        let transfer = stage.cluster.transfer(service.vip)?;
        let name = transfer.server.clone();
        let address = address(&name)?;
        let what = format!("{}:80/{address}:80", service.vip);
        stage.say(format!("a transfer of six seconds comes from {name}"));
        let drain = stage.cluster.directors[0].directord(&[
            "drain",
            &what,
            "--wait",
            "--timeout",
            "60s",
            "--reason",
            "new disk",
        ]);
        stage.cluster.wait(LIMIT, "the server with weight 0", |cluster| {
            Ok(weight(&cluster.directors[0].table()?, address) == Some(0))
        })?;
        let split = stage.cluster.requests(service.vip, 60)?;
        let others = !split.contains_key(&name) && split.values().sum::<u32>() == 60 && split.len() == 2;
        expect(others, format!("60 answers, none from {name}"), demo::words(&split))?;
        stage.say(format!("new connections: {}", demo::words(&split)));
        let (_, seen) = said(stage.cluster.directors[0].directord(&["connections", &what]))?;
        expect(
            seen.contains("1 active") && seen.contains("ESTABLISHED"),
            "the transfer's connection",
            &seen,
        )?;
        stage.show("directord connections:", seen);
        expect(transfer.whole()?, "the whole transfer", "a part of it")?;
        let (status, shown) = said(drain)?;
        stage.show("directord drain --wait:", shown.clone());
        expect(status == Some(0), "exit status 0 of drain --wait", format!("{status:?}: {shown}"))?;
        expect(shown.contains("empty after"), "the end of the connections", shown)
    },
};

/// The drain outlives the daemon, and its first table has it already.
pub const RESTART: Step = Step {
    title: "director1's daemon is killed (kill -9) and started again",
    run: |stage| {
        let director = &mut stage.cluster.directors[0];
        director.process().into_iter().for_each(|process| process.kill());
        director.start()?;
        for _ in 0..50 {
            let table = stage.cluster.directors[0].table()?;
            let weights: Vec<u32> =
                SERVICES[0].servers.iter().filter_map(|server| weight(&table, *server)).collect();
            expect(
                weights.iter().filter(|weight| **weight == 0).count() == 1,
                "one server of weight 0",
                format!("{weights:?}"),
            )?;
            sleep(Duration::from_millis(10));
        }
        stage.cluster.wait(LIMIT, "director1 to hold all VIPs and director2 none", |cluster| {
            Ok(cluster.directors[0].holds_vips(true)? && cluster.directors[1].holds_vips(false)?)
        })?;
        let (status, shown) = said(stage.cluster.directors[0].directord(&["overrides"]))?;
        expect(
            status == Some(0) && shown.contains("drained") && shown.contains("new disk"),
            "the drain",
            &shown,
        )?;
        stage.show("directord overrides:", shown);
        Ok(())
    },
};

/// Taken back as `directord overrides` says.
pub const UNDRAIN: Step = Step {
    title: "the drain is taken back",
    run: |stage| {
        let (_, shown) = said(stage.cluster.directors[0].directord(&["overrides", "--json"]))?;
        let undo = shown
            .split("directord undrain ")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default();
        let (status, shown) = said(stage.cluster.directors[0].directord(&["undrain", undo]))?;
        expect(status == Some(0), "exit status 0 of undrain", format!("{status:?}: {shown}"))?;
        all_answer(stage, 3)
    },
};

/// Removed when it is empty, by the daemon; and cut at once.
pub const REMOVE: Step = Step {
    title: "servers are drained and removed: when they are empty, and at once",
    run: |stage| {
        let service = SERVICES[1];
        let transfer = stage.cluster.transfer(service.vip)?;
        let name = transfer.server.clone();
        let host = service.servers.iter().find(|server| named(**server) == name).copied();
        let host = host.ok_or_else(|| LabError::Failed(format!("{name} is no server of {}", service.vip)))?;
        let what = format!("{}:80/{host}", service.vip);
        let order = ["drain", &what, "--then-remove"];
        let (status, shown) = said(stage.cluster.directors[0].directord(&order))?;
        expect(status == Some(0), "exit status 0 of drain --then-remove", format!("{status:?}: {shown}"))?;
        sleep(Duration::from_secs(2));
        let held = stage.cluster.directors[0].table()?.in_service(service.vip).count();
        let weights: Vec<u32> = stage.cluster.directors[0]
            .table()?
            .services
            .iter()
            .filter(|s| s.vip == service.vip)
            .flat_map(|s| s.destinations.iter().map(|d| d.weight))
            .collect();
        expect(
            weights.len() == 3,
            "three servers while the transfer goes on",
            format!("{held}: {weights:?}"),
        )?;
        expect(transfer.whole()?, "the whole transfer", "a part of it")?;
        // With direct routing the kernel sees the client's packets only: the end is a matter of its time-outs.
        stage.cluster.wait(Duration::from_secs(30), "the server out of the table", |cluster| {
            Ok(destinations(cluster, service.vip)? == 2)
        })?;
        let now = format!("{}:80/{}", SERVICES[2].vip, SERVICES[2].servers[0]);
        let (status, shown) = said(stage.cluster.directors[0].directord(&["drain", &now, "--now"]))?;
        expect(status == Some(0), "exit status 0 of drain --now", format!("{status:?}: {shown}"))?;
        stage.cluster.wait(LIMIT, "the server out of the table at once", |cluster| {
            Ok(destinations(cluster, SERVICES[2].vip)? == 2)
        })?;
        for what in [what, now] {
            let (status, shown) = said(stage.cluster.directors[0].directord(&["undrain", &what]))?;
            expect(status == Some(0), "exit status 0 of undrain", format!("{status:?}: {shown}"))?;
        }
        all_answer(stage, 3)
    },
};

/// A server that a reload removes keeps its connections.
pub const ON_REMOVE: Step = Step {
    title: "a reload removes a server with drain_on_remove",
    run: |stage| {
        let service = SERVICES[0];
        let transfer = stage.cluster.transfer(service.vip)?;
        let address = address(&transfer.server)?;
        let director = &mut stage.cluster.directors[0];
        director.replace("protocol TCP\n", "protocol TCP\n    drain_on_remove 60\n")?;
        director.reload();
        sleep(Duration::from_millis(500));
        let gone = format!("real_server {address} 80");
        director.replace(&gone, "real_server 10.0.1.99 80")?;
        director.reload();
        stage.cluster.wait(LIMIT, "the server with weight 0", |cluster| {
            Ok(weight(&cluster.directors[0].table()?, address) == Some(0))
        })?;
        expect(transfer.whole()?, "the whole transfer", "a part of it")?;
        let took = stage.cluster.wait(LIMIT, "the server out of the table", |cluster| {
            Ok(weight(&cluster.directors[0].table()?, address).is_none())
        })?;
        stage.say(format!("out of the table {} ms after the end of the transfer", took.as_millis()));
        Ok(())
    },
};

/// Waits for a command to end.
fn said(command: JoinHandle<Result<(Option<i32>, String)>>) -> Result<(Option<i32>, String)> {
    command.join().unwrap_or_else(|_| Err(LabError::Failed("a command panicked".into())))
}

fn all_answer(stage: &mut Stage, servers: usize) -> Result<()> {
    for service in &SERVICES {
        stage.cluster.wait(LIMIT, "all servers with weight 1", |cluster| {
            let table = cluster.directors[0].table()?;
            Ok(table.in_service(service.vip).count() == servers)
        })?;
        let split = stage.cluster.requests(service.vip, 30)?;
        let right = split.len() == servers && split.values().sum::<u32>() == 30;
        expect(right, format!("answers from all {servers} servers"), demo::words(&split))?;
    }
    stage.say(format!("all {servers} servers answer in all services"));
    Ok(())
}

/// The weight of a server of the first service that has it.
fn weight(table: &crate::cluster::table::Table, server: Ipv4Addr) -> Option<u32> {
    let all = table.services.iter().flat_map(|service| service.destinations.iter());
    all.into_iter().find(|destination| destination.address == server).map(|destination| destination.weight)
}

fn destinations(cluster: &crate::cluster::Cluster, vip: Ipv4Addr) -> Result<usize> {
    let table = cluster.directors[0].table()?;
    Ok(table.services.iter().filter(|service| service.vip == vip).map(|s| s.destinations.len()).sum())
}

/// `rs2` for 10.0.1.22.
fn named(server: Ipv4Addr) -> String {
    format!("rs{}", server.octets()[3].saturating_sub(20))
}

/// The address of a server behind the first service.
fn address(name: &str) -> Result<Ipv4Addr> {
    let found = SERVICES[0].servers.into_iter().find(|server| named(*server) == name);
    found.ok_or_else(|| LabError::Failed(format!("{name} is no real server")))
}

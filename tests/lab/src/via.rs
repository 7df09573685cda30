//! The scenario of checks that take a client's way: through the director's own IPVS table, with address translation,
//! direct routing and tunnels, on the master and on the backup. What only the data path breaks is seen by them.

use crate::cluster::Cluster;
use crate::cluster::topology::SERVICES;
use crate::demo;
use crate::error::Result;
use crate::scenario::{Stage, Step, expect};
use std::time::Duration;

/// All steps, in their order.
pub const ALL: &[&Step] =
    &[&CONFIGURE, &MARTIAN, &ACCEPTED, &BACKUP_ASKS, &VIP_LOST, &VIP_BACK, &demo::STOP, &NONE_LEFT];

const LIMIT: Duration = Duration::from_secs(20);

/// What the backup asks the address of each service.
const VIP_CHECK: &str = "    vip_check {\n        TCP_CHECK {\n            retry 0\n        }\n    }\n";

/// Every check of both directors goes through the table.
pub const CONFIGURE: Step = Step {
    title: "the checks of all services go through IPVS (via_ipvs), and the backup asks their addresses (vip_check)",
    run: |stage| {
        for director in &mut stage.cluster.directors {
            director
                .replace("    protocol TCP\n", &format!("    protocol TCP\n    via_ipvs\n{VIP_CHECK}"))?;
            director.start()?;
        }
        stage
            .cluster
            .wait(LIMIT, "director1 to hold all VIPs", |cluster| cluster.directors[0].holds_vips(true))?;
        let table = stage.cluster.directors[0].ipvsadm(&["-Ln"])?;
        expect(
            table.matches("FWM").count() == 12,
            "a service for each of nine servers and three addresses",
            &table,
        )?;
        stage.show("IPVS table of director1 (ipvsadm -Ln):", table);
        Ok(())
    },
};

/// The master holds the VIPs, and its kernel takes answers from them for forgeries.
pub const MARTIAN: Step = Step {
    title: "the backup's probes pass in all modes; on the master the answers of DR and TUN are dropped, and it says so",
    run: |stage| {
        stage.cluster.wait(
            LIMIT,
            "all servers in service on director2, and those of NAT on director1",
            |cluster| {
                let nat = cluster.directors[0].table()?.in_service(SERVICES[0].vip).count();
                let rest = SERVICES[1..]
                    .iter()
                    .map(|s| cluster.directors[0].table().map(|t| t.in_service(s.vip).count()));
                let rest: usize = rest.collect::<Result<Vec<usize>>>()?.iter().sum();
                Ok(everywhere(cluster, 1)? && nat == 3 && rest == 0)
            },
        )?;
        let why = stage.cluster.directors[0].ask(&["why", &format!("{}:80", SERVICES[1].servers[0])])?;
        let why = why.unwrap_or_default();
        stage.show("directord why, on director1:", why.clone());
        let hint = "set net.ipv4.conf.eth0.accept_local to 1";
        let said = why.split_whitespace().collect::<Vec<_>>().join(" ");
        expect(said.contains("answers directly, but not through IPVS (DR)") && said.contains(hint), hint, why)
    },
};

/// The kernel is told that such answers are meant.
pub const ACCEPTED: Step = Step {
    title: "accept_local is set on director1",
    run: |stage| {
        stage.cluster.directors[0].set(&[("ipv4/conf/eth0/accept_local", "1")])?;
        let took = stage
            .cluster
            .wait(LIMIT, "all servers in service on director1", |cluster| everywhere(cluster, 0))?;
        stage.say(format!("after {} ms", took.as_millis()));
        for service in &SERVICES {
            let split = stage.cluster.requests(service.vip, 30)?;
            expect(split.len() == 3, "answers from all three servers", demo::words(&split))?;
        }
        Ok(())
    },
};

/// The backup sees what clients see.
pub const BACKUP_ASKS: Step = Step {
    title: "director2, the backup, asks the VIPs; the one of DR is closed by director1's operator, and open again",
    run: |stage| {
        stage.cluster.wait(
            LIMIT,
            "director2 to have answers from all VIPs, director1 to ask nobody",
            |cluster| {
                Ok(vips(cluster, 1)? == ["up false"; 3]
                    && vips(cluster, 0)?.iter().all(|vip| vip.ends_with("true")))
            },
        )?;
        let what = format!("tcp:{}:80", SERVICES[1].vip);
        stage.cluster.directors[0].ask(&["disable", &what, "--force"])?;
        stage.cluster.wait(LIMIT, "director2 to have no answer from the VIP of DR", |cluster| {
            Ok(vips(cluster, 1)? == ["up false", "down false", "up false"])
        })?;
        let why = stage.cluster.directors[1].ask(&["why", &what])?.unwrap_or_default();
        stage.show("directord why, on director2:", why.clone());
        expect(
            why.contains("does not answer this backup") && why.contains("serves: 3 of 3"),
            "it told, and nothing else",
            why,
        )?;
        stage.cluster.directors[0].ask(&["enable", &what])?;
        stage.cluster.wait(LIMIT, "director2 to have answers again", |cluster| {
            Ok(vips(cluster, 1)? == ["up false"; 3])
        })?;
        Ok(())
    },
};

/// What a director says of each VIP: the verdict, and whether it rests.
fn vips(cluster: &Cluster, director: usize) -> Result<Vec<String>> {
    let text = cluster.directors[director].status(&["--json"])?.unwrap_or_default();
    let status: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let services = status["services"].as_array().cloned().unwrap_or_default();
    let said = services.iter().map(|service| {
        let vip = &service["vip_check"];
        format!("{} {}", vip["verdict"].as_str().unwrap_or("none"), vip["rests"])
    });
    Ok(said.collect())
}

/// A server that answers, and not at the VIP: direct checks would not see it.
pub const VIP_LOST: Step = Step {
    title: "rs1 loses the VIP of direct routing, while its web server goes on",
    run: |stage| {
        let service = SERVICES[1];
        stage.cluster.server_vip(1, service.vip, false)?;
        stage.cluster.wait(LIMIT, "rs1 out of the service on both directors", |cluster| {
            let out = |director: usize| -> Result<bool> {
                Ok(!cluster.directors[director]
                    .table()?
                    .in_service(service.vip)
                    .any(|a| a == service.servers[0]))
            };
            Ok(out(0)? && out(1)?)
        })?;
        let split = stage.cluster.requests(service.vip, 30)?;
        expect(
            !split.contains_key("rs1") && split.len() == 2,
            "answers from rs2 and rs3 only",
            demo::words(&split),
        )?;
        let what = format!("{}:80/{}", service.vip, service.servers[0]);
        let why = stage.cluster.directors[0].ask(&["why", &what])?.unwrap_or_default();
        stage.show("directord why, on director1:", why.clone());
        let said = why.split_whitespace().collect::<Vec<_>>().join(" ");
        let hint = format!("does the server hold {} without ARP?", service.vip);
        expect(said.contains("answers directly") && said.contains(&hint), hint, why)
    },
};

/// And back.
pub const VIP_BACK: Step = Step {
    title: "rs1 has the VIP again",
    run: |stage| {
        stage.cluster.server_vip(1, SERVICES[1].vip, true)?;
        stage.cluster.wait(LIMIT, "all servers in service on both directors", |cluster| {
            Ok(everywhere(cluster, 0)? && everywhere(cluster, 1)?)
        })?;
        Ok(())
    },
};

/// The services of checks go with the others.
pub const NONE_LEFT: Step = Step {
    title: "no service of a check is left",
    run: |stage: &mut Stage| {
        for director in &stage.cluster.directors {
            let table = director.ipvsadm(&["-Ln"])?;
            expect(!table.contains("FWM"), format!("none on {}", director.name()), table)?;
        }
        Ok(())
    },
};

/// Whether all servers are in service in all modes on a director.
fn everywhere(cluster: &Cluster, director: usize) -> Result<bool> {
    let all = (1..=3).map(|server| cluster.in_service(director + 1, server, true));
    Ok(all.collect::<Result<Vec<bool>>>()?.into_iter().all(|one| one))
}

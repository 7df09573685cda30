//! The scenario of connection synchronisation: the directors tell each other of connections by daemons of the kernel,
//! which follow the instance and change with a reload. keepalived plays it as well, so that both are known to ask the
//! kernel for the same.

use crate::cluster::Cluster;
use crate::cluster::topology::SERVICES;
use crate::demo;
use crate::error::Result;
use crate::scenario::{Stage, Step, expect};
use std::time::Duration;

/// All steps, in their order.
pub const ALL: &[&Step] =
    &[&CONFIGURE, &START, &FOLLOW, &CONNECTIONS, &FAULT, &RELOAD, &demo::STOP, &NONE_LEFT];

const LIMIT: Duration = Duration::from_secs(10);

/// What both directors' files say besides the usual.
fn daemon(options: &str) -> String {
    format!("\nglobal_defs {{\n    lvs_sync_daemon eth1 VI_1{options}\n}}\n")
}

/// A line for the file of each director.
pub const CONFIGURE: Step = Step {
    title: "the configuration asks for synchronisation on eth1, tied to VI_1",
    run: |stage| stage.cluster.directors.iter_mut().try_for_each(|director| director.add(&daemon(""))),
};

/// The directors start one after the other: a keepalived that becomes master and a moment later backup asks the kernel
/// for another daemon and now and then waits for the answer for ever.
pub const START: Step = Step {
    title: "two directors start, one after the other",
    run: |stage| {
        stage.cluster.directors[0].start()?;
        stage.cluster.wait(LIMIT, "director1 to hold all VIPs", |c| c.directors[0].holds_vips(true))?;
        stage.cluster.directors[1].start()?;
        demo::ready(stage)
    },
};

/// The master sends, the backup listens.
pub const FOLLOW: Step = Step {
    title: "the master's kernel sends, the backup's listens",
    run: |stage| {
        let rest = "maxlen=1472, group=224.0.0.81, port=8848, ttl=1)";
        let expected = [("master", "syncid=51", rest), ("backup", "syncid=51", rest)];
        daemons(stage, expected)
    },
};

/// Connections through the master are known to the backup.
pub const CONNECTIONS: Step = Step {
    title: "connections through director1 are known to director2",
    run: |stage| {
        for service in &SERVICES {
            stage.cluster.requests(service.vip, 60)?;
        }
        let known = |cluster: &Cluster| -> Result<Vec<usize>> {
            let text = cluster.directors[1].connections()?;
            Ok(SERVICES
                .iter()
                .map(|s| text.lines().filter(|line| line.contains(&hex(s.vip))).count())
                .collect())
        };
        stage.cluster.wait(LIMIT, "connections of each service in director2's table", |cluster| {
            Ok(known(cluster)?.iter().all(|count| *count > 0))
        })?;
        let counts = known(&stage.cluster)?;
        stage.say(format!("director2, which never saw a packet of them, knows {counts:?} connections"));
        Ok(())
    },
};

/// A director that loses its link listens; the other sends.
pub const FAULT: Step = Step {
    title: "director1 loses its cables and gets them back",
    run: |stage| {
        stage.cluster.unplug(1)?;
        roles(stage, ["backup", "master"])?;
        stage.cluster.plug(1)?;
        roles(stage, ["master", "backup"])
    },
};

/// Other parameters take effect without a restart.
pub const RELOAD: Step = Step {
    title: "a reload changes id, port, time to live and group",
    run: |stage| {
        for director in &mut stage.cluster.directors {
            let options = " id 7 maxlen 1400 port 9000 ttl 3 group 224.0.0.99";
            director.replace(&daemon(""), &daemon(options))?;
            director.reload();
        }
        let rest = "maxlen=1400, group=224.0.0.99, port=9000, ttl=3)";
        daemons(stage, [("master", "syncid=7", rest), ("backup", "syncid=7", rest)])
    },
};

/// Nothing stays behind.
pub const NONE_LEFT: Step = Step {
    title: "no daemon is left",
    run: |stage| {
        for director in &stage.cluster.directors {
            let text = director.ipvsadm(&["-L", "--daemon"])?;
            expect(text.trim().is_empty(), format!("no daemon on {}", director.name()), text)?;
        }
        Ok(())
    },
};

/// Waits until each director runs one daemon with these words in what `ipvsadm` prints.
fn daemons(stage: &mut Stage, expected: [(&str, &str, &str); 2]) -> Result<()> {
    let asked = format!("daemons {expected:?}");
    let met = |cluster: &Cluster| -> Result<bool> {
        let each = cluster.directors.iter().zip(expected).map(|(director, (role, id, rest))| {
            let text = director.ipvsadm(&["-L", "--daemon"])?;
            let line = format!("{role} sync daemon (mcast=eth1, {id}, {rest}");
            Ok(text.trim() == line)
        });
        each.collect::<Result<Vec<bool>>>().map(|all| all.into_iter().all(|one| one))
    };
    let waited = stage.cluster.wait(LIMIT, &asked, met);
    for director in &stage.cluster.directors {
        stage.say(format!("{}: {}", director.name(), director.ipvsadm(&["-L", "--daemon"])?.trim()));
    }
    waited.map(drop)
}

/// Waits until the directors run daemons of these roles.
fn roles(stage: &mut Stage, expected: [&str; 2]) -> Result<()> {
    stage.cluster.wait(LIMIT, &format!("daemons {expected:?}"), |cluster| {
        let each = cluster.directors.iter().zip(expected).map(|(director, role)| {
            let text = director.ipvsadm(&["-L", "--daemon"])?;
            Ok(text.trim().lines().count() == 1 && text.starts_with(role))
        });
        each.collect::<Result<Vec<bool>>>().map(|all| all.into_iter().all(|one| one))
    })?;
    stage.say(format!("director1 {}, director2 {}", expected[0], expected[1]));
    Ok(())
}

/// An address as the kernel's table of connections has it.
fn hex(address: std::net::Ipv4Addr) -> String {
    format!("{:08X}", address.to_bits())
}

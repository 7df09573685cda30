//! What can be asked with `directord why` (`POST /v1/why`): everything that decides over a server, a virtual server or
//! an instance, in one answer.
//!
//! It is put together of the snapshot, of the checks' results and of the configuration, none of which the brain does
//! more for than to hand out what it holds.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ipvs_backend::DestinationKey;
use serde::{Deserialize, Serialize};

use super::checks::{CheckReport, collect, find};
use super::server::Desk;
use crate::config::keywords::closest;
use crate::config::{Config, Served};
use crate::director::overrides::Override;
use crate::director::snapshot::{
    GroupStatus, InstanceStatus, OwnerStatus, ServerStatus, ServiceStatus, Snapshot,
};
use crate::director::target::Target;

/// Names that an error lists at most.
const LISTED: usize = 10;

/// The wish to know why something is as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyWish {
    /// A real server, a virtual server, an instance or a sync group; none: all that is not as it should be.
    #[serde(default)]
    pub what: Option<String>,
}

/// Everything that decides over it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WhyAnswer {
    /// Set if there is no answer: why.
    pub refused: Option<String>,
    /// The time of the answer, in milliseconds since 1970.
    pub at: u64,
    /// Whether all was asked for, and this is what is not as it should be.
    pub all: bool,
    /// Instances.
    pub instances: Vec<InstanceReasons>,
    /// Sync groups that are asked for, and those of the instances.
    pub groups: Vec<GroupStatus>,
    /// Virtual servers, each with the real servers that are asked for.
    pub services: Vec<ServiceReasons>,
    /// The results of these servers' checks.
    pub checks: Vec<CheckReport>,
    /// The owner of the IPVS table.
    pub ipvs: OwnerStatus,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceReasons {
    /// As in `directord status`.
    pub status: InstanceStatus,
    /// The priority in the file.
    pub file_priority: u8,
    /// Whether it takes over from a working master of lower priority.
    pub preempts: bool,
    /// How long it tolerates such a master first, in seconds.
    pub preempt_delay: f64,
    /// As backup: it takes over after this time of silence.
    pub silence_left: Option<f64>,
}

/// One virtual server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceReasons {
    /// As in `directord status`, with the real servers that are asked for.
    pub status: ServiceStatus,
    /// Whether it is asked for as a whole.
    pub whole: bool,
    /// How many real servers get new connections ...
    pub serving: usize,
    /// ... of these.
    pub configured: usize,
    /// The real servers with `inhibit_on_failure`: they stay in the table with weight 0 while they are down.
    pub inhibited: Vec<DestinationKey>,
    /// How what operators said of these servers is taken back.
    pub undo: Vec<Undo>,
}

/// The end of an override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The real server that is overridden.
    pub server: DestinationKey,
    /// The command that takes it back.
    pub command: String,
}

/// `POST /v1/why`.
pub(super) async fn why(
    State(desk): State<Desk>,
    Json(wish): Json<WhyWish>,
) -> Result<Json<WhyAnswer>, StatusCode> {
    const GONE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    let snapshot = desk.inbox.snapshot().await.ok_or(GONE)?;
    let what = wish.what.as_deref().map(str::trim).filter(|what| *what != "director");
    let (instances, target) = match what {
        None => (troubled_instances(&snapshot), None),
        Some(what) => {
            let named = named_instances(&snapshot, what);
            match find(&desk, what.to_owned()).await {
                Ok(target) => (named, Some(target)),
                Err(_) if !named.is_empty() => (named, None),
                Err(why) => return Ok(Json(refuse(&snapshot, what, &why))),
            }
        }
    };
    let config = desk.reloads.borrow().running.clone();
    let overrides = desk.inbox.ask(|director, _| director.overrides().all().cloned().collect::<Vec<_>>());
    let overrides = overrides.await.ok_or(GONE)?;
    let services: Vec<ServiceReasons> = match (&target, what) {
        (None, Some(_)) => Vec::new(),
        (target, _) => {
            let asked = snapshot.services.iter();
            asked.filter_map(|s| service(s, target.as_ref(), &config, &overrides)).collect()
        }
    };
    let asked: BTreeMap<&Served, BTreeSet<DestinationKey>> = services
        .iter()
        .map(|s| (&s.status.service, s.status.servers.iter().map(|server| server.server).collect()))
        .collect();
    let concerned = |check: &CheckReport| {
        asked.get(&check.service).is_some_and(|servers| servers.contains(&check.server))
    };
    let checks = match services.is_empty() {
        true => Default::default(),
        false => collect(&desk, target.clone(), true, concerned).await.ok_or(GONE)?,
    };
    let names: Vec<String> = instances.iter().map(|instance| instance.name.clone()).collect();
    let deadlines = desk.inbox.ask(move |director, now| {
        let left = names.iter().map(|name| director.silence_left(name, now)).collect::<Vec<_>>();
        (left, director.wall_clock(now))
    });
    let (left, wall) = deadlines.await.ok_or(GONE)?;
    let instances: Vec<InstanceReasons> =
        instances.into_iter().zip(left).map(|(status, left)| reasons(status, left, &config)).collect();
    let in_groups = |group: &GroupStatus| {
        instances.iter().any(|instance| instance.status.group.as_ref() == Some(&group.name))
    };
    Ok(Json(WhyAnswer {
        refused: None,
        at: super::checks::milliseconds(wall),
        all: what.is_none(),
        groups: snapshot.groups.iter().filter(|group| in_groups(group)).cloned().collect(),
        instances,
        services,
        checks: checks.checks,
        ipvs: snapshot.ipvs,
    }))
}

fn troubled_instances(snapshot: &Snapshot) -> Vec<InstanceStatus> {
    let well = |instance: &&InstanceStatus| matches!(instance.role.as_str(), "MASTER" | "BACKUP");
    let held_down = |instance: &InstanceStatus| instance.trackers.iter().any(|t| t.fault || t.adds < 0);
    let odd =
        |instance: &&InstanceStatus| !well(instance) || held_down(instance) || !instance.oddities.is_empty();
    snapshot.instances.iter().filter(odd).cloned().collect()
}

/// An instance of this name, or the members of a sync group of it.
fn named_instances(snapshot: &Snapshot, what: &str) -> Vec<InstanceStatus> {
    let members = snapshot.groups.iter().filter(|group| group.name == what).flat_map(|group| &group.members);
    let members: Vec<&String> = members.collect();
    let named = |instance: &&InstanceStatus| instance.name == what || members.contains(&&instance.name);
    snapshot.instances.iter().filter(named).cloned().collect()
}

fn refuse(snapshot: &Snapshot, what: &str, why: &str) -> WhyAnswer {
    let groups = snapshot.groups.iter().map(|group| group.name.as_str());
    let names: Vec<&str> = snapshot.instances.iter().map(|i| i.name.as_str()).chain(groups).collect();
    let refused = match (closest(what, names.iter().copied()), names.len()) {
        (_, 0) => why.to_owned(),
        (Some(name), _) => format!("{why}; nor is there such an instance: did you mean `{name}`?"),
        (None, count) => {
            let listed = names.get(..LISTED.min(count)).unwrap_or_default().join(", ");
            let more = if count > LISTED { format!(" and {} more", count - LISTED) } else { String::new() };
            format!("{why}; nor is there such an instance: there are {listed}{more}")
        }
    };
    WhyAnswer { refused: Some(refused), ..WhyAnswer::default() }
}

/// What is asked for of a virtual server: all that the target covers, or without one what is not as it should be.
fn service(
    status: &ServiceStatus,
    target: Option<&Target>,
    config: &Config,
    overrides: &[Override],
) -> Option<ServiceReasons> {
    let served = &status.service;
    let asked = |server: &&ServerStatus| match target {
        Some(target) => target.covers(served, &server.server),
        None => is_troubled(server),
    };
    let servers: Vec<ServerStatus> = status.servers.iter().filter(asked).cloned().collect();
    let whole = match target {
        Some(target) => matches!(target, Target::Service(service) if service == served),
        None => !status.quorum,
    };
    if servers.is_empty() && !whole {
        return None;
    }
    let wanted = config.virtual_server(served);
    let inhibits = |server: &&ServerStatus| {
        wanted.and_then(|wanted| wanted.servers.get(&server.server)).is_some_and(|server| server.inhibit)
    };
    let undo = servers.iter().flat_map(|server| {
        let of = overrides.iter().filter(|one| one.target.covers(served, &server.server));
        of.map(|one| Undo { server: server.server, command: one.kind().undo(&one.target) })
    });
    Some(ServiceReasons {
        whole,
        undo: undo.collect(),
        serving: status.servers.iter().filter(|server| server.effective_weight.unwrap_or(0) > 0).count(),
        configured: status.servers.iter().filter(|server| !server.backup).count(),
        inhibited: servers.iter().filter(inhibits).map(|server| server.server).collect(),
        status: ServiceStatus { servers, ..status.clone() },
    })
}

/// Whether a server is not as the file says it should be.
pub(super) fn is_troubled(server: &ServerStatus) -> bool {
    // A backup server has nothing to do as a rule.
    server.verdict == "down" || (!server.backup && server.effective_weight != Some(server.weight))
}

fn reasons(
    status: InstanceStatus,
    silence_left: Option<std::time::Duration>,
    config: &Config,
) -> InstanceReasons {
    let settings = config.instances.get(&status.name).map(|instance| &instance.router);
    InstanceReasons {
        file_priority: settings.map_or(status.priority, |settings| settings.priority),
        preempts: settings.is_none_or(|settings| settings.preempt),
        preempt_delay: settings.map_or(0.0, |settings| settings.preempt_delay.as_secs_f64()),
        silence_left: silence_left.map(|left| left.as_secs_f64()),
        status,
    }
}

/// The checks of one server of a virtual server.
pub(super) fn checks_of<'a>(
    answer: &'a WhyAnswer,
    service: &'a Served,
    server: &'a ServerStatus,
) -> impl Iterator<Item = &'a CheckReport> {
    answer.checks.iter().filter(move |check| check.service == *service && check.server == server.server)
}

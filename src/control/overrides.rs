//! The daemon's answers about overrides and connections.

use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;

use super::caller::Caller;
use super::server::Desk;
use super::{
    ConnectionsAnswer, ConnectionsWish, OverrideAnswer, OverrideWish, Place, ServerConnections, WishedAct,
};
use crate::director::overrides::{Act, Kind, Order, Override, Removal};
use crate::director::snapshot::{Consideration, Endangered, OverrideStatus};
use crate::director::target::Target;
use crate::supervisor::connections;

/// Connections that are listed at most: the answer is held in memory.
const MOST_LISTED: usize = 10_000;
/// Longer reasons are cut off.
const LONGEST_REASON: usize = 200;
/// The largest weight of the kernel.
const HEAVIEST: u32 = i32::MAX.unsigned_abs();
/// Longer than a year is as good as for ever, and a slip of the hand.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

type Answer<T> = Result<Json<T>, StatusCode>;

const GONE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

/// `GET /v1/overrides`.
pub(super) async fn list(State(desk): State<Desk>) -> Answer<Vec<OverrideStatus>> {
    desk.inbox.ask(|director, now| director.override_status(now)).await.map(Json).ok_or(GONE)
}

/// `POST /v1/overrides`.
pub(super) async fn change(
    State(desk): State<Desk>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Json(wish): Json<OverrideWish>,
) -> Answer<OverrideAnswer> {
    let kind = match wish.act {
        WishedAct::Undrain => return take_back(&desk, caller, wish.what, Kind::Drain).await,
        WishedAct::Enable => return take_back(&desk, caller, wish.what, Kind::Disable).await,
        WishedAct::Weight(None) => return take_back(&desk, caller, wish.what, Kind::Weight).await,
        WishedAct::Drain { .. } => Kind::Drain,
        WishedAct::Disable => Kind::Disable,
        WishedAct::Weight(Some(_)) => Kind::Weight,
    };
    if let Some(why) = out_of_range(&wish) {
        return refuse(why, None);
    }
    let weight = match wish.act {
        WishedAct::Weight(weight) => weight,
        WishedAct::Drain { .. } => Some(0),
        _ => None,
    };
    let considered = match consider(&desk, &wish.what, kind, weight).await? {
        Ok(considered) => considered,
        Err(why) => return refuse(why, None),
    };
    let target = considered.target.clone();
    let known = desk.inbox.ask(move |director, now| {
        (director.overrides().get(&target, kind).cloned(), director.wall_clock(now))
    });
    let (known, wall) = known.await.ok_or(GONE)?;
    let (act, target) = (act(wish.act, wall), considered.target.clone());
    // Said again, to wait for its end perhaps: who set it, and why, stays.
    let again = |known: &Override| known.act == act && wish.reason.is_none() && wish.for_seconds.is_none();
    if let Some(known) = known.filter(again) {
        return Ok(Json(accepted(considered, format!("{target}: is {known} already"), Vec::new())));
    }
    let mut warnings: Vec<String> = considered.endangered.iter().map(endangered).collect();
    if !warnings.is_empty() && !wish.force {
        let summary = format!("{}; say --force if that is meant", warnings.join("; "));
        return refuse(summary, Some(considered));
    }
    let reason = wish.reason.as_deref().map(one_line).filter(|reason| !reason.is_empty());
    let expires = wish.for_seconds.map(|seconds| wall + Duration::from_secs(seconds));
    let owner = caller.name().await;
    let new = Override { target: target.clone(), act, owner, reason, set: wall, expires, dormant: None };
    let summary = format!("{target}: {new}; take it back with `{}`", kind.undo(&target));
    desk.inbox.order(Order::Set(new)).await;
    warnings.extend(kernel_says(act, considered.persistent));
    Ok(Json(accepted(considered, summary, warnings)))
}

async fn take_back(desk: &Desk, caller: Caller, what: String, kind: Kind) -> Answer<OverrideAnswer> {
    let found = find(desk, &what).await?;
    let target = desk.inbox.ask(move |director, _| director.find_override(&what, found, kind));
    let target = match target.await.ok_or(GONE)? {
        Ok(target) => target,
        Err(why) => return refuse(why, None),
    };
    // It may be for what is not there any more.
    let considered = deliberate(desk, target.clone(), kind, Some(1)).await?;
    let considered = considered.unwrap_or_else(|_| Consideration::of_nothing(target));
    let considered = Consideration { endangered: Vec::new(), ..considered };
    let (by, target) = (caller.name().await, considered.target.clone());
    desk.inbox.order(Order::TakeBack { target: target.clone(), kind, by }).await;
    let word = match kind {
        Kind::Drain => "no longer drained",
        Kind::Disable => "no longer disabled",
        Kind::Weight => "weights as the file says",
    };
    // Something else may still decide.
    let all = desk.inbox.ask(|director, _| director.overrides().clone()).await.ok_or(GONE)?;
    let others = all.over(&considered.members);
    Ok(Json(accepted(considered, format!("{target}: {word}"), others)))
}

/// What an operator's words would come to; a sentence if they mean nothing.
async fn consider(
    desk: &Desk,
    what: &str,
    kind: Kind,
    weight: Option<u32>,
) -> Result<Result<Consideration, String>, StatusCode> {
    match find(desk, what).await? {
        Ok(target) => deliberate(desk, target, kind, weight).await,
        Err(why) => Ok(Err(why)),
    }
}

/// What an operator's words mean. The names of tens of thousands of servers are looked through on a thread of its own.
async fn find(desk: &Desk, what: &str) -> Result<Result<Target, String>, StatusCode> {
    let config = desk.inbox.ask(|director, _| director.configuration()).await.ok_or(GONE)?;
    let what = what.to_owned();
    let found = tokio::task::spawn_blocking(move || Target::find_in(&config, &what)).await;
    found.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// Has the brain work it out, a piece with each question: between two, it does what is more urgent.
async fn deliberate(
    desk: &Desk,
    target: Target,
    kind: Kind,
    weight: Option<u32>,
) -> Result<Result<Consideration, String>, StatusCode> {
    let begun = desk.inbox.ask(move |director, _| director.deliberate(target, kind, weight));
    let mut unfinished = match begun.await.ok_or(GONE)? {
        Ok(unfinished) => unfinished,
        Err(why) => return Ok(Err(why)),
    };
    loop {
        let piece = desk.inbox.ask(move |director, _| director.deliberate_on(unfinished));
        match piece.await.ok_or(GONE)? {
            Ok(considered) => return Ok(Ok(considered)),
            Err(rest) => unfinished = rest,
        }
    }
}

/// `POST /v1/connections`.
pub(super) async fn connections(
    State(desk): State<Desk>,
    Json(wish): Json<ConnectionsWish>,
) -> Answer<ConnectionsAnswer> {
    let mut answer = ConnectionsAnswer {
        refused: None,
        servers: Vec::new(),
        left: 0,
        templates_move: connections::templates_move(),
        end_without_server: connections::end_without_server(),
        listed: Vec::new(),
        listable: 0,
    };
    let counted = match consider(&desk, &wish.what, Kind::Weight, Some(1)).await? {
        Ok(meant) => desk.counter.count(&meant.covered).await.map(|counts| (meant.covered, counts)),
        Err(why) => Err(why),
    };
    let (covered, counts) = match counted {
        Ok(counted) => counted,
        Err(why) => return Ok(Json(ConnectionsAnswer { refused: Some(why), ..answer })),
    };
    for (service, server) in &covered {
        let counts = counts.get(service).and_then(|of| of.get(server)).copied();
        answer.left += counts.map_or(0, |counts| connections::left(service, counts, answer.templates_move));
        answer
            .servers
            .push(ServerConnections { place: Place { service: *service, server: *server }, counts });
    }
    if wish.list > 0 {
        let most = wish.list.min(MOST_LISTED);
        let listed = tokio::task::spawn_blocking(move || {
            connections::list(most, |connection| {
                covered.iter().any(|(service, server)| {
                    let at = connection.server;
                    let same = at.address == server.address && (at.port == server.port || at.port == 0);
                    same && connection.is_of(service)
                })
            })
        });
        match listed.await {
            Ok(Ok((listed, listable))) => (answer.listed, answer.listable) = (listed, listable),
            Ok(Err(error)) => answer.refused = Some(format!("cannot read the kernel's connections: {error}")),
            Err(_) => return Err(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
    Ok(Json(answer))
}

fn out_of_range(wish: &OverrideWish) -> Option<String> {
    let too_long = |seconds: Option<u64>| seconds.is_some_and(|seconds| seconds > LONGEST.as_secs());
    match wish.act {
        WishedAct::Weight(Some(weight)) if weight > HEAVIEST => {
            Some(format!("the weight is {weight}; expected 0 to {HEAVIEST}, or `default`"))
        }
        WishedAct::Drain { within_seconds, .. } if too_long(within_seconds) => {
            Some("the time to drain is longer than a year".to_owned())
        }
        _ if too_long(wish.for_seconds) => {
            Some("an override ends within a year, or not by itself".to_owned())
        }
        _ if wish.for_seconds == Some(0) => Some("an override that ends at once is none".to_owned()),
        _ => None,
    }
}

fn act(wished: WishedAct, wall: Duration) -> Act {
    match wished {
        WishedAct::Drain { remove, within_seconds } => {
            let at_latest = within_seconds.map(|seconds| wall + Duration::from_secs(seconds));
            Act::Drain { removal: remove.then_some(Removal { at_latest }) }
        }
        WishedAct::Weight(Some(weight)) => Act::Weight(weight),
        _ => Act::Disable,
    }
}

/// What the kernel's switches make of it.
fn kernel_says(act: Act, persistent: bool) -> Option<String> {
    let ends = "connections end with their next packet (net.ipv4.vs.expire_nodest_conn is 1)";
    let hangs = "connections hang until their clients give up (net.ipv4.vs.expire_nodest_conn is 0)";
    match act {
        Act::Disable | Act::Drain { removal: Some(Removal { at_latest: Some(_) }) } => {
            let how = if connections::end_without_server() { ends } else { hangs };
            Some(format!("once a server is out of the table, its {how}"))
        }
        Act::Drain { .. } if persistent && !connections::templates_move() => Some(
            "clients bound to a server by persistence_timeout keep coming back to it \
             (net.ipv4.vs.expire_quiescent_template is 0)"
                .to_owned(),
        ),
        Act::Drain { .. } | Act::Weight(_) => None,
    }
}

fn endangered(Endangered { service, stands_in }: &Endangered) -> String {
    match stands_in {
        Some(stands_in) => format!("{service} is left without usable servers: {stands_in}"),
        None => format!("{service} is left without usable servers: new connections to it fail"),
    }
}

fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().chars().take(LONGEST_REASON).collect()
}

fn places(covered: &[(ipvs_backend::ServiceKey, ipvs_backend::DestinationKey)]) -> Vec<Place> {
    covered.iter().map(|(service, server)| Place { service: *service, server: *server }).collect()
}

fn accepted(considered: Consideration, summary: String, warnings: Vec<String>) -> OverrideAnswer {
    let (target, servers) = (Some(considered.target.to_string()), places(&considered.covered));
    OverrideAnswer { accepted: true, summary, warnings, target, servers }
}

fn refuse(summary: String, considered: Option<Consideration>) -> Answer<OverrideAnswer> {
    let servers = considered.as_ref().map(|considered| places(&considered.covered)).unwrap_or_default();
    let target = considered.map(|considered| considered.target.to_string());
    Ok(Json(OverrideAnswer { accepted: false, summary, warnings: Vec::new(), target, servers }))
}

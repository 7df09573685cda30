//! The daemon's end of the control socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

use super::{PriorityAnswer, PriorityWish, Status};
use crate::director::snapshot::InstanceStatus;
use crate::supervisor::inbox::Sender;
use crate::supervisor::reload::{ReloadOutcome, Reloads, Request};
use crate::supervisor::succession::{Answer, Successions, Wish};

/// What answers need.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) inbox: Sender,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) reloads: watch::Receiver<Reloads>,
    pub(crate) config: PathBuf,
    pub(crate) successions: Successions,
    /// When this life began.
    pub(crate) started: SystemTime,
}

/// Opens the socket and answers on it for as long as the runtime lasts.
pub(crate) fn serve(path: &Path, desk: Desk) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/reload", post(reload))
        .route("/v1/priority", post(priority))
        .route("/v1/succession", post(succession))
        .with_state(desk);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            error!("the control socket is closed: {error}");
        }
    });
    Ok(())
}

async fn status(State(desk): State<Desk>) -> Result<Json<Status>, StatusCode> {
    let director = desk.inbox.snapshot().await.ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    let Reloads { last: last_reload, running: warnings } = desk.reloads.borrow().clone();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: milliseconds(desk.started),
        config: desk.config.display().to_string(),
        last_reload,
        warnings,
        director,
    }))
}

async fn reload(State(desk): State<Desk>) -> Result<Json<ReloadOutcome>, StatusCode> {
    let (sender, receiver) = oneshot::channel();
    desk.requests.send(Some(sender)).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    receiver.await.map(Json).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

async fn succession(State(desk): State<Desk>, Json(wish): Json<Wish>) -> Json<Answer> {
    Json(desk.successions.wish(wish).await)
}

fn milliseconds(time: SystemTime) -> u64 {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

async fn priority(
    State(desk): State<Desk>,
    Json(wish): Json<PriorityWish>,
) -> Result<Json<PriorityAnswer>, StatusCode> {
    let refuse = |summary: String| Ok(Json(PriorityAnswer { accepted: false, summary, instance: None }));
    let name = &wish.instance;
    let known = desk.inbox.snapshot().await.ok_or(StatusCode::SERVICE_UNAVAILABLE)?.instances;
    let names: Vec<&str> = known.iter().map(|instance| instance.name.as_str()).collect();
    let Some(before) = known.iter().find(|instance| instance.name == *name) else {
        return refuse(format!("there is no vrrp_instance `{name}`; there are: {}", names.join(", ")));
    };
    if before.priority == vrrp::PRIORITY_OWNER {
        return refuse(format!(
            "`{name}` owns its addresses: its priority is 255, and nobody else's may be; change it in the file"
        ));
    }
    if wish.priority.is_some_and(|priority| !(1..=vrrp::track::HIGHEST).contains(&priority)) {
        return refuse("expected a priority from 1 to 254, or `default`".to_owned());
    }
    desk.inbox.set_priority(name, wish.priority).await;
    let now = desk.inbox.snapshot().await.ok_or(StatusCode::SERVICE_UNAVAILABLE)?.instances;
    let instance = now.into_iter().find(|instance| instance.name == *name);
    let summary = instance.as_ref().map_or_else(|| format!("`{name}` is gone"), said);
    Ok(Json(PriorityAnswer { accepted: instance.is_some(), summary, instance }))
}

fn said(instance: &InstanceStatus) -> String {
    let InstanceStatus { name, priority, effective_priority, overridden_priority, .. } = instance;
    let whose = if overridden_priority.is_some() { "set by hand" } else { "as the file says" };
    format!("{name}: priority {priority}, {whose}; with its trackers {effective_priority}")
}

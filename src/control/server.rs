//! The daemon's end of the control socket.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc as std_mpsc;
use std::time::{Instant, SystemTime};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use ipvs_backend::ServiceKey;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

use super::caller::Caller;
use super::{PriorityAnswer, PriorityWish, Running, Status, overrides, usage};
use crate::director::snapshot::InstanceStatus;
use crate::director::target;
use crate::supervisor::connections::Counter;
use crate::supervisor::inbox::Sender;
use crate::supervisor::reload::{Probation, ReloadOutcome, ReloadWish, Reloads, Request, Wish};
use crate::supervisor::succession::{Answer, Successions, Wish as SuccessionWish};
use crate::supervisor::{KernelState, table};

/// Bytes of a question at most: it may name tens of thousands of services.
const LONGEST_QUESTION: usize = 64 << 20;

/// What answers need.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) inbox: Sender,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) reloads: watch::Receiver<Reloads>,
    pub(crate) config: PathBuf,
    pub(crate) counter: Counter,
    pub(crate) successions: Successions,
    /// When this life began.
    pub(crate) started: SystemTime,
    pub(crate) table: std_mpsc::Sender<table::Job>,
}

/// Opens the socket and answers on it for as long as the runtime lasts.
pub(crate) fn serve(path: &Path, desk: Desk) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/reload", post(reload))
        .route("/v1/confirm", post(confirm))
        .route("/v1/rollback", post(roll_back))
        .route("/v1/priority", post(priority))
        .route("/v1/overrides", get(overrides::list).post(overrides::change))
        .route("/v1/connections", post(overrides::connections))
        .route("/v1/checks", post(super::checks::checks))
        .route("/v1/why", post(super::why::why))
        .route("/v1/succession", post(succession))
        .route("/v1/config", get(running))
        .route("/v1/names", get(names))
        .route("/v1/kernel", post(kernel))
        .layer(DefaultBodyLimit::max(LONGEST_QUESTION))
        .with_state(desk);
    tokio::spawn(async move {
        if let Err(error) =
            axum::serve(listener, router.into_make_service_with_connect_info::<Caller>()).await
        {
            error!("the control socket is closed: {error}");
        }
    });
    Ok(())
}

async fn status(State(desk): State<Desk>) -> Result<Json<Status>, StatusCode> {
    let (director, counted) = tokio::join!(desk.inbox.snapshot(), desk.counter.tally());
    let mut director = director.ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    let uncounted = usage::fill(&mut director, counted);
    let Reloads { last: last_reload, complaints: warnings, probation, .. } = desk.reloads.borrow().clone();
    let left = |p: Probation| p.until.saturating_duration_since(Instant::now()).as_secs_f64();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: milliseconds(desk.started),
        config: desk.config.display().to_string(),
        last_reload,
        warnings,
        confirm_within: probation.map(left),
        uncounted,
        director,
    }))
}

async fn reload(State(desk): State<Desk>, body: Bytes) -> Result<Json<ReloadOutcome>, (StatusCode, String)> {
    // Nothing at all is the plain way: `curl -X POST` does it.
    let wish = if body.is_empty() { Ok(ReloadWish::default()) } else { serde_json::from_slice(&body) };
    let wish = wish.map_err(|error| (StatusCode::BAD_REQUEST, format!("not a wish to reload: {error}\n")))?;
    desk.ask(Wish::Reload(wish)).await
}

async fn confirm(State(desk): State<Desk>) -> Result<Json<ReloadOutcome>, (StatusCode, String)> {
    desk.ask(Wish::Confirm).await
}

async fn roll_back(State(desk): State<Desk>) -> Result<Json<ReloadOutcome>, (StatusCode, String)> {
    desk.ask(Wish::RollBack).await
}

async fn running(State(desk): State<Desk>) -> Result<impl IntoResponse, StatusCode> {
    let config = desk.reloads.borrow().running.clone();
    let running = Running { file: std::path::absolute(&desk.config).unwrap_or(desk.config), config };
    // It may be tens of megabytes.
    let json = tokio::task::spawn_blocking(move || serde_json::to_vec(&running)).await;
    let json = json.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let json = json.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(CONTENT_TYPE, "application/json")], json))
}

async fn names(State(desk): State<Desk>) -> Result<Json<Vec<String>>, StatusCode> {
    let config = desk.reloads.borrow().running.clone();
    let named = tokio::task::spawn_blocking(move || target::names_in(&config)).await;
    named.map(Json).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

async fn kernel(State(desk): State<Desk>, Json(services): Json<Vec<ServiceKey>>) -> Json<KernelState> {
    Json(table::survey(&desk.table, services).await)
}

impl Desk {
    /// Asks the reloader, and waits for its answer.
    async fn ask(&self, wish: Wish) -> Result<Json<ReloadOutcome>, (StatusCode, String)> {
        let gone = || (StatusCode::SERVICE_UNAVAILABLE, "directord is stopping\n".to_owned());
        let (sender, receiver) = oneshot::channel();
        let request = Request { wish, reply: Some(sender) };
        self.requests.send(request).await.map_err(|_| gone())?;
        receiver.await.map(Json).map_err(|_| gone())
    }
}

async fn succession(State(desk): State<Desk>, Json(wish): Json<SuccessionWish>) -> Json<Answer> {
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

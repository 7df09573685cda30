//! The daemon's end of the control socket.

use std::io;
use std::path::{Path, PathBuf};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

use super::Status;
use crate::supervisor::inbox::Sender;
use crate::supervisor::reload::{ReloadOutcome, Reloads, Request};

/// What answers need.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) inbox: Sender,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) reloads: watch::Receiver<Reloads>,
    pub(crate) config: PathBuf,
}

/// Opens the socket and answers on it for as long as the runtime lasts.
pub(crate) fn serve(path: &Path, desk: Desk) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    let router =
        Router::new().route("/v1/status", get(status)).route("/v1/reload", post(reload)).with_state(desk);
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

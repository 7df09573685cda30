//! The commands' end of the control socket: one question, one answer, a time limit.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use ipvs_backend::ServiceKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{
    ChecksAnswer, ChecksWish, ConnectionsAnswer, ConnectionsWish, OverrideAnswer, OverrideWish,
    PriorityAnswer, PriorityWish, Running, Status, WhyAnswer, WhyWish,
};
use crate::director::snapshot::OverrideStatus;
use crate::supervisor::reload::{ReloadOutcome, ReloadWish};
use crate::supervisor::succession::{Answer, Wish};
use crate::supervisor::{KernelState, control_socket};

/// How long an answer may take. The owners of everything are waited for at a reload, and on the way back if there is one.
const PATIENCE: Duration = Duration::from_secs(150);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error(
        "no directord answers at {path}: {error}. Is it running? If it was started with another --runtime-dir, name it here too"
    )]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The socket is another user's.
    #[error("{path} belongs to another user: ask as root, or as the user that directord runs as")]
    NotAllowed {
        /// The socket.
        path: PathBuf,
    },
    /// The daemon was there and did not answer in time.
    #[error("directord did not answer within {} s", PATIENCE.as_secs())]
    Timeout,
    /// The daemon is ending.
    #[error("directord is stopping and answers no more (HTTP status {0})")]
    Refused(StatusCode),
    /// The answer makes no sense.
    #[error("directord's answer cannot be understood: {0}; is this command of the same version?")]
    Malformed(String),
}

/// The daemon's state.
pub async fn status(runtime_dir: &Path) -> Result<Status, ControlError> {
    ask(runtime_dir, Method::GET, "/v1/status", Bytes::new()).await
}

/// Asks the daemon to read its configuration again, and waits for the outcome.
pub async fn reload(runtime_dir: &Path, wish: &ReloadWish) -> Result<ReloadOutcome, ControlError> {
    let body = serde_json::to_vec(wish).map_err(|error| ControlError::Malformed(error.to_string()))?;
    ask(runtime_dir, Method::POST, "/v1/reload", body.into()).await
}

/// Tells the daemon that the running configuration stays.
pub async fn confirm(runtime_dir: &Path) -> Result<ReloadOutcome, ControlError> {
    ask(runtime_dir, Method::POST, "/v1/confirm", Bytes::new()).await
}

/// Asks the daemon to return to the configuration before the last reload.
pub async fn roll_back(runtime_dir: &Path) -> Result<ReloadOutcome, ControlError> {
    ask(runtime_dir, Method::POST, "/v1/rollback", Bytes::new()).await
}

/// The configuration in effect.
pub async fn running(runtime_dir: &Path) -> Result<Running, ControlError> {
    ask(runtime_dir, Method::GET, "/v1/config", Bytes::new()).await
}

/// What the kernel's IPVS table holds, and the connections of some services in it.
pub async fn kernel(runtime_dir: &Path, services: &[ServiceKey]) -> Result<KernelState, ControlError> {
    let body = serde_json::to_vec(services).map_err(|error| ControlError::Malformed(error.to_string()))?;
    ask(runtime_dir, Method::POST, "/v1/kernel", body.into()).await
}

/// Asks the daemon to change the base priority of an instance.
pub async fn priority(runtime_dir: &Path, wish: &PriorityWish) -> Result<PriorityAnswer, ControlError> {
    ask(runtime_dir, Method::POST, "/v1/priority", body(wish)?).await
}

/// What overrides can be for.
pub async fn names(runtime_dir: &Path) -> Result<Vec<String>, ControlError> {
    ask(runtime_dir, Method::GET, "/v1/names", Bytes::new()).await
}

/// What operators want of real servers at present.
pub async fn overrides(runtime_dir: &Path) -> Result<Vec<OverrideStatus>, ControlError> {
    ask(runtime_dir, Method::GET, "/v1/overrides", Bytes::new()).await
}

/// Asks the daemon to override what the file says of servers, or to take that back.
pub async fn override_servers(
    runtime_dir: &Path,
    wish: &OverrideWish,
) -> Result<OverrideAnswer, ControlError> {
    ask(runtime_dir, Method::POST, "/v1/overrides", body(wish)?).await
}

/// Asks how many connections servers have, and perhaps for these.
pub async fn connections(
    runtime_dir: &Path,
    wish: &ConnectionsWish,
) -> Result<ConnectionsAnswer, ControlError> {
    ask(runtime_dir, Method::POST, "/v1/connections", body(wish)?).await
}

/// Asks for checks and their latest results.
pub async fn checks(runtime_dir: &Path, wish: &ChecksWish) -> Result<ChecksAnswer, ControlError> {
    ask(runtime_dir, Method::POST, "/v1/checks", body(wish)?).await
}

/// Asks why something is as it is.
pub async fn why(runtime_dir: &Path, wish: &WhyWish) -> Result<WhyAnswer, ControlError> {
    ask(runtime_dir, Method::POST, "/v1/why", body(wish)?).await
}

fn body(wish: &impl Serialize) -> Result<Bytes, ControlError> {
    let body = serde_json::to_vec(wish).map_err(|error| ControlError::Malformed(error.to_string()))?;
    Ok(body.into())
}

/// Asks the daemon to leave everything to a successor, or to become it.
pub async fn succeed(runtime_dir: &Path, wish: &Wish) -> Result<Answer, ControlError> {
    let body = serde_json::to_vec(wish).map_err(|error| ControlError::Malformed(error.to_string()))?;
    ask(runtime_dir, Method::POST, "/v1/succession", body.into()).await
}

async fn ask<T: DeserializeOwned>(
    runtime_dir: &Path,
    method: Method,
    uri: &str,
    body: Bytes,
) -> Result<T, ControlError> {
    let path = control_socket(runtime_dir);
    tokio::time::timeout(PATIENCE, exchange(&path, method, uri, body))
        .await
        .map_err(|_| ControlError::Timeout)?
}

async fn exchange<T: DeserializeOwned>(
    path: &Path,
    method: Method,
    uri: &str,
    body: Bytes,
) -> Result<T, ControlError> {
    let stream = UnixStream::connect(path).await.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => ControlError::NotAllowed { path: path.to_owned() },
        _ => ControlError::NotRunning { path: path.to_owned(), error },
    })?;
    let malformed = |error: &dyn std::fmt::Display| ControlError::Malformed(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| malformed(&e))?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(body))
        .map_err(|e| malformed(&e))?;
    let response = sender.send_request(request).await.map_err(|e| malformed(&e))?;
    if response.status() != StatusCode::OK {
        return Err(ControlError::Refused(response.status()));
    }
    let body = response.into_body().collect().await.map_err(|e| malformed(&e))?.to_bytes();
    serde_json::from_slice(&body).map_err(|e| malformed(&e))
}

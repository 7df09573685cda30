//! The gRPC check: the health service of a server is asked whether a service is serving.
//!
//! Carried by HTTP/2 as gRPC prescribes: a POST, the status of the call behind the answer's body or, where there is
//! none, in its head.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use h2::client::SendRequest;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use http::{Request, Version};
use tokio::io::{AsyncRead, AsyncWrite};

use super::http::own_host;
use super::within::within;
use super::{failure, http2, socket, tls, words};
use crate::dialogue::grpc::{self, Fault};
use crate::dialogue::quote;
use crate::outcome::{Failure, FailureKind};
use crate::spec::{Check, Grpc};
use crate::warning::Aside;

/// One call.
pub(super) async fn ask(check: &Check, settings: &Grpc, aside: &mut Aside) -> Result<(), Failure> {
    let request = request(check, settings)?;
    let stream = socket::connect(check).await?;
    let greeting = AtomicBool::new(settings.tls.is_some());
    let answered = async {
        match &settings.tls {
            None => call(stream, request).await,
            Some(tls) => {
                let host = settings.virtualhost.as_deref();
                let stream = tls::greet_http2(check, tls, host, stream).await?;
                tls::note_expiry(&stream, tls, aside);
                greeting.store(false, Ordering::Relaxed);
                call(stream, request).await
            }
        }
    };
    match within(check.connect_timeout, answered).await {
        Ok(judged) => judged,
        Err(_) => {
            let what =
                if greeting.load(Ordering::Relaxed) { "no TLS connection" } else { "no complete answer" };
            let reason = format!("{what} within {}", words(check.connect_timeout));
            Err(failure(FailureKind::Timeout, reason))
        }
    }
}

fn request(check: &Check, settings: &Grpc) -> Result<Request<Bytes>, Failure> {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let host = settings.virtualhost.clone().unwrap_or_else(|| own_host(check, settings.tls.is_some()));
    // Eight digits are all that a timeout may have.
    let patience = check.connect_timeout.as_millis().clamp(1, 99_999_999);
    Request::post(format!("{scheme}://{host}/grpc.health.v1.Health/Check"))
        .version(Version::HTTP_2)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
        .header(TE, HeaderValue::from_static("trailers"))
        .header("grpc-timeout", format!("{patience}m"))
        .header(USER_AGENT, HeaderValue::from_static("directord"))
        .body(Bytes::from(grpc::request(&settings.service)))
        .map_err(|error| failure(FailureKind::Local, format!("could not ask '{host}': {error}")))
}

async fn call<S>(stream: S, request: Request<Bytes>) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (sender, connection) = http2::greet(stream).await?;
    http2::drive(connection, exchange(sender, request)).await
}

async fn exchange(sender: SendRequest<Bytes>, request: Request<Bytes>) -> Result<(), Failure> {
    let response = http2::send(sender, request).await?;
    let status = response.status().as_u16();
    if status != 200 {
        let reason = format!("HTTP status {status}, and no gRPC");
        return Err(failure(FailureKind::BadStatus, reason));
    }
    let kind = response.headers().get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    // Behind it may stand how messages are written: `+proto`.
    let is_grpc = kind
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+") || rest.starts_with(b";"));
    if !is_grpc {
        let reason = format!("the answer is not gRPC: its content-type is '{}'", quote(kind));
        return Err(failure(FailureKind::Protocol, reason));
    }
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = http2::data(&mut stream).await? {
        if body.len() + data.len() > grpc::PREFIX + grpc::LONGEST {
            let reason = format!("the answer is longer than {} KiB", grpc::LONGEST / 1024);
            return Err(failure(FailureKind::TooLong, reason));
        }
        body.extend_from_slice(&data);
    }
    let trailers = stream.trailers().await.map_err(|error| http2::broken(&error))?;
    judge_status(trailers.as_ref().filter(|_| !head.headers.contains_key(STATUS)).unwrap_or(&head.headers))?;
    grpc::judge(&body).map_err(|fault| match fault {
        Fault::NoAnswer(why) => failure(FailureKind::Protocol, format!("the answer is not gRPC: {why}")),
        Fault::NotServing(status) => {
            failure(FailureKind::BadAnswer, format!("the service is {status}, expected SERVING"))
        }
    })
}

const STATUS: &str = "grpc-status";

/// The status of the call itself.
fn judge_status(headers: &HeaderMap) -> Result<(), Failure> {
    match headers.get(STATUS).map(HeaderValue::as_bytes) {
        Some(b"0") => Ok(()),
        Some(status) => {
            let message = headers.get("grpc-message").map(HeaderValue::as_bytes);
            Err(failure(FailureKind::BadStatus, grpc::status_words(status, message)))
        }
        None => Err(failure(FailureKind::Protocol, "the answer is not gRPC: it has no grpc-status")),
    }
}

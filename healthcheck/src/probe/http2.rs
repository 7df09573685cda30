//! HTTP/2 for checks: one request over a fresh connection, by h2, which hyper stands on.
//!
//! hyper itself wants to hand parts of a connection to a runtime, where they would outlive the attempt; here the
//! connection is driven by the attempt, and gone with it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use super::page::{Page, judge_status};
use super::{failure, network_failure, tls};
use crate::dialogue::quote;
use crate::outcome::{Failure, FailureKind};
use crate::spec::Url;

/// The longest head of an answer, in bytes, each header counted with 32 more (RFC 9113 section 6.5.2).
const LONGEST_HEAD: u32 = 64 * 1024;

/// Asks for a page.
pub(super) async fn ask<S>(stream: S, request: Request<Bytes>, url: &Url) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (sender, connection) = greet(stream).await?;
    drive(connection, exchange(sender, request, url)).await
}

async fn exchange(sender: SendRequest<Bytes>, request: Request<Bytes>, url: &Url) -> Result<(), Failure> {
    let response = send(sender, request).await?;
    judge_status(url, response.status().as_u16())?;
    if url.wants_status_only() {
        return Ok(());
    }
    let (mut body, mut page) = (response.into_body(), Page::new(url));
    while let Some(data) = data(&mut body).await? {
        page.take(&data)?;
    }
    page.judge().await
}

/// Begins a connection. Whether the server speaks HTTP/2 at all is seen only when it answers.
pub(super) async fn greet<S>(stream: S) -> Result<(SendRequest<Bytes>, Connection<S, Bytes>), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = Builder::new();
    builder.enable_push(false).max_header_list_size(LONGEST_HEAD).max_send_buffer_size(128 * 1024);
    builder.handshake(stream).await.map_err(|error| broken(&error))
}

/// Sends a request, and waits for the head of its answer.
pub(super) async fn send(
    sender: SendRequest<Bytes>,
    request: Request<Bytes>,
) -> Result<Response<RecvStream>, Failure> {
    let mut sender = sender.ready().await.map_err(|error| broken(&error))?;
    let (head, body) = request.into_parts();
    let request = Request::from_parts(head, ());
    let sent = sender.send_request(request, body.is_empty());
    let (response, mut stream) = sent.map_err(|error| {
        failure(FailureKind::Local, format!("could not ask: the request is none of HTTP/2 ({error})"))
    })?;
    if !body.is_empty() {
        stream.send_data(body, true).map_err(|error| broken(&error))?;
    }
    response.await.map_err(|error| broken(&error))
}

/// The next part of a body; `None` at its end. The server may send as much again.
pub(super) async fn data(body: &mut RecvStream) -> Result<Option<Bytes>, Failure> {
    let Some(data) = body.data().await else { return Ok(None) };
    let data = data.map_err(|error| broken(&error))?;
    body.flow_control().release_capacity(data.len()).map_err(|error| broken(&error))?;
    Ok(Some(data))
}

/// Runs a connection for as long as the work done over it needs.
pub(super) async fn drive<S, W>(connection: Connection<S, Bytes>, work: W) -> W::Output
where
    S: AsyncRead + AsyncWrite + Unpin,
    W: Future,
{
    let mut work = pin!(work);
    let mut connection = Some(connection);
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        let ended = connection.as_mut().is_some_and(|running| Pin::new(running).poll(context).is_ready());
        if !ended {
            return Poll::Pending;
        }
        // Its end has reached the work by now.
        connection = None;
        work.as_mut().poll(context)
    })
    .await
}

/// Why no complete answer came, in our words.
pub(super) fn broken(error: &h2::Error) -> Failure {
    if let Some(cause) = error.get_io() {
        return tls::broken(cause).unwrap_or_else(|| match cause.kind() {
            _ if cause.raw_os_error().is_some() => network_failure(cause),
            // The library tells its kind only.
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => network_failure(cause),
            io::ErrorKind::InvalidData => {
                failure(FailureKind::Protocol, format!("the answer is not HTTP/2 ({cause})"))
            }
            _ => failure(FailureKind::Closed, "connection closed before the answer was complete"),
        });
    }
    let reason = error.reason().map_or_else(|| "no reason".to_owned(), name);
    match (error.is_remote(), error.is_go_away()) {
        (true, true) => {
            // Servers put words behind their reason, and the library puts those into its own.
            let words = quote(error.to_string().as_bytes());
            failure(FailureKind::Closed, format!("the server ended the connection: {reason} ({words})"))
        }
        (true, false) => failure(FailureKind::Reset, format!("the server gave up on the request: {reason}")),
        (false, _) => failure(FailureKind::Protocol, format!("the answer is not HTTP/2 ({error})")),
    }
}

/// The name of an error code (RFC 9113 section 7).
fn name(reason: Reason) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let number = u32::from(reason);
    let name = usize::try_from(number).ok().and_then(|number| NAMES.get(number));
    name.map_or_else(|| format!("error {number}"), |name| (*name).to_owned())
}

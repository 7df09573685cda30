//! The HTTP check: one GET, judged by its status and, where a digest is given, by its body.
//!
//! The body is read only for a digest: a server that answers well but does not end its answer passes a
//! check that asks for the status alone. Redirects are not followed: 301 is a status like any other.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Version};
use md5::{Digest as _, Md5};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ask_first::AskFirst;
use super::{failure, network_failure, tcp, words};
use crate::outcome::{Failure, FailureKind};
use crate::spec::{Check, Http, HttpVersion, Url};

/// The longest body read for a digest, in bytes.
const LONGEST_BODY: u64 = 16 * 1024 * 1024;
/// The longest head of an answer (status line and headers), in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

/// One GET of one URL.
pub(super) async fn get(check: &Check, http: &Http, step: usize) -> Result<(), Failure> {
    let Some(url) = http.urls.get(step) else {
        return Err(failure(
            FailureKind::Local,
            format!("could not ask: the check has no URL number {step}"),
        ));
    };
    let request = request(check, http, url)?;
    let stream = tcp::connect(check).await?;
    match timeout(check.connect_timeout, ask(stream, request, url)).await {
        Ok(judged) => judged,
        Err(_) => {
            let reason = format!("no complete answer within {}", words(check.connect_timeout));
            Err(failure(FailureKind::Timeout, reason))
        }
    }
}

fn request(check: &Check, http: &Http, url: &Url) -> Result<Request<Empty<Bytes>>, Failure> {
    let virtualhost = url.virtualhost.as_ref().or(http.virtualhost.as_ref());
    let host = virtualhost.cloned().unwrap_or_else(|| own_host(check));
    let (version, close) = match http.protocol {
        HttpVersion::Http10 => (Version::HTTP_10, false),
        HttpVersion::Http10Close => (Version::HTTP_10, true),
        HttpVersion::Http11 => (Version::HTTP_11, true),
    };
    let mut request = Request::get(url.path.as_str())
        .version(version)
        .header(HOST, host)
        .header(USER_AGENT, HeaderValue::from_static("directord"));
    if close {
        request = request.header(CONNECTION, HeaderValue::from_static("close"));
    }
    let unusable = |error| format!("could not ask for path '{}': {error}", url.path);
    request.body(Empty::new()).map_err(|error| failure(FailureKind::Local, unusable(error)))
}

/// The Host header of a server without a virtual host (RFC 9110 section 7.2): its address, and its port
/// unless that is HTTP's own.
fn own_host(check: &Check) -> String {
    let (ip, port) = (check.target.ip(), check.target.port());
    match (ip.is_ipv6(), port) {
        (false, 80) => format!("{ip}"),
        (false, _) => format!("{ip}:{port}"),
        (true, 80) => format!("[{ip}]"),
        (true, _) => format!("[{ip}]:{port}"),
    }
}

/// Speaks HTTP over a fresh connection. What only a reader of headers would mind is forgiven: the check
/// asks whether the server serves, not whether it is tidy.
pub(super) async fn ask(stream: TcpStream, request: Request<Empty<Bytes>>, url: &Url) -> Result<(), Failure> {
    let mut builder = Builder::new();
    builder
        .title_case_headers(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .max_buf_size(LONGEST_HEAD);
    let (sender, connection) =
        builder.handshake(AskFirst::new(stream)).await.map_err(|error| answer_failure(&error))?;
    drive(connection, exchange(sender, request, url)).await
}

async fn exchange(
    mut sender: SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
    url: &Url,
) -> Result<(), Failure> {
    let response = sender.send_request(request).await.map_err(|error| answer_failure(&error))?;
    let status = response.status().as_u16();
    if !url.status.contains(status) {
        let reason = format!("HTTP status {status}, expected {}", url.status);
        return Err(failure(FailureKind::BadStatus, reason));
    }
    match url.digest {
        Some(expected) => judge_body(response.into_body(), expected).await,
        None => Ok(()),
    }
}

async fn judge_body(mut body: Incoming, expected: [u8; 16]) -> Result<(), Failure> {
    let mut md5 = Md5::new();
    let mut length = 0u64;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| answer_failure(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        length += data.len() as u64;
        if length > LONGEST_BODY {
            let reason = format!("body longer than {} MiB", LONGEST_BODY / 1024 / 1024);
            return Err(failure(FailureKind::TooLong, reason));
        }
        md5.update(data);
    }
    let found: [u8; 16] = md5.finalize().into();
    if found == expected {
        return Ok(());
    }
    let reason = format!("body has MD5 sum {}, expected {}", hex(found), hex(expected));
    Err(failure(FailureKind::BadDigest, reason))
}

fn hex(digest: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(digest))
}

/// Runs a connection for as long as the work done over it needs. The connection may end first, since the
/// server closes it after the answer: what it has handed over by then is still to be worked on.
async fn drive<W: Future>(connection: Connection<AskFirst, Empty<Bytes>>, work: W) -> W::Output {
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
        connection = None;
        work.as_mut().poll(context)
    })
    .await
}

/// Why no complete answer came, in our words.
fn answer_failure(error: &hyper::Error) -> Failure {
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    if let Some(cause) = cause.filter(|cause| cause.raw_os_error().is_some()) {
        return network_failure(cause);
    }
    let ended = cause.is_some_and(|cause| cause.kind() == io::ErrorKind::UnexpectedEof);
    if ended || error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return failure(FailureKind::Closed, "connection closed before the answer was complete");
    }
    // hyper tells a client this kind of parse error by its text only.
    if error.is_parse() && error.to_string().contains("too large") {
        let reason = format!("headers longer than {} KiB", LONGEST_HEAD / 1024);
        return failure(FailureKind::TooLong, reason);
    }
    let detail = cause.map_or_else(|| error.to_string(), io::Error::to_string);
    failure(FailureKind::Protocol, format!("the answer is not HTTP ({detail})"))
}

//! The HTTP check, with and without TLS: one GET, judged by its status and, where more is said of it, by its body.
//!
//! The body is read only for a digest or an expression: a server that answers well but does not end its answer passes
//! a check that asks for the status alone. Redirects are not followed: 301 is a status like any other.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Version};
use md5::{Digest as _, Md5};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::ask_first::AskFirst;
use super::{failure, network_failure, socket, tls, words};
use crate::outcome::{Failure, FailureKind};
use crate::search::Search;
use crate::spec::{Check, Http, HttpVersion, Pattern, Url, authority};

/// The longest body read for a digest, in bytes.
const LONGEST_BODY: u64 = 16 * 1024 * 1024;
/// The longest body that is searched, in bytes: it is kept until it is complete.
const LONGEST_SEARCHED: u64 = 4 * 1024 * 1024;
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
    let stream = socket::connect(check).await?;
    let greeting = AtomicBool::new(http.tls.is_some());
    let answered = async {
        match &http.tls {
            None => ask(stream, request, url).await,
            Some(settings) => {
                let host = url.virtualhost.as_ref().or(http.virtualhost.as_ref());
                let stream = tls::greet(check, settings, host.map(String::as_str), stream).await?;
                greeting.store(false, Ordering::Relaxed);
                ask(stream, request, url).await
            }
        }
    };
    match timeout(check.connect_timeout, answered).await {
        Ok(judged) => judged,
        Err(_) => {
            let what =
                if greeting.load(Ordering::Relaxed) { "no TLS connection" } else { "no complete answer" };
            let reason = format!("{what} within {}", words(check.connect_timeout));
            Err(failure(FailureKind::Timeout, reason))
        }
    }
}

fn request(check: &Check, http: &Http, url: &Url) -> Result<Request<Empty<Bytes>>, Failure> {
    let virtualhost = url.virtualhost.as_ref().or(http.virtualhost.as_ref());
    // A page that is asked for by way of the server has a host of its own.
    let host = virtualhost.cloned().or_else(|| authority(&url.path).map(str::to_owned));
    let host = host.unwrap_or_else(|| own_host(check, http.tls.is_some()));
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
fn own_host(check: &Check, tls: bool) -> String {
    let (ip, port) = (check.target.ip(), check.target.port());
    let usual = if tls { 443 } else { 80 };
    match (ip.is_ipv6(), port == usual) {
        (false, true) => format!("{ip}"),
        (false, false) => format!("{ip}:{port}"),
        (true, true) => format!("[{ip}]"),
        (true, false) => format!("[{ip}]:{port}"),
    }
}

/// Speaks HTTP over a fresh connection. What only a reader of headers would mind is forgiven: the check
/// asks whether the server serves, not whether it is tidy.
pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: Request<Empty<Bytes>>,
    url: &Url,
) -> Result<(), Failure> {
    let mut builder = Builder::new();
    builder
        .title_case_headers(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .max_buf_size(LONGEST_HEAD);
    let stream = AskFirst::new(stream, !url.close_notify);
    let (sender, connection) = builder.handshake(stream).await.map_err(|error| answer_failure(&error))?;
    let (judged, connection) = drive(connection, exchange(sender, request, url)).await;
    if let Some(connection) = connection.filter(|_| url.close_notify && judged.is_ok()) {
        // Whether the server hears the farewell does not matter to the verdict.
        let _ = connection.into_parts().io.into_inner().shutdown().await;
    }
    judged
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
    if url.digest.is_none() && url.pattern.is_none() {
        return Ok(());
    }
    let (found, page) = read_body(response.into_body(), url.pattern.is_some()).await?;
    match url.digest {
        Some(expected) if found != expected => {
            let reason = format!("body has MD5 sum {}, expected {}", hex(found), hex(expected));
            return Err(failure(FailureKind::BadDigest, reason));
        }
        _ => {}
    }
    match &url.pattern {
        Some(pattern) => search(pattern, page).await,
        None => Ok(()),
    }
}

/// The MD5 sum of a body; and the body itself, if it is to be kept.
async fn read_body(mut body: Incoming, keep: bool) -> Result<([u8; 16], Vec<u8>), Failure> {
    let longest = if keep { LONGEST_SEARCHED } else { LONGEST_BODY };
    let (mut md5, mut page, mut length) = (Md5::new(), Vec::new(), 0u64);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| answer_failure(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        length += data.len() as u64;
        if length > longest {
            let reason = format!("body longer than {} MiB", longest / 1024 / 1024);
            return Err(failure(FailureKind::TooLong, reason));
        }
        md5.update(data);
        if keep {
            page.extend_from_slice(data);
        }
    }
    Ok((md5.finalize().into(), page))
}

/// Searches a page, which may take a while, apart from the attempts that wait for their servers.
async fn search(pattern: &Pattern, page: Vec<u8>) -> Result<(), Failure> {
    let owned = pattern.clone();
    let searched = tokio::task::spawn_blocking(move || {
        let search = Search::new(&owned).map_err(|error| error.to_string())?;
        search.passes(&page)
    });
    let (kind, reason) = match searched.await {
        Ok(Ok(true)) => return Ok(()),
        Ok(Ok(false)) if pattern.absent => {
            (FailureKind::BadAnswer, format!("the page has something in it that matches '{}'", pattern.text))
        }
        Ok(Ok(false)) => {
            (FailureKind::BadAnswer, format!("the page has nothing in it that matches '{}'", pattern.text))
        }
        Ok(Err(error)) => {
            (FailureKind::BadAnswer, format!("the search for '{}' was given up: {error}", pattern.text))
        }
        Err(panic) => (FailureKind::Local, format!("could not search the page: {panic}")),
    };
    Err(failure(kind, reason))
}

fn hex(digest: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(digest))
}

/// Runs a connection for as long as the work done over it needs, and gives it back if it is still there. It may end
/// first, since the server closes it after the answer: what it has handed over by then is still to be worked on.
async fn drive<S, W>(
    connection: Connection<AskFirst<S>, Empty<Bytes>>,
    work: W,
) -> (W::Output, Option<Connection<AskFirst<S>, Empty<Bytes>>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    W: Future,
{
    let mut work = pin!(work);
    let mut connection = Some(connection);
    let done = poll_fn(|context| {
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
    .await;
    (done, connection)
}

/// Why no complete answer came, in our words.
fn answer_failure(error: &hyper::Error) -> Failure {
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    if let Some(cause) = cause.filter(|cause| cause.raw_os_error().is_some()) {
        return network_failure(cause);
    }
    if let Some(fault) = cause.and_then(tls::broken) {
        return fault;
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

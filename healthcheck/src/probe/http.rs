//! The HTTP check, with and without TLS: one request, judged by its status and, where more is said of it, by its body.
//!
//! The body is read only where more is said of it: a server that answers well but does not end its answer passes a
//! check that asks for the status alone. Redirects are not followed: 301 is a status like any other.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, USER_AGENT};
use hyper::http::request::Builder as Draft;
use hyper::{Method, Request, Version};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::ask_first::AskFirst;
use super::page::{Page, judge_status};
use super::{failure, http2, network_failure, socket, tls, words};
use crate::outcome::{Failure, FailureKind};
use crate::spec::{self, BasicLogin, Check, Http, HttpVersion, Url, authority};
use crate::warning::Aside;

/// The longest head of an answer (status line and headers), in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

/// One request for one URL.
pub(super) async fn get(check: &Check, http: &Http, step: usize, aside: &mut Aside) -> Result<(), Failure> {
    let Some(url) = http.urls.get(step) else {
        return Err(failure(
            FailureKind::Local,
            format!("could not ask: the check has no URL number {step}"),
        ));
    };
    let request = request(check, http, url)?;
    let stream = socket::connect(check).await?;
    let greeting = AtomicBool::new(http.tls.is_some());
    let host = url.virtualhost.as_deref().or(http.virtualhost.as_deref());
    let answered = async {
        // What few checks need must not make every attempt a large one.
        match (&http.tls, http.protocol) {
            (None, HttpVersion::Http2) => Box::pin(http2::ask(stream, request, url)).await,
            (None, _) => ask(stream, request.map(Full::new), url).await,
            (Some(settings), HttpVersion::Http2) => {
                let stream = Box::pin(tls::greet_http2(check, settings, host, stream)).await?;
                tls::note_expiry(&stream, settings, aside);
                greeting.store(false, Ordering::Relaxed);
                Box::pin(http2::ask(stream, request, url)).await
            }
            (Some(settings), _) => {
                let stream = tls::greet(check, settings, host, stream).await?;
                tls::note_expiry(&stream, settings, aside);
                greeting.store(false, Ordering::Relaxed);
                ask(stream, request.map(Full::new), url).await
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

fn request(check: &Check, http: &Http, url: &Url) -> Result<Request<Bytes>, Failure> {
    let virtualhost = url.virtualhost.as_ref().or(http.virtualhost.as_ref());
    // A page that is asked for by way of the server has a host of its own.
    let host = virtualhost.cloned().or_else(|| authority(&url.path).map(str::to_owned));
    let host = host.unwrap_or_else(|| own_host(check, http.tls.is_some()));
    let mut request = Request::builder().method(method(url.method));
    request = match http.protocol {
        HttpVersion::Http10 | HttpVersion::Http10Close => {
            request.uri(url.path.as_str()).version(Version::HTTP_10).header(HOST, host)
        }
        HttpVersion::Http11 => request.uri(url.path.as_str()).version(Version::HTTP_11).header(HOST, host),
        // Here the host stands in the address (RFC 9113 section 8.3.1).
        HttpVersion::Http2 if authority(&url.path).is_some() => {
            request.uri(url.path.as_str()).version(Version::HTTP_2)
        }
        HttpVersion::Http2 => {
            let scheme = if http.tls.is_some() { "https" } else { "http" };
            request.uri(format!("{scheme}://{host}{}", url.path)).version(Version::HTTP_2)
        }
    };
    let own = || http.headers.iter().chain(&url.headers);
    if !own().any(|header| header.name.eq_ignore_ascii_case("user-agent")) {
        request = request.header(USER_AGENT, HeaderValue::from_static("directord"));
    }
    if matches!(http.protocol, HttpVersion::Http10Close | HttpVersion::Http11) {
        request = request.header(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(login) = &http.login {
        request = basic(request, login);
    }
    for header in own() {
        request = request.header(header.name.as_str(), header.value.reveal());
    }
    let body =
        url.body.as_ref().map_or_else(Bytes::new, |body| Bytes::copy_from_slice(body.reveal().as_bytes()));
    // A server may refuse such a request without a length (RFC 9110 section 8.6).
    if body.is_empty() && matches!(url.method, spec::Method::Post | spec::Method::Put | spec::Method::Patch) {
        request = request.header(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    // HTTP/2 needs none, and who reads the request behind it often does.
    if !body.is_empty() && http.protocol == HttpVersion::Http2 {
        request = request.header(CONTENT_LENGTH, body.len());
    }
    let unusable = |error| format!("could not ask for path '{}': {error}", url.path);
    request.body(body).map_err(|error| failure(FailureKind::Local, unusable(error)))
}

fn method(method: spec::Method) -> Method {
    match method {
        spec::Method::Get => Method::GET,
        spec::Method::Head => Method::HEAD,
        spec::Method::Post => Method::POST,
        spec::Method::Put => Method::PUT,
        spec::Method::Patch => Method::PATCH,
        spec::Method::Delete => Method::DELETE,
        spec::Method::Options => Method::OPTIONS,
    }
}

/// Says who we are (RFC 7617 section 2).
fn basic(request: Draft, login: &BasicLogin) -> Draft {
    let both = Zeroizing::new(format!("{}:{}", login.name, login.password.reveal()));
    let said = Zeroizing::new(format!("Basic {}", BASE64.encode(both.as_bytes())));
    match HeaderValue::from_str(&said) {
        Ok(mut value) => {
            value.set_sensitive(true);
            request.header(AUTHORIZATION, value)
        }
        // Base64 fits into any header.
        Err(_) => request,
    }
}

/// The Host header of a server without a virtual host (RFC 9110 section 7.2): its address, and its port
/// unless that is HTTP's own.
pub(super) fn own_host(check: &Check, tls: bool) -> String {
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
    request: Request<Full<Bytes>>,
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
    mut sender: SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    url: &Url,
) -> Result<(), Failure> {
    let response = sender.send_request(request).await.map_err(|error| answer_failure(&error))?;
    judge_status(url, response.status().as_u16())?;
    if url.wants_status_only() {
        return Ok(());
    }
    let (mut body, mut page) = (response.into_body(), Page::new(url));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| answer_failure(&error))?;
        if let Some(data) = frame.data_ref() {
            page.take(data)?;
        }
    }
    page.judge().await
}

/// Runs a connection for as long as the work done over it needs, and gives it back if it is still there. It may end
/// first, since the server closes it after the answer: what it has handed over by then is still to be worked on.
async fn drive<S, W>(
    connection: Connection<AskFirst<S>, Full<Bytes>>,
    work: W,
) -> (W::Output, Option<Connection<AskFirst<S>, Full<Bytes>>>)
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

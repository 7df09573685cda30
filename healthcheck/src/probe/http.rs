//! The HTTP check, with and without TLS: one request, judged by its status and, where more is said of it, by its body.
//!
//! The body is read only where more is said of it: a server that answers well but does not end its answer passes a
//! check that asks for the status alone. Redirects are not followed: 301 is a status like any other.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue, USER_AGENT};
use http::{Request, Version};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::connection::cut;
use super::page::{Page, judge_status};
use super::within::within;
use super::{failure, http2, network_failure, socket, tls, words};
use crate::dialogue::http::{Answer, Fault, LONGEST_HEAD, Piece, basic, request};
use crate::outcome::{Failure, FailureKind};
use crate::spec::{Check, Http, HttpVersion, Url, authority};
use crate::warning::Aside;

/// Bytes that are read at once. Much of a short page comes with its head, and is taken though the status may be all that
/// counts: closing over bytes that nobody has read would reset the connection.
const PIECE: usize = 16 * 1024;

/// One request for one URL.
pub(super) async fn get(check: &Check, http: &Http, step: usize, aside: &mut Aside) -> Result<(), Failure> {
    let Some(url) = http.urls.get(step) else {
        return Err(failure(
            FailureKind::Local,
            format!("could not ask: the check has no URL number {step}"),
        ));
    };
    // One that is none is found before anybody is asked.
    let by_http2 = match http.protocol {
        HttpVersion::Http2 => Some(Box::new(request2(check, http, url)?)),
        _ => None,
    };
    let stream = socket::connect(check).await?;
    let greeting = AtomicBool::new(http.tls.is_some());
    let host = url.virtualhost.as_deref().or(http.virtualhost.as_deref());
    let answered = async {
        // What few checks need must not make every attempt a large one.
        match (&http.tls, by_http2) {
            (None, Some(request)) => Box::pin(http2::ask(stream, *request, url)).await,
            (None, None) => ask(stream, &request(http, url, &own_host(check, false)), url).await,
            (Some(settings), Some(request)) => {
                let stream = Box::pin(tls::greet_http2(check, settings, host, stream)).await?;
                tls::note_expiry(&stream, settings, aside);
                greeting.store(false, Ordering::Relaxed);
                Box::pin(http2::ask(stream, *request, url)).await
            }
            (Some(settings), None) => {
                let stream = Box::pin(tls::greet(check, settings, host, stream)).await?;
                tls::note_expiry(&stream, settings, aside);
                greeting.store(false, Ordering::Relaxed);
                ask(stream, &request(http, url, &own_host(check, true)), url).await
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

/// The request as HTTP/2 has it. The host stands in the address (RFC 9113 section 8.3.1).
fn request2(check: &Check, http: &Http, url: &Url) -> Result<Request<Bytes>, Failure> {
    let mut request = Request::builder().method(url.method.as_str()).version(Version::HTTP_2);
    request = if authority(&url.path).is_some() {
        request.uri(url.path.as_str())
    } else {
        let virtualhost = url.virtualhost.as_ref().or(http.virtualhost.as_ref());
        let host = virtualhost.cloned().unwrap_or_else(|| own_host(check, http.tls.is_some()));
        let scheme = if http.tls.is_some() { "https" } else { "http" };
        request.uri(format!("{scheme}://{host}{}", url.path))
    };
    let own = || http.headers.iter().chain(&url.headers);
    if !own().any(|header| header.name.eq_ignore_ascii_case("user-agent")) {
        request = request.header(USER_AGENT, HeaderValue::from_static("directord"));
    }
    // Base64 fits into any header.
    if let Some(mut said) = http.login.as_ref().and_then(|login| HeaderValue::from_str(&basic(login)).ok()) {
        said.set_sensitive(true);
        request = request.header(AUTHORIZATION, said);
    }
    for header in own() {
        request = request.header(header.name.as_str(), header.value.reveal());
    }
    let body =
        url.body.as_ref().map_or_else(Bytes::new, |body| Bytes::copy_from_slice(body.reveal().as_bytes()));
    // It needs none, and who reads the request behind it often does (RFC 9110 section 8.6).
    if !body.is_empty() || url.method.takes_body() {
        request = request.header(CONTENT_LENGTH, body.len());
    }
    let unusable = |error| format!("could not ask for path '{}': {error}", url.path);
    request.body(body).map_err(|error| failure(FailureKind::Local, unusable(error)))
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

/// Speaks HTTP/1 over a fresh connection.
pub(super) async fn ask<S>(mut stream: S, request: &[u8], url: &Url) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut question = Unsaid { rest: request, flushed: false, refused: None };
    let judged = exchange(&mut stream, &mut question, url).await;
    if url.close_notify && judged.is_ok() {
        // Whether the server hears the farewell does not matter to the verdict.
        let _ = stream.shutdown().await;
    }
    judged
}

async fn exchange<S>(stream: &mut S, question: &mut Unsaid<'_>, url: &Url) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut answer = Answer::new(url.method);
    let mut page = Page::new(url);
    let (mut heard, mut over) = (Vec::new(), 0);
    loop {
        let (taken, piece) =
            answer.next(heard.get(over..).unwrap_or_default()).map_err(|fault| faulty(&fault))?;
        match piece {
            Some(Piece::Status(status)) => {
                judge_status(url, status)?;
                if url.wants_status_only() {
                    return Ok(());
                }
            }
            Some(Piece::Body(data)) => page.take(data)?,
            Some(Piece::End) => return page.judge().await,
            None if taken > 0 => {}
            None => {
                heard.drain(..over);
                over = 0;
                let more = hear(stream, question, &mut heard).await;
                let ended = match more {
                    // TLS that ends without a word is an end like any other, unless it is asked to be tidy.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !url.close_notify => true,
                    more => more.map_err(|error| broken(&error))? == 0,
                };
                if ended {
                    answer.end().map_err(|fault| faulty(&fault))?;
                    return page.judge().await;
                }
            }
        }
        over += taken;
    }
}

/// What is still to be said of a request.
struct Unsaid<'a> {
    rest: &'a [u8],
    flushed: bool,
    /// Why the server did not hear it to the end. It may have answered all the same.
    refused: Option<io::Error>,
}

impl Unsaid<'_> {
    fn poll_say<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, context: &mut std::task::Context<'_>) {
        while !self.flushed {
            let said = match self.rest {
                [] => Pin::new(&mut *stream).poll_flush(context).map_ok(|()| None),
                rest => Pin::new(&mut *stream).poll_write(context, rest).map_ok(Some),
            };
            match said {
                Poll::Pending => return,
                Poll::Ready(Ok(None)) => self.flushed = true,
                Poll::Ready(Ok(Some(said @ 1..))) => self.rest = self.rest.get(said..).unwrap_or_default(),
                Poll::Ready(Ok(Some(0))) => self.give_up(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Err(error)) => self.give_up(error),
            }
        }
    }

    fn give_up(&mut self, error: io::Error) {
        (self.flushed, self.refused) = (true, Some(error));
    }
}

/// Appends what comes next, and says meanwhile what is to be said; how many bytes came, 0 at the end.
async fn hear<S>(stream: &mut S, question: &mut Unsaid<'_>, heard: &mut Vec<u8>) -> io::Result<usize>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let came = poll_fn(|context| {
        question.poll_say(stream, context);
        // Not kept while it waits: thousands of attempts do at once.
        let mut room = [const { MaybeUninit::uninit() }; PIECE];
        let mut room = ReadBuf::uninit(&mut room);
        let read = Pin::new(&mut *stream).poll_read(context, &mut room);
        heard.extend_from_slice(room.filled());
        read.map_ok(|()| room.filled().len())
    })
    .await;
    match (came, question.refused.take()) {
        (Ok(0), Some(refused)) => Err(refused),
        (came, _) => came,
    }
}

fn faulty(fault: &Fault) -> Failure {
    match fault {
        Fault::NotHttp(why) => failure(FailureKind::Protocol, format!("the answer is not HTTP ({why})")),
        Fault::LongHead => {
            let reason = format!("headers longer than {} KiB", LONGEST_HEAD / 1024);
            failure(FailureKind::TooLong, reason)
        }
        Fault::Cut => cut(),
    }
}

fn broken(error: &io::Error) -> Failure {
    if error.raw_os_error().is_some() {
        return network_failure(error);
    }
    tls::broken(error).unwrap_or_else(|| match error.kind() {
        io::ErrorKind::UnexpectedEof => cut(),
        _ => network_failure(error),
    })
}

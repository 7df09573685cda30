//! Probes against small servers on the loopback interface, each misbehaving in its own way.

mod datagram;
mod dialogue;
mod http2;
mod proxy;
mod radius;
mod request;
mod smtp;
mod talk;
mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::attempt;
use crate::outcome::{FailureKind, Outcome};
use crate::spec::{Check, Http, HttpVersion, Kind, Url, check_path, parse_digest};

/// Long enough for anything that is meant to happen.
const AMPLE: Duration = Duration::from_secs(20);
/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(80);

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(AMPLE, future).await.expect("the attempt ends by itself") })
}

fn check(target: SocketAddr, kind: Kind, connect_timeout: Duration) -> Check {
    Check { connect_timeout, ..Check::new(kind, target) }
}

fn tcp(target: SocketAddr, connect_timeout: Duration) -> Check {
    check(target, Kind::Tcp, connect_timeout)
}

fn http(target: SocketAddr, url: Url, connect_timeout: Duration) -> Check {
    let settings = Http { urls: vec![url], ..Http::default() };
    check(target, Kind::Http(settings), connect_timeout)
}

fn page(path: &str) -> Url {
    Url::new(path).unwrap()
}

fn with_digest(digest: &str) -> Url {
    Url { digest: Some(parse_digest(digest).unwrap()), ..page("/") }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A listener whose queue is full answers no further connection.
async fn deaf() -> (TcpListener, SocketAddr, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(connected) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
        queued.push(connected.unwrap());
    }
    (listener, address, queued)
}

/// Reads a request up to its empty line.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(request).unwrap()
}

/// Asks a server that behaves as `serve` says, once its client's request has arrived.
fn ask<S: Future<Output = ()>>(url: Url, patience: Duration, serve: impl FnOnce(TcpStream) -> S) -> Outcome {
    run(async {
        let (listener, address) = listen().await;
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            serve(stream).await;
            std::future::pending().await
        };
        let check = http(address, url, patience);
        tokio::select! { outcome = attempt(&check, 0) => outcome, () = server => unreachable!() }
    })
}

/// Asks a server that sends these bytes, and closes.
fn answered(url: Url, answer: &'static [u8]) -> Outcome {
    ask(url, AMPLE, async move |mut stream: TcpStream| {
        stream.write_all(answer).await.unwrap();
    })
}

fn kind(outcome: &Outcome) -> FailureKind {
    outcome.result.as_ref().expect_err("the attempt fails").kind
}

fn reason(outcome: &Outcome) -> &str {
    &outcome.result.as_ref().expect_err("the attempt fails").reason
}

#[test]
fn tcp_passes_where_somebody_listens() {
    run(async {
        let (_listener, address) = listen().await;
        let outcome = attempt(&tcp(address, AMPLE), 0).await;
        assert_eq!(outcome.result, Ok(()));
        assert!(outcome.took < AMPLE);
    });
}

#[test]
fn tcp_closes_in_the_ordinary_way() {
    run(async {
        let (listener, address) = listen().await;
        assert_eq!(attempt(&tcp(address, AMPLE), 0).await.result, Ok(()));
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "an end, not a reset");
    });
}

#[test]
fn tcp_fails_where_nobody_listens() {
    run(async {
        let (listener, address) = listen().await;
        drop(listener);
        let outcome = attempt(&tcp(address, AMPLE), 0).await;
        assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Refused, "connection refused"));
    });
}

#[test]
fn tcp_gives_up_on_a_server_that_does_not_accept() {
    run(async {
        let (_listener, address, _queued) = deaf().await;
        let outcome = attempt(&tcp(address, SHORT), 0).await;
        assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Timeout, "no connection within 0.08 s"));
        // To about a millisecond.
        assert!(outcome.took >= SHORT - SHORT / 10, "{:?}", outcome.took);
    });
}

#[test]
fn the_source_is_used_and_a_foreign_one_is_our_own_failure() {
    run(async {
        let (listener, address) = listen().await;
        let bound = Check { source: Some("127.0.0.9:0".parse().unwrap()), ..tcp(address, AMPLE) };
        assert_eq!(attempt(&bound, 0).await.result, Ok(()));
        assert_eq!(listener.accept().await.unwrap().1.ip(), bound.source.unwrap().ip());

        let foreign = Check { source: Some("192.0.2.1:0".parse().unwrap()), ..tcp(address, AMPLE) };
        let outcome = attempt(&foreign, 0).await;
        assert_eq!(kind(&outcome), FailureKind::Local);
        assert!(reason(&outcome).contains("192.0.2.1"), "{}", reason(&outcome));
    });
}

#[test]
fn a_fixed_source_port_serves_attempt_after_attempt() {
    run(async {
        let (listener, address) = listen().await;
        let (free, source) = listen().await;
        drop(free);
        let bound = Check { source: Some(source), ..tcp(address, AMPLE) };
        for _ in 0..3 {
            assert_eq!(attempt(&bound, 0).await.result, Ok(()));
            assert_eq!(listener.accept().await.unwrap().1, source);
        }
    });
}

#[test]
fn a_connection_that_meets_itself_is_refused() {
    run(async {
        let (free, address) = listen().await;
        drop(free);
        let outcome = attempt(&Check { source: Some(address), ..tcp(address, AMPLE) }, 0).await;
        assert_eq!(kind(&outcome), FailureKind::Refused);
    });
}

#[test]
fn requests_are_written_as_the_protocol_asks() {
    let golden = [
        (
            HttpVersion::Http10,
            "GET /a?b=c HTTP/1.0\r\nHost: www.example.org\r\nUser-Agent: directord\r\n\r\n",
        ),
        (
            HttpVersion::Http10Close,
            "GET /a?b=c HTTP/1.0\r\nHost: www.example.org\r\nUser-Agent: directord\r\nConnection: close\r\n\r\n",
        ),
        (
            HttpVersion::Http11,
            "GET /a?b=c HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: directord\r\nConnection: close\r\n\r\n",
        ),
    ];
    for (protocol, expected) in golden {
        let request = requested(|settings| {
            settings.protocol = protocol;
            settings.virtualhost = Some("www.example.org".into());
        });
        assert_eq!(request, expected);
    }
}

#[test]
fn the_host_is_the_urls_else_the_checks_else_the_address() {
    let own = requested(|settings| {
        settings.virtualhost = Some("check.example".into());
        settings.urls[0].virtualhost = Some("url.example".into());
    });
    assert!(own.contains("\r\nHost: url.example\r\n"), "{own}");
    let none = requested(|_| {});
    assert!(none.contains("\r\nHost: 127.0.0.1:"), "{none}");
}

/// The request a check sends after `adapt` has changed its settings.
fn requested(adapt: impl FnOnce(&mut Http)) -> String {
    run(async {
        let (listener, address) = listen().await;
        let mut settings = Http { urls: vec![page("/a?b=c")], ..Http::default() };
        adapt(&mut settings);
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            request
        };
        let check = check(address, Kind::Http(settings), AMPLE);
        let (outcome, request) = tokio::join!(attempt(&check, 0), server);
        assert_eq!(outcome.result, Ok(()));
        request
    })
}

#[test]
fn the_step_chooses_the_url() {
    run(async {
        let (listener, address) = listen().await;
        let urls = vec![page("/first"), page("/second")];
        let settings = Http { urls, ..Http::default() };
        let check = check(address, Kind::Http(settings), AMPLE);
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.unwrap();
            request
        };
        let (outcome, request) = tokio::join!(attempt(&check, 1), server);
        assert_eq!(outcome.result, Ok(()));
        assert!(request.starts_with("GET /second "));
        assert_eq!(kind(&attempt(&check, 2).await), FailureKind::Local);
    });
}

#[test]
fn every_path_that_may_be_configured_can_be_asked_for() {
    for byte in 0..=127u8 {
        for path in [format!("/a{}b", char::from(byte)), format!("/?a{}b", char::from(byte))] {
            let allowed = check_path(&path).is_ok();
            let usable = path.parse::<http::Uri>().is_ok();
            assert!(usable || !allowed, "{path}");
        }
    }
}

#[test]
fn statuses_are_judged() {
    assert_eq!(answered(page("/"), b"HTTP/1.1 204 No Content\r\n\r\n").result, Ok(()));
    assert_eq!(answered(page("/"), b"HTTP/1.0 200 OK\nTidy : no\n folded\n\xff\n\nhello").result, Ok(()));
    let outcome = answered(page("/"), b"HTTP/1.0 503 Service Unavailable\r\n\r\n");
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::BadStatus, "HTTP status 503, expected 200-299")
    );
    let moved = Url { status: "301-302 401".parse().unwrap(), ..page("/") };
    assert_eq!(answered(moved.clone(), b"HTTP/1.0 302 Found\r\nLocation: /b\r\n\r\n").result, Ok(()));
    let outcome = answered(moved, b"HTTP/1.0 200 OK\r\n\r\n");
    assert_eq!(reason(&outcome), "HTTP status 200, expected 301-302 401");
}

/// `printf 'hello\n' | md5sum`
const HELLO: &str = "b1946ac92492d2347c6235b4d2611184";

#[test]
fn digests_are_judged_however_the_body_is_delimited() {
    let answers: [&'static [u8]; 3] = [
        b"HTTP/1.0 200 OK\r\n\r\nhello\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n4\r\nllo\n\r\n0\r\n\r\n",
    ];
    for answer in answers {
        assert_eq!(answered(with_digest(HELLO), answer).result, Ok(()));
    }
    let outcome = answered(with_digest(HELLO), b"HTTP/1.0 200 OK\r\n\r\nhallo\n");
    assert_eq!(kind(&outcome), FailureKind::BadDigest);
    let expected =
        "body has MD5 sum aee97cb3ad288ef0add6c6b5b5fae48a, expected b1946ac92492d2347c6235b4d2611184";
    assert_eq!(reason(&outcome), expected);
}

#[test]
fn a_body_in_drips_is_read_to_its_end() {
    let outcome = ask(with_digest(HELLO), AMPLE, async |mut stream: TcpStream| {
        for byte in b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nhello\n" {
            stream.write_u8(*byte).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(outcome.result, Ok(()));
}

#[test]
fn drips_without_end_do_not_stretch_the_deadline() {
    let outcome = ask(page("/"), SHORT, async |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nX: ").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::Timeout, "no complete answer within 0.08 s")
    );
}

#[test]
fn silence_is_given_up_on() {
    let outcome = ask(page("/"), SHORT, async |_stream: TcpStream| std::future::pending().await);
    assert_eq!(kind(&outcome), FailureKind::Timeout);
}

#[test]
fn a_body_that_never_ends_matters_only_to_a_digest() {
    async fn endless(mut stream: TcpStream) {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 65536]).await.is_ok() {}
    }
    assert_eq!(ask(page("/"), AMPLE, endless).result, Ok(()));
    let outcome = ask(with_digest(HELLO), AMPLE, endless);
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::TooLong, "body longer than 16 MiB"));
}

#[test]
fn headers_that_never_end_are_too_long() {
    let outcome = ask(page("/"), AMPLE, async |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nX: ").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::TooLong, "headers longer than 64 KiB"));
}

#[test]
fn what_is_not_http_is_told_apart() {
    for answer in [&b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..], b"\0\x01\x02\x03\r\n\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n"]
    {
        let outcome = answered(page("/"), answer);
        assert_eq!(kind(&outcome), FailureKind::Protocol, "{outcome:?}");
        assert!(reason(&outcome).starts_with("the answer is not HTTP"), "{outcome:?}");
    }
}

#[test]
fn broken_chunks_are_not_http() {
    let outcome =
        answered(with_digest(HELLO), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhello");
    assert_eq!(kind(&outcome), FailureKind::Protocol, "{outcome:?}");
}

#[test]
fn an_answer_cut_off_is_no_answer() {
    let complete = "connection closed before the answer was complete";
    for answer in [&b""[..], b"HTTP/1.0 20", b"HTTP/1.0 200 OK\r\nContent-"] {
        let outcome = answered(page("/"), answer);
        assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Closed, complete));
    }
    let outcome = answered(with_digest(HELLO), b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello\n");
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Closed, complete));
    let outcome =
        answered(with_digest(HELLO), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Closed, complete));
}

#[test]
fn a_reset_is_told_apart() {
    let outcome = ask(page("/"), AMPLE, async |stream: TcpStream| {
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Reset, "connection reset by the server"));
}

#[test]
fn an_answer_that_comes_before_the_request_passes() {
    run(async {
        let (listener, address) = listen().await;
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello\n").await.unwrap();
        stream.readable().await.unwrap();
        let request = b"GET / HTTP/1.0\r\n\r\n";
        assert_eq!(super::http::ask(stream, request, &page("/")).await, Ok(()));
    });
}

fn searching(text: &str) -> Url {
    let pattern = crate::spec::Pattern { text: text.to_owned(), ..Default::default() };
    Url { pattern: Some(Box::new(pattern)), ..page("/") }
}

#[test]
fn pages_are_searched() {
    let hello = b"HTTP/1.0 200 OK\r\n\r\nhello, world\n";
    assert_eq!(answered(searching("w.rld$"), hello).result, Ok(()));
    let outcome = answered(searching("^w.rld"), hello);
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::BadAnswer, "the page has nothing in it that matches '^w.rld'")
    );
    let mut absent = searching("error");
    absent.pattern.as_mut().unwrap().absent = true;
    assert_eq!(answered(absent.clone(), hello).result, Ok(()));
    let outcome = answered(absent, b"HTTP/1.0 200 OK\r\n\r\nan error\n");
    assert_eq!(reason(&outcome), "the page has something in it that matches 'error'");
}

#[test]
fn a_page_without_end_is_not_searched_for_ever() {
    let outcome = ask(searching("never"), AMPLE, async |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 65536]).await.is_ok() {}
    });
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::TooLong, "body longer than 4 MiB"));
}

#[test]
fn a_device_that_is_not_there_is_our_own_failure() {
    run(async {
        let (_listener, address) = listen().await;
        let through = Check { device: Some("no-such-device".to_owned()), ..tcp(address, AMPLE) };
        let outcome = attempt(&through, 0).await;
        assert_eq!(kind(&outcome), FailureKind::Local);
        assert!(reason(&outcome).contains("no-such-device"), "{}", reason(&outcome));
    });
}

//! HTTP/2 and gRPC: servers that speak them well, badly, and not at all.

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Request, Response};

use super::*;
use crate::spec::{Assertion, Grpc, Method, Secret};

/// What a server has at hand to answer a request with.
type Respond = SendResponse<Bytes>;

/// Serves the requests of one connection, each by this.
async fn serve<S, F>(stream: S, answer: impl Fn(Request<RecvStream>, Respond) -> F)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    F: Future<Output = ()> + Send + 'static,
{
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond));
    }
}

/// Makes an attempt at a server that does this with its connection.
fn met<S: Future<Output = ()>>(
    kind: Kind,
    patience: Duration,
    serve: impl FnOnce(TcpStream) -> S,
) -> Outcome {
    run(async {
        let (listener, address) = listen().await;
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream).await;
            std::future::pending().await
        };
        let check = check(address, kind, patience);
        tokio::select! { outcome = attempt(&check, 0) => outcome, () = server => unreachable!() }
    })
}

fn web(url: Url) -> Kind {
    Kind::Http(Http { urls: vec![url], protocol: HttpVersion::Http2, ..Http::default() })
}

/// An answer of these statuses and this body.
fn plain(
    status: u16,
    body: &'static [u8],
) -> impl Fn(Request<RecvStream>, Respond) -> std::future::Ready<()> {
    move |_, mut respond| {
        let head = Response::builder().status(status).body(()).unwrap();
        let mut stream = respond.send_response(head, body.is_empty()).unwrap();
        if !body.is_empty() {
            stream.send_data(Bytes::from_static(body), true).unwrap();
        }
        std::future::ready(())
    }
}

#[test]
fn pages_over_http2_are_judged_like_any_other() {
    let asked = |url: Url, status, body| met(web(url), AMPLE, |stream| serve(stream, plain(status, body)));
    assert_eq!(asked(page("/"), 200, b"").result, Ok(()));
    assert_eq!(asked(with_digest(HELLO), 200, b"hello\n").result, Ok(()));
    assert_eq!(asked(searching("^hel"), 200, b"hello\n").result, Ok(()));
    let json = Url { json: vec![Assertion::read(&["/a", "1"]).unwrap()], ..page("/") };
    assert_eq!(asked(json, 200, b"{\"a\": 1}").result, Ok(()));
    let outcome = asked(page("/"), 503, b"no");
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::BadStatus, "HTTP status 503, expected 200-299")
    );
    assert_eq!(kind(&asked(with_digest(HELLO), 200, b"hullo\n")), FailureKind::BadDigest);
}

#[test]
fn requests_over_http2_say_what_they_are_told_to() {
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let url = Url {
        method: Method::Post,
        body: Some(Secret::new("ping".to_owned())),
        headers: vec!["X-Probe: one".parse().unwrap()],
        ..page("/a?b=c")
    };
    let settings = Http {
        urls: vec![url],
        protocol: HttpVersion::Http2,
        virtualhost: Some("a.example:81".to_owned()),
        ..Http::default()
    };
    let outcome = met(Kind::Http(settings), AMPLE, |stream| {
        serve(stream, move |mut request, mut respond| {
            let sender = sender.clone();
            async move {
                let body = request.body_mut().data().await.unwrap().unwrap();
                let header = request.headers().get("x-probe").cloned();
                sender.send((request.method().clone(), request.uri().to_string(), header, body)).unwrap();
                let _ = respond.send_response(Response::new(()), true);
            }
        })
    });
    assert_eq!(outcome.result, Ok(()));
    let (method, uri, header, body) = heard.try_recv().unwrap();
    assert_eq!((method.as_str(), uri.as_str()), ("POST", "http://a.example:81/a?b=c"));
    assert_eq!((header.unwrap().as_bytes(), &body[..]), (&b"one"[..], &b"ping"[..]));
}

/// A frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` (RFC 7541 appendix A).
const OK: &[u8] = &[0x88];

/// An attempt at a server that waits for a request, sends these bytes behind its settings, and then is silent.
fn told(patience: Duration, bytes: Vec<u8>) -> Outcome {
    met(web(page("/")), patience, async move |mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(&frame(SETTINGS, 0, 0, &[])).await;
        let _ = stream.write_all(&bytes).await;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await.is_ok_and(|length| length > 0) {}
        std::future::pending::<()>().await;
    })
}

#[test]
fn frames_that_are_wrong_are_told_apart() {
    assert_eq!(told(AMPLE, frame(HEADERS, END_HEADERS | END_STREAM, 1, OK)).result, Ok(()));
    let calm = [0, 0, 0, 0, 0, 0, 0, 11];
    let cases = [
        (
            frame(GOAWAY, 0, 0, &[&calm[..], b"go\naway"].concat()),
            FailureKind::Closed,
            "the server ended the connection: ENHANCE_YOUR_CALM",
        ),
        (
            frame(RST_STREAM, 0, 1, &[0, 0, 0, 7]),
            FailureKind::Reset,
            "the server gave up on the request: REFUSED_STREAM",
        ),
        (
            frame(RST_STREAM, 0, 1, &[0, 0, 0, 13]),
            FailureKind::Reset,
            "the server gave up on the request: HTTP_1_1_REQUIRED",
        ),
        (frame(HEADERS, END_HEADERS, 1, &[0xff; 9]), FailureKind::Protocol, "the answer is not HTTP/2"),
        (frame(HEADERS, END_HEADERS, 2, OK), FailureKind::Protocol, "the answer is not HTTP/2"),
        (
            frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]),
            FailureKind::Protocol,
            "the answer is not HTTP/2",
        ),
        (frame(0, 0, 0, b"data for nobody"), FailureKind::Protocol, "the answer is not HTTP/2"),
        (frame(PING, 0, 0, b"seven.."), FailureKind::Protocol, "the answer is not HTTP/2"),
        (vec![0xff; 64], FailureKind::Protocol, "the answer is not HTTP/2"),
    ];
    for (bytes, expected, words) in cases {
        let outcome = told(AMPLE, bytes.clone());
        assert_eq!(kind(&outcome), expected, "{outcome:?} {bytes:?}");
        assert!(reason(&outcome).starts_with(words), "{outcome:?}");
        assert!(!reason(&outcome).contains('\n'));
    }
    let outcome = told(SHORT, frame(HEADERS, END_HEADERS, 1, &[]));
    assert!(matches!(kind(&outcome), FailureKind::Protocol | FailureKind::Reset), "{outcome:?}");
}

#[test]
fn servers_of_another_protocol_are_told_apart() {
    let outcome = met(web(page("/")), AMPLE, async |mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        std::future::pending::<()>().await;
    });
    assert_eq!(kind(&outcome), FailureKind::Protocol, "{outcome:?}");
    assert!(reason(&outcome).starts_with("the answer is not HTTP/2"), "{outcome:?}");
    let outcome = met(web(page("/")), AMPLE, async |mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 1024]).await;
    });
    assert!(matches!(kind(&outcome), FailureKind::Closed | FailureKind::Reset), "{outcome:?}");
    let outcome = met(web(page("/")), SHORT, async |_stream: TcpStream| std::future::pending::<()>().await);
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::Timeout, "no complete answer within 0.08 s")
    );
}

#[test]
fn floods_end_in_time_and_take_no_memory() {
    // Headers without end.
    let endless = |first: Vec<u8>, more: Vec<u8>, patience: Duration| {
        met(web(page("/")), patience, async move |mut stream: TcpStream| {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(&frame(SETTINGS, 0, 0, &[])).await;
            let _ = stream.write_all(&first).await;
            while stream.write_all(&more).await.is_ok() {
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        })
    };
    // A header of 100 letters, never indexed.
    let header = [&[0x10, 1, b'a', 100][..], &[b'x'; 100]].concat();
    let outcome = endless(frame(HEADERS, 0, 1, OK), frame(CONTINUATION, 0, 1, &header.repeat(50)), AMPLE);
    assert!(outcome.result.is_err(), "{outcome:?}");
    assert!(outcome.took < AMPLE / 2, "{outcome:?}");
    // Questions without end.
    let outcome = endless(Vec::new(), frame(PING, 0, 0, b"12345678"), SHORT);
    assert!(outcome.result.is_err(), "{outcome:?}");
    // Provisional answers without end (`:status: 103`).
    let hints = frame(HEADERS, END_HEADERS, 1, &[0x08, 3, b'1', b'0', b'3']);
    let outcome = endless(Vec::new(), hints, SHORT);
    assert!(outcome.result.is_err(), "{outcome:?}");
    // A body without end, in frames of 16 KiB.
    let outcome = met(web(searching("never")), AMPLE, |stream| {
        serve(stream, |_, mut respond| async move {
            let Ok(mut stream) = respond.send_response(Response::new(()), false) else { return };
            loop {
                stream.reserve_capacity(16_384);
                let capacity = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
                let Some(Ok(capacity)) = capacity else { return };
                if stream.send_data(Bytes::from(vec![b'x'; capacity]), false).is_err() {
                    return;
                }
            }
        })
    });
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::TooLong, "body longer than 4 MiB"));
}

fn call() -> Kind {
    Kind::Grpc(Grpc { service: "shop.v1.Cart".to_owned(), ..Grpc::default() })
}

/// An answer to a call: this message, and this status behind it.
async fn reply(mut respond: Respond, message: Vec<u8>, status: &'static [(&'static str, &'static str)]) {
    let head = Response::builder().header("content-type", "application/grpc+proto").body(()).unwrap();
    let mut stream = respond.send_response(head, false).unwrap();
    stream.send_data(Bytes::from(message), status.is_empty()).unwrap();
    if !status.is_empty() {
        let headers = status.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        stream.send_trailers(headers.collect()).unwrap();
    }
}

/// What comes of a call that is answered like this.
fn called(message: &'static [u8], status: &'static [(&'static str, &'static str)]) -> Outcome {
    met(call(), AMPLE, |stream| serve(stream, move |_, respond| reply(respond, message.to_vec(), status)))
}

const FINE: &[(&str, &str)] = &[("grpc-status", "0")];
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

#[test]
fn a_call_is_made_as_grpc_asks() {
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let outcome = met(call(), AMPLE, |stream| {
        serve(stream, move |mut request, respond| {
            let sender = sender.clone();
            async move {
                let body = request.body_mut().data().await.unwrap().unwrap();
                sender.send((request, body)).unwrap();
                reply(respond, SERVING.to_vec(), FINE).await;
            }
        })
    });
    assert_eq!(outcome.result, Ok(()));
    let (request, body) = heard.try_recv().unwrap();
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/grpc.health.v1.Health/Check"));
    let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!((header("content-type").as_str(), header("te").as_str()), ("application/grpc", "trailers"));
    assert_eq!(header("grpc-timeout"), "20000m");
    assert_eq!(body, crate::dialogue::grpc::request("shop.v1.Cart"));
}

#[test]
fn answers_to_calls_are_judged() {
    const BARE: &[(&str, &str)] = &[];
    const UNAVAILABLE: &[(&str, &str)] = &[("grpc-status", "14"), ("grpc-message", "try%20later")];
    use FailureKind::*;
    let cases: [(&'static [u8], _, _, _); 7] = [
        (&[0, 0, 0, 0, 2, 8, 2], FINE, BadAnswer, "the service is NOT_SERVING, expected SERVING"),
        (&[0, 0, 0, 0, 0], FINE, BadAnswer, "the service is UNKNOWN, expected SERVING"),
        (SERVING, UNAVAILABLE, BadStatus, "gRPC status 14 UNAVAILABLE: try later"),
        (SERVING, BARE, Protocol, "the answer is not gRPC: it has no grpc-status"),
        (
            &[1, 0, 0, 0, 2, 8, 1],
            FINE,
            Protocol,
            "the answer is not gRPC: its message is compressed, which nobody asked for",
        ),
        (
            &[0, 0xff, 0xff, 0xff, 0xff, 8, 1],
            FINE,
            Protocol,
            "the answer is not gRPC: its message is not as long as it says",
        ),
        (
            b"<html>...",
            FINE,
            Protocol,
            "the answer is not gRPC: its message is compressed, which nobody asked for",
        ),
    ];
    for (message, status, expected, words) in cases {
        let outcome = called(message, status);
        assert_eq!((kind(&outcome), reason(&outcome)), (expected, words));
    }
    let huge: &'static [u8] = vec![0; 5000].leak();
    let outcome = called(huge, FINE);
    assert_eq!((kind(&outcome), reason(&outcome)), (TooLong, "the answer is longer than 4 KiB"));
}

#[test]
fn what_is_no_call_is_told() {
    let answered = |status: u16, headers: &'static [(&'static str, &'static str)]| {
        met(call(), AMPLE, |stream| {
            serve(stream, move |_, mut respond: Respond| {
                let head = Response::builder().status(status);
                let head = headers.iter().fold(head, |head, (name, value)| head.header(*name, *value));
                let _ = respond.send_response(head.body(()).unwrap(), true);
                std::future::ready(())
            })
        })
    };
    let outcome = answered(404, &[]);
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::BadStatus, "HTTP status 404, and no gRPC"));
    let outcome = answered(200, &[("content-type", "text/html")]);
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::Protocol, "the answer is not gRPC: its content-type is 'text/html'")
    );
    // A status without an answer stands in the head.
    let outcome = answered(200, &[("content-type", "application/grpc"), ("grpc-status", "12")]);
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::BadStatus, "gRPC status 12 UNIMPLEMENTED (the server has no health service)")
    );
    let outcome = answered(200, &[("content-type", "application/grpc"), ("grpc-status", "0")]);
    assert_eq!(reason(&outcome), "the answer is not gRPC: it has no message in it");
}

//! What web checks send besides the path, what they make of JSON, and how slow an answer may be.

use super::*;
use crate::spec::{Assertion, BasicLogin, Latency, Method, Secret};

fn asserting(words: &[&str]) -> Url {
    Url { json: vec![Assertion::read(words).unwrap()], ..page("/") }
}

#[test]
fn methods_headers_and_logins_are_sent_as_they_are_said() {
    let sent = requested(|http| {
        http.protocol = HttpVersion::Http11;
        http.virtualhost = Some("a.example".to_owned());
        http.headers = vec!["X-Probe: one".parse().unwrap(), "Accept: text/plain".parse().unwrap()];
        // RFC 7617 section 2.
        let password = Secret::new("open sesame".to_owned());
        http.login = Some(Box::new(BasicLogin { name: "Aladdin".to_owned(), password }));
        http.urls[0].headers = vec!["x-probe: two".parse().unwrap(), "user-agent: me".parse().unwrap()];
        http.urls[0].method = Method::Options;
    });
    assert_eq!(
        sent,
        "OPTIONS /a?b=c HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\
         Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nX-Probe: one\r\nAccept: text/plain\r\nx-probe: two\r\n\
         user-agent: me\r\n\r\n"
    );
    for (method, name) in Method::ALL {
        let sent = requested(|http| http.urls[0].method = method);
        assert!(sent.starts_with(&format!("{name} /a?b=c HTTP/1.0\r\n")), "{sent}");
        // An empty body is said to be empty where a body is to be expected.
        let expects = matches!(method, Method::Post | Method::Put | Method::Patch);
        assert_eq!(sent.contains("Content-Length: 0"), expects, "{sent}");
    }
}

#[test]
fn a_body_is_sent_with_its_length() {
    let heard = std::sync::Mutex::new(String::new());
    let url = Url {
        method: Method::Post,
        body: Some(Secret::new("{\"é\": 1}\n".to_owned())),
        headers: vec!["Content-Type: application/json".parse().unwrap()],
        ..page("/")
    };
    let outcome = run(async {
        let (listener, address) = listen().await;
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_request(&mut stream).await;
            let mut body = [0; 10];
            stream.read_exact(&mut body).await.unwrap();
            *heard.lock().unwrap() = head + std::str::from_utf8(&body).unwrap();
            stream.write_all(b"HTTP/1.0 201 Created\r\n\r\n").await.unwrap();
        };
        let check = http(address, url, AMPLE);
        tokio::join!(attempt(&check, 0), server).0
    });
    assert_eq!(outcome.result, Ok(()));
    let heard = heard.into_inner().unwrap();
    assert!(heard.contains("\r\nContent-Length: 10\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n\r\n{\"é\": 1}\n"), "{heard}");
}

#[test]
fn the_answer_to_a_head_has_no_body() {
    let head = Url { method: Method::Head, ..page("/") };
    assert_eq!(answered(head, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").result, Ok(()));
}

#[test]
fn json_is_judged() {
    let good = b"HTTP/1.0 200 OK\r\n\r\n{\"status\": \"ok\", \"queue\": 3}";
    assert_eq!(answered(asserting(&["/status", "ok"]), good).result, Ok(()));
    let both = Url {
        json: [&["/status", "matches", "^ok$"][..], &["/queue", "below", "4"]]
            .map(|w| Assertion::read(w).unwrap())
            .to_vec(),
        ..page("/")
    };
    assert_eq!(answered(both.clone(), good).result, Ok(()));
    let outcome = answered(both, b"HTTP/1.0 200 OK\r\n\r\n{\"status\": \"ok\", \"queue\": 4}");
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::BadAnswer, "the page has 4 at /queue, expected one that is below '4'")
    );
    let outcome = answered(asserting(&["/status"]), b"HTTP/1.0 200 OK\r\n\r\n<html>");
    assert!(reason(&outcome).starts_with("the page is not JSON"), "{outcome:?}");
    // The status comes first: whoever says 503 need not say it in JSON.
    let outcome = answered(asserting(&["/status"]), b"HTTP/1.0 503 No\r\n\r\n<html>");
    assert_eq!(kind(&outcome), FailureKind::BadStatus);
    let outcome =
        answered(asserting(&["/status"]), b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"status\": 1}");
    assert_eq!(kind(&outcome), FailureKind::Closed);
}

#[test]
fn brackets_without_end_take_neither_memory_nor_time() {
    let outcome = ask(asserting(&["/a"]), AMPLE, async |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'['; 65536]).await.is_ok() {}
    });
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::TooLong, "body longer than 4 MiB"));
    let outcome = ask(asserting(&["/a"]), AMPLE, async |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
        let _ = stream.write_all(&vec![b'['; 1 << 20]).await;
    });
    assert_eq!(kind(&outcome), FailureKind::BadAnswer, "{:?}", outcome.result);
}

#[test]
fn slow_answers_are_told_and_slower_ones_fail() {
    let asked = |latency: Latency, delay: Duration| {
        run(async {
            let (listener, address) = listen().await;
            let server = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_request(&mut stream).await;
                tokio::time::sleep(delay).await;
                stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.unwrap();
            };
            let mut check = http(address, page("/"), AMPLE);
            check.schedule.latency = latency;
            tokio::join!(attempt(&check, 0), server).0
        })
    };
    let (short, long) = (Duration::from_millis(20), Duration::from_secs(15));
    let outcome = asked(Latency { most: Some(short), warn: Some(short / 2) }, short);
    assert_eq!(kind(&outcome), FailureKind::TooSlow);
    assert!(reason(&outcome).ends_with(" ms, and `max_latency` is 20"), "{outcome:?}");
    let outcome = asked(Latency { most: Some(long), warn: Some(short) }, short);
    assert_eq!(outcome.result, Ok(()));
    let aside = outcome.aside.expect("it was slow");
    assert_eq!(aside.warnings.len(), 1);
    assert!(aside.warnings[0].words.ends_with("`warn_latency` is 20"), "{aside:?}");
    let outcome = asked(Latency { most: Some(long), warn: Some(long) }, Duration::ZERO);
    assert_eq!((outcome.result, outcome.aside), (Ok(()), None));
}

#[test]
fn a_short_page_is_read_with_its_head_so_that_the_connection_ends_well() {
    let ended = std::sync::Mutex::new(None);
    let outcome = run(async {
        let (listener, address) = listen().await;
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            let answer = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &[b'x'; 8000]].concat();
            stream.write_all(&answer).await.unwrap();
            *ended.lock().unwrap() = Some(stream.read_u8().await.unwrap_err().kind());
        };
        let check = http(address, page("/"), AMPLE);
        tokio::join!(attempt(&check, 0), server).0
    });
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(ended.into_inner().unwrap(), Some(std::io::ErrorKind::UnexpectedEof), "a reset is none");
}

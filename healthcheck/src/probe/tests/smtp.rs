//! Mail servers, good and bad.

use super::*;
use crate::spec::Smtp;

fn smtp(target: SocketAddr, connect_timeout: Duration) -> Check {
    let settings = Smtp { helo: Some("probe.example".to_owned()), ..Smtp::default() };
    check(target, Kind::Smtp(settings), connect_timeout)
}

/// Asks a server that behaves as `serve` says.
fn greeted<S: Future<Output = ()>>(patience: Duration, serve: impl FnOnce(TcpStream) -> S) -> Outcome {
    run(async {
        let (listener, address) = listen().await;
        let server = async {
            serve(listener.accept().await.unwrap().0).await;
            std::future::pending().await
        };
        let check = smtp(address, patience);
        tokio::select! { outcome = attempt(&check, 0) => outcome, () = server => unreachable!() }
    })
}

async fn line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

/// A server that greets and answers like this.
fn answering(greeting: &'static str, helo: &'static str) -> Outcome {
    greeted(AMPLE, async move |mut stream: TcpStream| {
        stream.write_all(greeting.as_bytes()).await.unwrap();
        assert_eq!(line(&mut stream).await, "HELO probe.example\r\n");
        stream.write_all(helo.as_bytes()).await.unwrap();
        assert_eq!(line(&mut stream).await, "QUIT\r\n");
        stream.write_all(b"221 bye\r\n").await.unwrap();
    })
}

#[test]
fn a_server_that_greets_passes_however_many_lines_it_takes() {
    assert_eq!(answering("220 mx\r\n", "250 hello\r\n").result, Ok(()));
    assert_eq!(answering("220-mx\r\n220 ready\r\n", "250-a\r\n250 b\r\n").result, Ok(()));
}

#[test]
fn a_server_that_will_not_serve_is_quoted() {
    let outcome = greeted(AMPLE, async |mut stream: TcpStream| {
        stream.write_all(b"554 go away\r\n").await.unwrap();
    });
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::BadStatus, "the greeting is '554 go away', expected 220")
    );
    let outcome = greeted(AMPLE, async |mut stream: TcpStream| {
        stream.write_all(b"220 mx\r\n").await.unwrap();
        line(&mut stream).await;
        stream.write_all(b"421 later\r\n").await.unwrap();
    });
    assert_eq!(reason(&outcome), "the answer to HELO is '421 later', expected 250");
}

#[test]
fn silence_and_drips_end_in_time() {
    let outcome = greeted(SHORT, async |_stream: TcpStream| std::future::pending().await);
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Timeout, "no greeting within 0.08 s"));
    let outcome = greeted(SHORT, async |mut stream: TcpStream| {
        while stream.write_all(b"2").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(kind(&outcome), FailureKind::Timeout, "{outcome:?}");
    let outcome = greeted(SHORT, async |mut stream: TcpStream| {
        stream.write_all(b"220 mx\r\n").await.unwrap();
        line(&mut stream).await;
        std::future::pending().await
    });
    assert_eq!(reason(&outcome), "no answer to HELO within 0.08 s");
}

#[test]
fn who_has_passed_may_be_slow_to_part() {
    let outcome = greeted(SHORT, async |mut stream: TcpStream| {
        stream.write_all(b"220 mx\r\n").await.unwrap();
        line(&mut stream).await;
        stream.write_all(b"250 ok\r\n").await.unwrap();
        std::future::pending().await
    });
    assert_eq!(outcome.result, Ok(()));
}

#[test]
fn rubbish_floods_and_cuts_are_told_apart() {
    let outcome = greeted(AMPLE, async |mut stream: TcpStream| {
        stream.write_all(b"SSH-2.0-OpenSSH\r\n").await.unwrap();
    });
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::Protocol, "the answer is not SMTP: 'SSH-2.0-OpenSSH'")
    );
    let outcome =
        greeted(
            AMPLE,
            async |mut stream: TcpStream| {
                while stream.write_all(&b"220-again and again\r\n".repeat(1000)).await.is_ok() {}
            },
        );
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::TooLong, "reply longer than 64 KiB"));
    let outcome = greeted(AMPLE, async |mut stream: TcpStream| {
        stream.write_all(b"220-mx\r\n").await.unwrap();
    });
    assert_eq!(kind(&outcome), FailureKind::Closed);
    let outcome = greeted(AMPLE, async |stream: TcpStream| {
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    assert_eq!(kind(&outcome), FailureKind::Reset);
}

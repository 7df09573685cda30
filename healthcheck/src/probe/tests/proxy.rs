//! Checks that begin with a PROXY header, and servers that expect one, or none.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use super::tls::{Authority, believing, server};
use super::*;
use crate::spec::{Dialogue, Ftp, Protocol, ProxyHeader};

const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn with(header: ProxyHeader, check: Check) -> Check {
    Check { proxy: Some(header), ..check }
}

/// Reads the header of version 1 that this connection must have.
async fn expect_line(stream: &mut TcpStream) {
    let (here, there) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    let family = if here.is_ipv4() { "TCP4" } else { "TCP6" };
    let expected =
        format!("PROXY {family} {} {} {} {}\r\n", there.ip(), here.ip(), there.port(), here.port());
    let mut heard = vec![0; expected.len()];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), expected);
}

#[test]
fn a_connection_begins_with_its_own_two_ends() {
    run(async {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            // Not every machine has both.
            let Ok(listener) = TcpListener::bind(address).await else { continue };
            let target = listener.local_addr().unwrap();
            let source = Some("127.0.0.9:0".parse().unwrap()).filter(|_| target.is_ipv4());
            let check = Check { source, ..with(ProxyHeader::V1, tcp(target, AMPLE)) };
            let server = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                expect_line(&mut stream).await;
                assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "nothing else, and an end");
            };
            let (outcome, ()) = tokio::join!(attempt(&check, 0), server);
            assert_eq!(outcome.result, Ok(()));
        }
    });
}

#[test]
fn the_header_comes_before_tls() {
    let authority = Authority::new("proxied.pem");
    let config = server(&authority.sign(&["127.0.0.1"], |_| {}));
    run(async {
        let (listener, address) = listen().await;
        let settings =
            Http { urls: vec![page("/")], tls: Some(believing(Some(&authority.path))), ..Http::default() };
        let check = with(ProxyHeader::V2, check(address, Kind::Http(settings), AMPLE));
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = [0; LOCAL.len()];
            stream.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, LOCAL);
            let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello\n").await;
            let _ = stream.shutdown().await;
        };
        let (outcome, ()) = tokio::join!(attempt(&check, 0), server);
        assert_eq!(outcome.result, Ok(()));
    });
}

/// A server of files names the port of a second connection itself: nobody stands between.
#[test]
fn the_connection_that_a_file_comes_by_has_none() {
    run(async {
        let ((listener, address), (second, at)) = (listen().await, listen().await);
        let ftp = Dialogue::new(Protocol::Ftp(Ftp { path: Some("/a".to_owned()), ..Ftp::default() }));
        let check = with(ProxyHeader::V1, check(address, Kind::Dialogue(Box::new(ftp)), AMPLE));
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            expect_line(&mut stream).await;
            let (high, low) = (at.port() / 256, at.port() % 256);
            let passive = format!("227 Entering (127,0,0,1,{high},{low})\r\n");
            stream.write_all(b"220 hello\r\n").await.unwrap();
            let mut said = Vec::new();
            loop {
                let byte = stream.read_u8().await.unwrap();
                said.push(byte);
                if byte != b'\n' {
                    continue;
                }
                let answer = match std::mem::take(&mut said).get(..4) {
                    Some(b"USER") => "230 welcome\r\n",
                    Some(b"EPSV") => "502 no\r\n",
                    Some(b"PASV") => &passive,
                    Some(b"RETR") => break,
                    _ => "200 fine\r\n",
                };
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            let (mut file, _) = second.accept().await.unwrap();
            stream.write_all(b"150 here\r\n").await.unwrap();
            file.write_all(b"content").await.unwrap();
            file.shutdown().await.unwrap();
            assert_eq!(file.read(&mut [0; 64]).await.unwrap(), 0, "nothing is said on it");
            stream.write_all(b"226 done\r\n").await.unwrap();
            let _ = stream.read(&mut [0; 64]).await;
        };
        let (outcome, ()) = tokio::join!(attempt(&check, 0), server);
        assert_eq!(outcome.result, Ok(()));
    });
}

#[test]
fn a_failure_tells_what_it_was_asked_with() {
    let met = |header: Option<ProxyHeader>, answer: &'static [u8]| {
        run(async {
            let (listener, address) = listen().await;
            let server = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_request(&mut stream).await;
                stream.write_all(answer).await.unwrap();
                let _ = stream.shutdown().await;
                let _ = stream.read(&mut [0; 1024]).await;
            };
            let check = Check { proxy: header, ..http(address, page("/"), AMPLE) };
            let (outcome, ()) = tokio::join!(attempt(&check, 0), server);
            reason(&outcome).to_owned()
        })
    };
    let refused = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(met(None, refused), "HTTP status 400, expected 200-299");
    let told = " (asked with a PROXY header, `proxy_protocol v1`)";
    assert_eq!(met(Some(ProxyHeader::V1), refused), format!("HTTP status 400, expected 200-299{told}"));
    let cut = "connection closed before the answer was complete";
    assert_eq!(met(Some(ProxyHeader::V1), b""), format!("{cut}{told}"));
}

/// Some take the header for the beginning of a very long message.
#[test]
fn a_server_that_waits_for_more_is_told_of_too() {
    run(async {
        let (_listener, address) = listen().await;
        let outcome = attempt(&with(ProxyHeader::V2, http(address, page("/"), SHORT)), 0).await;
        let expected = "no complete answer within 0.08 s (asked with a PROXY header, `proxy_protocol v2`)";
        assert_eq!(reason(&outcome), expected);
    });
}

#[test]
fn where_no_connection_comes_about_no_header_is_to_blame() {
    run(async {
        let (listener, address) = listen().await;
        drop(listener);
        let outcome = attempt(&with(ProxyHeader::V2, tcp(address, AMPLE)), 0).await;
        assert_eq!(reason(&outcome), "connection refused");
        let (_listener, address, _queued) = deaf().await;
        let outcome = attempt(&with(ProxyHeader::V2, http(address, page("/"), SHORT)), 0).await;
        assert_eq!(reason(&outcome), "no connection within 0.08 s");
    });
}

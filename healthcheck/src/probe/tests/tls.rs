//! TLS: whom it believes, what it shows, and servers that break it off.

use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;
use crate::dialogue::certificate::Moment;
use crate::spec::{Sni, Tls, TlsFiles};
use crate::warning::Concern;

/// An authority of the tests, and what it has signed.
pub(super) struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    /// Its own certificate, in a file.
    pub(super) path: String,
}

/// A certificate and its key.
pub(super) struct Identity {
    certificate: rcgen::Certificate,
    key: rcgen::KeyPair,
}

impl Authority {
    pub(super) fn new(name: &str) -> Authority {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let path = write(name, &pem);
        Authority { issuer: rcgen::Issuer::new(params, key), path }
    }

    pub(super) fn sign(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut rcgen::CertificateParams),
    ) -> Identity {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        change(&mut params);
        Identity { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }
}

/// A file of this run; it goes with the folder of all temporary files.
fn write(name: &str, text: &str) -> String {
    let path = std::env::temp_dir().join(format!("healthcheck-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

pub(super) fn server(identity: &Identity) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate.der().clone()], key)
        .unwrap()
}

pub(super) fn believing(ca: Option<&str>) -> Tls {
    let files = ca.map(|ca| Arc::new(TlsFiles { ca: Some(ca.to_owned()), ..TlsFiles::default() }));
    Tls { sni: Sni::Off, verify: ca.is_some(), files, expiry_days: None }
}

fn secure(target: SocketAddr, url: Url, tls: Tls, patience: Duration) -> Check {
    check(target, Kind::Http(Http { urls: vec![url], tls: Some(tls), ..Http::default() }), patience)
}

/// Asks a server with this certificate, which answers its clients as `serve` says.
fn asked_with<S: Future<Output = ()>>(
    config: ServerConfig,
    url: Url,
    tls: Tls,
    serve: impl FnOnce(TlsStream<TcpStream>) -> S,
) -> Outcome {
    run(async {
        let (listener, address) = listen().await;
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await {
                serve(stream).await;
            }
            std::future::pending().await
        };
        let check = secure(address, url, tls, AMPLE);
        tokio::select! { outcome = attempt(&check, 0) => outcome, () = server => unreachable!() }
    })
}

async fn hello(mut stream: TlsStream<TcpStream>) {
    let mut request = [0; 1024];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello\n").await;
    let _ = stream.shutdown().await;
}

#[test]
fn a_page_over_tls_is_judged_like_any_other() {
    let authority = Authority::new("page.pem");
    let identity = authority.sign(&["127.0.0.1"], |_| {});
    let believing = || believing(Some(&authority.path));
    assert_eq!(asked_with(server(&identity), with_digest(HELLO), believing(), hello).result, Ok(()));
    assert_eq!(asked_with(server(&identity), searching("^hello$"), believing(), hello).result, Ok(()));
    let outcome = asked_with(server(&identity), searching("hullo"), believing(), hello);
    assert_eq!(kind(&outcome), FailureKind::BadAnswer);
}

#[test]
fn a_certificate_must_be_valid_unless_it_need_not() {
    let (ours, other) = (Authority::new("ours.pem"), Authority::new("other.pem"));
    let long_ago = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    };
    let cases = [
        (ours.sign(&["127.0.0.2"], |_| {}), "it is not for 127.0.0.1"),
        (ours.sign(&["127.0.0.1"], long_ago), "it ended at 2002-01-01 00:00 GMT, "),
        (other.sign(&["127.0.0.1"], |_| {}), "its authority is not trusted"),
    ];
    for (identity, expected) in cases {
        let outcome = asked_with(server(&identity), page("/"), believing(Some(&ours.path)), hello);
        assert_eq!(kind(&outcome), FailureKind::BadCertificate, "{outcome:?}");
        let expected = format!("the certificate is not to be trusted: {expected}");
        assert!(reason(&outcome).starts_with(&expected), "{outcome:?}");
        assert_eq!(asked_with(server(&identity), page("/"), believing(None), hello).result, Ok(()));
    }
}

#[test]
fn the_greeting_names_whom_it_is_told_to() {
    let authority = Authority::new("names.pem");
    let identity = authority.sign(&["a.example", "b.example", "127.0.0.1"], |_| {});
    let heard = |sni: Sni, host: Option<&str>| {
        let named = Mutex::new(None);
        let tls = Tls { sni, ..believing(Some(&authority.path)) };
        let url = Url { virtualhost: host.map(str::to_owned), ..page("/") };
        let outcome = asked_with(server(&identity), url, tls, async |stream: TlsStream<TcpStream>| {
            *named.lock().unwrap() = stream.get_ref().1.server_name().map(str::to_owned);
            hello(stream).await;
        });
        assert_eq!(outcome.result, Ok(()));
        named.into_inner().unwrap()
    };
    assert_eq!(heard(Sni::Off, Some("a.example")), None);
    assert_eq!(heard(Sni::VirtualHost, Some("a.example:443")), Some("a.example".to_owned()));
    assert_eq!(heard(Sni::VirtualHost, None), None, "an address is no name");
    assert_eq!(heard(Sni::Name("b.example".to_owned()), Some("a.example")), Some("b.example".to_owned()));
}

#[test]
fn a_server_may_ask_who_we_are() {
    let authority = Authority::new("mutual.pem");
    let (theirs, ours) = (authority.sign(&["127.0.0.1"], |_| {}), authority.sign(&["probe.example"], |_| {}));
    let demanding = || {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(
            rustls_native_certs::load_certs_from_paths(Some(authority.path.as_ref()), None).certs,
        );
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let key = PrivateKeyDer::try_from(theirs.key.serialize_der()).unwrap();
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![theirs.certificate.der().clone()], key)
            .unwrap()
    };
    let tls = |files: TlsFiles| Tls { files: Some(Arc::new(files)), ..believing(Some(&authority.path)) };
    let ca = Some(authority.path.clone());
    let certificate = Some(write("own.pem", &ours.certificate.pem()));
    let key = Some(write("own.key", &ours.key.serialize_pem()));
    let shown = TlsFiles { ca: ca.clone(), certificate: certificate.clone(), key };
    assert_eq!(asked_with(demanding(), page("/"), tls(shown), hello).result, Ok(()));
    let outcome = asked_with(demanding(), page("/"), believing(ca.as_deref()), hello);
    assert!(outcome.result.is_err(), "{outcome:?}");
    // What cannot be read is our own failure.
    let broken = TlsFiles { ca, certificate, key: Some("/no/such/key".to_owned()) };
    let outcome = asked_with(demanding(), page("/"), tls(broken), hello);
    assert_eq!(kind(&outcome), FailureKind::Local);
    assert!(reason(&outcome).contains("/no/such/key"), "{outcome:?}");
}

#[test]
fn an_end_without_a_word_matters_only_where_the_standard_is_asked_for() {
    async fn cut(mut stream: TlsStream<TcpStream>) {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello\n").await;
        let _ = stream.flush().await;
        // The connection itself is closed, TLS is not.
        let _ = stream.into_inner().0.shutdown().await;
    }
    let authority = Authority::new("cut.pem");
    let identity = authority.sign(&["127.0.0.1"], |_| {});
    let asked = |url: Url, serve| match serve {
        true => asked_with(server(&identity), url, believing(None), cut),
        false => asked_with(server(&identity), url, believing(None), hello),
    };
    let compliant = || Url { close_notify: true, ..with_digest(HELLO) };
    assert_eq!(asked(with_digest(HELLO), true).result, Ok(()));
    assert_eq!(asked(compliant(), false).result, Ok(()));
    assert_eq!(kind(&asked(compliant(), true)), FailureKind::Closed);
}

#[test]
fn the_end_of_a_certificate_is_seen_and_told_in_time() {
    let authority = Authority::new("ending.pem");
    let now = time();
    let ending = |days: i64| {
        let half_a_day = 43_200;
        let end = now + days * 86_400 + half_a_day;
        let date = Moment(end).to_string();
        let number = |range: std::ops::Range<usize>| date[range].parse::<u8>().unwrap();
        let year = date[..4].parse().unwrap();
        let identity = authority.sign(&["127.0.0.1"], |params| {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(year, number(5..7), number(8..10));
        });
        // Its certificate ends at the midnight before that.
        (identity, end - end.rem_euclid(86_400))
    };
    let asked = |identity: &Identity, expiry_days, verify| {
        let tls = Tls { verify, expiry_days, ..believing(Some(&authority.path)) };
        asked_with(server(identity), page("/"), tls, hello)
    };
    for verify in [true, false] {
        let (identity, end) = ending(5);
        let outcome = asked(&identity, Some(4), verify);
        assert_eq!(outcome.result, Ok(()));
        let aside = outcome.aside.unwrap();
        assert_eq!((aside.expires, aside.warnings.len()), (Some(end), 0), "{aside:?}");
        assert!(asked(&identity, None, verify).aside.unwrap().warnings.is_empty());
        let aside = asked(&identity, Some(6), verify).aside.unwrap();
        let [warning] = aside.warnings.as_slice() else { panic!("{aside:?}") };
        assert_eq!(warning.about, Concern::Expiry);
        let told = warning.words.starts_with("the certificate ends in ");
        assert!(told && warning.words.ends_with(&format!("at {}", Moment(end))), "{warning:?}");
    }
    // Where nobody verifies, it is told all the same that it is too late.
    let (identity, end) = ending(-3);
    let outcome = asked(&identity, Some(1), false);
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(outcome.aside.unwrap().warnings[0].words, format!("the certificate ended at {}", Moment(end)));
    let outcome = asked(&identity, Some(1), true);
    assert_eq!(kind(&outcome), FailureKind::BadCertificate);
    assert!(reason(&outcome).contains(&format!("it ended at {}", Moment(end))), "{outcome:?}");
}

fn time() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

#[test]
fn over_tls_a_server_must_choose_http2() {
    let authority = Authority::new("alpn.pem");
    let identity = authority.sign(&["127.0.0.1"], |_| {});
    let asked = |offered: &[&[u8]], kind: fn(Tls) -> Kind| {
        let mut config = server(&identity);
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        run(async {
            let (listener, address) = listen().await;
            let server = async {
                let (stream, _) = listener.accept().await.unwrap();
                if let Ok(stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await
                    && let Ok(mut connection) = h2::server::handshake(stream).await
                {
                    while let Some(Ok((_, mut respond))) = connection.accept().await {
                        let head = http::Response::builder()
                            .header("content-type", "application/grpc")
                            .header("grpc-status", "14")
                            .body(())
                            .unwrap();
                        let _ = respond.send_response(head, true);
                    }
                }
                std::future::pending().await
            };
            let check = check(address, kind(believing(Some(&authority.path))), AMPLE);
            tokio::select! { outcome = attempt(&check, 0) => outcome, () = server => unreachable!() }
        })
    };
    let web = |tls: Tls| {
        let (urls, protocol) = (vec![page("/")], crate::spec::HttpVersion::Http2);
        Kind::Http(Http { urls, protocol, tls: Some(tls), ..Http::default() })
    };
    let call = |tls: Tls| Kind::Grpc(crate::spec::Grpc { tls: Some(tls), ..Default::default() });
    let outcome = asked(&[b"http/1.1", b"h2"], web);
    assert_eq!(outcome.result, Ok(()));
    assert!(outcome.aside.unwrap().expires.is_some());
    assert_eq!(reason(&asked(&[b"h2"], call)), "gRPC status 14 UNAVAILABLE");
    for offered in [&[][..], &[&b"http/1.1"[..]]] {
        for kind_of in [web, call] {
            let outcome = asked(offered, kind_of);
            assert_eq!(
                (kind(&outcome), reason(&outcome)),
                (FailureKind::Protocol, "the server does not offer HTTP/2 (ALPN)")
            );
        }
    }
}

type Serve = dyn Fn(TcpStream) -> std::pin::Pin<Box<dyn Future<Output = ()>>>;

#[test]
fn what_is_not_tls_is_told_apart_in_time() {
    let spoken = |patience: Duration, serve: &'static Serve| {
        run(async {
            let (listener, address) = listen().await;
            let server = async {
                serve(listener.accept().await.unwrap().0).await;
                std::future::pending().await
            };
            let check = secure(address, page("/"), believing(None), patience);
            tokio::select! { outcome = attempt(&check, 0) => outcome, () = server => unreachable!() }
        })
    };
    let outcome = spoken(AMPLE, &|mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await;
            let _ = stream.read(&mut [0; 1024]).await;
        })
    });
    assert_eq!(kind(&outcome), FailureKind::Protocol, "{outcome:?}");
    assert!(reason(&outcome).starts_with("the answer is not TLS"), "{outcome:?}");
    let outcome = spoken(AMPLE, &|mut stream| {
        Box::pin(async move {
            let _ = stream.read(&mut [0; 1024]).await;
        })
    });
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::Closed, "connection closed during the TLS greeting")
    );
    let outcome = spoken(SHORT, &|stream| {
        Box::pin(async move {
            std::future::pending::<()>().await;
            drop(stream);
        })
    });
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Timeout, "no TLS connection within 0.08 s"));
    let outcome = spoken(SHORT, &|mut stream| {
        Box::pin(async move {
            while stream.write_all(&[22]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    });
    assert!(matches!(kind(&outcome), FailureKind::Timeout | FailureKind::Protocol), "{outcome:?}");
}

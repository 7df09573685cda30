//! TLS for checks: the greeting, whose certificate is believed, and what is shown of us.
//!
//! Files of keys and certificates are read when they are first needed, and again after they changed, so that renewing a
//! certificate takes no reload. Nothing is remembered from one connection to the next: a session that is resumed
//! would hide that the certificate has expired meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, PeerIncompatible, RootCertStore,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{failure, network_failure};
use crate::dialogue::certificate::{self, Moment};
use crate::outcome::{Failure, FailureKind};
use crate::spec::{Check, Sni, Tls, TlsFiles};
use crate::warning::{Aside, Concern, Warning};

/// How often files are looked at for changes.
const LOOK: Duration = Duration::from_secs(10);
/// Ways to speak TLS that are kept; a file has one or two.
const KEPT: usize = 64;

/// Greets the server over a fresh connection. `host` is the virtual host of the page that is asked for.
pub(super) async fn greet(
    check: &Check,
    tls: &Tls,
    host: Option<&str>,
    stream: TcpStream,
) -> Result<Box<TlsStream<TcpStream>>, Failure> {
    greet_with(check, tls, host, stream, false).await
}

/// The same where only HTTP/2 will do, which the server must choose (RFC 9113 section 3.2).
pub(super) async fn greet_http2(
    check: &Check,
    tls: &Tls,
    host: Option<&str>,
    stream: TcpStream,
) -> Result<Box<TlsStream<TcpStream>>, Failure> {
    let stream = greet_with(check, tls, host, stream, true).await?;
    match stream.get_ref().1.alpn_protocol() {
        Some(chosen) if chosen == HTTP2 => Ok(stream),
        _ => Err(failure(FailureKind::Protocol, NO_HTTP2)),
    }
}

/// The name of HTTP/2 in greetings (ALPN).
const HTTP2: &[u8] = b"h2";
const NO_HTTP2: &str = "the server does not offer HTTP/2 (ALPN)";

/// Looks at when the server's certificate ends, be it believed or not.
pub(super) fn note_expiry(stream: &TlsStream<TcpStream>, tls: &Tls, aside: &mut Aside) {
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let Some(expires) = shown.and_then(|shown| certificate::not_after(shown)) else { return };
    aside.expires = Some(expires.0);
    let now = present();
    let days = expires.days_after(now);
    if days >= i64::from(tls.expiry_days.unwrap_or(0)) {
        return;
    }
    let words = match days {
        ..0 => format!("the certificate ended at {expires}"),
        0 => format!("the certificate ends within a day, at {expires}"),
        1 => format!("the certificate ends in a day, at {expires}"),
        _ => format!("the certificate ends in {days} days, at {expires}"),
    };
    aside.warnings.push(Warning { about: Concern::Expiry, words });
}

fn present() -> Moment {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

async fn greet_with(
    check: &Check,
    tls: &Tls,
    host: Option<&str>,
    stream: TcpStream,
    http2: bool,
) -> Result<Box<TlsStream<TcpStream>>, Failure> {
    let host = host.map(without_port);
    let (sent, name) = match &tls.sni {
        Sni::Off => (false, host),
        Sni::VirtualHost => (true, host),
        Sni::Name(name) => (true, Some(name.as_str())),
    };
    let address = ServerName::from(check.target.ip());
    let name = name.and_then(|name| ServerName::try_from(name.to_owned()).ok()).unwrap_or(address);
    let way = Way { verify: tls.verify, sent, files: tls.files.clone(), http2 };
    // Disks and certificates are slow, and an attempt must not hold up others.
    let prepared = tokio::task::spawn_blocking(move || way.config(Instant::now()));
    let config = match prepared.await {
        Ok(Ok(config)) => config,
        Ok(Err(sentence)) => return Err(failure(FailureKind::Local, format!("could not ask: {sentence}"))),
        Err(panic) => return Err(failure(FailureKind::Local, format!("could not ask: {panic}"))),
    };
    match TlsConnector::from(config).connect(name.clone(), stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(fault(&error, &name).unwrap_or_else(|| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                failure(FailureKind::Closed, "connection closed during the TLS greeting")
            }
            _ => network_failure(&error),
        })),
    }
}

/// A Host header may name a port, a greeting may not.
fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').filter(|(name, _)| !name.contains(':')).map_or(host, |(name, _)| name),
    }
}

/// What TLS finds wrong with a connection that is established, if it is TLS that is wrong.
pub(super) fn broken(error: &io::Error) -> Option<Failure> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(failure(FailureKind::Protocol, format!("TLS broke down: {error}")))
}

/// What TLS itself finds wrong with a greeting, if it is TLS that is wrong.
fn fault(error: &io::Error, name: &ServerName<'_>) -> Option<Failure> {
    use rustls::Error as E;
    let error = error.get_ref()?.downcast_ref::<E>()?;
    let failed = |kind, reason: String| Some(failure(kind, reason));
    match error {
        E::InvalidCertificate(why) => {
            let why = match why {
                CertificateError::Expired => "it has expired".to_owned(),
                CertificateError::ExpiredContext { not_after, .. } => {
                    let ended = Moment(i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX));
                    format!("it ended at {ended}, {} days ago", present().days_after(ended).max(0))
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "it is not valid yet".to_owned()
                }
                CertificateError::UnknownIssuer => "its authority is not trusted".to_owned(),
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    format!("it is not for {}", name.to_str())
                }
                CertificateError::BadSignature => "its signature is not that of its authority".to_owned(),
                CertificateError::Revoked => "it was revoked".to_owned(),
                other => format!("{other:?}").to_lowercase(),
            };
            failed(FailureKind::BadCertificate, format!("the certificate is not to be trusted: {why}"))
        }
        E::AlertReceived(AlertDescription::NoApplicationProtocol) | E::NoApplicationProtocol => {
            failed(FailureKind::Protocol, NO_HTTP2.to_owned())
        }
        E::AlertReceived(alert) => {
            let wants_ours = *alert == AlertDescription::CertificateRequired;
            let more = if wants_ours { "; name our own in `SSL`" } else { "" };
            failed(FailureKind::Protocol, format!("the server broke the TLS greeting off: {alert:?}{more}"))
        }
        E::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            failed(FailureKind::Protocol, "the server speaks a version of TLS older than 1.2 only".to_owned())
        }
        E::PeerIncompatible(why) => {
            failed(FailureKind::Protocol, format!("no TLS that both sides speak: {why:?}"))
        }
        E::NoCertificatesPresented => {
            failed(FailureKind::BadCertificate, "the server shows no certificate".to_owned())
        }
        other => failed(FailureKind::Protocol, format!("the answer is not TLS ({other})")),
    }
}

/// All that decides how TLS is spoken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    verify: bool,
    sent: bool,
    files: Option<Arc<TlsFiles>>,
    /// Whether only HTTP/2 will do.
    http2: bool,
}

/// What is known of one way.
struct Known {
    config: Result<Arc<ClientConfig>, String>,
    /// The files as they were when it was made.
    stamps: Vec<Option<SystemTime>>,
    looked: Instant,
}

static WAYS: LazyLock<Mutex<BTreeMap<Way, Known>>> = LazyLock::new(Mutex::default);

impl Way {
    /// The settings; the error is a sentence. May wait for disks.
    fn config(&self, now: Instant) -> Result<Arc<ClientConfig>, String> {
        let lock = || WAYS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(known) =
            lock().get(self).filter(|known| now.saturating_duration_since(known.looked) < LOOK)
        {
            return known.config.clone();
        }
        let stamps = self.stamps();
        if let Some(known) =
            lock().get_mut(self).filter(|known| known.stamps == stamps && known.config.is_ok())
        {
            known.looked = now;
            return known.config.clone();
        }
        let config = self.make().map(Arc::new);
        let mut ways = lock();
        if ways.len() >= KEPT {
            ways.clear();
        }
        ways.insert(self.clone(), Known { config: config.clone(), stamps, looked: now });
        config
    }

    fn paths(&self) -> impl Iterator<Item = &str> {
        let files = self.files.as_deref();
        let TlsFiles { ca, certificate, key } = files.unwrap_or(&NO_FILES);
        [ca, certificate, key].into_iter().flatten().map(String::as_str)
    }

    fn stamps(&self) -> Vec<Option<SystemTime>> {
        self.paths().map(|path| fs::metadata(path).and_then(|file| file.modified()).ok()).collect()
    }

    fn make(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let files = self.files.as_deref().unwrap_or(&NO_FILES);
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = if self.verify {
            builder.with_root_certificates(authorities(files.ca.as_deref())?)
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Credulous(provider)))
        };
        let mut config = match (&files.certificate, &files.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), key) => {
                let chain = certificates(certificate)?;
                let path = key.as_ref().unwrap_or(certificate);
                let key = PrivateKeyDer::from_pem_file(path)
                    .map_err(|error| format!("{path} holds no key that can be read: {error}"))?;
                let unfit = |error| format!("{certificate} and {path} do not go together: {error}");
                builder.with_client_auth_cert(chain, key).map_err(unfit)?
            }
            (None, Some(key)) => {
                return Err(format!("`SSL` names the key {key}, and no `certificate` for it"));
            }
        };
        config.enable_sni = self.sent;
        if self.http2 {
            config.alpn_protocols = vec![HTTP2.to_vec()];
        }
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

static NO_FILES: TlsFiles = TlsFiles { ca: None, certificate: None, key: None };

fn authorities(ca: Option<&str>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    match ca {
        Some(path) => {
            store.add_parsable_certificates(certificates(path)?);
            if store.is_empty() {
                return Err(format!("{path} holds no certificate of an authority"));
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                return Err(
                    "this host trusts no authority (Debian: install ca-certificates); name one by `ca` in \
                            `SSL`, or say `verify off`"
                        .to_owned(),
                );
            }
        }
    }
    Ok(store)
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let cannot = |error| format!("{path} holds no certificates that can be read: {error}");
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(cannot)?.collect::<Result<_, _>>().map_err(cannot)?;
    if found.is_empty() { Err(format!("{path} holds no certificate")) } else { Ok(found) }
}

/// Believes any certificate, as keepalived does. That the server has the key to it is seen to all the same.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn a_greeting_names_no_port() {
        for (host, expected) in [
            ("a.example:443", "a.example"),
            ("a.example", "a.example"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(without_port(host), expected);
        }
    }
}

//! The checks that are dialogues over a connection, in steps that are judged elsewhere
//! ([`dialogue::talk`](crate::dialogue::talk)): directories, databases, Oracle's listener.

use std::io;
use std::time::Duration;

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::within::within;
use super::{failure, network_failure, socket, tls, words};
use crate::dialogue::pgsql::stretch;
use crate::dialogue::talk::{Step, Talk, Work};
use crate::outcome::{Failure, FailureKind};
use crate::spec::{Check, Login, Password, Tls};
use crate::warning::Aside;

/// The longest dialogue that is listened to, in bytes.
const LONGEST: usize = 1024 * 1024;
/// How long a server may take to close after it was taken leave of.
const PARTING: Duration = Duration::from_secs(1);

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secured {
    /// With the first byte.
    AtOnce,
    /// When the dialogue comes to it.
    InTime,
}

/// One dialogue.
pub(super) async fn talk(
    check: &Check,
    tls: Option<&Tls>,
    secured: Secured,
    talk: &mut (impl Talk + Send),
    aside: &mut Aside,
) -> Result<(), Failure> {
    let stream = socket::connect(check).await?;
    let mut session = Session {
        check,
        tls,
        stream: Stream::Plain(stream),
        heard: Vec::new(),
        total: 0,
        greeting: false,
        aside,
    };
    let judged = within(check.connect_timeout, session.run(secured, talk)).await;
    let judged = judged.unwrap_or_else(|_| {
        if talk.is_satisfied() {
            return Ok(());
        }
        let missing = if session.greeting { "TLS connection" } else { talk.awaited() };
        Err(failure(FailureKind::Timeout, format!("no {missing} within {}", words(check.connect_timeout))))
    });
    let gone = |failure: &Failure| {
        use FailureKind as K;
        matches!(failure.kind, K::Closed | K::Reset | K::Timeout | K::Unreachable | K::BadCertificate)
    };
    if !judged.as_ref().is_err_and(gone) {
        // Whatever it says to that, its verdict stands.
        let _ = within(PARTING.min(check.connect_timeout), session.part(&talk.farewell())).await;
    }
    judged
}

/// A password that should have been read from its file with the configuration, and was not.
pub(super) fn known(login: Option<&Login>) -> Result<(), Failure> {
    login.map_or(Ok(()), |login| has_been_read(&login.password))
}

/// The same of any secret.
pub(super) fn has_been_read(password: &Password) -> Result<(), Failure> {
    match password {
        Password::File(path, None) => {
            Err(failure(FailureKind::Local, format!("could not ask: nothing has been read from {path}")))
        }
        _ => Ok(()),
    }
}

/// A connection, before or after it has become one of TLS.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// While it becomes one.
    None,
}

impl Stream {
    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Stream::None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Bytes that were heard; 0 where nothing comes any more.
    async fn hear(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        into.reserve(4096);
        match self {
            Stream::Plain(stream) => stream.read_buf(into).await,
            Stream::Tls(stream) => match stream.read_buf(into).await {
                // Few servers end TLS as they should.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                other => other,
            },
            Stream::None => Ok(0),
        }
    }
}

struct Session<'a> {
    check: &'a Check,
    tls: Option<&'a Tls>,
    stream: Stream,
    /// What was heard and not understood yet.
    heard: Vec<u8>,
    /// Bytes that were heard in all.
    total: usize,
    /// Whether TLS is being made.
    greeting: bool,
    /// What the server's certificate tells.
    aside: &'a mut Aside,
}

impl Session<'_> {
    async fn run(&mut self, secured: Secured, talk: &mut (impl Talk + Send)) -> Result<(), Failure> {
        if secured == Secured::AtOnce {
            self.secure().await?;
        }
        let mut step = talk.begin();
        loop {
            step = match step {
                Step::Say(bytes) => {
                    self.say(&bytes).await?;
                    match self.listen(talk).await? {
                        Some(step) => step,
                        None => return Ok(()),
                    }
                }
                Step::Listen => match self.listen(talk).await? {
                    Some(step) => step,
                    None => return Ok(()),
                },
                Step::Secure(bytes) => {
                    self.say(&bytes).await?;
                    if !self.heard.is_empty() {
                        // Somebody on the way could have put it there.
                        let reason = "the server says more before TLS begins than it may";
                        return Err(failure(FailureKind::Protocol, reason));
                    }
                    self.secure().await?;
                    talk.secured()
                }
                Step::Compute(work) => talk.computed(compute(work).await?),
                Step::Part => return Ok(()),
            }
        }
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stream.say(bytes).await.map_err(|error| broken(&error))
    }

    async fn secure(&mut self) -> Result<(), Failure> {
        let (Some(settings), Stream::Plain(stream)) =
            (self.tls, std::mem::replace(&mut self.stream, Stream::None))
        else {
            return Err(failure(FailureKind::Local, "could not ask: TLS begins where none is meant to"));
        };
        self.greeting = true;
        let stream = tls::greet(self.check, settings, None, stream).await?;
        tls::note_expiry(&stream, settings, self.aside);
        self.stream = Stream::Tls(stream);
        self.greeting = false;
        Ok(())
    }

    /// The next step, once a whole message has come; nothing if all that could be asked for has come long since.
    async fn listen(&mut self, talk: &mut (impl Talk + Send)) -> Result<Option<Step>, Failure> {
        loop {
            if let Some(length) = talk.length(&self.heard)? {
                if length <= self.heard.len() {
                    let message: Vec<u8> = self.heard.drain(..length.max(1)).collect();
                    return talk.hear(&message).map(Some);
                }
                if length > LONGEST && !talk.is_satisfied() {
                    return Err(too_long());
                }
            }
            if self.total > LONGEST {
                return if talk.is_satisfied() { Ok(None) } else { Err(too_long()) };
            }
            match self.stream.hear(&mut self.heard).await {
                Ok(0) => {
                    let reason = "connection closed before the answer was complete";
                    return Err(failure(FailureKind::Closed, reason));
                }
                Ok(length) => self.total = self.total.saturating_add(length),
                Err(error) => return Err(broken(&error)),
            }
        }
    }

    /// Takes leave, and lets the server close: who closes first must remember the connection for a while.
    async fn part(&mut self, farewell: &[u8]) -> io::Result<()> {
        if farewell.is_empty() {
            return Ok(());
        }
        self.stream.say(farewell).await?;
        let mut heard = 0;
        while heard <= LONGEST {
            self.heard.clear();
            match self.stream.hear(&mut self.heard).await? {
                0 => break,
                length => heard += length,
            }
        }
        Ok(())
    }
}

fn too_long() -> Failure {
    failure(FailureKind::TooLong, format!("answer longer than {} MiB", LONGEST / 1024 / 1024))
}

fn broken(error: &io::Error) -> Failure {
    tls::broken(error).unwrap_or_else(|| network_failure(error))
}

/// Computes apart from the attempts that wait for their servers.
async fn compute(work: Work) -> Result<Vec<u8>, Failure> {
    let computed = tokio::task::spawn_blocking(move || match work {
        Work::Stretch { password, salt, rounds } => Ok(stretch(&password, &salt, rounds)),
        Work::Encrypt { key, text } => encrypt(&key, &text),
    });
    match computed.await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(reason)) => Err(failure(FailureKind::Protocol, reason)),
        Err(panic) => Err(failure(FailureKind::Local, format!("could not compute an answer: {panic}"))),
    }
}

fn encrypt(key: &[u8], text: &[u8]) -> Result<Vec<u8>, String> {
    let key = SubjectPublicKeyInfoDer::from_pem_slice(key)
        .map_err(|error| format!("the server's key cannot be read: {error}"))?;
    let unfit = |_| "the server's key is none of RSA that can be used".to_owned();
    let key = PublicEncryptingKey::from_der(&key).map_err(unfit)?;
    let key =
        OaepPublicEncryptingKey::new(key).map_err(|_| "the server's key does not encrypt".to_owned())?;
    let mut out = vec![0; key.ciphertext_size()];
    let length = key.encrypt(&OAEP_SHA1_MGF1SHA1, text, &mut out, None).map(|out| out.len());
    let length = length.map_err(|_| "the password is longer than the server's key can encrypt".to_owned())?;
    out.truncate(length);
    Ok(out)
}

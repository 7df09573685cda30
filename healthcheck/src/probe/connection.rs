//! A connection with or without TLS, and what can go wrong on it in words.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{failure, network_failure, tls};
use crate::outcome::{Failure, FailureKind};
use crate::spec::{Check, Tls};
use crate::warning::Aside;

/// Bytes that are read at once.
const PIECE: usize = 4096;

/// A connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The same connection with TLS. What its certificate tells is noted.
    pub(super) async fn secure(
        self,
        check: &Check,
        settings: &Tls,
        aside: &mut Aside,
    ) -> Result<Stream, Failure> {
        match self {
            Stream::Plain(stream) => {
                let stream = tls::greet(check, settings, None, stream).await?;
                tls::note_expiry(&stream, settings, aside);
                Ok(Stream::Tls(stream))
            }
            secure @ Stream::Tls(_) => Ok(secure),
        }
    }

    pub(super) async fn say(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let said = match self {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => match stream.write_all(bytes).await {
                Ok(()) => stream.flush().await,
                Err(error) => Err(error),
            },
        };
        said.map_err(|error| broken(&error))
    }

    /// Says that nothing more will be said.
    pub(super) async fn end(&mut self) -> Result<(), Failure> {
        let ended = match self {
            Stream::Plain(stream) => stream.shutdown().await,
            Stream::Tls(stream) => stream.shutdown().await,
        };
        ended.map_err(|error| broken(&error))
    }

    /// Appends what comes next; nothing at the end.
    pub(super) async fn hear(&mut self, buffer: &mut Vec<u8>) -> Result<usize, Failure> {
        buffer.reserve(PIECE);
        let heard = match self {
            Stream::Plain(stream) => stream.read_buf(buffer).await,
            Stream::Tls(stream) => match stream.read_buf(buffer).await {
                // TLS that ends without a word is an end like any other.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                other => other,
            },
        };
        heard.map_err(|error| broken(&error))
    }

    /// The address that we speak from.
    pub(super) fn local(&self) -> io::Result<std::net::SocketAddr> {
        match self {
            Stream::Plain(stream) => stream.local_addr(),
            Stream::Tls(stream) => stream.get_ref().0.local_addr(),
        }
    }
}

fn broken(error: &io::Error) -> Failure {
    tls::broken(error).unwrap_or_else(|| network_failure(error))
}

/// The server ended it too early.
pub(super) fn cut() -> Failure {
    failure(FailureKind::Closed, "connection closed before the answer was complete")
}

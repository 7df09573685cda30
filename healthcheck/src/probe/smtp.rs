//! The SMTP check: a mail server greets, takes our greeting, and is taken leave of.

use std::sync::atomic::{AtomicUsize, Ordering};

use nix::unistd::gethostname;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{failure, network_failure, socket, words};
use crate::dialogue::smtp::{Fault, Reader, Reply};
use crate::outcome::{Failure, FailureKind};
use crate::spec::{Check, Smtp};

/// One dialogue.
pub(super) async fn greet(check: &Check, smtp: &Smtp) -> Result<(), Failure> {
    let stream = socket::connect(check).await?;
    let awaited = AtomicUsize::new(GREETING);
    if let Ok(judged) = timeout(check.connect_timeout, dialogue(stream, smtp, &awaited)).await {
        return judged;
    }
    let missing = match awaited.into_inner() {
        GREETING => "greeting",
        HELO => "answer to HELO",
        // Who has passed may take his leave as slowly as he likes.
        _ => return Ok(()),
    };
    let reason = format!("no {missing} within {}", words(check.connect_timeout));
    Err(failure(FailureKind::Timeout, reason))
}

/// What is waited for.
const GREETING: usize = 0;
const HELO: usize = 1;
const QUIT: usize = 2;

async fn dialogue(stream: TcpStream, smtp: &Smtp, awaited: &AtomicUsize) -> Result<(), Failure> {
    let mut session = Session { stream, reader: Reader::default(), left: Vec::new() };
    session.expect(220, "the greeting").await?;
    awaited.store(HELO, Ordering::Relaxed);
    let name = smtp.helo.clone().or_else(own_name).unwrap_or_else(|| "localhost".to_owned());
    session.say(&format!("HELO {name}\r\n")).await?;
    session.expect(250, "the answer to HELO").await?;
    awaited.store(QUIT, Ordering::Relaxed);
    // Whatever it says to that, it has shown that it works.
    if session.say("QUIT\r\n").await.is_ok() {
        let _ = session.reply().await;
    }
    Ok(())
}

fn own_name() -> Option<String> {
    gethostname().ok()?.into_string().ok().filter(|name| !name.is_empty())
}

struct Session {
    stream: TcpStream,
    reader: Reader,
    /// What came behind the last reply.
    left: Vec<u8>,
}

impl Session {
    async fn say(&mut self, line: &str) -> Result<(), Failure> {
        self.stream.write_all(line.as_bytes()).await.map_err(|error| network_failure(&error))
    }

    async fn expect(&mut self, code: u16, what: &str) -> Result<(), Failure> {
        let reply = self.reply().await?;
        if reply.code == code {
            return Ok(());
        }
        let reason = format!("{what} is '{}', expected {code}", reply.text);
        Err(failure(FailureKind::BadStatus, reason))
    }

    async fn reply(&mut self) -> Result<Reply, Failure> {
        loop {
            let read = self.reader.read(&self.left);
            let (taken, reply) = read.map_err(|fault| {
                let kind = if fault == Fault::TooLong { FailureKind::TooLong } else { FailureKind::Protocol };
                failure(kind, fault.to_string())
            })?;
            self.left.drain(..taken);
            if let Some(reply) = reply {
                return Ok(reply);
            }
            self.left.reserve(512);
            match self.stream.read_buf(&mut self.left).await {
                Ok(0) => {
                    let reason = "connection closed before the answer was complete";
                    return Err(failure(FailureKind::Closed, reason));
                }
                Ok(_) => {}
                Err(error) => return Err(network_failure(&error)),
            }
        }
    }
}

//! Conversations by lines, carried out: files, mailboxes, news and mail.
//!
//! What is said when is decided by [`Conversation`]; here are its mouth and ears. The whole conversation is bounded by
//! the check's `connect_timeout`, however slowly a server speaks, and its memory by what a reply may be long.

use std::net::SocketAddr;

use nix::unistd::gethostname;

use super::connection::{Stream, cut};
use super::within::within;
use super::{failure, find, socket, talk, words};
use crate::dialogue::conversation::{Act, Conversation, Credentials, Fault};
use crate::outcome::{Failure, FailureKind};
use crate::spec::{Check, Dialogue, Encryption, Login, Pattern, Protocol, Smtp};
use crate::warning::Aside;

/// The longest file that is fetched, in bytes.
const LONGEST_FILE: usize = 4 * 1024 * 1024;

/// A conversation with a mail server.
pub(super) async fn smtp(check: &Check, smtp: &Smtp, aside: &mut Aside) -> Result<(), Failure> {
    let credentials = credentials(smtp.login.as_ref())?;
    let name = smtp.helo.clone().or_else(own_name).unwrap_or_else(|| "localhost".to_owned());
    let starttls = matches!(smtp.encryption, Encryption::StartTls(_));
    let conversation = Conversation::smtp(&name, starttls, credentials);
    converse(check, &smtp.encryption, None, conversation, aside).await
}

/// A conversation in another language of lines.
pub(super) async fn dialogue(check: &Check, dialogue: &Dialogue, aside: &mut Aside) -> Result<(), Failure> {
    let credentials = credentials(dialogue.login.as_ref())?;
    let pattern = match &dialogue.protocol {
        Protocol::Ftp(ftp) => ftp.pattern.as_deref(),
        _ => None,
    };
    let Some(conversation) = Conversation::new(dialogue, credentials) else {
        return Err(failure(FailureKind::Local, "could not ask: this is no language of lines"));
    };
    converse(check, &dialogue.encryption, pattern, conversation, aside).await
}

async fn converse(
    check: &Check,
    encryption: &Encryption,
    pattern: Option<&Pattern>,
    mut conversation: Conversation,
    aside: &mut Aside,
) -> Result<(), Failure> {
    let stream = Stream::Plain(socket::connect(check).await?);
    let held = Session { check, encryption, pattern, left: Vec::new(), second: None, aside }
        .hold(stream, &mut conversation);
    if let Ok(judged) = within(check.connect_timeout, held).await {
        return judged;
    }
    // Who has passed may take his leave as slowly as he likes.
    if conversation.has_passed() {
        return Ok(());
    }
    let reason = format!("no {} within {}", conversation.awaited(), words(check.connect_timeout));
    Err(failure(FailureKind::Timeout, reason))
}

struct Session<'a> {
    check: &'a Check,
    encryption: &'a Encryption,
    pattern: Option<&'a Pattern>,
    /// What came and was not listened to yet.
    left: Vec<u8>,
    /// The connection that a file comes by.
    second: Option<Stream>,
    /// What the server's certificate tells.
    aside: &'a mut Aside,
}

impl Session<'_> {
    async fn hold(mut self, mut stream: Stream, conversation: &mut Conversation) -> Result<(), Failure> {
        if let Encryption::On(tls) = self.encryption {
            conversation.begin_secured();
            stream = stream.secure(self.check, tls, self.aside).await?;
            conversation.secured();
        }
        let mut file = None;
        loop {
            match self.next(&mut stream, conversation).await? {
                Act::Say(line) => stream.say(line.as_bytes()).await?,
                Act::StartTls => {
                    if let Some(tls) = self.encryption.tls() {
                        stream = stream.secure(self.check, tls, self.aside).await?;
                    }
                    if let Some(Act::Say(line)) = conversation.secured() {
                        stream.say(line.as_bytes()).await?;
                    }
                }
                Act::Connect(port, line) => {
                    self.second = Some(self.connect(port).await?);
                    stream.say(line.as_bytes()).await?;
                }
                Act::Collect => {
                    file = Some(self.collect().await?);
                    conversation.collected();
                }
                Act::Pass(farewell) => {
                    self.search(file).await?;
                    // Whatever it says to that, it has shown that it works.
                    if stream.say(farewell.as_bytes()).await.is_ok() {
                        let _ = stream.hear(&mut self.left).await;
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Listens until there is something to do.
    async fn next(&mut self, stream: &mut Stream, conversation: &mut Conversation) -> Result<Act, Failure> {
        loop {
            let (taken, act) = conversation.hear(&self.left).map_err(|fault| faulty(&fault))?;
            self.left.drain(..taken);
            if let Some(act) = act {
                return Ok(act);
            }
            if stream.hear(&mut self.left).await? == 0 {
                return Err(cut());
            }
        }
    }

    /// To another port of the same server, by the same way.
    async fn connect(&self, port: u16) -> Result<Stream, Failure> {
        let target = SocketAddr::new(self.check.target.ip(), port);
        let source = self.check.source.map(|source| SocketAddr::new(source.ip(), 0));
        // A proxy says for whom it is on the first connection; a server expects no header on one that it has named.
        let second = Check { target, source, proxy: None, ..self.check.clone() };
        let of_data = |Failure { kind, reason }| {
            failure(kind, format!("port {port}, which the server named: {reason}"))
        };
        Ok(Stream::Plain(socket::connect(&second).await.map_err(of_data)?))
    }

    async fn collect(&mut self) -> Result<Vec<u8>, Failure> {
        let (mut file, mut length) = (Vec::new(), 0);
        let Some(mut second) = self.second.take() else { return Ok(file) };
        loop {
            match second.hear(&mut file).await? {
                0 => return Ok(file),
                more => length += more,
            }
            if length > LONGEST_FILE {
                let reason = format!("file longer than {} MiB", LONGEST_FILE / 1024 / 1024);
                return Err(failure(FailureKind::TooLong, reason));
            }
            if self.pattern.is_none() {
                file.clear();
            }
        }
    }

    async fn search(&self, file: Option<Vec<u8>>) -> Result<(), Failure> {
        let (Some(pattern), Some(file)) = (self.pattern, file) else { return Ok(()) };
        if find::passes(pattern, file).await? { Ok(()) } else { Err(find::missed(pattern, "the file")) }
    }
}

fn faulty(fault: &Fault) -> Failure {
    let kind = match fault {
        Fault::TooLong => FailureKind::TooLong,
        Fault::NotSpoken(_) | Fault::Early => FailureKind::Protocol,
        Fault::Refused(_) => FailureKind::BadStatus,
    };
    failure(kind, fault.to_string())
}

fn own_name() -> Option<String> {
    gethostname().ok()?.into_string().ok().filter(|name| !name.is_empty())
}

/// What is said of us.
fn credentials(login: Option<&Login>) -> Result<Option<Credentials>, Failure> {
    talk::known(login)?;
    let said = |login: &Login| Credentials {
        user: login.name.clone(),
        password: String::from_utf8_lossy(login.password.reveal()).into_owned(),
    };
    Ok(login.map(said))
}

//! The check by plain words: something is said, and something must come back.

use std::time::Duration;

use super::connection::{Stream, cut};
use super::datagram::unreachable;
use super::within::within;
use super::{failure, find, socket, words};
use crate::dialogue::answer::{Answer, LONGEST};
use crate::outcome::{Failure, FailureKind};
use crate::spec::{Check, Encryption, Text, Transport};
use crate::warning::Aside;

/// Room for an answer by datagram.
const ROOM: usize = 64 * 1024;
/// A server that says nothing for this long has paused.
const PAUSE: Duration = Duration::from_millis(50);

/// Says what is to be said, and looks for what is expected.
pub(super) async fn ask(
    check: &Check,
    encryption: &Encryption,
    text: &Text,
    aside: &mut Aside,
) -> Result<(), Failure> {
    let mut answer = Answer::default();
    let asked = match text.transport {
        Transport::Udp => within(check.connect_timeout, by_datagram(check, text)).await,
        Transport::Tcp => {
            let stream = Stream::Plain(socket::connect(check).await?);
            let asked = by_connection(check, (encryption, aside), text, stream, &mut answer);
            within(check.connect_timeout, asked).await
        }
    };
    asked.unwrap_or_else(|_| {
        let what = match &text.pattern {
            Some(pattern) if !answer.bytes().is_empty() && pattern.absent => "end of the answer".to_owned(),
            Some(pattern) if !answer.bytes().is_empty() => format!("answer that matches '{}'", pattern.text),
            _ => "answer".to_owned(),
        };
        Err(failure(FailureKind::Timeout, format!("no {what} within {}", words(check.connect_timeout))))
    })
}

/// One datagram is the whole answer.
async fn by_datagram(check: &Check, text: &Text) -> Result<(), Failure> {
    let socket = socket::datagram(check)?;
    let said = text.send.as_deref().unwrap_or_default();
    socket.send(said.as_bytes()).await.map_err(|error| unreachable(&error))?;
    let mut answer = vec![0; ROOM];
    let length = socket.recv(&mut answer).await.map_err(|error| unreachable(&error))?;
    answer.truncate(length);
    match &text.pattern {
        Some(pattern) if !find::passes(pattern, answer).await? => Err(find::missed(pattern, "the answer")),
        _ => Ok(()),
    }
}

async fn by_connection(
    check: &Check,
    (encryption, aside): (&Encryption, &mut Aside),
    text: &Text,
    mut stream: Stream,
    answer: &mut Answer,
) -> Result<(), Failure> {
    if let Some(tls) = encryption.tls() {
        stream = stream.secure(check, tls, aside).await?;
    }
    if let Some(said) = &text.send {
        stream.say(said.as_bytes()).await?;
    }
    if text.half_close {
        stream.end().await?;
    }
    // That something is not there is known at the end only.
    let waits = text.pattern.as_ref().is_some_and(|pattern| pattern.absent);
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let heard = match answer.has_news() && !waits {
            true => within(PAUSE, stream.hear(&mut piece)).await,
            false => Ok(stream.hear(&mut piece).await),
        };
        let ended = matches!(heard, Ok(Ok(0)));
        match heard {
            // Reset behind the answer is an end as well: what came is looked at below, once.
            Ok(Err(error)) if waits || answer.bytes().is_empty() => return Err(error),
            Ok(Err(error)) => return judge(text, answer).await.unwrap_or(Err(error)),
            Ok(Ok(0)) if answer.bytes().is_empty() => return Err(cut()),
            Ok(Ok(_)) => answer.add(&piece).map_err(|_| {
                let reason = format!("answer longer than {} KiB", LONGEST / 1024);
                failure(FailureKind::TooLong, reason)
            })?,
            Err(_) => {}
        }
        if ended {
            let missed =
                || text.pattern.as_deref().map_or(Ok(()), |pattern| Err(find::missed(pattern, "the answer")));
            return judge(text, answer).await.unwrap_or_else(missed);
        }
        if !waits
            && answer.look(piece.is_empty())
            && let Some(judged) = judge(text, answer).await
        {
            return judged;
        }
    }
}

/// Whether what has come passes; `None` if it does not, or not yet.
async fn judge(text: &Text, answer: &Answer) -> Option<Result<(), Failure>> {
    let Some(pattern) = &text.pattern else { return Some(Ok(())) };
    match find::passes(pattern, answer.bytes().to_vec()).await {
        Ok(true) => Some(Ok(())),
        Ok(false) => None,
        Err(failure) => Some(Err(failure)),
    }
}

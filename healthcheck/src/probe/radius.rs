//! The RADIUS check: one question by datagram, and an answer that can be believed.

use super::datagram::{send, unreachable};
use super::talk::{has_been_read, known};
use super::within::within;
use super::{failure, random, socket, words};
use crate::dialogue::radius::{Fault, LONGEST, judge, question};
use crate::outcome::{Failure, FailureKind};
use crate::spec::{Check, Radius};

/// One question.
pub(super) async fn ask(check: &Check, radius: &Radius) -> Result<(), Failure> {
    has_been_read(&radius.secret)?;
    known(radius.login.as_ref())?;
    let socket = socket::datagram(check)?;
    let [number, unforeseen @ ..] = random::<17>()?;
    let question = question(radius, number, unforeseen);
    send(&socket, &question).await?;
    let mut other_secret = false;
    let answered = async {
        let mut answer = vec![0; LONGEST + 1];
        loop {
            let length = socket.recv(&mut answer).await.map_err(|error| unreachable(&error))?;
            let fault = match judge(radius, &question, answer.get(..length).unwrap_or(&answer)) {
                Ok(()) => return Ok(()),
                Err(fault) => fault,
            };
            let kind = match fault {
                // Late answers to earlier attempts are not ours; others may come from anybody.
                Fault::Stray => continue,
                Fault::OtherSecret => {
                    other_secret = true;
                    continue;
                }
                Fault::Garbage(_) | Fault::OtherKind(_) => FailureKind::Protocol,
                Fault::Unsigned => FailureKind::BadAnswer,
                Fault::Rejected(_) | Fault::Challenged(_) => FailureKind::BadStatus,
            };
            return Err(failure(kind, fault.to_string()));
        }
    };
    if let Ok(judged) = within(check.connect_timeout, answered).await {
        return judged;
    }
    if other_secret {
        return Err(failure(FailureKind::BadAnswer, Fault::OtherSecret.to_string()));
    }
    let reason = format!(
        "no answer within {}: a server that does not know us, or knows another `secret`, keeps silent too",
        words(check.connect_timeout)
    );
    Err(failure(FailureKind::Timeout, reason))
}

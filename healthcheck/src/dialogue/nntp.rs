//! What is said to a news server (RFC 3977, RFC 4642, RFC 4643): TLS if it is to be begun, a login if we have a name, and a
//! farewell. A server that lets nobody post (201) works as well as one that does (200).

use super::conversation::{Act, Credentials, Wrong};
use super::reply::{Replies, Reply};

/// What we are waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Greeting,
    StartTls,
    User,
    Pass,
    Done,
}

/// The client's side.
#[derive(Debug)]
pub(super) struct Nntp {
    step: Step,
    starttls: bool,
    credentials: Option<Credentials>,
    replies: Replies,
}

impl Nntp {
    pub(super) fn new(starttls: bool, credentials: Option<Credentials>) -> Nntp {
        Nntp { step: Step::Greeting, starttls, credentials, replies: Replies::strict("NNTP") }
    }

    pub(super) fn awaited(&self) -> &'static str {
        match self.step {
            Step::Greeting => "greeting",
            Step::StartTls => "answer to STARTTLS",
            Step::User => "answer to AUTHINFO USER",
            Step::Pass => "answer to AUTHINFO PASS",
            Step::Done => "answer to QUIT",
        }
    }

    pub(super) fn secured(&mut self) -> Option<Act> {
        (self.step == Step::StartTls).then(|| self.log_in())
    }

    pub(super) fn hear(&mut self, line: &[u8]) -> Result<Option<Act>, Wrong> {
        let Some(reply) = self.replies.line(line)? else { return Ok(None) };
        self.answer(reply).map(Some)
    }

    fn say(&mut self, step: Step, line: &str) -> Act {
        self.step = step;
        Act::Say(format!("{line}\r\n"))
    }

    fn answer(&mut self, reply: Reply) -> Result<Act, Wrong> {
        let what = self.awaited();
        Ok(match (self.step, reply.code) {
            (Step::Greeting, 200 | 201) if self.starttls => self.say(Step::StartTls, "STARTTLS"),
            (Step::Greeting, 200 | 201) => self.log_in(),
            (Step::Greeting, _) => return Err(reply.refused(what, "200 or 201")),
            (Step::StartTls, _) => {
                reply.expect(382, what)?;
                Act::StartTls
            }
            (Step::User, 381) => {
                let password = self.credentials.as_ref().map_or("", |known| &known.password);
                let line = format!("AUTHINFO PASS {password}");
                self.say(Step::Pass, &line)
            }
            (Step::User | Step::Pass, 281) => self.part(),
            (Step::User | Step::Pass, _) => return Err(reply.refused(what, "281")),
            (Step::Done, _) => self.part(),
        })
    }

    fn log_in(&mut self) -> Act {
        let Some(credentials) = &self.credentials else { return self.part() };
        let line = format!("AUTHINFO USER {}", credentials.user);
        self.say(Step::User, &line)
    }

    fn part(&mut self) -> Act {
        self.step = Step::Done;
        Act::Pass("QUIT\r\n")
    }
}

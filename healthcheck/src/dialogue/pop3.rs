//! What is said to a mailbox server that speaks POP3 (RFC 1939, RFC 2449, RFC 2595): TLS if it is to be begun, the login or
//! else what it can do, and a farewell.

use super::conversation::{Act, Credentials, Wrong};

/// What we are waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Greeting,
    Stls,
    Capa,
    /// The lines behind a good answer to CAPA, up to a dot.
    List,
    User,
    Pass,
    Done,
}

/// The client's side.
#[derive(Debug)]
pub(super) struct Pop3 {
    step: Step,
    starttls: bool,
    credentials: Option<Credentials>,
}

impl Pop3 {
    pub(super) fn new(starttls: bool, credentials: Option<Credentials>) -> Pop3 {
        Pop3 { step: Step::Greeting, starttls, credentials }
    }

    pub(super) fn awaited(&self) -> &'static str {
        match self.step {
            Step::Greeting => "greeting",
            Step::Stls => "answer to STLS",
            Step::Capa | Step::List => "answer to CAPA",
            Step::User => "answer to USER",
            Step::Pass => "answer to PASS",
            Step::Done => "answer to QUIT",
        }
    }

    pub(super) fn secured(&mut self) -> Option<Act> {
        (self.step == Step::Stls).then(|| self.ask())
    }

    pub(super) fn hear(&mut self, line: &[u8]) -> Result<Option<Act>, Wrong> {
        if self.step == Step::List {
            return Ok((line == b".").then(|| self.part()));
        }
        let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        match word {
            b"+OK" => Ok(self.go_on()),
            // What a server can do it need not know how to tell.
            b"-ERR" if self.step == Step::Capa => Ok(Some(self.part())),
            b"-ERR" => {
                let (what, said) = (self.awaited(), line.to_vec());
                Err(Wrong::Refused { what, said, expected: "+OK".to_owned() })
            }
            _ => Err(Wrong::NotSpoken { protocol: "POP3", said: line.to_vec() }),
        }
    }

    fn say(&mut self, step: Step, line: &str) -> Act {
        self.step = step;
        Act::Say(format!("{line}\r\n"))
    }

    fn ask(&mut self) -> Act {
        match &self.credentials {
            None => self.say(Step::Capa, "CAPA"),
            Some(credentials) => {
                let line = format!("USER {}", credentials.user);
                self.say(Step::User, &line)
            }
        }
    }

    fn go_on(&mut self) -> Option<Act> {
        Some(match self.step {
            Step::Greeting if self.starttls => self.say(Step::Stls, "STLS"),
            Step::Greeting => self.ask(),
            Step::Stls => Act::StartTls,
            Step::Capa => {
                self.step = Step::List;
                return None;
            }
            Step::User => {
                let password = self.credentials.as_ref().map_or("", |known| &known.password);
                let line = format!("PASS {password}");
                self.say(Step::Pass, &line)
            }
            Step::Pass | Step::List | Step::Done => self.part(),
        })
    }

    fn part(&mut self) -> Act {
        self.step = Step::Done;
        Act::Pass("QUIT\r\n")
    }
}

//! What is said to a mail server: the greeting, TLS if it is to be begun, a login if we have a name, and a farewell.
//!
//! Where nothing more is asked for the greeting is HELO, as keepalived's is; what needs an extension begins with EHLO.

use super::conversation::{Act, Credentials, Wrong, base64};
use super::reply::{Replies, Reply};

/// What we are waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Greeting,
    Helo,
    Ehlo,
    StartTls,
    /// The name is asked for (AUTH LOGIN).
    User,
    /// The password is asked for (AUTH LOGIN).
    Password,
    Auth,
    Done,
}

/// The client's side.
#[derive(Debug)]
pub(super) struct Smtp {
    step: Step,
    name: String,
    starttls: bool,
    credentials: Option<Credentials>,
    replies: Replies,
    /// Ways to log in that the server offers: AUTH PLAIN, AUTH LOGIN.
    offers: (bool, bool),
}

impl Smtp {
    pub(super) fn new(name: &str, starttls: bool, credentials: Option<Credentials>) -> Smtp {
        let replies = Replies::strict("SMTP");
        Smtp {
            step: Step::Greeting,
            name: name.to_owned(),
            starttls,
            credentials,
            replies,
            offers: (false, false),
        }
    }

    pub(super) fn awaited(&self) -> &'static str {
        match self.step {
            Step::Greeting => "greeting",
            Step::Helo => "answer to HELO",
            Step::Ehlo => "answer to EHLO",
            Step::StartTls => "answer to STARTTLS",
            Step::User | Step::Password | Step::Auth => "answer to AUTH",
            Step::Done => "answer to QUIT",
        }
    }

    pub(super) fn secured(&mut self) -> Option<Act> {
        // With TLS from the first byte on the server speaks first.
        (self.step == Step::StartTls).then(|| {
            self.starttls = false;
            self.greet()
        })
    }

    pub(super) fn hear(&mut self, line: &[u8]) -> Result<Option<Act>, Wrong> {
        if self.step == Step::Ehlo {
            self.note_offer(line);
        }
        let Some(reply) = self.replies.line(line)? else { return Ok(None) };
        self.answer(reply).map(Some)
    }

    /// `250-AUTH PLAIN LOGIN`, by some servers `250-AUTH=PLAIN LOGIN`.
    fn note_offer(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line.get(4..).unwrap_or_default()).to_ascii_uppercase();
        if let Some(rest) = text.strip_prefix("AUTH") {
            let offers = |name: &str| rest.split([' ', '=']).any(|word| word == name);
            self.offers.0 |= offers("PLAIN");
            self.offers.1 |= offers("LOGIN");
        }
    }

    fn say(&mut self, step: Step, line: &str) -> Act {
        self.step = step;
        Act::Say(format!("{line}\r\n"))
    }

    fn greet(&mut self) -> Act {
        self.offers = (false, false);
        let name = self.name.clone();
        match self.starttls || self.credentials.is_some() || self.step == Step::StartTls {
            true => self.say(Step::Ehlo, &format!("EHLO {name}")),
            false => self.say(Step::Helo, &format!("HELO {name}")),
        }
    }

    fn answer(&mut self, reply: Reply) -> Result<Act, Wrong> {
        let what = self.awaited();
        Ok(match self.step {
            Step::Greeting => {
                reply.expect(220, what)?;
                self.greet()
            }
            Step::Helo | Step::Ehlo => {
                reply.expect(250, what)?;
                if self.starttls { self.say(Step::StartTls, "STARTTLS") } else { self.log_in()? }
            }
            Step::StartTls => {
                reply.expect(220, what)?;
                Act::StartTls
            }
            Step::User => {
                reply.expect(334, what)?;
                let user = self.credentials.as_ref().map_or("", |known| &known.user);
                let line = base64(user.as_bytes());
                self.say(Step::Password, &line)
            }
            Step::Password => {
                reply.expect(334, what)?;
                let password = self.credentials.as_ref().map_or("", |known| &known.password);
                let line = base64(password.as_bytes());
                self.say(Step::Auth, &line)
            }
            Step::Auth => {
                reply.expect(235, what)?;
                self.part()
            }
            Step::Done => self.part(),
        })
    }

    fn log_in(&mut self) -> Result<Act, Wrong> {
        let Some(credentials) = &self.credentials else { return Ok(self.part()) };
        Ok(match self.offers {
            (true, _) => {
                let line = format!("AUTH PLAIN {}", credentials.plain());
                self.say(Step::Auth, &line)
            }
            (_, true) => self.say(Step::User, "AUTH LOGIN"),
            (false, false) => {
                let why = "the server offers no login by AUTH PLAIN or LOGIN; many do with TLS only (`tls starttls`)";
                return Err(Wrong::Lacking(why));
            }
        })
    }

    fn part(&mut self) -> Act {
        self.step = Step::Done;
        Act::Pass("QUIT\r\n")
    }
}

//! What is said to a mailbox server that speaks IMAP (RFC 9051, and RFC 3501 before it): TLS if it is to be begun, the
//! login or else what it can do, and a farewell.

use super::conversation::{Act, Credentials, Wrong};

/// What we are waiting for. Each of our lines has a name that its answer repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Greeting,
    StartTls,
    Login,
    /// That the login holds: some let in, and find only then that they cannot serve.
    Noop,
    Capability,
    Done,
}

/// The client's side.
#[derive(Debug)]
pub(super) struct Imap {
    step: Step,
    starttls: bool,
    credentials: Option<Credentials>,
    /// The server has said that it speaks IMAP4.
    capable: bool,
}

impl Imap {
    pub(super) fn new(starttls: bool, credentials: Option<Credentials>) -> Imap {
        Imap { step: Step::Greeting, starttls, credentials, capable: false }
    }

    pub(super) fn awaited(&self) -> &'static str {
        match self.step {
            Step::Greeting => "greeting",
            Step::StartTls => "answer to STARTTLS",
            Step::Login => "answer to the login",
            Step::Noop => "answer to NOOP",
            Step::Capability => "answer to CAPABILITY",
            Step::Done => "answer to LOGOUT",
        }
    }

    pub(super) fn secured(&mut self) -> Option<Act> {
        (self.step == Step::StartTls).then(|| self.ask())
    }

    pub(super) fn hear(&mut self, line: &[u8]) -> Result<Option<Act>, Wrong> {
        let what = self.awaited();
        let refused =
            |expected: &str| Wrong::Refused { what, said: line.to_vec(), expected: expected.to_owned() };
        let none = || Wrong::NotSpoken { protocol: "IMAP", said: line.to_vec() };
        let mut words = line.split(|byte| *byte == b' ');
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let is = |word: &str| second.eq_ignore_ascii_case(word.as_bytes());
        if self.step == Step::Greeting {
            return match first {
                b"*" if is("OK") => Ok(Some(self.begin())),
                // It knows us by other means, such as a certificate.
                b"*" if is("PREAUTH") => Ok(Some(self.part())),
                b"*" => Err(refused("* OK")),
                _ => Err(none()),
            };
        }
        match first {
            b"*" if is("BYE") => Err(refused("OK")),
            b"*" => {
                let named = |word: &[u8]| word.to_ascii_uppercase().starts_with(b"IMAP4");
                self.capable |= is("CAPABILITY") && words.any(named);
                Ok(None)
            }
            b"+" if self.step == Step::Login => {
                let line = self.credentials.as_ref().map(Credentials::plain).unwrap_or_default();
                Ok(Some(Act::Say(format!("{line}\r\n"))))
            }
            tag if tag == self.tag().as_bytes() => {
                if !is("OK") {
                    return Err(refused("OK"));
                }
                self.go_on().map(Some)
            }
            _ => Err(none()),
        }
    }

    fn tag(&self) -> &'static str {
        match self.step {
            Step::Greeting | Step::StartTls => "a1",
            Step::Login | Step::Capability => "a2",
            Step::Noop => "a3",
            Step::Done => "a4",
        }
    }

    fn say(&mut self, step: Step, line: &str) -> Act {
        self.step = step;
        Act::Say(format!("{} {line}\r\n", self.tag()))
    }

    fn begin(&mut self) -> Act {
        if self.starttls { self.say(Step::StartTls, "STARTTLS") } else { self.ask() }
    }

    fn ask(&mut self) -> Act {
        let Some(Credentials { user, password }) = &self.credentials else {
            return self.say(Step::Capability, "CAPABILITY");
        };
        // Words in quotes are ASCII (RFC 3501 section 4.3).
        if !user.is_ascii() || !password.is_ascii() {
            return self.say(Step::Login, "AUTHENTICATE PLAIN");
        }
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let line = format!("LOGIN {} {}", quoted(user), quoted(password));
        self.say(Step::Login, &line)
    }

    fn go_on(&mut self) -> Result<Act, Wrong> {
        match self.step {
            Step::StartTls => Ok(Act::StartTls),
            Step::Capability if !self.capable => {
                Err(Wrong::Lacking("the server does not say that it speaks IMAP4"))
            }
            Step::Login => Ok(self.say(Step::Noop, "NOOP")),
            _ => Ok(self.part()),
        }
    }

    fn part(&mut self) -> Act {
        self.step = Step::Done;
        Act::Pass("a4 LOGOUT\r\n")
    }
}

//! What is said to a file server: the login, and where a file is to be fetched the way to it (RFC 959, RFC 2428).
//!
//! The file comes by a connection of its own, to the port that the server names and always to the address that was
//! asked: an address in the answer is not believed, behind address translation it is wrong anyway.

use super::conversation::{Act, Credentials, Wrong};
use super::reply::{Replies, Reply};
use crate::spec;

/// What we are waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Greeting,
    AuthTls,
    User,
    Password,
    Type,
    Epsv,
    Pasv,
    /// That the file is coming.
    Retr,
    /// That it has come.
    End,
    Done,
}

/// The client's side.
#[derive(Debug)]
pub(super) struct Ftp {
    step: Step,
    starttls: bool,
    credentials: Credentials,
    path: Option<String>,
    replies: Replies,
}

impl Ftp {
    pub(super) fn new(ftp: &spec::Ftp, starttls: bool, credentials: Option<Credentials>) -> Ftp {
        let anonymous = || Credentials { user: "anonymous".to_owned(), password: "directord@".to_owned() };
        Ftp {
            step: Step::Greeting,
            starttls,
            credentials: credentials.unwrap_or_else(anonymous),
            path: ftp.path.clone(),
            replies: Replies::lenient("FTP"),
        }
    }

    pub(super) fn awaited(&self) -> &'static str {
        match self.step {
            Step::Greeting => "greeting",
            Step::AuthTls => "answer to AUTH TLS",
            Step::User => "answer to USER",
            Step::Password => "answer to PASS",
            Step::Type => "answer to TYPE",
            Step::Epsv => "answer to EPSV",
            Step::Pasv => "answer to PASV",
            Step::Retr => "answer to RETR",
            Step::End => "end of the file",
            Step::Done => "answer to QUIT",
        }
    }

    pub(super) fn secured(&mut self) -> Option<Act> {
        (self.step == Step::AuthTls).then(|| self.introduce())
    }

    pub(super) fn collected(&mut self) {
        self.step = Step::End;
    }

    pub(super) fn hear(&mut self, line: &[u8]) -> Result<Option<Act>, Wrong> {
        let Some(reply) = self.replies.line(line)? else { return Ok(None) };
        // 120: the server will be ready in some minutes.
        if self.step == Step::Greeting && reply.code == 120 {
            return Ok(None);
        }
        self.answer(reply).map(Some)
    }

    fn say(&mut self, step: Step, line: &str) -> Act {
        self.step = step;
        Act::Say(format!("{line}\r\n"))
    }

    fn introduce(&mut self) -> Act {
        let user = self.credentials.user.clone();
        self.say(Step::User, &format!("USER {user}"))
    }

    fn answer(&mut self, reply: Reply) -> Result<Act, Wrong> {
        let what = self.awaited();
        Ok(match (self.step, reply.code) {
            (Step::Greeting, _) => {
                reply.expect(220, what)?;
                if self.starttls { self.say(Step::AuthTls, "AUTH TLS") } else { self.introduce() }
            }
            (Step::AuthTls, _) => {
                reply.expect(234, what)?;
                Act::StartTls
            }
            (Step::User, 331) => {
                let password = self.credentials.password.clone();
                self.say(Step::Password, &format!("PASS {password}"))
            }
            // Some need no password, some do not look at it.
            (Step::User, 230) | (Step::Password, 230 | 202) => self.enter(),
            (Step::User, _) => return Err(reply.refused(what, "331 or 230")),
            (Step::Password, _) => return Err(reply.refused(what, "230")),
            (Step::Type, _) => {
                reply.expect(200, what)?;
                self.say(Step::Epsv, "EPSV")
            }
            (Step::Epsv, 229) => {
                let Some(port) = extended_port(&reply.last) else {
                    return Err(reply.refused(what, "a port"));
                };
                self.fetch(port)
            }
            // Older servers do not know it.
            (Step::Epsv, 500..=599) => self.say(Step::Pasv, "PASV"),
            (Step::Epsv, _) => return Err(reply.refused(what, "229")),
            (Step::Pasv, 227) => {
                let Some(port) = passive_port(&reply.last) else { return Err(reply.refused(what, "a port")) };
                self.fetch(port)
            }
            (Step::Pasv, _) => return Err(reply.refused(what, "227")),
            (Step::Retr, 125 | 150) => Act::Collect,
            (Step::Retr, _) => return Err(reply.refused(what, "150")),
            (Step::End, 226 | 250) => self.part(),
            (Step::End, _) => return Err(reply.refused(what, "226")),
            (Step::Done, _) => self.part(),
        })
    }

    fn enter(&mut self) -> Act {
        // A file as it is, not as a text.
        if self.path.is_some() { self.say(Step::Type, "TYPE I") } else { self.part() }
    }

    fn fetch(&mut self, port: u16) -> Act {
        self.step = Step::Retr;
        Act::Connect(port, format!("RETR {}\r\n", self.path.as_deref().unwrap_or_default()))
    }

    fn part(&mut self) -> Act {
        self.step = Step::Done;
        Act::Pass("QUIT\r\n")
    }
}

/// `229 Entering Extended Passive Mode (|||6446|)` (RFC 2428 section 3): any sign may stand for the bars.
fn extended_port(line: &[u8]) -> Option<u16> {
    let inside = line.split(|byte| *byte == b'(').nth(1)?;
    let bar = *inside.first()?;
    let mut fields = inside.split(|byte| *byte == bar);
    number(fields.nth(3)?).filter(|port| *port > 0)
}

/// `227 Entering Passive Mode (192,0,2,1,25,46)`; some leave the brackets out (RFC 1123 section 4.1.2.6).
fn passive_port(line: &[u8]) -> Option<u16> {
    let list = line.get(4..)?.split(|byte| !byte.is_ascii_digit() && *byte != b',');
    let numbers: Vec<u16> = list
        .map(|word| word.split(|byte| *byte == b',').map(number).collect::<Option<Vec<u16>>>())
        .find_map(|numbers| numbers.filter(|numbers| numbers.len() == 6))?;
    let [.., high, low] = numbers.as_slice() else { return None };
    let fits = numbers.iter().all(|number| *number < 256);
    fits.then(|| high << 8 | low).filter(|port| *port > 0)
}

fn number(digits: &[u8]) -> Option<u16> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_in_what_servers_write() {
        for (line, port) in [
            ("229 Entering Extended Passive Mode (|||6446|)", Some(6446)),
            ("229 EPSV ok (!!!21!)", Some(21)),
            ("229 (|||0|)", None),
            ("229 (|||70000|)", None),
            ("229 nothing", None),
            ("229 (", None),
        ] {
            assert_eq!(extended_port(line.as_bytes()), port, "{line}");
        }
        for (line, port) in [
            ("227 Entering Passive Mode (192,0,2,1,25,46)", Some(25 * 256 + 46)),
            ("227 =192,0,2,1,0,80", Some(80)),
            ("227 Mode 1 (1,2,3,4,5,6).", Some(5 * 256 + 6)),
            ("227 (1,2,3,4,256,1)", None),
            ("227 (1,2,3,4,0,0)", None),
            ("227 (1,2,3,4,5)", None),
            ("227", None),
        ] {
            assert_eq!(passive_port(line.as_bytes()), port, "{line}");
        }
    }
}

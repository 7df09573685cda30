//! The start of a session with PostgreSQL (protocol 3.0), a login, and one question.
//!
//! Without a login the server must only show that it would let somebody in: it asks for a password, lets us in, or says
//! that it does not know us. That it starts up, shuts down or has no connection left is failure.

use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::quote;
use super::scram::{self, Challenge};
use super::talk::{Step, Talk, Work, protocol, refused, unexpected};
use crate::outcome::Failure;
use crate::spec::Sql;

/// Bytes before the content of a message: its kind and its length.
const HEAD: usize = 5;
/// Protocol 3.0.
const VERSION: [u8; 4] = [0, 3, 0, 0];
/// The question whether the server speaks TLS.
const TLS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Who asks where no login is said, and for which database.
const NOBODY: [&str; 2] = ["directord", "postgres"];
const SCRAM: &str = "SCRAM-SHA-256";

/// Where we are.
enum State {
    /// TLS was asked for.
    Securing,
    Starting,
    /// Our first message of SCRAM was said.
    Proving,
    /// The key is being computed.
    Stretching(Challenge),
    /// The server must prove itself.
    Proven([u8; 32]),
    LoggedIn,
    Query,
}

/// One dialogue with a server.
pub struct Pgsql<'a> {
    sql: &'a Sql,
    state: State,
    /// Our nonce, if it comes to SCRAM.
    nonce: String,
    secured: bool,
    any_row: bool,
}

/// A password after so many rounds: [`Work::Stretch`].
pub fn stretch(password: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
    scram::stretch(password, salt, rounds).to_vec()
}

impl<'a> Pgsql<'a> {
    /// A dialogue about to begin, with bytes that nobody can foresee.
    pub fn new(sql: &'a Sql, random: [u8; 18]) -> Pgsql<'a> {
        let nonce = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Pgsql { sql, state: State::Starting, nonce, secured: false, any_row: false }
    }

    fn start(&mut self) -> Step {
        self.state = State::Starting;
        let (user, database) = match &self.sql.login {
            Some(login) => (login.name.as_str(), self.sql.database.as_deref()),
            None => (NOBODY[0], Some(NOBODY[1])),
        };
        let mut out = VERSION.to_vec();
        let database = database.map(|database| ("database", database));
        let about = [Some(("user", user)), database, Some(("application_name", "directord"))];
        for (name, value) in about.into_iter().flatten() {
            for text in [name, value] {
                out.extend(text.as_bytes());
                out.push(0);
            }
        }
        out.push(0);
        let length = (out.len() as u32 + 4).to_be_bytes();
        Step::Say([&length[..], &out].concat())
    }

    fn password(&self) -> &'a [u8] {
        self.sql.login.as_ref().map_or(&[], |login| login.password.reveal())
    }

    /// How the server wants to know us.
    fn authenticate(&mut self, content: &[u8]) -> Result<Step, Failure> {
        let garbage = || protocol("the answer to the login is not PostgreSQL");
        let (kind, rest) = content.split_first_chunk().ok_or_else(garbage)?;
        let Some(login) = &self.sql.login else { return Ok(Step::Part) };
        match (u32::from_be_bytes(*kind), std::mem::replace(&mut self.state, State::Starting)) {
            (0, State::Starting) => {
                self.state = State::LoggedIn;
                Ok(Step::Listen)
            }
            (3, State::Starting) => {
                if !self.secured && !self.sql.cleartext {
                    return Err(refused(
                        "the server wants the password itself; say `tls`, or `allow_cleartext` if nobody can listen on \
                         the way",
                    ));
                }
                Ok(Step::Say(message(b'p', &[self.password(), &[0]].concat())))
            }
            (5, State::Starting) => {
                let salt = rest.get(..4).ok_or_else(garbage)?;
                let inner = hex(&[self.password(), login.name.as_bytes()]);
                let answer = format!("md5{}\0", hex(&[inner.as_bytes(), salt]));
                Ok(Step::Say(message(b'p', answer.as_bytes())))
            }
            (10, State::Starting) => {
                if !rest.split(|byte| *byte == 0).any(|name| name == SCRAM.as_bytes()) {
                    let offered: Vec<String> =
                        rest.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(quote).collect();
                    return Err(protocol(format!(
                        "the server offers {} only, not {SCRAM}",
                        offered.join(", ")
                    )));
                }
                self.state = State::Proving;
                let first = scram::first("", &self.nonce);
                let length = (first.len() as u32).to_be_bytes();
                Ok(Step::Say(message(b'p', &[SCRAM.as_bytes(), &[0], &length, first.as_bytes()].concat())))
            }
            (11, State::Proving) => self.challenged(rest),
            (12, State::Proven(expected)) => {
                if !scram::is_proof(rest, &expected) {
                    return Err(unexpected(
                        "the server does not know the password itself: it may be another one",
                    ));
                }
                Ok(Step::Listen)
            }
            (code, _) => {
                let name = match code {
                    2 | 7 | 8 => "Kerberos",
                    6 => "SCM credentials",
                    9 => "SSPI",
                    _ => "another method",
                };
                Err(protocol(format!(
                    "the server wants to know us by {name} ({code}), which the check cannot do"
                )))
            }
        }
    }

    fn challenged(&mut self, rest: &[u8]) -> Result<Step, Failure> {
        let challenge = Challenge::read("", &self.nonce, rest)
            .ok_or_else(|| protocol("the server's part of SCRAM is none that answers ours"))?;
        if challenge.rounds > scram::MOST_ROUNDS {
            let reason =
                format!("the server asks for {} rounds of SCRAM, more than is reasonable", challenge.rounds);
            return Err(protocol(reason));
        }
        let password = Zeroizing::new(self.password().to_vec());
        let (salt, rounds) = (challenge.salt.clone(), challenge.rounds);
        self.state = State::Stretching(challenge);
        Ok(Step::Compute(Work::Stretch { password, salt, rounds }))
    }

    /// Where the server is ready for a question.
    fn ready(&mut self) -> Result<Step, Failure> {
        match (&self.state, &self.sql.query) {
            (State::LoggedIn, Some(query)) => {
                let question = message(b'Q', &[query.as_bytes(), &[0]].concat());
                self.state = State::Query;
                Ok(Step::Say(question))
            }
            (State::LoggedIn, None) => Ok(Step::Part),
            (State::Query, _) if self.any_row => Ok(Step::Part),
            (State::Query, _) => Err(unexpected("the query brings no row")),
            _ => Err(protocol("the server is ready before it knows us")),
        }
    }

    fn troubled(&self, trouble: &Trouble) -> Result<Step, Failure> {
        // Class 28: it does not know or want us. 3D000: it has no such database.
        let shows_life = trouble.state.starts_with("28") || trouble.state == "3D000";
        if self.sql.login.is_none() && shows_life {
            return Ok(Step::Part);
        }
        let what = match (&self.state, trouble.state.as_str()) {
            (_, "57P01" | "57P02" | "57P03") => "the server does not serve now",
            (_, "53300") => "the server has no connection left",
            (State::Query, _) => "the query fails",
            _ => "the login is refused",
        };
        Err(refused(format!("{what}: {trouble}")))
    }
}

impl Talk for Pgsql<'_> {
    fn begin(&mut self) -> Step {
        if self.sql.tls.is_none() {
            return self.start();
        }
        self.state = State::Securing;
        Step::Say(TLS.to_vec())
    }

    fn length(&self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        let starting = matches!(self.state, State::Securing | State::Starting);
        match bytes.first() {
            None => return Ok(None),
            Some(b'S' | b'N') if matches!(self.state, State::Securing) => return Ok(Some(1)),
            // Told at once: others would have us wait for what never comes.
            Some(kind) if starting && !b"ERSKZNv".contains(kind) => {
                return Err(protocol(format!("the answer is not PostgreSQL: '{}'", quote(bytes))));
            }
            Some(_) => {}
        }
        let Some([_, a, b, c, d]) = bytes.first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes([*a, *b, *c, *d]);
        match usize::try_from(length) {
            Ok(length) if length >= 4 && (length <= 65_536 || !starting) => Ok(Some(length + 1)),
            _ => Err(protocol(format!("the answer is not PostgreSQL: '{}'", quote(bytes)))),
        }
    }

    fn hear(&mut self, message: &[u8]) -> Result<Step, Failure> {
        let kind = message.first().copied().unwrap_or_default();
        let content = message.get(HEAD..).unwrap_or_default();
        match (kind, &self.state) {
            (b'S', State::Securing) if message.len() == 1 => Ok(Step::Secure(Vec::new())),
            (b'N', State::Securing) if message.len() == 1 => Err(protocol("the server offers no TLS")),
            (b'E', _) => self.troubled(&Trouble::read(content)),
            // Notices, settings, a key to cancel with, another minor version.
            (b'N' | b'S' | b'K' | b'v' | b'A', _) => Ok(Step::Listen),
            (b'R', State::Query) => Err(protocol("the server asks who we are in the middle of a query")),
            (b'R', _) => self.authenticate(content),
            (b'Z', _) => self.ready(),
            (b'D', State::Query) => {
                self.any_row = true;
                Ok(Step::Listen)
            }
            // A description of columns, the end of a command, an empty one.
            (b'T' | b'C' | b'I', State::Query) => Ok(Step::Listen),
            (b'G' | b'H' | b'W' | b'd' | b'c', State::Query) => {
                Err(unexpected("the query copies, it is none that brings rows"))
            }
            (kind, _) => {
                Err(protocol(format!("the answer is not PostgreSQL: a message of kind '{}'", quote(&[kind]))))
            }
        }
    }

    fn secured(&mut self) -> Step {
        self.secured = true;
        self.start()
    }

    fn computed(&mut self, result: Vec<u8>) -> Step {
        let State::Stretching(challenge) = &self.state else { return Step::Listen };
        let (answer, expected) = challenge.answer(&result);
        self.state = State::Proven(expected);
        Step::Say(message(b'p', answer.as_bytes()))
    }

    fn awaited(&self) -> &'static str {
        match self.state {
            State::Securing => "answer to the question for TLS",
            State::Starting => "answer to the login",
            State::Proving | State::Stretching(_) | State::Proven(_) => "end of the login",
            State::LoggedIn => "readiness after the login",
            State::Query => "complete answer to the query",
        }
    }

    fn is_satisfied(&self) -> bool {
        self.any_row
    }

    fn farewell(&self) -> Vec<u8> {
        match self.state {
            State::LoggedIn | State::Query => message(b'X', &[]),
            _ => Vec::new(),
        }
    }
}

fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u32 + 4).to_be_bytes();
    [&[kind], &length[..], content].concat()
}

fn hex(parts: &[&[u8]]) -> String {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part));
    md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a server says is wrong.
struct Trouble {
    /// Five letters and digits (appendix A of the manual).
    state: String,
    text: String,
}

impl Trouble {
    fn read(content: &[u8]) -> Trouble {
        let field = |kind: u8| {
            let mut fields = content.split(|byte| *byte == 0);
            let found = fields.find(|field| field.first() == Some(&kind));
            found.and_then(|field| field.get(1..)).unwrap_or_default()
        };
        Trouble { state: quote(field(b'C')), text: quote(field(b'M')) }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "'{}' ({})", self.text, self.state)
    }
}

#[cfg(test)]
mod tests;

//! The handshake of MySQL and MariaDB (protocol 10), a login, and one question.
//!
//! A server counts connections that end in the middle of the handshake, and after a hundred in a row
//! (`max_connect_errors`) refuses the whole host. So the handshake is gone through even without a login: nobody, with
//! no password, asks to be let in, and a server that says no to that has shown that it works. Whoever is let in says
//! goodbye (COM_QUIT).

mod answer;
mod password;

use zeroize::Zeroizing;

use super::quote;
use super::talk::{Step, Talk, Work, protocol, refused, unexpected};
use crate::outcome::Failure;
use crate::spec::Sql;
use answer::{Greeting, Trouble};

/// Bytes before the content of a message: its length and its number.
const HEAD: usize = 4;

// What both sides can do.
const LONG_PASSWORD: u32 = 1;
const CONNECT_WITH_DB: u32 = 1 << 3;
const PROTOCOL_41: u32 = 1 << 9;
const TLS: u32 = 1 << 11;
const SECURE_CONNECTION: u32 = 1 << 15;
const PLUGIN_AUTH: u32 = 1 << 19;

/// The longest message that we take.
const LONGEST: u32 = 1 << 24;
/// `utf8mb3_general_ci`, which all servers know.
const CHARACTERS: u8 = 33;

const COM_QUIT: u8 = 1;
const COM_QUERY: u8 = 3;

// How an answer begins.
const OK: u8 = 0;
const MORE: u8 = 1;
const LOCAL_FILE: u8 = 0xfb;
const END: u8 = 0xfe;
const ERROR: u8 = 0xff;

const NATIVE: &str = "mysql_native_password";
const CACHING: &str = "caching_sha2_password";
const CLEAR: &str = "mysql_clear_password";

/// What nobody is told by a server that works: access denied, no such login, another method or TLS wanted.
const SHOWS_LIFE: [u16; 6] = [1044, 1045, 1251, 1275, 1698, 3159];

/// Where we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    /// The greeting has been heard, and TLS is being made.
    Securing,
    Login,
    /// The server's key was asked for.
    Key,
    Answer,
    /// So many descriptions of columns are to come.
    Columns(u64),
    Rows,
}

/// One dialogue with a server.
pub struct Mysql<'a> {
    sql: &'a Sql,
    state: State,
    /// The number of the last message.
    number: u8,
    nonce: Vec<u8>,
    method: &'static str,
    plugins: bool,
    /// How often the server wanted another method.
    switches: u8,
    secured: bool,
    let_in: bool,
    any_row: bool,
}

impl<'a> Mysql<'a> {
    /// A dialogue about to begin.
    pub fn new(sql: &'a Sql) -> Mysql<'a> {
        Mysql {
            sql,
            state: State::Greeting,
            number: 0,
            nonce: Vec::new(),
            method: NATIVE,
            plugins: false,
            switches: 0,
            secured: false,
            let_in: false,
            any_row: false,
        }
    }

    fn packet(&mut self, content: &[u8]) -> Vec<u8> {
        self.number = self.number.wrapping_add(1);
        packet(self.number, content)
    }

    fn greeted(&mut self, content: &[u8]) -> Result<Step, Failure> {
        let greeting = match content.first() {
            Some(10) => Greeting::read(content),
            Some(&ERROR) => {
                return Err(refused(format!("the server turns us away: {}", Trouble::read(content))));
            }
            Some(9) => return Err(protocol("the server is older than MySQL 4.1: it greets with protocol 9")),
            _ => None,
        };
        let Some(greeting) = greeting else {
            return Err(protocol(format!("the greeting is not MySQL: '{}'", quote(content))));
        };
        if greeting.able & PROTOCOL_41 == 0 || greeting.able & SECURE_CONNECTION == 0 {
            return Err(protocol(format!("the server is older than MySQL 4.1: {}", greeting.version)));
        }
        self.nonce = greeting.nonce;
        self.plugins = greeting.able & PLUGIN_AUTH != 0;
        if self.plugins && greeting.plugin == CACHING {
            self.method = CACHING;
        }
        if self.sql.tls.is_none() {
            return Ok(self.log_in());
        }
        if greeting.able & TLS == 0 {
            return Err(protocol("the server offers no TLS"));
        }
        self.state = State::Securing;
        let request = self.introduction();
        Ok(Step::Secure(self.packet(&request)))
    }

    /// What we can do, and want.
    fn introduction(&self) -> Vec<u8> {
        let mut able = LONG_PASSWORD | PROTOCOL_41 | SECURE_CONNECTION;
        for (wanted, bit) in [
            (self.sql.tls.is_some(), TLS),
            (self.plugins, PLUGIN_AUTH),
            (self.database().is_some(), CONNECT_WITH_DB),
        ] {
            able |= if wanted { bit } else { 0 };
        }
        let mut out = Vec::with_capacity(128);
        out.extend(able.to_le_bytes());
        out.extend(LONGEST.to_le_bytes());
        out.push(CHARACTERS);
        out.extend([0; 23]);
        out
    }

    fn database(&self) -> Option<&'a str> {
        self.sql.login.as_ref().and(self.sql.database.as_deref())
    }

    fn log_in(&mut self) -> Step {
        self.state = State::Login;
        let mut out = self.introduction();
        let name = self.sql.login.as_ref().map_or("", |login| &login.name);
        out.extend(name.as_bytes());
        out.push(0);
        let proof = self.proof();
        out.push(proof.len() as u8);
        out.extend(proof);
        if let Some(database) = self.database() {
            out.extend(database.as_bytes());
            out.push(0);
        }
        if self.plugins {
            out.extend(self.method.as_bytes());
            out.push(0);
        }
        Step::Say(self.packet(&out))
    }

    fn password(&self) -> &'a [u8] {
        self.sql.login.as_ref().map_or(&[], |login| login.password.reveal())
    }

    /// What shows that we know the password without telling it, at most 32 bytes.
    fn proof(&self) -> Vec<u8> {
        match self.method {
            CACHING => password::caching(self.password(), &self.nonce),
            _ => password::native(self.password(), &self.nonce),
        }
    }

    /// The password itself, with the zero that ends it.
    fn plain(&self) -> Vec<u8> {
        [self.password(), &[0]].concat()
    }

    fn may_tell(&self) -> bool {
        self.secured || self.sql.cleartext
    }

    fn judged(&mut self, content: &[u8]) -> Result<Step, Failure> {
        match content.split_first() {
            Some((&OK, _)) => {
                self.let_in = true;
                Ok(self.ask())
            }
            Some((&ERROR, _)) => {
                let trouble = Trouble::read(content);
                if self.sql.login.is_none() && SHOWS_LIFE.contains(&trouble.code) {
                    return Ok(Step::Part);
                }
                Err(refused(format!("the login is refused: {trouble}")))
            }
            Some((&END, rest)) => self.switch(rest),
            Some((&MORE, [3])) if self.method == CACHING => Ok(Step::Listen),
            Some((&MORE, [4])) if self.method == CACHING => self.tell(),
            _ => Err(protocol("the answer to the login is not MySQL")),
        }
    }

    /// The server wants to know us by another method.
    fn switch(&mut self, rest: &[u8]) -> Result<Step, Failure> {
        self.switches += 1;
        let zero = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        let name = rest.get(..zero).unwrap_or_default();
        let known = [NATIVE, CACHING, CLEAR].into_iter().find(|known| known.as_bytes() == name);
        let Some(method) = known.filter(|_| self.switches <= 2) else {
            let name = if name.is_empty() { "mysql_old_password".to_owned() } else { quote(name) };
            let reason = format!(
                "the server wants to know this login by '{name}', which the check cannot do; give it \
                 mysql_native_password or caching_sha2_password"
            );
            return Err(protocol(reason));
        };
        let nonce = rest.get(zero + 1..).unwrap_or_default();
        self.nonce = nonce.strip_suffix(&[0]).unwrap_or(nonce).to_vec();
        self.method = method;
        let proof = match method {
            CLEAR if self.sql.login.is_none() => vec![0],
            CLEAR if self.may_tell() => self.plain(),
            CLEAR => return Err(untold("the server wants the password itself")),
            _ => self.proof(),
        };
        Ok(Step::Say(self.packet(&proof)))
    }

    /// The server does not remember the password, and wants it told.
    fn tell(&mut self) -> Result<Step, Failure> {
        if self.sql.login.is_none() {
            return Ok(Step::Say(self.packet(&[0])));
        }
        if self.secured {
            let plain = self.plain();
            return Ok(Step::Say(self.packet(&plain)));
        }
        if !self.sql.cleartext {
            return Err(untold("the server has not this login in its cache and wants the password itself"));
        }
        self.state = State::Key;
        Ok(Step::Say(self.packet(&[2])))
    }

    fn key(&mut self, content: &[u8]) -> Result<Step, Failure> {
        let Some((&MORE, key)) = content.split_first() else {
            return self.judged(content);
        };
        self.state = State::Login;
        let text = Zeroizing::new(password::mixed(&self.plain(), &self.nonce));
        Ok(Step::Compute(Work::Encrypt { key: key.to_vec(), text }))
    }

    /// Let in: the question, if there is one.
    fn ask(&mut self) -> Step {
        let Some(query) = &self.sql.query else { return Step::Part };
        self.state = State::Answer;
        self.number = u8::MAX;
        Step::Say(self.packet(&[&[COM_QUERY], query.as_bytes()].concat()))
    }

    fn answered(&mut self, content: &[u8]) -> Result<Step, Failure> {
        match content.split_first() {
            Some((&ERROR, _)) => Err(query_failed(content)),
            Some((&OK, _)) => {
                Err(unexpected("the query brings no rows at all: it is none that asks for any"))
            }
            Some((&LOCAL_FILE, _)) => {
                Err(unexpected("the query asks for a file of ours, which it does not get"))
            }
            Some((first, rest)) => {
                let columns = match (first, rest) {
                    (0xfc, [a, b, ..]) => u64::from(u16::from_le_bytes([*a, *b])),
                    (1..=250, _) => u64::from(*first),
                    _ => return Err(protocol("the answer to the query is not MySQL")),
                };
                self.state = State::Columns(columns);
                Ok(Step::Listen)
            }
            None => Err(protocol("the answer to the query is empty")),
        }
    }

    fn row(&mut self, content: &[u8]) -> Result<Step, Failure> {
        match content.first() {
            Some(&ERROR) => Err(query_failed(content)),
            // A row can begin like this only if it is a very long one.
            Some(&END) if content.len() < 9 => match self.any_row {
                true => Ok(Step::Part),
                false => Err(unexpected("the query brings no row")),
            },
            _ => {
                self.any_row = true;
                Ok(Step::Listen)
            }
        }
    }
}

impl Talk for Mysql<'_> {
    fn begin(&mut self) -> Step {
        Step::Listen
    }

    fn length(&self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        let Some([a, b, c, number]) = bytes.first_chunk() else { return Ok(None) };
        let content = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
        // Told at once: others would have us wait for megabytes.
        if self.state == State::Greeting && (*number > 1 || !(3..=4096).contains(&content)) {
            return Err(protocol(format!("the greeting is not MySQL: '{}'", quote(bytes))));
        }
        Ok(Some(HEAD + content))
    }

    fn hear(&mut self, message: &[u8]) -> Result<Step, Failure> {
        self.number = message.get(3).copied().unwrap_or_default();
        let content = message.get(HEAD..).unwrap_or_default();
        match self.state {
            State::Greeting => self.greeted(content),
            State::Securing | State::Login => self.judged(content),
            State::Key => self.key(content),
            State::Answer => self.answered(content),
            State::Columns(0) => {
                self.state = State::Rows;
                match content.first() {
                    Some(&END) => Ok(Step::Listen),
                    Some(&ERROR) => Err(query_failed(content)),
                    _ => Err(protocol("the answer to the query is not MySQL: no end behind its columns")),
                }
            }
            State::Columns(left) => {
                self.state = State::Columns(left - 1);
                Ok(Step::Listen)
            }
            State::Rows => self.row(content),
        }
    }

    fn secured(&mut self) -> Step {
        self.secured = true;
        self.log_in()
    }

    fn computed(&mut self, result: Vec<u8>) -> Step {
        Step::Say(self.packet(&result))
    }

    fn awaited(&self) -> &'static str {
        match self.state {
            State::Greeting => "greeting",
            State::Securing | State::Login | State::Key => "answer to the login",
            State::Answer | State::Columns(_) | State::Rows => "complete answer to the query",
        }
    }

    fn is_satisfied(&self) -> bool {
        self.any_row
    }

    fn farewell(&self) -> Vec<u8> {
        if self.let_in { packet(0, &[COM_QUIT]) } else { Vec::new() }
    }
}

fn packet(number: u8, content: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = (content.len() as u32).to_le_bytes();
    [&[a, b, c, number], content].concat()
}

fn untold(why: &str) -> Failure {
    refused(format!("{why}; say `tls`, or `allow_cleartext` if nobody can listen on the way"))
}

fn query_failed(content: &[u8]) -> Failure {
    refused(format!("the query fails: {}", Trouble::read(content)))
}

#[cfg(test)]
mod tests;

//! A conversation by lines: what a server says comes in as bytes, in any pieces, and what is to be done next comes out.
//!
//! Nothing is sent here, and nobody waits: [`Conversation`] is the client's mind, and whoever has the connection is its
//! mouth and ears. So a conversation that was once recorded can be held again without a server. Memory is bounded by the
//! longest line; a server that talks on and on is stopped.

use std::fmt;

use super::ftp::Ftp;
use super::imap::Imap;
use super::nntp::Nntp;
use super::pop3::Pop3;
use super::quote;
use super::smtp::Smtp;
use crate::spec::{Dialogue, Encryption, Protocol};

/// The longest line that is read, in bytes; the standards have 512 to 8192.
const LONGEST_LINE: usize = 8192;
/// The most that is heard before it is our turn again, in bytes.
const LONGEST_REPLY: usize = 64 * 1024;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Say this, and listen.
    Say(String),
    /// Begin with TLS, then call [`Conversation::secured`].
    StartTls,
    /// Connect to this port of the server, say this on the first connection, and listen there.
    Connect(u16, String),
    /// Read the second connection to its end, then call [`Conversation::collected`].
    Collect,
    /// The server has shown that it works. This is said in parting, and whatever is said to that does not matter.
    Pass(&'static str),
}

/// What is wrong with what a server said, with its own words as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// The line is not of the language.
    NotSpoken {
        /// The language.
        protocol: &'static str,
        /// The line.
        said: Vec<u8>,
    },
    /// The line has another code than the first of its reply.
    OtherCode {
        /// The language.
        protocol: &'static str,
        /// The line.
        said: Vec<u8>,
    },
    /// The server says no.
    Refused {
        /// What the line is: "greeting", "answer to QUIT".
        what: &'static str,
        /// The line.
        said: Vec<u8>,
        /// What it should begin with.
        expected: String,
    },
    /// Something is missing that we need, in words.
    Lacking(&'static str),
}

/// Why a conversation failed, fit for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The server does not speak the language.
    NotSpoken(String),
    /// The server speaks it, and says no.
    Refused(String),
    /// The server talks more than we are willing to hear.
    TooLong,
    /// The server went on in the clear where TLS was to begin: somebody else may have put that in.
    Early,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NotSpoken(why) | Fault::Refused(why) => f.write_str(why),
            Fault::TooLong => write!(f, "reply longer than {} KiB", LONGEST_REPLY / 1024),
            Fault::Early => f.write_str("the server went on in the clear where TLS was to begin"),
        }
    }
}

/// A name and a password, read and ready to be said.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…", self.user)
    }
}

impl Credentials {
    /// Both as SASL PLAIN says them (RFC 4616), in base64.
    pub(super) fn plain(&self) -> String {
        base64(format!("\0{}\0{}", self.user, self.password).as_bytes())
    }

    /// What may not be seen in a server's words: servers quote what they do not like.
    fn secrets(&self) -> Vec<String> {
        let escaped = self.password.replace('\\', "\\\\").replace('"', "\\\"");
        let secrets = [self.password.clone(), escaped, base64(self.password.as_bytes()), self.plain()];
        secrets.into_iter().filter(|secret| !secret.is_empty()).collect()
    }
}

/// Bytes in base64 (RFC 4648 section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) as usize & 63;
            let known = DIGITS.get(index).filter(|_| digit <= three.len());
            text.push(known.map_or('=', |digit| char::from(*digit)));
        }
    }
    text
}

#[derive(Debug)]
enum Talk {
    Ftp(Ftp),
    Imap(Imap),
    Pop3(Pop3),
    Nntp(Nntp),
    Smtp(Smtp),
}

/// One conversation with one server.
#[derive(Debug)]
pub struct Conversation {
    talk: Talk,
    line: Vec<u8>,
    /// Bytes heard since it was our turn.
    heard: usize,
    secrets: Vec<String>,
    /// TLS is being spoken of, and not yet up.
    securing: bool,
    passed: bool,
}

impl Conversation {
    /// A conversation by lines; `None` for a language that is not spoken so.
    pub fn new(dialogue: &Dialogue, credentials: Option<Credentials>) -> Option<Conversation> {
        let starttls = matches!(dialogue.encryption, Encryption::StartTls(_));
        let secrets = secrets(credentials.as_ref());
        let talk = match &dialogue.protocol {
            Protocol::Ftp(ftp) => Talk::Ftp(Ftp::new(ftp, starttls, credentials)),
            Protocol::Imap => Talk::Imap(Imap::new(starttls, credentials)),
            Protocol::Pop3 => Talk::Pop3(Pop3::new(starttls, credentials)),
            Protocol::Nntp => Talk::Nntp(Nntp::new(starttls, credentials)),
            Protocol::Sip(_) | Protocol::Text(_) => return None,
        };
        Some(Conversation::of(talk, secrets))
    }

    /// A conversation with a mail server, to which we introduce ourselves by this name.
    pub fn smtp(name: &str, starttls: bool, credentials: Option<Credentials>) -> Conversation {
        let secrets = secrets(credentials.as_ref());
        Conversation::of(Talk::Smtp(Smtp::new(name, starttls, credentials)), secrets)
    }

    fn of(talk: Talk, secrets: Vec<String>) -> Conversation {
        Conversation { talk, line: Vec::new(), heard: 0, secrets, securing: false, passed: false }
    }

    /// Takes in bytes up to the end of a line after which something is to be done; says how many they were. Do it, and
    /// call again with the rest.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<(usize, Option<Act>), Fault> {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            let length = part.len() + usize::from(end.is_some());
            taken += length;
            self.heard += length;
            if self.line.len() + part.len() > LONGEST_LINE || self.heard > LONGEST_REPLY {
                return Err(Fault::TooLong);
            }
            self.line.extend(part);
            if end.is_some()
                && let Some(act) = self.end_line()?
            {
                self.heard = 0;
                if act == Act::StartTls && taken < bytes.len() {
                    return Err(Fault::Early);
                }
                self.securing |= act == Act::StartTls;
                self.passed |= matches!(act, Act::Pass(_));
                return Ok((taken, Some(act)));
            }
        }
        Ok((taken, None))
    }

    fn end_line(&mut self) -> Result<Option<Act>, Fault> {
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        // What is said to a farewell does not matter.
        if self.passed {
            return Ok(None);
        }
        let heard = match &mut self.talk {
            Talk::Ftp(talk) => talk.hear(&line),
            Talk::Imap(talk) => talk.hear(&line),
            Talk::Pop3(talk) => talk.hear(&line),
            Talk::Nntp(talk) => talk.hear(&line),
            Talk::Smtp(talk) => talk.hear(&line),
        };
        heard.map_err(|wrong| self.fault(wrong))
    }

    /// TLS is to be begun with, before anything is said.
    pub fn begin_secured(&mut self) {
        self.securing = true;
    }

    /// TLS has come about. What to do now; after [`Conversation::begin_secured`] it is to listen.
    pub fn secured(&mut self) -> Option<Act> {
        self.securing = false;
        match &mut self.talk {
            Talk::Ftp(talk) => talk.secured(),
            Talk::Imap(talk) => talk.secured(),
            Talk::Pop3(talk) => talk.secured(),
            Talk::Nntp(talk) => talk.secured(),
            Talk::Smtp(talk) => talk.secured(),
        }
    }

    /// The second connection has been read to its end.
    pub fn collected(&mut self) {
        if let Talk::Ftp(talk) = &mut self.talk {
            talk.collected();
        }
    }

    /// What is waited for: "greeting", "answer to HELO".
    pub fn awaited(&self) -> &'static str {
        if self.securing {
            return "TLS connection";
        }
        match &self.talk {
            Talk::Ftp(talk) => talk.awaited(),
            Talk::Imap(talk) => talk.awaited(),
            Talk::Pop3(talk) => talk.awaited(),
            Talk::Nntp(talk) => talk.awaited(),
            Talk::Smtp(talk) => talk.awaited(),
        }
    }

    /// Whether the server has shown that it works.
    pub fn has_passed(&self) -> bool {
        self.passed
    }

    fn fault(&self, wrong: Wrong) -> Fault {
        match wrong {
            Wrong::NotSpoken { protocol, said } => {
                Fault::NotSpoken(format!("the answer is not {protocol}: '{}'", self.quote(&said)))
            }
            Wrong::OtherCode { protocol, said } => Fault::NotSpoken(format!(
                "the answer is not {protocol}: its lines have different codes, the last is '{}'",
                self.quote(&said)
            )),
            Wrong::Refused { what, said, expected } => {
                Fault::Refused(format!("the {what} is '{}', expected {expected}", self.quote(&said)))
            }
            Wrong::Lacking(what) => Fault::Refused(what.to_owned()),
        }
    }

    /// The server's words without our password in them.
    fn quote(&self, said: &[u8]) -> String {
        let text = String::from_utf8_lossy(said);
        let hidden =
            self.secrets.iter().fold(text, |text, secret| text.replace(secret.as_str(), "(hidden)").into());
        quote(hidden.as_bytes())
    }
}

fn secrets(credentials: Option<&Credentials>) -> Vec<String> {
    credentials.map(Credentials::secrets).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (text, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("\u{fb}\u{ff}", "w7vDvw=="),
        ] {
            assert_eq!(base64(text.as_bytes()), coded);
        }
    }

    fn mail() -> Conversation {
        Conversation::smtp("probe.example", false, None)
    }

    #[test]
    fn lines_come_in_any_pieces_and_what_is_behind_them_is_left_alone() {
        let mut conversation = mail();
        let whole = b"220-mx\r\n220 ready\r\n";
        for (at, byte) in whole.iter().enumerate() {
            let (_, act) = conversation.hear(std::slice::from_ref(byte)).unwrap();
            assert_eq!(act.is_some(), at + 1 == whole.len());
        }
        assert_eq!(mail().hear(b"220 a\r\n250 b\r\n").unwrap().0, 7);
    }

    #[test]
    fn a_server_that_talks_on_and_on_is_stopped() {
        assert_eq!(mail().hear(&[b'2'; LONGEST_LINE + 1]), Err(Fault::TooLong));
        assert_eq!(mail().hear(&b"220-x\r\n".repeat(LONGEST_REPLY / 7 + 1)), Err(Fault::TooLong));
    }

    #[test]
    fn a_password_is_not_repeated_to_people() {
        let credentials = || Some(Credentials { user: "me".to_owned(), password: "open sesame".to_owned() });
        let dialogue = Dialogue::new(Protocol::Imap);
        let mut conversation = Conversation::new(&dialogue, credentials()).unwrap();
        conversation.hear(b"* OK hello\r\n").unwrap();
        let fault = conversation.hear(b"a2 BAD what is LOGIN \"me\" \"open sesame\"\r\n").unwrap_err();
        assert!(fault.to_string().contains("LOGIN \"me\" \"(hidden)\"'"), "{fault}");
        assert_eq!(format!("{:?}", credentials()), "Some(me:…)");
    }

    #[test]
    fn nothing_may_be_slipped_in_before_tls() {
        let mut conversation = Conversation::smtp("probe.example", true, None);
        conversation.hear(b"220 mx\r\n").unwrap();
        conversation.hear(b"250-mx\r\n250 STARTTLS\r\n").unwrap();
        assert_eq!(conversation.hear(b"220 go\r\n250 injected\r\n"), Err(Fault::Early));
    }
}

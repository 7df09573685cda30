//! A question to a RADIUS server and whether what comes back answers it (RFC 2865; signed by RFC 2869 section 5.14).
//!
//! Questions are signed, and answers must be: without a Message-Authenticator somebody on the way can turn a rejection
//! into an acceptance (CVE-2024-3596, "BlastRADIUS").

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

use super::quote;
use crate::spec::Radius;

// Kinds of messages (RFC 2865 section 3, RFC 5997 section 4).
const ACCESS_REQUEST: u8 = 1;
const ACCESS_ACCEPT: u8 = 2;
const ACCESS_REJECT: u8 = 3;
const ACCOUNTING_RESPONSE: u8 = 5;
const ACCESS_CHALLENGE: u8 = 11;
const STATUS_SERVER: u8 = 12;

// Attributes (RFC 2865 section 5).
const USER_NAME: u8 = 1;
const USER_PASSWORD: u8 = 2;
const REPLY_MESSAGE: u8 = 18;
const NAS_IDENTIFIER: u8 = 32;
const MESSAGE_AUTHENTICATOR: u8 = 80;

/// Length of the head of a message: its kind, its number, its length, an authenticator.
const HEAD: usize = 20;
/// Length of an authenticator.
const SIXTEEN: usize = 16;
/// The longest message there is (RFC 2865 section 3).
pub const LONGEST: usize = 4096;
/// The longest password there is (RFC 2865 section 5.2).
pub const LONGEST_PASSWORD: usize = 128;
/// The longest name there is.
pub const LONGEST_NAME: usize = 253;

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It belongs to another question: the right one may yet come.
    Stray,
    /// It is not RADIUS; why, in words.
    Garbage(&'static str),
    /// It is not signed with our secret: somebody else may have sent it, and the right one may yet come.
    OtherSecret,
    /// It carries no Message-Authenticator.
    Unsigned,
    /// It says no, with the server's words.
    Rejected(String),
    /// It asks for more, which we do not have; with the server's words.
    Challenged(String),
    /// It is another kind of message than answers the question.
    OtherKind(u8),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |f: &mut fmt::Formatter<'_>, what: &str, words: &str| match words.is_empty() {
            true => f.write_str(what),
            false => write!(f, "{what}: '{words}'"),
        };
        match self {
            Fault::Stray => f.write_str("the answer belongs to another question"),
            Fault::Garbage(what) => write!(f, "the answer is not RADIUS: {what}"),
            Fault::OtherSecret => f.write_str("the answer is signed with another `secret`"),
            Fault::Unsigned => f.write_str(
                "the answer has no Message-Authenticator, so anybody could have made it: renew the server (CVE-2024-3596), \
                 or say `require_message_authenticator off`",
            ),
            Fault::Rejected(words) => with(f, "Access-Reject: the login is rejected", words),
            Fault::Challenged(words) => with(f, "Access-Challenge: the server asks for more than a password", words),
            Fault::OtherKind(kind) => write!(f, "the answer is a message of kind {kind}"),
        }
    }
}

/// The question as a message, with a number and bytes that nobody can foresee.
pub fn question(radius: &Radius, number: u8, random: [u8; SIXTEEN]) -> Vec<u8> {
    let secret = radius.secret.reveal();
    let kind = if radius.login.is_some() { ACCESS_REQUEST } else { STATUS_SERVER };
    let mut message = vec![kind, number, 0, 0];
    message.extend(random);
    // It comes first: so nobody can put something before it that changes what is signed.
    let signature = message.len() + 2;
    attribute(&mut message, MESSAGE_AUTHENTICATOR, &[0; SIXTEEN]);
    if let Some(login) = &radius.login {
        attribute(&mut message, USER_NAME, login.name.as_bytes());
        attribute(&mut message, USER_PASSWORD, &hidden(login.password.reveal(), secret, &random));
    }
    attribute(&mut message, NAS_IDENTIFIER, b"directord");
    let length = (message.len() as u16).to_be_bytes();
    message.splice(2..4, length);
    let mac = sign(secret, &[&message]);
    message.splice(signature..signature + SIXTEEN, mac);
    message
}

fn attribute(message: &mut Vec<u8>, kind: u8, value: &[u8]) {
    // Longer ones are refused when the file is read.
    let value = value.get(..LONGEST_NAME).unwrap_or(value);
    message.extend([kind, value.len() as u8 + 2]);
    message.extend(value);
}

/// A password that only who has the secret can read (RFC 2865 section 5.2).
fn hidden(password: &[u8], secret: &[u8], random: &[u8; SIXTEEN]) -> Vec<u8> {
    let mut out = Vec::with_capacity(LONGEST_PASSWORD);
    let password = password.get(..LONGEST_PASSWORD).unwrap_or(password);
    let blocks = password.len().div_ceil(SIXTEEN).max(1);
    let mut last = random.to_vec();
    for block in 0..blocks {
        let mask = Md5::new().chain_update(secret).chain_update(&last).finalize();
        let byte = |at: usize| password.get(block * SIXTEEN + at).copied().unwrap_or_default();
        last = mask.iter().enumerate().map(|(at, mask)| mask ^ byte(at)).collect();
        out.extend(&last);
    }
    out
}

fn sign(secret: &[u8], parts: &[&[u8]]) -> [u8; SIXTEEN] {
    let mut mac = Hmac::<Md5>::new_from_slice(secret).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Judges what came back for this very question.
pub fn judge(radius: &Radius, question: &[u8], answer: &[u8]) -> Result<(), Fault> {
    let secret = radius.secret.reveal();
    let head = answer.first_chunk::<HEAD>().ok_or(Fault::Garbage("it is shorter than a head"))?;
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    // What is behind the end is padding.
    let answer = answer.get(..length).filter(|answer| answer.len() >= HEAD && length <= LONGEST);
    let answer = answer.ok_or(Fault::Garbage("its length is not the one that it says"))?;
    let random = question.get(4..HEAD).unwrap_or_default();
    if question.get(1) != head.get(1) {
        return Err(Fault::Stray);
    }
    let attributes = answer.get(HEAD..).unwrap_or_default();
    let expected = Md5::new()
        .chain_update(&head[..4])
        .chain_update(random)
        .chain_update(attributes)
        .chain_update(secret)
        .finalize();
    if expected[..] != head[4..] {
        return Err(Fault::OtherSecret);
    }
    let signature = signature(attributes)?;
    match signature {
        None if radius.signed => return Err(Fault::Unsigned),
        None => {}
        Some((before, signature, after)) => {
            let mac = sign(secret, &[&head[..4], random, before, &[0; SIXTEEN], after]);
            if mac[..] != *signature {
                return Err(Fault::OtherSecret);
            }
        }
    }
    match (head[0], &radius.login) {
        (ACCESS_ACCEPT, _) | (ACCOUNTING_RESPONSE, None) => Ok(()),
        (ACCESS_REJECT | ACCESS_CHALLENGE, Some(_)) if radius.rejection => Ok(()),
        (ACCESS_REJECT, Some(_)) => Err(Fault::Rejected(words(attributes))),
        (ACCESS_CHALLENGE, Some(_)) => Err(Fault::Challenged(words(attributes))),
        (kind, _) => Err(Fault::OtherKind(kind)),
    }
}

/// An attribute's kind, its value, and where that begins.
fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<(u8, usize, &[u8]), Fault>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let [kind, length, ..] = *bytes.get(at..)? else {
            let over = bytes.len() == at;
            at = usize::MAX;
            return if over { None } else { Some(Err(Fault::Garbage("an attribute is cut off"))) };
        };
        let Some(value) = bytes.get(at + 2..at + usize::from(length)) else {
            at = usize::MAX;
            return Some(Err(Fault::Garbage("an attribute is longer than what is left")));
        };
        let begins = at + 2;
        at += usize::from(length);
        Some(Ok((kind, begins, value)))
    })
}

/// What stands before the signature, the signature, and what stands behind it.
type Signed<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn signature(bytes: &[u8]) -> Result<Option<Signed<'_>>, Fault> {
    let mut found = None;
    for attribute in attributes(bytes) {
        let (kind, begins, value) = attribute?;
        if kind == MESSAGE_AUTHENTICATOR && found.is_none() {
            if value.len() != SIXTEEN {
                return Err(Fault::Garbage("its Message-Authenticator has another length than 16"));
            }
            let (before, after) = (bytes.get(..begins), bytes.get(begins + SIXTEEN..));
            found = before.zip(after).map(|(before, after)| (before, value, after));
        }
    }
    Ok(found)
}

/// What the server says to people.
fn words(bytes: &[u8]) -> String {
    let message = attributes(bytes).flatten().find(|(kind, ..)| *kind == REPLY_MESSAGE);
    message.map(|(.., value)| quote(value)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Login, Password, Secret};

    const RANDOM: [u8; 16] =
        [0x0f, 0x40, 0x3f, 0x94, 0x73, 0x97, 0x80, 0x57, 0xbd, 0x83, 0xd5, 0xcb, 0x98, 0xf4, 0x22, 0x7a];

    fn said(text: &str) -> Password {
        Password::Said(Secret::new(text.to_owned()))
    }

    /// The one of the standard's first example (RFC 2865 section 7.1).
    fn nemo() -> Radius {
        let login = Some(Login { name: "nemo".to_owned(), password: said("arctangent") });
        Radius { login, secret: said("xyzzy5461"), rejection: false, signed: true }
    }

    /// An answer of this kind with these attributes, signed as good servers do unless it is not to be.
    fn answer(radius: &Radius, kind: u8, signed: bool, more: &[u8]) -> Vec<u8> {
        let mut out = vec![kind, 7, 0, 0];
        out.extend(RANDOM);
        if signed {
            attribute(&mut out, MESSAGE_AUTHENTICATOR, &[0; 16]);
        }
        out.extend(more);
        let length = (out.len() as u16).to_be_bytes();
        out.splice(2..4, length);
        if signed {
            let mac = sign(radius.secret.reveal(), &[&out]);
            out.splice(22..38, mac);
        }
        let sum = Md5::new().chain_update(&out).chain_update(radius.secret.reveal()).finalize();
        out.splice(4..20, sum);
        out
    }

    fn judged(radius: &Radius, answer: &[u8]) -> Result<(), Fault> {
        judge(radius, &question(radius, 7, RANDOM), answer)
    }

    #[test]
    fn the_password_of_the_standard_is_hidden_as_it_says() {
        let hidden = hidden(b"arctangent", b"xyzzy5461", &RANDOM);
        let hex: String = hidden.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "0dbe708d93d413ce3196e43f782a0aee");
        assert_eq!(super::hidden(&[b'x'; 17], b"s", &RANDOM).len(), 32);
        assert_eq!(super::hidden(&[b'x'; 200], b"s", &RANDOM).len(), LONGEST_PASSWORD);
        assert_eq!(super::hidden(b"", b"s", &RANDOM).len(), 16);
    }

    #[test]
    fn questions_are_golden() {
        let asked = question(&nemo(), 7, RANDOM);
        assert_eq!(asked[..4], [1, 7, 0, 73]);
        assert_eq!(asked[4..20], RANDOM);
        assert_eq!(asked[20..22], [80, 18]);
        assert_eq!(asked[38..44], *b"\x01\x06nemo");
        assert_eq!(asked[44..46], [2, 18]);
        assert_eq!(asked[62..], *b"\x20\x0bdirectord");
        let status = question(&Radius { login: None, ..nemo() }, 7, RANDOM);
        assert_eq!((status[0], status.len()), (12, 49));
    }

    #[test]
    fn the_answer_of_the_standard_is_believed_where_it_need_not_be_signed() {
        let answer = [
            0x02, 0x00, 0x00, 0x26, 0x86, 0xfe, 0x22, 0x0e, 0x76, 0x24, 0xba, 0x2a, 0x10, 0x05, 0xf6, 0xbf,
            0x9b, 0x55, 0xe0, 0xb2, 0x06, 0x06, 0x00, 0x00, 0x00, 0x01, 0x0f, 0x06, 0x00, 0x00, 0x00, 0x00,
            0x0e, 0x06, 0xc0, 0xa8, 0x01, 0x03,
        ];
        let lenient = Radius { signed: false, ..nemo() };
        let asked = question(&lenient, 0, RANDOM);
        assert_eq!(judge(&lenient, &asked, &answer), Ok(()));
        assert_eq!(judge(&nemo(), &asked, &answer), Err(Fault::Unsigned));
        assert_eq!(
            judge(&Radius { secret: said("other"), ..lenient }, &asked, &answer),
            Err(Fault::OtherSecret)
        );
    }

    #[test]
    fn answers_are_told_apart() {
        let nemo = nemo();
        assert_eq!(judged(&nemo, &answer(&nemo, 2, true, b"")), Ok(()));
        let no = answer(&nemo, 3, true, b"\x12\x05no!");
        assert_eq!(judged(&nemo, &no), Err(Fault::Rejected("no!".into())));
        assert_eq!(
            judged(&nemo, &no).unwrap_err().to_string(),
            "Access-Reject: the login is rejected: 'no!'"
        );
        assert_eq!(judged(&Radius { rejection: true, ..nemo.clone() }, &no), Ok(()));
        assert_eq!(judged(&nemo, &answer(&nemo, 11, true, b"")), Err(Fault::Challenged(String::new())));
        assert_eq!(judged(&nemo, &answer(&nemo, 5, true, b"")), Err(Fault::OtherKind(5)));
        let status = Radius { login: None, ..nemo.clone() };
        assert_eq!(judged(&status, &answer(&status, 2, true, b"")), Ok(()));
        assert_eq!(judged(&status, &answer(&status, 5, true, b"")), Ok(()));
        assert_eq!(judged(&status, &answer(&status, 3, true, b"")), Err(Fault::OtherKind(3)));
    }

    #[test]
    fn what_is_forged_or_broken_is_not_believed() {
        let nemo = nemo();
        let good = answer(&nemo, 2, true, b"\x12\x05yes");
        for at in 0..good.len() {
            let mut other = good.clone();
            other[at] ^= 1;
            assert!(judged(&nemo, &other).is_err(), "byte {at}");
        }
        assert_eq!(judged(&nemo, &good[..19]), Err(Fault::Garbage("it is shorter than a head")));
        assert_eq!(judged(&nemo, &[&good[..], b"padding"].concat()), Ok(()));
        let cut = answer(&nemo, 2, true, b"\x12\x09yes");
        assert_eq!(judged(&nemo, &cut), Err(Fault::Garbage("an attribute is longer than what is left")));
        let cut = answer(&nemo, 2, true, b"\x12");
        assert_eq!(judged(&nemo, &cut), Err(Fault::Garbage("an attribute is cut off")));
        // A rejection that somebody has made an acceptance without knowing the secret lacks the signature.
        assert_eq!(judged(&nemo, &answer(&nemo, 2, false, b"")), Err(Fault::Unsigned));
    }
}

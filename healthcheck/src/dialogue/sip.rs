//! OPTIONS to a telephone server, and whether what comes back answers it (RFC 3261 sections 7 and 11).
//!
//! An answer is judged by its first line; the Call-ID tells whether it is the answer to this very request. Answers that
//! only say that another one follows (1xx) are waited through, unless they are among those that pass.

use std::fmt;
use std::net::SocketAddr;

use super::quote;
use crate::spec::Sip;

/// The longest head of an answer, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It does not begin as answers do; its first line, fit for people.
    NotSpoken(String),
    /// Its status does not pass: its first line, and what would.
    Status(String, String),
    /// Its head is longer than we are willing to read.
    TooLong,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NotSpoken(line) => write!(f, "the answer is not SIP: '{line}'"),
            Fault::Status(line, expected) => write!(f, "the answer is '{line}', expected status {expected}"),
            Fault::TooLong => write!(f, "head of the answer longer than {} KiB", LONGEST_HEAD / 1024),
        }
    }
}

/// One request and all that makes it itself.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// `UDP`, `TCP` or `TLS`.
    pub transport: &'a str,
    /// Where the answer is to go.
    pub local: SocketAddr,
    /// The server.
    pub target: SocketAddr,
    /// Letters and digits that no other request has.
    pub token: &'a str,
}

impl Asking<'_> {
    fn call_id(&self) -> String {
        format!("{}@{}", self.token, host(self.local))
    }

    /// The request as it is sent.
    pub fn request(&self, sip: &Sip) -> String {
        let Asking { transport, local, target, token } = self;
        let (here, call_id) = (host(*local), self.call_id());
        let own = match *transport {
            "TLS" => format!("sips:{}:{}", host(*target), target.port()),
            _ => format!("sip:{}:{}", host(*target), target.port()),
        };
        let uri = sip.uri.as_ref().unwrap_or(&own);
        format!(
            "OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {here}:{};branch=z9hG4bK{token};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:directord@{here}>;tag={token}\r\nTo: <{uri}>\r\nCall-ID: {call_id}\r\n\
             CSeq: 1 OPTIONS\r\nContact: <sip:directord@{here}:{}>\r\nAccept: application/sdp\r\n\
             User-Agent: directord\r\nContent-Length: 0\r\n\r\n",
            local.port(),
            local.port()
        )
    }

    /// Judges the head of an answer: `None` if the one that counts is yet to come.
    pub fn judge(&self, sip: &Sip, head: &[u8]) -> Option<Result<(), Fault>> {
        let mut lines =
            head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first = lines.next().unwrap_or_default();
        let Some(status) = status(first) else { return Some(Err(Fault::NotSpoken(quote(first)))) };
        let call_id = lines.find_map(|line| header(line, "call-id").or_else(|| header(line, "i")));
        // Late answers to earlier requests are not ours. Who forgets the name answers all the same.
        if call_id.is_some_and(|found| found != self.call_id().as_bytes()) {
            return None;
        }
        match sip.status.contains(status) {
            true => Some(Ok(())),
            false if status < 200 => None,
            false => Some(Err(Fault::Status(quote(first), sip.status.to_string()))),
        }
    }
}

/// An address as it stands in a URI.
fn host(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

/// `SIP/2.0 200 OK`.
fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"SIP/2.0 ")?;
    let digits = rest.first_chunk::<3>().filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let ends = rest.get(3).is_none_or(|byte| *byte == b' ');
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    (ends && code >= 100).then_some(code)
}

/// The value of a header, if the line is that header.
fn header<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (found, value) = line.split_at(colon);
    let same = found.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
    value.get(1..).filter(|_| same).map(<[u8]>::trim_ascii)
}

/// Finds the heads of answers in what arrives by a connection.
#[derive(Debug, Default)]
pub struct Reader {
    head: Vec<u8>,
    /// Bytes of a body that are passed over.
    body: usize,
}

impl Reader {
    /// Takes in bytes up to the end of a head; says how many they were. Call again with the rest.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(usize, Option<Vec<u8>>), Fault> {
        let mut taken = self.body.min(bytes.len());
        self.body -= taken;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let line = rest.get(..end.map_or(rest.len(), |end| end + 1)).unwrap_or_default();
            taken += line.len();
            if self.head.len() + line.len() > LONGEST_HEAD {
                return Err(Fault::TooLong);
            }
            self.head.extend(line);
            // Empty lines before an answer keep the connection alive.
            if matches!(self.head.as_slice(), b"\n" | b"\r\n") {
                self.head.clear();
            }
            if self.head.ends_with(b"\n\r\n") || self.head.ends_with(b"\n\n") {
                let head = std::mem::take(&mut self.head);
                self.body = length(&head);
                return Ok((taken, Some(head)));
            }
            // A language without empty lines would be waited for in vain.
            let begins = self.head.get(..4).is_none_or(|start| start == b"SIP/");
            if end.is_some() && !begins {
                let first = self.head.split(|byte| *byte == b'\n').next().unwrap_or_default();
                return Err(Fault::NotSpoken(quote(first.strip_suffix(b"\r").unwrap_or(first))));
            }
        }
        Ok((taken, None))
    }
}

/// How many bytes stand behind a head.
fn length(head: &[u8]) -> usize {
    let said = head.split(|byte| *byte == b'\n').find_map(|line| {
        let value = header(line, "content-length").or_else(|| header(line, "l"))?;
        std::str::from_utf8(value).ok()?.parse().ok()
    });
    said.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(transport: &str) -> Asking<'_> {
        let (local, target) = ("192.0.2.9:4711".parse().unwrap(), "192.0.2.1:5060".parse().unwrap());
        Asking { transport, local, target, token: "abc" }
    }

    #[test]
    fn requests_are_golden() {
        let expected = "OPTIONS sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9:4711;branch=z9hG4bKabc;rport\r\n\
                        Max-Forwards: 70\r\nFrom: <sip:directord@192.0.2.9>;tag=abc\r\nTo: <sip:192.0.2.1:5060>\r\n\
                        Call-ID: abc@192.0.2.9\r\nCSeq: 1 OPTIONS\r\nContact: <sip:directord@192.0.2.9:4711>\r\n\
                        Accept: application/sdp\r\nUser-Agent: directord\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(asking("TCP").request(&Sip::default()), expected);
        let named = Sip { uri: Some("sip:probe@example.org".to_owned()), ..Sip::default() };
        assert!(
            asking("UDP")
                .request(&named)
                .starts_with("OPTIONS sip:probe@example.org SIP/2.0\r\nVia: SIP/2.0/UDP ")
        );
    }

    fn judged(head: &str) -> Option<Result<(), Fault>> {
        asking("UDP").judge(&Sip::default(), head.as_bytes())
    }

    #[test]
    fn the_answer_that_counts_is_judged_by_its_status() {
        assert_eq!(judged("SIP/2.0 200 OK\r\nCall-ID: abc@192.0.2.9\r\n\r\n"), Some(Ok(())));
        assert_eq!(judged("SIP/2.0 200\r\ni:abc@192.0.2.9\r\n"), Some(Ok(())));
        assert_eq!(judged("SIP/2.0 200 OK\r\n\r\n"), Some(Ok(())));
        assert_eq!(judged("SIP/2.0 100 Trying\r\n\r\n"), None);
        assert_eq!(judged("SIP/2.0 200 OK\r\nCall-ID: other@192.0.2.9\r\n\r\n"), None, "a late one");
        let Some(Err(fault)) = judged("SIP/2.0 404 Not Found\r\n\r\n") else { panic!() };
        assert_eq!(fault.to_string(), "the answer is 'SIP/2.0 404 Not Found', expected status 200-299");
        for wrong in ["", "HTTP/1.1 200 OK", "SIP/2.0 20", "SIP/2.0 2000 OK", "SIP/2.0 abc"] {
            assert!(matches!(judged(wrong), Some(Err(Fault::NotSpoken(_)))), "{wrong:?}");
        }
    }

    #[test]
    fn heads_are_found_between_bodies() {
        let stream = b"\r\nSIP/2.0 100 Trying\r\nl: 3\r\n\r\nabcSIP/2.0 200 OK\r\n\r\n";
        let (mut reader, mut heads, mut rest) = (Reader::default(), 0, &stream[..]);
        while !rest.is_empty() {
            let (taken, head) = reader.read(rest).unwrap();
            heads += usize::from(head.is_some());
            rest = &rest[taken..];
        }
        assert_eq!(heads, 2);
        assert!(matches!(Reader::default().read(b"220 mail\r\n"), Err(Fault::NotSpoken(_))));
        let endless = [b"SIP/2.0 200 OK\r\n".to_vec(), b"x: y\r\n".repeat(LONGEST_HEAD / 6)].concat();
        assert_eq!(Reader::default().read(&endless), Err(Fault::TooLong));
    }
}

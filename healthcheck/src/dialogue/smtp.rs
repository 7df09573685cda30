//! The replies of a mail server (RFC 5321 section 4.2): lines that begin with three digits, of which all but the last
//! have a dash behind them.

use std::fmt;

use super::quote;

/// The longest line that is read, in bytes; the standard has 512.
const LONGEST_LINE: usize = 4096;
/// The longest reply that is read, in bytes.
const LONGEST_REPLY: usize = 64 * 1024;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its three digits.
    pub code: u16,
    /// Its last line as it stands, fit for people.
    pub text: String,
}

/// Why it is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This line does not begin with three digits.
    NoCode(String),
    /// This line has another code than the first of the reply.
    OtherCode(String),
    /// It is longer than we are willing to read.
    TooLong,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NoCode(line) => write!(f, "the answer is not SMTP: '{line}'"),
            Fault::OtherCode(line) => {
                write!(f, "the answer is not SMTP: its lines have different codes, the last is '{line}'")
            }
            Fault::TooLong => write!(f, "reply longer than {} KiB", LONGEST_REPLY / 1024),
        }
    }
}

/// Puts replies together from what arrives.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    code: Option<u16>,
    length: usize,
}

impl Reader {
    /// Takes in bytes up to the end of a reply; says how many of them belonged to it. Call again with the rest for the
    /// next one.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(usize, Option<Reply>), Fault> {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            taken += part.len() + usize::from(end.is_some());
            self.length += part.len();
            if self.line.len() + part.len() > LONGEST_LINE || self.length > LONGEST_REPLY {
                return Err(Fault::TooLong);
            }
            self.line.extend(part);
            if end.is_some()
                && let Some(reply) = self.end_line()?
            {
                return Ok((taken, Some(reply)));
            }
        }
        Ok((taken, None))
    }

    /// A line is complete; the reply too, if it was the last.
    fn end_line(&mut self) -> Result<Option<Reply>, Fault> {
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let code = line.first_chunk::<3>().filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let last = match line.get(3) {
            None | Some(b' ') => true,
            Some(b'-') => false,
            Some(_) => return Err(Fault::NoCode(quote(&line))),
        };
        let Some(digits) = code else { return Err(Fault::NoCode(quote(&line))) };
        let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        if self.code.is_some_and(|first| first != code) {
            return Err(Fault::OtherCode(quote(&line)));
        }
        self.code = Some(code);
        if !last {
            return Ok(None);
        }
        *self = Reader::default();
        Ok(Some(Reply { code, text: quote(&line) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Reply>, Fault> {
        Reader::default().read(bytes).map(|(_, reply)| reply)
    }

    fn reply(code: u16, text: &str) -> Reply {
        Reply { code, text: text.to_owned() }
    }

    #[test]
    fn replies_have_one_line_or_several() {
        assert_eq!(read(b"220 mx ready\r\n"), Ok(Some(reply(220, "220 mx ready"))));
        assert_eq!(read(b"250\n"), Ok(Some(reply(250, "250"))));
        assert_eq!(read(b"220-a\r\n220-b\r\n220 c\r\n"), Ok(Some(reply(220, "220 c"))));
        assert_eq!(read(b"220-a\r\n220-b\r\n"), Ok(None));
    }

    #[test]
    fn what_comes_behind_a_reply_is_left_alone() {
        let (taken, first) = Reader::default().read(b"220 a\r\n250 b\r\n").unwrap();
        assert_eq!((taken, first), (7, Some(reply(220, "220 a"))));
    }

    #[test]
    fn replies_come_in_any_pieces() {
        let mut reader = Reader::default();
        let whole = b"250-mx\r\n250 HELP\r\n";
        for (at, byte) in whole.iter().enumerate() {
            let (_, found) = reader.read(std::slice::from_ref(byte)).unwrap();
            assert_eq!(found.is_some(), at + 1 == whole.len());
        }
    }

    #[test]
    fn what_is_no_reply_is_told_apart() {
        for wrong in
            [&b"SSH-2.0-x\r\n"[..], b"22\r\n", b"\r\n", b"2200 x\r\n", b"220_x\n", b"\xff\xff\xff \n"]
        {
            assert!(matches!(read(wrong), Err(Fault::NoCode(_))), "{wrong:?}");
        }
        assert!(matches!(read(b"220-a\r\n221 b\r\n"), Err(Fault::OtherCode(_))));
        assert_eq!(read(&[b'2'; LONGEST_LINE + 1]), Err(Fault::TooLong));
        let endless = b"220-x\r\n".repeat(LONGEST_REPLY / 6 + 2);
        assert_eq!(read(&endless), Err(Fault::TooLong));
    }
}

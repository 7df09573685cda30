//! Replies that begin with three digits, as mail, file and news servers give them (RFC 5321 section 4.2, RFC 959 section
//! 4.2, RFC 3977 section 3.1): one line, or several of which all but the last have a dash behind the digits.

use super::conversation::Wrong;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its three digits.
    pub code: u16,
    /// Its last line as it stands.
    pub last: Vec<u8>,
}

impl Reply {
    /// Must be this one, which answers `what`.
    pub(super) fn expect(self, code: u16, what: &'static str) -> Result<(), Wrong> {
        if self.code == code { Ok(()) } else { Err(self.refused(what, code.to_string())) }
    }

    /// It is not what was expected.
    pub(super) fn refused(self, what: &'static str, expected: impl Into<String>) -> Wrong {
        Wrong::Refused { what, said: self.last, expected: expected.into() }
    }
}

/// Puts replies together, line by line.
#[derive(Debug)]
pub struct Replies {
    /// The name of the language, for people.
    protocol: &'static str,
    /// Whether lines in the middle may begin with anything, as those of file servers may.
    lenient: bool,
    code: Option<u16>,
}

impl Replies {
    /// Of a language in which each line begins with the digits.
    pub fn strict(protocol: &'static str) -> Replies {
        Replies { protocol, lenient: false, code: None }
    }

    /// Of one in which lines in the middle may not.
    pub fn lenient(protocol: &'static str) -> Replies {
        Replies { protocol, lenient: true, code: None }
    }

    /// Takes in a line without its end; the reply, if it was the last.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, Wrong> {
        let none = || Wrong::NotSpoken { protocol: self.protocol, said: line.to_vec() };
        let found = coded(line);
        let middle = self.lenient && self.code.is_some_and(|first| found != Some((first, true)));
        if middle {
            return Ok(None);
        }
        let (code, last) = found.ok_or_else(none)?;
        if self.code.is_some_and(|first| first != code) {
            return Err(Wrong::OtherCode { protocol: self.protocol, said: line.to_vec() });
        }
        self.code = (!last).then_some(code);
        Ok(last.then(|| Reply { code, last: line.to_vec() }))
    }
}

/// The code of a line, and whether it is the last of its reply.
fn coded(line: &[u8]) -> Option<(u16, bool)> {
    let digits = line.first_chunk::<3>().filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let last = match line.get(3) {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return None,
    };
    Some((digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')), last))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The replies in a text.
    fn read(mut replies: Replies, text: &str) -> Result<Vec<(u16, String)>, Wrong> {
        let mut found = Vec::new();
        for line in text.lines() {
            let reply = replies.line(line.as_bytes())?;
            found.extend(reply.map(|reply| (reply.code, String::from_utf8(reply.last).unwrap())));
        }
        Ok(found)
    }

    fn strict(text: &str) -> Result<Vec<(u16, String)>, Wrong> {
        read(Replies::strict("SMTP"), text)
    }

    #[test]
    fn replies_have_one_line_or_several() {
        let one = |code: u16, text: &str| Ok(vec![(code, text.to_owned())]);
        assert_eq!(strict("220 mx ready"), one(220, "220 mx ready"));
        assert_eq!(strict("250"), one(250, "250"));
        assert_eq!(strict("220-a\n220-b\n220 c"), one(220, "220 c"));
        assert_eq!(strict("220-a\n220-b"), Ok(Vec::new()));
        assert_eq!(strict("220 a\n250 b").unwrap().len(), 2);
    }

    #[test]
    fn file_servers_may_write_what_they_like_between() {
        let text = "220-Welcome\n 221 is no code here\n221 neither\n\n220-still\n220 go on";
        assert_eq!(read(Replies::lenient("FTP"), text), Ok(vec![(220, "220 go on".to_owned())]));
        assert!(matches!(read(Replies::lenient("FTP"), "Welcome\n"), Err(Wrong::NotSpoken { .. })));
    }

    #[test]
    fn what_is_no_reply_is_told_apart() {
        for wrong in ["SSH-2.0-x", "22", "", "2200 x", "220_x", "\u{fffd} "] {
            assert!(matches!(strict(&format!("{wrong}\n")), Err(Wrong::NotSpoken { .. })), "{wrong:?}");
        }
        assert!(matches!(strict("220-a\n221 b"), Err(Wrong::OtherCode { .. })));
    }
}

//! The questions besides TCP and HTTP: mail, names, datagrams, commands.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Encryption, Login};
use crate::error::Error;

/// A mail server must greet and take a greeting (RFC 5321 section 3.1), and let us in if we have a name (RFC 4954).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Smtp {
    /// How we introduce ourselves (`helo_name`); `None` for a name of the checker's own.
    pub helo: Option<String>,
    /// Whether anybody may listen.
    pub encryption: Encryption,
    /// Who we say that we are; `None`: no login is tried.
    pub login: Option<Login>,
}

/// A name server must answer a question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dns {
    /// The type of record to ask for.
    pub record: RecordType,
    /// The name to ask for; `.` is the root.
    pub name: String,
}

impl Default for Dns {
    fn default() -> Dns {
        Dns { record: RecordType::default(), name: ".".to_owned() }
    }
}

/// A type of DNS record, named as in zone files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the registered ones")]
pub enum RecordType {
    A,
    Ns,
    Cname,
    #[default]
    Soa,
    Mx,
    Txt,
    Aaaa,
    Rrsig,
    Dnskey,
}

impl RecordType {
    /// Every type that can be asked for, with its name and its number (IANA DNS parameters).
    pub const ALL: [(RecordType, &'static str, u16); 9] = [
        (RecordType::A, "A", 1),
        (RecordType::Ns, "NS", 2),
        (RecordType::Cname, "CNAME", 5),
        (RecordType::Soa, "SOA", 6),
        (RecordType::Mx, "MX", 15),
        (RecordType::Txt, "TXT", 16),
        (RecordType::Aaaa, "AAAA", 28),
        (RecordType::Rrsig, "RRSIG", 46),
        (RecordType::Dnskey, "DNSKEY", 48),
    ];

    /// Its number (IANA DNS parameters).
    pub fn number(self) -> u16 {
        RecordType::ALL.iter().find(|(record, ..)| *record == self).map_or(0, |(.., number)| *number)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = RecordType::ALL.iter().find(|(record, ..)| record == self);
        f.write_str(found.map_or("", |(_, name, _)| name))
    }
}

impl FromStr for RecordType {
    type Err = Error;

    /// Reads a name in upper or lower case.
    fn from_str(text: &str) -> Result<RecordType, Error> {
        let found = RecordType::ALL.iter().find(|(_, name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(record, ..)| *record).ok_or_else(|| Error::RecordType(text.to_owned()))
    }
}

/// Whether a name can be asked for: labels of 1 to 63 bytes with dots between, 253 bytes in all (RFC 1035 section
/// 2.3.4); a dot may end it, and alone it is the root.
pub fn check_domain(name: &str) -> Result<(), Error> {
    let wrong = |what| Err(Error::Domain(name.to_owned(), what));
    let relative = name.strip_suffix('.').unwrap_or(name);
    if relative.is_empty() {
        return if name == "." { Ok(()) } else { wrong("it is empty") };
    }
    if relative.split('.').any(str::is_empty) {
        return wrong("a label is empty");
    }
    if relative.split('.').any(|label| label.len() > 63) || relative.len() > 253 {
        return wrong("a label has at most 63 bytes, the whole 253");
    }
    if !relative.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong("it may hold visible ASCII characters only");
    }
    Ok(())
}

/// A datagram must not be refused, or must be answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Udp {
    /// What to send; `None` for random bytes.
    pub payload: Option<Vec<u8>>,
    /// What must come back (`require_reply`): `None` if nothing must, an empty list if anything will do.
    pub reply: Option<Vec<MaskedByte>>,
    /// The shortest answer that passes, in bytes; looked at when `reply` is not empty.
    pub shortest: u16,
    /// The longest answer that passes, in bytes; looked at when `reply` is not empty.
    pub longest: u16,
}

impl Default for Udp {
    fn default() -> Udp {
        Udp { payload: None, reply: None, shortest: 0, longest: 255 }
    }
}

/// A byte of an expected answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MaskedByte {
    /// The bits that count; the others are 0.
    pub value: u8,
    /// Which bits count: `f0` where the second digit may be any.
    pub mask: u8,
}

impl fmt::Display for MaskedByte {
    /// Two digits, `x` for one that may be any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for shift in [4, 0] {
            match self.mask >> shift & 0xf {
                0 => f.write_str("x")?,
                _ => write!(f, "{:x}", self.value >> shift & 0xf)?,
            }
        }
        Ok(())
    }
}

/// Reads bytes in hexadecimal, with or without blanks between them; a digit that stands alone is a byte of its own.
pub fn parse_payload(text: &str) -> Result<Vec<u8>, Error> {
    let bytes = digits(text, |digit| digit != 'x')?;
    Ok(bytes.into_iter().map(|byte| byte.value).collect())
}

/// The same with `x` for a digit that may be any.
pub fn parse_reply(text: &str) -> Result<Vec<MaskedByte>, Error> {
    digits(text, |_| true)
}

fn digits(text: &str, allowed: impl Fn(char) -> bool) -> Result<Vec<MaskedByte>, Error> {
    let wrong = |found: char| Error::Hexadecimal(text.to_owned(), found);
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        let mut half: Option<MaskedByte> = None;
        for digit in word.chars().map(|c| c.to_ascii_lowercase()) {
            let value = digit.to_digit(16).and_then(|value| u8::try_from(value).ok());
            let (value, mask) = match value {
                Some(value) => (value, 0xf),
                None if digit == 'x' && allowed(digit) => (0, 0),
                None => return Err(wrong(digit)),
            };
            match half.take() {
                None => half = Some(MaskedByte { value, mask }),
                Some(high) => {
                    bytes.push(MaskedByte { value: high.value << 4 | value, mask: high.mask << 4 | mask });
                }
            }
        }
        // A byte of one digit has a high half of nothing, which must be just that.
        bytes.extend(half.map(|low| MaskedByte { value: low.value, mask: low.mask | 0xf0 }));
    }
    Ok(bytes)
}

/// A command must succeed (`MISC_CHECK`). It is run by whoever owns the checks: here nothing is started.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Program {
    /// The program and its arguments; never empty.
    pub words: Vec<String>,
    /// The user that runs it; `None`: the owner's default.
    pub user: Option<String>,
    /// The group that runs it; `None`: the user's own.
    pub group: Option<String>,
    /// How long it may take (`misc_timeout`); `None`: as long as `delay_loop`.
    pub timeout: Option<Duration>,
    /// Whether its exit status sets the weight: 2 to 255 mean a weight of two less (`misc_dynamic`).
    pub dynamic: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_written() {
        assert_eq!(parse_payload("0aFF 7").unwrap(), [0x0a, 0xff, 0x07]);
        assert_eq!(parse_payload(" abc ").unwrap(), [0xab, 0x0c]);
        assert_eq!(parse_payload("").unwrap(), Vec::<u8>::new());
        assert_eq!(parse_payload("0xab"), Err(Error::Hexadecimal("0xab".into(), 'x')));
        assert_eq!(parse_payload("zz"), Err(Error::Hexadecimal("zz".into(), 'z')));
    }

    #[test]
    fn an_expected_answer_may_leave_digits_open() {
        let reply = parse_reply("ab xX cX xd e").unwrap();
        let text: Vec<String> = reply.iter().map(MaskedByte::to_string).collect();
        assert_eq!(text, ["ab", "xx", "cx", "xd", "0e"]);
        assert_eq!(reply[2], MaskedByte { value: 0xc0, mask: 0xf0 });
        assert_eq!(parse_reply(&text.join("")).unwrap(), reply, "what is shown reads the same");
    }

    #[test]
    fn names_are_those_that_a_question_can_hold() {
        let longest = format!("{}.example", "a".repeat(63));
        for good in [".", "example.org", "example.org.", "_sip._udp.example.org", &longest] {
            assert_eq!(check_domain(good), Ok(()), "{good}");
        }
        let (label, whole) = (format!("{}.example", "a".repeat(64)), "abcd.".repeat(51));
        for bad in ["", "..", "a..b", ".a", "a b", &label, &whole] {
            assert!(check_domain(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn record_types_have_one_name_each() {
        for (record, name, _) in RecordType::ALL {
            assert_eq!((record.to_string().as_str(), name.to_lowercase().parse()), (name, Ok(record)));
        }
        assert_eq!("ANY".parse::<RecordType>(), Err(Error::RecordType("ANY".into())));
    }
}

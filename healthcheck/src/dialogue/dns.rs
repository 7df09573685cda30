//! A question to a name server, and whether what comes back answers it (RFC 1035 section 4.1).
//!
//! An answer is judged by its head: that it answers this question, and that it is no error. What records it holds does
//! not matter, nor whether it was cut off to fit a datagram: the server works. keepalived judges the same way.

use std::fmt;

use crate::spec::Dns;

/// Length of the head of a message.
const HEAD: usize = 12;

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It belongs to another question, asked earlier or by somebody else: the right one may yet come.
    Stray,
    /// It is no DNS message, or none that answers; why, in words.
    Garbage(&'static str),
    /// The server says that it cannot answer (RCODE, RFC 1035 section 4.1.1).
    Refused(u8),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Stray => f.write_str("the answer belongs to another question"),
            Fault::Garbage(what) => write!(f, "the answer is not DNS: {what}"),
            Fault::Refused(code) => {
                let name = match code {
                    1 => "FORMERR: it did not understand the question",
                    2 => "SERVFAIL: it could not find out",
                    3 => "NXDOMAIN: there is no such name",
                    4 => "NOTIMP: it does not answer such questions",
                    5 => "REFUSED: it may not answer us",
                    9 => "NOTAUTH: it is not in charge of the name",
                    _ => return write!(f, "the server answered with the error {code}"),
                };
                write!(f, "the server answered {name}")
            }
        }
    }
}

/// The question as a message. The server is asked to ask others (RD), as resolvers do.
pub fn question(dns: &Dns, id: u16) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEAD + dns.name.len() + 6);
    message.extend(id.to_be_bytes());
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in dns.name.split('.').filter(|label| !label.is_empty()) {
        // Longer ones are refused when the file is read.
        let label = label.as_bytes().get(..63).unwrap_or(label.as_bytes());
        message.push(label.len() as u8);
        message.extend(label);
    }
    message.push(0);
    message.extend(dns.record.number().to_be_bytes());
    message.extend([0, 1]);
    message
}

/// Judges what came back for this very question.
pub fn judge(question: &[u8], answer: &[u8]) -> Result<(), Fault> {
    let head = answer.first_chunk::<HEAD>().ok_or(Fault::Garbage("it is shorter than a head"))?;
    if question.first_chunk::<2>() != head.first_chunk::<2>() {
        return Err(Fault::Stray);
    }
    if head[2] & 0x80 == 0 {
        return Err(Fault::Garbage("it is a question"));
    }
    if head[2] & 0x78 != 0 {
        return Err(Fault::Garbage("it answers no query"));
    }
    let repeated = u16::from_be_bytes([head[4], head[5]]);
    let (asked, told) = (question.get(HEAD..).unwrap_or_default(), answer.get(HEAD..).unwrap_or_default());
    // A server that refuses may leave the question out.
    let same = told.get(..asked.len()).is_some_and(|told| told.eq_ignore_ascii_case(asked));
    if repeated > 1 || repeated == 1 && !same {
        return Err(Fault::Stray);
    }
    match head[3] & 0x0f {
        0 => Ok(()),
        code => Err(Fault::Refused(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::RecordType;

    fn asked() -> Vec<u8> {
        question(&Dns { record: RecordType::Aaaa, name: "www.Example.org".to_owned() }, 0x1234)
    }

    fn answered(change: impl FnOnce(&mut Vec<u8>)) -> Result<(), Fault> {
        let question = asked();
        let mut answer = question.clone();
        answer[2] |= 0x80;
        change(&mut answer);
        judge(&question, &answer)
    }

    #[test]
    fn questions_are_golden() {
        assert_eq!(asked(), b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07Example\x03org\0\0\x1c\0\x01");
        assert_eq!(question(&Dns::default(), 1), b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\0\0\x06\0\x01");
    }

    #[test]
    fn an_answer_without_records_passes_and_a_cut_off_one_too() {
        assert_eq!(answered(|_| {}), Ok(()));
        assert_eq!(answered(|answer| answer[2] |= 2), Ok(()));
        assert_eq!(answered(|answer| answer.make_ascii_lowercase()), Ok(()));
        assert_eq!(answered(|answer| answer.extend([0; 400])), Ok(()));
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        assert_eq!(answered(|answer| answer[0] = 0), Err(Fault::Stray));
        assert_eq!(answered(|answer| answer[13] = b'x'), Err(Fault::Stray));
        assert_eq!(answered(|answer| answer[2] = 1), Err(Fault::Garbage("it is a question")));
        assert_eq!(answered(|answer| answer[2] = 0xa0), Err(Fault::Garbage("it answers no query")));
        assert_eq!(answered(|answer| answer.truncate(11)), Err(Fault::Garbage("it is shorter than a head")));
        for code in 1..16 {
            assert_eq!(answered(|answer| answer[3] = code), Err(Fault::Refused(code)));
        }
        let without_question = |answer: &mut Vec<u8>| {
            answer.truncate(12);
            (answer[3], answer[5]) = (5, 0);
        };
        assert_eq!(answered(without_question), Err(Fault::Refused(5)));
    }
}

//! A call to Oracle's listener, and what it says to it (Transparent Network Substrate, as clients since version 8 speak
//! it).
//!
//! There is no public standard. What is here is what every client sends first, and the five ways to answer that.

use super::quote;
use super::talk::{Step, Talk, protocol, refused};
use crate::outcome::Failure;
use crate::spec::Oracle;

/// Length of the head of a message.
const HEAD: usize = 8;
/// Length of what comes before the words of a call.
const CALL: usize = 58;
/// How often a listener may want to hear the same again.
const MOST_REPEATS: u8 = 3;

// Kinds of messages.
const CONNECT: u8 = 1;
const ACCEPT: u8 = 2;
const REFUSE: u8 = 4;
const REDIRECT: u8 = 5;
const DATA: u8 = 6;
const RESEND: u8 = 11;

/// One dialogue with a listener.
pub struct Tns<'a> {
    asked: &'a Oracle,
    repeats: u8,
    connected: bool,
}

impl<'a> Tns<'a> {
    /// A dialogue about to begin.
    pub fn new(asked: &'a Oracle) -> Tns<'a> {
        Tns { asked, repeats: 0, connected: false }
    }

    fn call(&self) -> Vec<u8> {
        let who = "(CID=(PROGRAM=directord)(HOST=directord)(USER=directord))";
        let words = match self.asked {
            Oracle::Listener => "(DESCRIPTION=(CONNECT_DATA=(COMMAND=ping)))".to_owned(),
            Oracle::Service(name) => format!("(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME={name}){who}))"),
            Oracle::Sid(name) => format!("(DESCRIPTION=(CONNECT_DATA=(SID={name}){who}))"),
        };
        let length = (words.len() as u16).to_be_bytes();
        // The version and the oldest that will do, what we offer, the sizes of packets, of which more do not fit.
        let mut rest = vec![1, 58, 1, 44, 0x0c, 0x41, 32, 0, 127, 255, 127, 8, 0, 0, 1, 0];
        // Where the words are, how long an answer may be, and what a call has besides.
        rest.extend([length[0], length[1], 0, CALL as u8, 0, 0, 8, 0, 0x41, 0x41]);
        rest.resize(CALL - HEAD, 0);
        rest.extend(words.as_bytes());
        packet(CONNECT, &rest)
    }

    fn refused(&self, content: &[u8]) -> Result<Step, Failure> {
        let length =
            content.get(2..4).map_or(0, |bytes| usize::from(u16::from_be_bytes([bytes[0], bytes[1]])));
        let words = content.get(4..).unwrap_or_default();
        let words = words.get(..length).unwrap_or(words);
        let code = number_behind(words, b"ERR=").or_else(|| number_behind(words, b"CODE="));
        // That it has been asked how it is, it also answers with a refusal, of which nothing is wrong.
        if *self.asked == Oracle::Listener && code == Some(0) {
            return Ok(Step::Part);
        }
        let Some(code) = code else {
            return Err(refused(format!("the listener refuses: '{}'", quote(words))));
        };
        let told = meaning(code).map_or_else(|| format!("'{}'", quote(words)), str::to_owned);
        Err(refused(format!("the listener refuses: TNS-{code:05}: {told}")))
    }
}

impl Talk for Tns<'_> {
    fn begin(&mut self) -> Step {
        Step::Say(self.call())
    }

    fn length(&self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        let Some(head) = bytes.first_chunk::<HEAD>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
        if length < HEAD || !(1..=19).contains(&head[4]) {
            return Err(protocol(format!("the answer is not Oracle's: '{}'", quote(bytes))));
        }
        Ok(Some(length))
    }

    fn hear(&mut self, message: &[u8]) -> Result<Step, Failure> {
        let content = message.get(HEAD..).unwrap_or_default();
        match message.get(4).copied().unwrap_or_default() {
            ACCEPT => {
                self.connected = true;
                Ok(Step::Part)
            }
            // Another process, at another port, is there for us.
            REDIRECT => Ok(Step::Part),
            REFUSE => self.refused(content),
            RESEND if self.repeats < MOST_REPEATS => {
                self.repeats += 1;
                Ok(Step::Say(self.call()))
            }
            RESEND => Err(protocol("the listener wants to hear the same again and again")),
            kind => Err(protocol(format!("the answer is a message of kind {kind}, which answers no call"))),
        }
    }

    fn awaited(&self) -> &'static str {
        "answer of the listener"
    }

    /// That nothing more comes.
    fn farewell(&self) -> Vec<u8> {
        if self.connected { packet(DATA, &[0, 0x40]) } else { Vec::new() }
    }
}

fn packet(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = ((content.len() + HEAD) as u16).to_be_bytes();
    [&[length[0], length[1], 0, 0, kind, 0, 0, 0], content].concat()
}

/// The number behind these words.
fn number_behind(text: &[u8], words: &[u8]) -> Option<u32> {
    let at = text.windows(words.len()).position(|window| window.eq_ignore_ascii_case(words))?;
    let rest = text.get(at + words.len()..)?;
    let digits = rest.iter().take(9).take_while(|byte| byte.is_ascii_digit());
    let mut any = false;
    let number = digits.fold(0, |number, digit| {
        any = true;
        number * 10 + u32::from(digit - b'0')
    });
    any.then_some(number)
}

/// What a code means (Oracle's Database Error Messages, TNS).
#[rustfmt::skip]
fn meaning(code: u32) -> Option<&'static str> {
    Some(match code {
        1153 => "it does not understand the call",
        1189 => "it does not know the caller",
        1190 => "it does not let the caller do that",
        12500 => "it cannot start a process for the session",
        12502 => "nothing names what it should connect to",
        12504 => "no service is named",
        12505 => "it knows no such SID",
        12514 => "it knows no such service",
        12516 => "none of the service's processes speaks our protocol",
        12518 => "it cannot hand the session over: too many processes or sessions",
        12519 => "none of the service's processes takes a session: too many",
        12520 => "none of the service's processes takes a session of this kind: too many",
        12521 => "the service has no such instance",
        12523 => "it finds no instance that fits",
        12526 => "all instances take administrators only",
        12527 => "all instances take administrators only, or are blocked",
        12528 => "all instances are blocked: the database is starting or stopping",
        12529 => "the call is turned away by its rules",
        12540 => "it has reached a limit of its own",
        12564 => "the connection is refused",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::FailureKind;

    fn hear(talk: &mut Tns<'_>, message: &[u8]) -> Result<Step, Failure> {
        assert_eq!(talk.length(message), Ok(Some(message.len())));
        talk.hear(message)
    }

    fn refusal(words: &str) -> Vec<u8> {
        let length = (words.len() as u16).to_be_bytes();
        packet(REFUSE, &[&[34, 0, length[0], length[1]], words.as_bytes()].concat())
    }

    fn fails(step: Result<Step, Failure>) -> (FailureKind, String) {
        match step {
            Err(failure) => (failure.kind, failure.reason),
            Ok(_) => panic!("it passes"),
        }
    }

    #[test]
    fn calls_are_golden() {
        let asked = Oracle::Service("orcl".into());
        let Step::Say(call) = Tns::new(&asked).begin() else { panic!("it calls") };
        let expected = [
            0, 163, 0, 0, 1, 0, 0, 0, 1, 58, 1, 44, 0x0c, 0x41, 32, 0, 127, 255, 127, 8, 0, 0, 1, 0, 0, 105,
            0, 58, 0, 0, 8, 0, 0x41, 0x41,
        ];
        assert_eq!(call[..34], expected);
        assert_eq!(call[34..58], [0; 24]);
        let words = "(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=orcl)(CID=(PROGRAM=directord)(HOST=directord)(USER=directord))))";
        assert_eq!(String::from_utf8_lossy(&call[58..]), words);
        let sid = Oracle::Sid("X".into());
        let Step::Say(call) = Tns::new(&sid).begin() else { panic!("it calls") };
        assert!(String::from_utf8_lossy(&call).contains("(SID=X)"));
    }

    #[test]
    fn a_listener_accepts_or_sends_elsewhere_or_wants_it_again() {
        let asked = Oracle::Service("orcl".into());
        let mut talk = Tns::new(&asked);
        assert!(matches!(hear(&mut talk, &packet(ACCEPT, &[0; 16])), Ok(Step::Part)));
        assert_eq!(talk.farewell(), [0, 10, 0, 0, 6, 0, 0, 0, 0, 0x40]);
        let mut talk = Tns::new(&asked);
        assert!(matches!(hear(&mut talk, &packet(REDIRECT, b"\0\x09(ADDRESS=")), Ok(Step::Part)));
        assert!(talk.farewell().is_empty());
        let mut talk = Tns::new(&asked);
        for _ in 0..MOST_REPEATS {
            assert!(matches!(hear(&mut talk, &packet(RESEND, b"")), Ok(Step::Say(_))));
        }
        assert!(fails(hear(&mut talk, &packet(RESEND, b""))).1.contains("again and again"));
    }

    #[test]
    fn refusals_are_told_in_words() {
        let words = |code: u32| {
            format!("(DESCRIPTION=(TMP=)(VSNNUM=186647552)(ERR={code})(ERROR_STACK=(ERROR=(CODE={code}))))")
        };
        let asked = Oracle::Sid("X".into());
        let told = |text: &str| fails(hear(&mut Tns::new(&asked), &refusal(text)));
        let expected = "the listener refuses: TNS-12505: it knows no such SID";
        assert_eq!(told(&words(12505)), (FailureKind::BadStatus, expected.to_owned()));
        assert_eq!(
            told("(CODE=12528)").1,
            "the listener refuses: TNS-12528: all instances are blocked: the database is \
                                            starting or stopping"
        );
        assert_eq!(told("(ERR=1)").1, "the listener refuses: TNS-00001: '(ERR=1)'");
        assert_eq!(told("go\n").1, "the listener refuses: 'go?'");
        let ping = Oracle::Listener;
        assert!(matches!(hear(&mut Tns::new(&ping), &refusal(&words(0))), Ok(Step::Part)));
        assert_eq!(fails(hear(&mut Tns::new(&ping), &refusal(&words(1189)))).0, FailureKind::BadStatus);
        assert!(fails(hear(&mut Tns::new(&asked), &refusal(&words(0)))).1.contains("TNS-00000"));
    }

    #[test]
    fn what_is_not_oracles_is_told_apart() {
        let asked = Oracle::Listener;
        let talk = Tns::new(&asked);
        for wrong in [&b"HTTP/1.1 400"[..], &[0; 8], b"SSH-2.0-OpenSSH"] {
            let failure = talk.length(wrong).expect_err("it is not Oracle's");
            assert!(failure.reason.starts_with("the answer is not Oracle's: '"), "{failure}");
        }
        assert!(fails(hear(&mut Tns::new(&asked), &packet(7, b""))).1.contains("kind 7"));
    }
}

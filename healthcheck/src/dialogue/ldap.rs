//! A bind to a directory, and whether one entry is there (LDAP version 3, RFC 4511).

use super::ber::{self, ENUMERATED, INTEGER, OCTETS, SEQUENCE};
use super::quote;
use super::talk::{Step, Talk, protocol, refused, unexpected};
use crate::outcome::Failure;
use crate::spec::{Ldap as Settings, Login};

/// The request to begin with TLS (RFC 4511 section 4.14.1).
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

// Operations (RFC 4511 section 4.2 and following).
const BIND: u8 = 0x60;
const BIND_ANSWER: u8 = 0x61;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const ENTRY: u8 = 0x64;
const SEARCH_END: u8 = 0x65;
const REFERENCE: u8 = 0x73;
const EXTENDED: u8 = 0x77;
const EXTENDED_ANSWER: u8 = 0x78;
const INTERMEDIATE: u8 = 0x79;

/// What has been asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    StartTls,
    Bind,
    Search,
}

impl Asked {
    /// Each question has a number of its own.
    fn id(self) -> u8 {
        self as u8 + 1
    }

    fn answer(self) -> u8 {
        match self {
            Asked::StartTls => EXTENDED_ANSWER,
            Asked::Bind => BIND_ANSWER,
            Asked::Search => SEARCH_END,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Asked::StartTls => "answer to StartTLS",
            Asked::Bind => "answer to the bind",
            Asked::Search => "answer to the search",
        }
    }
}

/// One dialogue with a directory.
pub struct Ldap<'a> {
    settings: &'a Settings,
    asked: Asked,
    entries: usize,
}

impl<'a> Ldap<'a> {
    /// A dialogue about to begin. Where TLS begins with the first byte, it has begun already.
    pub fn new(settings: &'a Settings) -> Ldap<'a> {
        Ldap { settings, asked: Asked::Bind, entries: 0 }
    }

    fn ask(&mut self, asked: Asked, operation: &[u8]) -> Step {
        self.asked = asked;
        Step::Say(message(asked.id(), operation))
    }

    fn bind(&mut self) -> Step {
        let (name, password) = match &self.settings.login {
            Some(Login { name, password }) => (name.as_bytes(), password.reveal()),
            None => (&[][..], &[][..]),
        };
        let parts = [ber::number(INTEGER, 3), ber::element(OCTETS, name), ber::element(0x80, password)];
        self.ask(Asked::Bind, &ber::element(BIND, &parts.concat()))
    }

    /// Only the entry itself, any kind of it, and none of its attributes.
    fn search(&mut self, base: &str) -> Step {
        let parts = [
            ber::element(OCTETS, base.as_bytes()),
            ber::number(ENUMERATED, 0),
            ber::number(ENUMERATED, 0),
            ber::number(INTEGER, 0),
            ber::number(INTEGER, 0),
            ber::number(0x01, 0),
            ber::element(0x87, b"objectClass"),
            ber::element(SEQUENCE, &ber::element(OCTETS, b"1.1")),
        ];
        self.ask(Asked::Search, &ber::element(SEARCH, &parts.concat()))
    }

    fn answered(&mut self) -> Result<Step, Failure> {
        match (self.asked, &self.settings.base) {
            (Asked::StartTls, _) => Ok(Step::Secure(Vec::new())),
            (Asked::Bind, Some(base)) => Ok(self.search(base)),
            (Asked::Bind, None) => Ok(Step::Part),
            (Asked::Search, base) => match self.entries {
                1 => Ok(Step::Part),
                entries => {
                    let base = base.as_deref().unwrap_or_default();
                    Err(unexpected(format!("the search at '{base}' found {entries} entries, expected 1")))
                }
            },
        }
    }
}

fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    ber::element(SEQUENCE, &[&ber::number(INTEGER, id), operation].concat())
}

impl Talk for Ldap<'_> {
    fn begin(&mut self) -> Step {
        if self.settings.tls.is_some() && self.settings.starttls {
            let request = ber::element(EXTENDED, &ber::element(0x80, START_TLS));
            return self.ask(Asked::StartTls, &request);
        }
        self.bind()
    }

    fn length(&self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        match ber::head(bytes) {
            Ok(Some(head)) if head.tag == SEQUENCE => Ok(Some(head.head + head.content)),
            Ok(None) if bytes.first().is_none_or(|tag| *tag == SEQUENCE) => Ok(None),
            _ => Err(protocol(format!("the answer is not LDAP: '{}'", quote(bytes)))),
        }
    }

    fn hear(&mut self, message: &[u8]) -> Result<Step, Failure> {
        let garbage = || protocol("the answer is not LDAP: its parts do not fit together");
        let mut rest = message;
        let mut inside = ber::expect(&mut rest, SEQUENCE).ok_or_else(garbage)?;
        let id = ber::expect(&mut inside, INTEGER).and_then(ber::value).ok_or_else(garbage)?;
        let (operation, mut content) = ber::take(&mut inside).ok_or_else(garbage)?;
        // What the server says unasked is that it leaves (RFC 4511 section 4.4.1).
        if id == 0 && operation == EXTENDED_ANSWER {
            let result = Outcome::read(&mut content).ok_or_else(garbage)?;
            return Err(refused(format!("the server takes its leave: {result}")));
        }
        if id != u32::from(self.asked.id()) {
            return Err(protocol(format!("an answer to question {id}, which was not asked")));
        }
        match operation {
            ENTRY if self.asked == Asked::Search => self.entries = self.entries.saturating_add(1),
            REFERENCE | INTERMEDIATE if self.asked == Asked::Search => {}
            answer if answer == self.asked.answer() => {
                let result = Outcome::read(&mut content).ok_or_else(garbage)?;
                if result.code != 0 {
                    return Err(refused(format!("the {} is {result}", self.asked.words())));
                }
                return self.answered();
            }
            _ => {
                let words = self.asked.words();
                return Err(protocol(format!("the {words} is another operation ({operation:#04x})")));
            }
        }
        Ok(Step::Listen)
    }

    fn secured(&mut self) -> Step {
        self.bind()
    }

    fn awaited(&self) -> &'static str {
        self.asked.words()
    }

    fn farewell(&self) -> Vec<u8> {
        message(self.asked.id() + 1, &ber::element(UNBIND, &[]))
    }
}

/// A result (RFC 4511 section 4.1.9).
struct Outcome {
    code: u32,
    /// What the server adds, fit for people.
    text: String,
}

impl Outcome {
    fn read(content: &mut &[u8]) -> Option<Outcome> {
        let code = ber::expect(content, ENUMERATED).and_then(ber::value)?;
        ber::expect(content, OCTETS)?;
        let text = quote(ber::expect(content, OCTETS)?);
        Some(Outcome { code, text })
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match meaning(self.code) {
            Some((name, words)) => write!(f, "{name} ({}): {words}", self.code)?,
            None => write!(f, "the result {}", self.code)?,
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, "; it says '{}'", self.text) }
    }
}

/// What a code means (RFC 4511 appendix A), by its name and in words.
#[rustfmt::skip]
fn meaning(code: u32) -> Option<(&'static str, &'static str)> {
    Some(match code {
        1 => ("operationsError", "it should have been asked something else before"),
        2 => ("protocolError", "it does not understand the question"),
        3 => ("timeLimitExceeded", "it took too long"),
        4 => ("sizeLimitExceeded", "there is too much to tell"),
        7 => ("authMethodNotSupported", "it takes no simple bind"),
        8 => ("strongerAuthRequired", "it wants a better proof of who we are"),
        10 => ("referral", "another server knows"),
        11 => ("adminLimitExceeded", "its administrator allows no more"),
        12 => ("unavailableCriticalExtension", "it cannot do what was asked for"),
        13 => ("confidentialityRequired", "it wants TLS first"),
        32 => ("noSuchObject", "there is no such entry"),
        34 => ("invalidDNSyntax", "the name of an entry is not written like that"),
        48 => ("inappropriateAuthentication", "it does not let us in like that"),
        49 => ("invalidCredentials", "wrong login or password"),
        50 => ("insufficientAccessRights", "we may not"),
        51 => ("busy", "it is busy"),
        52 => ("unavailable", "it is shutting down, or cut off from what it needs"),
        53 => ("unwillingToPerform", "it does not want to"),
        54 => ("loopDetect", "it was sent round in a circle"),
        80 => ("other", "something went wrong inside"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::FailureKind;
    use crate::spec::{Password, Secret, Tls};

    fn said(step: Step) -> Vec<u8> {
        match step {
            Step::Say(bytes) => bytes,
            _ => panic!("nothing is said"),
        }
    }

    fn settings(login: Option<(&str, &str)>, base: Option<&str>) -> Settings {
        let password = |text: &str| Password::Said(Secret::new(text.to_owned()));
        Settings {
            login: login.map(|(name, text)| Login { name: name.to_owned(), password: password(text) }),
            base: base.map(str::to_owned),
            ..Settings::default()
        }
    }

    fn result(id: u8, operation: u8, code: u8, text: &str) -> Vec<u8> {
        let parts =
            [ber::number(ENUMERATED, code), ber::element(OCTETS, b""), ber::element(OCTETS, text.as_bytes())];
        message(id, &ber::element(operation, &parts.concat()))
    }

    fn hear(talk: &mut Ldap<'_>, message: &[u8]) -> Result<Step, Failure> {
        assert_eq!(talk.length(message), Ok(Some(message.len())));
        talk.hear(message)
    }

    fn fails(talk: &mut Ldap<'_>, message: &[u8]) -> (FailureKind, String) {
        match hear(talk, message) {
            Err(failure) => (failure.kind, failure.reason),
            Ok(_) => panic!("it passes"),
        }
    }

    #[test]
    fn questions_are_golden() {
        let anonymous = settings(None, Some("dc=a"));
        let mut talk = Ldap::new(&anonymous);
        assert_eq!(said(talk.begin()), b"\x30\x0c\x02\x01\x02\x60\x07\x02\x01\x03\x04\0\x80\0");
        let search = said(hear(&mut talk, &result(2, BIND_ANSWER, 0, "")).unwrap_or(Step::Listen));
        let expected =
            b"\x30\x2e\x02\x01\x03\x63\x29\x04\x04dc=a\x0a\x01\0\x0a\x01\0\x02\x01\0\x02\x01\0\x01\x01\0\
                         \x87\x0bobjectClass\x30\x05\x04\x031.1";
        assert_eq!(search, expected);
        assert_eq!(talk.farewell(), b"\x30\x05\x02\x01\x04\x42\0");
        let known = settings(Some(("cn=a", "pw")), None);
        let mut talk = Ldap::new(&known);
        assert_eq!(said(talk.begin()), b"\x30\x12\x02\x01\x02\x60\x0d\x02\x01\x03\x04\x04cn=a\x80\x02pw");
        let secure = Settings { tls: Some(Tls::default()), starttls: true, ..known };
        let mut talk = Ldap::new(&secure);
        let begun = said(talk.begin());
        assert_eq!(begun, b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037");
        let next = hear(&mut talk, &result(1, EXTENDED_ANSWER, 0, ""));
        assert!(matches!(next, Ok(Step::Secure(bytes)) if bytes.is_empty()));
        assert!(said(talk.secured()).ends_with(b"\x80\x02pw"));
    }

    #[test]
    fn a_search_must_find_one_entry() {
        let entry = || message(3, &ber::element(ENTRY, b"\x04\x04dc=a\x30\0"));
        let asked = settings(None, Some("dc=a"));
        for (entries, passes) in [(0, false), (1, true), (2, false)] {
            let mut talk = Ldap::new(&asked);
            talk.begin();
            assert!(matches!(hear(&mut talk, &result(2, BIND_ANSWER, 0, "")), Ok(Step::Say(_))));
            for _ in 0..entries {
                assert!(matches!(hear(&mut talk, &entry()), Ok(Step::Listen)));
            }
            let end = hear(&mut talk, &result(3, SEARCH_END, 0, ""));
            assert_eq!(matches!(end, Ok(Step::Part)), passes);
            if let Err(failure) = end {
                assert_eq!(
                    failure.reason,
                    format!("the search at 'dc=a' found {entries} entries, expected 1")
                );
            }
        }
        let mut talk = Ldap::new(&asked);
        talk.begin();
        let _ = hear(&mut talk, &result(2, BIND_ANSWER, 0, ""));
        let expected = "the answer to the search is noSuchObject (32): there is no such entry";
        assert_eq!(fails(&mut talk, &result(3, SEARCH_END, 32, "")).1, expected);
    }

    #[test]
    fn refusals_are_told_in_words() {
        let known = settings(Some(("cn=a", "pw")), None);
        let begun = || {
            let mut talk = Ldap::new(&known);
            talk.begin();
            talk
        };
        assert!(matches!(hear(&mut begun(), &result(2, BIND_ANSWER, 0, "")), Ok(Step::Part)));
        let expected =
            "the answer to the bind is invalidCredentials (49): wrong login or password; it says 'no\u{3f}'";
        assert_eq!(
            fails(&mut begun(), &result(2, BIND_ANSWER, 49, "no\n")),
            (FailureKind::BadStatus, expected.to_owned())
        );
        assert_eq!(
            fails(&mut begun(), &result(2, BIND_ANSWER, 120, "")).1,
            "the answer to the bind is the result 120"
        );
        let leave = fails(&mut begun(), &result(0, EXTENDED_ANSWER, 52, "bye"));
        assert!(leave.1.starts_with("the server takes its leave: unavailable (52)"), "{}", leave.1);
        assert_eq!(
            fails(&mut begun(), &result(9, BIND_ANSWER, 0, "")),
            (FailureKind::Protocol, "an answer to question 9, which was not asked".to_owned())
        );
        assert_eq!(
            fails(&mut begun(), &result(2, SEARCH_END, 0, "")).1,
            "the answer to the bind is another operation (0x65)"
        );
    }

    #[test]
    fn what_is_not_ldap_is_told_apart() {
        let asked = settings(None, None);
        let talk = Ldap::new(&asked);
        assert_eq!(talk.length(b"\x30\x84\0\0"), Ok(None));
        for wrong in [&b"HTTP/1.1 400"[..], b"\x15\x03", b"\x30\x80"] {
            let failure = talk.length(wrong).expect_err("it is no LDAP");
            assert!(failure.reason.starts_with("the answer is not LDAP: '"), "{failure}");
        }
        let mut talk = Ldap::new(&asked);
        assert_eq!(fails(&mut talk, b"\x30\x02\x02\x05").0, FailureKind::Protocol);
    }
}

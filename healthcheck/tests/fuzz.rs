//! Readers of what servers say, fed with anything: none panics, and each needs memory and time in proportion.

use healthcheck::dialogue::conversation::{Act, Conversation, Credentials};
use healthcheck::dialogue::echo::{COOKIE, Echo};
use healthcheck::dialogue::http;
use healthcheck::dialogue::ldap::Ldap;
use healthcheck::dialogue::mysql::Mysql;
use healthcheck::dialogue::pgsql::Pgsql;
use healthcheck::dialogue::talk::{Step, Talk};
use healthcheck::dialogue::tns::Tns;
use healthcheck::dialogue::{answer, certificate, datagram, dns, grpc, quote, radius, sip};
use healthcheck::{
    Assertion, Dialogue, Dns, Encryption, Ftp, Login, MaskedByte, Method, Oracle, Password, Pattern,
    Protocol, Radius, Search, Secret, Sip, Sql, Tls, Udp, json,
};
use proptest::prelude::*;

/// Bytes that look more or less like an answer: some of a good one, changed, cut and lengthened.
fn nearly(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = good.len();
    let changes = proptest::collection::vec((0..length, any::<u8>()), 0..4);
    let tail = proptest::collection::vec(any::<u8>(), 0..40);
    (changes, 0..=length, tail).prop_map(move |(changes, keep, tail)| {
        let mut bytes = good.clone();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.truncate(keep);
        bytes.extend(tail);
        bytes
    })
}

fn question() -> Vec<u8> {
    dns::question(&Dns { name: "www.example.org".to_owned(), ..Dns::default() }, 7)
}

/// Good conversations, of which the mailbox servers' and the others' beginnings are taken.
const WELL: &[&str] = &[
    "220-mx.example\r\n220 ready\r\n250-mx\r\n250 AUTH PLAIN LOGIN\r\n235 ok\r\n221 bye\r\n",
    "220 ftp\r\n331 who\r\n230 in\r\n200 I\r\n229 (|||4711|)\r\n150 comes\r\n226 done\r\n",
    "* OK IMAP4rev1\r\n* CAPABILITY IMAP4rev1\r\na1 OK go\r\na2 OK in\r\n* BYE\r\na3 OK\r\n",
    "+OK pop\r\n+OK\r\n+OK\r\nUSER\r\n.\r\n+OK bye\r\n",
    "200 news\r\n381 more\r\n281 in\r\n205 bye\r\n",
];

/// Everything that is done when a server says this in pieces of this length.
fn held(which: usize, starttls: bool, said: &[u8], step: usize) -> Vec<Result<Act, String>> {
    let encryption = if starttls { Encryption::StartTls(Tls::default()) } else { Encryption::Off };
    let login = Some(Credentials { user: "me".to_owned(), password: "sesame".to_owned() });
    let protocol = match which {
        1 => Protocol::Ftp(Ftp { path: Some("/motd".to_owned()), pattern: None }),
        2 => Protocol::Imap,
        3 => Protocol::Pop3,
        _ => Protocol::Nntp,
    };
    let dialogue = Dialogue { encryption, ..Dialogue::new(protocol) };
    let mut conversation = match which {
        0 => Conversation::smtp("probe.example", starttls, login),
        _ => Conversation::new(&dialogue, login).expect("a language of lines"),
    };
    let mut done = Vec::new();
    for mut piece in said.chunks(step) {
        while !piece.is_empty() {
            match conversation.hear(piece) {
                Ok((taken, act)) => {
                    assert!(taken > 0 && taken <= piece.len());
                    piece = &piece[taken..];
                    match &act {
                        // What comes in one piece with that is refused, what comes later is not: both are the end.
                        Some(Act::StartTls) => return done,
                        Some(Act::Collect) => conversation.collected(),
                        _ => {}
                    }
                    done.extend(act.map(Ok));
                }
                Err(fault) => {
                    let fault = fault.to_string();
                    assert!(!fault.contains("sesame"), "{fault}");
                    if !fault.contains("in the clear where TLS") {
                        done.push(Err(fault));
                    }
                    return done;
                }
            }
        }
    }
    done
}

/// The status and the body of an answer that comes in pieces of this length; `None` if it is none.
fn fetched(said: &[u8], step: usize) -> Option<(u16, Vec<u8>)> {
    let mut answer = http::Answer::new(Method::Get);
    let (mut heard, mut pieces) = (Vec::new(), said.chunks(step));
    let (mut status, mut body) = (0, Vec::new());
    loop {
        let (taken, piece) = answer.next(&heard).ok()?;
        assert!(taken <= heard.len());
        match piece {
            Some(http::Piece::Status(found)) => status = found,
            Some(http::Piece::Body(some)) => body.extend_from_slice(some),
            Some(http::Piece::End) => return Some((status, body)),
            None if taken > 0 => {}
            None => match pieces.next() {
                Some(more) => heard.extend_from_slice(more),
                None => return answer.end().ok().map(|()| (status, body)),
            },
        }
        heard.drain(..taken);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn name_servers_may_say_anything(answer in nearly(question()), other in any::<Vec<u8>>()) {
        let _ = dns::judge(&question(), &answer);
        let _ = dns::judge(&other, &answer);
        let _ = dns::judge(&question(), &other);
    }

    #[test]
    fn any_name_makes_a_question(name in ".{0,300}") {
        let question = dns::question(&Dns { name, ..Dns::default() }, 1);
        prop_assert!(question.len() < 2048);
    }

    #[test]
    fn servers_of_lines_may_say_anything(
        which in 0..WELL.len(),
        starttls in any::<bool>(),
        said in (0..WELL.len()).prop_flat_map(|which| nearly(WELL[which].as_bytes().to_vec())),
        own in any::<bool>(),
        noise in any::<Vec<u8>>(),
        step in 1..9usize,
    ) {
        let said = if own { said } else { noise };
        // In one piece and in many: what is done is the same.
        let whole = held(which, starttls, &said, said.len().max(1));
        prop_assert_eq!(held(which, starttls, &said, step), whole);
    }

    #[test]
    fn web_servers_may_say_anything(
        counted in nearly(b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 5\r\n\r\nhello".to_vec()),
        chunked in nearly(b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3;a\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n".to_vec()),
        other in any::<Vec<u8>>(),
        step in 1..9usize,
    ) {
        for said in [&counted, &chunked, &other] {
            // In one piece and in many: what is read is the same.
            prop_assert_eq!(fetched(said, step), fetched(said, said.len().max(1)));
        }
    }

    #[test]
    fn telephone_servers_may_say_anything(
        said in nearly(b"SIP/2.0 100 Trying\r\nContent-Length: 2\r\n\r\nabSIP/2.0 200 OK\r\n\r\n".to_vec()),
        step in 1..9usize,
    ) {
        let target = "192.0.2.1:5060".parse().unwrap();
        let asking = sip::Asking { transport: "UDP", local: target, target, token: "abc" };
        let _ = asking.judge(&Sip::default(), &said);
        let read = |step: usize| {
            let (mut reader, mut heads) = (sip::Reader::default(), Vec::new());
            for mut piece in said.chunks(step) {
                while !piece.is_empty() {
                    let Ok((taken, head)) = reader.read(piece) else { return heads };
                    assert!(taken > 0 && taken <= piece.len());
                    piece = &piece[taken..];
                    heads.extend(head);
                }
            }
            heads
        };
        prop_assert_eq!(read(step), read(said.len().max(1)));
    }

    #[test]
    fn answers_are_looked_at_in_proportion(pieces in proptest::collection::vec(0..9000usize, 0..60)) {
        let (mut answer, mut effort) = (answer::Answer::default(), 0);
        for piece in pieces {
            if answer.add(&vec![b'x'; piece]).is_err() {
                break;
            }
            effort += if answer.look(false) { answer.bytes().len() } else { 0 };
        }
        prop_assert!(effort <= 60 * 4096 + 5 * answer.bytes().len());
    }

    #[test]
    fn datagrams_may_hold_anything(
        answer in any::<Vec<u8>>(),
        expected in proptest::collection::vec((any::<u8>(), any::<u8>()), 0..20),
        bounds in any::<(u16, u16)>(),
    ) {
        let reply = expected.into_iter().map(|(value, mask)| MaskedByte { value: value & mask, mask });
        let udp = Udp { reply: Some(reply.collect()), shortest: bounds.0, longest: bounds.1, ..Udp::default() };
        prop_assert!(datagram::room(&udp) <= 65_536);
        let _ = datagram::judge(&udp, &answer, answer.len());
        prop_assert!(quote(&answer).bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }

    #[test]
    fn no_echo_is_taken_for_ours_by_chance(packet in any::<Vec<u8>>(), v6 in any::<bool>()) {
        let echo = Echo { v6, identifier: 7, cookie: [0xa5; COOKIE] };
        prop_assert!(!echo.is_answered_by(&packet));
        let mut reply = echo.request();
        reply[0] = if v6 { 129 } else { 0 };
        prop_assert!(echo.is_answered_by(&reply));
    }

    #[test]
    fn pages_and_expressions_may_be_anything(text in "[-a-c()\\[\\]*+?{}|^$.\\\\0-9]{0,24}", page in any::<Vec<u8>>()) {
        let pattern = Pattern { text, ..Pattern::default() };
        if let Ok(search) = Search::new(&pattern) {
            let _ = search.passes(&page);
        }
    }

    #[test]
    fn grpc_servers_may_say_anything(
        answer in nearly(vec![0, 0, 0, 0, 4, 0x12, 0, 8, 1]),
        status in any::<Vec<u8>>(),
        message in any::<Vec<u8>>(),
    ) {
        let _ = grpc::judge(&answer);
        let _ = grpc::judge(&status);
        let words = grpc::status_words(&status, Some(&message));
        prop_assert!(words.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }

    #[test]
    fn any_service_makes_a_call(service in ".{0,300}") {
        let request = grpc::request(&service);
        prop_assert!(request.len() <= 5 + 1 + 5 + service.len());
    }

    #[test]
    fn certificates_may_hold_anything(
        certificate in nearly(b"\x30\x1e\x30\x1c\x02\x00\x30\x00\x30\x00\x30\x14\x17\x01\x30\x17\x0d301231235959Z".to_vec()),
        other in any::<Vec<u8>>(),
    ) {
        let shown = certificate::not_after(&certificate).map(|moment| moment.to_string());
        prop_assert!(shown.is_none_or(|shown| shown.ends_with(" GMT")));
        let _ = certificate::not_after(&other);
    }

    #[test]
    fn pages_of_json_may_be_anything(
        page in nearly(b"{\"a\": [1, {\"b\": \"c\"}], \"a\": null}".to_vec()),
        brackets in "[\\[\\]{}\":,a0-9]{0,60}",
        pointer in "(/([ab01-]|~0|~1)){0,4}",
    ) {
        let assertions = [Assertion::read(&[&pointer, "c"]).unwrap(), Assertion::read(&[&pointer, "above", "0"]).unwrap()];
        for page in [&page[..], brackets.as_bytes()] {
            if let Err(told) = json::judge(&assertions, page) {
                prop_assert!(!told.is_empty() && told.len() < 1000);
            }
        }
    }
}

fn login() -> Option<Login> {
    let password = Password::Said(Secret::new("hunter2".to_owned()));
    Some(Login { name: "probe".to_owned(), password })
}

/// Lets one side hear these bytes in pieces of this size. It neither panics, nor takes what is not there, nor tells its
/// password before TLS; what it says stays small. What was said, and how it ended.
fn converse(talk: &mut impl Talk, bytes: &[u8], piece: usize) -> Result<(Vec<u8>, String), TestCaseError> {
    let (mut heard, mut said) = (Vec::new(), Vec::new());
    let mut step = talk.begin();
    let mut pieces = bytes.chunks(piece.max(1));
    loop {
        match step {
            Step::Say(bytes) | Step::Secure(bytes) => {
                prop_assert!(bytes.len() < 2_000);
                said.extend(bytes);
            }
            Step::Listen => {}
            Step::Compute(_) => {
                step = talk.computed(vec![7; 32]);
                continue;
            }
            Step::Part => return Ok((said, "passed".to_owned())),
        }
        step = loop {
            match talk.length(&heard) {
                Ok(Some(length)) => {
                    prop_assert!(length > 0);
                    if length <= heard.len() {
                        let message: Vec<u8> = heard.drain(..length).collect();
                        match talk.hear(&message) {
                            Ok(step) => break step,
                            Err(failure) => return Ok((said, failure.reason)),
                        }
                    }
                }
                Ok(None) => prop_assert!(heard.len() < 64, "its length is told by its head"),
                Err(failure) => {
                    prop_assert!(!failure.reason.is_empty() && failure.reason.len() < 400);
                    return Ok((said, "garbage".to_owned()));
                }
            }
            match pieces.next() {
                Some(piece) => heard.extend(piece),
                None => return Ok((said, format!("no {}", talk.awaited()))),
            }
        };
    }
}

/// The same in pieces and in one: it must come to the same.
fn in_any_pieces<T: Talk>(make: impl Fn() -> T, bytes: &[u8], piece: usize) -> Result<(), TestCaseError> {
    let whole = converse(&mut make(), bytes, bytes.len())?;
    let pieces = converse(&mut make(), bytes, piece)?;
    prop_assert_eq!(&whole, &pieces);
    prop_assert!(!whole.1.contains("hunter2"));
    Ok(())
}

/// A message of PostgreSQL.
fn pgsql(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind][..], &(content.len() as u32 + 4).to_be_bytes(), content].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn directories_may_say_anything(
        bytes in nearly(
            b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\0\x04\0\x04\0\x30\x0d\x02\x01\x03\x64\x08\x04\x04dc=a\x30\0\
              \x30\x0c\x02\x01\x03\x65\x07\x0a\x01\0\x04\0\x04\0".to_vec()
        ),
        other in any::<Vec<u8>>(),
        piece in 1usize..20,
    ) {
        let settings = healthcheck::Ldap { login: login(), base: Some("dc=a".into()), ..healthcheck::Ldap::default() };
        in_any_pieces(|| Ldap::new(&settings), &bytes, piece)?;
        in_any_pieces(|| Ldap::new(&settings), &other, piece)?;
    }

    #[test]
    fn databases_may_say_anything(
        mysql in nearly(
            b"\x49\0\0\0\x0a5.5.5\0\x07\0\0\x0001234567\0\0\x82\x21\x02\0\x08\0\x15\0\0\0\0\0\0\0\0\0\0890123456789\0mysql_native_password\0\
              \x07\0\0\x02\0\0\0\x02\0\0\0\x01\0\0\x01\x01\x04\0\0\x02\x03def\x05\0\0\x03\xfe\0\0\x02\0\x02\0\0\x04\x011\x05\0\0\x05\xfe\0\0\x02\0".to_vec()
        ),
        postgres in nearly(
            [pgsql(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"), pgsql(b'R', b"\0\0\0\0"), pgsql(b'Z', b"I"),
             pgsql(b'T', b"\0\0"), pgsql(b'D', b"\0\0"), pgsql(b'C', b"SELECT\0"), pgsql(b'Z', b"I")].concat()
        ),
        other in any::<Vec<u8>>(),
        piece in 1usize..20,
    ) {
        let sql = Sql { login: login(), query: Some("select 1".into()), ..Sql::default() };
        in_any_pieces(|| Mysql::new(&sql), &mysql, piece)?;
        in_any_pieces(|| Mysql::new(&sql), &other, piece)?;
        in_any_pieces(|| Pgsql::new(&sql, [7; 18]), &postgres, piece)?;
        in_any_pieces(|| Pgsql::new(&sql, [7; 18]), &other, piece)?;
        let (said, _) = converse(&mut Mysql::new(&sql), &mysql, piece)?;
        prop_assert!(!said.windows(7).any(|text| text == b"hunter2"));
        let (said, _) = converse(&mut Pgsql::new(&sql, [7; 18]), &postgres, piece)?;
        prop_assert!(!said.windows(7).any(|text| text == b"hunter2"));
    }

    #[test]
    fn listeners_may_say_anything(
        bytes in nearly(b"\0\x08\0\0\x0b\0\0\0\0\x1f\0\0\x04\0\0\0\x22\0\0\x13(ERR=12505)(CODE=1)".to_vec()),
        other in any::<Vec<u8>>(),
        piece in 1usize..20,
    ) {
        let asked = Oracle::Sid("X".into());
        in_any_pieces(|| Tns::new(&asked), &bytes, piece)?;
        in_any_pieces(|| Tns::new(&asked), &other, piece)?;
    }

    #[test]
    fn no_answer_of_radius_is_believed_by_chance(
        answer in any::<Vec<u8>>(),
        changed in nearly(vec![2, 7, 0, 38, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 80, 18]),
        name in ".{0,300}",
        password in ".{0,300}",
    ) {
        let password = Password::Said(Secret::new(password));
        let secret = Password::Said(Secret::new("xyzzy".to_owned()));
        let radius = Radius { login: Some(Login { name, password }), secret, rejection: true, signed: false };
        let question = radius::question(&radius, 7, [9; 16]);
        prop_assert!(question.len() <= radius::LONGEST);
        prop_assert_eq!(usize::from(u16::from_be_bytes([question[2], question[3]])), question.len());
        prop_assert!(radius::judge(&radius, &question, &answer).is_err());
        prop_assert!(radius::judge(&radius, &question, &changed).is_err());
    }
}

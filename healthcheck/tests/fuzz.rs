//! Readers of what servers say, fed with anything: none panics, and each needs memory and time in proportion.

use healthcheck::dialogue::echo::{COOKIE, Echo};
use healthcheck::dialogue::ldap::Ldap;
use healthcheck::dialogue::mysql::Mysql;
use healthcheck::dialogue::pgsql::Pgsql;
use healthcheck::dialogue::talk::{Step, Talk};
use healthcheck::dialogue::tns::Tns;
use healthcheck::dialogue::{certificate, datagram, dns, grpc, quote, radius, smtp};
use healthcheck::{
    Assertion, Dns, Login, MaskedByte, Oracle, Password, Pattern, Radius, Search, Secret, Sql, Udp, json,
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
    fn mail_servers_may_say_anything(said in nearly(b"220-mx.example\r\n220 ready\r\n250 ok\r\n".to_vec()), step in 1..9usize) {
        // In one piece and in many: what is read is the same.
        let read = |step: usize| {
            let (mut reader, mut replies) = (smtp::Reader::default(), Vec::new());
            for piece in said.chunks(step) {
                let mut piece = piece;
                while !piece.is_empty() {
                    match reader.read(piece) {
                        Ok((taken, reply)) => {
                            prop_assert!(taken > 0 && taken <= piece.len());
                            piece = &piece[taken..];
                            replies.extend(reply);
                        }
                        Err(_) => return Ok(replies),
                    }
                }
            }
            Ok(replies)
        };
        prop_assert_eq!(read(step)?, read(said.len().max(1))?);
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

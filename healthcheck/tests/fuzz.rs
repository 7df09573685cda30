//! Readers of what servers say, fed with anything: none panics, and each needs memory and time in proportion.

use healthcheck::dialogue::echo::{COOKIE, Echo};
use healthcheck::dialogue::{certificate, datagram, dns, grpc, quote, smtp};
use healthcheck::{Assertion, Dns, MaskedByte, Pattern, Search, Udp, json};
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

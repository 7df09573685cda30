//! Readers of what servers say, fed with anything: none panics, and each needs memory and time in proportion.

use healthcheck::dialogue::conversation::{Act, Conversation, Credentials};
use healthcheck::dialogue::echo::{COOKIE, Echo};
use healthcheck::dialogue::{answer, datagram, dns, quote, sip};
use healthcheck::{Dialogue, Dns, Encryption, Ftp, MaskedByte, Pattern, Protocol, Search, Sip, Tls, Udp};
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
}

//! Handshakes with real servers, recorded once and gone through again here, without a server.
//!
//! Each file in `handshakes/` is one: what was asked, what we (`>`) and the server (`<`) said, in hexadecimal, and how it
//! ended. They were written by `INTEROP=full INTEROP_HANDSHAKES=$PWD/healthcheck/tests/handshakes cargo test --test
//! interop handshakes`, from OpenLDAP, MariaDB, PostgreSQL and FreeRADIUS of Debian 12.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail here")]

use std::fs;
use std::path::Path;

use healthcheck::dialogue::ldap::Ldap;
use healthcheck::dialogue::mysql::Mysql;
use healthcheck::dialogue::pgsql::{Pgsql, stretch};
use healthcheck::dialogue::radius;
use healthcheck::dialogue::talk::{Step, Talk, Work};
use healthcheck::{Failure, Kind};

struct Recording {
    name: String,
    kind: Kind,
    said: Vec<(char, Vec<u8>)>,
    end: String,
}

fn recordings() -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/handshakes");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| parse(path)).collect()
}

fn parse(path: &Path) -> Recording {
    let text = fs::read_to_string(path).unwrap();
    let (mut kind, mut said, mut end) = (None, Vec::new(), None);
    for line in text.lines() {
        match line.split_once(' ').unwrap() {
            ("check", json) => kind = Some(serde_json::from_str(json).unwrap()),
            ("=", words) => end = Some(words.to_owned()),
            (who, digits) => said.push((who.chars().next().unwrap(), bytes(digits))),
        }
    }
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    Recording { name, kind: kind.unwrap(), said, end: end.unwrap() }
}

fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

impl Recording {
    /// The nonce that we used, where it came to one.
    fn nonce(&self) -> [u8; 18] {
        let begin = b"n,,n=,r=";
        let ours = self.said.iter().filter(|(who, _)| *who == '>').map(|(_, bytes)| bytes);
        let found = ours.filter_map(|bytes| {
            let at = bytes.windows(begin.len()).position(|window| window == begin)? + begin.len();
            String::from_utf8(bytes[at..at + 36].to_vec()).ok()
        });
        found.map(|digits| bytes(&digits).try_into().unwrap()).next().unwrap_or_default()
    }

    /// Goes through it, with what the server says in pieces of this size.
    fn go(&self, talk: &mut impl Talk, piece: usize) {
        let name = &self.name;
        let mut answers =
            self.said.iter().filter(|(who, _)| *who == '<').flat_map(|(_, bytes)| bytes.chunks(piece));
        let expected: Vec<u8> =
            self.said.iter().filter(|(who, _)| *who == '>').flat_map(|(_, bytes)| bytes.clone()).collect();
        let (mut ours, mut heard) = (Vec::new(), Vec::new());
        let mut step = talk.begin();
        let judged: Result<(), Failure> = 'end: loop {
            match step {
                Step::Say(bytes) => ours.extend(bytes),
                Step::Listen => {}
                Step::Part => break Ok(()),
                Step::Compute(Work::Stretch { password, salt, rounds }) => {
                    step = talk.computed(stretch(&password, &salt, rounds));
                    continue;
                }
                Step::Secure(_) | Step::Compute(_) => panic!("{name}: nothing of the kind was recorded"),
            }
            step = loop {
                match talk.length(&heard) {
                    Ok(Some(length)) if length <= heard.len() => {
                        let message: Vec<u8> = heard.drain(..length).collect();
                        match talk.hear(&message) {
                            Ok(step) => break step,
                            Err(failure) => break 'end Err(failure),
                        }
                    }
                    Ok(_) => {}
                    Err(failure) => break 'end Err(failure),
                }
                match answers.next() {
                    Some(bytes) => heard.extend(bytes),
                    None => panic!("{name}: nothing more was said, and we wait for the {}", talk.awaited()),
                }
            };
        };
        ours.extend(talk.farewell());
        assert_eq!(
            judged.map_or_else(|failure| failure.reason, |()| "passed".to_owned()),
            self.end,
            "{name}"
        );
        assert_eq!(ours, expected, "{name}");
    }
}

/// Words of those that ended by time or by the network, which cannot happen here.
fn ended_otherwise(end: &str) -> bool {
    end.starts_with("no ") || end.starts_with("connection closed")
}

#[test]
fn recorded_handshakes_go_as_they_went() {
    let recordings = recordings();
    assert!(recordings.len() > 30, "only {} are there", recordings.len());
    for recording in recordings.iter().filter(|recording| !ended_otherwise(&recording.end)) {
        // How much of a foreign language is quoted depends on how much of it has come.
        let pieces: &[usize] =
            if recording.end.contains(" is not ") { &[usize::MAX] } else { &[usize::MAX, 1, 7] };
        for piece in pieces.iter().copied() {
            match &recording.kind {
                Kind::Ldap(settings) => recording.go(&mut Ldap::new(settings), piece),
                Kind::Mysql(settings) => recording.go(&mut Mysql::new(settings), piece),
                Kind::Pgsql(settings) => recording.go(&mut Pgsql::new(settings, recording.nonce()), piece),
                Kind::Radius(_) => {}
                other => panic!("{}: {other}", recording.name),
            }
        }
    }
}

#[test]
fn recorded_datagrams_are_asked_and_judged_as_they_were() {
    for recording in &recordings() {
        let Kind::Radius(settings) = &recording.kind else { continue };
        let name = &recording.name;
        let [(_, asked), answers @ ..] = recording.said.as_slice() else {
            panic!("{name}: nothing was said")
        };
        let random = asked[4..20].try_into().unwrap();
        assert_eq!(*asked, radius::question(settings, asked[1], random), "{name}");
        for (_, answer) in answers {
            let judged = radius::judge(settings, asked, answer);
            let told = judged.map_or_else(|fault| fault.to_string(), |()| "passed".to_owned());
            assert_eq!(told, recording.end, "{name}");
        }
    }
}

/// What was said over a connection is said again over one, by a server that knows its part by heart.
#[cfg(feature = "io")]
#[test]
fn attempts_end_as_they_did() {
    use healthcheck::Check;
    use healthcheck::probe::attempt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn play(recording: Recording) {
        let Recording { name, kind, said, end } = recording;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            for (who, bytes) in said {
                if who == '<' {
                    stream.write_all(&bytes).await.unwrap();
                    continue;
                }
                let mut heard = vec![0; bytes.len()];
                stream.read_exact(&mut heard).await.unwrap();
                assert_eq!(heard, bytes, "{name}");
            }
        };
        let check = Check { connect_timeout: std::time::Duration::from_secs(20), ..Check::new(kind, target) };
        let (outcome, ()) = tokio::join!(attempt(&check, 0), server);
        let words = outcome.result.map_or_else(|failure| failure.reason, |()| "passed".to_owned());
        assert_eq!(words, end, "{name}");
    }

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for recording in recordings() {
            // What is different each time cannot be known by heart.
            let random = recording.nonce() != [0; 18] || matches!(recording.kind, Kind::Radius(_));
            if !random && !ended_otherwise(&recording.end) {
                play(recording).await;
            }
        }
    });
}

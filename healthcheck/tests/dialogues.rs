//! Conversations with real servers, recorded once and held again here, without a server.
//!
//! Each file in `dialogues/` is one, written by the tests against real servers (`cargo interop` with
//! `RECORD_DIALOGUES=1`): comments, what was asked of whom, what the server (`S:`) and we (`C:`) said, line by line, and
//! how it ended.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail here")]

use std::fs;
use std::path::Path;

use healthcheck::dialogue::conversation::{Act, Conversation, Credentials};
use healthcheck::{Dialogue, Encryption, Ftp, Protocol, Tls};

/// `imap starttls login=me password=sesame`: what to say to whom.
fn conversation(words: &str) -> Conversation {
    let mut words = words.split(' ');
    let protocol = words.next().unwrap();
    let (mut starttls, mut path, mut login, mut password) = (false, None, None, String::new());
    for word in words {
        match word.split_once('=') {
            None => starttls = word == "starttls",
            Some(("path", value)) => path = Some(value.to_owned()),
            Some(("login", value)) => login = Some(value.to_owned()),
            Some((_, value)) => password = value.to_owned(),
        }
    }
    let credentials = login.map(|user| Credentials { user, password });
    let protocol = match protocol {
        "smtp" => return Conversation::smtp("probe.example", starttls, credentials),
        "ftp" => Protocol::Ftp(Ftp { path, pattern: None }),
        "imap" => Protocol::Imap,
        "pop3" => Protocol::Pop3,
        _ => Protocol::Nntp,
    };
    let encryption = if starttls { Encryption::StartTls(Tls::default()) } else { Encryption::Off };
    Conversation::new(&Dialogue { encryption, ..Dialogue::new(protocol) }, credentials).unwrap()
}

/// Holds a conversation again: what is said on our side, and how it ends.
fn held(name: &str, text: &str) -> String {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut conversation = conversation(lines.next().unwrap());
    let mut ours = Vec::new();
    for line in lines {
        let Some((who, said)) = line.split_once(": ").or_else(|| Some((line.strip_suffix(':')?, ""))) else {
            break;
        };
        match who {
            "C" => {
                assert!(!ours.is_empty(), "{name}: we do not say `{said}` any more");
                let now: String = ours.remove(0);
                assert_eq!(now.trim_end(), said, "{name}");
            }
            _ => {
                assert!(ours.is_empty(), "{name}: before `{said}` comes {ours:?}");
                match conversation.hear(format!("{said}\r\n").as_bytes()) {
                    Ok((_, act)) => match act {
                        Some(Act::Say(line) | Act::Connect(_, line)) => ours.push(line),
                        Some(Act::Pass(line)) => ours.push(line.to_owned()),
                        Some(Act::Collect) => conversation.collected(),
                        Some(Act::StartTls) => {
                            if let Some(Act::Say(line)) = conversation.secured() {
                                ours.push(line);
                            }
                        }
                        None => {}
                    },
                    Err(fault) => return format!("fails: {fault}"),
                }
            }
        }
    }
    if conversation.has_passed() {
        "passes".to_owned()
    } else {
        format!("waits for the {}", conversation.awaited())
    }
}

#[test]
fn recorded_conversations_go_as_they_went() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 5, "{files:?}");
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let ended = held(&name, &text);
        let expected = text.lines().last().unwrap();
        assert_eq!(ended.split(':').next(), Some(expected), "{name}: {ended}");
    }
}

//! What is said in checks without a library of their own: HTTP/1, DNS, mail, files, news, telephones, ICMP echo, gRPC's messages, plain
//! datagrams, LDAP, RADIUS and the handshakes of databases, as bytes.
//!
//! Here questions are written and answers are read; nothing is sent. Every reader takes any bytes whatever, needs
//! memory and time in proportion to them, and tells in words what is wrong.
//!
//! These dialogues are our own because a check needs so little of them: a library that reads a whole DNS message
//! refuses answers over a record that the check does not look at, one that sends mail hides the server's words, and the
//! clients of databases bring pools, types and whole languages for what is here a handshake and one question.
//! Languages of lines are held by [`conversation::Conversation`]; each has a file of its own that says what comes after what.

pub mod answer;
mod ber;
pub mod certificate;
pub mod conversation;
pub mod datagram;
pub mod dns;
pub mod echo;
mod ftp;
pub mod grpc;
pub mod http;
mod imap;
pub mod ldap;
pub mod mysql;
mod nntp;
pub mod pgsql;
mod pop3;
pub mod radius;
pub mod reply;
mod scram;
pub mod sip;
mod smtp;
pub mod talk;
pub mod tns;

/// Characters of a server's words that are repeated to people.
const LONGEST_QUOTE: usize = 80;

/// What a server said, made fit for a line of a log: visible ASCII, and not too much of it.
pub fn quote(bytes: &[u8]) -> String {
    let shown = bytes.get(..LONGEST_QUOTE).unwrap_or(bytes);
    let visible = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        b'\t' => ' ',
        _ => '?',
    };
    let mut text: String = shown.iter().map(visible).collect();
    if shown.len() < bytes.len() {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn quotes_are_short_and_visible() {
        assert_eq!(quote(b"a\tb\x1b[2J\xff"), "a b?[2J?");
        assert_eq!(quote(&[b'x'; 81]).len(), 83);
    }
}

//! The mail server: a real SMTP server (msmtpd) whose delivery command keeps each message as a file.

use super::namespace::Namespace;
use super::process::Process;
use super::topology::MAIL;
use crate::error::{Attempt, Result};
use crate::job::LAB;
use crate::packages::Tools;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const DIR: &str = "/run/cluster/mail";

/// The mail server with what arrived.
#[derive(Debug)]
pub struct Mailbox {
    _server: Process,
}

/// A message that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The text after `Subject:`.
    pub subject: String,
    /// The whole message.
    pub text: String,
}

impl Mailbox {
    /// Starts the mail server.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(machine: &Namespace, tools: &Tools) -> Result<Self> {
        fs::create_dir_all(DIR).attempt(format!("making {DIR}"))?;
        let mut command = tools.command("msmtpd");
        command
            .args(["--port=25", &format!("--interface={MAIL}")])
            .arg(format!("--command={LAB} mailbox {DIR} --"));
        let log = Path::new("/run/cluster/mail.log");
        Ok(Self { _server: Process::start(machine, &mut command, log)? })
    }

    /// The messages that arrived so far, in their order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn messages(&self) -> Result<Vec<Message>> {
        let entries = fs::read_dir(DIR).attempt(format!("listing {DIR}"))?;
        let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        files.retain(|f| f.extension().is_some_and(|e| e == "eml"));
        files.sort();
        files.iter().map(|file| Ok(Message::parse(fs::read(file).attempt("reading a message")?))).collect()
    }
}

impl Message {
    fn parse(bytes: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines = text.lines().take_while(|l| !l.is_empty());
        let found = lines.find_map(|l| l.strip_prefix("Subject:"));
        let mut subject = found.unwrap_or_default().trim().to_owned();
        // A long header goes on in lines that begin with white space (RFC 5322 section 2.2.3).
        for more in lines.take_while(|l| l.starts_with([' ', '\t'])) {
            subject.push(' ');
            subject.push_str(more.trim());
        }
        Self { subject, text }
    }
}

/// The delivery command: keeps the message on standard input as a file in `dir`.
///
/// # Errors
/// When the file cannot be written.
pub fn deliver(dir: &Path) -> Result<()> {
    let mut message = Vec::new();
    std::io::stdin().read_to_end(&mut message).attempt("reading the message")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let name = format!("{now:020}-{}", std::process::id());
    let part = dir.join(format!("{name}.part"));
    fs::write(&part, message).attempt(format!("writing {}", part.display()))?;
    fs::rename(&part, dir.join(format!("{name}.eml"))).attempt("naming the message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_is_a_header_unfolded_not_a_line_of_the_body() {
        let mail = b"From: a\r\nSubject: [d1] VI_1\r\n - MASTER\r\nTo: b\r\n c\r\n\r\nSubject: no\r\n";
        assert_eq!(Message::parse(mail.to_vec()).subject, "[d1] VI_1 - MASTER");
        assert_eq!(Message::parse(b"\r\nSubject: no\r\n".to_vec()).subject, "");
    }
}

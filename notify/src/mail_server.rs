//! A mail server for tests: speaks the dialogue on the loopback interface, keeps what it was told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::settings::EmailSettings;

/// One dialogue: the commands, and the message if there was one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dialogue {
    pub(crate) commands: Vec<String>,
    pub(crate) message: String,
}

/// How the server answers a line that begins with a command; `None` is as a server should.
pub(crate) type Manner = fn(&str) -> Option<&'static str>;

#[derive(Clone)]
pub(crate) struct MailServer {
    pub(crate) port: u16,
    dialogues: Arc<Mutex<Vec<Dialogue>>>,
}

impl MailServer {
    /// Starts a server on a free port, for as long as the test's runtime lives.
    pub(crate) async fn start(manner: Manner) -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = MailServer { port, dialogues: Arc::default() };
        let dialogues = Arc::clone(&server.dialogues);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let dialogue = converse(stream, manner).await;
                dialogues.lock().unwrap().push(dialogue);
            }
        });
        server
    }

    /// The dialogues that have ended.
    pub(crate) fn dialogues(&self) -> Vec<Dialogue> {
        self.dialogues.lock().unwrap().clone()
    }

    /// The subjects of the messages that arrived, in order.
    pub(crate) fn subjects(&self) -> Vec<String> {
        let dialogues = self.dialogues();
        let subject = |dialogue: &Dialogue| {
            dialogue.message.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned))
        };
        dialogues.iter().filter_map(subject).collect()
    }

    pub(crate) fn settings(&self) -> EmailSettings {
        EmailSettings {
            to: vec!["admin@example.org".into(), "Second Line <night@example.org>".into()],
            from: "lvs@director.example".into(),
            server: "127.0.0.1".into(),
            port: self.port,
            connect_timeout: Duration::from_secs(10),
            helo: Some("director.example".into()),
        }
    }
}

async fn converse(stream: TcpStream, manner: Manner) -> Dialogue {
    let mut dialogue = Dialogue::default();
    let mut stream = BufReader::new(stream);
    let _ = answer(&mut stream, manner("CONNECT").unwrap_or("220 sink ready")).await;
    let mut line = String::new();
    let mut in_message = false;
    while stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
        let text = std::mem::take(&mut line);
        if in_message && text != ".\r\n" {
            dialogue.message.push_str(&text);
            continue;
        }
        let command = text.trim_end();
        if !in_message {
            dialogue.commands.push(command.to_owned());
        }
        let reply = manner(command).unwrap_or(match command.split(' ').next() {
            Some("EHLO") => "250 sink",
            Some("DATA") => "354 go on",
            Some("QUIT") => "221 bye",
            _ => "250 fine",
        });
        in_message = reply.starts_with("354");
        if answer(&mut stream, reply).await.is_err() || command == "QUIT" {
            break;
        }
    }
    dialogue
}

/// Says a line; the empty one is silence.
async fn answer(stream: &mut BufReader<TcpStream>, reply: &str) -> std::io::Result<()> {
    if reply.is_empty() {
        return Ok(());
    }
    stream.write_all(format!("{reply}\r\n").as_bytes()).await
}

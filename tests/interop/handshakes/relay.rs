//! Something between a check and a server that writes down what both say.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use healthcheck::{Check, Outcome};
use lab::netns::Host;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::words;

/// Where recordings are to be put, if they are wanted.
pub(super) fn folder() -> Option<PathBuf> {
    std::env::var_os("INTEROP_HANDSHAKES").map(PathBuf::from)
}

/// What was said, and by whom: `>` is the check.
type Said = Arc<Mutex<Vec<(char, Vec<u8>)>>>;

/// Makes an attempt through a relay and writes it down.
pub(super) fn recorded(from: &Host, check: &Check, folder: &Path, name: &str) -> Outcome {
    let said = Said::default();
    let outcome = run(from, check, async |near: SocketAddr, far| {
        let listener = TcpListener::bind(near).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let said = said.clone();
        tokio::spawn(async move {
            let Ok((client, _)) = listener.accept().await else { return };
            // What is not there refuses; so does the relay, by being gone.
            let Ok(server) = TcpStream::connect(far).await else { return };
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::join!(pass('>', from_client, to_server, &said), pass('<', from_server, to_client, &said));
        });
        address
    });
    write(check, &outcome, &said, folder, name);
    outcome
}

async fn pass(who: char, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, said: &Said) {
    let mut bytes = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        note(said, who, &bytes[..length]);
        if to.write_all(&bytes[..length]).await.is_err() {
            break;
        }
    }
}

/// The same by datagrams.
pub(super) fn recorded_datagrams(from: &Host, check: &Check, folder: &Path, name: &str) -> Outcome {
    let said = Said::default();
    let outcome = run(from, check, async |near: SocketAddr, far| {
        let (client, server) =
            (UdpSocket::bind(near).await.expect("a port"), UdpSocket::bind(near).await.expect("a port"));
        let address = client.local_addr().expect("it is bound");
        let said = said.clone();
        tokio::spawn(async move {
            let (mut question, mut answer) = (vec![0; 65_536], vec![0; 65_536]);
            let Ok((length, asker)) = client.recv_from(&mut question).await else { return };
            note(&said, '>', &question[..length]);
            let _ = server.send_to(&question[..length], far).await;
            while let Ok((length, _)) = server.recv_from(&mut answer).await {
                note(&said, '<', &answer[..length]);
                let _ = client.send_to(&answer[..length], asker).await;
            }
        });
        address
    });
    write(check, &outcome, &said, folder, name);
    outcome
}

fn note(said: &Said, who: char, bytes: &[u8]) {
    let mut said = said.lock().expect("nobody panics with it");
    match said.last_mut().filter(|(last, _)| *last == who) {
        Some((_, more)) => more.extend(bytes),
        None => said.push((who, bytes.to_vec())),
    }
}

fn run(
    from: &Host,
    check: &Check,
    relay: impl AsyncFnOnce(SocketAddr, SocketAddr) -> SocketAddr + Send,
) -> Outcome {
    let near = SocketAddr::new(from.address().into(), 0);
    from.enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let target = relay(near, check.target).await;
            healthcheck::probe::attempt(&Check { target, ..check.clone() }, 0).await
        })
    })
}

fn write(check: &Check, outcome: &Outcome, said: &Said, folder: &Path, name: &str) {
    let kind = serde_json::to_string(&check.kind).expect("it can be written");
    let mut text = format!("check {kind}\n");
    for (who, bytes) in said.lock().expect("nobody panics with it").iter() {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{who} {digits}");
    }
    let _ = writeln!(text, "= {}", words(outcome));
    fs::create_dir_all(folder).expect("a folder of ours");
    fs::write(folder.join(format!("{name}.txt")), text).expect("a folder of ours");
}

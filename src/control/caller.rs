//! Who asks: what the kernel says of the process at the other end of the control socket.

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use nix::unistd::{Uid, User};
use tokio::net::UnixListener;

/// `loginuid` of a process that nobody logged in for.
const NOBODY: u32 = u32::MAX;

/// The process at the other end (`SO_PEERCRED`).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Caller {
    uid: Option<u32>,
    pid: Option<i32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let credentials = stream.io().peer_cred().ok();
        Caller { uid: credentials.map(|peer| peer.uid()), pid: credentials.and_then(|peer| peer.pid()) }
    }
}

impl Caller {
    /// The user's name. Of one who became another (`sudo`, `su`) the one who logged in, as the kernel remembers it
    /// (`/proc/PID/loginuid`). Names may come from the network, so they are looked up where nothing waits for them.
    pub(super) async fn name(self) -> String {
        let looked_up = tokio::task::spawn_blocking(move || {
            let Some(uid) = self.uid else { return "an unknown user".to_owned() };
            let login = self.pid.and_then(logged_in).filter(|login| *login != uid);
            login.map_or_else(|| name(uid), |login| format!("{} as {}", name(login), name(uid)))
        });
        looked_up.await.unwrap_or_else(|_| "an unknown user".to_owned())
    }
}

fn name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("user {uid}"),
    }
}

fn logged_in(pid: i32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/loginuid")).ok()?;
    text.trim().parse().ok().filter(|uid| *uid != NOBODY)
}

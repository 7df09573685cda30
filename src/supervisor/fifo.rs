//! Named pipes that changes of state are written to, a line for each, and the programs that read them.
//!
//! A pipe is opened for reading and writing and never waited for: without a reader it keeps some hundred lines, and one
//! that comes later finds them. A line that finds it full is lost; that is told when it begins, and counted until it
//! ends. A pipe that was not there is made, for its owner alone, and removed at the end. A reload leaves a pipe open that
//! both configurations name, so that its reader sees no end of file.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt, fchown};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use notify::hook::Change;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::command::{Executor, Order};
use crate::config::{Command, Fifo, Fifos, Pipe};

/// From the end of a reader to its next start, the first time; later twice as long each, up to a minute.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A reader that ran this long may be started again after [`PAUSE`].
const LONG_RUN: Duration = Duration::from_secs(60);

/// The pipes of a configuration.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    all: Option<Open>,
    vrrp: Option<Open>,
    lvs: Option<Open>,
}

/// One of them.
#[derive(Debug)]
struct Open {
    pipe: Pipe,
    /// `None` if it cannot be used; that was told.
    file: Option<File>,
    /// Whether we made it.
    made: bool,
    /// Lines that found it full since one fitted.
    lost: u64,
    script: Option<Command>,
    reader: Option<JoinHandle<()>>,
    /// Set when readers are not to be started again.
    closing: Arc<AtomicBool>,
}

impl Pipes {
    /// Opens and closes what differs from this.
    pub(super) async fn converge(&mut self, wanted: &Fifos, executor: &Executor) {
        for (open, wanted) in
            [(&mut self.all, &wanted.all), (&mut self.vrrp, &wanted.vrrp), (&mut self.lvs, &wanted.lvs)]
        {
            converge(open, wanted, executor).await;
        }
    }

    /// Writes the line of this change to the pipes that it belongs to.
    pub(super) fn write(&mut self, change: &Change) {
        let special = if change.subject.is_vrrp() { &mut self.vrrp } else { &mut self.lvs };
        let line = change.line() + "\n";
        for open in [&mut self.all, special].into_iter().flatten() {
            open.write(&line);
        }
    }

    /// Closes and removes everything. Readers see the end of the file and may end by themselves until `patience` ends.
    pub(super) async fn close(&mut self, patience: impl Future<Output = ()>) {
        let open = [self.all.take(), self.vrrp.take(), self.lvs.take()];
        let mut readers: Vec<JoinHandle<()>> = Vec::new();
        for mut open in open.into_iter().flatten() {
            open.closing.store(true, Ordering::Relaxed);
            readers.extend(open.reader.take());
            open.close();
        }
        tokio::pin!(patience);
        for mut reader in readers {
            tokio::select! {
                _ = &mut reader => {}
                () = &mut patience => reader.abort(),
            }
        }
    }
}

async fn converge(open: &mut Option<Open>, wanted: &Fifo, executor: &Executor) {
    if open.as_ref().map(|open| &open.pipe) != wanted.pipe.as_ref()
        && let Some(gone) = open.take()
    {
        gone.close();
    }
    let Some(pipe) = &wanted.pipe else { return };
    let current = match open {
        Some(current) => current,
        None => open.insert(Open::new(pipe.clone(), executor).await),
    };
    if current.script != wanted.script
        && let Some(reader) = current.reader.take()
    {
        reader.abort();
    }
    current.script.clone_from(&wanted.script);
    if let (Some(script), None, Some(_)) = (&current.script, &current.reader, &current.file) {
        current.reader = Some(tokio::spawn(read(
            script.clone(),
            pipe.path.clone(),
            executor.clone(),
            current.closing.clone(),
        )));
    }
}

impl Open {
    async fn new(pipe: Pipe, executor: &Executor) -> Open {
        let (file, made) = match open(&pipe, executor).await {
            Ok((file, made)) => (Some(file), made),
            Err(sentence) => {
                warn!("nothing is written to the pipe {}: {sentence}", pipe.path);
                (None, false)
            }
        };
        Open { pipe, file, made, lost: 0, script: None, reader: None, closing: Arc::default() }
    }

    fn write(&mut self, line: &str) {
        let Some(file) = &mut self.file else { return };
        // A line is shorter than what the kernel writes as a whole or not at all.
        match file.write_all(line.as_bytes()) {
            Ok(()) => {
                let lost = std::mem::take(&mut self.lost);
                if lost > 0 {
                    warn!("the pipe {} has room again; {lost} lines were lost", self.pipe.path);
                }
            }
            Err(error) => {
                if self.lost == 0 {
                    let why = match error.kind() {
                        ErrorKind::WouldBlock => "it is full, nobody reads it".to_owned(),
                        _ => error.to_string(),
                    };
                    warn!("lines for the pipe {} are lost from now on: {why}", self.pipe.path);
                }
                self.lost += 1;
            }
        }
    }

    fn close(mut self) {
        if let Some(reader) = self.reader.take() {
            reader.abort();
        }
        if self.lost > 0 {
            warn!("{} lines for the pipe {} were lost", self.lost, self.pipe.path);
        }
        if self.made {
            let _ = fs::remove_file(&self.pipe.path);
        }
    }
}

/// The pipe, and whether it had to be made.
async fn open(pipe: &Pipe, executor: &Executor) -> Result<(File, bool), String> {
    let made = match mkfifo(pipe.path.as_str(), Mode::from_bits_truncate(0o600)) {
        Ok(()) => true,
        Err(nix::Error::EEXIST) => false,
        Err(errno) => {
            return Err(format!(
                "it cannot be made: {errno}; its folder must be there and directord may write to it \
                 (systemd: ReadWritePaths=)"
            ));
        }
    };
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let file = File::options()
        .read(true)
        .write(true)
        .custom_flags(flags.bits())
        .open(&pipe.path)
        .map_err(|error| format!("it cannot be opened: {error}"))?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.file_type().is_fifo() {
        return Err("there is something else of that name: remove it, or name another path".to_owned());
    }
    if made {
        // Whatever the umask left.
        let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
        let whose = Command { words: Vec::new(), user: pipe.user.clone(), group: pipe.group.clone() };
        let owned = match executor.owner(whose).await {
            Ok((user, group)) => {
                fchown(&file, Some(user.as_raw()), Some(group.as_raw())).map_err(|error| error.to_string())
            }
            Err(sentence) => Err(sentence),
        };
        if let Err(sentence) = owned {
            warn!("the pipe {} belongs to directord's own user: {sentence}", pipe.path);
        }
    }
    Ok((file, made))
}

/// Keeps the program running that reads a pipe.
async fn read(script: Command, path: String, executor: Executor, closing: Arc<AtomicBool>) {
    let program = script.words.first().cloned().unwrap_or_default();
    let mut pause = PAUSE;
    loop {
        let started = tokio::time::Instant::now();
        let arguments = [path.clone()];
        let order = Order { command: &script, arguments: &arguments, environment: &[] };
        let ending = match executor.start(order, LONG_RUN).await {
            Err(sentence) => sentence,
            Ok(mut running) => running.forever().await.to_string(),
        };
        if closing.load(Ordering::Relaxed) {
            return;
        }
        pause = if started.elapsed() > LONG_RUN { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        info!(
            "{program}, which reads the pipe {path}, ended: {ending}; it is started again in {} s",
            pause.as_secs()
        );
        tokio::time::sleep(pause).await;
    }
}

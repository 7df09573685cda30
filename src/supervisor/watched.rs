//! Keeps an eye on what is tracked outside of the brain: numbers in files, processes, and servers in maintenance.
//!
//! One thread that waits for the kernel's reports (inotify, the process connector) and tells the brain each change. Where
//! the kernel reports nothing, it looks once a second.

mod connector;
mod files;
mod lookups;
mod maintenance;
mod processes;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::inbox;
use crate::director::effect::Watched;
use files::Files;
use maintenance::Maintenance;
use processes::Processes;

/// Between two looks at what the kernel does not report on, in milliseconds.
const LOOK: u16 = 1_000;

/// Between two looks at everything, whatever the kernel reported: a directory above a file may have been replaced.
const LOOK_AT_ALL: u16 = 10_000;

/// The brain's end.
#[derive(Debug)]
pub(super) struct Sender {
    levels: mpsc::Sender<Arc<Watched>>,
    waker: Arc<EventFd>,
}

/// The worker's end.
#[derive(Debug)]
pub(super) struct Queue {
    levels: Receiver<Arc<Watched>>,
    waker: Arc<EventFd>,
}

/// A queue and its two ends.
pub(super) fn channel() -> nix::Result<(Sender, Queue)> {
    let waker = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
    let (sender, receiver) = mpsc::channel();
    Ok((Sender { levels: sender, waker: waker.clone() }, Queue { levels: receiver, waker }))
}

impl Sender {
    /// What is to be watched from now on. Never waits.
    pub(super) fn send(&self, level: Arc<Watched>) {
        let _ = self.levels.send(level);
        let _ = self.waker.write(1);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.waker.write(1);
    }
}

/// Works until the brain's end of the queue is gone.
pub(super) fn work(queue: &Queue, inbox: &inbox::Sender) {
    let (mut files, mut processes) = (Files::new(), Processes::new());
    let mut maintenance = Maintenance::default();
    loop {
        let must_look = files.must_look() || processes.must_look() || maintenance.must_look();
        let patience = match (must_look, files.is_empty() && maintenance.is_empty()) {
            (true, _) => PollTimeout::from(LOOK),
            (false, false) => PollTimeout::from(LOOK_AT_ALL),
            (false, true) => PollTimeout::NONE,
        };
        let others = [files.descriptor(), processes.descriptor(), maintenance.descriptor()];
        wait(&[&[Some(queue.waker.as_fd())][..], &others].concat(), patience);
        let _ = queue.waker.read();
        loop {
            match queue.levels.try_recv() {
                Ok(level) => {
                    files.configure(&level.files);
                    processes.configure(&level.processes, Instant::now());
                    maintenance.configure(level.maintenance_dir.as_ref());
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        let known = files.look().into_iter().chain(processes.look(Instant::now()));
        for event in known.chain(maintenance.look()) {
            inbox.blocking_event(event);
        }
    }
}

fn wait(descriptors: &[Option<BorrowedFd<'_>>], patience: PollTimeout) {
    let mut waiting: Vec<PollFd<'_>> =
        descriptors.iter().flatten().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    // An interrupted wait is a look too early, which does no harm.
    let _ = poll(&mut waiting, patience);
}

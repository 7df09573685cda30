//! Follows the network interfaces and tells the brain how they are.

use std::os::fd::AsFd;
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tracing::error;
use vrrp::io::LinkMonitor;

use super::inbox::Sender;
use crate::director::event::Event;

/// How long an error is waited out before the kernel is asked again, in milliseconds.
const PAUSE: u16 = 1000;

/// By this the owner of the addresses says that it has changed some. While it does so it is not listened to: it would
/// have to wait for that.
#[derive(Debug, Clone)]
pub(super) struct Nudge(Arc<EventFd>);

impl Nudge {
    /// Nobody has changed anything yet.
    pub(super) fn new() -> nix::Result<Self> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        Ok(Nudge(Arc::new(EventFd::from_flags(flags)?)))
    }

    /// Addresses were changed.
    pub(super) fn nudge(&self) {
        // The counter is full only after 2^64 changes that nobody looked at.
        let _ = self.0.write(1);
    }
}

/// Tells each time that something about the interfaces changes. Ends with the process: a thread that waits for the
/// kernel holds nothing that needs to be let go of.
pub(super) fn work(mut monitor: LinkMonitor, nudge: &Nudge, inbox: &Sender) {
    let mut patience = PollTimeout::NONE;
    loop {
        let places = [monitor.as_fd(), nudge.0.as_fd()];
        let _ = poll(&mut places.map(|place| PollFd::new(place, PollFlags::POLLIN)), patience);
        patience = PollTimeout::NONE;
        if nudge.0.read().is_ok() {
            monitor.mark_stale();
        }
        match monitor.read() {
            Ok(true) => inbox.blocking_event(Event::Links(monitor.links().clone().into())),
            Ok(false) => {}
            Err(error) => {
                error!("the network interfaces could not be read and are asked again: {error}");
                patience = PollTimeout::from(PAUSE);
            }
        }
    }
}

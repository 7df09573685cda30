//! Follows the network interfaces and tells the brain how they are.

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::error;
use vrrp::io::LinkMonitor;

use super::inbox::Sender;
use crate::director::event::Event;

/// How long an error is waited out before the kernel is asked again, in milliseconds.
const PAUSE: u16 = 1000;

/// Tells each time that something about the interfaces changes. Ends with the process: a thread that waits for the
/// kernel holds nothing that needs to be let go of.
pub(super) fn work(mut monitor: LinkMonitor, inbox: &Sender) {
    let mut patience = PollTimeout::NONE;
    loop {
        let _ = poll(&mut [PollFd::new(monitor.as_fd(), PollFlags::POLLIN)], patience);
        patience = PollTimeout::NONE;
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

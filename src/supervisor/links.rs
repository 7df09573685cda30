//! Follows the network interfaces and tells the brain how they are. Those whose driver does not report when the cable is
//! pulled (`linkbeat_interfaces`) are asked each second as well.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tracing::error;
use vrrp::Links;
use vrrp::io::{CarrierProbe, CarrierQuery, LinkMonitor};

use super::inbox::Sender;
use crate::config::{LinkQuery, Root};
use crate::director::event::Event;

/// How long an error is waited out before the kernel is asked again, in milliseconds.
const PAUSE: u16 = 1000;

/// Time between two questions to a driver, in milliseconds; as keepalived asks.
const BEAT: u16 = 1000;

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

/// Whose drivers are asked, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wish {
    /// All of them.
    all: bool,
    /// Those of these interfaces; `None`: in whatever way the driver answers.
    named: BTreeMap<String, Option<CarrierQuery>>,
}

/// What the configuration says of it, told to the thread that asks.
#[derive(Debug, Clone)]
pub(super) struct Polling {
    wish: Arc<Mutex<Wish>>,
    changed: Arc<EventFd>,
}

impl Polling {
    /// Nobody is asked yet.
    pub(super) fn new() -> io::Result<Self> {
        let changed = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { wish: Arc::default(), changed: Arc::new(changed) })
    }

    /// A configuration is about to take effect.
    pub(super) fn obey(&self, root: &Root) {
        let query = |query: LinkQuery| match query {
            LinkQuery::Mii => CarrierQuery::Mii,
            LinkQuery::Ethtool => CarrierQuery::Ethtool,
            LinkQuery::Ioctl => CarrierQuery::Flags,
        };
        let named = root.polled.iter().map(|(name, how)| (name.clone(), how.map(query)));
        let wish = Wish { all: root.poll_links, named: named.collect() };
        *self.wish.lock().unwrap_or_else(PoisonError::into_inner) = wish;
        // It fails only when it is full, and then the thread is about to look anyway.
        let _ = self.changed.write(1);
    }

    fn wish(&self) -> Wish {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Wish {
    fn is_empty(&self) -> bool {
        !self.all && self.named.is_empty()
    }

    /// The interfaces as they are when drivers are asked too. A link is up only if nobody says the contrary: neither
    /// the kernel nor, where one is asked, its driver.
    fn correct(&self, links: &Links, carrier: impl Fn(&str, Option<CarrierQuery>) -> Option<bool>) -> Links {
        let mut links = links.clone();
        for (name, link) in links.iter_mut().filter(|(_, link)| link.up && !link.loopback) {
            let how = match self.named.get(name) {
                Some(how) => *how,
                None if self.all => None,
                None => continue,
            };
            link.up = carrier(name, how) != Some(false);
        }
        links
    }
}

/// Tells each time that something about the interfaces changes. Ends with the process: a thread that waits for the
/// kernel holds nothing that needs to be let go of.
pub(super) fn work(mut monitor: LinkMonitor, nudge: &Nudge, polling: &Polling, inbox: &Sender) {
    let probe = CarrierProbe::open();
    if let Err(error) = &probe {
        error!("the drivers of interfaces cannot be asked (linkbeat_interfaces): {error}");
    }
    let carrier = |name: &str, how| probe.as_ref().ok()?.has_carrier(name, how);
    let mut patience = PollTimeout::NONE;
    let mut told = monitor.links().clone();
    loop {
        let mut sources = [
            PollFd::new(monitor.as_fd(), PollFlags::POLLIN),
            PollFd::new(nudge.0.as_fd(), PollFlags::POLLIN),
            PollFd::new(polling.changed.as_fd(), PollFlags::POLLIN),
        ];
        let _ = poll(&mut sources, patience);
        if nudge.0.read().is_ok() {
            monitor.mark_stale();
        }
        let _ = polling.changed.read();
        let wish = polling.wish();
        patience = if wish.is_empty() { PollTimeout::NONE } else { PollTimeout::from(BEAT) };
        if let Err(error) = monitor.read() {
            error!("the network interfaces could not be read and are asked again: {error}");
            patience = PollTimeout::from(PAUSE);
            continue;
        }
        let links = wish.correct(monitor.links(), carrier);
        if links != told {
            told.clone_from(&links);
            inbox.blocking_event(Event::Links(links.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vrrp::Link;

    #[test]
    fn a_link_is_down_when_the_kernel_or_its_driver_says_so() {
        let link =
            |up, loopback| Link { index: 1, up, loopback, mac: None, addresses: Vec::new(), table: None };
        let links: Links = [("a", true), ("b", true), ("c", false), ("d", true)]
            .map(|(name, up)| (name.to_owned(), link(up, false)))
            .into_iter()
            .chain([("lo".to_owned(), link(true, true))])
            .collect();
        let ups = |wish: &Wish| {
            let answer = |name: &str, how: Option<CarrierQuery>| match (name, how) {
                ("a", Some(CarrierQuery::Mii)) => None,
                ("d", _) => None,
                ("c", _) => Some(true),
                _ => Some(false),
            };
            let corrected = wish.correct(&links, answer);
            corrected.into_iter().filter(|(_, link)| link.up).map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(ups(&Wish::default()), ["a", "b", "d", "lo"]);
        let named = |name: &str, how| Wish { all: false, named: BTreeMap::from([(name.to_owned(), how)]) };
        assert_eq!(ups(&named("b", None)), ["a", "d", "lo"]);
        assert_eq!(ups(&named("a", Some(CarrierQuery::Mii))), ["a", "b", "d", "lo"], "it does not answer");
        assert_eq!(ups(&Wish { all: true, named: BTreeMap::new() }), ["d", "lo"]);
    }
}

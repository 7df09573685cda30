//! The addresses that an instance's adverts come from and go to.

use std::net::IpAddr;

use super::{Draft, value_span};
use crate::config::TtlLimits;
use crate::config::complaint::Code;
use crate::config::lower::context::{Context, Entry};
use crate::config::lower::{line, peers};

impl Draft {
    pub(super) fn own_address(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> Option<IpAddr> {
        let word = context.word(entry)?;
        let address = match line::cut_host(context, word) {
            Some(address) => address,
            None => context.address_of(entry)?,
        };
        self.fits(context, address, value_span(entry), "the line is ignored").then_some(address)
    }

    pub(super) fn group_address(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> Option<IpAddr> {
        let address = context.address_of(entry)?;
        let span = value_span(entry);
        if !address.is_multicast() {
            let message = format!("`{address}` is no multicast address");
            context.error(Code::InvalidAddress, span, message);
            return None;
        }
        self.fits(context, address, span, "the line is ignored").then_some(address)
    }

    pub(super) fn take_peers(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) {
        let mut peers = self.peers.take().unwrap_or_default();
        for (peer, span) in peers::lower(context, entry) {
            if self.fits(context, peer.address, span, "the peer is left out") {
                if peer.ttl != TtlLimits::default() {
                    self.adverts.peer_ttl.insert(peer.address, peer.ttl);
                }
                peers.push(peer.address);
            }
        }
        self.peers = Some(peers);
    }
}

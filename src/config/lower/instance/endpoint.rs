//! The addresses that an instance's adverts come from and go to.

use std::net::IpAddr;

use super::{Draft, value_span};
use crate::config::complaint::Code;
use crate::config::lower::context::{Context, Entry};
use crate::config::lower::line;

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
}

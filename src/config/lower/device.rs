//! `use_vmac`, `use_ipvlan`, and what goes with them.

use super::context::{Context, Entry, short};
use super::instance::value_span;
use super::line::{network, whole};
use crate::config::complaint::Code;
use crate::config::source::Span;
use crate::config::syntax::Word;
use crate::config::{Device, Ipvlan, IpvlanMode, Vmac};

const IGNORED: &str = "the word is ignored";

/// What has been said.
#[derive(Debug, Default)]
pub(super) struct Draft {
    vmac: Option<Vmac>,
    vmac_span: Option<Span>,
    ipvlan: Option<(Ipvlan, Span)>,
    adverts_below: Option<Span>,
}

impl Draft {
    /// Takes in a statement, if it is one of these.
    pub fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "use_vmac" => {
                self.vmac = Some(vmac(context, entry));
                self.vmac_span = Some(entry.span());
            }
            "use_ipvlan" => self.ipvlan = Some((ipvlan(context, entry), value_span(entry))),
            "vmac_xmit_base" => {
                context.flag(entry);
                self.adverts_below = Some(entry.span());
            }
            _ => return false,
        }
        true
    }

    /// The device. `unicast`: whether adverts go to peers.
    pub fn finish(self, context: &mut Context<'_>, unicast: bool) -> Device {
        if let (None, Some(span)) = (&self.vmac, self.adverts_below) {
            let message = "`vmac_xmit_base` means nothing without `use_vmac`";
            context.warning(Code::NoEffect, span, message);
        }
        if let (Some(_), Some((_, span))) = (&self.vmac, &self.ipvlan) {
            let message = "`use_vmac` and `use_ipvlan` exclude each other".to_owned();
            context.error_mended(Code::Conflict, *span, message, "`use_ipvlan` counts");
        }
        match (self.vmac, self.ipvlan) {
            (_, Some((ipvlan, _))) => Device::Ipvlan(Box::new(ipvlan)),
            (Some(vmac), None) => {
                if let (true, None) = (unicast, self.adverts_below) {
                    let message = "adverts to peers can only go by the interface below".to_owned();
                    let span = self.vmac_span.unwrap_or_default();
                    context.warning_with(Code::ValueAdjusted, span, message, "say `vmac_xmit_base` too");
                }
                let adverts_below = unicast || self.adverts_below.is_some();
                Device::Vmac(Box::new(Vmac { adverts_below, ..vmac }))
            }
            (None, None) => Device::Interface,
        }
    }
}

fn vmac(context: &mut Context<'_>, entry: &Entry<'_>) -> Vmac {
    let mut vmac = Vmac::default();
    let mut words = entry.words().iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "netlink_notify_msg" => vmac.notify_kernel = true,
            "group" => vmac.group = group(context, word, words.next()),
            "name" => vmac.name = named(context, word, words.next(), vmac.name),
            text if text.contains(':') => {
                vmac.mac = context.reacting(IGNORED, |context| mac(context, word)).or(vmac.mac);
            }
            _ => vmac.name = named(context, word, Some(word), vmac.name),
        }
    }
    vmac
}

fn ipvlan(context: &mut Context<'_>, entry: &Entry<'_>) -> Ipvlan {
    let mut ipvlan = Ipvlan::default();
    let mut words = entry.words().iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "bridge" => ipvlan.mode = IpvlanMode::Bridge,
            "private" => ipvlan.mode = IpvlanMode::Private,
            "vepa" => ipvlan.mode = IpvlanMode::Vepa,
            "group" => ipvlan.group = group(context, word, words.next()),
            "name" => ipvlan.name = named(context, word, words.next(), ipvlan.name),
            text if text.contains([':', '/']) || text.parse::<std::net::IpAddr>().is_ok() => {
                let address = context.reacting(IGNORED, |context| network(context, "the address", word));
                ipvlan.address = address.or(ipvlan.address);
            }
            _ => ipvlan.name = named(context, word, Some(word), ipvlan.name),
        }
    }
    ipvlan
}

/// The name of the interface, if there is none yet.
fn named(
    context: &mut Context<'_>,
    option: &Word,
    word: Option<&Word>,
    before: Option<String>,
) -> Option<String> {
    let Some(word) = word else {
        missing(context, option);
        return before;
    };
    let name = context.reacting(IGNORED, |context| {
        if let Some(before) = &before {
            let message = format!("`{}`: the interface is named `{before}` already", short(&word.text));
            context.error(Code::RepeatedKeyword, word.span, message);
        }
        context.interface(word)
    });
    before.or(name)
}

fn group(context: &mut Context<'_>, option: &Word, word: Option<&Word>) -> Option<u32> {
    let Some(word) = word else {
        missing(context, option);
        return None;
    };
    context.reacting(IGNORED, |context| whole(context, "`group`", word, 0, u32::MAX))
}

fn missing(context: &mut Context<'_>, option: &Word) {
    context.reacting(IGNORED, |context| -> Option<()> {
        let message = format!("`{}` needs a value", option.text);
        context.error(Code::InvalidText, option.span, message);
        None
    });
}

/// Six bytes, or five: the last one is the VRID then.
fn mac(context: &mut Context<'_>, word: &Word) -> Option<Vec<u8>> {
    let byte = |part: &str| {
        let digits = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        u8::from_str_radix(part, 16).ok().filter(|_| digits)
    };
    let bytes: Option<Vec<u8>> = word.text.split(':').map(byte).collect();
    let bytes = bytes.filter(|bytes| matches!(bytes.len(), 5 | 6));
    if bytes.is_none() {
        let message = format!("`{}` is no MAC address of five or six bytes", short(&word.text));
        context.error(Code::InvalidAddress, word.span, message);
    }
    bytes
}

//! Lines of `virtual_ipaddress` and its like: an address and words about it.

use std::net::IpAddr;
use std::str::FromStr;

use super::context::{Context, Entry, short};
use super::line::{Groups, Line, host, id, network, number, track_group};
use crate::config::complaint::{Code, Reaction};
use crate::config::source::Span;
use crate::config::syntax::{Statement, Word};
use crate::config::{AddressOptions, Broadcast, Id, Lifetime, VirtualAddress, Watch};

/// Words that may stand on such a line.
const OPTIONS: [&str; 15] = [
    "dev",
    "label",
    "brd",
    "broadcast",
    "scope",
    "peer",
    "preferred_lft",
    "track_group",
    "use_vmac",
    "home",
    "-nodad",
    "mngtmpaddr",
    "noprefixroute",
    "autojoin",
    "no_track",
];

const LEFT_OUT: &str = "the address is left out";
const IGNORED: &str = "the word is ignored";

/// An address and where it stands in the text.
pub(super) type Placed = (VirtualAddress, Span);

/// The addresses of a block, without those that are wrong. `groups`: names that `track_group` may say, for what is
/// static.
pub(super) fn lower(context: &mut Context<'_>, entry: &Entry<'_>, groups: Groups<'_>) -> Vec<Placed> {
    context.at_most(entry, 0);
    let line = |statement| context.reacting(LEFT_OUT, |context| line(context, statement, groups));
    entry.statements().iter().filter_map(line).collect()
}

fn line(context: &mut Context<'_>, statement: &Statement, groups: Groups<'_>) -> Option<Placed> {
    let mut line = Line::new(context, statement, "an address", Reaction::goes_on(LEFT_OUT));
    let word = line.next()?;
    if OPTIONS.contains(&word.text.as_str()) {
        let message =
            format!("this line names no address: it comes first, and then words like `{}`", word.text);
        context.error_but(Code::MissingValue, word.span, message, None, Reaction::goes_on(LEFT_OUT));
        return None;
    }
    let address = virtual_address(context, word)?;
    let mut draft = Draft {
        address,
        is_static: groups.is_some(),
        interface: None,
        label: None,
        options: Default::default(),
    };
    while let Some(word) = line.next() {
        draft.take(context, word, &mut line, groups);
    }
    let Draft { interface, label, options, .. } = draft;
    let (address, prefix) = address;
    let options = Some(options).filter(|options| *options != AddressOptions::default()).map(Box::new);
    Some((VirtualAddress { address, prefix, interface, label, options }, line.span()))
}

struct Draft {
    address: (IpAddr, u8),
    /// Whether it is there in every state.
    is_static: bool,
    interface: Option<String>,
    label: Option<String>,
    options: AddressOptions,
}

impl Draft {
    fn take<'a>(
        &mut self,
        context: &mut Context<'_>,
        word: &'a Word,
        line: &mut Line<'a>,
        groups: Groups<'_>,
    ) {
        let is_static = self.is_static;
        match word.text.as_str() {
            "dev" => {
                let Some(name) = line.value(context, word) else { return };
                if self.interface.is_some() {
                    let message = "`dev` stands twice on this line".to_owned();
                    context.error(Code::RepeatedKeyword, word.span, message);
                }
                self.interface = context.interface(name);
            }
            "label" => self.label = line.value(context, word).and_then(|label| self.label(context, label)),
            "brd" | "broadcast" => {
                let value = line.value(context, word);
                self.options.broadcast = value.and_then(|value| self.broadcast(context, value));
            }
            "scope" => {
                let value = line.value(context, word);
                let scope = value
                    .and_then(|value| context.reacting(IGNORED, |context| self.scope(context, word, value)));
                if let Some(scope) = scope {
                    self.options.scope = Some(scope);
                }
            }
            "peer" | "preferred_lft" => {
                let Some(value) = line.value(context, word) else { return };
                context.reacting(IGNORED, |context| self.value(context, word, value));
            }
            "track_group" if is_static => {
                self.options.watch = track_group(context, word, line, groups);
            }
            "use_vmac" if is_static => unknown(context, word),
            option if self.flag(option) => {}
            _ => unknown(context, word),
        }
    }

    /// Words that stand alone.
    fn flag(&mut self, option: &str) -> bool {
        let options = &mut self.options;
        match option {
            "use_vmac" => options.on_vmac = true,
            "home" => options.home = true,
            "-nodad" => options.detect_duplicates = true,
            "mngtmpaddr" => options.manage_temporary = true,
            "noprefixroute" => options.no_prefix_route = true,
            "autojoin" => options.auto_join = true,
            "no_track" => options.watch = Watch::Off,
            _ => return false,
        }
        true
    }

    fn value(&mut self, context: &mut Context<'_>, word: &Word, value: &Word) -> Option<()> {
        if word.text == "peer" {
            let peer = host(context, "the peer", value)?;
            if peer.is_ipv4() != self.address.0.is_ipv4() {
                let message = format!("the peer {peer} is not of the same family as {}", self.address.0);
                context.error(Code::FamilyMismatch, value.span, message);
                return None;
            }
            self.options.peer = Some(peer);
        } else {
            self.options.preferred = match value.text.as_str() {
                "forever" => Some(Lifetime::Forever),
                text => number(text).map(Lifetime::Seconds),
            };
            if self.options.preferred.is_none() {
                let message =
                    format!("`preferred_lft` is `{}`; allowed: seconds, or forever", short(&value.text));
                context.error(Code::InvalidNumber, value.span, message);
            }
        }
        Some(())
    }

    fn scope(&mut self, context: &mut Context<'_>, word: &Word, value: &Word) -> Option<Id> {
        if self.address.0.is_ipv6() {
            let message = "an IPv6 address has the scope that it has: none can be given to it".to_owned();
            context.error(Code::FamilyMismatch, word.span, message);
            return None;
        }
        let scope = id(context, "`scope`", value, 255)?;
        let known = |name: &str| matches!(name, "global" | "nowhere" | "host" | "link" | "site");
        match &scope {
            Id::Name(name) if !known(name) => {
                context.invalid_choice("`scope`", value, &["global", "nowhere", "host", "link", "site"]);
            }
            _ => {}
        }
        Some(scope)
    }

    /// Labels are shorter than 16 bytes (`IFNAMSIZ` in `linux/if.h`).
    fn label(&self, context: &mut Context<'_>, word: &Word) -> Option<String> {
        if self.address.0.is_ipv6() {
            let message = "an IPv6 address can have no label".to_owned();
            return context.reacting(IGNORED, |context| {
                context.error(Code::FamilyMismatch, word.span, message);
                None
            });
        }
        if word.text.is_empty() || word.text.len() > 15 || word.text.contains(char::is_control) {
            let message =
                format!("label `{}` has {} characters; allowed: 1 to 15", short(&word.text), word.text.len());
            context.error(Code::InvalidText, word.span, message);
            return None;
        }
        Some(word.text.clone())
    }

    fn broadcast(&self, context: &mut Context<'_>, word: &Word) -> Option<Broadcast> {
        if self.address.0.is_ipv6() {
            let message = "IPv6 has no broadcast addresses".to_owned();
            context.error(Code::FamilyMismatch, word.span, message);
            return None;
        }
        match word.text.as_str() {
            "+" => Some(Broadcast::Ones),
            "-" => Some(Broadcast::Zeros),
            text => {
                let address = std::net::Ipv4Addr::from_str(text).ok();
                if address.is_none() {
                    let message =
                        format!("`brd` is `{}`; allowed: an IPv4 address, `+` and `-`", short(text));
                    context.error(Code::InvalidAddress, word.span, message);
                }
                address.map(Broadcast::Address)
            }
        }
    }
}

fn unknown(context: &mut Context<'_>, word: &Word) {
    context.reacting(IGNORED, |context| -> Option<()> {
        context.invalid_choice("an option of an address", word, &OPTIONS);
        None
    });
}

/// `192.0.2.1/24`; by default the address is alone in its network.
fn virtual_address(context: &mut Context<'_>, word: &Word) -> Option<(IpAddr, u8)> {
    let network = network(context, "the virtual address", word)?;
    let address = network.address;
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        let message = format!("`{address}` cannot be a virtual address; expected a unicast address");
        context.error_mended(Code::InvalidAddress, word.span, message, "it is used all the same");
    }
    Some((address, network.prefix))
}

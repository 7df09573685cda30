//! What stands behind `virtual_server`: an address, a mark or a group.

use std::net::IpAddr;
use std::sync::Arc;

use ipvs_backend::{Family, Protocol, ServiceKey};

use super::context::{Context, Entry, short};
use super::place::{self, ServicePort};
use super::server_group::Groups;
use crate::config::complaint::{Code, Reaction};
use crate::config::keywords;
use crate::config::source::Span;
use crate::config::{GroupEntry, GroupKey, Served, ServerGroup};

/// What a virtual server is for.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Address { address: IpAddr, port: u16 },
    Mark(u32),
    Group { name: String, group: Arc<ServerGroup> },
}

impl Target {
    pub fn read(context: &mut Context<'_>, block: &Entry<'_>, groups: &Groups) -> Option<Self> {
        let word = context.first(block)?;
        let span = word.span;
        context.at_most(block, 2);
        let left_out = || Reaction::goes_on("the virtual server is left out");
        let second = block.words().get(1);
        let kind = match (word.text.as_str(), second) {
            ("fwmark", None) => {
                let message = "`fwmark` needs a number from 1 to 4294967295";
                context.error_but(Code::MissingValue, span, message, None, Reaction::Stops);
                return None;
            }
            ("fwmark", Some(word)) => {
                let mark = context.number("fwmark", word, 1, i64::from(u32::MAX))?;
                Kind::Mark(u32::try_from(mark).ok()?)
            }
            ("group", None) => {
                let message = "`group` needs the name of a `virtual_server_group`";
                context.error_but(Code::MissingValue, span, message, None, Reaction::Stops);
                return None;
            }
            ("group", Some(word)) => match groups.get(&word.text) {
                Some(group) => Kind::Group { name: word.text.clone(), group: Arc::clone(group) },
                None => {
                    let name = short(&word.text);
                    let nearest = keywords::closest(&word.text, groups.keys().map(String::as_str));
                    let suggestion = nearest.map(|name| format!("did you mean `{name}`?"));
                    let message = format!("there is no `virtual_server_group {name}`");
                    context.error_but(Code::UndefinedName, word.span, message, suggestion, left_out());
                    return None;
                }
            },
            _ => {
                let address = place::address(context, "the virtual server", word, left_out());
                let port = match second {
                    Some(word) => place::port(context, "the port of the virtual server", word, left_out()),
                    None => Some(0),
                };
                Kind::Address { address: address?, port: port? }
            }
        };
        Some(Self { kind, span })
    }

    /// The port that servers have by default, and must have where ports cannot be changed.
    pub fn port(&self) -> ServicePort {
        match &self.kind {
            Kind::Address { port, .. } => ServicePort::One(*port),
            Kind::Mark(_) => ServicePort::Any,
            Kind::Group { .. } if self.is_marked() => ServicePort::Any,
            Kind::Group { group, .. } => {
                let mut ports = group.entries.iter().filter_map(|entry| match entry {
                    GroupEntry::Addresses { port, .. } => Some(*port),
                    GroupEntry::Mark { .. } => None,
                });
                let first = ports.next();
                ServicePort::Group(first.filter(|first| ports.all(|port| port == *first)))
            }
        }
    }

    /// Whether it serves marked packets only: of these, no protocol is known.
    pub fn is_marked(&self) -> bool {
        match &self.kind {
            Kind::Address { .. } => false,
            Kind::Mark(_) => true,
            Kind::Group { group, .. } => {
                group.entries.iter().all(|entry| matches!(entry, GroupEntry::Mark { .. }))
            }
        }
    }

    /// Whether it serves every port of an address.
    pub fn every_port(&self) -> bool {
        match &self.kind {
            Kind::Address { port, .. } => *port == 0,
            Kind::Mark(_) => false,
            Kind::Group { group, .. } => {
                group.entries.iter().any(|entry| matches!(entry, GroupEntry::Addresses { port: 0, .. }))
            }
        }
    }

    /// The family of its packets, if the target itself tells: for a mark and a group, others do.
    pub fn family(&self) -> Option<Family> {
        match &self.kind {
            Kind::Address { address, .. } => Some(Family::of(*address)),
            Kind::Mark(_) | Kind::Group { .. } => None,
        }
    }

    /// The family of its packets, where real servers or other lines said `said`. `None` if keepalived leaves the
    /// virtual server out because the two do not go together.
    pub fn fitting(&self, context: &mut Context<'_>, said: Option<Family>) -> Option<Family> {
        let Kind::Group { name, group } = &self.kind else {
            return Some(said.unwrap_or(Family::V4));
        };
        let message = match (group.says(Family::V4), group.says(Family::V6), said) {
            (true, true, Some(_)) => format!(
                "the group `{}` holds IPv4 and IPv6, and not all real servers are reached by tunnels",
                short(name)
            ),
            (true, false, Some(Family::V6)) | (false, true, Some(Family::V4)) => {
                format!("the group `{}` and the real servers are not of one family", short(name))
            }
            (false, true, None) => return Some(Family::V6),
            _ => return Some(said.unwrap_or(Family::V4)),
        };
        let suggestion = Some("only `lvs_method TUN` goes between IPv4 and IPv6".to_owned());
        let keepalived = Reaction::goes_on("the virtual server is left out");
        context.error_but(Code::FamilyMismatch, self.span, message, suggestion, keepalived);
        None
    }

    /// What is known by.
    pub fn served(&self, protocol: Option<Protocol>, family: Family) -> Served {
        let protocol = protocol.filter(|_| !self.is_marked()).unwrap_or(Protocol::Udp);
        match &self.kind {
            Kind::Address { address, port } => {
                Served::Key(ServiceKey::Address { protocol, address: *address, port: *port })
            }
            Kind::Mark(mark) => Served::Key(ServiceKey::Mark { family, mark: *mark }),
            Kind::Group { name, .. } => Served::Group(GroupKey { group: name.clone(), protocol, family }),
        }
    }
}

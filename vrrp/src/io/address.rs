//! The one owner of the addresses we put on interfaces.
//!
//! [`AddressTable::converge`] reads what the kernel holds, lets [`plan`] find the difference to the wanted level and
//! carries it out in few system calls. Our addresses carry a mark in the kernel (`IFA_PROTO`), so that after a crash
//! the next start recognises what its predecessor left behind; kernels before 5.18 ignore the mark.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;

use super::netlink::{AddressRow, Netlink, Refusal};
use crate::address::{
    AddressKey, AddressLevel, AddressOperation, AddressReport, HeldAddresses, OwnAddresses, plan,
};
use crate::address_settings::{AddressDetails, AddressSettings};

/// Our mark on addresses (`IFA_PROTO`, `<linux/if_addr.h>`): VRRP's protocol number. `ip address` shows it as
/// `proto 112`.
pub const ADDRESS_PROTOCOL: u8 = 112;

/// Lifetime without end, `INFINITY_LIFE_TIME` of the kernel.
const FOREVER: u32 = u32::MAX;

/// Puts addresses on interfaces and takes them off; see [`AddressLevel`] for what can be asked.
#[derive(Debug)]
pub struct AddressTable {
    kernel: Netlink,
    /// Every address of the namespace, as last read.
    rows: Vec<AddressRow>,
    ours: OwnAddresses,
    /// Whether anything was asked of the kernel since that was last looked at.
    touched: bool,
}

impl AddressTable {
    /// Reads the kernel's addresses. Those of `predecessors` that carry our mark are taken over as ours: the first
    /// level that does not name them takes them off. The mark alone is not enough: another daemon of this kind may
    /// live in the same namespace.
    ///
    /// # Errors
    /// Whatever the netlink socket says. The missing right to change addresses is no error here; each change will
    /// report it.
    pub fn open(predecessors: &BTreeSet<AddressKey>) -> io::Result<Self> {
        let mut kernel = Netlink::open()?;
        let names: BTreeMap<u32, String> =
            kernel.links()?.into_iter().map(|link| (link.index, link.name)).collect();
        let rows = kernel.addresses()?;
        let ours = held_addresses(rows.iter().filter(|row| row.protocol == ADDRESS_PROTOCOL), &names);
        let ours = ours
            .into_iter()
            .filter(|(key, _)| predecessors.contains(key))
            .filter_map(|(key, held)| Some((key, held.into_iter().next()?)))
            .collect();
        Ok(Self { kernel, rows, ours, touched: false })
    }

    /// Reads the kernel's addresses again. [`converge`](Self::converge) does it by itself, so what somebody else
    /// took away is always seen.
    ///
    /// # Errors
    /// Whatever the netlink socket says.
    pub fn refresh(&mut self) -> io::Result<()> {
        self.rows = self.kernel.addresses()?;
        Ok(())
    }

    /// The netlink port that this table's changes are made by.
    pub fn port(&self) -> u32 {
        self.kernel.port()
    }

    /// The addresses that are ours, as we put them there.
    pub fn ours(&self) -> &OwnAddresses {
        &self.ours
    }

    /// Whether the kernel was asked for any change since this was last called.
    pub fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    /// Adds at once what the `wanted` level asks for and was not there when the kernel's addresses were last read, and
    /// tells what was added: `there` hears of it as it happens, some addresses at a time, the result names them all.
    /// At a take-over this is all there is to do, and reading the addresses of a large host first takes longer than
    /// that. Call [`converge`](Self::converge) afterwards: it reads, and does and reports the rest. `None`: nothing was
    /// done, because something has to be removed first.
    pub fn add_missing(
        &mut self,
        wanted: &AddressLevel,
        there: impl FnMut(&[AddressKey]),
    ) -> Option<Vec<AddressKey>> {
        let mut report = AddressReport::default();
        let indexes = indexes(wanted.keys());
        let held = held_addresses(&self.rows, &by_index(&indexes));
        let mut operations = plan(&held, wanted, &self.ours);
        let is_addition = |operation: &AddressOperation| {
            matches!(operation, AddressOperation::Add { .. })
                && indexes.contains_key(&operation.key().interface)
        };
        // Removals come first where there are any: that is not a case for haste.
        if operations.iter().any(|operation| matches!(operation, AddressOperation::Remove { .. })) {
            return None;
        }
        operations.retain(is_addition);
        self.carry_out(operations, &indexes, &mut report, there);
        Some(report.added)
    }

    /// Brings the kernel to the `wanted` level and reports what changed and what could not be done. Whatever failed is
    /// tried again at the next call.
    pub fn converge(&mut self, wanted: &AddressLevel) -> AddressReport {
        match self.examine() {
            Ok(lost) => AddressReport { lost, ..self.apply(wanted, |_| ()) },
            Err(error) => {
                let text = format!("the kernel's addresses cannot be read: {error}");
                let failures = wanted.keys().map(|key| (key.clone(), text.clone())).collect();
                AddressReport { failures, ..AddressReport::default() }
            }
        }
    }

    /// The first half of [`converge`](Self::converge): reads the kernel's addresses and tells which of ours are gone.
    ///
    /// # Errors
    /// Whatever the netlink socket says.
    pub fn examine(&mut self) -> io::Result<Vec<AddressKey>> {
        self.refresh()?;
        let names = by_index(&indexes(self.ours.keys()));
        let held = held_addresses(&self.rows, &names);
        let mut lost = Vec::new();
        self.ours.retain(|key, own| {
            let there = holds(&held, key, own.prefix);
            if !there {
                lost.push(key.clone());
            }
            there
        });
        Ok(lost)
    }

    /// The second half: carries out what is missing to the `wanted` level, as the kernel was when it was last read. `there`
    /// hears which addresses have been added, as it happens.
    pub fn apply(&mut self, wanted: &AddressLevel, there: impl FnMut(&[AddressKey])) -> AddressReport {
        let mut report = AddressReport::default();
        let indexes = indexes(wanted.keys().chain(self.ours.keys()));
        let held = held_addresses(&self.rows, &by_index(&indexes));
        let mut operations = plan(&held, wanted, &self.ours);
        operations.retain(|operation| match indexes.contains_key(&operation.key().interface) {
            true => true,
            false => {
                let text = format!("there is no interface `{}`", operation.key().interface);
                report.failures.push((operation.key().clone(), text));
                false
            }
        });
        self.carry_out(operations, &indexes, &mut report, there);
        report
    }

    fn carry_out(
        &mut self,
        operations: Vec<AddressOperation>,
        indexes: &BTreeMap<String, u32>,
        report: &mut AddressReport,
        mut there: impl FnMut(&[AddressKey]),
    ) {
        self.touched |= !operations.is_empty();
        let index_of =
            |operation: &AddressOperation| indexes.get(&operation.key().interface).copied().unwrap_or(0);
        // Each request is made when its turn comes, so that the kernel has work at once.
        let requests = operations.iter().map(|operation| request(operation, index_of(operation)));
        let mut unanswered = operations.iter();
        let ours = &mut self.ours;
        let sent = self.kernel.transact_in_parts(requests, |answers| {
            let known = report.added.len();
            for answer in answers {
                let Some(operation) = unanswered.next() else { return };
                settle(ours, operation, answer, report);
            }
            let added = report.added.get(known..).unwrap_or_default();
            if !added.is_empty() {
                there(added);
            }
        });
        if let Err(error) = sent {
            let text = format!("no answer from the kernel: {error}");
            report.failures.extend(unanswered.map(|operation| (operation.key().clone(), text.clone())));
        }
    }
}

/// Takes note of the kernel's answer to one operation.
fn settle(
    ours: &mut OwnAddresses,
    operation: &AddressOperation,
    answer: Result<(), Refusal>,
    report: &mut AddressReport,
) {
    let (AddressOperation::Add { key, settings } | AddressOperation::Remove { key, settings }) = operation;
    let cannot = |what: &str, refusal: &Refusal| {
        let text = format!("cannot be {what} as {}/{}: {}", key.address, settings.prefix, refusal.in_words());
        (key.clone(), text)
    };
    match (operation, answer) {
        (AddressOperation::Add { .. }, Ok(())) => {
            ours.insert(key.clone(), settings.clone());
            report.added.push(key.clone());
        }
        // Somebody was faster; the address is there and is theirs.
        (AddressOperation::Add { .. }, Err(Refusal { code: libc::EEXIST, .. })) => {}
        (AddressOperation::Add { .. }, Err(refusal)) => report.failures.push(cannot("added", &refusal)),
        (AddressOperation::Remove { .. }, Ok(())) => {
            if ours.get(key).is_some_and(|own| own.prefix == settings.prefix) {
                ours.remove(key);
            }
            report.removed.push(key.clone());
        }
        // Gone already, with its interface or by somebody else's hand.
        (AddressOperation::Remove { .. }, Err(Refusal { code: libc::EADDRNOTAVAIL | libc::ENODEV, .. })) => {}
        (AddressOperation::Remove { .. }, Err(refusal)) => {
            report.failures.push(cannot("removed", &refusal));
        }
    }
}

/// The present indexes of the interfaces that matter; those that do not exist are left out.
fn indexes<'a>(keys: impl Iterator<Item = &'a AddressKey>) -> BTreeMap<String, u32> {
    // Keys come interface by interface.
    let mut names: Vec<&String> = Vec::new();
    for key in keys {
        if names.last().is_none_or(|last| **last != key.interface) {
            names.push(&key.interface);
        }
    }
    let names: BTreeSet<&String> = names.into_iter().collect();
    let index = |name: &String| -> Result<u32, Errno> { if_nametoindex(name.as_str()) };
    names.into_iter().filter_map(|name| Some((name.clone(), index(name).ok()?))).collect()
}

fn by_index(indexes: &BTreeMap<String, u32>) -> BTreeMap<u32, String> {
    indexes.iter().map(|(name, index)| (*index, name.clone())).collect()
}

/// Addresses on the interfaces named, by key.
fn held_addresses<'a>(
    rows: impl IntoIterator<Item = &'a AddressRow>,
    names: &BTreeMap<u32, String>,
) -> HeldAddresses {
    let mut held = HeldAddresses::new();
    for row in rows {
        if let Some(name) = names.get(&row.index) {
            let label = row.label.clone().filter(|label| label != name);
            let settings = AddressSettings { prefix: row.prefix, label, details: row.details.clone() };
            held.entry(AddressKey::new(name.clone(), row.address)).or_default().push(settings);
        }
    }
    held
}

fn holds(held: &HeldAddresses, key: &AddressKey, prefix: u8) -> bool {
    held.get(key).is_some_and(|held| held.iter().any(|one| one.prefix == prefix))
}

/// The netlink request for one operation, and its flags.
fn request(operation: &AddressOperation, index: u32) -> (RouteNetlinkMessage, u16) {
    match operation {
        AddressOperation::Add { key, settings } => {
            let mut message = message(key.address, settings, index);
            message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(ADDRESS_PROTOCOL)));
            message.attributes.extend(attributes(key.address, settings));
            message.header.scope = AddressScope::from(settings.details.scope);
            (RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
        }
        AddressOperation::Remove { key, settings } => {
            (RouteNetlinkMessage::DelAddress(message(key.address, settings, index)), 0)
        }
    }
}

/// What names the address: the kernel matches IPv4 addresses by the other end and prefix length too.
fn message(address: IpAddr, settings: &AddressSettings, index: u32) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.prefix_len = settings.prefix;
    message.header.index = index;
    message.attributes.push(AddressAttribute::Local(address));
    message.attributes.push(AddressAttribute::Address(settings.details.peer.unwrap_or(address)));
    message
}

/// What else is said of an address.
fn attributes(address: IpAddr, settings: &AddressSettings) -> Vec<AddressAttribute> {
    let AddressDetails { broadcast, preferred, flags, .. } = &settings.details;
    let mut attributes = Vec::new();
    if let (IpAddr::V4(_), Some(label)) = (address, &settings.label) {
        attributes.push(AddressAttribute::Label(label.clone()));
    }
    if let (IpAddr::V4(_), Some(broadcast)) = (address, broadcast) {
        attributes.push(AddressAttribute::Broadcast(*broadcast));
    }
    if *flags != 0 {
        attributes.push(AddressAttribute::Flags(AddressFlags::from_bits_retain(*flags)));
    }
    if let Some(seconds) = preferred {
        let mut lifetimes = CacheInfo::default();
        lifetimes.ifa_valid = FOREVER;
        lifetimes.ifa_preferred = *seconds;
        attributes.push(AddressAttribute::CacheInfo(lifetimes));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between reading the kernel's addresses and changing them somebody else may do the same.
    #[test]
    fn being_second_is_no_failure_and_makes_nothing_ours() {
        let mut ours = OwnAddresses::new();
        let key = AddressKey::new("eth0", [192, 0, 2, 1].into());
        let settings = AddressSettings::host(key.address);
        let mut report = AddressReport::default();
        let refusal = |code| Err(Refusal { code, text: None });
        let add = AddressOperation::Add { key: key.clone(), settings: settings.clone() };
        settle(&mut ours, &add, refusal(libc::EEXIST), &mut report);
        let remove = AddressOperation::Remove { key: key.clone(), settings: settings.clone() };
        settle(&mut ours, &remove, refusal(libc::EADDRNOTAVAIL), &mut report);
        assert_eq!(report, AddressReport::default());
        assert!(!ours.contains_key(&key));
        settle(&mut ours, &add, refusal(libc::ENODEV), &mut report);
        assert_eq!(report.failures.len(), 1);
        assert!(report.failures[0].1.starts_with("cannot be added as 192.0.2.1/32: No such device"));
    }
}

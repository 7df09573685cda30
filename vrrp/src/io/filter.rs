//! The one owner of our nftables tables.
//!
//! nftables is spoken over netlink (`NETLINK_NETFILTER`, `<linux/netfilter/nf_tables.h>`). The few messages that are
//! needed are built here: the libraries for it either need C or run the program `nft`, which a router may not have.
//! Every change is one transaction of the kernel: it takes effect whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;

use super::netlink::attributes;
use crate::device::Manner;
use crate::filter::{
    Chain, Expression, Family, Hook, Kind, Meta, Set, Table, TableChange, TableKey, Tables, Verdict, plan,
    with_what_stays,
};

/// Longest wait for an answer, seconds. The kernel answers within the send call.
const ANSWER_SECONDS: i64 = 2;

/// Elements in one message; an attribute's length has 16 bits.
const ELEMENTS: usize = 500;

// <linux/netlink.h>, <linux/netfilter/nfnetlink.h>
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;
const NLA_F_NESTED: u16 = 0x8000;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const SUBSYSTEM: u16 = 10;
const HEADER: usize = 16;
/// `struct nfgenmsg`.
const SUBHEADER: usize = 4;

// Messages of <linux/netfilter/nf_tables.h>.
const NEW_TABLE: u16 = 0;
const GET_TABLE: u16 = 1;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENTS: u16 = 12;
const DELETE_ELEMENTS: u16 = 14;

/// Attribute of the number of things in a table.
const NFTA_TABLE_USE: u16 = 3;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;

/// Changes tables; see [`crate::filter`] for what can be asked.
#[derive(Debug)]
pub struct FilterTable {
    socket: Option<Socket>,
    sequence: u32,
    held: Tables,
    /// How many things the kernel counts in each table: not ours alone to change.
    counts: BTreeMap<TableKey, u32>,
    /// The kernel cannot send copies of packets by another interface.
    no_copies: bool,
    manner: Manner,
    /// Tables that keepalived could not have made for that reason.
    refused: BTreeSet<TableKey>,
}

/// Why the packet filter is not as wanted.
#[derive(Debug)]
pub struct FilterError {
    /// In words, with advice.
    pub text: String,
    /// The kernel has no packet filter: trying again has no point until somebody loads it.
    pub unavailable: bool,
}

impl FilterTable {
    /// Takes over the tables of `predecessors`: the first level that does not name them takes them away.
    pub fn new(predecessors: &BTreeSet<TableKey>, manner: Manner) -> Self {
        let held = predecessors.iter().map(|key| (key.clone(), Table::default())).collect();
        let (counts, refused) = (BTreeMap::new(), BTreeSet::new());
        Self { socket: None, sequence: 0, held, counts, no_copies: false, manner, refused }
    }

    /// The tables that are ours.
    pub fn ours(&self) -> BTreeSet<TableKey> {
        self.held.keys().cloned().collect()
    }

    /// Brings the kernel to the `wanted` tables and says whether anything had to change. What somebody else took away
    /// is put back. Whatever failed is tried again at the next call.
    ///
    /// # Errors
    /// [`FilterError`]; the tables are then as they were.
    pub fn converge(&mut self, wanted: &Tables) -> Result<bool, FilterError> {
        if wanted.is_empty() && self.held.is_empty() {
            return Ok(false);
        }
        let reduced = self.no_copies.then(|| self.within_means(wanted));
        let wanted = reduced.as_ref().unwrap_or(wanted);
        let lost: Vec<TableKey> =
            self.counts.keys().filter(|key| wanted.contains_key(*key)).cloned().collect();
        for key in lost {
            if self.count(&key).map_err(|error| failure(&error))? != self.counts.get(&key).copied() {
                self.held.insert(key.clone(), Table::default());
            }
        }
        let changes = plan(&self.held, wanted);
        if changes.is_empty() {
            return Ok(false);
        }
        match self.transact(&changes, wanted) {
            Ok(()) => {}
            // `dup` is a module of its own.
            Err(error)
                if !self.no_copies
                    && error.raw_os_error() == Some(libc::ENOENT)
                    && wanted.values().any(copies) =>
            {
                self.no_copies = true;
                self.converge(wanted)?;
                let text =
                    "the kernel cannot copy packets to another interface (nf_dup_netdev, nft_dup_ipv4, \
                            nft_dup_ipv6): group reports leave with virtual MAC addresses"
                        .to_owned();
                return Err(FilterError { text, unavailable: false });
            }
            // Somebody changed a set of ours: make the table anew.
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EEXIST))
                    && changes.iter().any(|change| matches!(change, TableChange::Elements { .. })) =>
            {
                for table in self.held.values_mut() {
                    *table = Table::default();
                }
                let changes = plan(&self.held, wanted);
                self.transact(&changes, wanted).map_err(|error| failure(&error))?;
            }
            Err(error) => return Err(failure(&error)),
        }
        self.held = wanted.clone();
        self.counts.clear();
        for key in wanted.keys() {
            if let Ok(Some(count)) = self.count(key) {
                self.counts.insert(key.clone(), count);
            }
        }
        Ok(true)
    }

    /// What of the `wanted` tables a kernel can make that cannot send copies.
    fn within_means(&mut self, wanted: &Tables) -> Tables {
        let reduced = without_copies(wanted);
        if self.manner == Manner::Thorough {
            return reduced;
        }
        // keepalived has no table then unless it had it before.
        let anew = wanted.iter().filter(|(key, table)| copies(table) && !self.counts.contains_key(*key));
        self.refused.extend(anew.map(|(key, _)| key.clone()));
        with_what_stays(&reduced, &self.held, &self.refused)
    }

    fn transact(&mut self, changes: &[TableChange], wanted: &Tables) -> io::Result<()> {
        let mut messages = Vec::new();
        for change in changes {
            match change {
                TableChange::Remove(key) => remove(&mut messages, key),
                TableChange::Replace(key) => {
                    remove(&mut messages, key);
                    if let Some(table) = wanted.get(key) {
                        make(&mut messages, key, table);
                    }
                }
                TableChange::Elements { table, set, remove, add } => {
                    elements(&mut messages, DELETE_ELEMENTS, table, set, remove);
                    elements(&mut messages, NEW_ELEMENTS, table, set, add);
                }
            }
        }
        let batch =
            |kind| Message { kind, flags: 0, family: 0, resource: SUBSYSTEM, body: Writer::default() };
        let last = messages.len();
        let mut bytes = Vec::new();
        let first = self.sequence.wrapping_add(1);
        for (place, message) in
            [batch(BATCH_BEGIN)].into_iter().chain(messages).chain([batch(BATCH_END)]).enumerate()
        {
            self.sequence = self.sequence.wrapping_add(1);
            bytes.extend(message.emit(self.sequence, place == last));
        }
        let sequence = self.sequence.wrapping_sub(1);
        let socket = self.socket()?;
        socket.send(&bytes, 0)?;
        loop {
            for (kind, number, payload) in received(&receive(socket)?) {
                if kind != NLMSG_ERROR || number.wrapping_sub(first) > sequence.wrapping_sub(first) {
                    continue;
                }
                match payload.first_chunk::<4>().map_or(0, |code| i32::from_ne_bytes(*code)) {
                    0 if number == sequence => return Ok(()),
                    0 => {}
                    code => return Err(io::Error::from_raw_os_error(code.saturating_neg())),
                }
            }
        }
    }

    /// How many things the kernel counts in a table; `None` if there is none.
    fn count(&mut self, key: &TableKey) -> io::Result<Option<u32>> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut message = Message::new(GET_TABLE, 0, key);
        message.body.text(1, &key.name);
        let bytes = message.emit(sequence, false);
        let socket = self.socket()?;
        socket.send(&bytes, 0)?;
        loop {
            for (kind, number, payload) in received(&receive(socket)?) {
                if number != sequence {
                    continue;
                }
                if kind == NLMSG_ERROR {
                    return match payload.first_chunk::<4>().map_or(0, |code| i32::from_ne_bytes(*code)) {
                        code if code == -libc::ENOENT => Ok(None),
                        code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
                    };
                }
                let count = attributes(payload.get(SUBHEADER..).unwrap_or_default())
                    .find(|attribute| attribute.kind() == NFTA_TABLE_USE)
                    .and_then(|attribute| attribute.value().try_into().map(u32::from_be_bytes).ok());
                return Ok(count);
            }
        }
    }

    fn socket(&mut self) -> io::Result<&Socket> {
        if self.socket.is_none() {
            let mut socket = Socket::new(NETLINK_NETFILTER)?;
            setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(ANSWER_SECONDS, 0))?;
            // A batch is one datagram.
            let _ = setsockopt(&socket, sockopt::SndBufForce, &(4 << 20));
            socket.bind(&SocketAddr::new(0, 0))?;
            self.socket = Some(socket);
        }
        self.socket.as_ref().ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }
}

fn failure(error: &io::Error) -> FilterError {
    let code = error.raw_os_error();
    let unavailable =
        matches!(code, Some(libc::EPROTONOSUPPORT | libc::EINVAL | libc::EOPNOTSUPP | libc::EAFNOSUPPORT));
    let advice = match code {
        _ if unavailable => ": the kernel has no nftables; try `modprobe nf_tables`",
        Some(libc::EPERM) => ": the process needs CAP_NET_ADMIN",
        _ => "",
    };
    FilterError { text: format!("{error}{advice}"), unavailable }
}

fn copies(table: &Table) -> bool {
    table.rules.iter().any(|(_, expressions)| expressions.contains(&Expression::Duplicate))
}

/// The tables without rules that send copies, and without what only those need.
fn without_copies(tables: &Tables) -> Tables {
    let mut tables = tables.clone();
    for table in tables.values_mut() {
        table.rules.retain(|(_, expressions)| !expressions.contains(&Expression::Duplicate));
        table.sets.retain(|set| set.name != "vmac_map");
        let rules = &table.rules;
        table.chains.retain(|chain| chain.hook.is_none() || rules.iter().any(|(at, _)| *at == chain.name));
    }
    tables.retain(|_, table| !table.rules.is_empty());
    tables
}

/// Takes a table away, whether or not it is there.
fn remove(messages: &mut Vec<Message>, key: &TableKey) {
    for (kind, flags) in [(NEW_TABLE, NLM_F_CREATE), (DELETE_TABLE, 0)] {
        let mut message = Message::new(kind, flags, key);
        message.body.text(1, &key.name);
        messages.push(message);
    }
}

fn make(messages: &mut Vec<Message>, key: &TableKey, table: &Table) {
    let mut message = Message::new(NEW_TABLE, NLM_F_CREATE, key);
    message.body.text(1, &key.name);
    messages.push(message);
    for (number, set) in table.sets.iter().enumerate() {
        messages.push(make_set(key, set, u32::try_from(number).unwrap_or(0) + 1));
        elements(messages, NEW_ELEMENTS, key, set.name, &set.elements);
    }
    messages.extend(table.chains.iter().map(|chain| make_chain(key, chain)));
    for (chain, expressions) in &table.rules {
        let mut message = Message::new(NEW_RULE, NLM_F_CREATE | NLM_F_APPEND, key);
        message.body.text(1, &key.name);
        message.body.text(2, chain);
        message.body.nest(4, |list| {
            for expression in expressions {
                list.nest(NFTA_LIST_ELEM, |body| write_expression(body, expression));
            }
        });
        messages.push(message);
    }
}

fn make_set(key: &TableKey, set: &Set, number: u32) -> Message {
    const CONSTANT: u32 = 2;
    const MAP: u32 = 8;
    let mut message = Message::new(NEW_SET, NLM_F_CREATE, key);
    let body = &mut message.body;
    body.text(1, &key.name);
    body.text(2, set.name);
    let flags = if set.constant { CONSTANT } else { 0 } | if set.data.is_some() { MAP } else { 0 };
    body.number(3, flags);
    body.number(4, set.key.iter().fold(0, |all, kind| all << 6 | number_of(*kind)));
    body.number(5, length(set.key));
    if let Some(data) = set.data {
        body.number(6, number_of(data));
        body.number(7, length(&[data]));
    }
    body.number(10, number);
    body.attribute(13, &byte_orders(set));
    message
}

/// A note to whoever lists the set, in the form that the program `nft` leaves and reads (libnftnl): indexes of
/// interfaces are numbers of this host, in its own byte order.
fn byte_orders(set: &Set) -> Vec<u8> {
    const KEY: u8 = 0;
    const DATA: u8 = 1;
    const HOST: u32 = 1;
    let note = |kind: u8| [&[kind, 4][..], &HOST.to_ne_bytes()].concat();
    match (set.key, set.data) {
        ([Kind::Index], None) => note(KEY),
        ([Kind::Index], Some(_)) => [note(KEY), note(DATA)].concat(),
        _ => Vec::new(),
    }
}

fn make_chain(key: &TableKey, chain: &Chain) -> Message {
    let mut message = Message::new(NEW_CHAIN, NLM_F_CREATE, key);
    let body = &mut message.body;
    body.text(1, &key.name);
    body.text(3, chain.name);
    if let Some((hook, priority)) = chain.hook {
        body.nest(4, |body| {
            body.number(
                1,
                match hook {
                    Hook::Input => 1,
                    Hook::Output => 3,
                },
            );
            body.number(2, priority.cast_unsigned());
        });
        // NF_ACCEPT
        body.number(5, 1);
        body.text(7, "filter");
    }
    message
}

fn elements(
    messages: &mut Vec<Message>,
    kind: u16,
    key: &TableKey,
    set: &str,
    elements: &BTreeMap<Vec<u8>, Option<Vec<u8>>>,
) {
    let elements: Vec<_> = elements.iter().collect();
    for some in elements.chunks(ELEMENTS) {
        let mut message = Message::new(kind, if kind == NEW_ELEMENTS { NLM_F_CREATE } else { 0 }, key);
        message.body.text(1, &key.name);
        message.body.text(2, set);
        message.body.nest(3, |list| {
            for (key, data) in some {
                list.nest(NFTA_LIST_ELEM, |element| {
                    element.nest(1, |body| body.attribute(NFTA_DATA_VALUE, key));
                    if let Some(data) = data {
                        element.nest(2, |body| body.attribute(NFTA_DATA_VALUE, data));
                    }
                });
            }
        });
        messages.push(message);
    }
}

/// The name of an expression and what it holds.
fn write_expression(body: &mut Writer, expression: &Expression) {
    let named = |body: &mut Writer, name: &str, data: &dyn Fn(&mut Writer)| {
        body.text(1, name);
        body.nest(2, data);
    };
    let value = |body: &mut Writer, kind: u16, bytes: &[u8]| {
        body.nest(kind, |body| body.attribute(NFTA_DATA_VALUE, bytes));
    };
    match expression {
        Expression::Network { offset, length } => named(body, "payload", &|body| {
            body.numbers(&[(1, 1), (2, 1), (3, *offset), (4, *length)]);
        }),
        Expression::TransportType => {
            named(body, "payload", &|body| body.numbers(&[(1, 1), (2, 2), (3, 0), (4, 1)]));
        }
        Expression::Meta(meta, register) => {
            let key = match meta {
                Meta::InputIndex => 4,
                Meta::OutputIndex => 5,
                Meta::InputName => 6,
                Meta::OutputName => 7,
                Meta::Protocol => 16,
                Meta::OutputKind => 27,
            };
            named(body, "meta", &|body| body.numbers(&[(2, key), (1, *register)]));
        }
        Expression::Equal(register, bytes) => named(body, "cmp", &|body| {
            body.numbers(&[(1, *register), (2, 0)]);
            value(body, 3, bytes);
        }),
        Expression::Mask(bytes) => named(body, "bitwise", &|body| {
            body.numbers(&[(1, 1), (2, 1), (3, u32::try_from(bytes.len()).unwrap_or(0))]);
            value(body, 4, bytes);
            value(body, 5, &vec![0; bytes.len()]);
        }),
        Expression::In(register, set) => named(body, "lookup", &|body| {
            body.text(1, set);
            body.number(2, *register);
        }),
        Expression::Mapped(register, set) => named(body, "lookup", &|body| {
            body.text(1, set);
            body.numbers(&[(2, *register), (3, *register)]);
        }),
        Expression::Duplicate => named(body, "dup", &|body| body.numbers(&[(1, 1), (2, 2)])),
        Expression::Counter => named(body, "counter", &|_| {}),
        Expression::Verdict(verdict) => named(body, "immediate", &|body| {
            body.number(1, 0);
            body.nest(2, |body| {
                body.nest(NFTA_DATA_VERDICT, |body| match verdict {
                    Verdict::Drop => body.number(1, 0),
                    Verdict::Accept => body.number(1, 1),
                    Verdict::Goto(chain) => {
                        // NFT_GOTO
                        body.number(1, (-4_i32).cast_unsigned());
                        body.text(2, chain);
                    }
                });
            });
        }),
    }
}

/// The number of a type in nftables' user-space (`enum datatypes`).
fn number_of(kind: Kind) -> u32 {
    match kind {
        Kind::Ipv4 => 7,
        Kind::Ipv6 => 8,
        Kind::Index => 20,
        Kind::Icmpv6 => 29,
        Kind::Name => 41,
    }
}

/// The length of a key in bytes; only in a row of several each part is padded.
fn length(kinds: &[Kind]) -> u32 {
    match kinds {
        [Kind::Icmpv6] => 1,
        kinds => kinds.iter().map(|kind| padded_length(*kind)).sum(),
    }
}

fn padded_length(kind: Kind) -> u32 {
    match kind {
        Kind::Ipv4 | Kind::Index | Kind::Icmpv6 => 4,
        Kind::Ipv6 | Kind::Name => 16,
    }
}

/// One message of a batch.
struct Message {
    kind: u16,
    flags: u16,
    family: u8,
    resource: u16,
    body: Writer,
}

impl Message {
    fn new(kind: u16, flags: u16, key: &TableKey) -> Self {
        let family = match key.family {
            Family::Ip => libc::AF_INET,
            Family::Ip6 => libc::AF_INET6,
        };
        let family = u8::try_from(family).unwrap_or(0);
        Self { kind: SUBSYSTEM << 8 | kind, flags, family, resource: 0, body: Writer::default() }
    }

    fn emit(self, sequence: u32, acknowledge: bool) -> Vec<u8> {
        let length = u32::try_from(HEADER + SUBHEADER + self.body.0.len()).unwrap_or(u32::MAX);
        let flags = self.flags | NLM_F_REQUEST | if acknowledge { NLM_F_ACK } else { 0 };
        let mut bytes = Vec::new();
        bytes.extend(length.to_ne_bytes());
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend([self.family, 0]);
        bytes.extend(self.resource.to_be_bytes());
        bytes.extend(self.body.0);
        bytes
    }
}

/// Attributes, one after the other. Numbers are in network order.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn number(&mut self, kind: u16, number: u32) {
        self.attribute(kind, &number.to_be_bytes());
    }

    fn numbers(&mut self, numbers: &[(u16, u32)]) {
        for (kind, number) in numbers {
            self.number(*kind, *number);
        }
    }

    fn text(&mut self, kind: u16, text: &str) {
        self.attribute(kind, &[text.as_bytes(), &[0]].concat());
    }

    fn nest(&mut self, kind: u16, write: impl FnOnce(&mut Writer)) {
        let mut inner = Writer::default();
        write(&mut inner);
        self.attribute(kind | NLA_F_NESTED, &inner.0);
    }
}

fn receive(socket: &Socket) -> io::Result<Vec<u8>> {
    loop {
        let mut buffer = Vec::with_capacity(16 << 10);
        match socket.recv(&mut buffer, 0) {
            Ok(_) => return Ok(buffer),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The messages of a datagram: type, sequence number, payload.
fn received(datagram: &[u8]) -> Vec<(u16, u32, &[u8])> {
    let mut messages = Vec::new();
    let mut rest = datagram;
    while let Some(&[l0, l1, l2, l3, t0, t1, _, _, s0, s1, s2, s3, ..]) = rest.first_chunk::<HEADER>() {
        let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        let Some(payload) = rest.get(HEADER..length) else { break };
        messages.push((u16::from_ne_bytes([t0, t1]), u32::from_ne_bytes([s0, s1, s2, s3]), payload));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    messages
}

//! What a reload would change, block by block and line by line, as values that people and programs can look at.
//!
//! Two configurations are compared as the statements that each comes to ([`write`]), so that every keyword has its place
//! here without being known. Parts that both share are not written at all: a plan costs what it changes, and a little
//! for each block of the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipvs_backend::{ConnectionCounts, DestinationKey, ServiceKey};
use serde::{Deserialize, Serialize};

use super::write::{self, Line};
use super::{Config, GroupKey, Served, Thing};

/// Values that nobody is to see: only that they change.
const SECRETS: [&str; 6] = ["auth_pass", "body", "header", "key", "password", "secret"];
/// Those of them that begin with a name, which may be told.
const NAMED: [&str; 2] = ["header", "key"];

/// What happens to a block or a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Only in the new configuration.
    Added,
    /// In both, with something else in it.
    Changed,
    /// Only in the old one.
    Removed,
}

/// A block that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockChange {
    /// What happens to it.
    pub change: Kind,
    /// Its keyword.
    pub keyword: String,
    /// What stands behind the keyword: a name, an address and a port; empty for many blocks inside others.
    pub name: String,
    /// Of a virtual server: its key in the kernel's table.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service: Option<ServiceKey>,
    /// Of a virtual server of a group: which.
    #[serde(skip)]
    pub group: Option<GroupKey>,
    /// Of a real server: its key in the kernel's table.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub server: Option<DestinationKey>,
    /// Connections of the servers that are changed or removed, if the kernel's table tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub connections: Option<ConnectionCounts>,
    /// The lines that differ.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub lines: Vec<LineChange>,
    /// The blocks inside it that differ.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub blocks: Vec<BlockChange>,
}

/// A line that differs, with what stands behind its keyword.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineChange {
    /// The keyword; in a list of addresses and the like, the first word.
    pub keyword: String,
    /// In the old configuration; none if it is not there.
    pub before: Option<String>,
    /// In the new one; none if it is not there.
    pub after: Option<String>,
}

/// How many of a kind of thing a plan touches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// That are new.
    pub added: usize,
    /// That are changed.
    pub changed: usize,
    /// That go.
    pub removed: usize,
}

/// The real servers of each service, with their connections.
pub type Connections = BTreeMap<ServiceKey, BTreeMap<DestinationKey, ConnectionCounts>>;

/// The blocks that differ; none if both say the same. `new` is taken over from `old` where they agree
/// ([`adopt`](super::adopt)): what is the same pointer is not looked into.
pub fn changes(old: &Config, new: &Config) -> Vec<BlockChange> {
    let (mut before, mut after) = (old.clone(), new.clone());
    keep_different(&mut before.instances, &mut after.instances);
    keep_different(&mut before.groups, &mut after.groups);
    keep_different(&mut before.scripts, &mut after.scripts);
    keep_different(&mut before.files, &mut after.files);
    keep_different(&mut before.processes, &mut after.processes);
    keep_different(&mut before.neighbours, &mut after.neighbours);
    keep_different(&mut before.services, &mut after.services);
    keep_different(&mut before.group_services, &mut after.group_services);
    let mut root = compare(write::lines(&before), write::lines(&after));
    let mut blocks = std::mem::take(&mut root.1);
    if !root.0.is_empty() {
        let (keyword, name) = ("file".to_owned(), String::new());
        let nothing = BlockChange::new(Kind::Changed, keyword, name);
        blocks.insert(0, BlockChange { lines: root.0, ..nothing });
    }
    blocks
}

fn keep_different<K: Ord + Clone, V: PartialEq>(
    old: &mut BTreeMap<K, Arc<V>>,
    new: &mut BTreeMap<K, Arc<V>>,
) {
    let same = |key: &K, value: &Arc<V>, other: &BTreeMap<K, Arc<V>>| {
        other.get(key).is_some_and(|other| Arc::ptr_eq(value, other) || **value == **other)
    };
    let gone: Vec<K> =
        new.iter().filter(|(key, value)| same(key, value, old)).map(|(key, _)| key.clone()).collect();
    for key in gone {
        old.remove(&key);
        new.remove(&key);
    }
}

/// What makes two blocks the same one. The number tells apart those that have no name: they are counted.
type Identity = (String, Vec<String>, Option<Thing>, usize);

/// A block and what stands in it.
type Block = (Identity, Vec<Line>);

fn compare(old: Vec<Line>, new: Vec<Line>) -> (Vec<LineChange>, Vec<BlockChange>) {
    let (old_lines, old_blocks) = sort(old);
    let mut old_blocks: BTreeMap<Identity, Vec<Line>> = old_blocks.into_iter().collect();
    let (new_lines, new_blocks) = sort(new);
    let mut blocks = Vec::new();
    for (identity, inside) in new_blocks {
        let before = old_blocks.remove(&identity);
        let change = if before.is_some() { Kind::Changed } else { Kind::Added };
        let (lines, inner) = compare(before.unwrap_or_default(), inside);
        if change == Kind::Added || !lines.is_empty() || !inner.is_empty() {
            blocks.push(block(change, identity, lines, inner));
        }
    }
    for (identity, inside) in old_blocks {
        let (lines, inner) = compare(inside, Vec::new());
        blocks.push(block(Kind::Removed, identity, lines, inner));
    }
    (compare_lines(old_lines, new_lines), blocks)
}

fn block(
    change: Kind,
    (keyword, words, thing, _): Identity,
    lines: Vec<LineChange>,
    blocks: Vec<BlockChange>,
) -> BlockChange {
    let service = match thing {
        Some(Thing::Service(key)) => Some(key),
        _ => None,
    };
    let group = match &thing {
        Some(Thing::GroupService(key)) => Some(key.clone()),
        _ => None,
    };
    let server = match thing {
        Some(Thing::Server(_, key) | Thing::GroupServer(_, key)) => Some(key),
        _ => None,
    };
    let mut name = words.join(" ");
    if let Some(ServiceKey::Address { protocol, .. }) = service {
        name += &format!(" {protocol}");
    }
    BlockChange { service, group, server, lines, blocks, ..BlockChange::new(change, keyword, name) }
}

/// A keyword and its words.
type Said = (String, String);

/// Lines and blocks, each in their order.
fn sort(all: Vec<Line>) -> (Vec<Said>, Vec<Block>) {
    let (mut lines, mut blocks) = (Vec::new(), Vec::new());
    let mut counted: BTreeMap<(String, Vec<String>, Option<Thing>), usize> = BTreeMap::new();
    for Line { keyword, words, block, thing, .. } in all {
        match block {
            None => lines.push((keyword, words.join(" "))),
            Some(inside) => {
                let number = counted.entry((keyword.clone(), words.clone(), thing.clone())).or_default();
                *number += 1;
                blocks.push(((keyword, words, thing, *number), inside));
            }
        }
    }
    (lines, blocks)
}

/// Lines of a keyword that stands once on each side are one changed line.
fn compare_lines(mut old: Vec<Said>, new: Vec<Said>) -> Vec<LineChange> {
    let mut added = Vec::new();
    for line in new {
        match old.iter().position(|other| *other == line) {
            Some(at) => drop(old.remove(at)),
            None => added.push(line),
        }
    }
    let count = |lines: &[Said], keyword: &str| lines.iter().filter(|(k, _)| k == keyword).count();
    let mut changes = Vec::new();
    let all = added.clone();
    for (keyword, words) in added {
        let single = count(&old, &keyword) == 1 && count(&all, &keyword) == 1;
        let before = old.iter().position(|(other, _)| *other == keyword).filter(|_| single);
        let before = before.map(|at| old.remove(at).1);
        changes.push(LineChange::new(keyword, before, Some(words)));
    }
    changes.extend(old.into_iter().map(|(keyword, words)| LineChange::new(keyword, Some(words), None)));
    changes
}

impl LineChange {
    fn new(keyword: String, before: Option<String>, after: Option<String>) -> Self {
        if SECRETS.contains(&keyword.as_str()) {
            // Which of several keys it is may be told.
            let named = NAMED.contains(&keyword.as_str());
            let hide = |words: String| {
                let name = words.split_once(' ').filter(|_| named).map_or("", |(name, _)| name);
                format!("{name} (not shown)").trim_start().to_owned()
            };
            return LineChange { keyword, before: before.map(hide), after: after.map(hide) };
        }
        LineChange { keyword, before, after }
    }
}

impl BlockChange {
    fn new(change: Kind, keyword: String, name: String) -> Self {
        BlockChange {
            change,
            keyword,
            name,
            service: None,
            group: None,
            server: None,
            connections: None,
            lines: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// Notes the connections of what is changed or removed. `running` tells what a group serves.
    pub fn count(&mut self, known: &Connections, running: &Config) {
        let served = self.service.map(Served::Key).or_else(|| self.group.clone().map(Served::Group));
        let Some(served) = served.filter(|_| self.change != Kind::Added) else { return };
        let services = running.kernel_services(&served);
        let held = || services.iter().filter_map(|key| known.get(key)).flatten();
        if held().next().is_none() {
            return;
        }
        // Behind direct routing the servers of a group take over the port of the service.
        let is_group = self.group.is_some();
        let of = |server: DestinationKey| -> Vec<ConnectionCounts> {
            let same = |key: &DestinationKey| *key == server || (is_group && key.address == server.address);
            held().filter(|(key, _)| same(key)).map(|(_, counts)| *counts).collect()
        };
        for block in self.blocks.iter_mut().filter(|block| block.change != Kind::Added) {
            block.connections = block.server.map(|server| sum(&of(server)));
        }
        let whole = self.change == Kind::Removed || self.lines.iter().any(|line| line.keyword != "quorum");
        let touched: Vec<ConnectionCounts> = match whole {
            true => held().map(|(_, counts)| *counts).collect(),
            false => self.blocks.iter().filter_map(|block| block.connections).collect(),
        };
        self.connections = Some(sum(&touched));
    }
}

/// How many blocks of this keyword a plan adds, changes and removes, wherever they stand.
pub fn total(blocks: &[BlockChange], keyword: &str) -> Count {
    let mut count = Count::default();
    for block in blocks {
        if block.keyword == keyword {
            match block.change {
                Kind::Added => count.added += 1,
                Kind::Changed => count.changed += 1,
                Kind::Removed => count.removed += 1,
            }
        }
        let inside = total(&block.blocks, keyword);
        count.added += inside.added;
        count.changed += inside.changed;
        count.removed += inside.removed;
    }
    count
}

/// All connections together.
pub fn sum(counts: &[ConnectionCounts]) -> ConnectionCounts {
    counts.iter().fold(ConnectionCounts::default(), |all, one| ConnectionCounts {
        active: all.active.saturating_add(one.active),
        inactive: all.inactive.saturating_add(one.inactive),
        persistent: all.persistent.saturating_add(one.persistent),
    })
}

#[cfg(test)]
mod tests;

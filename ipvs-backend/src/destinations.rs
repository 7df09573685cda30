//! The real servers of a service, in the order of their keys: a value that may have tens of thousands of entries, and that
//! is copied, compared and dropped all the time by threads that must not be held up.
//!
//! The entries lie in pieces of about a hundred, which copies share. To copy all of them copies a pointer for each piece;
//! to change one copies its piece; and two values that come from one another are compared without looking into what they
//! share.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Index;
use std::slice;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::key::DestinationKey;
use crate::model::DestinationSettings;

/// Entries in a piece at most.
const MOST: usize = 128;

/// Entries in a piece that is new: there is room for some more.
const USUAL: usize = 96;

type Entry = (DestinationKey, DestinationSettings);

/// Real servers with their settings, in the order of their keys.
#[derive(Clone, Default)]
pub struct Destinations {
    /// None is empty, each is in order, and so are they.
    pieces: Vec<Arc<[Entry]>>,
}

impl Destinations {
    /// None at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many there are. That is added up: a hundredth of the work of looking at each.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.pieces.clear();
    }

    /// The settings of one.
    pub fn get(&self, key: &DestinationKey) -> Option<&DestinationSettings> {
        let piece = self.pieces.get(self.behind(key).checked_sub(1)?)?;
        let at = piece.binary_search_by(|(held, _)| held.cmp(key)).ok()?;
        piece.get(at).map(|(_, settings)| settings)
    }

    /// Whether it is there.
    pub fn contains_key(&self, key: &DestinationKey) -> bool {
        self.get(key).is_some()
    }

    /// Adds one, or gives it other settings; those that it had.
    pub fn insert(
        &mut self,
        key: DestinationKey,
        settings: DestinationSettings,
    ) -> Option<DestinationSettings> {
        let before = self.get(&key).copied();
        self.apply([(key, Some(settings))]);
        before
    }

    /// Adds those that are not there already.
    pub fn extend_missing(
        &mut self,
        entries: impl IntoIterator<Item = (DestinationKey, DestinationSettings)>,
    ) {
        let mut missing: Vec<_> = entries.into_iter().collect();
        missing.retain(|(key, _)| !self.contains_key(key));
        self.extend(missing);
    }

    /// Takes one out; the settings that it had.
    pub fn remove(&mut self, key: &DestinationKey) -> Option<DestinationSettings> {
        let before = self.get(key).copied()?;
        self.apply([(*key, None)]);
        Some(before)
    }

    /// All of them, in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { pieces: self.pieces.iter(), front: [].iter(), back: [].iter() }
    }

    /// Those from this one on, in order.
    pub fn iter_from(&self, first: &DestinationKey) -> Iter<'_> {
        let at = self.behind(first).saturating_sub(1);
        let mut pieces = self.pieces.get(at..).unwrap_or_default().iter();
        let piece: &[Entry] = pieces.next().map(AsRef::as_ref).unwrap_or_default();
        let before = piece.partition_point(|(key, _)| key < first);
        Iter { pieces, front: piece.get(before..).unwrap_or_default().iter(), back: [].iter() }
    }

    /// Their keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &DestinationKey> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// Their settings, in the order of the keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &DestinationSettings> + Clone {
        self.iter().map(|(_, settings)| settings)
    }

    /// Adds, changes and takes out (`None`) many at once; of two changes of the same one the later counts. Pieces in which
    /// nothing is different afterwards stay shared.
    pub fn apply(
        &mut self,
        changes: impl IntoIterator<Item = (DestinationKey, Option<DestinationSettings>)>,
    ) {
        let mut changes: Vec<Change> = changes.into_iter().collect();
        if !changes.is_sorted_by(|(one, _), (next, _)| one < next) {
            changes = changes.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect();
        }
        let (mut rest, mut done) = (changes.as_slice(), 0);
        while let Some((first, _)) = rest.first() {
            let beyond = self.pieces.get(done..).unwrap_or_default();
            done += beyond.partition_point(|piece| begins(piece).is_some_and(|held| held <= first));
            let at = done.saturating_sub(1);
            let here = match self.pieces.get(at + 1).and_then(|next| begins(next)) {
                Some(next) => rest.partition_point(|(key, _)| key < next),
                None => rest.len(),
            };
            let (changes, later) = rest.split_at(here);
            rest = later;
            let piece: &[Entry] = self.pieces.get(at).map(AsRef::as_ref).unwrap_or_default();
            if let Some(entries) = changed(piece, changes) {
                let end = (at + 1).min(self.pieces.len());
                let pieces = divided(&entries);
                done = at + pieces.len();
                self.pieces.splice(at..end, pieces);
            }
        }
    }

    /// In what this and another value differ: each key of which they say not the same, with what either says.
    pub fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Difference<'a>> {
        self.differences_behind(other, None)
    }

    /// The same of the keys behind this one: whoever cannot look at all of them in one piece goes on there.
    pub fn differences_behind<'a>(
        &'a self,
        other: &'a Self,
        behind: Option<&DestinationKey>,
    ) -> impl Iterator<Item = Difference<'a>> + use<'a> {
        let (mut one, mut other) = (Place::behind(self, behind), Place::behind(other, behind));
        std::iter::from_fn(move || {
            loop {
                if one.skip_shared(&mut other) {
                    continue;
                }
                let order = match (one.entry(), other.entry()) {
                    (None, None) => return None,
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (Some((here, _)), Some((there, _))) => here.cmp(there),
                };
                let here = if order.is_le() { one.take() } else { None };
                let there = if order.is_ge() { other.take() } else { None };
                if here != there {
                    let (key, _) = here.or(there)?;
                    return Some((*key, here.map(|(_, settings)| settings), there.map(|(_, s)| s)));
                }
            }
        })
    }

    /// How many pieces begin at this key or before it.
    fn behind(&self, key: &DestinationKey) -> usize {
        self.pieces.partition_point(|piece| begins(piece).is_some_and(|first| first <= key))
    }
}

type Change = (DestinationKey, Option<DestinationSettings>);

/// A key, and what the one and the other say of it; never the same.
type Difference<'a> = (DestinationKey, Option<&'a DestinationSettings>, Option<&'a DestinationSettings>);

fn begins(piece: &Arc<[Entry]>) -> Option<&DestinationKey> {
    piece.first().map(|(key, _)| key)
}

/// A piece after these changes; `None` if nothing is different.
fn changed(piece: &[Entry], changes: &[Change]) -> Option<Vec<Entry>> {
    let mut entries = Vec::with_capacity(piece.len() + changes.len());
    let (mut rest, mut differs) = (piece, false);
    for (key, wanted) in changes {
        let before = rest.partition_point(|(held, _)| held < key);
        let (kept, left) = rest.split_at(before);
        entries.extend_from_slice(kept);
        rest = left;
        let held = match left.split_first() {
            Some(((first, settings), behind)) if first == key => {
                rest = behind;
                Some(settings)
            }
            _ => None,
        };
        differs |= held != wanted.as_ref();
        entries.extend(wanted.map(|settings| (*key, settings)));
    }
    entries.extend_from_slice(rest);
    differs.then_some(entries)
}

/// Entries in pieces that are not too large.
fn divided(entries: &[Entry]) -> Vec<Arc<[Entry]>> {
    let size = match entries.len() {
        0 => return Vec::new(),
        small @ 1..=MOST => small,
        large => large.div_ceil(large.div_ceil(USUAL)),
    };
    entries.chunks(size).map(Arc::from).collect()
}

/// A place among entries, for two values that are gone through side by side.
struct Place<'a> {
    pieces: &'a [Arc<[Entry]>],
    /// In the first of these pieces.
    at: usize,
}

impl<'a> Place<'a> {
    fn first(pieces: &'a [Arc<[Entry]>]) -> Self {
        Place { pieces, at: 0 }
    }

    fn behind(all: &'a Destinations, key: Option<&DestinationKey>) -> Self {
        let Some(key) = key else { return Place::first(&all.pieces) };
        let mut place = Place::first(all.pieces.get(all.behind(key).saturating_sub(1)..).unwrap_or_default());
        let piece: &[Entry] = place.pieces.first().map(AsRef::as_ref).unwrap_or_default();
        place.at = piece.partition_point(|(held, _)| held <= key);
        if place.entry().is_none() {
            place.next_piece();
        }
        place
    }

    fn entry(&self) -> Option<&'a Entry> {
        self.pieces.first()?.get(self.at)
    }

    fn take(&mut self) -> Option<&'a Entry> {
        let entry = self.entry();
        self.at += 1;
        if self.entry().is_none() {
            self.next_piece();
        }
        entry
    }

    fn next_piece(&mut self) {
        *self = Place::first(self.pieces.get(1..).unwrap_or_default());
    }

    /// Passes a piece that both are at the beginning of and share.
    fn skip_shared(&mut self, other: &mut Self) -> bool {
        let (Some(here), Some(there)) = (self.pieces.first(), other.pieces.first()) else { return false };
        let shared = self.at == 0 && other.at == 0 && Arc::ptr_eq(here, there);
        if shared {
            self.next_piece();
            other.next_piece();
        }
        shared
    }
}

/// Real servers in order.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    pieces: slice::Iter<'a, Arc<[Entry]>>,
    front: slice::Iter<'a, Entry>,
    back: slice::Iter<'a, Entry>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a DestinationKey, &'a DestinationSettings);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, settings)) = self.front.next() {
                return Some((key, settings));
            }
            match self.pieces.next() {
                Some(piece) => self.front = piece.iter(),
                None => return self.back.next().map(|(key, settings)| (key, settings)),
            }
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, settings)) = self.back.next_back() {
                return Some((key, settings));
            }
            match self.pieces.next_back() {
                Some(piece) => self.back = piece.iter(),
                None => return self.front.next_back().map(|(key, settings)| (key, settings)),
            }
        }
    }
}

impl<'a> IntoIterator for &'a Destinations {
    type Item = (&'a DestinationKey, &'a DestinationSettings);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl FromIterator<Entry> for Destinations {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut all = Self::new();
        all.extend(entries);
        all
    }
}

impl Extend<Entry> for Destinations {
    fn extend<I: IntoIterator<Item = Entry>>(&mut self, entries: I) {
        self.apply(entries.into_iter().map(|(key, settings)| (key, Some(settings))));
    }
}

impl<const N: usize> From<[Entry; N]> for Destinations {
    fn from(entries: [Entry; N]) -> Self {
        entries.into_iter().collect()
    }
}

impl Index<&DestinationKey> for Destinations {
    type Output = DestinationSettings;

    /// # Panics
    /// If it is not there.
    fn index(&self, key: &DestinationKey) -> &DestinationSettings {
        self.get(key).expect("no entry found for key")
    }
}

impl PartialEq for Destinations {
    fn eq(&self, other: &Self) -> bool {
        self.differences(other).next().is_none()
    }
}

impl Eq for Destinations {}

impl fmt::Debug for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl Serialize for Destinations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de> Deserialize<'de> for Destinations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(|entries| entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::nat;

    fn key(number: u16) -> DestinationKey {
        let [high, low] = number.to_be_bytes();
        DestinationKey::new([10, 1, high, low].into(), 80)
    }

    fn many(count: u16) -> Destinations {
        (0..count).map(|number| (key(number * 2), nat(1))).collect()
    }

    /// Each piece has its size, and all of it is in order.
    fn is_sound(all: &Destinations) -> bool {
        let sizes = all.pieces.iter().all(|piece| (1..=MOST).contains(&piece.len()));
        sizes && all.keys().is_sorted_by(|one, next| one < next)
    }

    fn shared(one: &Destinations, other: &Destinations) -> usize {
        one.pieces.iter().filter(|piece| other.pieces.iter().any(|held| Arc::ptr_eq(piece, held))).count()
    }

    #[test]
    fn to_change_one_copies_one_piece() {
        let before = many(5000);
        let mut after = before.clone();
        let pieces = before.pieces.len();
        assert!(pieces < 60, "{pieces}");
        assert_eq!(after.insert(key(4000), nat(7)), Some(nat(1)));
        assert_eq!(after.insert(key(4001), nat(7)), None);
        assert_eq!(after.remove(&key(9000)), Some(nat(1)));
        assert_eq!(after.remove(&key(9000)), None);
        assert_eq!((after.len(), shared(&before, &after)), (5000, pieces - 2));
        let differences: Vec<_> = before.differences(&after).collect();
        let (one, seven) = (nat(1), nat(7));
        let expected = [
            (key(4000), Some(&one), Some(&seven)),
            (key(4001), None, Some(&seven)),
            (key(9000), Some(&one), None),
        ];
        assert_eq!(differences, expected);
        after.apply(before.iter().map(|(key, settings)| (*key, Some(*settings))).chain([(key(4001), None)]));
        assert_eq!((shared(&before, &after), after == before), (pieces - 2, true), "what is the same stays");
    }

    #[test]
    fn it_is_json_like_a_map() {
        let all = many(3);
        let json = serde_json::to_string(&all).unwrap();
        let map: BTreeMap<_, _> = all.iter().collect();
        assert_eq!(json, serde_json::to_string(&map).unwrap());
        assert_eq!(serde_json::from_str::<Destinations>(&json).unwrap(), all);
        assert_eq!(format!("{all:?}"), format!("{map:?}"));
    }

    type Changes = Vec<(u16, Option<u32>)>;

    fn changes() -> impl Strategy<Value = Changes> {
        let change = (0..1200_u16, proptest::option::weighted(0.6, 0..3_u32));
        prop::collection::vec(prop::collection::vec(change, 0..400), 0..5).prop_map(|runs| {
            // Neighbours come and go together: pieces grow, divide and vanish.
            runs.into_iter().flatten().flat_map(|(at, what)| (at..at + 3).map(move |at| (at, what))).collect()
        })
    }

    fn carry_out(changes: &Changes) -> (Destinations, BTreeMap<DestinationKey, DestinationSettings>) {
        let (mut all, mut map) = (Destinations::new(), BTreeMap::new());
        for batch in changes.chunks(97) {
            all.apply(batch.iter().map(|(at, weight)| (key(*at), weight.map(nat))));
            for (at, weight) in batch {
                match weight {
                    Some(weight) => drop(map.insert(key(*at), nat(*weight))),
                    None => drop(map.remove(&key(*at))),
                }
            }
        }
        (all, map)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn it_says_what_a_map_says(changes in changes(), first in 0..1200_u16) {
            let (all, map) = carry_out(&changes);
            prop_assert!(is_sound(&all));
            prop_assert_eq!((all.len(), all.is_empty()), (map.len(), map.is_empty()));
            prop_assert!(all.iter().eq(map.iter()));
            prop_assert!(all.iter().rev().eq(map.iter().rev()));
            prop_assert!(all.iter_from(&key(first)).eq(map.range(key(first)..)));
            for number in 0..1203 {
                prop_assert_eq!(all.get(&key(number)), map.get(&key(number)));
            }
            let mut ends = all.iter();
            let halves = (0..map.len()).map(|n| if n % 2 == 0 { ends.next() } else { ends.next_back() });
            prop_assert_eq!(halves.flatten().count(), map.len(), "from both ends");
        }

        #[test]
        fn differences_lead_from_one_to_the_other(one in changes(), more in changes(), at in 0..1203_u16) {
            let (first, before) = carry_out(&one);
            let mut second = first.clone();
            second.apply(more.iter().map(|(at, weight)| (key(*at), weight.map(nat))));
            let after: BTreeMap<_, _> = second.iter().map(|(key, settings)| (*key, *settings)).collect();
            prop_assert_eq!(first == second, before == after);
            let mut led = before.clone();
            for (key, from, to) in first.differences(&second) {
                prop_assert!(from != to && led.get(&key) == from);
                match to {
                    Some(to) => drop(led.insert(key, *to)),
                    None => drop(led.remove(&key)),
                }
            }
            prop_assert_eq!(led, after);
            for behind in [key(at), key(600)] {
                let whole = first.differences(&second).filter(|(key, ..)| *key > behind);
                prop_assert!(first.differences_behind(&second, Some(&behind)).eq(whole));
            }
        }
    }
}

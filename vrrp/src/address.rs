//! Which addresses the host shall hold, and what must change to get there.
//!
//! The virtual addresses are a *level*: the director says how the interfaces shall look, and [`plan`] compares that
//! with what the kernel holds and with what this program itself has put there. The answer is a short list of
//! operations; planning again after they were carried out gives none. An address that the level does not name and
//! that is not ours belongs to somebody else and is never touched. `io::address` carries the operations out.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::address_settings::AddressSettings;

/// How the addresses of this host shall be.
pub type AddressLevel = BTreeMap<AddressKey, Wanted>;

/// Addresses as they are: what the kernel holds, every prefix of an address that is there more than once.
pub type HeldAddresses = BTreeMap<AddressKey, Vec<AddressSettings>>;

/// Addresses that this program has put on interfaces, as it put them there.
pub type OwnAddresses = BTreeMap<AddressKey, AddressSettings>;

/// The identity of an address: the same address on another interface is another one.
///
/// Written as `192.0.2.1 dev eth0`, also when it is a key in a recording.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AddressKey {
    /// Name of the interface.
    pub interface: String,
    /// The address itself.
    pub address: IpAddr,
}

/// What is wanted of one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// The address shall be there. If somebody else already holds it there, that is good enough and stays theirs.
    Present(AddressSettings),
    /// The address shall not be there with this prefix length (in bits), whoever put it there: a backup that still
    /// holds a virtual address (left over from a crash, say) would answer for the master. With another prefix it is
    /// not the virtual address but one that the machine was given, and stays.
    Absent {
        /// Length of the network prefix, 0 to 32 or 0 to 128.
        prefix: u8,
    },
}

/// One change of the kernel's addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AddressOperation {
    /// Put the address on the interface.
    Add {
        /// Which address.
        key: AddressKey,
        /// How.
        settings: AddressSettings,
    },
    /// Take the address off the interface.
    Remove {
        /// Which address.
        key: AddressKey,
        /// How it is held: prefix length and peer name it to the kernel.
        settings: AddressSettings,
    },
}

/// What came of bringing the kernel to a level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressReport {
    /// Addresses that were not there and now are.
    pub added: Vec<AddressKey>,
    /// Addresses that were there and no longer are.
    pub removed: Vec<AddressKey>,
    /// Addresses that we had put there and that were found gone.
    pub lost: Vec<AddressKey>,
    /// What could not be done, and why, in words. It is tried again the next time.
    pub failures: Vec<(AddressKey, String)>,
}

/// The operations that turn `current` into `wanted`: removals first (taking away the first address of a subnet may
/// take others of that subnet along), then additions, each by interface and turn.
///
/// `ours` are the addresses this program added earlier; those that the level no longer names are removed.
pub fn plan(current: &HeldAddresses, wanted: &AddressLevel, ours: &OwnAddresses) -> Vec<AddressOperation> {
    let mut removals = Vec::new();
    let mut additions = Vec::new();
    for (key, held) in current {
        let own = ours.get(key).filter(|own| held.iter().any(|one| one.prefix == own.prefix));
        let remove = |settings: &AddressSettings| AddressOperation::Remove {
            key: key.clone(),
            settings: settings.clone(),
        };
        match (wanted.get(key), own) {
            (Some(Wanted::Absent { prefix }), own) => {
                let leaves = |one: &&AddressSettings| {
                    one.prefix == *prefix || own.is_some_and(|own| own.prefix == one.prefix)
                };
                removals.extend(held.iter().filter(leaves).map(remove));
            }
            (Some(Wanted::Present(settings)), Some(own))
                if !own.same(settings, &key.interface, key.address) =>
            {
                removals.push(remove(own));
                additions.push(AddressOperation::Add { key: key.clone(), settings: settings.clone() });
            }
            (None, Some(own)) => removals.push(remove(own)),
            (Some(Wanted::Present(_)) | None, _) => {}
        }
    }
    for (key, wanted) in wanted {
        if let (Wanted::Present(settings), None) = (wanted, current.get(key)) {
            additions.push(AddressOperation::Add { key: key.clone(), settings: settings.clone() });
        }
    }
    additions.sort_by(|one, other| one.turn().cmp(&other.turn()));
    removals.extend(additions);
    removals
}

impl AddressOperation {
    /// By interface, then as the level says.
    fn turn(&self) -> (&str, u64, &AddressKey) {
        let (Self::Add { key, settings } | Self::Remove { key, settings }) = self;
        (&key.interface, settings.details.turn, key)
    }

    /// The address it is about.
    pub fn key(&self) -> &AddressKey {
        match self {
            Self::Add { key, .. } | Self::Remove { key, .. } => key,
        }
    }
}

impl AddressKey {
    /// The key of `address` on `interface`.
    pub fn new(interface: impl Into<String>, address: IpAddr) -> Self {
        Self { interface: interface.into(), address }
    }
}

impl fmt::Display for AddressKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} dev {}", self.address, self.interface)
    }
}

impl From<AddressKey> for String {
    fn from(key: AddressKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for AddressKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for AddressKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let complain =
            || format!("`{text}` is no address on an interface; write it like `192.0.2.1 dev eth0`");
        let (address, interface) = text.split_once(" dev ").ok_or_else(complain)?;
        if interface.is_empty() {
            return Err(complain());
        }
        Ok(Self::new(interface, address.parse().map_err(|_| complain())?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> AddressKey {
        text.parse().unwrap()
    }

    fn settings(prefix: u8) -> AddressSettings {
        AddressSettings { prefix, label: None, details: Default::default() }
    }

    fn labelled(prefix: u8, label: &str) -> AddressSettings {
        AddressSettings { label: Some(label.into()), ..settings(prefix) }
    }

    fn add(text: &str, settings: AddressSettings) -> AddressOperation {
        AddressOperation::Add { key: key(text), settings }
    }

    fn remove(text: &str, prefix: u8) -> AddressOperation {
        AddressOperation::Remove { key: key(text), settings: settings(prefix) }
    }

    const VIP: &str = "192.0.2.1 dev eth0";
    const OTHER: &str = "192.0.2.2 dev eth0";

    fn one_held(held: Vec<AddressSettings>) -> HeldAddresses {
        HeldAddresses::from([(key(VIP), held)])
    }

    fn one_own(own: AddressSettings) -> OwnAddresses {
        OwnAddresses::from([(key(VIP), own)])
    }

    fn one_wanted(wanted: Wanted) -> AddressLevel {
        AddressLevel::from([(key(VIP), wanted)])
    }

    #[test]
    fn a_missing_address_is_added() {
        let wanted = one_wanted(Wanted::Present(labelled(32, "eth0:vip")));
        let nothing = HeldAddresses::new();
        assert_eq!(plan(&nothing, &wanted, &OwnAddresses::new()), [add(VIP, labelled(32, "eth0:vip"))]);
        // Somebody took ours away: it is put back.
        assert_eq!(plan(&nothing, &wanted, &one_own(settings(32))), [add(VIP, labelled(32, "eth0:vip"))]);
    }

    #[test]
    fn a_foreign_address_is_good_enough_and_left_alone() {
        let held = one_held(vec![settings(24)]);
        assert!(plan(&held, &one_wanted(Wanted::Present(settings(32))), &OwnAddresses::new()).is_empty());
        assert!(plan(&held, &AddressLevel::new(), &OwnAddresses::new()).is_empty());
        // We had put it there as /32, it vanished, and somebody added it as /24: theirs.
        assert!(plan(&held, &AddressLevel::new(), &one_own(settings(32))).is_empty());
    }

    #[test]
    fn absent_removes_the_virtual_address_and_not_the_machines_own() {
        let held = one_held(vec![settings(24), settings(32)]);
        let absent = one_wanted(Wanted::Absent { prefix: 32 });
        assert_eq!(plan(&held, &absent, &OwnAddresses::new()), [remove(VIP, 32)]);
        // Ours with the prefix of an earlier configuration leaves as well.
        assert_eq!(plan(&held, &absent, &one_own(settings(24))), [remove(VIP, 24), remove(VIP, 32)]);
        assert!(plan(&HeldAddresses::new(), &absent, &one_own(settings(32))).is_empty());
    }

    #[test]
    fn ours_that_left_the_level_is_removed_and_nothing_else() {
        let held = one_held(vec![settings(24), settings(32)]);
        assert_eq!(plan(&held, &AddressLevel::new(), &one_own(settings(32))), [remove(VIP, 32)]);
    }

    #[test]
    fn changed_settings_replace_ours() {
        let held = one_held(vec![settings(32)]);
        let wanted = one_wanted(Wanted::Present(settings(24)));
        assert_eq!(
            plan(&held, &wanted, &one_own(settings(32))),
            [remove(VIP, 32), add(VIP, settings(24))],
            "an address is removed before it is added with another prefix"
        );
        let wanted = one_wanted(Wanted::Present(labelled(32, "eth0:1")));
        assert_eq!(
            plan(&held, &wanted, &one_own(settings(32))),
            [remove(VIP, 32), add(VIP, labelled(32, "eth0:1"))]
        );
        let wanted = one_wanted(Wanted::Present(labelled(32, "eth0")));
        assert!(
            plan(&held, &wanted, &one_own(settings(32))).is_empty(),
            "the interface's name is the default"
        );
    }

    #[test]
    fn a_label_means_nothing_for_ipv6() {
        let v6 = key("2001:db8::1 dev eth0");
        let held = HeldAddresses::from([(v6.clone(), vec![settings(128)])]);
        let own = OwnAddresses::from([(v6.clone(), settings(128))]);
        let wanted = AddressLevel::from([(v6, Wanted::Present(labelled(128, "eth0:1")))]);
        assert!(plan(&held, &wanted, &own).is_empty());
    }

    #[test]
    fn the_other_end_goes_along_with_the_removal() {
        let mut own = settings(32);
        own.details.peer = Some([192, 0, 2, 9].into());
        let held = one_held(vec![own.clone()]);
        let removal = [AddressOperation::Remove { key: key(VIP), settings: own.clone() }];
        assert_eq!(plan(&held, &AddressLevel::new(), &one_own(own)), removal);
        assert_eq!(plan(&held, &one_wanted(Wanted::Absent { prefix: 32 }), &OwnAddresses::new()), removal);
    }

    #[test]
    fn a_lifetime_that_counts_down_is_no_change() {
        let with = |preferred| {
            let mut settings = settings(32);
            settings.details.preferred = preferred;
            settings
        };
        let same = |one: Option<u32>, other: Option<u32>| {
            with(one).same(&with(other), "eth0", [192, 0, 2, 1].into())
        };
        assert!(same(Some(30), Some(600)) && same(None, None));
        assert!(!same(Some(30), None) && !same(Some(0), Some(600)) && !same(Some(0), None));
    }

    #[test]
    fn removals_come_before_additions() {
        let wanted = AddressLevel::from([
            (key(VIP), Wanted::Present(settings(32))),
            (key(OTHER), Wanted::Absent { prefix: 32 }),
        ]);
        let held = HeldAddresses::from([(key(OTHER), vec![settings(32)])]);
        assert_eq!(plan(&held, &wanted, &OwnAddresses::new()), [remove(OTHER, 32), add(VIP, settings(32))]);
    }

    #[test]
    fn keys_are_written_and_read_back() {
        assert_eq!(key(VIP).to_string(), VIP);
        assert_eq!(key("2001:db8::1 dev br-lan@x").interface, "br-lan@x");
        for wrong in ["192.0.2.1", "192.0.2.1 dev ", "192.0.2.1/32 dev eth0", ""] {
            assert!(wrong.parse::<AddressKey>().is_err(), "{wrong}");
        }
    }

    /// Carries operations out the way the kernel does.
    fn apply(current: &mut HeldAddresses, ours: &mut OwnAddresses, operations: Vec<AddressOperation>) {
        for operation in operations {
            match operation {
                AddressOperation::Add { key, settings } => {
                    let held = current.entry(key.clone()).or_default();
                    assert!(held.iter().all(|one| one.prefix != settings.prefix), "added twice");
                    held.push(settings.clone());
                    ours.insert(key, settings);
                }
                AddressOperation::Remove { key, settings: AddressSettings { prefix, .. } } => {
                    let held = current.get_mut(&key).expect("only what is there is removed");
                    let before = held.len();
                    held.retain(|one| one.prefix != prefix);
                    assert_eq!(held.len() + 1, before);
                    if held.is_empty() {
                        current.remove(&key);
                    }
                    ours.remove(&key);
                }
            }
        }
    }

    fn any_key() -> impl Strategy<Value = AddressKey> {
        (0..2_u8, 0..4_u8)
            .prop_map(|(link, host)| AddressKey::new(format!("eth{link}"), [192, 0, 2, host].into()))
    }

    fn any_settings() -> impl Strategy<Value = AddressSettings> {
        (prop_oneof![Just(24_u8), Just(32)], proptest::option::of(Just("eth0:1".to_owned())))
            .prop_map(|(prefix, label)| AddressSettings { label, ..settings(prefix) })
    }

    fn any_level() -> impl Strategy<Value = AddressLevel> {
        let wanted = prop_oneof![
            any_settings().prop_map(Wanted::Present),
            any_settings().prop_map(|settings| Wanted::Absent { prefix: settings.prefix }),
        ];
        proptest::collection::btree_map(any_key(), wanted, 0..8)
    }

    proptest! {
        #[test]
        fn the_plan_leads_to_the_level_and_planning_again_does_nothing(
            foreign in proptest::collection::btree_map(any_key(), any_settings(), 0..8),
            levels in proptest::collection::vec(any_level(), 1..6),
        ) {
            let mut current: HeldAddresses = foreign.iter().map(|(k, s)| (k.clone(), vec![s.clone()])).collect();
            let mut ours = OwnAddresses::new();
            let mut claimed = std::collections::BTreeSet::new();
            for level in levels {
                let operations = plan(&current, &level, &ours);
                apply(&mut current, &mut ours, operations);
                prop_assert_eq!(plan(&current, &level, &ours), vec![]);
                for (key, wanted) in &level {
                    match wanted {
                        Wanted::Present(_) => prop_assert!(current.contains_key(key)),
                        Wanted::Absent { prefix } => {
                            let left = current.get(key).into_iter().flatten().any(|one| one.prefix == *prefix);
                            prop_assert!(!left && !ours.contains_key(key));
                            claimed.insert((key.clone(), *prefix));
                        }
                    }
                }
                for key in ours.keys() {
                    prop_assert!(level.contains_key(key));
                }
                for (key, settings) in &foreign {
                    let claimed = claimed.contains(&(key.clone(), settings.prefix));
                    prop_assert!(claimed || current.contains_key(key), "{} was foreign", key);
                }
            }
        }
    }
}

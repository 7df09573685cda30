//! The one owner of the interfaces that virtual routers bring along.
//!
//! Bringing the kernel to a level takes two steps: [`DeviceTable::prepare`] takes away, makes and adjusts,
//! [`DeviceTable::raise`] switches on. Between the two the packet filter can learn the new indexes, so that no group
//! report ever leaves with a virtual MAC address.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, CacheInfo};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoIpVlan, InfoKind, InfoMacVlan, IpVlanFlags,
    IpVlanMode, LinkAttribute, LinkExtentMask, LinkFlags, LinkHeader, LinkInfo, LinkMessage, MacVlanMode,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::{AddressRow, Netlink, Refusal, attributes, text_of};
use super::switch::Switches;
use crate::device::{
    Device, DeviceKind, DeviceLevel, DeviceOperation, Form, HeldDevice, HeldDevices, IpvlanFlag, Manner,
    Switch, plan, settings,
};

// Message type and attributes of <linux/rtnetlink.h> and <linux/if_link.h>.
const RTM_NEWLINK: u16 = 16;
const LINK_HEADER: usize = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_GROUP: u16 = 27;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const MACVLAN_MODE_PRIVATE: u32 = 1;
const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const IPVLAN_MODE_L2: u16 = 0;

/// The group of interfaces that are about to be removed, for a moment: "gone" in ASCII. Nobody else may be in it.
const REMOVAL_GROUP: u32 = 0x676f_6e65;

/// How long an ipvlan is left alone before it is taken away.
const LINGER: Duration = Duration::from_millis(20);

/// Lifetime without end, `INFINITY_LIFE_TIME` of the kernel.
const FOREVER: u32 = u32::MAX;

/// Makes interfaces and takes them away; see [`DeviceLevel`] for what can be asked.
#[derive(Debug)]
pub struct DeviceTable {
    kernel: Netlink,
    held: HeldDevices,
    /// Names of those that we made.
    ours: BTreeSet<String>,
    /// Their indexes, as far as they were ever seen.
    made: BTreeMap<String, u32>,
    switches: Switches,
    manner: Manner,
    /// Own addresses that we gave them.
    addresses: BTreeSet<(String, IpAddr, u8)>,
}

/// What came of bringing the kernel to a level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceReport {
    /// Interfaces that were made.
    pub made: Vec<String>,
    /// Interfaces that were taken away.
    pub removed: Vec<String>,
    /// What could not be done, by interface and in words. It is tried again the next time.
    pub failures: Vec<(String, String)>,
    /// Switches of the kernel that could not be set, in words.
    pub switches: Vec<String>,
}

impl DeviceTable {
    /// Reads the kernel's interfaces. Those of `predecessors` that could be ours are taken over: the first level that
    /// does not name them takes them away. `left` is what switches were before a predecessor changed them.
    ///
    /// # Errors
    /// Whatever the netlink socket says. The missing right to change anything is no error here; each change will
    /// report it.
    pub fn open(
        predecessors: &BTreeSet<String>,
        left: &BTreeSet<Switch>,
        manner: Manner,
    ) -> io::Result<Self> {
        let mut kernel = Netlink::open()?;
        let held = read(&mut kernel)?;
        let is_ours = |name: &&String| held.get(*name).is_some_and(|device| device.form != Form::Other);
        let ours = predecessors.iter().filter(is_ours).cloned().collect();
        Ok(Self {
            kernel,
            held,
            ours,
            made: BTreeMap::new(),
            switches: Switches::new(left),
            manner,
            addresses: BTreeSet::new(),
        })
    }

    /// Names of the interfaces that we made.
    pub fn ours(&self) -> &BTreeSet<String> {
        &self.ours
    }

    /// What switches of the kernel were before we changed them.
    pub fn switches(&self) -> BTreeSet<Switch> {
        self.switches.remembered()
    }

    /// The indexes of an interface and of the one below it, as last read.
    pub fn indexes(&self, name: &str) -> Option<(u32, u32)> {
        let device = self.held.get(name)?;
        Some((device.index, device.parent?))
    }

    /// The first step: takes away what is not `wanted`, makes what is missing, switched off, and sets the kernel's
    /// switches. `remember` hears what those were before they are changed.
    pub fn prepare(
        &mut self,
        wanted: &DeviceLevel,
        remember: &mut dyn FnMut(&BTreeSet<Switch>),
    ) -> DeviceReport {
        let mut report = DeviceReport::default();
        if !self.refresh(wanted, &mut report) {
            return report;
        }
        self.remove_renamed(&mut report);
        let operations = plan(&self.held, wanted, &self.ours);
        self.let_go(&operations);
        self.remove_together(&operations, &mut report);
        for operation in operations.iter().filter(|operation| !is_raise(operation)) {
            self.carry_out(operation, wanted, &mut report);
        }
        if !report.made.is_empty() {
            self.refresh(wanted, &mut report);
        }
        let indexes = self.ours.iter().filter_map(|name| Some((name.clone(), self.held.get(name)?.index)));
        self.made = indexes.collect();
        let there: DeviceLevel = wanted
            .iter()
            .filter(|(name, _)| self.held.contains_key(*name))
            .map(|(name, device)| (name.clone(), device.clone()))
            .collect();
        let mut level: BTreeMap<String, String> =
            there.iter().flat_map(|(name, device)| settings(name, device, self.manner)).collect();
        if there.values().any(|device| device.ipv4 && device.kind.mac().is_some()) {
            let spared = there.keys().cloned().collect();
            let filter = self.switches.reverse_path_filter(&spared);
            level = filter.into_iter().chain(level).collect();
        }
        report.switches = self.switches.set(&level, &self.ours, remember);
        self.switches.restore(&level, self.manner);
        report
    }

    /// The second step: switches on what is `wanted` and gives it its own addresses.
    pub fn raise(&mut self, wanted: &DeviceLevel, report: &mut DeviceReport) {
        for operation in plan(&self.held, wanted, &self.ours).iter().filter(|operation| is_raise(operation)) {
            self.carry_out(operation, wanted, report);
        }
        if wanted.values().any(|device| !device.addresses.is_empty()) || !self.addresses.is_empty() {
            self.give_addresses(wanted, report);
        }
    }

    /// Reads the kernel's interfaces again, and says whether that could be done.
    fn refresh(&mut self, wanted: &DeviceLevel, report: &mut DeviceReport) -> bool {
        match read(&mut self.kernel) {
            Ok(held) => self.held = held,
            Err(error) => {
                let text = format!("the kernel's interfaces cannot be read: {error}");
                report.failures = wanted.keys().map(|name| (name.clone(), text.clone())).collect();
                return false;
            }
        }
        true
    }

    /// Forgets what of ours is gone; what somebody renamed is in the way of its successor, and is taken away.
    fn remove_renamed(&mut self, report: &mut DeviceReport) {
        let is_gone = |name: &&String| !self.held.contains_key(*name);
        for name in self.ours.iter().filter(is_gone).cloned().collect::<Vec<_>>() {
            self.ours.remove(&name);
            let Some(index) = self.made.remove(&name) else { continue };
            let renamed = |device: &HeldDevice| device.index == index && device.form != Form::Other;
            let Some(now) = self.held.iter().find(|(_, device)| renamed(device)).map(|(now, _)| now.clone())
            else {
                continue;
            };
            if self.ask(RouteNetlinkMessage::DelLink(message(index)), 0).is_ok() {
                self.held.remove(&now);
                report.removed.push(now);
            }
        }
    }

    /// An ipvlan hands multicast on later than its owner sends it: a farewell must not go down with it.
    fn let_go(&self, operations: &[DeviceOperation]) {
        let is_ipvlan = |name: &String| {
            self.held.get(name).is_some_and(|held| held.up && matches!(held.form, Form::Ipvlan(_)))
        };
        let ends = |operation: &DeviceOperation| matches!(operation, DeviceOperation::Remove { name } if is_ipvlan(name));
        if operations.iter().any(ends) {
            std::thread::sleep(LINGER);
        }
    }

    /// Takes several interfaces away at once. For each single one the kernel waits for all processors, some tens of
    /// milliseconds; for all that are in one group it does so once. What this does not do is done one by one after it.
    fn remove_together(&mut self, operations: &[DeviceOperation], report: &mut DeviceReport) {
        let removal = |operation: &DeviceOperation| match operation {
            DeviceOperation::Remove { name } => Some((name.clone(), self.held.get(name)?.index)),
            _ => None,
        };
        let removals: Vec<(String, u32)> = operations.iter().filter_map(removal).collect();
        if removals.len() < 2 || self.held.values().any(|device| device.group == REMOVAL_GROUP) {
            return;
        }
        for (_, index) in &removals {
            let mut request = message(*index);
            request.attributes.push(LinkAttribute::Group(REMOVAL_GROUP));
            let _ = self.ask(RouteNetlinkMessage::SetLink(request), 0);
        }
        let mut request = message(0);
        request.attributes.push(LinkAttribute::Group(REMOVAL_GROUP));
        if self.ask(RouteNetlinkMessage::DelLink(request), 0).is_ok() {
            for (name, _) in removals {
                self.held.remove(&name);
                self.ours.remove(&name);
                report.removed.push(name);
            }
        }
    }

    fn carry_out(&mut self, operation: &DeviceOperation, wanted: &DeviceLevel, report: &mut DeviceReport) {
        match operation {
            DeviceOperation::Remove { name } => {
                let Some(held) = self.held.get(name) else { return };
                match self.ask(RouteNetlinkMessage::DelLink(message(held.index)), 0) {
                    // Gone already, perhaps with its parent.
                    Ok(()) | Err(Refusal { code: libc::ENODEV, .. }) => {
                        self.held.remove(name);
                        self.ours.remove(name);
                        report.removed.push(name.clone());
                    }
                    Err(refusal) => {
                        report.fail(name, format!("cannot be removed: {}", refusal.in_words()));
                    }
                }
            }
            DeviceOperation::Create { name, parent } => {
                let Some(device) = wanted.get(name) else { return };
                match self.ask(create(name, *parent, device), NLM_F_CREATE | NLM_F_EXCL) {
                    Ok(()) => {
                        self.ours.insert(name.clone());
                        report.made.push(name.clone());
                        // Without IPv6 in the kernel there is nothing to switch off.
                        let _ = self.ask(without_own_address(name), 0);
                        self.notify(device);
                    }
                    Err(refusal) => report.fail(name, cannot_make(device, &refusal)),
                }
            }
            DeviceOperation::Mend { name } => {
                let (Some(device), Some(held)) = (wanted.get(name), self.held.get(name)) else { return };
                let mut request = message(held.index);
                request.attributes.extend(device.kind.mac().map(|mac| LinkAttribute::Address(mac.to_vec())));
                request.attributes.extend(device.group.map(LinkAttribute::Group));
                if let Err(refusal) = self.ask(RouteNetlinkMessage::SetLink(request), 0) {
                    report.fail(name, format!("cannot be changed: {}", refusal.in_words()));
                }
            }
            DeviceOperation::Raise { name } => {
                let Some(held) = self.held.get_mut(name) else { return };
                let mut request = message(held.index);
                request.header.flags = LinkFlags::Up;
                request.header.change_mask = LinkFlags::Up;
                held.up = true;
                if let Err(refusal) = self.ask(RouteNetlinkMessage::SetLink(request), 0) {
                    report.fail(name, format!("cannot be switched on: {}", refusal.in_words()));
                }
            }
            DeviceOperation::Refuse { name } => {
                if let Some(device) = wanted.get(name) {
                    report.fail(name, taken(name, device));
                }
            }
        }
    }

    /// Has the kernel tell everybody about the interface below, by giving it the group that it has.
    fn notify(&mut self, device: &Device) {
        let Some(parent) = self.held.get(&device.parent).filter(|_| device.notify) else { return };
        let mut request = message(parent.index);
        request.attributes.push(LinkAttribute::Group(parent.group));
        let _ = self.ask(RouteNetlinkMessage::SetLink(request), 0);
    }

    /// Gives interfaces the addresses that they have in every state, and takes off those that they had earlier.
    fn give_addresses(&mut self, wanted: &DeviceLevel, report: &mut DeviceReport) {
        let rows = match self.kernel.addresses() {
            Ok(rows) => rows,
            Err(error) => {
                let text = format!("the kernel's addresses cannot be read: {error}");
                report.failures.extend(wanted.keys().map(|name| (name.clone(), text.clone())));
                return;
            }
        };
        let level: BTreeSet<(String, IpAddr, u8)> = wanted
            .iter()
            .flat_map(|(name, device)| {
                device.addresses.iter().map(move |(address, prefix)| (name.clone(), *address, *prefix))
            })
            .collect();
        for own in self.addresses.difference(&level).cloned().collect::<Vec<_>>() {
            if let Some(held) = self.held.get(&own.0).filter(|held| holds(&rows, held.index, &own)) {
                let _ = self.ask(RouteNetlinkMessage::DelAddress(address(held.index, own.1, own.2)), 0);
            }
            self.addresses.remove(&own);
        }
        for own in level {
            let Some(held) = self.held.get(&own.0) else { continue };
            let index = held.index;
            if !holds(&rows, index, &own) {
                let request = RouteNetlinkMessage::NewAddress(address(index, own.1, own.2));
                match self.ask(request, NLM_F_CREATE | NLM_F_EXCL) {
                    Ok(()) | Err(Refusal { code: libc::EEXIST, .. }) => {}
                    Err(refusal) => {
                        let text = format!("cannot be given the address {}: {}", own.1, refusal.in_words());
                        report.fail(&own.0, text);
                        continue;
                    }
                }
            }
            self.addresses.insert(own);
        }
    }

    fn ask(&mut self, request: RouteNetlinkMessage, flags: u16) -> Result<(), Refusal> {
        match self.kernel.transact(vec![(request, flags)]) {
            Ok(mut answers) => answers.pop().unwrap_or(Ok(())),
            Err(error) => Err(Refusal { code: error.raw_os_error().unwrap_or(libc::EIO), text: None }),
        }
    }
}

impl DeviceReport {
    fn fail(&mut self, name: &str, why: String) {
        self.failures.push((name.to_owned(), why));
    }
}

fn is_raise(operation: &DeviceOperation) -> bool {
    matches!(operation, DeviceOperation::Raise { .. })
}

fn holds(rows: &[AddressRow], index: u32, own: &(String, IpAddr, u8)) -> bool {
    rows.iter().any(|row| row.index == index && row.address == own.1 && row.prefix == own.2)
}

fn message(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

/// Has an interface make up no IPv6 address of its own: nothing says who it is but the virtual router's addresses.
fn without_own_address(name: &str) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    let mode = AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)]);
    message.attributes =
        vec![LinkAttribute::IfName(name.to_owned()), LinkAttribute::AfSpecUnspec(vec![mode])];
    RouteNetlinkMessage::SetLink(message)
}

/// The request that makes an interface.
fn create(name: &str, parent: u32, device: &Device) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    let (kind, data) = match device.kind {
        DeviceKind::Macvlan(_) => {
            (InfoKind::MacVlan, InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)]))
        }
        DeviceKind::Ipvlan(flag) => {
            let flags = match flag {
                IpvlanFlag::Bridge => IpVlanFlags::empty(),
                IpvlanFlag::Private => IpVlanFlags::Private,
                IpvlanFlag::Vepa => IpVlanFlags::Vepa,
            };
            let data = vec![InfoIpVlan::Mode(IpVlanMode::L2), InfoIpVlan::Flags(flags)];
            (InfoKind::IpVlan, InfoData::IpVlan(data))
        }
    };
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Link(parent),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]),
    ];
    message.attributes.extend(device.kind.mac().map(|mac| LinkAttribute::Address(mac.to_vec())));
    message.attributes.extend(device.group.map(LinkAttribute::Group));
    RouteNetlinkMessage::NewLink(message)
}

fn address(index: u32, own: IpAddr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = if own.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.prefix_len = prefix;
    message.header.index = index;
    message.attributes.push(AddressAttribute::Local(own));
    message.attributes.push(AddressAttribute::Address(own));
    if own.is_ipv6() {
        let mut lifetimes = CacheInfo::default();
        lifetimes.ifa_valid = FOREVER;
        lifetimes.ifa_preferred = 0;
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
    }
    message
}

/// Why an interface could not be made, and what helps.
fn cannot_make(device: &Device, refusal: &Refusal) -> String {
    let kind = match device.kind {
        DeviceKind::Macvlan(_) => "macvlan",
        DeviceKind::Ipvlan(_) => "ipvlan",
    };
    let advice = match refusal.code {
        libc::EOPNOTSUPP => format!(": the kernel has no {kind}; try `modprobe {kind}`"),
        libc::EBUSY => format!(": {} does not take {kind} interfaces beside what it carries", device.parent),
        libc::EADDRINUSE => format!(": {} carries another interface with this MAC address", device.parent),
        _ => String::new(),
    };
    format!("cannot be made as {kind} on {}: {}{advice}", device.parent, refusal.in_words())
}

/// What to say when somebody else's interface has the name.
fn taken(name: &str, device: &Device) -> String {
    let what = match device.kind.mac() {
        Some(mac) => {
            let [a, b, c, d, e, f] = mac;
            format!(
                "a private macvlan on {} with the MAC address {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}",
                device.parent
            )
        }
        None => format!("such an ipvlan on {}", device.parent),
    };
    format!(
        "is there already and is not {what}: remove it (`ip link delete {name}`), or give the instance's interface \
         another name in the configuration"
    )
}

fn read(kernel: &mut Netlink) -> io::Result<HeldDevices> {
    let mut request = LinkMessage::default();
    request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    Ok(kernel.dump(RouteNetlinkMessage::GetLink(request), RTM_NEWLINK, row)?.into_iter().collect())
}

fn row(payload: &[u8]) -> Option<(String, HeldDevice)> {
    let header = LinkHeader::parse(payload).ok()?;
    let number = |value: &[u8]| value.try_into().map(u32::from_ne_bytes).ok();
    let mut name = None;
    let mut device = HeldDevice {
        index: header.index,
        up: header.flags.contains(LinkFlags::Up),
        parent: None,
        mac: None,
        group: 0,
        form: Form::Other,
    };
    for attribute in attributes(payload.get(LINK_HEADER..)?) {
        let value = attribute.value();
        match attribute.kind() {
            IFLA_IFNAME => name = Some(text_of(value)),
            IFLA_ADDRESS => device.mac = value.try_into().ok(),
            IFLA_LINK => device.parent = number(value),
            IFLA_GROUP => device.group = number(value).unwrap_or(0),
            IFLA_LINKINFO => device.form = form(value),
            _ => {}
        }
    }
    Some((name?, device))
}

fn form(info: &[u8]) -> Form {
    let (mut kind, mut mode, mut flags) = (String::new(), None, 0);
    for attribute in attributes(info) {
        match attribute.kind() {
            IFLA_INFO_KIND => kind = text_of(attribute.value()),
            IFLA_INFO_DATA => {
                for attribute in attributes(attribute.value()) {
                    let value = attribute.value();
                    match attribute.kind() {
                        IFLA_MACVLAN_MODE if value.len() == 4 => {
                            mode = value.try_into().map(u32::from_ne_bytes).ok();
                        }
                        IFLA_IPVLAN_MODE => {
                            mode = value.try_into().map(|mode| u32::from(u16::from_ne_bytes(mode))).ok();
                        }
                        IFLA_IPVLAN_FLAGS => flags = value.try_into().map(u16::from_ne_bytes).unwrap_or(0),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    match (kind.as_str(), mode, flags) {
        ("macvlan", Some(MACVLAN_MODE_PRIVATE), _) => Form::PrivateMacvlan,
        ("ipvlan", Some(mode), 0) if mode == u32::from(IPVLAN_MODE_L2) => Form::Ipvlan(IpvlanFlag::Bridge),
        ("ipvlan", Some(mode), 1) if mode == u32::from(IPVLAN_MODE_L2) => Form::Ipvlan(IpvlanFlag::Private),
        ("ipvlan", Some(mode), 2) if mode == u32::from(IPVLAN_MODE_L2) => Form::Ipvlan(IpvlanFlag::Vepa),
        _ => Form::Other,
    }
}

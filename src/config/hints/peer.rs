//! Two directors that should agree: their files side by side.
//!
//! Instances belong together by name, else by VRID. Each complaint stands at its place in the first file and names the
//! place in the other.

use std::collections::BTreeSet;
use std::net::IpAddr;

use vrrp::Version;

use super::priority::{counting, groups};
use super::seconds;
use super::takeover::takeover;
use crate::config::complaint::{Code, Complaint, Complaints, Severity};
use crate::config::{Config, Group, Instance, Reading, Thing, Tracks, Transport};

/// Everything in which the file of the other director does not fit to this one, by the file that it is about: first
/// this one, then the other. Nothing if one of them has errors.
pub fn compare(here: &Reading, there: &Reading) -> [Vec<Complaint>; 2] {
    let (Some(ours), Some(theirs)) = (&here.config, &there.config) else { return Default::default() };
    let mut complaints = Complaints::default();
    let (our_groups, their_groups) = (groups(ours), groups(theirs));
    let group_of = |name: &str, other: &str| {
        let (ours, theirs) = (our_groups.get(name), their_groups.get(other));
        [ours.map(|(_, group)| *group), theirs.map(|(_, group)| *group)]
    };
    for (name, instance) in &ours.instances {
        let Some((other_name, other)) = counterpart(name, instance, theirs) else {
            missing(here, name, instance, &mut complaints);
            continue;
        };
        let groups = group_of(name, other_name);
        let mut pair =
            Pair { here, there, name, instance, other_name, other, groups, complaints: &mut complaints };
        for question in QUESTIONS {
            question(&mut pair);
        }
    }
    let mut beyond = Complaints::default();
    for (name, instance) in &ours.instances {
        // What a failure there comes to is told there.
        let Some((other_name, other)) = counterpart(name, instance, theirs) else { continue };
        let [ours, theirs] = group_of(name, other_name);
        let (here, there, groups) = (there, here, [theirs, ours]);
        let (name, other_name, instance, other) = (other_name, name, other, instance.as_ref());
        takeover(&mut Pair {
            here,
            there,
            name,
            instance,
            other_name,
            other,
            groups,
            complaints: &mut beyond,
        });
    }
    for (name, instance) in &theirs.instances {
        if !ours.instances.iter().any(|(own, mine)| {
            counterpart(own, mine, theirs).is_some_and(|(other, _)| other == name.as_str())
        }) {
            missing(there, name, instance, &mut beyond);
        }
    }
    [complaints.finish(&here.sources), beyond.finish(&there.sources)]
}

/// One function for each thing that must fit.
const QUESTIONS: &[fn(&mut Pair<'_>)] =
    &[vrid, version, interval, auth, addresses, transport, heard, priority, nopreempt, takeover];

pub(super) struct Pair<'a> {
    here: &'a Reading,
    there: &'a Reading,
    name: &'a str,
    pub instance: &'a Instance,
    other_name: &'a str,
    pub other: &'a Instance,
    /// The groups that the two belong to.
    groups: [Option<&'a Group>; 2],
    complaints: &'a mut Complaints,
}

fn counterpart<'a>(name: &str, instance: &Instance, theirs: &'a Config) -> Option<(&'a str, &'a Instance)> {
    let by_vrid = || theirs.instances.iter().find(|(_, other)| other.router.vrid == instance.router.vrid);
    let found = theirs.instances.get_key_value(name).or_else(by_vrid);
    found.map(|(name, instance)| (name.as_str(), instance.as_ref()))
}

fn missing(reading: &Reading, name: &str, instance: &Instance, complaints: &mut Complaints) {
    let span = reading.spans.of(&Thing::Instance(name.to_owned()));
    let vrid = instance.router.vrid;
    let message = format!("the other director has no instance `{name}`, and none with VRID {vrid}");
    complaints.warning(Code::PeerMissing, span, message);
}

impl Pair<'_> {
    /// What counts for the priorities, here and there.
    pub fn tracks(&self) -> [Tracks; 2] {
        let [here, there] = self.groups;
        [counting(self.instance, here), counting(self.other, there)]
    }

    /// Tells of two values that should fit.
    fn tell(&mut self, severity: Severity, code: Code, keyword: &str, message: &str, suggestion: &str) {
        self.tell_of(severity, code, [keyword; 2], message, suggestion);
    }

    /// The same of two keywords, one here and one there.
    pub fn tell_of(
        &mut self,
        severity: Severity,
        code: Code,
        [ours, theirs]: [&str; 2],
        message: &str,
        suggestion: &str,
    ) {
        let span = self.here.spans.at(&Thing::Instance(self.name.to_owned()), ours);
        let other = self.there.spans.at(&Thing::Instance(self.other_name.to_owned()), theirs);
        let file = self.there.sources.name(other.file);
        let message = format!("{message} ({file}:{}:{})", other.line, other.column);
        self.complaints.push(severity, code, span, message, Some(suggestion.to_owned()));
    }

    fn differs(&mut self, keyword: &str, message: &str, suggestion: &str) {
        self.tell(Severity::Warning, Code::PeerDiffers, keyword, message, suggestion);
    }
}

fn vrid(pair: &mut Pair<'_>) {
    let (ours, theirs) = (pair.instance.router.vrid, pair.other.router.vrid);
    if ours != theirs {
        let message = format!("VRID {ours} here, {theirs} there: the two do not hear each other");
        pair.differs("virtual_router_id", &message, "give both the same number");
    }
}

fn version(pair: &mut Pair<'_>) {
    let number = |instance: &Instance| if instance.router.version == Version::V2 { 2 } else { 3 };
    let (ours, theirs) = (number(pair.instance), number(pair.other));
    if ours != theirs {
        let message = format!("version {ours} here, {theirs} there: the two do not understand each other");
        pair.differs("version", &message, "say the same `version` on both");
    }
}

/// In version 2 an advert with another interval is dropped; in version 3 a backup follows the master.
fn interval(pair: &mut Pair<'_>) {
    let (ours, theirs) = (&pair.instance.router, &pair.other.router);
    if ours.interval == theirs.interval || ours.version != theirs.version {
        return;
    }
    let message =
        format!("`advert_int` is {} here and {} there", seconds(ours.interval), seconds(theirs.interval));
    let suggestion = "say the same `advert_int` on both";
    if ours.version == Version::V2 {
        pair.differs("advert_int", &format!("{message}: in version 2 such adverts are dropped"), suggestion);
    } else {
        let message = format!("{message}: each master sends in its own rhythm");
        pair.tell(Severity::Hint, Code::PeerDiffers, "advert_int", &message, suggestion);
    }
}

fn auth(pair: &mut Pair<'_>) {
    if pair.instance.router.auth != pair.other.router.auth {
        let message = "authentication is not the same there: adverts of the other director are dropped";
        pair.differs("authentication", message, "give both the same block");
    }
}

fn addresses(pair: &mut Pair<'_>) {
    let set = |instance: &Instance| -> BTreeSet<IpAddr> {
        instance.addresses.iter().map(|address| address.address).collect()
    };
    let (ours, theirs) = (set(pair.instance), set(pair.other));
    let list = |lack: Vec<&IpAddr>| lack.into_iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
    let only_here = list(ours.difference(&theirs).collect());
    let only_there = list(theirs.difference(&ours).collect());
    let message = match (only_here.is_empty(), only_there.is_empty()) {
        (true, true) => return,
        (false, true) => format!("{only_here}: not among the addresses there"),
        (true, false) => format!("{only_there}: among the addresses there, not here"),
        (false, false) => format!("{only_here}: here only; {only_there}: there only"),
    };
    pair.differs("virtual_ipaddress", &message, "let both directors take over the same addresses");
}

fn transport(pair: &mut Pair<'_>) {
    let message = match (&pair.instance.transport, &pair.other.transport) {
        (Transport::Unicast(_), Transport::Multicast) => "adverts go to peers here and to the group there",
        (Transport::Multicast, Transport::Unicast(_)) => "adverts go to the group here and to peers there",
        _ => return,
    };
    pair.differs("unicast_peer", message, "name the peers on both directors, or on none");
}

/// Whether each is among the peers of the other, as far as its address is known.
fn heard(pair: &mut Pair<'_>) {
    let (Transport::Unicast(ours), Transport::Unicast(theirs)) =
        (&pair.instance.transport, &pair.other.transport)
    else {
        return;
    };
    let stranger = |source: Option<IpAddr>, peers: &[IpAddr]| source.filter(|source| !peers.contains(source));
    let unheard = [
        stranger(pair.instance.source, theirs).map(|own| format!("{own}, our address, is no peer there")),
        stranger(pair.other.source, ours)
            .map(|other| format!("{other}, the other's address, is no peer here")),
    ];
    for message in unheard.into_iter().flatten() {
        let message = format!("{message}: such adverts are dropped");
        pair.differs("unicast_peer", &message, "name each director among the peers of the other");
    }
}

fn priority(pair: &mut Pair<'_>) {
    let priority = pair.instance.router.priority;
    if priority == pair.other.router.priority {
        let message = format!("priority {priority} on both: the higher source address decides who is master");
        let suggestion = "give the preferred director a higher `priority`";
        pair.tell(Severity::Hint, Code::EqualPriority, "priority", &message, suggestion);
    }
}

/// `nopreempt` matters to the director with the higher priority; on the other one alone it changes nothing.
fn nopreempt(pair: &mut Pair<'_>) {
    let (ours, theirs) = (&pair.instance.router, &pair.other.router);
    let idle_here = !ours.preempt && theirs.preempt && ours.priority < theirs.priority;
    let idle_there = ours.preempt && !theirs.preempt && ours.priority > theirs.priority;
    if idle_here || idle_there {
        let (higher, lower) = (ours.priority.max(theirs.priority), ours.priority.min(theirs.priority));
        let message = format!(
            "`nopreempt` stands only where priority is {lower}: the director with {higher} takes over when it returns"
        );
        let suggestion = "say `nopreempt` on both, or on none";
        pair.tell(Severity::Hint, Code::IdleNopreempt, "nopreempt", &message, suggestion);
    }
}

//! `vrrp_instance`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use vrrp::{ChecksumForm, Protection, Secret};

use super::{Device, Hmac, Notify, Route, Rule, Tracks, VirtualAddress};

/// `vrrp_instance`: one virtual router that this director takes part in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `interface`: where adverts go.
    pub interface: String,
    /// The protocol's own settings: VRID, version, priority, timers, announcements, advertised addresses.
    pub router: vrrp::Settings,
    /// Adverts by multicast, or to named peers.
    pub transport: Transport,
    /// `mcast_src_ip` or `unicast_src_ip`. `None`: the interface's primary address.
    pub source: Option<IpAddr>,
    /// What is on the interface while master, in the file's order: first the addresses that are advertised, then
    /// those of `virtual_ipaddress_excluded`, all of one family.
    pub addresses: Vec<VirtualAddress>,
    /// Addresses of `virtual_ipaddress_excluded` that are of the other family.
    pub other_addresses: Vec<VirtualAddress>,
    /// What changes the priority, or is a fault.
    pub tracks: Tracks,
    /// How adverts are sent and judged, as written.
    pub adverts: AdvertOptions,
    /// The same with what `global_defs` and the manner of reading say.
    pub wire: Wire,
    /// `auth_type AH`, with its password.
    pub auth_header: Option<vrrp::Auth>,
    /// `auth_hmac`.
    pub hmac: Option<Hmac>,
    /// Whether transitions are mailed (`smtp_alert`); on unless switched off, when mail is configured at all.
    pub alert: bool,
    /// `garp_extra_if`. `None`: as `vrrp_garp_extra_if`.
    pub extra_garp: Option<ExtraGarp>,
    /// `lvs_sync_daemon_interface`: the older way to say `lvs_sync_daemon` for this instance.
    pub sync_interface: Option<String>,
    /// Commands that hear of changes of state.
    pub notify: Notify,
    /// `use_vmac`, `use_ipvlan`: what the addresses are put on.
    pub device: Device,
    /// How the router behaves, as written; most of what works of it is in the router's settings.
    pub conduct: Conduct,
    /// `virtual_routes`: there while master.
    pub routes: Vec<Route>,
    /// `virtual_rules`: there while master.
    pub rules: Vec<Rule>,
}

impl Instance {
    /// Whether it is a router of IPv6: the family of the addresses decides, without any that of source and peers.
    pub fn is_ipv6(&self) -> bool {
        let peer = || match &self.transport {
            Transport::Unicast(peers) => peers.first().copied(),
            Transport::Multicast => None,
        };
        let first = self.router.addresses.first().copied();
        first.or(self.source).or_else(peer).is_some_and(|address| address.is_ipv6())
    }

    /// How adverts are proven.
    pub fn protection(&self) -> Protection {
        match (&self.auth_header, &self.hmac) {
            (Some(vrrp::Auth::Password(password)), _) => Protection::Header(Secret::new(password.to_vec())),
            (_, Some(hmac)) => Protection::Hmac(hmac.settings(self.router.interval)),
            _ => Protection::None,
        }
    }

    /// The least and the most that the time to live of a unicast advert from here may be.
    pub fn ttl_of(&self, source: IpAddr) -> (u8, u8) {
        match self.adverts.peer_ttl.get(&source) {
            Some(TtlLimits { min, max }) => (min.unwrap_or(0), max.unwrap_or(255)),
            None => (self.wire.min_ttl, 255),
        }
    }

    /// How the checksum of an advert is made; `old` if a peer still makes it as keepalived before 1.3.7 did.
    pub fn checksum(&self, old: bool) -> ChecksumForm {
        let unicast = matches!(self.transport, Transport::Unicast(_));
        match self.adverts.old_checksum {
            _ if self.wire.plain_checksum => ChecksumForm::Plain,
            OldChecksum::Old if unicast => ChecksumForm::OldUnicast,
            OldChecksum::Auto if unicast && old => ChecksumForm::OldUnicast,
            _ => ChecksumForm::Usual,
        }
    }

    /// Every address that is on an interface while this director is master, of either family.
    pub fn all_addresses(&self) -> impl Iterator<Item = &VirtualAddress> {
        self.addresses.iter().chain(&self.other_addresses)
    }
}

/// How adverts travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// To the group 224.0.0.18 or ff02::12 (RFC 9568 sections 5.1.1.2 and 5.1.2.2).
    Multicast,
    /// To each of `unicast_peer`.
    Unicast(Vec<IpAddr>),
}

/// How adverts are sent and judged, where that differs from the usual.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvertOptions {
    /// `mcast_dst_ip`. `None`: as `vrrp_mcast_group4` or `vrrp_mcast_group6`.
    pub group: Option<IpAddr>,
    /// `unicast_ttl`, 0..=255.
    pub ttl: Option<u8>,
    /// `min_ttl` and `max_ttl` of peers that have them.
    pub peer_ttl: BTreeMap<IpAddr, TtlLimits>,
    /// `check_unicast_src`: drop adverts from addresses that are no peers.
    pub check_source: bool,
    /// `skip_check_adv_addr`. `None`: as `vrrp_skip_check_adv_addr`.
    pub skip_address_check: Option<bool>,
    /// `old_unicast_checksum`: the checksum of versions before 1.3.7.
    pub old_checksum: OldChecksum,
    /// `v3_checksum_as_v2`: without the pseudo-header. `None`: as in `global_defs`.
    pub v3_checksum_as_v2: Option<bool>,
    /// `track_src_ip`: losing the source address is a fault.
    pub track_source: bool,
    /// `unicast_fault_no_peer`: having no peers is a fault.
    pub fault_without_peers: bool,
    /// `vrf`: the routing domain; adverts to peers go by it. An interface that is enslaved to one needs no word.
    pub vrf: Option<String>,
}

/// How adverts are sent and judged, with everything taken in that holds for all instances. It follows from what is
/// written and is not written itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// Another group than the usual one.
    pub group: Option<IpAddr>,
    /// Time to live of our adverts.
    pub ttl: u8,
    /// Only peers may speak to a unicast instance. keepalived by default lets anybody.
    pub only_peers: bool,
    /// The least time to live of a unicast advert from a peer without limits of its own. keepalived by default does
    /// not look at it.
    pub min_ttl: u8,
    /// Version 3 over IPv4: the checksum goes without the pseudo-header.
    pub plain_checksum: bool,
}

/// `min_ttl` and `max_ttl` of a peer: adverts with another time to live are dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtlLimits {
    /// At least this, 0..=255.
    pub min: Option<u8>,
    /// At most this, 0..=255.
    pub max: Option<u8>,
}

/// `old_unicast_checksum`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OldChecksum {
    /// Found out by listening.
    #[default]
    Auto,
    /// The old one.
    Old,
    /// `never`: always the right one.
    Never,
}

/// How the router behaves, where that differs from the usual. `None`: as `global_defs` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conduct {
    /// `strict_mode`.
    pub strict: Option<bool>,
    /// `accept`, or not with `no_accept`. `None`: yes, unless the mode is strict.
    pub accept: Option<bool>,
    /// `owner_ignore_adverts`.
    pub owner_ignores: Option<bool>,
    /// `timer_expired_backup`, 1..=254: the priority to fall back to.
    pub expired_backup: Option<u8>,
    /// `dont_track_primary`: that the interface is down is no fault.
    pub ignore_interface: bool,
    /// `use_vmac_addr`: addresses on other interfaces get one with a virtual MAC address too.
    pub vmac_everywhere: bool,
    /// `promote_secondaries`, which is in effect.
    pub promote_secondaries: bool,
}

/// `garp_extra_if`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraGarp {
    /// Seconds, 0..=86400; 0 is never.
    pub every: u32,
    /// `all`: on all other interfaces, not only on those with a virtual MAC address.
    pub all: bool,
}

impl ExtraGarp {
    /// The time between two rounds; zero for none.
    pub fn period(self) -> Duration {
        Duration::from_secs(self.every.into())
    }
}

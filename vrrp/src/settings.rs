//! What the operator says about one virtual router.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::advert::{PRIORITY_OWNER, Version, representable};
use crate::auth::Auth;

/// Settings of one virtual router (`vrrp_instance`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `virtual_router_id`, 1..=255. This is the router's identity: another VRID is another router.
    pub vrid: u8,
    /// `version`.
    pub version: Version,
    /// `priority`, 1..=255; 255 is the owner of the addresses.
    pub priority: u8,
    /// `state`: how to begin, not a role.
    pub wish: Role,
    /// `advert_int`. Version 2: 1..=255 whole seconds; version 3: 10 ms..=40.95 s.
    pub interval: Duration,
    /// Whether to take over from a working master of lower priority (not `nopreempt`).
    pub preempt: bool,
    /// `preempt_delay`, 0..=1000 s: how long such a master is tolerated at first.
    pub preempt_delay: Duration,
    /// `down_timer_adverts`, 1..=100: adverts missed before a backup takes over.
    pub down_timer_adverts: u8,
    /// `authentication`, version 2 only.
    pub auth: Auth,
    /// The addresses that are advertised, in order, all of one family.
    pub addresses: Vec<IpAddr>,
    /// When to tell the neighbours where the addresses are.
    pub announce: AnnounceSettings,
    /// `lower_prio_no_advert`: as master, do not answer an advert of lower priority.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`: as master, send one last advert before yielding.
    pub higher_prio_send_advert: bool,
    /// `owner_ignore_adverts`: the owner listens to nobody.
    pub owner_ignores: bool,
    /// `timer_expired_backup`, 1..=254: a master with `nopreempt` that was held up for so long that a backup of this
    /// priority took over becomes backup, even if it hears nobody.
    pub expired_backup: Option<u8>,
}

/// `state`: how a router wishes to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Wait one interval only; the owner does not wait at all.
    Master,
    /// Wait as long as for a master that fell silent.
    Backup,
}

/// When gratuitous ARP or unsolicited neighbour adverts are sent. A burst is `repeat` messages per
/// address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnounceSettings {
    /// `garp_master_repeat`: size of a burst, default 5.
    pub repeat: u32,
    /// `garp_master_delay`: second burst this long after the first, default 5 s, zero for none.
    pub delay: Duration,
    /// `garp_master_refresh`: repeated while master; default never.
    pub refresh: Option<Duration>,
    /// `garp_master_refresh_repeat`: size of a refresh burst, default 1.
    pub refresh_repeat: u32,
    /// `garp_lower_prio_delay`: second burst after another master was heard, default 5 s.
    pub lower_delay: Duration,
    /// `garp_lower_prio_repeat`: size of the bursts after another master was heard, default 5.
    pub lower_repeat: u32,
    /// `garp_extra_if`: repeated while master on the interfaces that the router does not live on; default never.
    pub elsewhere: Option<Duration>,
}

impl Settings {
    /// keepalived's defaults: version 2, priority 100, one second, preemption.
    pub fn new(vrid: u8, addresses: Vec<IpAddr>) -> Settings {
        Settings {
            vrid,
            version: Version::V2,
            priority: 100,
            wish: Role::Backup,
            interval: Duration::from_secs(1),
            preempt: true,
            preempt_delay: Duration::ZERO,
            down_timer_adverts: 3,
            auth: Auth::None,
            addresses,
            announce: AnnounceSettings::default(),
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            owner_ignores: false,
            expired_backup: None,
        }
    }

    /// The same settings with every value inside its range: what is out of range is brought to the
    /// nearest value that is not, intervals are what the version can say, and only the addresses that
    /// an advert can carry remain. The configuration complains first; this keeps arithmetic safe.
    #[must_use]
    pub fn normalized(mut self) -> Settings {
        self.priority = self.priority.max(1);
        self.interval = representable(self.version, self.interval);
        self.preempt_delay = self.preempt_delay.min(LONGEST);
        self.down_timer_adverts = self.down_timer_adverts.clamp(1, 100);
        if let Some(v4) = self.addresses.first().map(IpAddr::is_ipv4) {
            self.addresses.retain(|address| address.is_ipv4() == v4);
        }
        self.addresses.truncate(255);
        self.announce.delay = self.announce.delay.min(LONGEST);
        self.announce.lower_delay = self.announce.lower_delay.min(LONGEST);
        let sensible = |every: &Option<Duration>| every.filter(|every| !every.is_zero());
        self.announce.refresh = sensible(&self.announce.refresh).map(|every| every.min(LONGEST));
        self.announce.elsewhere = sensible(&self.announce.elsewhere).map(|every| every.min(LONGEST));
        self
    }

    /// Whether this router owns the addresses.
    pub fn is_owner(&self) -> bool {
        self.priority == PRIORITY_OWNER
    }
}

/// No delay is longer than a day.
const LONGEST: Duration = Duration::from_secs(86_400);

impl Default for AnnounceSettings {
    fn default() -> AnnounceSettings {
        AnnounceSettings {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: None,
            refresh_repeat: 1,
            lower_delay: Duration::from_secs(5),
            lower_repeat: 5,
            elsewhere: None,
        }
    }
}

//! Keywords of `vrrp_instance` and `vrrp_sync_group`.

use super::Form::{Address, Block, Flag, Lines, OneOf, Seconds, Switch, Whole, Word, Words};
use super::Place::{AuthHmac, Authentication, Instance, SyncGroup};
use super::Status::{Accepted, NotYet, Obsolete, Refused, SameAs, Works};
use super::{ANY, Keyword, NOT_YET, SECOND, key};

const WIRE: &str = "adverts would look different from what the other directors expect";
const VIRTUAL_MAC: &str = "the interface's own MAC address is used";

#[rustfmt::skip]
pub(super) const TABLE: &[Keyword] = &[
    key("state", &[Instance], OneOf(&["MASTER", "BACKUP"]), Works, "How to begin: as if master, or as a backup. A wish, not a role.").by_default("MASTER with priority 255, else BACKUP"),
    key("interface", &[Instance], Word("an interface"), Works, "The interface that adverts go through.").by_default("as `default_interface`"),
    key("virtual_router_id", &[Instance], Whole(1, 255), Works, "The number that the directors of one virtual router share."),
    key("priority", &[Instance], Whole(1, 255), Works, "The highest one is master; 100 by default, 255 for the owner of the addresses.").by_default("100; with `state MASTER` 255"),
    key("version", &[Instance], Whole(2, 3), Works, "Version of the protocol.").by_default("as `vrrp_version`"),
    key("advert_int", &[Instance], Seconds(10_000, 255 * SECOND), Works, "Time between two adverts.").by_default("1"),
    key("nopreempt", &[Instance], Flag, Works, "Do not take over from a working master of lower priority.").by_default("off"),
    key("preempt", &[Instance], Flag, Works, "Take over from a master of lower priority; this is the default.").by_default("on"),
    key("preempt_delay", &[Instance], Seconds(0, 1_000 * SECOND), Works, "How long to wait before taking over from a master of lower priority.").by_default("0"),
    key("timer_expired_backup", &[Instance], Words("[PRIORITY]"), NOT_YET, "Fall back after the process was held up for long.").by_default("off; without a number 254").since("2.2.8"),
    key("thread_timer_expired", &[Instance], Words("[PRIORITY]"), SameAs("timer_expired_backup"), "Other name of `timer_expired_backup`.").by_default("off; without a number 254").since("2.2.8"),
    key("down_timer_adverts", &[Instance], Whole(1, 100), Works, "Adverts that may be missed before a backup takes over.").by_default("as `vrrp_down_timer_adverts`"),
    key("accept", &[Instance], Switch, Accepted("virtual addresses always answer"), "The virtual addresses answer, though they are not our own.").by_default("on"),
    key("no_accept", &[Instance], Switch, NotYet("virtual addresses do answer"), "The virtual addresses do not answer unless they are our own.").by_default("off"),
    key("strict_mode", &[Instance], Switch, NotYet("the RFC's rules are not enforced"), "Keep strictly to the RFC.").by_default("as `vrrp_strict`"),
    key("owner_ignore_adverts", &[Instance], Switch, NOT_YET, "The owner of the addresses listens to nobody.").by_default("as `vrrp_owner_ignore_adverts`").since("2.3.3"),
    key("lower_prio_no_advert", &[Instance], Switch, Works, "As master, do not answer an advert of lower priority.").by_default("as `vrrp_lower_prio_no_advert`"),
    key("higher_prio_send_advert", &[Instance], Switch, Works, "As master, send one last advert before yielding.").by_default("as `vrrp_higher_prio_send_advert`"),
    key("skip_check_adv_addr", &[Instance], Switch, Accepted("another address list in an advert is told, and does not make it invalid"), "Compare the addresses in adverts less often.").by_default("as `vrrp_skip_check_adv_addr`"),

    key("unicast_src_ip", &[Instance], Address, Works, "The address that adverts to peers come from.").by_default("the interface's primary address"),
    key("mcast_src_ip", &[Instance], Address, Works, "The address that adverts to the group come from.").by_default("the interface's primary address"),
    key("track_src_ip", &[Instance], Flag, NOT_YET, "Losing that address is a fault.").by_default("off"),
    key("unicast_peer", &[Instance], Lines("", "ADDRESS [min_ttl NUMBER] [max_ttl NUMBER]"), Works, "The directors that adverts are sent to, instead of the group."),
    key("unicast_fault_no_peer", &[Instance], Flag, NOT_YET, "Having no peers is a fault.").by_default("off"),
    key("unicast_ttl", &[Instance], Whole(0, 255), NotYet("adverts are sent with 255"), "Time to live of adverts to peers.").by_default("255"),
    key("check_unicast_src", &[Instance], Flag, Accepted("adverts to peers are taken from peers only"), "Drop adverts from addresses that are no peers.").by_default("as `vrrp_check_unicast_src`"),
    key("old_unicast_checksum", &[Instance], Words("[never]"), Refused(WIRE), "The checksum of very old versions.").by_default("found out"),
    key("v3_checksum_as_v2", &[Instance], Switch, Refused(WIRE), "Version 3 checksum without the pseudo-header.").by_default("as in `global_defs`").since("2.2.8"),
    key("mcast_dst_ip", &[Instance], Address, Refused(WIRE), "The group that adverts go to.").by_default("as `vrrp_mcast_group4`"),
    key("vrf", &[Instance], Word("an interface"), Refused("adverts would go elsewhere"), "The routing domain that adverts go through."),
    key("dont_track_primary", &[Instance], Flag, NotYet("a fault of the interface is a fault of the instance"), "A fault of the interface does not matter.").by_default("off"),
    key("use_vmac", &[Instance], Words("[NAME] [MAC] [OPTIONS]"), NotYet(VIRTUAL_MAC), "Put the addresses on an interface with the virtual router's MAC address.").by_default("named vrrp. and the VRID"),
    key("use_vmac_addr", &[Instance], Flag, NotYet(VIRTUAL_MAC), "Do that for addresses on other interfaces too.").by_default("off"),
    key("vmac_xmit_base", &[Instance], Flag, NotYet(VIRTUAL_MAC), "Send adverts through the interface below.").by_default("off"),
    key("use_ipvlan", &[Instance], Words("[NAME] [OPTIONS]"), NotYet("the addresses are put on the interface itself"), "Put the addresses on an ipvlan interface.").by_default("bridge"),
    key("promote_secondaries", &[Instance], Flag, NOT_YET, "Removing an address does not take others of its network along.").by_default("off"),
    key("kernel_rx_buf_size", &[Instance], Whole(0, ANY), Obsolete("buffers grow by themselves"), "Size of the receive buffer.").by_default("as `vrrp_rx_bufs_policy`"),
    key("native_ipv6", &[Instance], Flag, Obsolete("the family follows from the addresses"), "An instance of IPv6."),
    key("linkbeat_use_polling", &[Instance], Flag, Obsolete("the state of links is taken from the kernel's reports"), "Poll the link state.").by_default("off"),
    key("lvs_sync_daemon_interface", &[Instance], Word("an interface"), NotYet("connections are not synchronised"), "Older way to say `lvs_sync_daemon` of `global_defs` for this instance."),
    key("debug", &[Instance], Words("LEVEL"), Obsolete("logging is chosen on the command line"), "How much is logged."),

    key("authentication", &[Instance], Block("", Authentication), Works, "A password in each advert (version 2 only).").by_default("none"),
    key("auth_type", &[Authentication], OneOf(&["PASS", "AH"]), Works, "The kind of authentication; only PASS so far."),
    key("auth_pass", &[Authentication], Word("a password"), Works, "The password; its first eight characters count."),
    key("auth_hmac", &[Instance], Block("", AuthHmac), Refused("the other directors would drop our adverts"), "A signature on each advert.").by_default("none").since("2.4.0"),
    key("key", &[AuthHmac], Words("ID VALUE"), NOT_YET, "A key and its number.").since("2.4.0"),
    key("active_key", &[AuthHmac], Whole(1, 255), NOT_YET, "The key that we sign with.").by_default("the only key").since("2.4.0"),
    key("anti_replay", &[AuthHmac], OneOf(&["time", "monotonic"]), NOT_YET, "How repeated adverts are told.").by_default("time").since("2.4.0"),
    key("time_window", &[AuthHmac], Whole(1, 300), NOT_YET, "How old an advert may be, in seconds.").by_default("three advert intervals, at least 5").since("2.4.0"),
    key("mode", &[AuthHmac], OneOf(&["enforce", "permissive", "receive-only"]), NOT_YET, "What to do with unsigned adverts.").by_default("enforce").since("2.4.0"),

    key("virtual_ipaddress", &[Instance], Lines("", "addresses"), Works, "The addresses that move with the master."),
    key("virtual_ipaddress_excluded", &[Instance], Lines("", "addresses"), Works, "Addresses that move too and are not named in adverts."),
    key("no_virtual_ipaddress", &[Instance], Flag, Works, "The instance has no addresses, and that is meant.").by_default("off").since("2.2.8"),
    key("virtual_routes", &[Instance], Lines("", "routes"), NotYet("these routes are not set up"), "Routes that are there while master."),
    key("virtual_rules", &[Instance], Lines("", "routing rules"), NotYet("these rules are not set up"), "Routing rules that are there while master."),

    key("track_interface", &[Instance, SyncGroup], Lines("", "INTERFACE [weight NUMBER [reverse|noreverse]]"), Works, "Interfaces whose loss changes the priority or is a fault.").by_default("weight 0: a loss is a fault"),
    key("track_script", &[Instance, SyncGroup], Lines("", "NAME [weight NUMBER [reverse|noreverse]]"), NOT_YET, "Scripts whose failure changes the priority or is a fault.").by_default("the script's weight"),
    key("track_file", &[Instance, SyncGroup], Lines("", "NAME [weight NUMBER [reverse|noreverse]]"), Works, "Files whose number changes the priority.").by_default("the file's weight"),
    key("track_process", &[Instance, SyncGroup], Lines("", "NAME [weight NUMBER [reverse|noreverse]]"), Works, "Processes whose absence changes the priority or is a fault.").by_default("the process's weight"),
    key("track_bfd", &[Instance, SyncGroup], Lines("", "NAME [weight NUMBER [reverse|noreverse]]"), NOT_YET, "Neighbours whose loss changes the priority or is a fault.").by_default("the neighbour's weight"),

    key("garp_master_delay", &[Instance], Whole(0, 4_294), Works, "Seconds from becoming master to the second burst of gratuitous ARP; 0 for none.").by_default("as `vrrp_garp_master_delay`"),
    key("garp_master_repeat", &[Instance], Whole(1, 1_000), Works, "Messages in a burst.").by_default("as `vrrp_garp_master_repeat`"),
    key("garp_master_refresh", &[Instance], Whole(0, u32::MAX as i64), Works, "Seconds between refreshing bursts while master; 0 for none.").by_default("as `vrrp_garp_master_refresh`"),
    key("garp_master_refresh_repeat", &[Instance], Whole(1, 1_000), Works, "Messages in a refreshing burst.").by_default("as `vrrp_garp_master_refresh_repeat`"),
    key("garp_lower_prio_delay", &[Instance], Whole(0, 4_294), Works, "Seconds to the second burst after a lower priority was heard.").by_default("as `vrrp_garp_lower_prio_delay`"),
    key("garp_lower_prio_repeat", &[Instance], Whole(0, 1_000), Works, "Messages in a burst after a lower priority was heard.").by_default("as `vrrp_garp_lower_prio_repeat`"),
    key("garp_extra_if", &[Instance], Words("[all] SECONDS"), Works, "Regular messages on other interfaces as well.").by_default("as `vrrp_garp_extra_if`"),
    key("vmac_garp_intvl", &[Instance], Words("[all] SECONDS"), SameAs("garp_extra_if"), "Older name of `garp_extra_if`.").by_default("as `vrrp_garp_extra_if`"),

    key("group", &[SyncGroup], Lines("", "instances"), Works, "The instances of the group."),
    key("sync_group_tracking_weight", &[SyncGroup], Flag, Works, "Members may have weighted trackers.").by_default("off"),
    key("global_tracking", &[SyncGroup], Flag, Obsolete("it is deprecated"), "Members share their trackers.").by_default("off"),

    key("notify_master", &[Instance, SyncGroup], Words("COMMAND"), Works, "Run on becoming master."),
    key("notify_backup", &[Instance, SyncGroup], Words("COMMAND"), Works, "Run on becoming backup."),
    key("notify_fault", &[Instance, SyncGroup], Words("COMMAND"), Works, "Run on going to fault."),
    key("notify_stop", &[Instance, SyncGroup], Words("COMMAND"), Works, "Run at the end, which waits for it, up to 5 s."),
    key("notify", &[Instance, SyncGroup], Words("COMMAND"), Works, "Run at each change of state, with four more arguments: INSTANCE or GROUP, name, state, priority."),
    key("notify_master_rx_lower_pri", &[Instance], Words("COMMAND"), Works, "Run when, as master, a master of lower priority was heard, once for each such encounter."),
    key("notify_deleted", &[Instance], Words("[COMMAND]"), Works, "A reload that removes the instance is told as DELETED, not as FAULT, and this command is run.").by_default("off"),
    key("notify_priority_changes", &[Instance, SyncGroup], Switch, Works, "Tell readers of pipes of changes of priority too.").by_default("as `vrrp_notify_priority_changes`"),
    key("smtp_alert", &[Instance], Switch, Works, "Whether changes of state are mailed; yes by default, when mail is configured.").by_default("as `smtp_alert_vrrp`"),
    key("smtp_alert", &[SyncGroup], Switch, Works, "Whether changes of state of the group are mailed.").by_default("as `smtp_alert_vrrp`"),
];

//! Keywords of `vrrp_instance` and `vrrp_sync_group`.

use super::Form::{Address, Block, Flag, Lines, OneOf, Seconds, Switch, Whole, Word, Words};
use super::Place::{AuthHmac, Authentication, Instance, SyncGroup};
use super::Status::{Accepted, NotYet, Obsolete, Refused, SameAs, Works};
use super::{ANY, DAY, Keyword, NOT_YET, SECOND, key};

const WIRE: &str = "adverts would look different from what the other directors expect";
const NOT_RUN: &str = "the script is not run";
const VIRTUAL_MAC: &str = "the interface's own MAC address is used";

#[rustfmt::skip]
pub(super) const TABLE: &[Keyword] = &[
    key("state", &[Instance], OneOf(&["MASTER", "BACKUP"]), Works, "How to begin: as if master, or as a backup. A wish, not a role."),
    key("interface", &[Instance], Word("an interface"), Works, "The interface that adverts go through."),
    key("virtual_router_id", &[Instance], Whole(1, 255), Works, "The number that the directors of one virtual router share."),
    key("priority", &[Instance], Whole(1, 255), Works, "The highest one is master; 100 by default, 255 for the owner of the addresses."),
    key("version", &[Instance], Whole(2, 3), Works, "Version of the protocol."),
    key("advert_int", &[Instance], Seconds(10_000, 255 * SECOND), Works, "Time between two adverts; 1 s by default."),
    key("nopreempt", &[Instance], Flag, Works, "Do not take over from a working master of lower priority."),
    key("preempt", &[Instance], Flag, Works, "Take over from a master of lower priority; this is the default."),
    key("preempt_delay", &[Instance], Seconds(0, 1_000 * SECOND), Works, "How long to wait before taking over from a master of lower priority."),
    key("timer_expired_backup", &[Instance], Words("[PRIORITY]"), NOT_YET, "Fall back after the process was held up for long."),
    key("thread_timer_expired", &[Instance], Words("[PRIORITY]"), SameAs("timer_expired_backup"), "Other name of `timer_expired_backup`."),
    key("down_timer_adverts", &[Instance], Whole(1, 100), Works, "Adverts that may be missed before a backup takes over; 3 by default."),
    key("accept", &[Instance], Switch, Accepted("virtual addresses always answer"), "The virtual addresses answer, though they are not our own."),
    key("no_accept", &[Instance], Switch, NotYet("virtual addresses do answer"), "The virtual addresses do not answer unless they are our own."),
    key("strict_mode", &[Instance], Switch, NotYet("the RFC's rules are not enforced"), "Keep strictly to the RFC."),
    key("owner_ignore_adverts", &[Instance], Switch, NOT_YET, "The owner of the addresses listens to nobody."),
    key("lower_prio_no_advert", &[Instance], Switch, Works, "As master, do not answer an advert of lower priority."),
    key("higher_prio_send_advert", &[Instance], Switch, Works, "As master, send one last advert before yielding."),
    key("skip_check_adv_addr", &[Instance], Switch, Accepted("another address list in an advert is told, and does not make it invalid"), "Compare the addresses in adverts less often."),

    key("unicast_src_ip", &[Instance], Address, Works, "The address that adverts to peers come from."),
    key("mcast_src_ip", &[Instance], Address, Works, "The address that adverts to the group come from."),
    key("track_src_ip", &[Instance], Flag, NOT_YET, "Losing that address is a fault."),
    key("unicast_peer", &[Instance], Lines("", "ADDRESS [min_ttl NUMBER] [max_ttl NUMBER]"), Works, "The directors that adverts are sent to, instead of the group."),
    key("unicast_fault_no_peer", &[Instance], Flag, NOT_YET, "Having no peers is a fault."),
    key("unicast_ttl", &[Instance], Whole(0, 255), NotYet("adverts are sent with 255"), "Time to live of adverts to peers."),
    key("check_unicast_src", &[Instance], Flag, NOT_YET, "Drop adverts from addresses that are no peers."),
    key("old_unicast_checksum", &[Instance], Words("[never]"), Refused(WIRE), "The checksum of very old versions."),
    key("v3_checksum_as_v2", &[Instance], Switch, Refused(WIRE), "Version 3 checksum without the pseudo-header."),
    key("mcast_dst_ip", &[Instance], Address, Refused(WIRE), "The group that adverts go to."),
    key("vrf", &[Instance], Word("an interface"), Refused("adverts would go elsewhere"), "The routing domain that adverts go through."),
    key("dont_track_primary", &[Instance], Flag, NotYet("a fault of the interface is a fault of the instance"), "A fault of the interface does not matter."),
    key("use_vmac", &[Instance], Words("[NAME] [MAC] [OPTIONS]"), NotYet(VIRTUAL_MAC), "Put the addresses on an interface with the virtual router's MAC address."),
    key("use_vmac_addr", &[Instance], Flag, NotYet(VIRTUAL_MAC), "Do that for addresses on other interfaces too."),
    key("vmac_xmit_base", &[Instance], Flag, NotYet(VIRTUAL_MAC), "Send adverts through the interface below."),
    key("use_ipvlan", &[Instance], Words("[NAME] [OPTIONS]"), NotYet("the addresses are put on the interface itself"), "Put the addresses on an ipvlan interface."),
    key("promote_secondaries", &[Instance], Flag, NOT_YET, "Removing an address does not take others of its network along."),
    key("kernel_rx_buf_size", &[Instance], Whole(0, ANY), Obsolete("buffers grow by themselves"), "Size of the receive buffer."),
    key("native_ipv6", &[Instance], Flag, Obsolete("the family follows from the addresses"), "An instance of IPv6."),
    key("linkbeat_use_polling", &[Instance], Flag, Obsolete("the state of links is taken from the kernel's reports"), "Poll the link state."),
    key("lvs_sync_daemon_interface", &[Instance], Word("an interface"), Obsolete("its place is `lvs_sync_daemon` in `global_defs`"), "Interface of connection synchronisation."),
    key("debug", &[Instance], Words("[LEVEL]"), Obsolete("logging is chosen on the command line"), "How much is logged."),

    key("authentication", &[Instance], Block("", Authentication), Works, "A password in each advert (version 2 only)."),
    key("auth_type", &[Authentication], OneOf(&["PASS", "AH"]), Works, "The kind of authentication; only PASS so far."),
    key("auth_pass", &[Authentication], Word("a password"), Works, "The password; its first eight characters count."),
    key("auth_hmac", &[Instance], Block("", AuthHmac), Refused("the other directors would drop our adverts"), "A signature on each advert."),
    key("key", &[AuthHmac], Words("ID VALUE"), NOT_YET, "A key and its number."),
    key("active_key", &[AuthHmac], Whole(1, 255), NOT_YET, "The key that we sign with."),
    key("anti_replay", &[AuthHmac], OneOf(&["time", "monotonic"]), NOT_YET, "How repeated adverts are told."),
    key("time_window", &[AuthHmac], Whole(1, 300), NOT_YET, "How old an advert may be, in seconds."),
    key("mode", &[AuthHmac], OneOf(&["enforce", "permissive", "receive-only"]), NOT_YET, "What to do with unsigned adverts."),

    key("virtual_ipaddress", &[Instance], Lines("", "addresses"), Works, "The addresses that move with the master."),
    key("virtual_ipaddress_excluded", &[Instance], Lines("", "addresses"), Works, "Addresses that move too and are not named in adverts."),
    key("no_virtual_ipaddress", &[Instance], Flag, Works, "The instance has no addresses, and that is meant."),
    key("virtual_routes", &[Instance], Lines("", "routes"), NotYet("these routes are not set up"), "Routes that are there while master."),
    key("virtual_rules", &[Instance], Lines("", "routing rules"), NotYet("these rules are not set up"), "Routing rules that are there while master."),

    key("track_interface", &[Instance, SyncGroup], Lines("", "INTERFACE [weight NUMBER [reverse]]"), NOT_YET, "Interfaces whose loss changes the priority or is a fault."),
    key("track_script", &[Instance, SyncGroup], Lines("", "NAME [weight NUMBER [reverse]]"), NOT_YET, "Scripts whose failure changes the priority or is a fault."),
    key("track_file", &[Instance, SyncGroup], Lines("", "NAME [weight NUMBER [reverse]]"), NOT_YET, "Files whose number changes the priority."),
    key("track_process", &[Instance, SyncGroup], Lines("", "NAME [weight NUMBER [reverse]]"), NOT_YET, "Processes whose absence changes the priority or is a fault."),
    key("track_bfd", &[Instance, SyncGroup], Lines("", "NAME [weight NUMBER [reverse]]"), NOT_YET, "Neighbours whose loss changes the priority or is a fault."),

    key("garp_master_delay", &[Instance], Whole(0, DAY), Works, "Seconds from becoming master to the second burst of gratuitous ARP; 0 for none."),
    key("garp_master_repeat", &[Instance], Whole(1, 1_000), Works, "Messages in a burst."),
    key("garp_master_refresh", &[Instance], Whole(0, DAY), Works, "Seconds between refreshing bursts while master; 0 for none."),
    key("garp_master_refresh_repeat", &[Instance], Whole(1, 1_000), Works, "Messages in a refreshing burst."),
    key("garp_lower_prio_delay", &[Instance], Whole(0, DAY), Works, "Seconds to the second burst after a lower priority was heard."),
    key("garp_lower_prio_repeat", &[Instance], Whole(0, 1_000), Works, "Messages in a burst after a lower priority was heard."),
    key("garp_extra_if", &[Instance], Words("[all] SECONDS"), NOT_YET, "Regular messages on other interfaces as well."),
    key("vmac_garp_intvl", &[Instance], Words("[all] SECONDS"), SameAs("garp_extra_if"), "Older name of `garp_extra_if`."),

    key("group", &[SyncGroup], Lines("", "instances"), NOT_YET, "The instances of the group."),
    key("sync_group_tracking_weight", &[SyncGroup], Flag, NOT_YET, "Members may have weighted trackers."),
    key("global_tracking", &[SyncGroup], Flag, Obsolete("it is deprecated"), "Members share their trackers."),

    key("notify_master", &[Instance, SyncGroup], Words("COMMAND"), NotYet(NOT_RUN), "Run on becoming master."),
    key("notify_backup", &[Instance, SyncGroup], Words("COMMAND"), NotYet(NOT_RUN), "Run on becoming backup."),
    key("notify_fault", &[Instance, SyncGroup], Words("COMMAND"), NotYet(NOT_RUN), "Run on going to fault."),
    key("notify_stop", &[Instance, SyncGroup], Words("COMMAND"), NotYet(NOT_RUN), "Run at the end."),
    key("notify", &[Instance, SyncGroup], Words("COMMAND"), NotYet(NOT_RUN), "Run at each change of state."),
    key("notify_master_rx_lower_pri", &[Instance], Words("COMMAND"), NotYet(NOT_RUN), "Run when a master of lower priority was heard."),
    key("notify_deleted", &[Instance], Words("[COMMAND]"), NotYet(NOT_RUN), "Run when a reload removes the instance."),
    key("notify_priority_changes", &[Instance, SyncGroup], Switch, NOT_YET, "Tell changes of priority too."),
    key("smtp_alert", &[Instance], Switch, Works, "Whether changes of state are mailed; yes by default, when mail is configured."),
    key("smtp_alert", &[SyncGroup], Switch, NOT_YET, "Whether changes of state of the group are mailed."),
];

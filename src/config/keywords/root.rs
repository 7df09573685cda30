//! Keywords of the top level, and of the small blocks that have no file of their own.

use super::Form::{Block, Flag, Lines, OneOf, Seconds, Switch, Whole, Word, Words};
use super::Place::{Bfd, GarpGroup, Root, Script, Tls, TrackFile, TrackGroup, TrackProcess};
use super::Status::{NotYet, Obsolete, SameAs, Works};
use super::{ANY, DIRECTORD, Keyword, NOT_YET, Place, SECOND, key};

/// What 31 bits of microseconds hold.
const LONGEST: u64 = i32::MAX as u64;

#[rustfmt::skip]
pub(super) const TABLE: &[Keyword] = &[
    key("global_defs", &[Root], Block("", Place::Global), Works, "Settings of the daemon as a whole."),
    key("vrrp_instance", &[Root], Block("NAME", Place::Instance), Works, "One virtual router that this director takes part in."),
    key("vrrp_sync_group", &[Root], Block("NAME", Place::SyncGroup), Works, "Instances that change state together."),
    key("vrrp_script", &[Root], Block("NAME", Script), Works, "A command that is run regularly and lowers or raises priorities."),
    key("track_file", &[Root], Block("NAME", TrackFile), Works, "A file with a number that lowers or raises priorities or weights."),
    key("vrrp_track_file", &[Root], Block("NAME", TrackFile), SameAs("track_file"), "Older name of `track_file`."),
    key("vrrp_track_process", &[Root], Block("NAME", TrackProcess), Works, "Processes whose presence lowers or raises priorities."),
    key("bfd_instance", &[Root], Block("NAME", Bfd), Works, "A neighbour that is watched by bidirectional forwarding detection."),
    key("virtual_server", &[Root], Block("ADDRESS [PORT], fwmark NUMBER or group NAME", Place::VirtualServer), Works, "One service that clients use, and the servers behind it."),
    key("virtual_server_group", &[Root], Lines("NAME", "ADDRESS [PORT], ADDRESS-END [PORT], NETWORK/LENGTH [PORT] or fwmark NUMBER [inet|inet6]"), Works, "Several addresses that one virtual server serves."),
    key("SSL", &[Root], Block("", Tls), Works, "Key and certificates that TLS checks use."),
    key("static_ipaddress", &[Root], Lines("", "addresses"), Works, "Addresses that are there in every state."),
    key("static_routes", &[Root], Lines("", "routes"), Works, "Routes that are there in every state."),
    key("static_rules", &[Root], Lines("", "routing rules"), Works, "Routing rules that are there in every state."),
    key("track_group", &[Root], Block("NAME", TrackGroup), Works, "Instances that fail when a static address, route or rule is lost."),
    key("garp_group", &[Root], Block("", GarpGroup), Works, "Pace of gratuitous ARP on chosen interfaces."),
    key("linkbeat_interfaces", &[Root], Lines("", "INTERFACE [MII, ETHTOOL or IOCTL]"), Works, "Interfaces whose link state is polled."),
    key("linkbeat_use_polling", &[Root], Flag, Works, "Poll the link state of every interface.").by_default("off"),
    key("interface_up_down_delays", &[Root], Lines("", "INTERFACE DOWN [UP]"), Works, "How long a link must be up or down before it counts."),
    key("net_namespace", &[Root], Word("a network namespace"), Works, "The network namespace to run in: the daemon enters it at its start, and a reload cannot name another."),
    key("net_namespace_ipvs", &[Root], Words("[NAME]"), Works, "The network namespace whose IPVS table is used.").by_default("as `net_namespace`"),
    key("namespace_with_ipsets", &[Root], Flag, Obsolete("it concerns kernels before 3.13"), "Use ipsets in a namespace on very old kernels.").by_default("off"),
    key("instance", &[Root], Word("a name"), NotYet("use `--runtime-dir` to run several daemons side by side"), "Tells several daemons on one host apart."),
    key("use_pid_dir", &[Root], Flag, Obsolete("there are no process id files"), "Where process id files are put.").by_default("off"),
    key("child_wait_time", &[Root], Whole(0, u32::MAX as i64), Obsolete("there are no child processes"), "How long to wait for child processes at the end.").by_default("5"),

    key("script", &[Script], Words("COMMAND"), Works, "The command and its arguments."),
    key("interval", &[Script], Seconds(1_000, 4_294 * SECOND), Works, "Time between two runs.").by_default("1"),
    key("timeout", &[Script], Seconds(1_000, 4_294 * SECOND), Works, "How long a run may take.").by_default("as `interval`"),
    key("rise", &[Script], Whole(1, ANY), Works, "Successes in a row that count as up.").by_default("1"),
    key("fall", &[Script], Whole(1, ANY), Works, "Failures in a row that count as down.").by_default("1"),
    key("user", &[Script], Words("USER [[:]GROUP]"), Works, "Who runs the command.").by_default("as `script_user`"),
    key("init_fail", &[Script], Flag, Works, "Count as down until the first success.").by_default("off"),
    key("weight", &[Script], Words("NUMBER [reverse]"), Works, "How much priorities change, -253 to 253; 0 makes a failure a fault.").by_default("0"),
    key("weight", &[Bfd], Words("NUMBER [reverse]"), Works, "How much priorities change, -253 to 253; 0 makes a failure a fault.").by_default("0"),
    key("weight", &[TrackFile], Words("NUMBER [reverse]"), Works, "What the number in the file is multiplied by, -254 to 254; 0 makes any number but 0 a fault.").by_default("1"),
    key("weight", &[TrackProcess], Words("NUMBER [reverse]"), Works, "How much priorities change, -254 to 254; 0 makes a failure a fault.").by_default("0"),

    key("file", &[TrackFile], Word("a file"), Works, "The file that holds the number."),
    key("init_file", &[TrackFile], Words("[VALUE] [overwrite]"), Works, "Write the file at start.").by_default("0"),

    key("process", &[TrackProcess], Words("COMMAND"), Works, "The command, and its parameters if they matter."),
    key("param_match", &[TrackProcess], OneOf(&["initial", "partial"]), Works, "How the parameters are compared.").by_default("all parameters, exactly"),
    key("quorum", &[TrackProcess], Whole(1, 65_535), Works, "How many processes there must be.").by_default("1"),
    key("quorum_max", &[TrackProcess], Whole(0, 65_535), Works, "How many processes there may be.").by_default("no limit"),
    key("fork_delay", &[TrackProcess], Seconds(1, 3_600 * SECOND), Works, "How long a new process must be there before it counts.").by_default("0"),
    key("terminate_delay", &[TrackProcess], Seconds(1, 3_600 * SECOND), Works, "How long a process must be gone before it counts.").by_default("0"),
    key("delay", &[TrackProcess], Seconds(1, 3_600 * SECOND), Works, "Both delays at once.").by_default("0"),
    key("full_command", &[TrackProcess], Flag, Works, "Compare the whole command line.").by_default("off"),

    key("neighbor_ip", &[Bfd], Words("ADDRESS, or none"), Works, "The neighbour's address; of none, nobody is watched, and it counts as down."),
    key("neighbour_ip", &[Bfd], Words("ADDRESS, or none"), SameAs("neighbor_ip"), "Other spelling of `neighbor_ip`."),
    key("source_ip", &[Bfd], Words("ADDRESS"), Works, "Our own address.").by_default("what the kernel chooses"),
    key("min_rx", &[Bfd], Words("MILLISECONDS"), Works, "Shortest time between two packets that we can take.").by_default("10"),
    key("min_tx", &[Bfd], Words("MILLISECONDS"), Works, "Shortest time between two packets that we send.").by_default("10"),
    key("idle_tx", &[Bfd], Words("MILLISECONDS"), Works, "Time between two packets while the neighbour is down.").by_default("1000"),
    key("multiplier", &[Bfd], Whole(1, 255), Works, "Packets missed before the neighbour counts as down.").by_default("5"),
    key("passive", &[Bfd], Flag, Works, "Wait for the neighbour to begin.").by_default("off"),
    key("ttl", &[Bfd], Whole(1, 255), Works, "Time to live of our packets (IPv4).").by_default("255"),
    key("hoplimit", &[Bfd], Whole(1, 255), Works, "Hop limit of our packets (IPv6).").by_default("64"),
    key("max_hops", &[Bfd], Whole(-1, 255), Works, "Hops that the neighbour's packets may have made.").by_default("0"),
    key("multihop", &[Bfd], Switch, Works, "The neighbour is not on the same link.").by_default("off").since("2.2.8"),
    key("vrrp", &[Bfd], Flag, Works, "Only instances hear of this neighbour.").by_default("both hear of it"),
    key("checker", &[Bfd], Flag, Works, "Only health checks hear of this neighbour.").by_default("both hear of it"),

    key("group", &[TrackGroup], Lines("", "instances"), Works, "The instances."),

    key("garp_interval", &[GarpGroup], Seconds(0, LONGEST), Works, "Time between two gratuitous ARP messages.").by_default("as `vrrp_garp_interval`"),
    key("gna_interval", &[GarpGroup], Seconds(0, LONGEST), Works, "Time between two unsolicited neighbour adverts.").by_default("as `vrrp_gna_interval`"),
    key("interface", &[GarpGroup], Word("an interface"), NOT_YET, "The interface this is for."),
    key("interfaces", &[GarpGroup], Lines("", "interfaces"), NOT_YET, "Interfaces that share one pace."),

    key("verify", &[Tls], Switch, Works, "Whether certificates of servers must be valid.").by_default("on; with `compat` off").since(DIRECTORD),
    key("password", &[Tls], Word("a password"), NotYet("a key with a password cannot be used"), "Password of the key."),
    key("expiry_days", &[Tls], Whole(0, 36_500), Works, "Warn when the certificate of a server ends within so many days; 0 never.").by_default("0").since(DIRECTORD),
    key("ca", &[Tls], Word("a file"), Works, "Certificates of the authorities that are trusted."),
    key("certificate", &[Tls], Word("a file"), Works, "Our own certificate."),
    key("key", &[Tls], Word("a file"), Works, "Our own key."),
];

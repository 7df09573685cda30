//! Instances, groups, addresses, routes and rules: what is understood, what is refused, and that compatible reading
//! makes of it what keepalived does.

use directord::config::{
    Broadcast, Deleted, Device, HmacKey, Id, Instance, Lifetime, Manner, Network, RuleAction, Watch,
    read_text_as,
};

use vrrp::{Auth, ChecksumForm, Protection, Replay, Role, Secret};

use super::*;

fn compatible(text: &str) -> Reading {
    read_text_as("test.conf", text, Manner { purpose: Purpose::Check, compat: true })
}

/// The configuration of a text in which nothing is wrong, though some of it may not be in effect yet.
#[track_caller]
fn accepted(text: &str) -> Config {
    let reading = read_text("test.conf", text);
    let shown = shown(&reading);
    let told = |complaint: &directord::config::Complaint| {
        complaint.severity == Severity::Hint
            || (complaint.severity == Severity::Warning && complaint.code == Code::NotSupportedYet)
    };
    assert!(reading.complaints.iter().all(told), "{shown}");
    reading.config.unwrap_or_else(|| panic!("{shown}"))
}

#[track_caller]
fn instance_of(lines: &str) -> Instance {
    only_instance(&accepted(&instance(lines))).clone()
}

fn vip(line: &str) -> String {
    instance("").replace("10.0.0.9", line)
}

fn excluded(line: &str) -> String {
    instance(&format!("virtual_ipaddress_excluded {{\n{line}\n}}"))
}

fn route(line: &str) -> String {
    instance(&format!("virtual_routes {{\n{line}\n}}"))
}

fn rule(line: &str) -> String {
    instance(&format!("virtual_rules {{\n{line}\n}}"))
}

/// A text with something that is refused, its code and line, and the text that means the same to keepalived.
type Case = (String, Code, u32, String);

#[track_caller]
fn assert_cases(cases: Vec<Case>) {
    for (text, code, line, same) in cases {
        let reading = read_text("test.conf", &text);
        let all = shown(&reading);
        let found = reading.complaints.iter().find(|found| (found.code, found.line) == (code, line));
        let found = found.unwrap_or_else(|| panic!("{text}\nexpected {code} in line {line}\n{all}"));
        assert_eq!(found.severity, Severity::Error, "{text}\n{all}");
        assert!(found.keepalived.is_some() && reading.config.is_none(), "{text}\n{all}");
        let survived = compatible(&text);
        let shown = shown(&survived);
        let survived = survived.config.unwrap_or_else(|| panic!("{text}\n{shown}"));
        let same = compatible(&same).config.unwrap_or_else(|| panic!("{same}"));
        assert_eq!(survived, same, "{text}\n{shown}");
    }
}

#[test]
fn what_keepalived_does_not_start_with_is_refused_by_compatible_reading_too() {
    let none = instance("");
    let second = none.replace(" A ", " B ");
    let other = second.replace("id 1", "id 2");
    let without = instance("version 3").replace("10.0.0.9", "");
    for (text, code) in [
        (format!("{other}{}", none.replace("interface eth0", "")), Code::MissingKeyword),
        (format!("{none}{second}"), Code::DuplicateRouter),
        (without.clone(), Code::MissingKeyword),
    ] {
        let reading = compatible(&text);
        let all = shown(&reading);
        let found = reading.complaints.iter().find(|found| found.code == code);
        let found = found.unwrap_or_else(|| panic!("{text}\nexpected {code}\n{all}"));
        assert!(found.severity == Severity::Error && found.keepalived.is_none(), "{text}\n{all}");
        assert!(reading.config.is_none(), "{text}\n{all}");
    }
    // With version 2 it starts, and so does what asks for no compatibility.
    assert!(compatible(&without.replace("version 3", "version 2")).config.is_some());
}

#[test]
fn an_address_that_is_named_twice_is_advertised_twice_as_keepalived_does() {
    let twice = vip("10.0.0.9\n10.0.0.8\n10.0.0.9");
    let advertised = |config: directord::config::Config| only_instance(&config).router.addresses.len();
    assert_eq!(compatible(&twice).config.map(advertised), Some(3));
    assert_eq!(read_text("test.conf", &twice).config.map(advertised), Some(2));
}

#[test]
#[rustfmt::skip]
fn instances_survive_as_with_keepalived() {
    use Code::*;
    let auth = |lines: &str| instance(&format!("authentication {{\n{lines}\n}}"));
    let none = instance("");
    let other = none.replace(" A ", " B ").replace("id 1", "id 2");
    let peers = |lines: &str| instance(&format!("unicast_peer {{\n{lines}\n}}"));
    assert_cases(vec![
        (instance("priority 300"), OutOfRange, 4, none.clone()),
        (instance("state MASTER\npriority 300"), OutOfRange, 5, instance("state MASTER\npriority 100")),
        (instance("priority 10x"), InvalidNumber, 4, none.clone()),
        (instance("state EQUAL"), InvalidChoice, 4, instance("state BACKUP")),
        (instance("advert_int 3\nadvert_int 300"), OutOfRange, 5, instance("advert_int 3")),
        (instance("version 3\nadvert_int 50"), OutOfRange, 5, instance("version 3\nadvert_int 40.95")),
        (format!("{other}{}", none.replace("id 1", "id 256")), OutOfRange, 11, other.clone()),
        (format!("{other}{}", none.replace("virtual_router_id 1", "")), MissingKeyword, 9, other.clone()),
        (format!("{none}{}", none.replace("10.0.0.9", "10.0.0.8")), DuplicateName, 9, none.clone()),
        (format!("{none}{}", other.replace(" B ", " B x ")), UnexpectedWord, 9, format!("{none}{other}")),
        (auth("auth_type PASX\nauth_pass abc"), InvalidChoice, 5, none.clone()),
        (auth("auth_pass abc"), MissingKeyword, 4, none.clone()),
        (auth("auth_type PASS"), MissingKeyword, 4, none.clone()),
        (instance("version 3\nauthentication {\nauth_type PASS\nauth_pass abc\n}"), Conflict, 5, instance("version 3")),
        (instance("mcast_src_ip x"), InvalidAddress, 4, none.clone()),
        (instance("mcast_src_ip 10.0.0.7\nmcast_src_ip fe80::1"), FamilyMismatch, 5, instance("mcast_src_ip 10.0.0.7")),
        (peers("10.0.0.2\nfe80::1"), FamilyMismatch, 6, peers("10.0.0.2")),
        (peers("10.0.0.2\nx.x.x.x"), InvalidAddress, 6, peers("10.0.0.2")),
        (peers("10.0.0.2 min_ttl 300"), OutOfRange, 5, peers("10.0.0.2")),
        (peers("10.0.0.2 foo max_ttl 7"), InvalidChoice, 5, peers("10.0.0.2 max_ttl 7")),
        (instance("mcast_src_ip fe80::1").replace("10.0.0.9", "10.0.0.9\nfe80::9"), FamilyMismatch, 6, instance("mcast_src_ip fe80::1").replace("10.0.0.9", "fe80::9")),
        (instance("garp_extra_if 100000"), OutOfRange, 4, none.clone()),
        (instance("garp_extra_if all"), InvalidText, 4, none.clone()),
        (instance("use_vmac a/b"), InvalidText, 4, instance("use_vmac")),
        (instance("use_vmac v1 v2"), RepeatedKeyword, 4, instance("use_vmac v1")),
        (instance("use_vmac 02:00:5e"), InvalidAddress, 4, instance("use_vmac")),
        (instance("use_vmac\nuse_ipvlan i1"), Conflict, 5, instance("use_ipvlan i1")),
        (instance("timer_expired_backup 300"), OutOfRange, 4, none.clone()),
        (instance("notify_master \"x 'y\""), UnclosedQuote, 4, none.clone()),
        (instance("notify_backup /bin/x /tmp/y"), InvalidText, 4, none.clone()),
    ]);
}

#[test]
#[rustfmt::skip]
fn addresses_survive_as_with_keepalived() {
    use Code::*;
    let nothing = instance("no_virtual_ipaddress").replace("10.0.0.9", "");
    let mut cases = vec![
        (vip("dev eth0 10.0.0.9"), MissingValue, 6, nothing.clone()),
        (vip("10.0.0.9 dev"), MissingValue, 6, nothing.clone()),
        (vip("10.0.0.9 label"), MissingValue, 6, nothing.clone()),
        (vip("10.0.0.9 dev eth1 dev eth2"), RepeatedKeyword, 6, nothing.clone()),
        (vip("10.0.0.9 label eth0:muchtoolong"), InvalidText, 6, nothing.clone()),
        (vip("10.0.0.9 brd x"), InvalidAddress, 6, nothing.clone()),
        (vip("10.0.0.999"), InvalidAddress, 6, nothing.clone()),
        (vip("10.0.0.9/33"), InvalidPrefix, 6, vip("10.0.0.9/32")),
        (vip("10.0.0.9/x"), InvalidPrefix, 6, vip("10.0.0.9/0")),
        (vip("10.0.0.9 scope 300"), OutOfRange, 6, vip("10.0.0.9")),
        (vip("10.0.0.9 scope nonsense"), InvalidChoice, 6, vip("10.0.0.9")),
        (vip("10.0.0.9 peer x"), InvalidAddress, 6, vip("10.0.0.9")),
        (vip("10.0.0.9 peer fe80::1"), FamilyMismatch, 6, vip("10.0.0.9")),
        (vip("10.0.0.9 preferred_lft x"), InvalidNumber, 6, vip("10.0.0.9")),
        (vip("10.0.0.9 track no_track"), InvalidChoice, 6, vip("10.0.0.9 no_track")),
        (vip("10.0.0.9 track_group T"), InvalidChoice, 6, vip("10.0.0.9")),
        (vip("10.0.0.9\nfe80::1"), FamilyMismatch, 7, vip("10.0.0.9")),
        (excluded("fd00::1 scope link"), FamilyMismatch, 5, excluded("fd00::1")),
        (excluded("fd00::1 label x"), FamilyMismatch, 5, excluded("fd00::1")),
        (excluded("fd00::1 brd +"), FamilyMismatch, 5, excluded("")),
        (excluded("fd00::1/129"), InvalidPrefix, 5, excluded("fd00::1")),
    ];
    // What reading takes as it is has nothing to be compared with.
    let unfit = compatible(&vip("127.0.0.1")).config.expect("keepalived takes it");
    assert_eq!(only_instance(&unfit).addresses.len(), 1);
    let group = "track_group T {\ngroup {\n}\n}\n";
    let fixed = |line: &str| format!("static_ipaddress {{\n{line}\n}}\n{group}{}", instance(""));
    cases.extend([
        (fixed("10.1.1.1 track_group U"), UndefinedName, 2, fixed("10.1.1.1")),
        (fixed("10.1.1.1 use_vmac"), InvalidChoice, 2, fixed("10.1.1.1")),
        (fixed("10.1.1.1 track_group"), MissingValue, 2, fixed("")),
    ]);
    assert_cases(cases);
}

#[test]
#[rustfmt::skip]
fn routes_and_rules_survive_as_with_keepalived() {
    use Code::*;
    let (no_routes, no_rules) = (route(""), rule(""));
    let good = "10.9.0.0/16 dev eth0";
    let mut cases: Vec<Case> = [
        ("track", InvalidChoice), ("type blackhole", InvalidChoice), ("via x.x.x.x", InvalidAddress),
        ("via fe80::1", FamilyMismatch), ("metric -1", InvalidNumber), ("mtu x", InvalidNumber),
        ("pref extreme", InvalidChoice), ("scope -1", InvalidText), ("encap foo 1", InvalidChoice),
        ("encap ip id 7 flags", MissingValue), ("rtt x", InvalidNumber), ("rtt 1000s", InvalidNumber),
        ("10.8.0.0/16", RepeatedKeyword), ("track_group T", InvalidChoice), ("tos 256", OutOfRange),
        ("realms 1/2/3", InvalidText), ("dev a/b", InvalidText),
    ].into_iter().filter(|(_, code)| *code != MissingValue).map(|(words, code)| {
        (route(&format!("{good} {words}")), code, 5, no_routes.clone())
    }).collect();
    cases.extend([
        (route("via 10.0.0.1 dev eth0"), MissingValue, 5, no_routes.clone()),
        (route(&format!("{good} features ecn,x")), InvalidChoice, 5, route(good)),
        (route(&format!("{good} expires 5")), FamilyMismatch, 5, route(good)),
        (route("10.9.0.0/33 dev eth0"), InvalidPrefix, 5, route("10.9.0.0/32 dev eth0")),
        (route("10.9.0.0/16 no_track nexthop via 10.0.0.1 weight 300"), OutOfRange, 5,
            route("10.9.0.0/16 no_track nexthop via 10.0.0.1")),
    ]);
    let good = "from 10.9.0.1 table 7 preference 5";
    cases.extend([
        ("track", InvalidChoice), ("to fe80::1", FamilyMismatch), ("goto 9", Conflict), ("fwmark x", InvalidNumber),
        ("realms -", InvalidText), ("tos x y", InvalidChoice), ("uidrange 5", InvalidNumber),
        ("sport-range 1-2", InvalidChoice), ("oif a/b", InvalidText), ("preference x", InvalidNumber),
    ].map(|(words, code)| (rule(&format!("{good} {words}")), code, 5, no_rules.clone())));
    cases.extend([
        (rule("from 10.9.0.1 preference 5"), MissingValue, 5, no_rules.clone()),
        (rule("from 10.9.0.1 goto 4 preference 5"), Conflict, 5, no_rules.clone()),
        (rule("from 10.9.0.x table 7"), InvalidAddress, 5, no_rules.clone()),
        (rule(&format!("{good} ipproto x")), InvalidChoice, 5, rule(good)),
        (rule(&format!("{good} sport x")), InvalidNumber, 5, rule(good)),
    ]);
    assert_cases(cases);
    // A word without its value ends keepalived.
    for text in [route("10.9.0.0/16 dev"), rule("from 10.9.0.1 table")] {
        let reading = compatible(&text);
        assert!(reading.config.is_none(), "{}", shown(&reading));
    }
}

/// What becomes of a text that is read compatibly.
#[track_caller]
fn survived(text: &str) -> Config {
    let reading = compatible(text);
    let shown = shown(&reading);
    reading.config.unwrap_or_else(|| panic!("{shown}"))
}

#[test]
fn rules_are_numbered_as_with_keepalived_without_those_that_are_wrong() {
    let preferences = |text: &str| -> Vec<Option<u32>> {
        let config = survived(text);
        config.in_order().flat_map(|(_, i)| i.rules.iter().map(|rule| rule.preference)).collect()
    };
    let lines = "from 10.9.0.1 table 7\nfrom 10.9.0.x table 7\nfrom 10.9.0.3 table 7 preference 9\nfrom 10.9.0.2 table 7";
    assert_eq!(preferences(&rule(lines)), [Some(16_384), Some(9), Some(16_383)]);
    // What stands in a definition is another rule with each use.
    let block = rule("from 10.9.0.1 table 7").replace('\n', " \\\n").replace(" A ", " $N ");
    let block = block.replace("id 1", "id $I");
    let used = format!("$B= \\\n{block}\n\n$N=B\n$I=2\n$B\n$N=A\n$I=1\n$B\n");
    assert_eq!(preferences(&used), [Some(16_384), Some(16_383)]);
    assert_eq!(survived(&used).order, ["B", "A"], "the file's order is kept");
}

#[test]
fn what_is_no_mistake_means_what_it_means_to_keepalived() {
    // `state MASTER` shortens nothing, except for the owner.
    let wish = |lines: &str| only_instance(&survived(&instance(lines))).router.wish;
    assert_eq!(wish("state MASTER"), Role::Backup);
    assert_eq!(wish("state MASTER\npriority 255"), Role::Master);
    assert_eq!(instance_of("state MASTER\npriority 150").router.wish, Role::Master);
    // A prefix length is cut off.
    let config = survived(&instance("unicast_src_ip 10.0.0.1/24\nunicast_peer {\n10.0.0.2/24\n}"));
    let one = only_instance(&config);
    assert_eq!(one.source, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(one.transport, directord::config::Transport::Unicast(vec!["10.0.0.2".parse().unwrap()]));
    // Speaking of peers is enough to send by the interface below.
    let below = |lines: &str| match &only_instance(&survived(&instance(lines))).device {
        Device::Vmac(vmac) => vmac.adverts_below,
        other => panic!("{other:?}"),
    };
    assert!(!below("use_vmac") && below("use_vmac\nunicast_src_ip 10.0.0.1"));
    // The default is that of static items.
    let default = "global_defs {\ndefault_interface eth7\n}\n";
    let without = format!("{default}{}", instance("").replace("interface eth0\n", ""));
    assert!(compatible(&without).config.is_none());
    assert_eq!(only_instance(&accepted(&without)).interface, "eth7");
    // An instance of IPv6 that lost its addresses.
    let empty = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nnative_ipv6\n}\n";
    assert!(compatible(empty).config.is_none());
    assert!(compatible(&empty.replace("native_ipv6\n", "")).config.is_some());
}

#[test]
fn with_reload_check_config_compatible_reading_survives_nothing() {
    let check = "global_defs {\nreload_check_config\n}\n";
    for (lines, good) in
        [("", true), ("linkbeat_use_polling", true), ("advert_intt 3", false), ("priority 300", false)]
    {
        assert!(compatible(&instance(lines)).config.is_some(), "{lines}");
        assert_eq!(compatible(&format!("{check}{}", instance(lines))).config.is_some(), good, "{lines}");
    }
}

#[test]
fn the_instances_own_interface_is_tracked_without_a_weight() {
    let reading = read_text("test.conf", &instance("track_interface {\neth0 weight 20\neth1 weight 5\n}"));
    assert!(reading.complaints.iter().any(|c| c.code == Code::NoEffect), "{}", shown(&reading));
    let config = reading.config.unwrap();
    assert_eq!(only_instance(&config).tracks.interfaces.keys().collect::<Vec<_>>(), ["eth1"]);
}

#[test]
#[rustfmt::skip]
fn groups_survive_as_with_keepalived() {
    use Code::*;
    let two = format!("{}{}", instance(""), instance("").replace(" A ", " B ").replace("id 1", "id 2"));
    let group = |name: &str, lines: &str| format!("vrrp_sync_group {name} {{\n{lines}\n}}\n");
    let members = |names: &str| format!("group {{\n{names}\n}}");
    let good = format!("{two}{}", group("G", &members("A\nB")));
    assert_cases(vec![
        (format!("{two}{}", group("G", &members("A\nB\nC"))), UndefinedName, 21, good.clone()),
        (format!("{two}{}", group("G", &members("A\nB\nA"))), Conflict, 21, good.clone()),
        (format!("{good}{}", group("H", &members("A"))), Conflict, 25, good.clone()),
        (format!("{good}{}", group("H", &members(""))), MissingKeyword, 23, good.clone()),
        (format!("{good}{}", group("H", "smtp_alert")), MissingKeyword, 23, good.clone()),
        (format!("{good}{}", group("G", &members("A"))), DuplicateName, 23, good.clone()),
        (format!("{two}{}", group("G", &format!("{}\nnotify_deleted /bin/x", members("A\nB")))), MisplacedKeyword, 22, good.clone()),
    ]);
}

#[test]
fn each_keyword_has_its_place_in_the_configuration() {
    let a = instance_of(
        "use_vmac name v1 02:00:00:00:00:01 group 7\nvmac_xmit_base\ngarp_extra_if all 9\nnotify_deleted\n\
         notify \"/bin/n 'a b'\" root adm\ntimer_expired_backup\nunicast_peer {\n10.0.0.2 min_ttl 250\n}\n\
         lvs_sync_daemon_interface eth5\nno_accept\nstrict_mode off\nvirtual_routes {\ndefault via 10.0.0.1 dev eth0\n}\n\
         virtual_rules {\nnot to 10.1.0.0/16 blackhole preference 3 no_track\n}",
    );
    let Device::Vmac(vmac) = &a.device else { panic!("{:?}", a.device) };
    assert_eq!((vmac.name.as_deref(), vmac.group, vmac.adverts_below), (Some("v1"), Some(7), true));
    assert_eq!(vmac.mac.as_deref(), Some([2, 0, 0, 0, 0, 1].as_slice()));
    assert_eq!(a.extra_garp.map(|extra| (extra.every, extra.all)), Some((9, true)));
    assert_eq!(a.notify.deleted, Deleted::Told);
    let command = a.notify.any.as_ref().expect("a command");
    assert_eq!(command.words, ["/bin/n", "a b"]);
    assert_eq!((command.user.as_deref(), command.group.as_deref()), (Some("root"), Some("adm")));
    assert_eq!(
        (a.conduct.expired_backup, a.conduct.accept, a.conduct.strict),
        (Some(254), Some(false), Some(false))
    );
    assert_eq!(a.adverts.peer_ttl.get(&ip("10.0.0.2")).and_then(|limits| limits.min), Some(250));
    assert_eq!(a.sync_interface.as_deref(), Some("eth5"));
    let [route] = a.routes.as_slice() else { panic!("{:?}", a.routes) };
    assert_eq!((route.destination.prefix, route.hop.gateway), (0, Some(ip("10.0.0.1"))));
    let [rule] = a.rules.as_slice() else { panic!("{:?}", a.rules) };
    assert_eq!((rule.inverted, &rule.action, &rule.watch), (true, &RuleAction::Blackhole, &Watch::Off));
    assert_eq!(rule.to, Some(Network { address: ip("10.1.0.0"), prefix: 16 }));
}

#[test]
fn addresses_have_their_words() {
    let text =
        vip("10.0.0.9/24 brd + scope link peer 10.0.0.8 preferred_lft 0 noprefixroute no_track dev eth1");
    let config = accepted(&text);
    let [address] = only_instance(&config).addresses.as_slice() else { panic!("one address") };
    let options = address.options.as_ref().expect("options");
    assert_eq!(options.broadcast, Some(Broadcast::Ones));
    assert_eq!(options.scope, Some(Id::Name("link".to_owned())));
    assert_eq!((options.peer, options.preferred), (Some(ip("10.0.0.8")), Some(Lifetime::Seconds(0))));
    assert!(options.no_prefix_route && options.watch == Watch::Off);
}

#[test]
fn the_family_of_an_instance_is_that_of_its_first_address() {
    let six = accepted(&vip("2001:db8::9/64"));
    let a = only_instance(&six);
    assert!(a.is_ipv6() && a.router.version == Version::V3);
    let both = accepted(&excluded("fe80::9/64\n10.0.0.8"));
    let a = only_instance(&both);
    assert!(!a.is_ipv6());
    assert_eq!((a.addresses.len(), a.other_addresses.len()), (2, 1));
}

#[test]
fn adverts_are_made_as_the_text_says() {
    let a = |text: &str| only_instance(&accepted(text)).clone();
    let peers = "unicast_peer {\n10.0.0.2\n10.0.0.3 min_ttl 250 max_ttl 254\n}\n";
    let usual = a(&instance(""));
    assert_eq!((usual.wire.group, usual.wire.ttl, usual.protection()), (None, 255, Protection::None));
    assert_eq!(usual.checksum(true), ChecksumForm::Usual, "the old form is for unicast");

    assert_eq!(a(&instance("mcast_dst_ip 224.0.0.77")).wire.group, Some(ip("224.0.0.77")));
    assert_eq!(a(&instance("mcast_dst_ip 224.0.0.18")).wire.group, None);
    let global = |lines: &str, rest: &str| format!("global_defs {{\n{lines}\n}}\n{}", instance(rest));
    assert_eq!(a(&global("vrrp_mcast_group4 224.0.0.50", "")).wire.group, Some(ip("224.0.0.50")));
    assert_eq!(a(&global("vrrp_mcast_group4 224.0.0.50", peers)).wire.group, None);

    for (lines, form) in [
        ("version 3\nv3_checksum_as_v2", ChecksumForm::Plain),
        ("version 2\nv3_checksum_as_v2", ChecksumForm::Usual),
        ("version 3\nold_unicast_checksum", ChecksumForm::Usual),
    ] {
        assert_eq!(a(&instance(lines)).checksum(false), form, "{lines}");
    }
    let old = |word: &str| a(&instance(&format!("version 3\n{peers}{word}")));
    assert_eq!(old("old_unicast_checksum").checksum(false), ChecksumForm::OldUnicast);
    assert_eq!(old("old_unicast_checksum never").checksum(true), ChecksumForm::Usual);
    assert_eq!(
        [true, false].map(|heard| old("").checksum(heard)),
        [ChecksumForm::OldUnicast, ChecksumForm::Usual]
    );

    let limited = a(&instance(&format!("{peers}unicast_ttl 64")));
    assert_eq!((limited.wire.ttl, limited.ttl_of(ip("10.0.0.3"))), (64, (250, 254)));
    assert_eq!(limited.ttl_of(ip("10.0.0.2")), (0, 255), "who sends with less hears less");
    let plain = a(&instance(peers));
    assert_eq!((plain.wire.only_peers, plain.ttl_of(ip("10.0.0.2"))), (true, (255, 255)));

    // keepalived listens to everybody, from anywhere, unless it is told otherwise.
    let compat = |lines: &str| {
        let reading = compatible(&instance(lines));
        let config = reading.config.as_ref().unwrap_or_else(|| panic!("{}", shown(&reading)));
        only_instance(config).wire.clone()
    };
    let one = "unicast_peer {\n10.0.0.2\n}\n";
    assert_eq!((compat(one).only_peers, compat(one).min_ttl), (false, 0));
    assert!(compat(&format!("{one}check_unicast_src")).only_peers);
    assert!(compat(peers).only_peers, "limits for a peer mean that peers are known");

    let header = a(&instance("authentication {\nauth_type AH\nauth_pass abc\n}"));
    assert_eq!(header.protection(), Protection::Header(Secret::new(b"abc\0\0\0\0\0".to_vec())));
    assert_eq!(header.router.auth, Auth::Header);
    let key = "key 7 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let windows = [("", 5), ("advert_int 7", 21), ("version 3\nadvert_int 0.1", 5)];
    for (lines, window) in windows {
        let signed = a(&instance(&format!("{lines}\nauth_hmac {{\n{key}\n}}")));
        let Protection::Hmac(hmac) = signed.protection() else { panic!("{lines}") };
        assert_eq!((hmac.active, hmac.replay), (7, Replay::Time(window)), "{lines}");
    }
}

#[test]
fn a_list_longer_than_an_advert_is_used_to_its_end() {
    for (first, count, most) in [("10.1", 1_100, 255), ("fe80::", 120, 89)] {
        let line = |n: u32| match first {
            "10.1" => format!("10.1.{}.{}", n / 250, n % 250 + 1),
            _ => format!("fe80::{n:x}"),
        };
        let list: Vec<String> = (0..count).map(line).collect();
        let text = instance("").replace("10.0.0.9", &list.join("\n"));
        let reading = read_text("test.conf", &text);
        let config = reading.config.as_ref().unwrap_or_else(|| panic!("{}", shown(&reading)));
        let a = only_instance(config);
        assert_eq!((a.router.addresses.len(), a.addresses.len()), (most, count as usize));
        let told = reading.complaints.iter().filter(|complaint| complaint.code == Code::ValueAdjusted);
        assert_eq!(told.count(), 1, "{}", shown(&reading));
    }
}

#[test]
fn strict_mode_resets_what_the_rfc_does_not_have() {
    let text = instance(
        "strict_mode\nstate MASTER\npriority 100\npreempt_delay 5\nlower_prio_no_advert no\nhigher_prio_send_advert\n\
         garp_lower_prio_repeat 3\naccept\nauthentication {\nauth_type PASS\nauth_pass abc\n}",
    );
    let reading = read_text("test.conf", &text);
    let config = reading.config.as_ref().unwrap_or_else(|| panic!("{}", shown(&reading)));
    let router = &only_instance(config).router;
    assert_eq!(
        (router.wish, &router.auth, router.preempt_delay),
        (Role::Backup, &Auth::None, Duration::ZERO)
    );
    assert!(router.lower_prio_no_advert && !router.higher_prio_send_advert);
    assert_eq!(router.announce.lower_repeat, 0);
    let told =
        reading.complaints.iter().filter(|complaint| complaint.message.contains("strict mode")).count();
    assert_eq!(told, 6, "{}", shown(&reading));
    // Globally too, and an instance may say no.
    let global = |lines: &str| accepted(&format!("global_defs {{\nvrrp_strict\n}}\n{}", instance(lines)));
    assert!(only_instance(&global("priority 255")).router.owner_ignores);
    assert_eq!(only_instance(&global("priority 255")).router.wish, Role::Master);
    assert!(!only_instance(&global("strict_mode no")).router.lower_prio_no_advert);
    for refused in [
        instance("strict_mode\nno_virtual_ipaddress").replace("10.0.0.9", ""),
        instance("strict_mode").replace("10.0.0.9", "2001:db8::1"),
    ] {
        assert!(read_text("test.conf", &refused).config.is_none());
        let config = compatible(&refused).config.expect("keepalived goes on");
        assert!(config.instances.is_empty(), "keepalived leaves the instance out");
    }
}

#[test]
fn keys_have_a_length_and_are_not_told() {
    let secret = "0123456789abcdef0123456789abcdef";
    let block = |lines: &str| instance(&format!("auth_hmac {{\n{lines}\n}}"));
    let reading =
        compatible(&block(&format!("key 1 {secret}\nkey 2 file:/etc/key\nactive_key 2\nmode permissive")));
    let config = reading.config.as_ref().unwrap_or_else(|| panic!("{}", shown(&reading)));
    let a = only_instance(config);
    let hmac = a.hmac.as_ref().expect("keys");
    assert_eq!(hmac.keys.get(&1), Some(&HmacKey::Bytes(Secret::new(secret.as_bytes().to_vec()))));
    assert_eq!((hmac.active, hmac.keys.len()), (2, 2));
    assert!(!format!("{a:?}").contains(secret));
    for lines in
        ["key 1 short", "key 1 hex:0g", "", "key 1 file:/k\nactive_key 2", "key 1 file:/a\nkey 2 file:/b"]
    {
        let reading = read_text("test.conf", &block(lines));
        assert!(reading.config.is_none() && !reading.complaints.is_empty(), "{}", shown(&reading));
    }
}

#[test]
fn a_file_without_order_is_read_all_the_same() {
    let group = "vrrp_sync_group G {\ngroup {\nA\n}\n}\n";
    let fixed = "static_routes {\n10.1.0.0/16 dev eth0 track_group T\n}\ntrack_group T {\ngroup {\nA\n}\n}\n";
    let (first, last) = (
        accepted(&format!("{group}{fixed}{}", instance(""))),
        accepted(&format!("{}{fixed}{group}", instance(""))),
    );
    assert_eq!(first, last);
    assert_eq!(first.groups["G"].members, ["A"]);
    assert_eq!(first.static_routes[0].watch, Watch::Group("T".to_owned()));
}

#[test]
fn a_rule_whose_assigned_preference_lies_behind_its_target_is_left_out() {
    let text = instance("virtual_rules {\nnot goto 77\n}");
    assert!(read_text("test.conf", &text).config.is_none());
    let reading = compatible(&text);
    let config = reading.config.as_ref().unwrap_or_else(|| panic!("{}", shown(&reading)));
    assert!(config.instances["A"].rules.is_empty());
}

#[test]
fn a_word_for_compatible_reading_that_relinking_moves_is_kept() {
    // As keepalived links it, the brace behind `none` closes `global_defs`.
    let text = format!("global_defs {{\nnone x {{\n}}\ncompat\n}}\n{}", instance(""));
    let config = read_text("test.conf", &text).config.expect("it is read compatibly");
    assert!(config.global.compat);
}

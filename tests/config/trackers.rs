//! Trackers: what is refused, and that compatible reading makes of it what keepalived does.

use super::*;

const SCRIPT: &str = "vrrp_script s {\nscript /bin/x\n}\n";
const FILE: &str = "track_file f {\nfile /run/f\nweight 7 reverse\n}\n";
const PROCESS: &str = "vrrp_track_process p {\nprocess foo\nweight 7 reverse\n}\n";
const NEIGHBOUR: &str = "bfd_instance b {\nneighbor_ip 192.0.2.1\nweight 7 reverse\n}\n";

/// A script with these lines, the first of which is the third of the text.
fn script(lines: &str) -> String {
    format!("vrrp_script s {{\nscript /bin/x\n{lines}\n}}\n")
}

fn file(lines: &str) -> String {
    format!("track_file f {{\nfile /run/f\n{lines}\n}}\n")
}

fn process(lines: &str) -> String {
    format!("vrrp_track_process p {{\nprocess foo\n{lines}\n}}\n")
}

fn bfd(lines: &str) -> String {
    format!("bfd_instance b {{\nneighbor_ip 192.0.2.1\n{lines}\n}}\n")
}

/// Definitions of all kinds, and an instance whose list has this line, the 21st of the text.
fn tracked(list: &str, line: &str) -> String {
    let script = SCRIPT.replace('}', "weight 7 reverse\n}");
    format!("{script}{FILE}{PROCESS}{NEIGHBOUR}{}", instance(&format!("{list} {{\n{line}\n}}")))
}

fn compatible(text: &str) -> Reading {
    read_text_as("test.conf", text, Manner { purpose: Purpose::Check, compat: true })
}

/// Something that is refused, where, and what it is to keepalived.
type Case = (String, Code, u32, String);

#[track_caller]
fn assert_cases(cases: Vec<Case>) {
    for (text, code, line, same) in cases {
        let reading = read_text("test.conf", &text);
        let all = shown(&reading);
        let found =
            reading.complaints.iter().find(|complaint| (complaint.code, complaint.line) == (code, line));
        let found = found.unwrap_or_else(|| panic!("{text}\nexpected {code} in line {line}\n{all}"));
        assert_eq!(found.severity, Severity::Error, "{text}\n{all}");
        assert!(found.keepalived.is_some(), "{text}\n{all}");
        assert!(reading.config.is_none(), "{text}");
        let survived = compatible(&text);
        let survived = survived.config.unwrap_or_else(|| panic!("{text}\n{}", shown(&compatible(&text))));
        assert_eq!(survived, good(&same), "{text}\nis to be\n{same}");
    }
}

#[test]
#[rustfmt::skip]
fn scripts_survive_as_with_keepalived() {
    use Code::*;
    let case = |lines: &str, code, line, same: &str| (script(lines), code, line, script(same));
    assert_cases(vec![
        case("weight 300", OutOfRange, 3, "weight 253"),
        case("weight 5\nweight -400", OutOfRange, 4, "weight -253"),
        case("weight -9223372036854775808", OutOfRange, 3, "weight -253"),
        case("weight 99999999999999999999", OutOfRange, 3, "weight 253"),
        case("weight abc", InvalidNumber, 3, ""),
        case("weight 5\nweight abc", InvalidNumber, 4, ""),
        case("weight 5x", InvalidNumber, 3, "weight 5"),
        case("weight 5 rev", InvalidChoice, 3, "weight 5"),
        case("weight 5 reverse now", UnexpectedWord, 3, "weight 5 reverse"),
        case("interval 7\ninterval 0", OutOfRange, 4, "interval 1"),
        case("interval 7\ninterval 5000", OutOfRange, 4, "interval 7"),
        case("interval 5x", InvalidNumber, 3, "interval 5"),
        case("interval 7\ntimeout 0", OutOfRange, 4, "interval 7\ntimeout 1"),
        case("timeout 5000", OutOfRange, 3, ""),
        case("rise 5\nrise x", InvalidNumber, 4, ""),
        case("rise 0", OutOfRange, 3, ""),
        case("fall 5x", InvalidNumber, 3, "fall 5"),
        case("init_fail yes", UnexpectedWord, 3, "init_fail"),
        (SCRIPT.replace("/bin/x", "/bin/x -a 'b c'"), UnexpectedWord, 2, SCRIPT.to_owned()),
        (SCRIPT.replace("/bin/x", "run/x"), InvalidText, 2, SCRIPT.replace("/bin/x", "/run/x")),
        (SCRIPT.replace("/bin/x", "<run/x"), InvalidText, 2, SCRIPT.replace("/bin/x", "</run/x")),
        (script("user a/b"), InvalidText, 3, String::new()),
        (SCRIPT.replace("/bin/x", "\"/bin/x 'a\""), UnclosedQuote, 2, String::new()),
        (SCRIPT.replace("script /bin/x\n", "interval 2\n"), MissingKeyword, 3, String::new()),
        (SCRIPT.to_owned() + &script("weight 5"), DuplicateName, 4, SCRIPT.to_owned()),
    ]);
}

#[test]
#[rustfmt::skip]
fn files_survive_as_with_keepalived() {
    use Code::*;
    let case = |lines: &str, code, line, same: &str| (file(lines), code, line, file(same));
    assert_cases(vec![
        case("weight 255", OutOfRange, 3, ""),
        case("weight 5\nweight 255", OutOfRange, 4, "weight 5"),
        case("weight abc", InvalidNumber, 3, "weight 0"),
        case("weight 5 rev", InvalidChoice, 3, "weight 5"),
        case("init_file abc", InvalidChoice, 3, "init_file"),
        case("init_file 5 over", InvalidChoice, 3, "init_file 5"),
        case("init_file 99999999999 overwrite", InvalidChoice, 3, "init_file overwrite"),
        (file("").replace("/run", "run"), InvalidText, 2, file("")),
        (file("").replace("file /run/f", "weight 2"), MissingKeyword, 4, String::new()),
        (file("") + &file("weight 9"), DuplicateName, 5, file("")),
        (file("").replace("track_file", "vrrp_track_file") + &file("weight 9"), DuplicateName, 5, file("")),
    ]);
}

#[test]
#[rustfmt::skip]
fn processes_survive_as_with_keepalived() {
    use Code::*;
    let case = |lines: &str, code, line, same: &str| (process(lines), code, line, process(same));
    assert_cases(vec![
        case("weight 255", OutOfRange, 3, ""),
        case("weight x", InvalidNumber, 3, ""),
        case("quorum 0", OutOfRange, 3, ""),
        case("quorum 5\nquorum x", InvalidNumber, 4, "quorum 5"),
        case("quorum 3\nquorum_max 2", Conflict, 4, "quorum 3"),
        case("quorum_max 2\nquorum 3", Conflict, 4, "quorum_max 2"),
        case("quorum_max 70000", OutOfRange, 3, ""),
        case("delay 0", OutOfRange, 3, ""),
        case("delay 2\nfork_delay 5000", OutOfRange, 4, "delay 2"),
        case("param_match foo", InvalidChoice, 3, ""),
        case("full_command x", UnexpectedWord, 3, "full_command"),
        (process("").replace("process foo", "quorum 2"), MissingKeyword, 4, String::new()),
        (process("") + &process("quorum 2"), DuplicateName, 5, process("")),
    ]);
}

#[test]
#[rustfmt::skip]
fn neighbours_survive_as_with_keepalived() {
    use Code::*;
    let case = |lines: &str, code, line, same: &str| (bfd(lines), code, line, bfd(same));
    assert_cases(vec![
        case("min_rx 0", OutOfRange, 3, ""),
        case("min_rx 20\nmin_rx 30x", InvalidNumber, 4, "min_rx 20"),
        case("idle_tx 500", OutOfRange, 3, ""),
        case("min_tx 5000000", OutOfRange, 3, ""),
        case("multiplier 0", OutOfRange, 3, ""),
        case("multiplier 7\nmultiplier 9x", InvalidNumber, 4, "multiplier 7"),
        case("ttl 300", OutOfRange, 3, ""),
        case("ttl 9\nmax_hops -2", OutOfRange, 4, "ttl 9"),
        case("weight 254", OutOfRange, 3, ""),
        case("weight 5x", InvalidNumber, 3, "weight 5"),
        case("source_ip 1.2.3", InvalidAddress, 3, ""),
        case("passive yes", UnexpectedWord, 3, "passive"),
        (bfd("").replace("0.2.1", "0.2.1 dev eth0"), UnexpectedWord, 2, bfd("")),
        (bfd("").replace("_instance b", &format!("_instance {}", "b".repeat(32))), InvalidText, 1, String::new()),
        (bfd("") + &bfd("").replace("0.2.1", "0.2.2"), DuplicateName, 5, bfd("")),
    ]);
}

#[test]
fn a_neighbour_of_no_use_counts_as_down() {
    use Code::*;
    let cases = [
        (bfd("").replace("neighbor_ip 192.0.2.1\n", "multiplier 3\n"), MissingKeyword, 4),
        (bfd("").replace("192.0.2.1", "192.0.2"), InvalidAddress, 2),
        (bfd("source_ip 2001:db8::1"), FamilyMismatch, 3),
        (bfd("").replace("e b", "e a") + &bfd(""), DuplicateAddress, 6),
    ];
    for (text, code, line) in cases {
        let text = text + &instance("track_bfd {\nb\n}");
        let strict = read_text("test.conf", &text);
        let errors: Vec<_> =
            strict.complaints.iter().filter(|complaint| complaint.severity == Severity::Error).collect();
        assert_eq!(errors.iter().map(|c| (c.code, c.line)).collect::<Vec<_>>(), [(code, line)], "{text}");
        let config = compatible(&text).config.expect("keepalived starts");
        assert_eq!(config.neighbours["b"].neighbor, None, "{text}");
        assert!(only_instance(&config).tracks.neighbours.contains_key("b"), "{text}");
    }
    let none = good(&bfd("").replace("192.0.2.1", "none"));
    assert_eq!(none.neighbours["b"].neighbor, None);
}

#[test]
#[rustfmt::skip]
fn lists_survive_as_with_keepalived() {
    use Code::*;
    let lists = [("track_interface", "eth1"), ("track_script", "s"), ("track_file", "f"), ("track_process", "p"), ("track_bfd", "b")];
    let mut cases = Vec::new();
    for (list, name) in lists {
        let own = if list == "track_interface" { "" } else { "weight 7 reverse" };
        let mut case = |line: &str, code, same: &str| {
            let (line, same) = (line.replace('X', name), same.replace('X', name));
            cases.push((tracked(list, &line), code, 21, tracked(list, &same)));
        };
        case("X weight 300", OutOfRange, &format!("X {own}"));
        case("X weight abc", InvalidNumber, "X weight 0");
        case("X weight 5x noreverse", InvalidNumber, "X weight 5 noreverse");
        case("X weight 3 reverse now", UnexpectedWord, "X weight 3 reverse");
        case("X weight", MissingValue, "");
        case("X wieght 3", InvalidChoice, "");
        case("X reverse", InvalidChoice, "");
        let line_is_lost = matches!(list, "track_file" | "track_bfd");
        case("X weight 3 rev", InvalidChoice, if line_is_lost { "" } else { "X weight 3" });
        let cut = if matches!(list, "track_interface" | "track_script") { "X weight -253" } else { "X" };
        if !matches!(list, "track_file" | "track_process") {
            case("X weight -254", OutOfRange, cut);
        }
        let mut twice = (tracked(list, &format!("{name} weight 3\n{name}")), DuplicateTracker, 22, String::new());
        twice.3 = tracked(list, &format!("{name} weight 3"));
        cases.push(twice);
        if !own.is_empty() {
            cases.push((tracked(list, "nobody\n"), UndefinedName, 21, tracked(list, "")));
        }
    }
    cases.push((tracked("track_interface", "eth/1"), InvalidText, 21, tracked("track_interface", "")));
    assert_cases(cases);
}

#[test]
fn a_name_that_is_not_defined_is_told_with_the_nearest() {
    let text =
        format!("{SCRIPT}{}", instance("track_script {\nss\n}")).replace("script s ", "script chk_web ");
    let reading = read_text("test.conf", &text.replace("\nss\n", "\nchk_wbe\n"));
    let said: Vec<String> = reading
        .complaints
        .iter()
        .filter(|complaint| complaint.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    let expected = "test.conf:8:1: error[undefined-name]: there is no `vrrp_script` named `chk_wbe`; did you mean `chk_web`?";
    assert_eq!(said, [expected]);
}

#[test]
fn all_that_is_wrong_with_a_line_is_told_at_once() {
    let reading = read_text("test.conf", &tracked("track_script", "nobody weight 5x revers now"));
    let errors = reading.complaints.iter().filter(|complaint| complaint.severity == Severity::Error);
    let codes: Vec<Code> = errors.map(|complaint| complaint.code).collect();
    let expected = [Code::UndefinedName, Code::InvalidNumber, Code::InvalidChoice, Code::UnexpectedWord];
    assert_eq!(codes, expected, "{}", shown(&reading));
}

#[test]
fn a_definition_of_no_use_is_told_where_it_is_tracked_too() {
    let text = format!("vrrp_script s {{\n}}\n{}", instance("track_script {\ns\n}"));
    let reading = read_text("test.conf", &text);
    let errors: Vec<_> = reading
        .complaints
        .iter()
        .filter(|complaint| complaint.severity == Severity::Error)
        .map(|complaint| (complaint.code, complaint.line))
        .collect();
    assert_eq!(errors, [(Code::MissingKeyword, 2), (Code::UndefinedName, 7)]);
    let checker = format!("{}{}", bfd("checker"), instance("track_bfd {\nb\n}"));
    let reading = read_text("test.conf", &checker);
    let last = reading.complaints.last().expect("a complaint");
    assert_eq!(
        (last.code, last.suggestion.as_deref()),
        (Code::UndefinedName, Some("add `vrrp` to its definition"))
    );
}

#[test]
fn what_nobody_loses_by_is_a_warning() {
    let cases = [
        (tracked("track_script", "s\ns"), Code::DuplicateTracker, 22),
        (file("init_file 500"), Code::OutOfRange, 3),
        (file("init_file -2147483648"), Code::OutOfRange, 3),
        (bfd("ttl 5\nmax_hops 9"), Code::ValueAdjusted, 4),
    ];
    for (text, code, line) in cases {
        let reading = read_text("test.conf", &text);
        let found =
            reading.complaints.iter().find(|complaint| (complaint.code, complaint.line) == (code, line));
        assert_eq!(found.map(|found| found.severity), Some(Severity::Warning), "{text}\n{}", shown(&reading));
        assert!(reading.config.is_some());
    }
}

#[test]
fn the_first_file_and_the_first_process_count() {
    let config = good(&file("file /run/other"));
    assert_eq!(config.files["f"].path, "/run/f");
    let config = good(&process("process bar"));
    assert_eq!(config.processes["p"].process, ["foo"]);
    for text in [file("file /run/other"), process("process bar")] {
        let reading = read_text("test.conf", &text);
        let told =
            |complaint: &directord::config::Complaint| complaint.message.ends_with("the first one counts");
        assert!(reading.complaints.iter().any(told), "{}", shown(&reading));
    }
}

#[test]
fn defaults_are_filled_in() {
    let config = good(&format!("{SCRIPT}{}{}{}", file(""), process(""), bfd("source_ip 192.0.2.9")));
    let script = &config.scripts["s"];
    assert_eq!((script.interval, script.timeout), (Duration::from_secs(1), Duration::from_secs(1)));
    assert_eq!((script.rise, script.fall, script.weight.points), (1, 1, 0));
    assert_eq!((config.files["f"].weight.points, config.files["f"].init), (1, None));
    assert_eq!((config.processes["p"].quorum, config.processes["p"].full_command), (1, false));
    let bfd = &config.neighbours["b"];
    assert_eq!((bfd.min_rx, bfd.idle_tx), (Duration::from_millis(10), Duration::from_secs(1)));
    assert_eq!((bfd.ttl, bfd.max_hops, bfd.vrrp, bfd.checker), (255, Some(0), true, true));
    let config = good(&format!("{}{}", script_with_interval(), process("quorum_max 0\nparam_match partial")));
    assert_eq!(config.scripts["s"].timeout, Duration::from_millis(2_500));
    assert_eq!((config.processes["p"].quorum, config.processes["p"].full_command), (0, true));
}

fn script_with_interval() -> String {
    script("interval 2.5")
}

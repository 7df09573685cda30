use crate::config::hints::{ANSWERED, TRAPS, compare};
use crate::config::{Code, Colour, Reading, Severity, read_text};

const DEFINITIONS: &str = "vrrp_script s {\nscript /bin/x\nuser nobody\n}\nvrrp_script t {\nscript /bin/x\nuser nobody\n}\n\
     track_file f {\nfile /run/f\n}\nvrrp_track_process p {\nprocess foo\n}\nbfd_instance b {\nneighbor_ip 192.0.2.1\n}\n";

fn instance(lines: &str) -> String {
    let head = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\n";
    format!("{head}{lines}\nvirtual_ipaddress {{\n10.0.0.9\n}}\n}}\n")
}

fn shown(reading: &Reading) -> String {
    reading.render(Colour::Never)
}

/// The codes of a text's hints.
#[track_caller]
fn hints(text: &str) -> Vec<Code> {
    let reading = read_text("a.conf", text);
    assert!(reading.config.is_some(), "{}", shown(&reading));
    let hints = reading.complaints.iter().filter(|complaint| complaint.severity == Severity::Hint);
    hints
        .map(|hint| {
            assert!(TRAPS.iter().any(|trap| trap.code == hint.code), "{hint}");
            assert!(hint.suggestion.is_some() && hint.line > 0, "{hint}");
            hint.code
        })
        .collect()
}

/// An instance with these lines, and definitions of all that it may track, each of which it does track.
fn tracking(lines: &str) -> String {
    let all =
        "track_script {\ns\nt\n}\ntrack_file {\nf weight 0\n}\ntrack_process {\np\n}\ntrack_bfd {\nb\n}\n";
    let second = instance(all).replace(" A ", " B ").replace("id 1", "id 2").replace(".9", ".8");
    format!("{DEFINITIONS}{}{second}", instance(lines))
}

#[test]
#[rustfmt::skip]
fn weights_are_looked_at() {
    use Code::*;
    let cases: &[(&str, &[Code])] = &[
        ("track_script {\ns weight -20\n}", &[]),
        ("nopreempt\ntrack_script {\ns weight -20\n}", &[NopreemptWeight]),
        ("nopreempt\ntrack_script {\ns weight 20\n}", &[NopreemptWeight]),
        ("nopreempt\ntrack_script {\ns\n}", &[]),
        // Here a failure raises the priority.
        ("nopreempt\ntrack_script {\ns weight 20 reverse\n}", &[]),
        ("nopreempt\ntrack_file {\nf weight 2\n}", &[NopreemptWeight]),
        ("nopreempt\ntrack_interface {\neth1 weight 5\n}", &[NopreemptWeight]),
        ("nopreempt\ntrack_interface {\neth1\n}", &[]),
        ("priority 250\ntrack_script {\ns weight 4\n}", &[]),
        ("priority 250\ntrack_script {\ns weight 5\n}", &[CappedPriority]),
        ("priority 250\ntrack_script {\ns weight 5\nt weight 5 reverse\n}", &[]),
        ("priority 250\ntrack_script {\ns weight -5\n}", &[]),
        ("priority 255\nstate MASTER\ntrack_script {\ns weight 5\n}", &[IdleTracker]),
        ("priority 255\nstate MASTER\ntrack_file {\nf\n}", &[IdleTracker]),
        ("priority 255\nstate MASTER\ntrack_script {\ns\n}", &[]),
        // The own interface is tracked anyway: that was said when it was read.
        ("track_interface {\neth0\n}", &[]),
        ("track_interface {\neth1\n}", &[]),
    ];
    for (lines, expected) in cases {
        assert_eq!(hints(&tracking(lines)), *expected, "{lines}");
    }
}

#[test]
fn what_nobody_tracks_is_told_by_kind() {
    assert_eq!(hints(&tracking("")), []);
    assert_eq!(hints(&format!("{DEFINITIONS}{}", instance(""))), [Code::UnusedTracker; 5]);
    let used = instance("track_script {\ns\n}\ntrack_process {\np\n}");
    let reading = read_text("a.conf", &format!("{DEFINITIONS}{used}"));
    let unused: Vec<u32> = reading
        .complaints
        .iter()
        .filter(|complaint| complaint.code == Code::UnusedTracker)
        .map(|complaint| complaint.line)
        .collect();
    assert_eq!(unused, [5, 9, 15], "{}", shown(&reading));
}

#[test]
fn groups_track_too() {
    let all =
        "track_script {\ns weight -5\nt\n}\ntrack_file {\nf\n}\ntrack_process {\np\n}\ntrack_bfd {\nb\n}\n";
    let second = instance("").replace(" A ", " B ").replace("id 1", "id 2").replace(".9", ".8");
    let text = |lines: &str, of_a: &str| {
        let group = format!("vrrp_sync_group G {{\ngroup {{\nA\nB\n}}\n{all}{lines}}}\n");
        format!("{DEFINITIONS}{}{second}{group}", instance(of_a))
    };
    assert_eq!(hints(&text("", "")), []);
    let weighted = "track_script {\nt weight 9\n}\n";
    assert_eq!(hints(&text("", weighted)), [Code::IdleTracker]);
    assert_eq!(hints(&text("sync_group_tracking_weight\n", weighted)), []);
    let interface = "track_interface {\neth1\n}\n";
    assert_eq!(hints(&text("", interface)), []);
    assert_eq!(hints(&text(interface, interface)), [Code::IdleTracker]);
    // What the group tracks lowers the priorities of its members.
    assert_eq!(hints(&text("", "nopreempt")), [Code::NopreemptWeight]);
    // Here the own weight of 0 makes it a fault.
    assert_eq!(
        hints(&text("", "nopreempt\ntrack_script {\ns\n}").replace("{\nf\n}", "{\nf weight 0\n}")),
        []
    );
}

#[test]
fn health_checks_use_files_and_neighbours_too() {
    let service = |check: &str| {
        format!("virtual_server 10.0.0.7 80 {{\nprotocol TCP\nreal_server 10.0.1.1 80 {{\n{check}\n}}\n}}\n")
    };
    let (file, bfd) = ("track_file f {\nfile /run/f\n}\n", "bfd_instance b {\nneighbor_ip 192.0.2.1\n}\n");
    let unused = |text: String| hints(&text).contains(&Code::UnusedTracker);
    assert!(unused(format!("{file}{}", service("TCP_CHECK {\n}"))));
    assert!(unused(format!("{bfd}{}", service("TCP_CHECK {\n}"))));
    assert!(!unused(format!("{file}{}", service("FILE_CHECK {\ntrack_file f\n}"))));
    assert!(!unused(format!("{bfd}{}", service("BFD_CHECK {\nname b\n}"))));
    let other = file.replace(" f ", " g ");
    assert!(unused(format!("{file}{other}{}", service("FILE_CHECK {\ntrack_file f\n}"))), "the other file");
}

#[test]
#[rustfmt::skip]
fn scripts_are_looked_at() {
    use Code::*;
    let cases: &[(&str, &[Code])] = &[
        ("script /bin/x\ninterval 2\ntimeout 2", &[]),
        ("script /bin/x\ninterval 2\ntimeout 3", &[SlowScript]),
        ("script /bin/x\ninterval 2", &[]),
        ("script \"pidof nginx || exit 1\"", &[NoShell]),
        ("script \"/bin/x >/dev/null\"", &[NoShell]),
        ("script \"/bin/x; /bin/y\"", &[NoShell]),
        ("script \"sh -c 'pidof nginx || exit 1 >/dev/null'\"", &[]),
        ("script \"/bin/x a&b\"", &[]),
        ("script </etc/passwd", &[]),
    ];
    for (lines, expected) in cases {
        let text = format!("vrrp_script s {{\nuser nobody\n{lines}\n}}\n{}", instance("track_script {\ns\n}"));
        assert_eq!(hints(&text), *expected, "{lines}");
    }
}

#[test]
#[rustfmt::skip]
fn commands_that_root_runs_are_told_once() {
    use Code::*;
    let script = "vrrp_script s {\nscript /bin/x\n}\n";
    let notify = "notify_master /bin/y\nnotify_backup \"/bin/y a\" nobody\n";
    let tracked = format!("{script}{}", instance(&format!("{notify}track_script {{\ns\n}}")));
    let cases: &[(&str, &[Code])] = &[
        ("", &[ScriptsAsRoot]),
        ("script_user root", &[ScriptsAsRoot]),
        ("script_user nobody", &[]),
        ("script_user root\nenable_script_security", &[]),
        ("enable_script_security", &[]),
    ];
    for (global, expected) in cases {
        assert_eq!(hints(&format!("global_defs {{\n{global}\n}}\n{tracked}")), *expected, "{global}");
    }
    let reading = read_text("a.conf", &tracked);
    let told = reading.complaints.iter().find(|complaint| complaint.code == ScriptsAsRoot).expect("a hint");
    assert!(told.line == 2 && told.message.ends_with("(and 1 more like it)"), "{told}");
    let named = tracked.replace("/bin/x", "/bin/x\nuser nobody").replace("/bin/y\n", "/bin/y root\n");
    assert_eq!(hints(&named), [ScriptsAsRoot]);
    assert_eq!(hints(&named.replace("/bin/y root", "/bin/y nobody")), []);
    let shell = named.replace("/bin/y root", "\"/bin/y > /dev/null\" nobody");
    assert_eq!(hints(&shell), [NoShell]);
}

/// What a comparison says of failures: in the first file, in the second.
fn compared(ours: &str, theirs: &str) -> [Vec<String>; 2] {
    let read = |name: &str, lines: &str| read_text(name, &tracking(lines));
    let (here, there) = (read("a.conf", ours), read("b.conf", theirs));
    assert!(here.config.is_some() && there.config.is_some(), "{}{}", shown(&here), shown(&there));
    compare(&here, &there).map(|list| {
        let found = list.into_iter().filter(|complaint| complaint.code == Code::NoTakeover);
        found.map(|complaint| complaint.message).collect()
    })
}

#[test]
#[rustfmt::skip]
fn a_failure_that_the_other_director_does_not_follow_is_told() {
    let script = |priority: u8, weight: i16| format!("priority {priority}\ntrack_script {{\ns weight {weight}\n}}");
    // Ours, theirs, and what is said: a piece of it, or nothing.
    let cases = [
        (script(150, -60), script(100, -60), None),
        (script(150, -51), script(100, 0), None),
        (script(150, -50), script(100, 0), Some("from 150 to 100, the other's own")),
        (script(150, -20), script(100, 0), Some("from 150 to 130, still above the other's 100")),
        // Positive weights count on both sides.
        (script(101, 20), script(100, 20), None),
        (script(121, 20), script(100, 20), Some("from 141 to 121, still above the other's 120")),
        (script(150, 20), script(100, 0), Some("from 170 to 150, still above the other's 100")),
        // 240 and 20 are 254, and what is lost is 14.
        (script(240, 20), script(239, 0), Some("from 254 to 240, still above the other's 239")),
        (script(230, 30), script(239, 0), None),
        (script(150, 0), script(100, 0), None),
        (script(255, -20) + "\nstate MASTER", script(100, 0), None),
        // Nobody takes over from a living master.
        (script(150, -60), script(100, -60) + "\nnopreempt", Some("below the other's 100, and the other director does not")),
        (script(150, -20), script(100, -60) + "\nnopreempt", Some("to 130, and the other director does not")),
        (script(150, 0), script(100, 0) + "\nnopreempt", None),
        (script(150, -60) + "\nnopreempt", script(100, 0), None),
    ];
    for (ours, theirs, expected) in &cases {
        let expected: Vec<&str> = expected.iter().copied().collect();
        let fits = |found: &[String]| {
            found.len() == expected.len() && found.iter().zip(&expected).all(|(found, piece)| found.contains(piece))
        };
        let [here, there] = compared(ours, theirs);
        assert!(fits(&here) && there.is_empty(), "{ours}\n{theirs}\n{here:?}{there:?}");
        // The director that is master is told, whichever file comes first.
        let [here, there] = compared(theirs, ours);
        assert!(fits(&there) && here.is_empty(), "{theirs}\n{ours}\n{here:?}{there:?}");
    }
}

#[test]
fn several_failures_of_one_kind_are_one_hint() {
    let ours = "priority 150\ntrack_script {\ns weight -60\nt weight -20\n}\ntrack_bfd {\nb weight -10\n}";
    let theirs = "priority 100\n";
    let [said, _] = compared(ours, theirs);
    assert_eq!(said.len(), 1);
    let text = said.concat();
    assert!(text.starts_with("when `t` fails") && text.contains("(and 1 more like it)"), "{text}");
    assert!(text.ends_with("(b.conf:21:10)"), "{text}");
}

#[test]
fn a_question_that_a_comparison_answers_is_a_trap_of_one_file() {
    assert!(ANSWERED.iter().all(|code| TRAPS.iter().any(|trap| trap.code == *code)));
}

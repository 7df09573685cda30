//! Programs that hear of changes of state: good ones in order and with all they should know, bad ones of every kind
//! without harm to the good ones and to the adverts.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::time::{Duration, Instant, SystemTime};

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, exit_code, wait_until};
use lab::sniff::{Sniffer, between};

use super::{instance, start, wait_role};

/// How long scripts may take on a busy machine, beyond what they wait by themselves.
const PATIENCE: Duration = Duration::from_secs(20);

/// Version 3, a little more than three adverts a second: two of them are more than a busy machine ever misses.
const INTERVAL: Duration = Duration::from_millis(300);

pub(super) fn calm() -> Instance {
    Instance::new(3, INTERVAL, 100)
}

/// A script on this host; its path.
pub(super) fn script(host: &Host, name: &str, text: &str) -> String {
    let path = host.dir().join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("/run is ours");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path.display().to_string()
}

/// A script that writes down its arguments, and the file that it writes to.
fn diary(host: &Host, name: &str) -> (String, std::path::PathBuf) {
    let told = host.dir().join(format!("{name}.told"));
    (script(host, name, &format!("echo \"$*\" >> {}", told.display())), told)
}

fn lines(path: &std::path::Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn wait_lines(path: &std::path::Path, expected: &[&str]) {
    let end = Instant::now() + PATIENCE;
    while lines(path) != expected && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(lines(path), expected, "{}", path.display());
}

fn wait_log(daemon: &Daemon, what: &str) {
    wait_until(&format!("{what:?} in the log"), PATIENCE, || daemon.log().contains(what).then_some(()));
}

fn text(global: &str, instance: &Instance) -> String {
    format!("global_defs {{\n    script_user root\n    {global}\n}}\n{instance}")
}

/// From its first advert to now, a master of this host never fell silent for longer than two intervals.
pub(super) fn expect_no_gap(sniffer: &Sniffer, host: &str, since: SystemTime) {
    let timeline = sniffer.timeline();
    let (mut at, mut gaps, mut count) = (since, Vec::new(), 0);
    while let Some(next) = timeline.first_advert(host, at + Duration::from_nanos(1)) {
        let gap = between(at, next.at);
        if count > 0 && gap > INTERVAL * 2 {
            gaps.push(gap);
        }
        at = next.at;
        count += 1;
    }
    assert!(gaps.is_empty(), "{count} adverts with gaps of {gaps:?}");
    assert!(count > 2, "only {count} adverts were counted");
}

/// A master whose `notify_backup` and `notify_master` are this bad script, while `notify` is a good one. The good one
/// hears of everything, adverts go on, the log says `said`, and the end is in time.
fn with_bad(global: &str, bad: impl FnOnce(&Host) -> String, said: &str) {
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let sniffer = net.sniff();
    let (good, told) = diary(one, "good");
    let bad = bad(one);
    let more = format!("notify_backup \"{bad}\"\n    notify_master \"{bad}\"\n    notify \"{good}\"");
    let mut daemon = start(one, &text(global, &Instance { more, ..calm() }));
    wait_lines(&told, &["INSTANCE VI_1 BACKUP 100", "INSTANCE VI_1 MASTER 100"]);
    if !said.is_empty() {
        wait_log(&daemon, said);
    }
    std::thread::sleep(INTERVAL * 4);
    expect_no_gap(&sniffer, "one", daemon.started());
    let count = daemon.log().matches("(told once)").count();
    assert!(count <= 1, "told {count} times:\n{}", daemon.log());
    assert_eq!(exit_code(daemon.stop()), 0);
    wait_lines(&told, &["INSTANCE VI_1 BACKUP 100", "INSTANCE VI_1 MASTER 100", "INSTANCE VI_1 STOP 100"]);
}

#[test]
fn a_script_that_is_missing() {
    in_namespaces!();
    with_bad("", |host| format!("{}/nothing", host.dir().display()), "nothing does not exist");
}

#[test]
fn a_script_that_is_not_executable() {
    in_namespaces!();
    let plain = |host: &Host| {
        let path = script(host, "plain", "exit 0");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
        path
    };
    with_bad("", plain, "chmod +x");
}

#[test]
fn a_script_that_others_can_change() {
    in_namespaces!();
    let open = |host: &Host| {
        let path = script(host, "open", &format!("touch {}/ran", host.dir().display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o757)).expect("it is ours");
        path
    };
    with_bad("enable_script_security", open, "can be written to by everybody");
}

#[test]
fn a_script_that_names_no_interpreter() {
    in_namespaces!();
    let odd = |host: &Host| {
        let path = script(host, "odd", "");
        fs::write(&path, "exit 0\n").expect("/run is ours");
        path
    };
    with_bad("", odd, "begin a script with #!/bin/sh");
}

#[test]
fn a_script_that_hangs_and_does_not_want_to_end() {
    in_namespaces!();
    let hang = |host: &Host| script(host, "hang", "trap '' TERM\nsleep 1000 &\nwait; wait; sleep 1000");
    with_bad("notify_timeout 1", hang, "did not end within 1 s");
}

#[test]
fn a_script_that_leaves_a_daemon_with_its_output() {
    in_namespaces!();
    with_bad("", |host| script(host, "leave", "sleep 100 &\necho started"), "");
}

#[test]
fn a_script_that_floods_its_output() {
    in_namespaces!();
    let flood =
        |host: &Host| script(host, "flood", "head -c 1000000000 /dev/zero\necho that was all\nexit 3");
    with_bad("", flood, "exit status 3, its last words: that was all");
}

#[test]
fn a_script_that_dies_by_a_signal() {
    in_namespaces!();
    with_bad("", |host| script(host, "dies", "kill -SEGV $$"), "ended by signal SIGSEGV");
}

#[test]
fn scripts_know_the_old_state_and_the_cause() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let told = one.dir().join("told");
    let path = script(
        one,
        "say",
        &format!(
            "echo \"$DIRECTORD_OLD_STATE $DIRECTORD_STATE $DIRECTORD_KIND $DIRECTORD_NAME $DIRECTORD_INTERFACE \
             $DIRECTORD_VRID $DIRECTORD_PRIORITY $DIRECTORD_ROUTER_ID: $DIRECTORD_CAUSE${{LD_PRELOAD-}}\" \
             >> {}",
            told.display()
        ),
    );
    // The address is there, or gone, when the script looks.
    let look = script(
        one,
        "look",
        &format!("ip addr show dev eth0 | grep -c 10.0.0.100 >> {}/seen", one.dir().display()),
    );
    let more = format!("notify_master \"{look}\"\n    notify_stop \"{look}\"\n    notify \"{path}\"");
    let mut daemon = start(one, &text("router_id me", &Instance { more, ..super::fast(100) }));
    wait_role(&daemon, "MASTER");
    wait_until("two lines", PATIENCE, || (lines(&told).len() == 2).then_some(()));
    one.set_link(false);
    wait_until("three lines", PATIENCE, || (lines(&told).len() == 3).then_some(()));
    assert_eq!(exit_code(daemon.stop()), 0);
    let said = lines(&told);
    let begins = [
        "INIT BACKUP INSTANCE VI_1 eth0 51 100 me: started",
        "BACKUP MASTER INSTANCE VI_1 eth0 51 100 me: no master was heard",
        "MASTER FAULT INSTANCE VI_1 eth0 51 100 me: ",
        "FAULT STOP INSTANCE VI_1 eth0 51 100 me: ",
    ];
    assert_eq!(said.len(), begins.len(), "{said:?}");
    for (said, begin) in said.iter().zip(begins) {
        assert!(said.starts_with(begin), "{said:?}, not {begin:?}");
    }
    assert_eq!(lines(&one.dir().join("seen")), ["1", "0"]);
}

#[test]
fn the_end_waits_for_the_script_of_the_stop() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let slow = script(one, "slow", &format!("sleep 1\necho done > {}/done", one.dir().display()));
    let (begin, began) = diary(one, "begin");
    let (end, ended) = diary(one, "end");
    let global = format!("startup_script \"{begin} up\"\n    shutdown_script \"{end} down\"");
    let more = format!("notify_stop \"{slow}\"");
    let mut daemon = start(one, &text(&global, &Instance { more, ..super::fast(100) }));
    wait_role(&daemon, "MASTER");
    wait_lines(&began, &["up"]);
    assert_eq!(exit_code(daemon.stop()), 0);
    assert_eq!(lines(&one.dir().join("done")), ["done"]);
    wait_lines(&ended, &["down"]);
}

#[test]
fn a_script_that_hangs_does_not_keep_the_end_waiting_for_ever() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let more = format!("notify_master \"{}\"", script(one, "hang", "sleep 1000"));
    let mut daemon = start(one, &text("", &Instance { more, ..super::fast(100) }));
    wait_role(&daemon, "MASTER");
    assert_eq!(exit_code(daemon.stop()), 0);
    assert!(daemon.log().contains("are ended with directord"), "{}", daemon.log());
}

#[test]
fn a_pipe_that_nobody_reads_loses_lines_and_says_so_and_a_reload_leaves_it_open() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let path = one.dir().join("fifo");
    let text = text(&format!("vrrp_notify_fifo {}", path.display()), &super::fast(100));
    let mut daemon = start(one, &text);
    wait_role(&daemon, "MASTER");
    let found = fs::metadata(&path).expect("it was made");
    assert!(found.file_type().is_fifo());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);

    let open =
        || fs::File::options().read(true).custom_flags(libc_nonblock()).open(&path).expect("it is there");
    let mut reader = open();
    let mut said = String::new();
    let read = |reader: &mut fs::File, said: &mut String| {
        let mut piece = [0; 65_536];
        match reader.read(&mut piece) {
            Ok(count) => said.push_str(&String::from_utf8_lossy(&piece[..count])),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    };
    wait_until("two lines in the pipe", PATIENCE, || {
        read(&mut reader, &mut said);
        (said.lines().count() == 2).then_some(())
    });
    assert_eq!(said, "INSTANCE \"VI_1\" BACKUP 100\nINSTANCE \"VI_1\" MASTER 100\n");
    assert!(!said.contains('\0'));

    daemon.reload(&text);
    wait_log(&daemon, "nothing changed");
    // The end of the file would be no error.
    let end = reader.read(&mut [0; 16]).expect_err("still open, and empty");
    assert_eq!(end.kind(), std::io::ErrorKind::WouldBlock);

    let mut filler = fs::File::options().write(true).custom_flags(libc_nonblock()).open(&path).expect("ours");
    while filler.write(&[b'x'; 4096]).is_ok() {}
    while filler.write(b"x").is_ok() {}
    one.set_link(false);
    wait_log(&daemon, "it is full, nobody reads it");
    one.set_link(true);
    wait_role(&daemon, "MASTER");
    wait_until("room in the pipe", PATIENCE, || {
        said.clear();
        read(&mut reader, &mut said);
        said.is_empty().then_some(())
    });
    one.set_link(false);
    wait_log(&daemon, "3 lines were lost");
    assert_eq!(daemon.log().matches("nobody reads it").count(), 1, "{}", daemon.log());
    assert_eq!(exit_code(daemon.stop()), 0);
    assert!(!path.exists(), "left the pipe behind");
}

fn libc_nonblock() -> i32 {
    nix::fcntl::OFlag::O_NONBLOCK.bits()
}

#[test]
fn something_else_in_the_place_of_a_pipe_is_left_alone() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let path = one.dir().join("precious");
    fs::write(&path, "mine").expect("/run is ours");
    let mut daemon = start(one, &text(&format!("notify_fifo {}", path.display()), &super::fast(100)));
    wait_role(&daemon, "MASTER");
    assert!(daemon.log().contains("something else of that name"), "{}", daemon.log());
    assert_eq!(exit_code(daemon.stop()), 0);
    assert_eq!(fs::read_to_string(&path).expect("still there"), "mine");
}

#[test]
fn threads_are_named_and_bound_as_the_file_says_and_a_refusal_says_what_to_do() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let global = "vrrp_process_name adverts\n    process_name mydirector\n    vrrp_cpu_affinity 0\n    \
                  vrrp_rt_priority 30\n    vrrp_no_swap\n    max_auto_priority 40\n    umask 022";
    let daemon = start(one, &text(global, &super::fast(100)));
    wait_role(&daemon, "MASTER");
    let pid = instance(&daemon).and(daemon.status()).expect("it answers")["pid"].to_string();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let threads: Vec<(String, String, String)> = tasks
        .filter_map(|task| {
            let path = task.ok()?.path();
            let read = |file: &str| fs::read_to_string(path.join(file)).ok();
            let status = read("status")?;
            let cpus = status.lines().find(|line| line.starts_with("Cpus_allowed_list"))?.to_owned();
            // The fields behind the name in brackets; of proc(5) numbers 40 and 41: priority and policy.
            let stat = read("stat")?;
            let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
            Some((read("comm")?.trim().to_owned(), cpus, format!("{} {}", fields[37], fields[38])))
        })
        .collect();
    let adverts = threads.iter().find(|(name, ..)| name == "adverts").expect("a thread of that name");
    assert_eq!(adverts.1.split_whitespace().last(), Some("0"), "{threads:?}");
    assert!(threads.iter().any(|(name, ..)| name == "mydirector"), "{threads:?}");
    let refused = daemon.log().contains("CAP_SYS_NICE");
    assert!(refused || adverts.2.starts_with("30 "), "{threads:?}\n{}", daemon.log());
    let log = daemon.log();
    assert!(log.contains("memory is locked") || log.contains("CAP_IPC_LOCK"), "{log}");
}

//! `directord convert` and `directord show config` as commands: what they print, what they refuse, how they exit.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail here")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const INSTANCE: &str = "\
# The only one.
$VRID=7
vrrp_instance A {
  interface eth0
  virtual_router_id $VRID
  virtual_ipaddress {
    10.0.0.9/24
  }
}
";

/// A file with that text, in a folder that is the test's own.
fn file(test: &str, name: &str, text: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("convert").join(test);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn directord(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_directord")).args(arguments).output().unwrap()
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_file_goes_to_toml_and_back() {
    let conf = file("back", "a.conf", INSTANCE);
    let toml = conf.with_file_name("a.toml");
    let back = conf.with_file_name("b.conf");
    let output = directord(&["convert", "--to", "toml", name(&conf), "-o", name(&toml)]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), ""));
    assert!(err(&output).contains("comments are not carried over"), "{}", err(&output));
    let text = fs::read_to_string(&toml).unwrap();
    assert!(text.contains("[vrrp_instance.A]\n"), "{text}");
    assert!(text.contains("virtual_router_id = 7\n"), "{text}");
    assert_eq!(directord(&["check", name(&toml)]).status.code(), Some(0));
    let output = directord(&["convert", "--to", "keepalived", name(&toml), "--output", name(&back)]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let show = |path: &Path| out(&directord(&["show", "config", "--defaults", name(path)]));
    assert!(show(&conf).contains("virtual_router_id 7\n"), "{}", show(&conf));
    assert_eq!((show(&toml), show(&back)), (show(&conf), show(&conf)));
}

#[test]
fn what_is_wrong_is_refused_and_shown() {
    let bad = file("refused", "a.conf", &INSTANCE.replace("interface", "interfaec"));
    let beside = bad.with_file_name("a.toml");
    let _ = fs::remove_file(&beside);
    for arguments in [
        &["convert", "--to", "toml", name(&bad), "-o", name(&beside)][..],
        &["show", "config", name(&bad)],
        &["show", "config", "--origin", name(&bad)],
    ] {
        let output = directord(arguments);
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""), "{arguments:?}");
        assert!(err(&output).contains("did you mean `interface`?"), "{}", err(&output));
    }
    assert!(!beside.exists(), "nothing is written of a file with errors");
    assert_eq!(directord(&["convert", "--to", "toml", "/nonexistent"]).status.code(), Some(66));
    assert_eq!(directord(&["show", "config", "/nonexistent"]).status.code(), Some(66));
}

#[test]
fn a_file_is_not_written_over_itself_and_stays_as_private_as_it_was() {
    let conf = file("private", "a.conf", INSTANCE);
    fs::set_permissions(&conf, fs::Permissions::from_mode(0o600)).unwrap();
    let output = directord(&["convert", "--to", "toml", name(&conf), "-o", name(&conf)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("choose another name"), "{}", err(&output));
    assert_eq!(fs::read_to_string(&conf).unwrap(), INSTANCE);
    let toml = conf.with_file_name("a.toml");
    let _ = fs::remove_file(&toml);
    assert_eq!(
        directord(&["convert", "--to", "toml", name(&conf), "-o", name(&toml)]).status.code(),
        Some(0)
    );
    assert_eq!(fs::metadata(&toml).unwrap().permissions().mode() & 0o777, 0o600);
    let nowhere = conf.with_file_name("none").join("a.toml");
    assert_eq!(
        directord(&["convert", "--to", "toml", name(&conf), "-o", name(&nowhere)]).status.code(),
        Some(1)
    );
}

#[test]
fn values_tell_where_they_come_from() {
    let conf = file("origin", "a.conf", INSTANCE);
    let text = out(&directord(&["show", "config", "--defaults", "--origin", name(&conf)]));
    let line = |start: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(start));
        line.unwrap_or_else(|| panic!("{start} in {text}")).split(" # ").nth(1).unwrap_or_default().to_owned()
    };
    let at = |number: u32| format!("{}:{number}", conf.display());
    assert_eq!(line("vrrp_instance A {"), at(3));
    assert_eq!(line("interface eth0"), at(4));
    assert_eq!(line("virtual_router_id 7"), at(5));
    assert_eq!(line("10.0.0.9/24"), at(7));
    assert_eq!(line("advert_int 1"), "default");
    let said = out(&directord(&["show", "config", name(&conf)]));
    assert!(!said.contains("advert_int") && !said.contains('#'), "{said}");
}

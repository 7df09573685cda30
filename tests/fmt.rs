//! `directord fmt` as a command: what becomes of files, and how it exits.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail here")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const UNTIDY: &str = "vrrp_instance  A{\ninterface eth0 # x\n}\n";
const TIDY: &str = "vrrp_instance A {\n    interface eth0 # x\n}\n";

fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fmt").join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn fmt(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_directord"))
        .arg("fmt")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[test]
fn a_file_is_replaced_and_keeps_its_mode() {
    let folder = folder("replaced");
    let file = folder.join("a.conf");
    fs::write(&file, UNTIDY).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::metadata(&file).unwrap();
    let name = file.to_str().unwrap();

    let output = fmt(&["--check", name], "");
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(1), format!("{name}: would be formatted\n").as_str())
    );
    assert_eq!(text(&fmt(&["--stdout", name], "").stdout), TIDY);
    assert_eq!(fs::read_to_string(&file).unwrap(), UNTIDY);

    assert_eq!(fmt(&[name], "").status.code(), Some(0));
    let after = fs::metadata(&file).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), TIDY);
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    assert_eq!(fmt(&["--check", name], "").status.code(), Some(0));
    // A file that is tidy is not written at all.
    assert_eq!(fmt(&[name], "").status.code(), Some(0));
    assert_eq!(fs::metadata(&file).unwrap().ino(), after.ino());
}

#[test]
fn standard_input_goes_to_standard_output() {
    for arguments in [[].as_slice(), &["-"]] {
        let output = fmt(arguments, UNTIDY);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), TIDY));
    }
    assert_eq!(fmt(&["--check"], TIDY).status.code(), Some(0));
    assert_eq!(fmt(&["--check"], UNTIDY).status.code(), Some(1));
}

#[test]
fn what_cannot_be_done_leaves_the_file() {
    let folder = folder("left");
    let [open, good, link, toml] =
        ["open.conf", "good.conf", "link.conf", "a.toml"].map(|name| folder.join(name));
    fs::write(&open, "a {\n  b c {\n}\n").unwrap();
    fs::write(&good, UNTIDY).unwrap();
    fs::write(&toml, "a = 1\n").unwrap();
    symlink(&good, &link).unwrap();
    let name = open.to_str().unwrap();

    let output = fmt(&[name], "");
    let expected = format!(
        "{name}:1:3: error[unclosed-block]: the block of `a` that begins here is not closed; add the missing `}}`; the \
         text is left as it is\n"
    );
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), expected.as_str()));
    assert_eq!(fs::read_to_string(&open).unwrap(), "a {\n  b c {\n}\n");

    let output = fmt(&[link.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("it is a symbolic link; name "), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(&good).unwrap(), UNTIDY);
    assert_eq!(text(&fmt(&["--stdout", link.to_str().unwrap()], "").stdout), TIDY);

    fs::hard_link(&good, folder.join("second.conf")).unwrap();
    assert_eq!(fmt(&[good.to_str().unwrap()], "").status.code(), Some(2));
    assert_eq!(fmt(&[toml.to_str().unwrap()], "").status.code(), Some(2));
    assert_eq!(fmt(&["/nonexistent"], "").status.code(), Some(66));
    assert_eq!(fmt(&["/dev/null"], "").status.code(), Some(66));
    assert_eq!(fs::read_to_string(&good).unwrap(), UNTIDY);
}

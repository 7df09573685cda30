//! Which file a command means, and whether it may be run at all.
//!
//! This is decided each time, when the command is run: a script that was mended a minute ago runs, one that somebody
//! opened to the world a minute ago does not.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::account::Identity;
use crate::config::ScriptRules;

/// Where a bare name is looked for if the daemon was started without `PATH`.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The file to run for the first word of a command. The error is a sentence for the operator.
pub(super) fn find(word: &str, who: &Identity, rules: &ScriptRules) -> Result<PathBuf, String> {
    let path = if word.contains('/') { PathBuf::from(word) } else { search(word, who)? };
    let shown = path.display();
    let file = fs::metadata(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{shown} does not exist"),
        _ => format!("{shown} cannot be looked at: {error}"),
    })?;
    if !file.is_file() {
        return Err(format!("{shown} is not a file that can be run"));
    }
    if !may_execute(&file, who) {
        return Err(format!(
            "{shown} is not executable for user {} (it belongs to {}, mode {:04o}): chmod +x",
            who.uid,
            file.uid(),
            file.mode() & 0o7777
        ));
    }
    let real = fs::canonicalize(&path).map_err(|error| format!("{shown} cannot be followed: {error}"))?;
    if rules.security && becomes_root(&file, who) {
        protected(&path)?;
        protected(&real)?;
    }
    if names_no_interpreter(&real) {
        return Err(format!(
            "{shown} is no program, and its first line does not name one that reads it: begin a script with #!/bin/sh"
        ));
    }
    Ok(if rules.symlink_paths { path } else { real })
}

/// Whether the file is plain text that does not begin with `#!`. The C library would hand such a thing to a shell;
/// keepalived does not run it.
fn names_no_interpreter(path: &Path) -> bool {
    let mut begin = [0; 128];
    // What may be executed need not be readable.
    let Ok(count) = fs::File::open(path).and_then(|mut file| file.read(&mut begin)) else { return false };
    let begin = &begin[..count];
    !begin.starts_with(b"#!") && !begin.contains(&0)
}

fn search(name: &str, who: &Identity) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsStr::new(USUAL_PATH).to_owned());
    let candidates: Vec<PathBuf> = std::env::split_paths(&path).map(|folder| folder.join(name)).collect();
    let usable =
        |path: &&PathBuf| fs::metadata(path).is_ok_and(|file| file.is_file() && may_execute(&file, who));
    candidates
        .iter()
        .find(usable)
        .or_else(|| candidates.iter().find(|path| path.exists()))
        .cloned()
        .ok_or_else(|| format!("`{name}` is in none of the folders of PATH: say its full path"))
}

fn may_execute(file: &Metadata, who: &Identity) -> bool {
    let mode = file.mode();
    if who.uid == 0 {
        return mode & 0o111 != 0;
    }
    if who.uid == file.uid() {
        return mode & 0o100 != 0;
    }
    if who.gid == file.gid() || who.groups.contains(&file.gid()) {
        return mode & 0o010 != 0;
    }
    mode & 0o001 != 0
}

/// Whether running the file means running as root or in root's group.
fn becomes_root(file: &Metadata, who: &Identity) -> bool {
    let set_user = file.uid() == 0 && file.mode() & 0o4000 != 0;
    let set_group = file.gid() == 0 && file.mode() & 0o2010 == 0o2010;
    who.uid == 0 || who.gid == 0 || set_user || set_group
}

/// Whether nobody but root can change what this path leads to.
fn protected(path: &Path) -> Result<(), String> {
    let absolute = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut so_far = PathBuf::new();
    for component in absolute.components() {
        so_far.push(component);
        if component == Component::CurDir {
            continue;
        }
        let shown = so_far.display();
        let found = fs::symlink_metadata(&so_far).map_err(|error| format!("{shown}: {error}"))?;
        let fault = exposed(&found);
        if let Some(fault) = fault {
            return Err(format!(
                "`enable_script_security` forbids root to run {}: {shown} {fault}; chown root and chmod go-w it, or \
                 name another user behind the command",
                path.display()
            ));
        }
    }
    Ok(())
}

/// Who besides root may change a file or folder, in words.
fn exposed(found: &Metadata) -> Option<String> {
    let mode = found.mode();
    if found.uid() != 0 {
        return Some(format!("belongs to user {}", found.uid()));
    }
    // The rights of a symbolic link mean nothing; in a folder with the sticky bit only owners rename and remove.
    if found.is_symlink() || (found.is_dir() && mode & 0o1000 != 0) {
        return None;
    }
    if mode & 0o002 != 0 {
        return Some("can be written to by everybody".to_owned());
    }
    (mode & 0o020 != 0 && found.gid() != 0).then(|| format!("can be written to by group {}", found.gid()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn somebody(uid: u32) -> Identity {
        Identity { uid, gid: uid, groups: vec![uid] }
    }

    fn script(name: &str, mode: u32) -> PathBuf {
        let path = std::env::temp_dir().join(format!("directord-program-{}-{name}", std::process::id()));
        fs::write(&path, "#!/bin/sh\n").expect("the folder for temporary files is there");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        path
    }

    #[test]
    fn what_is_missing_or_not_executable_is_told_in_words() {
        let rules = ScriptRules::default();
        let find = |path: &Path| find(path.to_str().expect("plain"), &somebody(0), &rules);
        assert!(find(Path::new("/no/such/thing")).expect_err("missing").contains("does not exist"));
        assert!(find(Path::new("/")).expect_err("a folder").contains("not a file"));
        let plain = script("plain", 0o644);
        assert!(find(&plain).expect_err("mode 0644").contains("not executable"));
        fs::remove_file(plain).expect("it is ours");
        let odd = script("odd", 0o755);
        fs::write(&odd, "exit 0\n").expect("it is ours");
        assert!(find(&odd).expect_err("no first line").contains("#!/bin/sh"));
        fs::remove_file(odd).expect("it is ours");
        let bare = super::find("no-such-name-anywhere", &somebody(0), &rules);
        assert!(bare.expect_err("nowhere").contains("PATH"));
        assert!(super::find("sh", &somebody(0), &rules).expect("every system has it").is_absolute());
    }

    #[test]
    fn security_refuses_what_others_can_change_to_root_and_to_nobody_else() {
        let open = script("open", 0o757);
        let word = open.to_str().expect("plain").to_owned();
        let strict = ScriptRules { security: true, ..ScriptRules::default() };
        let refused = find(&word, &somebody(0), &strict).expect_err("writable by everybody");
        assert!(refused.contains("enable_script_security"), "{refused}");
        assert!(find(&word, &somebody(65_534), &strict).is_ok());
        assert!(find(&word, &somebody(0), &ScriptRules::default()).is_ok());
        fs::remove_file(open).expect("it is ours");
        assert!(find("/bin/sh", &somebody(0), &strict).is_ok());
    }
}

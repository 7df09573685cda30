//! The names that this system has for routing tables and the like: iproute2's files.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::config::resolve::{Naming, resolve};

/// Where the files lie; what stands in a later one counts more.
const DIRECTORIES: [&str; 3] = ["/usr/lib/iproute2", "/usr/share/iproute2", "/etc/iproute2"];

/// What is called so where there are no files (`<linux/rtnetlink.h>`).
const EVERYWHERE: [(Naming, &str, u32); 13] = [
    (Naming::Table, "default", 253),
    (Naming::Table, "main", 254),
    (Naming::Table, "local", 255),
    (Naming::Scope, "global", 0),
    (Naming::Scope, "site", 200),
    (Naming::Scope, "link", 253),
    (Naming::Scope, "host", 254),
    (Naming::Scope, "nowhere", 255),
    (Naming::Protocol, "kernel", 2),
    (Naming::Protocol, "boot", 3),
    (Naming::Protocol, "static", 4),
    (Naming::Protocol, "keepalived", 18),
    (Naming::Group, "default", 0),
];

/// Replaces the configuration's names by numbers. Files are read only if there are names.
pub(crate) fn look_up(config: &mut Config) {
    let files = OnceCell::new();
    resolve(config, &|naming, name| {
        let known: &BTreeMap<(Naming, String), u32> = files.get_or_init(|| read(&DIRECTORIES.map(Path::new)));
        known.get(&(naming, name.to_owned())).copied()
    });
}

fn read(directories: &[&Path]) -> BTreeMap<(Naming, String), u32> {
    let mut known: BTreeMap<_, _> =
        EVERYWHERE.iter().map(|(naming, name, number)| ((*naming, (*name).to_owned()), *number)).collect();
    let files = [
        (Naming::Table, "rt_tables"),
        (Naming::Scope, "rt_scopes"),
        (Naming::Protocol, "rt_protos"),
        (Naming::Realm, "rt_realms"),
        (Naming::Service, "rt_dsfield"),
        (Naming::Group, "group"),
    ];
    for directory in directories {
        for (naming, file) in files {
            let more = directory.join(format!("{file}.d"));
            for path in std::iter::once(directory.join(file)).chain(configuration_files(&more)) {
                let text = fs::read_to_string(path).unwrap_or_default();
                known.extend(lines(&text).map(|(name, number)| ((naming, name), number)));
            }
        }
    }
    known
}

fn configuration_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "conf")).collect();
    files.sort();
    files
}

/// `NUMBER NAME`, the number perhaps hexadecimal, and comments.
fn lines(text: &str) -> impl Iterator<Item = (String, u32)> {
    text.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let number = words.next()?;
        let number = match number.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        Some((words.next()?.to_owned(), number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_iproute2_does() {
        let directory = std::env::temp_dir().join(format!("directord-names-{}", std::process::id()));
        fs::create_dir_all(directory.join("rt_tables.d")).unwrap();
        fs::write(directory.join("rt_tables"), "#\n254 main\n 100\tblue # ours\nrubbish\n7\n").unwrap();
        fs::write(directory.join("rt_tables.d/more.conf"), "0x65 red\n").unwrap();
        fs::write(directory.join("rt_tables.d/ignored"), "1 green\n").unwrap();
        let known = read(&[&directory]);
        let table = |name: &str| known.get(&(Naming::Table, name.to_owned())).copied();
        assert_eq!([table("main"), table("blue"), table("red")], [Some(254), Some(100), Some(101)]);
        assert_eq!(table("green"), None);
        fs::remove_dir_all(&directory).unwrap();
    }
}

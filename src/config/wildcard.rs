//! File name patterns of `include`: `*`, `?`, `[a-z]`, and brace lists `{a,b}`.

use std::path::{Component, Path, PathBuf};

/// A pattern that would stand for more files than this is cut off there.
const MAX_ALTERNATIVES: usize = 256;

/// Whether a name holds a wildcard.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// The names that a brace list stands for: `a{b,c{d,e}}` is `ab`, `acd`, `ace`. Without a complete list, the
/// name itself.
pub fn braces(name: &str) -> Vec<String> {
    let mut open = vec![name.to_owned()];
    let mut done = Vec::new();
    while let Some(name) = open.pop() {
        match first_list(&name) {
            Some((before, items, after)) if open.len() + done.len() < MAX_ALTERNATIVES => {
                open.extend(items.iter().rev().map(|item| format!("{before}{item}{after}")));
            }
            _ => done.push(name),
        }
    }
    done
}

/// The paths that match a pattern, sorted; `list` names what is in a directory.
pub fn matches(pattern: &Path, list: &dyn Fn(&Path) -> Vec<String>) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::new()];
    for component in pattern.components() {
        let part = component.as_os_str().to_string_lossy();
        if !matches!(component, Component::Normal(_)) || !is_pattern(&part) {
            paths.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        paths = paths.iter().flat_map(|path| matching_entries(path, &part, list)).collect();
    }
    paths.sort();
    paths
}

fn matching_entries(directory: &Path, pattern: &str, list: &dyn Fn(&Path) -> Vec<String>) -> Vec<PathBuf> {
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    // As in a shell, a leading dot is matched by a leading dot only.
    let wanted = |name: &String| name.starts_with('.') == pattern.starts_with('.') && is_match(pattern, name);
    list(here).into_iter().filter(wanted).map(|name| directory.join(name)).collect()
}

/// Whether one file name matches one pattern. Takes at most (pattern × name) steps.
fn is_match(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where to go on if the last `*` must swallow one character more.
    let mut retry = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            retry = Some((p + 1, n));
            p += 1;
        } else if let Some(width) = name.get(n).and_then(|c| matches_one(pattern.get(p..)?, *c)) {
            p += width;
            n += 1;
        } else if let Some((after_star, swallowed)) = retry {
            retry = Some((after_star, swallowed + 1));
            (p, n) = (after_star, swallowed + 1);
        } else {
            return false;
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

/// If the pattern's first element matches the character: how many characters of the pattern that element takes.
fn matches_one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => match class(pattern, c) {
            Some((true, width)) => Some(width),
            Some((false, _)) => None,
            None => (c == '[').then_some(1),
        },
        literal => (*literal == c).then_some(1),
    }
}

/// `[abc]`, `[a-z]`, `[!a]`: whether the character is in it, and how long the class is; `None` if it has no end.
fn class(pattern: &[char], c: char) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let first = if negated { 2 } else { 1 };
    // A `]` right at the start is a member.
    let end = first + 1 + pattern.get(first + 1..)?.iter().position(|c| *c == ']')?;
    let mut members = pattern.get(first..end)?;
    let mut found = false;
    while let Some((low, rest)) = members.split_first() {
        if let ['-', high, after @ ..] = rest {
            found |= (*low..=*high).contains(&c);
            members = after;
        } else {
            found |= *low == c;
            members = rest;
        }
    }
    Some((found != negated, end + 1))
}

/// The first outermost brace list: what is before it, its items, what is after it.
fn first_list(name: &str) -> Option<(&str, Vec<&str>, &str)> {
    let start = name.find('{')?;
    let mut depth = 0_usize;
    let mut items = Vec::new();
    let mut item = start + 1;
    for (at, c) in name.char_indices().skip_while(|(at, _)| *at < start) {
        match c {
            '{' => depth += 1,
            ',' if depth == 1 => {
                items.push(name.get(item..at)?);
                item = at + 1;
            }
            '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            items.push(name.get(item..at)?);
            return Some((name.get(..start)?, items, name.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let yes = [
            ("*.conf", "a.conf"),
            ("*", "anything"),
            ("a?c", "abc"),
            ("[a-c]x", "bx"),
            ("[!a-c]x", "dx"),
            ("[]]", "]"),
            ("*a*b*", "xxaxxbxx"),
            ("[a", "[a"),
        ];
        for (pattern, name) in yes {
            assert!(is_match(pattern, name), "{pattern} {name}");
        }
        let no = [("*.conf", "a.conf.bak"), ("a?c", "ac"), ("[a-c]x", "dx"), ("", "a"), ("*a", "b")];
        for (pattern, name) in no {
            assert!(!is_match(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_spiteful_pattern_takes_no_time() {
        assert!(!is_match(&"*a".repeat(200), &format!("{}b", "a".repeat(20_000))));
    }

    #[test]
    fn brace_lists_unfold() {
        assert_eq!(braces("plain"), ["plain"]);
        assert_eq!(braces("a{b,c{d,e}}f"), ["abf", "acdf", "acef"]);
        assert_eq!(braces("{x,y}/{1,2}"), ["x/1", "x/2", "y/1", "y/2"]);
        assert_eq!(braces("open{a,b"), ["open{a,b"]);
        assert!(braces(&"{a,b}".repeat(60)).len() <= 2 * MAX_ALTERNATIVES);
    }

    #[test]
    fn directories_may_hold_wildcards_too() {
        let list = |directory: &Path| -> Vec<String> {
            let names: &[&str] = match directory.to_str() {
                Some("/etc") => &["b.d", "a.d", "c"],
                Some("/etc/a.d") => &["2.conf", "1.conf", ".hidden.conf"],
                Some("/etc/b.d") => &["9.conf"],
                _ => &[],
            };
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let found = matches(Path::new("/etc/*.d/*.conf"), &list);
        let expected = ["/etc/a.d/1.conf", "/etc/a.d/2.conf", "/etc/b.d/9.conf"];
        assert_eq!(found, expected.map(PathBuf::from));
    }
}

//! What would hold anyway because `global_defs` says so.
//!
//! The table of keywords tells whose default is "as" another keyword of `global_defs`. Such a value, if it was put down
//! as a default, is one if it is what `global_defs` says or, where that says nothing, what holds there.

use super::Line;
use crate::config::keywords::{self, Found, Place};

/// Chains of defaults are two or three keywords long.
const LONGEST: usize = 8;

/// Finds out of each such line of the top level, or below, whether it need be said. `globals` stand in `global_defs`.
pub(super) fn mark(lines: &mut [Line], globals: &[Line]) {
    block(lines, Place::Root, globals);
}

fn block(lines: &mut [Line], place: Place, globals: &[Line]) {
    for line in lines {
        let Found::Here(keyword) = keywords::find(place, &line.keyword) else { continue };
        if let Some(inside) = keyword.inside() {
            block(line.block.as_deref_mut().unwrap_or_default(), inside, globals);
        } else if line.default
            && let Some(default) = keyword.default.filter(|default| is_global(default))
        {
            line.default = held(default, globals).is_some_and(|expected| same(&line.words, &expected));
        }
    }
}

/// What holds where the default is described like that.
fn held(default: &str, globals: &[Line]) -> Option<Vec<String>> {
    let mut default = default;
    for _ in 0..LONGEST {
        let name = other(default)?;
        if let Some(said) = globals.iter().find(|line| line.keyword == name) {
            return Some(said.words.clone());
        }
        let Found::Here(keyword) = keywords::find(Place::Global, name) else { return None };
        default = keyword.default?;
        if other(default).is_none() {
            return Some(default.split_whitespace().map(str::to_owned).collect());
        }
    }
    None
}

/// Whether a default is that of a keyword of `global_defs`.
fn is_global(default: &str) -> bool {
    other(default).is_some_and(|name| matches!(keywords::find(Place::Global, name), Found::Here(_)))
}

/// "as `vrrp_version`": the keyword.
fn other(default: &str) -> Option<&str> {
    default.strip_prefix("as `")?.strip_suffix('`')
}

/// Whether words mean the same; a switch has several words for on and off, and none for on.
fn same(one: &[String], other: &[String]) -> bool {
    let switch = |words: &[String]| match words {
        [] => Some(true),
        [word] => match word.as_str() {
            "on" | "true" | "yes" => Some(true),
            "off" | "false" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    };
    one == other || (switch(one).is_some() && switch(one) == switch(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &str, block: Option<Vec<Line>>) -> Line {
        let mut words = words.split(' ').map(str::to_owned);
        let keyword = words.next().expect("a keyword");
        Line { keyword, words: words.collect(), block, default: true, thing: None }
    }

    /// Which of the lines of an instance need not be said.
    fn defaults(globals: &[&str], instance: &[&str]) -> Vec<bool> {
        let lines = |words: &[&str]| Some(words.iter().map(|words| line(words, None)).collect());
        let mut all = vec![line("vrrp_instance A", lines(instance)), line("global_defs", lines(globals))];
        let globals = all[1].block.clone().unwrap_or_default();
        mark(&mut all, &globals);
        let instance = all.swap_remove(0).block.expect("a block");
        instance.iter().map(|line| line.default).collect()
    }

    #[test]
    fn a_value_is_a_default_if_global_defs_says_the_same() {
        let instance =
            ["version 3", "garp_master_delay 5", "garp_lower_prio_delay 7", "lower_prio_no_advert off"];
        assert_eq!(defaults(&[], &instance), [false, true, false, true]);
        let globals = ["vrrp_version 3", "vrrp_garp_master_delay 7", "vrrp_lower_prio_no_advert"];
        assert_eq!(defaults(&globals, &instance), [true, false, true, false]);
        assert_eq!(defaults(&["vrrp_garp_lower_prio_delay 6"], &instance), [false, true, false, true]);
        assert_eq!(defaults(&["smtp_alert off"], &["smtp_alert off"]), [true]);
        assert_eq!(defaults(&[], &["smtp_alert on", "interface eth0"]), [true, false]);
        // Of others it is known already.
        assert_eq!(defaults(&[], &["advert_int 1"]), [true]);
    }
}

//! A configuration that is written again, in either form, and read again is the same.

use std::path::Path;

use directord::config::keywords::{self, Keyword, Place, Status};
use directord::config::{Colour, Config, Manner, Purpose, read, read_text, read_text_as, write};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::samples;

const COMPATIBLE: Manner = Manner { purpose: Purpose::Check, compat: true };

/// What does not survive; empty if all is well. What only compatible reading accepts may need it again, and has no TOML.
fn losses(config: &Config, compatible: bool) -> Vec<String> {
    let all = write::lines(config);
    let said = write::without_defaults(all.clone());
    assert_eq!(write::said(config), write::text(&said), "made of one virtual server after the other");
    let forms = [
        ("with defaults", "test.conf", write::text(&all)),
        ("as text", "test.conf", write::text(&said)),
        ("as text, in pieces", "test.conf", write::said(config)),
        ("as TOML", "test.toml", write::toml(&said)),
        ("as TOML with defaults", "test.toml", write::toml(&all)),
    ];
    let lost = forms.into_iter().filter_map(|(what, name, text)| {
        let mut reading = read_text(name, &text);
        // Unicast means something else to each of the two.
        if compatible && reading.config.as_ref() != Some(config) {
            if name == "test.toml" {
                return None;
            }
            reading = read_text_as(name, &text, COMPATIBLE);
        }
        if reading.config.as_ref() == Some(config) {
            return None;
        }
        let difference = match &reading.config {
            None => reading.render(Colour::Never),
            Some(other) => difference(&format!("{config:#?}"), &format!("{other:#?}")),
        };
        Some(format!("{what}:\n{difference}\n{text}"))
    });
    lost.collect()
}

/// Some lines of the first that are not in the second, and the other way round.
fn difference(one: &str, other: &str) -> String {
    let only = |a: &str, b: &str, sign: char| {
        let b: Vec<&str> = b.lines().collect();
        let only = a.lines().filter(|line| !b.contains(line)).take(20);
        only.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    only(one, other, '-') + &only(other, one, '+')
}

/// The configuration of a text, and whether it was read as keepalived reads it, because strictly there is none.
fn config(text: &str) -> Result<(Config, bool), String> {
    let strict = read_text("test.conf", text);
    let errors = strict.render(Colour::Never);
    let compatible = || Some((read_text_as("test.conf", text, COMPATIBLE).config?, true));
    strict.config.map(|config| (config, strict.compat)).or_else(compatible).ok_or(errors)
}

/// Whether a keyword means anything that a configuration could hold.
fn means_something(keyword: &Keyword) -> bool {
    matches!(keyword.status, Status::Works | Status::SameAs(_) | Status::NotYet(_))
}

/// Keywords that say what is so already, or what is carried out while the file is read.
const WITHOUT_TRACE: &[(&str, Place)] = &[
    // It is the default; against `nopreempt` it loses.
    ("preempt", Place::Instance),
    // Of addresses; without any it changes nothing, and is said so of them.
    ("no_virtual_ipaddress", Place::Instance),
    ("ip_family", Place::VirtualServer),
];

#[test]
fn every_value_of_every_keyword_survives() {
    let mut faults = Vec::new();
    for keyword in keywords::all() {
        for place in keyword.places {
            let (without, _) = config(&samples::around(*place, "")).expect("a good configuration");
            let (mut read, mut trace, mut refusal) = (false, false, String::new());
            for line in samples::lines(keyword, *place) {
                match config(&samples::around(*place, &line)) {
                    Err(errors) => refusal = errors,
                    Ok((config, compatible)) => {
                        read = true;
                        trace |= config != without;
                        let lost = losses(&config, compatible);
                        faults.extend(lost.first().map(|lost| format!("`{line}` in {place}, {lost}")));
                    }
                }
            }
            let name = keyword.name;
            if !means_something(keyword) {
                continue;
            }
            if !read {
                faults.push(format!("no sample of `{name}` in {place} is good:\n{refusal}"));
            } else if trace == WITHOUT_TRACE.contains(&(name, *place)) {
                faults.push(format!("`{name}` in {place} leaves no trace in the configuration"));
            }
        }
    }
    let some: Vec<String> = faults.iter().take(20).map(|fault| fault.chars().take(2_000).collect()).collect();
    assert!(faults.is_empty(), "{} faults:\n\n{}", faults.len(), some.join("\n\n"));
}

/// Some lines for a place, of which any number may stand together.
fn any_lines(place: Place) -> impl Strategy<Value = String> {
    let here: Vec<&Keyword> = keywords::all().filter(|keyword| keyword.places.contains(&place)).collect();
    let line = (select(here), any::<Index>()).prop_map(move |(keyword, index)| {
        let lines = samples::lines(keyword, place);
        if lines.is_empty() { String::new() } else { index.get(&lines).clone() }
    });
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

fn any_place() -> impl Strategy<Value = Place> {
    let places: std::collections::BTreeSet<Place> =
        keywords::all().flat_map(|keyword| keyword.places).copied().collect();
    select(places.into_iter().collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_configuration_survives(
        text in any_place().prop_flat_map(|place| any_lines(place).prop_map(move |lines| samples::around(place, &lines))),
        global in any_lines(Place::Global),
    ) {
        let text = format!("{text}global_defs {{\n{global}\n}}\n");
        if let Ok((config, compatible)) = config(&text) {
            let lost = losses(&config, compatible);
            prop_assert!(lost.is_empty(), "{}\nof\n{}", lost.first().map_or("", String::as_str), text);
        }
    }

    /// Strict mode resets what the RFC does not have: what is left of it must be read again as it is.
    #[test]
    fn any_strict_instance_survives(
        lines in any_lines(Place::Instance),
        of_all in any_lines(Place::Global),
        (own, everywhere) in select(vec![("strict_mode", ""), ("", "vrrp_strict"), ("strict_mode no", "vrrp_strict")]),
        version in select(vec!["", "version 2", "version 3"]),
    ) {
        let text = samples::around(Place::Instance, &format!("{version}\n{lines}\n{own}"));
        let text = format!("{text}global_defs {{\n{of_all}\n{everywhere}\n}}\n");
        if let Ok((config, compatible)) = config(&text) {
            let lost = losses(&config, compatible);
            prop_assert!(lost.is_empty(), "{}\nof\n{}", lost.first().map_or("", String::as_str), text);
        }
    }
}

#[test]
fn every_example_survives() {
    let etc = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc");
    let mut directories = vec![etc];
    let mut count = 0;
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("the directory is there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|ending| ending == "conf" || ending == "toml") {
                let config = read(&path, None, Purpose::Check).config.expect("a good example");
                let lost = losses(&config, false);
                assert!(lost.is_empty(), "{}: {}", path.display(), lost.concat());
                count += 1;
            }
        }
    }
    assert!(count > 0);
}

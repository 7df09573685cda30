//! A plan for people: block by block, `+` for what comes, `-` for what goes, `~` for what changes.

use std::fmt::Write;

use ipvs_backend::ConnectionCounts;

use super::{Plan, Totals};
use crate::config::plan::{BlockChange, Count, Kind, LineChange};

/// Blocks shown inside one block, and lines; of thousands the rest is counted.
const SHOWN: usize = 40;

/// The plan as text. Colour only where a terminal reads it.
pub(super) fn render(plan: &Plan, colour: bool) -> String {
    let paint = Paint { colour };
    let file = plan.file.display();
    if plan.empty {
        return format!("{file}: nothing would change\n");
    }
    // Writing into a String cannot fail.
    let mut out = format!("{file} would change:\n");
    for change in &plan.changes {
        out.push('\n');
        block(&mut out, change, 0, &paint);
    }
    let Totals { virtual_servers, real_servers, vrrp_instances } = plan.totals;
    let named = [
        ("vrrp_instances", vrrp_instances),
        ("virtual_servers", virtual_servers),
        ("real_servers", real_servers),
    ];
    let parts: Vec<String> = named.iter().filter_map(|(noun, count)| counted(noun, *count)).collect();
    if !parts.is_empty() {
        let _ = writeln!(out, "\n{}", parts.join("; "));
    }
    if let Some(why) = &plan.uncounted {
        let _ = writeln!(out, "{}", paint.changed(&format!("connections are not counted: {why}")));
    }
    out
}

fn counted(noun: &str, Count { added, changed, removed }: Count) -> Option<String> {
    let parts = [(added, "added"), (changed, "changed"), (removed, "removed")];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    (!parts.is_empty()).then(|| format!("{noun}: {}", parts.join(", ")))
}

fn block(out: &mut String, change: &BlockChange, depth: usize, paint: &Paint) {
    let indent = "    ".repeat(depth);
    let (sign, name) = (sign(change.change), title(change));
    let weight = change.lines.iter().find(|line| line.keyword == "weight" && change.change != Kind::Changed);
    let weight = weight.and_then(|line| line.after.as_ref().or(line.before.as_ref()));
    let weight = weight.map(|weight| format!(", weight {weight}")).unwrap_or_default();
    let touched = change.connections.filter(|counts| *counts != ConnectionCounts::default());
    let touched = touched.map(|counts| format!("  {}", connections(counts))).unwrap_or_default();
    let _ = writeln!(
        out,
        "{}{}",
        paint.kind(change.change, &format!("{sign} {indent}{name}{weight}")),
        paint.attention(&touched)
    );
    if change.change == Kind::Changed {
        for line in change.lines.iter().take(SHOWN) {
            self::line(out, line, depth + 1, paint);
        }
        more(out, change.lines.len(), "lines", depth + 1);
    }
    // Of what is added or removed as a whole, the servers and addresses are what people look for.
    let whole = change.change != Kind::Changed;
    let shown = |inner: &&BlockChange| !whole || inner.keyword == "real_server";
    for inner in change.blocks.iter().filter(shown).take(SHOWN) {
        block(out, inner, depth + 1, paint);
    }
    more(out, change.blocks.iter().filter(shown).count(), "blocks", depth + 1);
    if whole {
        for list in change.blocks.iter().filter(|inner| inner.keyword.starts_with("virtual_")) {
            for one in list.lines.iter().take(SHOWN) {
                line(out, one, depth + 1, paint);
            }
            more(out, list.lines.len(), "lines", depth + 1);
        }
    }
}

fn more(out: &mut String, count: usize, noun: &str, depth: usize) {
    if count > SHOWN {
        let _ = writeln!(out, "  {}and {} more {noun}: see --json", "    ".repeat(depth), count - SHOWN);
    }
}

fn line(out: &mut String, LineChange { keyword, before, after }: &LineChange, depth: usize, paint: &Paint) {
    let indent = "    ".repeat(depth);
    let said = |words: &str| format!("{keyword} {words}").trim_end().to_owned();
    let text = match (before, after) {
        (Some(before), Some(after)) => paint.changed(&format!("~ {indent}{keyword} {before} -> {after}")),
        (Some(before), None) => paint.kind(Kind::Removed, &format!("- {indent}{}", said(before))),
        (None, Some(after)) => paint.kind(Kind::Added, &format!("+ {indent}{}", said(after))),
        (None, None) => return,
    };
    let _ = writeln!(out, "{text}");
}

fn title(change: &BlockChange) -> String {
    match change.keyword.as_str() {
        "file" => "outside of blocks".to_owned(),
        keyword => format!("{keyword} {}", change.name).trim_end().to_owned(),
    }
}

/// Live connections that a change touches.
fn connections(ConnectionCounts { active, inactive, persistent }: ConnectionCounts) -> String {
    let persistent = if persistent == 0 { String::new() } else { format!(", {persistent} persistent") };
    format!("[connections: {active} active, {inactive} inactive{persistent}]")
}

fn sign(kind: Kind) -> char {
    match kind {
        Kind::Added => '+',
        Kind::Changed => '~',
        Kind::Removed => '-',
    }
}

/// Colours, or none.
struct Paint {
    colour: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn kind(&self, kind: Kind, text: &str) -> String {
        match kind {
            Kind::Added => self.with("32", text),
            Kind::Changed => self.with("1", text),
            Kind::Removed => self.with("31", text),
        }
    }

    fn changed(&self, text: &str) -> String {
        self.with("33", text)
    }

    fn attention(&self, text: &str) -> String {
        self.with("36", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::digest::digest;
    use crate::config::plan::{Connections, changes};
    use crate::config::{Expectation, adopt, read_text};

    fn plan(old: &str, new: &str, known: &Connections) -> Plan {
        let config = |text: &str| read_text("test.conf", text).config.expect("the text is good");
        let old = config(old);
        let (new, _) = adopt(&old, config(new));
        let expected = Expectation { running: digest(&old), wanted: digest(&new), kernel: None };
        let mut plan = Plan::new("new.conf".into(), expected, changes(&old, &new));
        plan.changes.iter_mut().for_each(|block| block.count(known, &old));
        plan
    }

    const OLD: &str = "virtual_server 10.0.0.100 80 {\n lvs_sched wlc\n protocol TCP\n \
                       real_server 10.0.1.1 80 {\n weight 1\n }\n real_server 10.0.1.2 80 {\n weight 3\n }\n}\n";

    #[test]
    fn people_see_what_changes_and_whom_it_touches() {
        let new = OLD
            .replace("wlc", "rr")
            .replace("weight 1\n", "weight 5\n")
            .replace("10.0.1.2 80", "10.0.1.9 80");
        let key = "[10.0.0.100]:tcp:80".parse().unwrap();
        let counts = ConnectionCounts { active: 12, inactive: 3, persistent: 0 };
        let known =
            Connections::from([(key, [("10.0.1.2:80".parse().unwrap(), counts)].into_iter().collect())]);
        let plan = plan(OLD, &new, &known);
        let expected = "\
new.conf would change:

~ virtual_server 10.0.0.100 80 tcp  [connections: 12 active, 3 inactive]
~     lvs_sched wlc -> rr
~     real_server 10.0.1.1 80
~         weight 1 -> 5
+     real_server 10.0.1.9 80, weight 3
-     real_server 10.0.1.2 80, weight 3  [connections: 12 active, 3 inactive]

virtual_servers: 1 changed; real_servers: 1 added, 1 changed, 1 removed
";
        assert_eq!(render(&plan, false), expected);
        assert!(render(&plan, true).contains("\x1b[32m+     real_server 10.0.1.9 80, weight 3\x1b[0m"));
        let again: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        assert_eq!(again, plan);
    }

    #[test]
    fn nothing_is_said_so_and_thousands_are_counted() {
        let none = Connections::new();
        assert_eq!(render(&plan(OLD, OLD, &none), true), "new.conf: nothing would change\n");
        let many: String = (1..=200).map(|n| format!("real_server 10.0.2.{n} 80 {{\n}}\n")).collect();
        let many = OLD.replace(" real_server 10.0.1.1", &format!("{many} real_server 10.0.1.1"));
        let text = render(&plan(OLD, &many, &none), false);
        assert!(text.contains("and 160 more blocks: see --json"), "{text}");
        assert!(text.contains("real_servers: 200 added"), "{text}");
    }
}

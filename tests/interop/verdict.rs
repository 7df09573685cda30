//! What is wrong with a text, in keepalived's eyes and in ours.
//!
//! keepalived tests each text of [`super::texts`]. Compatible reading must refuse exactly those with which it would not
//! start, and each line that it complains of must carry one of our complaints.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use directord::config::{self, Manner, Purpose, Severity};
use lab::netns::Host;
use lab::packages::Tools;

use super::texts::Text;

/// What keepalived said of a text.
#[derive(Debug)]
struct Verdict {
    /// Whether it would not start.
    fatal: bool,
    /// The lines it complains of.
    lines: BTreeSet<u32>,
    said: String,
}

/// Asks both about each text, and tells where they differ.
pub fn differences(host: &Host, texts: &[Text]) -> Vec<String> {
    let tools = Tools::from_guest().expect("inside the namespaces they are there");
    let judged = texts.iter().flat_map(|text| {
        let theirs = keepalived(&tools, host, &text.text);
        compare(text, &theirs)
    });
    judged.collect()
}

fn compare(text: &Text, theirs: &Verdict) -> Vec<String> {
    let mut differences = Vec::new();
    let compatible = Manner { purpose: Purpose::Check, compat: true };
    let refused = config::read_text_as("a.conf", &text.text, compatible).config.is_none();
    if refused != theirs.fatal {
        let ours = if refused { "refused" } else { "accepted" };
        differences.push(format!("{}: {ours} by --compat; keepalived: {}", text.name, theirs.said));
    }
    let strict = config::read_text("a.conf", &text.text);
    let serious = strict.complaints.iter().filter(|complaint| complaint.severity != Severity::Hint);
    let lines: BTreeSet<u32> = serious.map(|complaint| complaint.line).collect();
    // Of a block as a whole keepalived complains at its end, we at its beginning.
    let ends =
        |line: &&u32| text.text.lines().nth(**line as usize - 1).is_some_and(|text| text.trim() == "}");
    let missing = theirs.lines.difference(&lines).filter(|line| lines.is_empty() || !ends(line)).count();
    if text.alike && !theirs.fatal && missing > 0 {
        differences.push(format!("{}: no complaint; keepalived: {}", text.name, theirs.said));
    }
    differences
}

fn keepalived(tools: &Tools, host: &Host, text: &str) -> Verdict {
    let (conf, log) = (host.dir().join("tested.conf"), host.dir().join("tested.log"));
    fs::write(&conf, text).expect("the host's directory can be written to");
    let _ = fs::remove_file(&log);
    let mut command = tools.command("keepalived");
    command.arg(format!("--config-test={}", log.display())).arg("-f").arg(&conf);
    let output = host.output(&mut command).expect("keepalived can be started");
    let said = fs::read_to_string(&log).unwrap_or_default();
    // 5: complaints; 6: complaints about scripts. Without a status a signal ended it: it crashed.
    let fatal = !matches!(output.status.code(), Some(0 | 5 | 6));
    Verdict { fatal, lines: lines(&said, &conf), said: said.trim().replace('\n', " | ") }
}

/// `(FILE: Line N) …` and, where there is one file only, `(Line N) …`.
fn lines(said: &str, conf: &Path) -> BTreeSet<u32> {
    let name = format!("{}: ", conf.display());
    let number = |line: &str| {
        let place = line.strip_prefix('(')?;
        let place = place.strip_prefix(&name).unwrap_or(place).strip_prefix("Line ")?;
        place.split_once(')')?.0.parse().ok()
    };
    said.lines().filter_map(number).collect()
}

//! Complaints for machines: as JSON, as annotations of GitHub workflows, and as SARIF.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;
use serde_json::{Value, json};

use crate::config::{Code, Complaint, Severity};

/// How complaints are said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people, with the lines concerned
    #[default]
    Text,
    /// One object, `complaints`: see etc/complaints.schema.json
    Json,
    /// Workflow commands that GitHub shows beside the lines
    Github,
    /// The static analysis results interchange format, version 2.1.0
    Sarif,
}

/// What `--json` prints; etc/complaints.schema.json describes it.
#[derive(Debug, Serialize)]
struct Report<'a> {
    complaints: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    severity: Severity,
    code: Code,
    file: &'a str,
    line: u32,
    column: u32,
    message: &'a str,
    suggestion: Option<&'a str>,
    keepalived: Option<&'a str>,
}

/// The complaints in a form for machines; text for people has a renderer of its own.
pub(super) fn report(complaints: &[&Complaint], format: Format) -> String {
    match format {
        Format::Text => complaints.iter().map(|complaint| format!("{complaint}\n")).collect(),
        Format::Json => pretty(&Report { complaints: complaints.iter().map(|one| entry(one)).collect() }),
        Format::Github => complaints.iter().map(|complaint| annotation(complaint)).collect(),
        Format::Sarif => pretty(&sarif(complaints)),
    }
}

fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("texts and numbers can be written as JSON");
    text.push('\n');
    text
}

fn entry(complaint: &Complaint) -> Entry<'_> {
    let Complaint { severity, code, file, line, column, message, suggestion, keepalived, .. } = complaint;
    let (severity, code, line, column) = (*severity, *code, *line, *column);
    let (suggestion, keepalived) = (suggestion.as_deref(), keepalived.as_deref());
    Entry { severity, code, file, line, column, message, suggestion, keepalived }
}

/// Message and suggestion in one, where there is one field only.
fn sentence(complaint: &Complaint) -> String {
    match &complaint.suggestion {
        Some(suggestion) => format!("{}; {suggestion}", complaint.message),
        None => complaint.message.clone(),
    }
}

/// `::error file=a.conf,line=7,col=5,title=unknown-keyword::message`.
/// <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>
fn annotation(complaint: &Complaint) -> String {
    let level = match complaint.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "notice",
    };
    let mut out = String::new();
    let Complaint { code, file, line, column, .. } = complaint;
    let (file, message) = (property(file), data(&sentence(complaint)));
    // Writing into a String cannot fail.
    let _ = writeln!(out, "::{level} file={file},line={line},col={column},title={code}::{message}");
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>
fn sarif(complaints: &[&Complaint]) -> Value {
    let codes: BTreeSet<&str> = complaints.iter().map(|complaint| complaint.code.as_str()).collect();
    let rules: Vec<Value> = codes.iter().map(|code| json!({ "id": code })).collect();
    let results: Vec<Value> = complaints.iter().map(|complaint| result(complaint)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "directord",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(complaint: &Complaint) -> Value {
    let level = match complaint.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "note",
    };
    json!({
        "ruleId": complaint.code,
        "level": level,
        "message": { "text": sentence(complaint) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&complaint.file) },
            "region": {
                "startLine": complaint.line,
                "startColumn": complaint.column,
                "endColumn": complaint.column.saturating_add(complaint.length),
            },
        } }],
    })
}

/// A path as a relative or absolute reference (RFC 3986): what may not stand in one is written as `%XX`.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if path.starts_with('/') { format!("file://{out}") } else { out }
}

#[cfg(test)]
mod tests;

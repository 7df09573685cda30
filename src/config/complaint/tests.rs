//! Complaints in order, floods of them, and their codes.

use super::*;
use crate::config::source::FileId;

fn at(line: u32, column: u32) -> Span {
    Span { file: FileId(0), line, column, length: 3, ..Span::default() }
}

#[test]
fn complaints_come_out_in_the_order_of_the_text() {
    let mut complaints = Complaints::default();
    complaints.warning(Code::NoEffect, at(7, 1), "late");
    complaints.error(Code::OutOfRange, at(2, 9), "right");
    complaints.hint(Code::Conflict, at(2, 3), "left");
    let messages: Vec<_> =
        complaints.finish(&Sources::default()).into_iter().map(|complaint| complaint.message).collect();
    assert_eq!(messages, ["left", "right", "late"]);
}

#[test]
fn a_flood_is_cut_off_and_still_refuses_the_file() {
    let mut complaints = Complaints::default();
    for line in 0..LIMIT {
        complaints.warning(Code::NoEffect, at(line as u32, 1), "noise");
    }
    complaints.error(Code::OutOfRange, at(1, 1), "the one that counts");
    assert!(complaints.has_errors());
    assert_eq!(complaints.count(), LIMIT + 1);
    let list = complaints.finish(&Sources::default());
    let last = list.last().expect("there are complaints");
    assert_eq!((last.severity, last.code), (Severity::Error, Code::TooManyComplaints));
    assert_eq!(last.message, "1 more complaints are not shown");
}

#[test]
fn codes_are_kebab_case_and_distinct() {
    let names: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    for name in names {
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
    }
}

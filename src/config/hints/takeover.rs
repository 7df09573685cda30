//! Whether a failure that lowers this director's priority makes the other one take over, worked out with the priorities
//! of both.
//!
//! The other director is taken to be well. A tracker of weight 0 needs no arithmetic: its failure is a fault, and a
//! master in fault gives up its role whatever the priorities are.

use super::peer::Pair;
use super::priority::effective;
use crate::config::complaint::{Code, Severity};
use crate::config::{Instance, Tracks};

/// Hints about one file alone that a comparison with the other director's file makes superfluous.
pub const ANSWERED: &[Code] = &[Code::NopreemptWeight];

/// What a failure comes to.
#[derive(Debug, PartialEq, Eq)]
struct Failure<'a> {
    list: &'static str,
    name: &'a str,
    priority: u8,
}

pub(super) fn takeover(pair: &mut Pair<'_>) {
    let [own, others] = pair.tracks();
    let ours = effective(pair.instance, &own, |_, _| true).priority;
    let theirs = effective(pair.other, &others, |_, _| true).priority;
    // Otherwise the other director is the one whose failures matter.
    if ours <= theirs || pair.instance.router.is_owner() {
        return;
    }
    let failures = failures(pair.instance, &own);
    if !pair.other.router.preempt {
        return blocked(pair, &failures, ours, theirs);
    }
    let Some(first) = failures.iter().find(|failure| failure.priority >= theirs) else { return };
    let Failure { list, name, priority } = first;
    let more = more(failures.iter().filter(|failure| failure.priority >= theirs).count());
    let and = if *priority == theirs {
        format!("the other's own: the higher address decides who is master{more}")
    } else {
        format!("still above the other's {theirs}: it does not take over{more}")
    };
    let message = format!("when `{name}` fails, the priority falls from {ours} to {priority}, {and}");
    let suggestion = format!(
        "a failure must cost more than {}, the difference of the priorities; or let the weight be 0, a fault",
        ours - theirs
    );
    pair.tell_of(Severity::Hint, Code::NoTakeover, [list, "priority"], &message, &suggestion);
}

fn blocked(pair: &mut Pair<'_>, failures: &[Failure<'_>], ours: u8, theirs: u8) {
    let Some(Failure { list, name, priority }) = failures.first() else { return };
    let below = if *priority < theirs { format!(", below the other's {theirs}") } else { String::new() };
    let message = format!(
        "when `{name}` fails, the priority falls from {ours} to {priority}{below}, and the other director does not take \
         over: it says `nopreempt`, and this one lives{}",
        more(failures.len())
    );
    let suggestion = "let the weight be 0, so that a failure is a fault, or drop `nopreempt` there";
    pair.tell_of(Severity::Hint, Code::NoTakeover, [list, "nopreempt"], &message, suggestion);
}

fn more(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        count => format!(" (and {} more like it)", count - 1),
    }
}

/// Each tracker whose failure, alone, lowers the priority, with what it is then.
fn failures<'a>(instance: &Instance, tracks: &'a Tracks) -> Vec<Failure<'a>> {
    let lowering = tracks.switches().filter(|(_, _, weight)| weight.lowers());
    lowering
        .map(|(list, name, _)| {
            let well = |other: &str, tracker: &str| (other, tracker) != (list, name);
            Failure { list, name, priority: effective(instance, tracks, well).priority }
        })
        .collect()
}

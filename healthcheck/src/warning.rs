//! What is odd about a server that passes, or that cannot be asked: told when it begins and when it is over, not at every
//! attempt.

use serde::{Deserialize, Serialize};

use crate::outcome::{FailureKind, Outcome};

/// Passes without a warning after which it is over, so that one that comes and goes is told of once.
const CALM: usize = 3;

/// Attempts in a row that could not be made before anybody hears of it: one may be a moment's shortage.
const UNASKED: usize = 2;

/// What an attempt found out beside whether it passed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// When the certificate that the server showed ends, in seconds since 1970; `None` if it showed none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// What is odd, each kind once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// Something odd, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The sort of it.
    pub about: Concern,
    /// For people: "the certificate ends in 3 days, at 2026-11-24 12:00 GMT".
    pub words: String,
}

/// The sorts of warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Concern {
    /// The server's certificate ends soon (`expiry_days`).
    Expiry,
    /// The server is slow (`warn_latency`).
    Latency,
    /// The server cannot be asked, for a reason of ours ([`FailureKind::Local`]): what is believed of it grows old.
    Unasked,
}

/// The warnings that stand at present.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    /// Each with the number of attempts since that did not say it.
    warnings: Vec<(Warning, usize)>,
    /// How many attempts in a row could not be made.
    unasked: usize,
}

impl Standing {
    /// Takes in an attempt: the warnings that began with it (true) or are over (false). `steps` is how many different
    /// attempts the check goes through.
    pub fn observe(&mut self, outcome: &Outcome, steps: usize) -> Vec<(Concern, bool)> {
        let failure = outcome.result.as_ref().err();
        let Some(local) = failure.filter(|failure| failure.kind == FailureKind::Local) else {
            self.unasked = 0;
            // Only a server that passes says something about itself.
            let said = outcome.aside.as_deref().filter(|_| failure.is_none());
            let said = said.map_or(&[][..], |aside| &aside.warnings);
            return self.settle(said, steps, |about| failure.is_none() || about == Concern::Unasked);
        };
        self.unasked += 1;
        if self.unasked < UNASKED {
            return Vec::new();
        }
        let words = format!("{local}; this counts neither for nor against the server");
        self.settle(&[Warning { about: Concern::Unasked, words }], steps, |about| about == Concern::Unasked)
    }

    /// What is said stands, and what was not said for long enough is over, as far as the attempt could have said it.
    fn settle(
        &mut self,
        said: &[Warning],
        steps: usize,
        judged: impl Fn(Concern) -> bool,
    ) -> Vec<(Concern, bool)> {
        if said.is_empty() && self.warnings.is_empty() {
            return Vec::new();
        }
        let mut changes = Vec::new();
        for warning in said {
            match self.warnings.iter_mut().find(|(standing, _)| standing.about == warning.about) {
                Some(known) => *known = (warning.clone(), 0),
                None => {
                    changes.push((warning.about, true));
                    self.warnings.push((warning.clone(), 0));
                }
            }
        }
        self.warnings.retain_mut(|(standing, calm)| {
            if !judged(standing.about) || said.iter().any(|warning| warning.about == standing.about) {
                return true;
            }
            *calm += 1;
            let over = *calm >= CALM.max(steps);
            if over {
                changes.push((standing.about, false));
            }
            !over
        });
        changes
    }

    pub fn all(&self) -> impl Iterator<Item = &Warning> {
        self.warnings.iter().map(|(warning, _)| warning)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn outcome(concerns: &[Concern]) -> Outcome {
        let warning = |about: &Concern| Warning { about: *about, words: "odd".to_owned() };
        let aside = Aside { expires: None, warnings: concerns.iter().map(warning).collect() };
        Outcome { aside: Some(Box::new(aside)), ..Outcome::passed(Duration::ZERO) }
    }

    #[test]
    fn a_warning_is_told_when_it_begins_and_when_it_has_been_calm_for_a_while() {
        let mut standing = Standing::default();
        let slow = outcome(&[Concern::Latency]);
        let fine = Outcome::passed(Duration::ZERO);
        assert_eq!(standing.observe(&fine, 1), []);
        assert_eq!(standing.observe(&slow, 1), [(Concern::Latency, true)]);
        // It comes and goes: nothing is told.
        for outcome in [&slow, &fine, &fine, &slow, &fine, &fine] {
            assert_eq!(standing.observe(outcome, 1), []);
            assert_eq!(standing.all().count(), 1);
        }
        let both = outcome(&[Concern::Expiry]);
        assert_eq!(standing.observe(&both, 1), [(Concern::Expiry, true), (Concern::Latency, false)]);
        assert_eq!(standing.all().count(), 1);
        // Each of many steps is asked before a warning is over.
        assert_eq!((0..6).map(|_| standing.observe(&fine, 7).len()).sum::<usize>(), 0);
        assert_eq!(standing.observe(&fine, 7), [(Concern::Expiry, false)]);
    }
    #[test]
    fn who_cannot_be_asked_is_told_of_with_the_second_attempt_and_once() {
        let mut standing = Standing::default();
        let unasked = Outcome::failed(FailureKind::Local, "could not ask: no free port", Duration::ZERO);
        let down = Outcome::failed(FailureKind::Refused, "connection refused", Duration::ZERO);
        let fine = Outcome::passed(Duration::ZERO);
        for outcome in [&unasked, &down, &unasked, &fine, &unasked] {
            assert_eq!(standing.observe(outcome, 1), [], "a moment's shortage");
        }
        assert_eq!(standing.observe(&unasked, 1), [(Concern::Unasked, true)]);
        let words = "could not ask: no free port; this counts neither for nor against the server";
        assert_eq!(standing.all().map(|warning| warning.words.as_str()).collect::<Vec<_>>(), [words]);
        for outcome in [&unasked, &fine, &down, &unasked, &unasked, &down, &fine] {
            assert_eq!(standing.observe(outcome, 1), []);
        }
        assert_eq!(
            standing.observe(&down, 1),
            [(Concern::Unasked, false)],
            "asked three times, whatever it said"
        );
        assert_eq!(standing.all().count(), 0);
        // A server that is down says nothing about what stood before.
        standing.observe(&outcome(&[Concern::Latency]), 1);
        for _ in 0..9 {
            assert_eq!(standing.observe(&down, 1), []);
        }
        assert_eq!(standing.all().count(), 1);
    }
}

//! Which run comes next: one at a time for each subject, the others in their order, a bounded number of them.
//!
//! A script that is slow or hangs holds up the other runs about its own subject and nobody else's. What waits is
//! bounded by one rule: **the newest state is never lost, older ones may be**.
//!
//! - What is said again while it waits (another lower priority heard) is said once, with the newest figures.
//! - With [`MOST_WAITING`] changes waiting, a new one displaces the oldest; the one behind that then starts from the
//!   state that was told last, and counts what was left out.
//! - Nothing comes after the stop or the deletion, so these displace everything that waits.

use std::collections::{BTreeMap, VecDeque};

use super::{Change, Subject};

/// Changes of one subject that wait while a script runs.
pub const MOST_WAITING: usize = 4;

/// A change, and what is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next<J> {
    /// What happened.
    pub change: Change,
    /// The caller's own, unchanged.
    pub job: J,
}

/// The runs that wait. A subject is in it while something about it runs.
#[derive(Debug)]
pub struct Queue<J> {
    lines: BTreeMap<Subject, VecDeque<Next<J>>>,
}

impl<J> Default for Queue<J> {
    fn default() -> Self {
        Queue { lines: BTreeMap::new() }
    }
}

impl<J> Queue<J> {
    /// Takes a change in. What comes back is to be run now, and [`Queue::done`] called after it; without an answer
    /// it waits.
    pub fn push(&mut self, change: Change, job: J) -> Option<Next<J>> {
        let next = Next { change, job };
        match self.lines.get_mut(&next.change.subject) {
            None => {
                self.lines.insert(next.change.subject.clone(), VecDeque::new());
                Some(next)
            }
            Some(waiting) => {
                wait(waiting, next);
                None
            }
        }
    }

    /// The run about this subject is over: the next one about it, to be run now.
    pub fn done(&mut self, subject: &Subject) -> Option<Next<J>> {
        let next = self.lines.get_mut(subject)?.pop_front();
        if next.is_none() {
            self.lines.remove(subject);
        }
        next
    }

    /// Whether nothing runs.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The subjects about which something runs.
    pub fn running(&self) -> impl Iterator<Item = &Subject> {
        self.lines.keys()
    }
}

fn wait<J>(waiting: &mut VecDeque<Next<J>>, mut next: Next<J>) {
    let repeated = |old: &Next<J>| !old.change.is_state() && old.change.word == next.change.word;
    if !next.change.is_state()
        && let Some(old) = waiting.iter_mut().find(|old| repeated(old))
    {
        next.change.skipped = old.change.skipped;
        *old = next;
        return;
    }
    let last = next.change.word.is_last();
    waiting.push_back(next);
    while waiting.len() > if last { 1 } else { MOST_WAITING } {
        displace(waiting);
    }
}

/// Drops the oldest; the ones behind it answer for it.
fn displace<J>(waiting: &mut VecDeque<Next<J>>) {
    let Some(Next { change: gone, .. }) = waiting.pop_front() else { return };
    if let Some(heir) = waiting.front_mut() {
        heir.change.skipped = heir.change.skipped.saturating_add(gone.skipped).saturating_add(1);
    }
    if gone.from.is_some()
        && let Some(heir) = waiting.iter_mut().find(|next| next.change.is_state())
    {
        heir.change.from = gone.from;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Word;
    use super::*;

    fn change(name: &str, word: Word, from: Option<Word>) -> Change {
        Change {
            subject: Subject::Instance(name.into()),
            word,
            from,
            priority: 100,
            cause: String::new(),
            place: None,
            router_id: String::new(),
            skipped: 0,
        }
    }

    #[test]
    fn one_at_a_time_for_each_subject_in_order() {
        let mut queue = Queue::default();
        let (a, b) = (Subject::Instance("a".into()), Subject::Instance("b".into()));
        assert!(queue.push(change("a", Word::Backup, Some(Word::Init)), 1).is_some_and(|next| next.job == 1));
        assert_eq!(queue.push(change("a", Word::Master, Some(Word::Backup)), 2), None);
        assert!(queue.push(change("b", Word::Backup, Some(Word::Init)), 3).is_some_and(|next| next.job == 3));
        assert_eq!(queue.done(&a).map(|next| next.job), Some(2));
        assert_eq!(queue.done(&a), None);
        assert_eq!(queue.done(&b), None);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_stop_displaces_what_waits_and_tells_how_much() {
        let mut queue = Queue::default();
        queue.push(change("a", Word::Backup, Some(Word::Init)), ());
        queue.push(change("a", Word::Master, Some(Word::Backup)), ());
        queue.push(change("a", Word::MasterRxLowerPri, None), ());
        queue.push(change("a", Word::Stop, Some(Word::Master)), ());
        let next = queue.done(&Subject::Instance("a".into())).expect("the stop waits").change;
        assert_eq!((next.word, next.from, next.skipped), (Word::Stop, Some(Word::Backup), 2));
    }

    #[test]
    fn a_flapping_instance_with_a_slow_script_ends_in_its_newest_state() {
        let mut queue = Queue::default();
        let mut from = Word::Init;
        for round in 0..100 {
            let word = if round % 2 == 0 { Word::Backup } else { Word::Master };
            queue.push(change("a", word, Some(from)), ());
            queue.push(change("a", Word::MasterRxLowerPri, None), ());
            from = word;
        }
        let mut told = Vec::new();
        while let Some(next) = queue.done(&Subject::Instance("a".into())) {
            told.push(next.change);
        }
        assert_eq!(told.len(), MOST_WAITING);
        let states: Vec<_> = told.iter().filter(|change| change.is_state()).collect();
        assert_eq!(
            states.first().and_then(|change| change.from),
            Some(Word::Backup),
            "what the running one told"
        );
        assert_eq!(states.last().map(|change| change.word), Some(Word::Master));
    }

    const STATES: [Word; 4] = [Word::Master, Word::Backup, Word::Fault, Word::Stop];

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever happens in whatever order: one run at a time, a chain of states without a gap, the last one told.
        #[test]
        fn what_is_told_is_a_chain_that_ends_in_the_newest_state(
            steps in prop::collection::vec((0_usize..7, 0_usize..2), 1..80)
        ) {
            let names = ["a", "b"];
            let mut queue = Queue::default();
            let mut current = [Word::Init; 2];
            let mut told: [Vec<Change>; 2] = [Vec::new(), Vec::new()];
            let mut pushed = [0_u32; 2];
            for (what, who) in steps {
                let subject = Subject::Instance(names[who].into());
                let started = match what {
                    0..4 => {
                        let change = change(names[who], STATES[what], Some(current[who]));
                        current[who] = STATES[what];
                        pushed[who] += 1;
                        queue.push(change, ())
                    }
                    4 => {
                        pushed[who] += 1;
                        queue.push(change(names[who], Word::MasterRxLowerPri, None), ())
                    }
                    _ => queue.done(&subject),
                };
                if let Some(waiting) = queue.lines.get(&subject) {
                    prop_assert!(waiting.len() <= MOST_WAITING);
                }
                told[who].extend(started.map(|next| next.change));
            }
            for (who, told) in told.iter_mut().enumerate() {
                let subject = Subject::Instance(names[who].into());
                while let Some(next) = queue.done(&subject) {
                    told.push(next.change);
                }
                let mut last = Word::Init;
                for change in told.iter().filter(|change| change.is_state()) {
                    prop_assert_eq!(change.from, Some(last));
                    last = change.word;
                }
                prop_assert_eq!(last, current[who]);
                let skipped: u32 = told.iter().map(|change| change.skipped).sum();
                let all = u32::try_from(told.len()).expect("a few") + skipped;
                prop_assert!(all <= pushed[who]);
            }
            prop_assert!(queue.is_empty());
        }
    }
}

//! Sync groups: virtual routers that are master together, or not at all.
//!
//! keepalived's rule, which the RFC does not know: a group becomes master only when every member wants to be, and when
//! one member goes to backup or fault, all do. Here is the decision alone, a function of how the members stand; who
//! carries it out is the caller, by [`Router::handle_lead`], [`Router::handle_follow`] and the fault
//! [`Fault::Group`].
//!
//! A member that is new in a group that is master already (a reload added it) first waits like every backup, and only
//! if it hears a better master does the group leave with it. keepalived lets the whole group leave at once (its issue
//! 2715).
//!
//! [`Router::handle_lead`]: crate::Router::handle_lead
//! [`Router::handle_follow`]: crate::Router::handle_follow
//! [`Fault::Group`]: crate::Fault::Group

use crate::state::State;

/// How one member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its state.
    pub state: State,
    /// A backup that would be master by now if it were alone.
    pub ready: bool,
    /// A backup that heard a master which it respects, or that was master a moment ago.
    pub prefers_other: bool,
}

/// What the group is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Stay,
    /// Every member that is not master becomes master.
    Lead,
    /// Every member that is master becomes backup, because of the member with this number.
    Follow(usize),
}

/// What a group whose members stand like this is to do. Members in fault or stopped are none of its business: a fault
/// is shared before anything is decided.
pub fn decide(members: &[Member]) -> Decision {
    let is = |state| move |member: &Member| member.state == state;
    if members.iter().any(|m| matches!(m.state, State::Fault | State::Stopped)) {
        return Decision::Stay;
    }
    let leads = members.iter().any(is(State::Master));
    if leads && let Some(number) = members.iter().position(|m| m.state == State::Backup && m.prefers_other) {
        return Decision::Follow(number);
    }
    // One that has not started keeps a group from becoming master, and takes nothing away from one that is.
    let counted = members.iter().filter(|m| !(leads && m.state == State::Initialize));
    let mut waiting = counted.filter(|m| m.state != State::Master).peekable();
    if waiting.peek().is_some() && waiting.all(|m| m.state == State::Backup && m.ready) {
        return Decision::Lead;
    }
    Decision::Stay
}

/// The state of the group as a whole.
pub fn state(members: &[Member]) -> State {
    let has = |state| members.iter().any(|member| member.state == state);
    [State::Fault, State::Master, State::Backup, State::Initialize]
        .into_iter()
        .find(|state| has(*state))
        .unwrap_or(State::Stopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: Member = Member { state: State::Master, ready: false, prefers_other: false };
    const WAITING: Member = Member { state: State::Backup, ready: false, prefers_other: false };
    const READY: Member = Member { state: State::Backup, ready: true, prefers_other: false };
    const CONTENT: Member = Member { state: State::Backup, ready: false, prefers_other: true };
    const FAULT: Member = Member { state: State::Fault, ready: false, prefers_other: false };
    const NEW: Member = Member { state: State::Initialize, ready: false, prefers_other: false };
    const GONE: Member = Member { state: State::Stopped, ready: false, prefers_other: false };

    #[test]
    fn a_group_leads_only_when_all_members_would() {
        let cases: &[(&[Member], Decision)] = &[
            (&[], Decision::Stay),
            (&[READY], Decision::Lead),
            (&[READY, READY, READY], Decision::Lead),
            (&[READY, WAITING], Decision::Stay),
            (&[READY, CONTENT], Decision::Stay),
            (&[READY, FAULT], Decision::Stay),
            (&[READY, NEW], Decision::Stay),
            (&[FAULT, FAULT], Decision::Stay),
            (&[MASTER, MASTER], Decision::Stay),
            (&[GONE, MASTER], Decision::Stay),
        ];
        for (members, expected) in cases {
            assert_eq!(decide(members), *expected, "{members:?}");
        }
    }

    #[test]
    fn one_that_gives_way_takes_all_along() {
        assert_eq!(decide(&[MASTER, CONTENT, MASTER]), Decision::Follow(1));
        assert_eq!(decide(&[CONTENT, CONTENT]), Decision::Stay);
    }

    #[test]
    fn a_newcomer_waits_and_takes_nothing_away() {
        assert_eq!(decide(&[MASTER, NEW]), Decision::Stay);
        assert_eq!(decide(&[MASTER, WAITING]), Decision::Stay);
        assert_eq!(decide(&[MASTER, READY]), Decision::Lead);
        assert_eq!(decide(&[MASTER, READY, WAITING]), Decision::Stay);
    }

    #[test]
    fn the_state_of_the_whole_is_that_of_its_worst_or_leading_member() {
        assert_eq!(state(&[MASTER, FAULT]), State::Fault);
        assert_eq!(state(&[MASTER, WAITING]), State::Master);
        assert_eq!(state(&[WAITING, NEW]), State::Backup);
        assert_eq!(state(&[NEW, NEW]), State::Initialize);
        assert_eq!(state(&[GONE, MASTER]), State::Master);
        assert_eq!(state(&[GONE, GONE]), State::Stopped);
    }
}

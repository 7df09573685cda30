//! What programs are told, and when.

use std::time::Duration;

use super::{Desk, SERVERS, instance};
use crate::director::CheckId;
use crate::director::effect::Effect;
use crate::director::event::{AddressReport, Event};

const NOTIFY: &str =
    "notify_backup \"/b 'own word'\"\n notify_master /m\n notify_fault /f\n notify_stop /s\n notify /any";
const PIPE: &str = "global_defs {\n notify_fifo /run/fifo\n}\n";

/// What is told: the line, and the commands.
fn told(effects: &[Effect]) -> Vec<(String, Vec<String>)> {
    let telling = |effect: &Effect| match effect {
        Effect::Tell(telling) => {
            let commands = telling.commands.iter().map(|command| command.words.join(" "));
            Some((telling.change.line(), commands.collect()))
        }
        _ => None,
    };
    effects.iter().filter_map(telling).collect()
}

fn lines(effects: &[Effect]) -> Vec<String> {
    told(effects).into_iter().map(|(line, _)| line).collect()
}

impl Desk {
    /// The owner of the addresses has done all that it was asked for.
    fn addresses_done(&mut self) -> Vec<Effect> {
        let serial = self.director.addresses.serial;
        self.tell(Event::AddressesApplied(AddressReport { serial, ..AddressReport::default() }))
    }
}

#[test]
fn a_program_hears_of_a_state_once_the_addresses_are_there_the_specific_one_first() {
    let mut desk = Desk::new("");
    desk.addresses_done();
    assert_eq!(told(&desk.configure(&instance(51, NOTIFY))), []);
    let all = |state: &str| format!("/any INSTANCE VI_1 {state} 100");
    let expected = |state: &str, own: &str| {
        vec![(format!("INSTANCE \"VI_1\" {state} 100"), vec![own.to_owned(), all(state)])]
    };
    assert_eq!(told(&desk.addresses_done()), expected("BACKUP", "/b own word"));
    assert_eq!(told(&desk.pass(Duration::from_millis(3700))), []);
    assert_eq!(told(&desk.addresses_done()), expected("MASTER", "/m"));
    assert_eq!(told(&desk.links(false)), []);
    assert_eq!(told(&desk.addresses_done()), expected("FAULT", "/f"));
}

#[test]
fn a_kernel_that_does_not_answer_keeps_nobody_from_hearing() {
    let mut desk = Desk::new("");
    desk.addresses_done();
    desk.configure(&instance(51, NOTIFY));
    assert_eq!(told(&desk.pass(Duration::from_millis(1900))), []);
    assert_eq!(lines(&desk.pass(Duration::from_millis(200))), ["INSTANCE \"VI_1\" BACKUP 100"]);
    // The stop is told before the end, whatever the owners do.
    let mut effects = desk.tell(Event::Stop);
    effects.extend(desk.pass(Duration::from_secs(10)));
    assert_eq!(lines(&effects), ["INSTANCE \"VI_1\" STOP 100"]);
    let tell = effects.iter().position(|effect| matches!(effect, Effect::Tell(_)));
    let end = effects.iter().position(|effect| matches!(effect, Effect::Stopped));
    assert!(tell < end && end.is_some(), "{effects:?}");
}

#[test]
fn a_removed_instance_is_told_as_a_fault_unless_its_deletion_is_to_be_told() {
    for (more, line, command) in [
        ("", "INSTANCE \"VI_1\" FAULT 100", Some("/f")),
        ("notify_deleted", "INSTANCE \"VI_1\" DELETED 100", None),
        ("notify_deleted /d", "INSTANCE \"VI_1\" DELETED 100", Some("/d")),
    ] {
        let mut desk = Desk::new(&instance(51, &format!("{NOTIFY}\n{more}")));
        desk.addresses_done();
        let mut effects = desk.configure("");
        effects.extend(desk.addresses_done());
        let told = told(&effects);
        assert_eq!(told.len(), 1, "{more}: {told:?}");
        assert_eq!(told[0].0, line);
        let mut commands = told[0].1.clone();
        assert!(commands.pop().is_some_and(|last| last.starts_with("/any INSTANCE VI_1 ")));
        assert_eq!(commands, command.into_iter().collect::<Vec<_>>(), "{more}");
    }
}

#[test]
fn another_vrid_is_no_deletion() {
    let mut desk = Desk::new(&instance(51, NOTIFY));
    desk.addresses_done();
    let mut effects = desk.configure(&instance(52, NOTIFY));
    effects.extend(desk.addresses_done());
    assert_eq!(lines(&effects), ["INSTANCE \"VI_1\" BACKUP 100"]);
}

#[test]
fn nobody_is_called_for_nothing_and_a_pipe_hears_everything() {
    let mut desk = Desk::new(&instance(51, ""));
    assert_eq!(told(&desk.addresses_done()), []);
    let mut desk = Desk::new(&(PIPE.to_owned() + &instance(51, "")));
    let told = told(&desk.addresses_done());
    assert_eq!(told, [("INSTANCE \"VI_1\" BACKUP 100".to_owned(), Vec::new())]);
}

#[test]
fn a_change_of_priority_is_told_to_pipes_where_it_is_asked_for() {
    let text = |priority: u8, more: &str| {
        PIPE.to_owned() + &instance(51, &format!("{NOTIFY}\n priority {priority}\n {more}"))
    };
    for (more, expected) in [
        ("notify_priority_changes", vec![("INSTANCE \"VI_1\" BACKUP_PRIORITY 90".to_owned(), Vec::new())]),
        ("", Vec::new()),
    ] {
        let mut desk = Desk::new(&text(100, more));
        desk.addresses_done();
        let mut effects = desk.configure(&text(90, more));
        effects.extend(desk.addresses_done());
        assert_eq!(told(&effects), expected);
    }
}

#[test]
fn states_are_repeated_after_a_reload_where_it_is_asked_for() {
    let again = PIPE.replace("notify_fifo", "fifo_write_vrrp_states_on_reload\n notify_fifo");
    let text = again + &instance(51, NOTIFY);
    let mut desk = Desk::new(&text);
    desk.addresses_done();
    desk.configure(&text);
    let told = told(&desk.addresses_done());
    assert_eq!(
        told,
        [("INSTANCE \"VI_1\" BACKUP 100".to_owned(), Vec::new())],
        "and no script runs for that"
    );
}

#[test]
fn servers_and_quorum_are_told_with_their_own_commands_alone() {
    let text = SERVERS
        .replace("weight 3", "weight 3\n notify_up /u\n notify_down /d")
        .replace("delay_loop 5", "delay_loop 5\n omega\n quorum_up /q\n quorum_down /l");
    let mut desk = Desk::new(&(PIPE.to_owned() + &text));
    let (server, service) = ("RS [10.0.1.1]:tcp:80 [10.0.0.100]:tcp:80", "VS [10.0.0.100]:tcp:80");
    let expected = |word: &str, own: &str, quorum: &str| {
        vec![
            (format!("{server} {word}"), vec![own.to_owned()]),
            (format!("{service} {word}"), vec![quorum.to_owned()]),
        ]
    };
    let refused = healthcheck::Outcome::failed(healthcheck::FailureKind::Refused, "refused", Duration::ZERO);
    let passed = healthcheck::Outcome { result: Ok(()), ..refused.clone() };
    let answer = |desk: &mut Desk, attempt, outcome: &healthcheck::Outcome| {
        told(&desk.tell(Event::ProbeDone { check: CheckId(0), attempt, outcome: outcome.clone() }))
    };
    let mut effects = answer(&mut desk, 0, &refused);
    let mut attempt = 1;
    if effects.is_empty() {
        effects = answer(&mut desk, 1, &refused);
        attempt = 2;
    }
    assert_eq!(effects, expected("DOWN", "/d", "/l"));
    desk.pass(Duration::from_secs(10));
    assert_eq!(answer(&mut desk, attempt, &passed), expected("UP", "/u", "/q"));
    // `omega`: the end is told too.
    assert_eq!(told(&desk.tell(Event::Stop)), expected("DOWN", "/d", "/l"));
}

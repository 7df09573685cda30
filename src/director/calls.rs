//! Which programs hear of a change of state, and when: commands of the configuration and readers of named pipes.
//!
//! One place per kind of change: a transition of an instance ([`Director::tell_transition`]), of a sync group
//! ([`Director::tell_group`]), of a server or a quorum. What concerns instances and groups waits until the addresses of
//! that moment are on the interfaces, or off them: a program that is started by `notify_master` may bind to them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use ipvs_backend::{DestinationKey, ServiceKey};
use notify::hook::{Change, Subject, Word};
use vrrp::State;

use super::effect::{Effect, Telling};
use super::instance::Instance;
use super::services::server_name;
use super::{Director, Owner};
use crate::config::{Command, Deleted, Notify, Served};

/// How long programs are kept waiting for the owner of the addresses. A kernel that does not answer keeps nobody from
/// hearing of a new state.
const PATIENCE: Duration = Duration::from_secs(2);

/// What programs will be told.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// In order, each with the level of the addresses that it waits for.
    held: VecDeque<(u64, Telling)>,
    /// The priority in effect of each instance whose changes of priority are told.
    priorities: BTreeMap<String, u8>,
}

impl Director {
    /// An instance changed its state.
    pub(super) fn tell_transition(&mut self, name: &str, from: State, to: State, cause: &str, now: Instant) {
        let Some(instance) = self.instances.get(name) else { return };
        let notify = &instance.config.notify;
        let specific = for_state(notify, to);
        let commands = [specific, notify.any.as_ref()];
        if self.nobody_listens(&commands, true) {
            return;
        }
        let change = Change { from: Some(word(from)), ..self.change(name, instance, word(to), cause) };
        let telling = telling(change, specific, notify.any.as_ref());
        self.hold(telling, now);
    }

    /// As master, an instance heard a master of lower priority.
    pub(super) fn tell_lower_priority(&mut self, name: &str, cause: &str, now: Instant) {
        let Some(instance) = self.instances.get(name) else { return };
        let command = instance.config.notify.lower_priority.as_ref();
        if self.nobody_listens(&[command], true) {
            return;
        }
        let change = self.change(name, instance, Word::MasterRxLowerPri, cause);
        let telling = telling(change, command, None);
        self.hold(telling, now);
    }

    /// The priority in effect may have changed: readers of pipes are told if they are to hear of it. keepalived runs no
    /// script for this.
    pub(super) fn tell_priority(&mut self, name: &str, now: Instant) {
        let Some(instance) = self.instances.get(name) else { return };
        let priority = instance.router.effective_priority();
        let word = match instance.router.state() {
            State::Master => Word::MasterPriority,
            State::Backup => Word::BackupPriority,
            State::Initialize | State::Fault | State::Stopped => return,
        };
        match self.calls.priorities.get(name) {
            Some(told) if *told == priority => return,
            Some(_) => {
                let change = self.change(name, instance, word, "the priority changed");
                if !self.nobody_listens(&[], true) {
                    self.hold(Telling { change, commands: Vec::new() }, now);
                }
            }
            // What it begins with is no change.
            None => {}
        }
        self.calls.priorities.insert(name.to_owned(), priority);
    }

    /// A reload removed an instance whose state was `from`.
    pub(super) fn tell_deleted(&mut self, name: &str, instance: &Instance, from: State, now: Instant) {
        self.calls.priorities.remove(name);
        // Another VRID made it another router of the same name, which begins anew.
        if self.config.instances.contains_key(name) {
            return;
        }
        let notify = &instance.config.notify;
        let (to, specific) = match &notify.deleted {
            Deleted::Fault => (Word::Fault, notify.fault.as_ref()),
            Deleted::Told => (Word::Deleted, None),
            Deleted::Command(command) => (Word::Deleted, Some(command)),
        };
        if self.nobody_listens(&[specific, notify.any.as_ref()], true) {
            return;
        }
        let change = self.change(name, instance, to, "removed from the configuration");
        let change = Change { from: Some(word(from)), ..change };
        self.hold(telling(change, specific, notify.any.as_ref()), now);
    }

    /// A sync group changed its state, after its members did.
    pub(super) fn tell_group(&mut self, name: &str, from: State, to: State, cause: &str, now: Instant) {
        let Some(group) = self.config.groups.get(name) else { return };
        let notify = &group.notify;
        let (specific, generic) = (for_state(notify, to), notify.any.as_ref());
        if self.nobody_listens(&[specific, generic], true) {
            return;
        }
        let change = Change {
            subject: Subject::Group(name.to_owned()),
            word: word(to),
            from: Some(word(from)),
            // As in keepalived: a group has none.
            priority: 0,
            cause: cause.to_owned(),
            place: None,
            router_id: self.router_id().to_owned(),
            skipped: 0,
        };
        let telling = telling(change, specific, generic);
        self.hold(telling, now);
    }

    /// A configuration took effect: readers of pipes are told all states again if they are to be. No script is run.
    pub(super) fn repeat_states(&mut self, now: Instant) {
        if !self.config.global.fifos.repeat_on_reload || self.generation < 2 {
            return;
        }
        let again = self.instances.iter().map(|(name, instance)| {
            let change = self.change(
                name,
                instance,
                word(instance.router.state()),
                "the configuration was read again",
            );
            Telling { change, commands: Vec::new() }
        });
        for telling in again.collect::<Vec<_>>() {
            self.hold(telling, now);
        }
    }

    /// A real server came into service or left it.
    pub(super) fn tell_server(&mut self, service: &Served, key: &DestinationKey, up: bool, cause: &str) {
        let server = self.pools.get(service).and_then(|pool| pool.config.server(key).cloned());
        let Some(server) = server else { return };
        let extras = server.extras();
        let command = if up { &extras.notify_up } else { &extras.notify_down };
        let subject =
            Subject::Server { server: server_name(service, key), service: self.service_name(service) };
        self.tell_pool(subject, up, command.as_ref(), cause);
    }

    /// A virtual server reached its quorum or lost it.
    pub(super) fn tell_quorum(&mut self, service: &Served, up: bool, cause: &str) {
        let Some(config) = self.pools.get(service).map(|pool| pool.config.clone()) else { return };
        let command = if up { &config.quorum.up } else { &config.quorum.down };
        self.tell_pool(Subject::Service(self.service_name(service)), up, command.as_ref(), cause);
    }

    /// The daemon stops: services with `omega` say that they go down, server by server.
    pub(super) fn tell_omega(&mut self) {
        let omega = self.pools.values().filter(|pool| pool.config.omega);
        let leaving: Vec<_> = omega
            .map(|pool| {
                let up = pool.servers.iter().filter(|(_, server)| server.up).map(|(key, _)| *key);
                (pool.served.clone(), pool.has_quorum(), up.collect::<Vec<_>>())
            })
            .collect();
        for (service, quorum, servers) in leaving {
            for server in servers {
                self.tell_server(&service, &server, false, "directord stops");
            }
            if quorum {
                self.tell_quorum(&service, false, "directord stops");
            }
        }
    }

    /// A virtual server as keepalived's lines name it: `[10.0.0.1]:tcp:80`, `FWM 5`; of a group `[G]:0`, with a number that
    /// tells its virtual servers apart.
    fn service_name(&self, service: &Served) -> String {
        match service {
            Served::Key(ServiceKey::Address { .. }) => service.to_string(),
            Served::Key(ServiceKey::Mark { mark, .. }) => notify::notice::fwmark(*mark),
            Served::Group(key) => {
                let mut fellows = self.config.group_services.keys().filter(|other| other.group == key.group);
                let number = fellows.position(|other| other == key).unwrap_or(0);
                format!("[{}]:{number}", key.group)
            }
        }
    }

    fn tell_pool(&mut self, subject: Subject, up: bool, command: Option<&Command>, cause: &str) {
        if self.nobody_listens(&[command], false) {
            return;
        }
        let (word, from) = if up { (Word::Up, Word::Down) } else { (Word::Down, Word::Up) };
        let change = Change {
            subject,
            word,
            from: Some(from),
            priority: 0,
            cause: cause.to_owned(),
            place: None,
            router_id: self.router_id().to_owned(),
            skipped: 0,
        };
        self.effect(Effect::Tell(telling(change, command, None)));
    }

    fn change(&self, name: &str, instance: &Instance, word: Word, cause: &str) -> Change {
        Change {
            subject: Subject::Instance(name.to_owned()),
            word,
            from: None,
            priority: instance.router.effective_priority(),
            cause: cause.to_owned(),
            place: Some((instance.config.interface.clone(), instance.config.router.vrid)),
            router_id: self.router_id().to_owned(),
            skipped: 0,
        }
    }

    fn nobody_listens(&self, commands: &[Option<&Command>], vrrp: bool) -> bool {
        let fifos = &self.config.global.fifos;
        let one = if vrrp { &fifos.vrrp } else { &fifos.lvs };
        commands.iter().all(Option::is_none) && fifos.all.pipe.is_none() && one.pipe.is_none()
    }

    /// Tells this once the addresses are as they should be now.
    fn hold(&mut self, telling: Telling, now: Instant) {
        if self.calls.held.is_empty() {
            self.agenda.set(Owner::Calls, Some(now + PATIENCE));
        }
        self.calls.held.push_back((self.addresses.serial, telling));
    }

    /// The owner of the addresses has answered: tells what waited for it.
    pub(super) fn release_calls(&mut self) {
        let applied = self.addresses.applied;
        while self.calls.held.front().is_some_and(|(serial, _)| *serial <= applied)
            && let Some((_, telling)) = self.calls.held.pop_front()
        {
            self.effect(Effect::Tell(telling));
        }
        if self.calls.held.is_empty() {
            self.agenda.set(Owner::Calls, None);
        }
    }

    /// Tells everything that still waits: nothing is waited for any longer.
    pub(super) fn release_all_calls(&mut self) {
        while let Some((_, telling)) = self.calls.held.pop_front() {
            self.effect(Effect::Tell(telling));
        }
        self.agenda.set(Owner::Calls, None);
    }
}

/// The command for this state alone runs before the one for all states, as keepalived starts them.
fn telling(change: Change, specific: Option<&Command>, generic: Option<&Command>) -> Telling {
    let mut commands: Vec<Command> = specific.cloned().into_iter().collect();
    if let Some(generic) = generic {
        let mut generic = generic.clone();
        generic.words.extend(change.arguments());
        commands.push(generic);
    }
    Telling { change, commands }
}

fn for_state(notify: &Notify, state: State) -> Option<&Command> {
    match state {
        State::Master => notify.master.as_ref(),
        State::Backup => notify.backup.as_ref(),
        State::Fault => notify.fault.as_ref(),
        State::Stopped => notify.stop.as_ref(),
        State::Initialize => None,
    }
}

fn word(state: State) -> Word {
    match state {
        State::Initialize => Word::Init,
        State::Master => Word::Master,
        State::Backup => Word::Backup,
        State::Fault => Word::Fault,
        State::Stopped => Word::Stop,
    }
}

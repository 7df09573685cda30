//! Changes of state as programs are told of them: keepalived's arguments and lines, and what its scripts always missed.
//!
//! A [`Change`] says what happened; it becomes the arguments of a generic `notify` script, the line for a named pipe
//! and the environment of every script. [`Queue`] keeps the runs about one subject apart: one after the other, a
//! bounded number waiting.

mod queue;

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

pub use queue::{MOST_WAITING, Next, Queue};

/// Whose state changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Subject {
    /// A VRRP instance, by name.
    Instance(String),
    /// A sync group, by name.
    Group(String),
    /// A virtual server, in keepalived's form: `[10.0.0.1]:tcp:80`.
    Service(String),
    /// A real server of a virtual server, both in that form.
    Server {
        /// The real server.
        server: String,
        /// The virtual server.
        service: String,
    },
}

/// A state, or something that happened in one, in keepalived's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Word {
    /// Before the first state; told only as the state before.
    Init,
    /// Holds the addresses.
    Master,
    /// Watches the master.
    Backup,
    /// Cannot take part.
    Fault,
    /// The daemon stops.
    Stop,
    /// A reload removed it.
    Deleted,
    /// As master, a master of lower priority was heard.
    MasterRxLowerPri,
    /// As master, the priority changed.
    MasterPriority,
    /// As backup, the priority changed.
    BackupPriority,
    /// In service, or with a quorum.
    Up,
    /// Out of service, or without a quorum.
    Down,
}

/// Something that programs are told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Whose state.
    pub subject: Subject,
    /// What it is now, or what happened.
    pub word: Word,
    /// The state before, as the same programs heard of it; `None` for what is no change of state.
    pub from: Option<Word>,
    /// The priority in effect, 0 to 255; 0 for everything but instances.
    pub priority: u8,
    /// Why, in words.
    pub cause: String,
    /// The interface and the VRID of an instance.
    pub place: Option<(String, u8)>,
    /// The name of this director.
    pub router_id: String,
    /// How many changes before this one were left out, because newer ones came sooner than scripts ended.
    pub skipped: u32,
}

impl Word {
    /// Whether nothing comes after it.
    fn is_last(self) -> bool {
        matches!(self, Word::Stop | Word::Deleted)
    }
}

impl Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Word::Init => "INIT",
            Word::Master => "MASTER",
            Word::Backup => "BACKUP",
            Word::Fault => "FAULT",
            Word::Stop => "STOP",
            Word::Deleted => "DELETED",
            Word::MasterRxLowerPri => "MASTER_RX_LOWER_PRI",
            Word::MasterPriority => "MASTER_PRIORITY",
            Word::BackupPriority => "BACKUP_PRIORITY",
            Word::Up => "UP",
            Word::Down => "DOWN",
        })
    }
}

impl Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Instance(name) => write!(f, "vrrp_instance {name}"),
            Subject::Group(name) => write!(f, "vrrp_sync_group {name}"),
            Subject::Service(service) => write!(f, "virtual_server {service}"),
            Subject::Server { server, service } => {
                write!(f, "real_server {server} of virtual_server {service}")
            }
        }
    }
}

impl Subject {
    /// keepalived's word for its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Subject::Instance(_) => "INSTANCE",
            Subject::Group(_) => "GROUP",
            Subject::Service(_) => "VS",
            Subject::Server { .. } => "RS",
        }
    }

    /// Whether it concerns VRRP, not virtual servers.
    pub fn is_vrrp(&self) -> bool {
        matches!(self, Subject::Instance(_) | Subject::Group(_))
    }

    fn name(&self) -> &str {
        match self {
            Subject::Instance(name) | Subject::Group(name) | Subject::Service(name) => name,
            Subject::Server { server, .. } => server,
        }
    }
}

impl Change {
    /// What a generic `notify` script finds behind its own arguments: kind, name, state, priority.
    pub fn arguments(&self) -> Vec<String> {
        vec![
            self.subject.kind().to_owned(),
            self.subject.name().to_owned(),
            self.word.to_string(),
            self.priority.to_string(),
        ]
    }

    /// The line for a named pipe, without its end.
    pub fn line(&self) -> String {
        let Change { subject, word, priority, .. } = self;
        match subject {
            Subject::Instance(name) | Subject::Group(name) => {
                format!("{} \"{name}\" {word} {priority}", subject.kind())
            }
            Subject::Service(service) => format!("VS {service} {word}"),
            Subject::Server { server, service } => format!("RS {server} {service} {word}"),
        }
    }

    /// The variables of every script: the same, and what the arguments do not tell.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("DIRECTORD_KIND", self.subject.kind().to_owned()),
            ("DIRECTORD_NAME", self.subject.name().to_owned()),
            ("DIRECTORD_STATE", self.word.to_string()),
            ("DIRECTORD_OLD_STATE", self.from.map_or_else(String::new, |word| word.to_string())),
            ("DIRECTORD_PRIORITY", self.priority.to_string()),
            ("DIRECTORD_CAUSE", self.cause.clone()),
            ("DIRECTORD_SKIPPED", self.skipped.to_string()),
            ("DIRECTORD_ROUTER_ID", self.router_id.clone()),
        ];
        if let Some((interface, vrid)) = &self.place {
            variables.push(("DIRECTORD_INTERFACE", interface.clone()));
            variables.push(("DIRECTORD_VRID", vrid.to_string()));
        }
        if let Subject::Server { service, .. } = &self.subject {
            variables.push(("DIRECTORD_SERVICE", service.clone()));
        }
        // No variable can hold it; a name of the configuration never does.
        for (_, value) in &mut variables {
            value.retain(|c| c != '\0');
        }
        variables
    }

    /// Whether it is a change of state, and not something that happened in one.
    pub fn is_state(&self) -> bool {
        self.from.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(subject: Subject, word: Word) -> Change {
        Change {
            subject,
            word,
            from: Some(Word::Init),
            priority: 105,
            cause: "started".into(),
            place: Some(("eth0".into(), 51)),
            router_id: "one".into(),
            skipped: 0,
        }
    }

    #[test]
    fn arguments_and_lines_are_those_of_keepalived() {
        let instance = change(Subject::Instance("VI_1".into()), Word::Master);
        assert_eq!(instance.arguments(), ["INSTANCE", "VI_1", "MASTER", "105"]);
        assert_eq!(instance.line(), "INSTANCE \"VI_1\" MASTER 105");
        let group = Change { priority: 0, ..change(Subject::Group("G".into()), Word::Backup) };
        assert_eq!(group.arguments(), ["GROUP", "G", "BACKUP", "0"]);
        assert_eq!(group.line(), "GROUP \"G\" BACKUP 0");
        let heard = change(Subject::Instance("VI_1".into()), Word::MasterRxLowerPri);
        assert_eq!(heard.line(), "INSTANCE \"VI_1\" MASTER_RX_LOWER_PRI 105");
        let service = "[10.0.0.1]:tcp:80".to_owned();
        assert_eq!(change(Subject::Service(service.clone()), Word::Up).line(), "VS [10.0.0.1]:tcp:80 UP");
        let server = Subject::Server { server: "[10.0.0.2]:tcp:80".into(), service };
        assert_eq!(change(server, Word::Down).line(), "RS [10.0.0.2]:tcp:80 [10.0.0.1]:tcp:80 DOWN");
    }

    #[test]
    fn the_environment_tells_old_and_new_state_and_why() {
        let variables = change(Subject::Instance("VI_1".into()), Word::Backup).environment();
        let value = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str());
        for (name, expected) in [
            ("DIRECTORD_KIND", "INSTANCE"),
            ("DIRECTORD_OLD_STATE", "INIT"),
            ("DIRECTORD_STATE", "BACKUP"),
            ("DIRECTORD_CAUSE", "started"),
            ("DIRECTORD_INTERFACE", "eth0"),
            ("DIRECTORD_VRID", "51"),
            ("DIRECTORD_ROUTER_ID", "one"),
            ("DIRECTORD_SKIPPED", "0"),
        ] {
            assert_eq!(value(name), Some(expected), "{name}");
        }
        assert_eq!(value("DIRECTORD_SERVICE"), None);
    }
}

//! The configuration as the daemon uses it: typed, complete, with every default filled in.
//!
//! A file is read in three steps, each with a module of its own: [`syntax`] turns text into a tree with positions,
//! [`keywords`] knows every keyword once, and [`lower`] turns the tree into a [`Config`] and a list of complaints.
//! Then [`hints`] looks for traps in what is legal. Only [`source`] touches the system, to read files: a configuration can be checked on any machine.

pub mod complaint;
pub mod diff;
pub mod hints;
pub mod keywords;
pub mod lower;
pub mod origin;
pub mod render;
pub mod source;
pub mod spans;
pub mod syntax;
mod wildcard;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use complaint::{Code, Complaint, Severity};
pub use diff::{Changes, Difference, adopt};
pub use render::{Colour, render};
pub use source::Sources;
pub use spans::{Spans, Thing};

use complaint::Complaints;
use source::{Fetched, FileId, Refusal, Span};
pub use syntax::builtin::Surroundings;
use syntax::include::Fetch;
use syntax::tree;

/// What reading a file gave: always every complaint, and the configuration if none of them is an error.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The configuration; `None` if there is any error.
    pub config: Option<Config>,
    /// Everything that is to be said about the file, in the order of the text.
    pub complaints: Vec<Complaint>,
    /// The texts, for [`render()`].
    pub sources: Sources,
    /// Where the configuration's things stand in the texts; empty without a configuration.
    pub spans: Spans,
    /// Whether the file itself, not one that it includes, could not be read.
    pub unreadable: bool,
}

impl Reading {
    /// The complaints for people; see [`render()`].
    pub fn render(&self, colour: Colour) -> String {
        render(&self.complaints, &self.sources, colour)
    }
}

/// What a configuration is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// For people who look at it: hints as well, which take a table of places to find.
    Check,
    /// For a daemon to run: errors and warnings, and no more work at the start than that.
    Run,
}

/// Reads a file and those it includes. `config_id` is what `@id` before a line is compared with; `None`: the host's name
/// up to its first dot.
///
/// A file that asks for nothing is refused: one that was emptied by accident (a full disk, a template that failed)
/// must not take everything down.
pub fn read(path: &Path, config_id: Option<&str>, purpose: Purpose) -> Reading {
    let host = source::Host::of(config_id);
    let mut reading = read_fetched(source::file(path), &source::from_disk, &host.surroundings(), purpose);
    if reading.config.take_if(|config| config.is_empty()).is_some() {
        reading.complaints.push(Complaint {
            severity: Severity::Error,
            code: Code::NothingToDo,
            file: path.display().to_string(),
            line: 1,
            column: 1,
            length: 1,
            message: "the file asks for nothing: it has neither a `vrrp_instance` nor a `virtual_server`"
                .to_owned(),
            suggestion: Some("if nothing is to be done, stop directord".to_owned()),
            trail: Vec::new(),
        });
    }
    reading
}

/// Reads a text as if it stood in a file of that name. It can include nothing, and has no config id.
pub fn read_text(name: &str, text: &str) -> Reading {
    let nothing = |path: &Path| {
        let message = "a text that is no file cannot include any".to_owned();
        vec![Fetched { path: path.to_owned(), text: Err(Refusal { code: Code::FileMissing, message }) }]
    };
    let around = Surroundings { config_id: "", seed: 0, variable: &|_| None, directory: Path::new("/") };
    read_fetched(
        Fetched { path: PathBuf::from(name), text: Ok(text.to_owned()) },
        &nothing,
        &around,
        Purpose::Check,
    )
}

/// Reads a file that has been fetched already; `fetch` gets those it includes, and `around` is the world it asks.
pub fn read_fetched(main: Fetched, fetch: Fetch<'_>, around: &Surroundings<'_>, purpose: Purpose) -> Reading {
    let mut sources = Sources::default();
    let mut complaints = Complaints::default();
    let Fetched { path, text } = main;
    let unreadable = text.is_err();
    let config = match text {
        Ok(text) => {
            let file = sources.add(&path, text, None);
            let tree = tree::parse(file, &path, &mut sources, fetch, around, &mut complaints);
            // Half a text is not what was meant.
            (!tree.incomplete).then(|| lower::lower(&tree, purpose, &mut complaints))
        }
        Err(Refusal { code, message }) => {
            let file = sources.add(&path, String::new(), None);
            complaints.error(code, start_of(file), message);
            None
        }
    };
    let config = config.filter(|_| !complaints.has_errors());
    let (config, spans) = config.unzip();
    let spans = spans.unwrap_or_default();
    if let Some(config) = config.as_ref().filter(|_| purpose == Purpose::Check) {
        hints::find(config, &spans, &mut complaints);
    }
    let complaints = complaints.finish(&sources);
    // The complaints tell by now where expanded text came from.
    sources.origins = Default::default();
    Reading { config, complaints, sources, spans, unreadable }
}

fn start_of(file: FileId) -> Span {
    Span { file, line: 1, column: 1, length: 1, ..Span::default() }
}

/// Everything one configuration file asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// `global_defs`.
    pub global: Global,
    /// `vrrp_instance` blocks by name.
    pub instances: BTreeMap<String, Arc<Instance>>,
    /// `virtual_server` blocks by what they serve.
    pub services: BTreeMap<ipvs_backend::ServiceKey, Arc<VirtualServer>>,
}

impl Config {
    /// Whether there is nothing to do: no instance and no virtual server.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty() && self.services.is_empty()
    }
}

/// `global_defs`: settings that concern the daemon as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Global {
    /// `router_id`, the name used in mail subjects. `None`: the host name, filled in by the daemon.
    pub router_id: Option<String>,
    /// Whom to write to and how. `None`: no mail at all (no recipients, or no `smtp_server`).
    pub email: Option<Email>,
}

/// Where notices go by mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// `notification_email`, in the file's order; never empty.
    pub to: Vec<String>,
    /// `notification_email_from`. `None`: `root@` and the host name, filled in by the daemon.
    pub from: Option<String>,
    /// `smtp_server`: host name or address.
    pub server: String,
    /// `smtp_server`: port, 25 by default.
    pub port: u16,
    /// `smtp_connect_timeout`, 30 s by default.
    pub connect_timeout: Duration,
    /// `smtp_helo_name`. `None`: the host name.
    pub helo: Option<String>,
}

/// `vrrp_instance`: one virtual router that this director takes part in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `interface`: where adverts go.
    pub interface: String,
    /// The protocol's own settings: VRID, version, priority, timers, announcements, advertised addresses.
    pub router: vrrp::Settings,
    /// Adverts by multicast, or to named peers.
    pub transport: Transport,
    /// `mcast_src_ip` or `unicast_src_ip`. `None`: the interface's primary address.
    pub source: Option<IpAddr>,
    /// `virtual_ipaddress`: what is on the interface while master, in the file's order.
    pub addresses: Vec<VirtualAddress>,
    /// Whether transitions are mailed (`smtp_alert`); on unless switched off, when mail is configured at all.
    pub alert: bool,
}

/// How adverts travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// To the group 224.0.0.18 (RFC 9568 section 5.1.1.2).
    Multicast,
    /// To each of `unicast_peer`.
    Unicast(Vec<IpAddr>),
}

/// One line of `virtual_ipaddress`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length, /32 (IPv4) by default.
    pub prefix: u8,
    /// `dev`. `None`: the instance's interface.
    pub interface: Option<String>,
    /// `label`, below 16 characters.
    pub label: Option<String>,
}

/// `virtual_server`: one service and its real servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServer {
    /// Scheduler, flags and persistence as the kernel takes them.
    pub settings: ipvs_backend::ServiceSettings,
    /// Real servers by address and port.
    pub servers: BTreeMap<ipvs_backend::DestinationKey, Arc<RealServer>>,
    /// `sorry_server`: stands in while no real server is up; never checked.
    pub sorry: Option<SorryServer>,
    /// Whether server events are mailed; on unless switched off, when mail is configured at all.
    pub alert: bool,
}

/// `sorry_server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SorryServer {
    /// Its address and port.
    pub key: ipvs_backend::DestinationKey,
    /// How packets reach it.
    pub forwarding: ipvs_backend::Forwarding,
}

/// `real_server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServer {
    /// Weight while up, 1 by default; 0 takes no new connections.
    pub weight: u32,
    /// How packets reach it (`lvs_method`, by default the service's).
    pub forwarding: ipvs_backend::Forwarding,
    /// `inhibit_on_failure`: weight 0 instead of removal while down.
    pub inhibit: bool,
    /// The checks, in the file's order; all must pass.
    pub checks: Vec<Arc<healthcheck::Check>>,
    /// Whether events of this server are mailed.
    pub alert: bool,
}

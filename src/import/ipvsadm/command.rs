//! One line of ipvsadm's: its options, short and long, read into what is to be added.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ipvs_backend::{
    DestinationSettings, Forwarding, Granularity, Persistence, Scheduler, ServiceKey, ServiceSettings,
};

use super::word::{Word, Words, endpoint, engine, granularity, key, number_of, value, words};
use crate::config::Code;
use crate::config::source::Span;
use crate::import::{Desk, SCHEDULER_FLAGS};

/// The largest weight that the kernel holds: `ipvsadm-save` prints it, though `ipvsadm` takes no more than 65535 itself.
const HEAVIEST: u32 = i32::MAX.unsigned_abs();

/// What a line asks for.
pub(super) enum Command {
    Service(NewService),
    Server(NewServer),
    Daemon(Daemon),
    /// `--set`: seconds for TCP, TCP after a FIN, and UDP.
    Timeouts([u32; 3]),
    Clear,
}

/// `-A` or `-E`.
pub(super) struct NewService {
    pub key: ServiceKey,
    pub settings: ServiceSettings,
    pub flags: Vec<String>,
    pub edit: bool,
}

/// `-a` or `-e`.
pub(super) struct NewServer {
    pub service: ServiceKey,
    pub address: IpAddr,
    pub port: Option<u16>,
    pub settings: DestinationSettings,
    pub tunnel: Vec<String>,
    pub edit: bool,
}

/// `--start-daemon`, as the words behind `lvs_sync_daemon`.
pub(super) struct Daemon {
    pub words: Vec<String>,
}

/// Persistence without a time, by ipvsadm's manual.
const PERSISTENT: u32 = 300;
/// The kernel's limit for persistence: 31 days.
const MAX_PERSISTENT: u32 = 31 * 86_400;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Add,
    Edit,
    AddServer,
    EditServer,
    Daemon,
}

/// The long names of options that have a short one as well.
const LONG: &[(&str, &str)] = &[
    ("--add-service", "-A"),
    ("--edit-service", "-E"),
    ("--add-server", "-a"),
    ("--edit-server", "-e"),
    ("--clear", "-C"),
    ("--tcp-service", "-t"),
    ("--udp-service", "-u"),
    ("--fwmark-service", "-f"),
    ("--ipv6", "-6"),
    ("--scheduler", "-s"),
    ("--persistent", "-p"),
    ("--netmask", "-M"),
    ("--sched-flags", "-b"),
    ("--ops", "-o"),
    ("--real-server", "-r"),
    ("--gatewaying", "-g"),
    ("--ipip", "-i"),
    ("--masquerading", "-m"),
    ("--weight", "-w"),
    ("--u-threshold", "-x"),
    ("--l-threshold", "-y"),
    ("--numeric", "-n"),
];

/// What has been said so far.
#[derive(Default)]
struct Draft<'a> {
    action: Option<Action>,
    target: Option<(&'static str, Word<'a>)>,
    ipv6: bool,
    scheduler: Option<Word<'a>>,
    persistent: Option<u32>,
    netmask: Option<Word<'a>>,
    flags: Vec<String>,
    engine: Option<String>,
    server: Option<Word<'a>>,
    forwarding: Option<Forwarding>,
    weight: Option<u32>,
    upper: u32,
    lower: u32,
    tunnel: Vec<String>,
    interface: Option<String>,
    daemon: Vec<String>,
}

/// Reads a line; complains of what it cannot read. Empty lines and comments are nothing.
pub(super) fn read(line: &str, number: u32, desk: &mut Desk) -> Option<Command> {
    let text = line.split('#').next().unwrap_or_default();
    let mut words = words(text, line, number, desk).into_iter().peekable();
    let first = words.peek()?.text;
    // A script has the program's name before each command.
    if first == "ipvsadm" || first.ends_with("/ipvsadm") {
        words.next();
    }
    let mut draft = Draft::default();
    while let Some(word) = words.next() {
        let short = LONG.iter().find(|(long, _)| *long == word.text).map_or(word.text, |(_, short)| short);
        match short {
            "-C" => return Some(Command::Clear),
            "--set" => {
                let mut seconds =
                    || value(word, &mut words, desk).and_then(|v| number_of(v, 0, u32::MAX, desk));
                return Some(Command::Timeouts([seconds()?, seconds()?, seconds()?]));
            }
            _ => draft.take(short, word, &mut words, desk)?,
        }
    }
    draft.finish(desk.line_span(number), desk)
}

impl<'a> Draft<'a> {
    /// Takes an option with its value. `None` after a complaint.
    fn take(&mut self, option: &str, word: Word<'a>, words: &mut Words<'a>, desk: &mut Desk) -> Option<()> {
        match option {
            "-A" => self.action = Some(Action::Add),
            "-E" => self.action = Some(Action::Edit),
            "-a" => self.action = Some(Action::AddServer),
            "-e" => self.action = Some(Action::EditServer),
            "-t" => self.target = Some(("tcp", value(word, words, desk)?)),
            "-u" => self.target = Some(("udp", value(word, words, desk)?)),
            "--sctp-service" => self.target = Some(("sctp", value(word, words, desk)?)),
            "-f" => self.target = Some(("mark", value(word, words, desk)?)),
            "-6" => self.ipv6 = true,
            "-n" => {}
            "-s" => self.scheduler = Some(value(word, words, desk)?),
            "-p" => {
                let time = words.next_if(|next| !next.text.starts_with('-'));
                self.persistent = Some(match time {
                    Some(time) => number_of(time, 0, MAX_PERSISTENT, desk)?,
                    None => PERSISTENT,
                });
            }
            "-M" => self.netmask = Some(value(word, words, desk)?),
            "-b" => self.flags(value(word, words, desk)?, desk)?,
            "-o" => self.flags.push("ops".to_owned()),
            "--pe" => self.engine = Some(engine(value(word, words, desk)?, desk)?),
            "-r" => self.server = Some(value(word, words, desk)?),
            "-g" => self.forwarding = Some(Forwarding::Dr),
            "-i" => self.forwarding = Some(Forwarding::Tun),
            "-m" => self.forwarding = Some(Forwarding::Nat),
            "-w" => self.weight = Some(number_of(value(word, words, desk)?, 0, HEAVIEST, desk)?),
            "-x" => self.upper = number_of(value(word, words, desk)?, 0, u32::MAX, desk)?,
            "-y" => self.lower = number_of(value(word, words, desk)?, 0, u32::MAX, desk)?,
            _ => return self.take_rarer(option, word, words, desk),
        }
        Some(())
    }

    /// Options of tunnels and of the daemon for connections.
    fn take_rarer(
        &mut self,
        option: &str,
        word: Word<'a>,
        words: &mut Words<'a>,
        desk: &mut Desk,
    ) -> Option<()> {
        let mut daemon = |name: &str, words: &mut Words<'a>, desk: &mut Desk| {
            let value = value(word, words, desk)?;
            self.daemon.extend([name.to_owned(), value.text.to_owned()]);
            Some(())
        };
        match option {
            "--tun-type" => {
                let kind = value(word, words, desk)?;
                // Plain IP in IP needs no word.
                if kind.text != "ipip" {
                    self.tunnel.splice(0..0, ["type".to_owned(), kind.text.to_owned()]);
                }
            }
            "--tun-port" => {
                let port = value(word, words, desk)?;
                number_of(port, 1, 65_535, desk)?;
                self.tunnel.extend(["port".to_owned(), port.text.to_owned()]);
            }
            "--tun-nocsum" => self.tunnel.push("nocsum".to_owned()),
            "--tun-csum" => self.tunnel.push("csum".to_owned()),
            "--tun-remcsum" => self.tunnel.push("remcsum".to_owned()),
            "--start-daemon" => {
                // Master or backup: our daemon is told by VRRP.
                value(word, words, desk)?;
                self.action = Some(Action::Daemon);
            }
            "--mcast-interface" => self.interface = Some(value(word, words, desk)?.text.to_owned()),
            "--syncid" => daemon("id", words, desk)?,
            "--sync-maxlen" => daemon("maxlen", words, desk)?,
            "--mcast-group" => daemon("group", words, desk)?,
            "--mcast-port" => daemon("port", words, desk)?,
            "--mcast-ttl" => daemon("ttl", words, desk)?,
            _ => {
                let message = format!("`{}` is nothing that `ipvsadm-save` prints", word.text);
                let suggestion = "give what `ipvsadm-save -n` or `ipvsadm -Sn` prints";
                desk.error(Code::UnknownKeyword, word.span, message, suggestion);
                return None;
            }
        }
        Some(())
    }

    fn flags(&mut self, list: Word<'_>, desk: &mut Desk) -> Option<()> {
        for flag in list.text.split(',') {
            if !SCHEDULER_FLAGS.contains(&flag) {
                let message = format!("there is no flag `{flag}`; expected {}", SCHEDULER_FLAGS.join(", "));
                desk.error(Code::InvalidChoice, list.span, message, "");
                return None;
            }
            self.flags.push(flag.to_owned());
        }
        Some(())
    }

    fn finish(self, span: Span, desk: &mut Desk) -> Option<Command> {
        let Some(action) = self.action else {
            let message = "the line neither adds nor changes anything";
            desk.error(
                Code::MissingKeyword,
                span,
                message,
                "give what `ipvsadm-save -n` or `ipvsadm -Sn` prints",
            );
            return None;
        };
        if action == Action::Daemon {
            let Some(interface) = self.interface else {
                let message = "`--start-daemon` has no `--mcast-interface`";
                desk.error(Code::MissingKeyword, span, message, "");
                return None;
            };
            let words = std::iter::once(interface).chain(self.daemon).collect();
            return Some(Command::Daemon(Daemon { words }));
        }
        let Some((kind, target)) = self.target else {
            desk.error(
                Code::MissingKeyword,
                span,
                "the line names no service",
                "say `-t ADDRESS:PORT`, `-u` or `-f MARK`",
            );
            return None;
        };
        let key = key(kind, target, self.ipv6, desk)?;
        if matches!(action, Action::Add | Action::Edit) {
            let settings = settings(&self, key, desk)?;
            return Some(Command::Service(NewService {
                key,
                settings,
                flags: self.flags,
                edit: action == Action::Edit,
            }));
        }
        let Some(server) = self.server else {
            desk.error(Code::MissingKeyword, span, "the line names no server", "say `-r ADDRESS:PORT`");
            return None;
        };
        let (address, port) = endpoint(server, desk)?;
        let mut settings =
            DestinationSettings::new(self.forwarding.unwrap_or(Forwarding::Dr), self.weight.unwrap_or(1));
        (settings.upper, settings.lower) = (self.upper, self.lower);
        let tunnel = if settings.forwarding == Forwarding::Tun { self.tunnel } else { Vec::new() };
        let edit = action == Action::EditServer;
        Some(Command::Server(NewServer { service: key, address, port, settings, tunnel, edit }))
    }
}

fn settings(draft: &Draft<'_>, key: ServiceKey, desk: &mut Desk) -> Option<ServiceSettings> {
    let scheduler = match draft.scheduler {
        None => Scheduler::default(),
        Some(word) => match Scheduler::from_str(word.text) {
            Ok(scheduler) => scheduler,
            Err(error) => {
                desk.error(Code::InvalidChoice, word.span, error.to_string(), "");
                return None;
            }
        },
    };
    let mut settings = ServiceSettings::new(scheduler);
    settings.engine.clone_from(&draft.engine);
    let granularity = match draft.netmask {
        None => Granularity::Host,
        Some(word) => granularity(word, key.family(), desk)?,
    };
    let time = draft.persistent.filter(|seconds| *seconds > 0);
    settings.persistence =
        time.map(|seconds| Persistence { timeout: Duration::from_secs(seconds.into()), granularity });
    Some(settings)
}

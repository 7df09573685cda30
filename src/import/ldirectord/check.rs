//! How a section checks its servers → the check of each `real_server`.
//!
//! For each protocol our language has a check of the same kind. Where it looks at less than ldirectord did, the report says
//! so.

use ipvs_backend::{Protocol, ServiceKey};

use super::Patience;
use super::handshake;
use super::model::{At, CheckType, Service, Virtual};
use crate::import::{Desk, Fate, Report};

/// The check of a section's servers.
pub(super) struct Check<'a> {
    pub service: &'a Virtual,
    pub kind: Kind,
    /// Seconds.
    pub timeout: u32,
    /// How many must fail, one after another, before a server is down.
    pub attempts: u32,
    /// After each check that negotiates so many connect only.
    pub connects: Option<u32>,
    /// From one check to the next, in seconds.
    pub interval: u32,
}

/// Checks of our language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    None,
    Tcp,
    Udp,
    Ping,
    Http,
    Https,
    Smtp,
    Dns,
    Ftp,
    Imap { tls: bool },
    Pop { tls: bool },
    Nntp,
    Sip,
    Text,
    Proxy,
    Ldap { tls: bool },
    Mysql,
    Pgsql,
    Radius,
    Oracle,
    Command(String),
}

/// Directives that say how to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Port,
    Command,
    Request,
    Receive,
    Method,
    Host,
    Login,
    Database,
    Secret,
}

impl<'a> Check<'a> {
    /// Chooses the check and reports what became of the directives about it.
    pub fn of(service: &'a Virtual, patience: &Patience, desk: &mut Desk) -> Self {
        let report = &mut desk.report;
        let kind = choose(service, report);
        tell_parts(service, &kind, report);
        if patience.timeout > 3_600 && !matches!(kind, Kind::Command(_)) {
            report.say(service.line, Fate::Changed, "`connect_timeout` is 3600 s, the longest there is");
        }
        let echoes = if kind == Kind::Ping { patience.echoes } else { 1 };
        let attempts = patience.failures.saturating_mul(echoes);
        let connects = match service.check() {
            CheckType::Combined(connects) if kind != Kind::None => Some(connects),
            _ => None,
        };
        Self { service, kind, timeout: patience.timeout, attempts, connects, interval: patience.interval }
    }

    pub fn is_none(&self) -> bool {
        self.kind == Kind::None
    }

    pub fn is_command(&self) -> bool {
        matches!(self.kind, Kind::Command(_))
    }
}

fn line_of(service: &Virtual) -> u32 {
    let said = service.service.as_ref().map(|said| said.line);
    said.or(service.checktype.as_ref().map(|said| said.line)).unwrap_or(service.line)
}

fn choose(service: &Virtual, report: &mut Report) -> Kind {
    let udp = matches!(service.key, ServiceKey::Address { protocol: Protocol::Udp, .. });
    let line = service.checktype.as_ref().map_or(service.line, |said| said.line);
    let mut say = |fate: Fate, text: &str| report.say(line, fate, text);
    let kind = match service.check() {
        CheckType::Negotiate => {
            if service.checktype.is_some() {
                say(Fate::Translated, "the check that fits `service`");
            }
            return negotiate(service, report);
        }
        CheckType::Combined(connects) => {
            let text = format!(
                "the check that fits `service` in one round of {}, and one that only connects in each",
                u64::from(connects) + 1
            );
            say(Fate::Translated, &text);
            return negotiate(service, report);
        }
        CheckType::Connect if udp => {
            say(Fate::Translated, "`PING_CHECK`");
            say(Fate::Trap, "with UDP ldirectord does not connect but pings, without a word");
            Kind::Ping
        }
        CheckType::Connect => {
            say(Fate::Translated, "`TCP_CHECK`");
            Kind::Tcp
        }
        CheckType::Ping => {
            say(Fate::Translated, "`PING_CHECK`");
            Kind::Ping
        }
        CheckType::External | CheckType::ExternalPerl => external(service, &mut say),
        CheckType::On => {
            say(Fate::Translated, "no check: the servers count as up");
            Kind::None
        }
        CheckType::Off => {
            say(
                Fate::Changed,
                "`weight 0`: the servers are in the table and get no connections; ldirectord leaves them out",
            );
            Kind::None
        }
    };
    if let Some(said) = &service.service {
        report.say(
            said.line,
            Fate::Translated,
            "left out: this `checktype` asks no protocol; at most the port is taken from it",
        );
    }
    kind
}

/// A command, which ldirectord runs or, if it is Perl, calls.
fn external(service: &Virtual, say: &mut impl FnMut(Fate, &str)) -> Kind {
    let Some(said) = &service.checkcommand else {
        let text =
            "without `checkcommand` the check always succeeds, in ldirectord as well; here it is left out";
        say(Fate::Translated, "no check");
        say(Fate::Trap, text);
        return Kind::None;
    };
    say(Fate::Translated, "`MISC_CHECK`");
    if service.check() == CheckType::ExternalPerl {
        let text =
            "the script is run as a program each time: it must be executable, and end with its verdict";
        say(Fate::Changed, text);
    }
    Kind::Command(said.value.clone())
}

fn negotiate(service: &Virtual, report: &mut Report) -> Kind {
    use Service as S;
    let negotiated = service.negotiated();
    let kind = match negotiated {
        S::Http => Kind::Http,
        S::Https => Kind::Https,
        S::Smtp | S::Submission => Kind::Smtp,
        S::Dns => Kind::Dns,
        S::None => Kind::None,
        S::Ftp => Kind::Ftp,
        S::Imap => Kind::Imap { tls: false },
        S::Imaps => Kind::Imap { tls: true },
        S::Pop => Kind::Pop { tls: false },
        S::Pops => Kind::Pop { tls: true },
        S::Nntp => Kind::Nntp,
        S::Sip => Kind::Sip,
        S::Simpletcp => Kind::Text,
        S::HttpProxy => Kind::Proxy,
        S::Ldap | S::Ldaps | S::Mysql | S::Pgsql | S::Oracle | S::Radius => handshake::kind(service),
    };
    let name = match kind {
        Kind::Http => "`HTTP_GET`",
        Kind::Https => "`SSL_GET`",
        Kind::Smtp => "`SMTP_CHECK`",
        Kind::Dns => "`DNS_CHECK`",
        Kind::Udp => "`UDP_CHECK`",
        Kind::Tcp => "`TCP_CHECK`",
        Kind::Ftp => "`FTP_CHECK`",
        Kind::Imap { .. } => "`IMAP_CHECK`",
        Kind::Pop { .. } => "`POP3_CHECK`",
        Kind::Nntp => "`NNTP_CHECK`",
        Kind::Sip => "`SIP_CHECK`",
        Kind::Text => "`TEXT_CHECK`",
        Kind::Ldap { .. } => "`LDAP_CHECK`",
        Kind::Mysql => "`MYSQL_CHECK`",
        Kind::Pgsql => "`PGSQL_CHECK`",
        Kind::Radius => "`RADIUS_CHECK`",
        Kind::Oracle => "`ORACLE_CHECK`",
        Kind::Proxy => "`HTTP_GET` of a whole address, by way of the server",
        _ => "no check: the servers count as up",
    };
    let line = line_of(service);
    let lost = match negotiated {
        S::Dns => Some(
            "that the name server answers without an error is asked, not which address or name it answers",
        ),
        _ => handshake::lost(service, &kind),
    };
    match lost {
        None => report.say(line, Fate::Translated, format!("{name} ({})", negotiated.word())),
        Some(lost) => report.say(line, Fate::Changed, format!("{name} ({}): {lost}", negotiated.word())),
    }
    if negotiated == S::Dns && matches!(service.key, ServiceKey::Address { protocol: Protocol::Tcp, .. }) {
        report.say(line, Fate::Changed, "the name server is asked by UDP, where ldirectord asked by TCP");
    }
    kind
}

/// What ldirectord heeds in a check of this section.
fn heeded(service: &Virtual) -> &'static [Part] {
    use Part::{Command, Database, Host, Login, Method, Port, Receive, Request, Secret};
    use Service as S;
    match service.check() {
        CheckType::Connect => &[Port],
        CheckType::External | CheckType::ExternalPerl => &[Command],
        CheckType::Ping | CheckType::On | CheckType::Off => &[],
        CheckType::Negotiate | CheckType::Combined(_) => match service.negotiated() {
            S::Http | S::Https | S::HttpProxy => &[Port, Request, Receive, Method, Host],
            S::Smtp | S::Submission | S::Nntp => &[Port],
            S::Dns | S::Simpletcp => &[Port, Request, Receive],
            S::Imap | S::Imaps | S::Pop | S::Pops | S::Sip => &[Port, Login],
            S::Ftp | S::Ldap | S::Ldaps => &[Port, Login, Request, Receive],
            S::Mysql | S::Pgsql | S::Oracle => &[Port, Login, Database, Request],
            S::Radius => &[Port, Login, Secret],
            S::None => &[],
        },
    }
}

/// What our check takes over of that.
fn carried(service: &Virtual, kind: &Kind) -> &'static [Part] {
    match kind {
        // An entry that is found is the one that was asked for: its name need not be looked at.
        Kind::Ldap { .. } => &[Part::Port, Part::Login, Part::Request, Part::Receive],
        Kind::Mysql | Kind::Pgsql if handshake::logs_in(service, kind) => {
            &[Part::Port, Part::Login, Part::Database, Part::Request]
        }
        Kind::Mysql | Kind::Pgsql => &[Part::Port],
        Kind::Oracle => &[Part::Port, Part::Database],
        Kind::Radius => &[Part::Port, Part::Login, Part::Secret],
        Kind::None | Kind::Ping => &[],
        Kind::Tcp | Kind::Udp | Kind::Smtp | Kind::Nntp => &[Part::Port],
        Kind::Imap { .. } | Kind::Pop { .. } | Kind::Sip => &[Part::Port, Part::Login],
        Kind::Ftp => &[Part::Port, Part::Login, Part::Request, Part::Receive],
        Kind::Text => &[Part::Port, Part::Request, Part::Receive],
        Kind::Http | Kind::Https | Kind::Proxy => {
            &[Part::Port, Part::Request, Part::Receive, Part::Method, Part::Host]
        }
        Kind::Dns => &[Part::Port, Part::Request],
        Kind::Command(_) => &[Part::Command],
    }
}

fn tell_parts(service: &Virtual, kind: &Kind, report: &mut Report) {
    let line = |said: &Option<At<String>>| said.as_ref().map(|said| said.line);
    let request = match kind {
        Kind::Dns => "`name`",
        Kind::Text => "`send`",
        Kind::Ldap { .. } => "`base`",
        Kind::Mysql | Kind::Pgsql => "`query`",
        _ => "`path`",
    };
    let (login, passwd) = match kind {
        Kind::Sip => ("`uri`", "left out: OPTIONS needs no password"),
        Kind::Ldap { .. } if !handshake::logs_in(service, kind) => {
            ("left out: without a password the bind is anonymous, whoever is named", "left out: it is empty")
        }
        _ => ("`login`", "`password`"),
    };
    let receive = match kind {
        Kind::Ldap { .. } => "left out: the entry that is found is the one that was asked for",
        _ => "`regex`",
    };
    let database = if *kind == Kind::Oracle { "`sid`" } else { "`database`" };
    let said = [
        (service.checkport.as_ref().map(|said| said.line), Part::Port, "`connect_port`"),
        (line(&service.checkcommand), Part::Command, "`misc_path`, with the same four arguments"),
        (line(&service.request), Part::Request, request),
        (line(&service.receive), Part::Receive, receive),
        (service.head.as_ref().map(|said| said.line), Part::Method, "`method`"),
        (line(&service.virtualhost), Part::Host, "`virtualhost`"),
        (line(&service.login), Part::Login, login),
        (line(&service.passwd), Part::Login, passwd),
        (line(&service.database), Part::Database, database),
        (line(&service.secret), Part::Secret, "`secret`"),
    ];
    for (line, part, text) in said {
        let Some(line) = line else { continue };
        match (heeded(service).contains(&part), carried(service, kind).contains(&part)) {
            (true, true) if part == Part::Method && service.is_head() && service.expects() => {
                let text = "pages are asked for with GET: the answer to a HEAD has no page that `receive` could be in, and \
                            with ldirectord such a check never passes";
                report.say(line, Fate::Changed, text);
            }
            (true, true) => report.say(line, Fate::Translated, text),
            (true, false) => {
                report.say(line, Fate::Dropped, "the check that took its place does not look at this")
            }
            (false, _) => report.say(
                line,
                Fate::Translated,
                "left out: this check does not heed it, in ldirectord neither",
            ),
        }
    }
    for real in service.reals.iter().filter(|real| real.request.is_some() || real.receive.is_some()) {
        let both = |parts: &[Part]| parts.contains(&Part::Request) && parts.contains(&Part::Receive);
        if !both(carried(service, kind)) {
            let text =
                "the two texts behind the server are lost, or in part: the check does not look at them";
            report.say(real.line, Fate::Changed, text);
        }
    }
}

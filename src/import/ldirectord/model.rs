//! What an ldirectord.cf says, typed; each value with the line that it stands on.
//!
//! A value that was not said is `None`: several defaults depend on other values, and the report tells what was said only.

use std::net::IpAddr;

use ipvs_backend::{Forwarding, ServiceKey};

use super::parse::Directive;

/// A value and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At<T> {
    /// Counted from 1.
    pub line: u32,
    pub value: T,
}

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub common: Common,
    /// `fallback6`; `fallback` stands in `common`.
    pub fallback6: Option<At<Fallback>>,
    /// `emailalertfrom`.
    pub from: Option<At<String>>,
    /// What has no part in the meaning of a virtual server.
    pub rest: Vec<Directive>,
    pub virtuals: Vec<Virtual>,
}

/// What can be said for all virtual servers and for each.
#[derive(Debug, Default)]
pub(super) struct Common {
    /// `checktimeout`, seconds.
    pub checktimeout: Option<At<u32>>,
    /// `negotiatetimeout`, seconds.
    pub negotiatetimeout: Option<At<u32>>,
    /// `checkinterval`, seconds.
    pub checkinterval: Option<At<u32>>,
    /// `checkcount`: echo requests in one check by ping.
    pub checkcount: Option<At<u32>>,
    /// `failurecount`: checks that fail before a server is taken out.
    pub failurecount: Option<At<u32>>,
    /// `fallback`, in a section `fallback6` as well.
    pub fallback: Option<At<Fallback>>,
    /// `fallbackcommand`.
    pub fallbackcommand: Option<At<String>>,
    /// `quiescent`.
    pub quiescent: Option<At<bool>>,
    /// `cleanstop`.
    pub cleanstop: Option<At<bool>>,
    /// `emailalert`: addresses.
    pub emailalert: Option<At<Vec<String>>>,
    /// `emailalertfreq`, seconds; 0 for once.
    pub emailalertfreq: Option<At<u32>>,
    /// `emailalertstatus`: the words of the list.
    pub emailalertstatus: Option<At<Vec<String>>>,
    /// `smtp`: the mail server.
    pub smtp: Option<At<String>>,
}

/// `fallback=HOST[:PORT] [METHOD]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fallback {
    pub address: IpAddr,
    /// `None`: the virtual server's.
    pub port: Option<u16>,
    pub method: Forwarding,
}

/// `virtual=` and what belongs to it.
#[derive(Debug)]
pub(super) struct Virtual {
    pub key: ServiceKey,
    pub line: u32,
    pub common: Common,
    pub reals: Vec<Real>,
    pub checktype: Option<At<CheckType>>,
    pub service: Option<At<Service>>,
    pub checkcommand: Option<At<String>>,
    pub checkport: Option<At<u16>>,
    pub request: Option<At<String>>,
    pub receive: Option<At<String>>,
    /// `httpmethod`: whether it is HEAD.
    pub head: Option<At<bool>>,
    pub virtualhost: Option<At<String>>,
    pub login: Option<At<String>>,
    pub passwd: Option<At<String>>,
    pub database: Option<At<String>>,
    pub secret: Option<At<String>>,
    pub scheduler: Option<At<String>>,
    /// `persistent`, seconds.
    pub persistent: Option<At<u32>>,
    pub netmask: Option<At<String>>,
    pub schedflags: Option<At<Vec<String>>>,
    /// `protocol`: the key has it; here is its line.
    pub protocol: Option<u32>,
    pub ops: Option<At<bool>>,
    /// What has no part in the meaning.
    pub rest: Vec<Directive>,
}

/// `real=`: one server, or a range of them.
#[derive(Debug)]
pub(super) struct Real {
    pub line: u32,
    pub addresses: Vec<IpAddr>,
    /// 0 for the packet's own port.
    pub port: u16,
    pub method: Forwarding,
    pub weight: u32,
    pub request: Option<String>,
    pub receive: Option<String>,
    /// `l:N`.
    pub lower: Option<u32>,
    /// `u:N`.
    pub upper: Option<u32>,
}

/// `checktype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CheckType {
    Negotiate,
    Connect,
    Ping,
    External,
    ExternalPerl,
    On,
    Off,
    /// One check by negotiation, then so many by connecting.
    Combined(u32),
}

impl CheckType {
    /// What can be written, but for numbers.
    pub const WORDS: [(&str, Self); 7] = [
        ("negotiate", Self::Negotiate),
        ("connect", Self::Connect),
        ("ping", Self::Ping),
        ("external", Self::External),
        ("external-perl", Self::ExternalPerl),
        ("on", Self::On),
        ("off", Self::Off),
    ];
}

macro_rules! services {
    ($($name:ident = $word:literal at $port:literal,)+) => {
        /// `service`: the protocol of a check by negotiation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Service {
            $($name,)+
        }

        impl Service {
            /// What can be written.
            pub const WORDS: &[(&str, Self)] = &[$(($word, Self::$name)),+];

            /// The word for it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// Its own port; 0 for none.
            pub fn port(self) -> u16 {
                match self { $(Self::$name => $port),+ }
            }
        }
    };
}

services! {
    Dns = "dns" at 53,
    Ftp = "ftp" at 21,
    Http = "http" at 80,
    HttpProxy = "http_proxy" at 3128,
    Https = "https" at 443,
    Imap = "imap" at 143,
    Imaps = "imaps" at 993,
    Ldap = "ldap" at 389,
    Ldaps = "ldaps" at 636,
    Mysql = "mysql" at 3306,
    Nntp = "nntp" at 119,
    None = "none" at 0,
    Oracle = "oracle" at 1521,
    Pgsql = "pgsql" at 5432,
    Pop = "pop" at 110,
    Pops = "pops" at 995,
    Radius = "radius" at 1812,
    Simpletcp = "simpletcp" at 0,
    Sip = "sip" at 5060,
    Smtp = "smtp" at 25,
    Submission = "submission" at 587,
}

impl Service {
    /// What ldirectord takes a virtual server's port for.
    pub fn of_port(port: u16) -> Self {
        let known = Self::WORDS.iter().map(|(_, service)| *service).find(|service| service.port() == port);
        known.filter(|_| port != 0).unwrap_or(Self::None)
    }
}

impl Virtual {
    /// The virtual port; 0 for a mark.
    pub fn port(&self) -> u16 {
        match self.key {
            ServiceKey::Address { port, .. } => port,
            ServiceKey::Mark { .. } => 0,
        }
    }

    /// Whether it is chosen by a mark of the packet filter.
    pub fn is_mark(&self) -> bool {
        matches!(self.key, ServiceKey::Mark { .. })
    }

    /// What is asked in a check by negotiation.
    pub fn negotiated(&self) -> Service {
        self.service.as_ref().map_or_else(|| Service::of_port(self.port()), |said| said.value)
    }

    /// Whether pages are asked for with HEAD.
    pub fn is_head(&self) -> bool {
        self.head.as_ref().is_some_and(|said| said.value)
    }

    /// Whether something is expected in the answer of any server.
    pub fn expects(&self) -> bool {
        let said = |text: Option<&String>| text.is_some_and(|text| !text.is_empty());
        said(self.receive.as_ref().map(|said| &said.value))
            || self.reals.iter().any(|real| said(real.receive.as_ref()))
    }

    /// How its servers are checked.
    pub fn check(&self) -> CheckType {
        self.checktype.as_ref().map_or(CheckType::Negotiate, |said| said.value)
    }
}

impl File {
    /// Whether each section has a process of its own.
    pub fn forks(&self) -> bool {
        self.rest.iter().rfind(|directive| directive.key == "fork").is_some_and(|said| said.value == "yes")
    }
}

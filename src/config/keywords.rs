//! Every keyword of the language, once: where it stands, what value it takes, what it means, and what comes of it.
//!
//! Help and suggestions come from this table, and reading follows it: a keyword that is not here is unknown, a
//! keyword that is here and does nothing yet is said to do nothing. What the working ones do stands in `lower`.

mod check;
mod dialogue;
mod global;
mod handshake;
mod lvs;
mod root;
#[cfg(test)]
mod tests;
mod vrrp;
mod window;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

pub use words::seconds;

/// A block in which keywords stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named like the blocks, see `Display`")]
pub enum Place {
    Root,
    Global,
    Instance,
    Authentication,
    AuthHmac,
    SyncGroup,
    Script,
    TrackFile,
    TrackProcess,
    Bfd,
    TrackGroup,
    GarpGroup,
    Tls,
    VirtualServer,
    RealServer,
    TcpCheck,
    HttpGet,
    SslGet,
    Url,
    SmtpCheck,
    SmtpHost,
    DnsCheck,
    MiscCheck,
    UdpCheck,
    PingCheck,
    BfdCheck,
    FileCheck,
    GrpcCheck,
    LdapCheck,
    MysqlCheck,
    PgsqlCheck,
    RadiusCheck,
    OracleCheck,
    FtpCheck,
    ImapCheck,
    Pop3Check,
    NntpCheck,
    SipCheck,
    TextCheck,
    VipCheck,
    MaintenanceWindow,
}

impl Place {
    /// The keyword that opens the block; empty for the top level.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "",
            Self::Global => "global_defs",
            Self::Instance => "vrrp_instance",
            Self::Authentication => "authentication",
            Self::AuthHmac => "auth_hmac",
            Self::SyncGroup => "vrrp_sync_group",
            Self::Script => "vrrp_script",
            Self::TrackFile => "track_file",
            Self::TrackProcess => "vrrp_track_process",
            Self::Bfd => "bfd_instance",
            Self::TrackGroup => "track_group",
            Self::GarpGroup => "garp_group",
            Self::Tls => "SSL",
            Self::VirtualServer => "virtual_server",
            Self::RealServer => "real_server",
            Self::TcpCheck => "TCP_CHECK",
            Self::HttpGet => "HTTP_GET",
            Self::SslGet => "SSL_GET",
            Self::Url => "url",
            Self::SmtpCheck => "SMTP_CHECK",
            Self::SmtpHost => "host",
            Self::DnsCheck => "DNS_CHECK",
            Self::MiscCheck => "MISC_CHECK",
            Self::UdpCheck => "UDP_CHECK",
            Self::PingCheck => "PING_CHECK",
            Self::BfdCheck => "BFD_CHECK",
            Self::FileCheck => "FILE_CHECK",
            Self::GrpcCheck => "GRPC_CHECK",
            Self::LdapCheck => "LDAP_CHECK",
            Self::MysqlCheck => "MYSQL_CHECK",
            Self::PgsqlCheck => "PGSQL_CHECK",
            Self::RadiusCheck => "RADIUS_CHECK",
            Self::OracleCheck => "ORACLE_CHECK",
            Self::FtpCheck => "FTP_CHECK",
            Self::ImapCheck => "IMAP_CHECK",
            Self::Pop3Check => "POP3_CHECK",
            Self::NntpCheck => "NNTP_CHECK",
            Self::SipCheck => "SIP_CHECK",
            Self::TextCheck => "TEXT_CHECK",
            Self::VipCheck => "vip_check",
            Self::MaintenanceWindow => "maintenance_window",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the top level"),
            place => write!(f, "`{}`", place.name()),
        }
    }
}

/// What stands behind a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Nothing.
    Flag,
    /// `on`, `true`, `yes`, `off`, `false` or `no`; nothing means on.
    Switch,
    /// A whole number from the first to the second.
    Whole(i64, i64),
    /// Seconds, with up to six decimals; the bounds are in microseconds.
    Seconds(u64, u64),
    /// One word; the text says which.
    Word(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Words in a form of their own, described by the text.
    Words(&'static str),
    /// An IP address.
    Address,
    /// A port, 1 to 65535.
    Port,
    /// Words as described, and a block of the keywords of that place.
    Block(&'static str, Place),
    /// Words as described, and a block of lines of their own kind.
    Lines(&'static str, &'static str),
}

/// What comes of a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does what it says.
    Works,
    /// Another name of that keyword.
    SameAs(&'static str),
    /// Nothing needs to be done, for this reason: what it asks for is always so.
    Accepted(&'static str),
    /// It has been without meaning for long, for this reason; a warning says so.
    Obsolete(&'static str),
    /// It does nothing yet, with this consequence; a warning says so.
    NotYet(&'static str),
    /// It does nothing yet, and going on without it would be dangerous, for this reason; an error says so.
    Refused(&'static str),
}

/// One keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyword {
    /// Its name.
    pub name: &'static str,
    /// The blocks it may stand in.
    pub places: &'static [Place],
    /// What stands behind it.
    pub form: Form,
    /// What comes of it.
    pub status: Status,
    /// What it means, in one sentence.
    pub about: &'static str,
    /// What holds where it is not said, in the unit of its form; `None` where nothing can be said in general.
    pub default: Option<&'static str>,
    /// The version of keepalived that brought it; `None` if 2.2.7 had it, [`DIRECTORD`] if no keepalived has it.
    pub since: Option<&'static str>,
}

impl Keyword {
    /// `keepalived 2.3.0`, or `directord` for what keepalived does not know.
    pub fn since_when(&self) -> Option<String> {
        self.since.map(|version| match version {
            DIRECTORD => format!("{DIRECTORD} (keepalived does not know it)"),
            version => format!("keepalived {version}"),
        })
    }

    const fn by_default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    /// The name under which it is worked on: its own, or the one it is the same as.
    pub fn canonical(&self) -> &'static str {
        match self.status {
            Status::SameAs(name) => name,
            _ => self.name,
        }
    }

    /// The place that its block opens.
    pub fn inside(&self) -> Option<Place> {
        match self.form {
            Form::Block(_, place) => Some(place),
            _ => None,
        }
    }

    /// Whether a block stands behind it.
    pub fn has_block(&self) -> bool {
        matches!(self.form, Form::Block(..) | Form::Lines(..))
    }
}

/// What a word is at some place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A keyword of this place.
    Here(&'static Keyword),
    /// A keyword of these other places.
    Elsewhere(Vec<Place>),
    /// No keyword at all.
    Nowhere,
}

/// Every keyword; one that means different things in different places stands here several times.
pub fn all() -> impl Iterator<Item = &'static Keyword> {
    [
        root::TABLE,
        global::TABLE,
        vrrp::TABLE,
        lvs::TABLE,
        window::TABLE,
        check::TABLE,
        dialogue::TABLE,
        handshake::TABLE,
    ]
    .into_iter()
    .flatten()
}

/// What a word is at a place.
pub fn find(place: Place, name: &str) -> Found {
    let entries = named(name);
    if entries.is_empty() {
        return Found::Nowhere;
    }
    if let Some(keyword) = entries.iter().find(|keyword| keyword.places.contains(&place)) {
        return Found::Here(keyword);
    }
    Found::Elsewhere(entries.iter().flat_map(|keyword| keyword.places).copied().collect())
}

/// The keyword of a place that is spelled most like a word, if any comes close.
pub fn nearest(place: Place, word: &str) -> Option<&'static str> {
    let names = all().filter(|keyword| keyword.places.contains(&place)).map(|keyword| keyword.name);
    closest(word, names)
}

/// The candidate that is spelled most like a word, if any comes close: about one letter in three may differ. Of very
/// many candidates only the first are looked at.
pub fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A file may define a hundred thousand names, and use as many that it does not define.
    const MOST: usize = 2_000;
    // No keyword is that long, and comparing costs length by length.
    let length = word.chars().count();
    if length > 64 {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let distance = |name: &str| strsim::osa_distance(&lower, &name.to_ascii_lowercase());
    let (best, name) =
        candidates.take(MOST).map(|name| (distance(name), name)).min_by_key(|(distance, _)| *distance)?;
    (best <= ((length + 1) / 3).max(1) && best < length).then_some(name)
}

/// Every entry of a name, whatever the place.
pub fn named(name: &str) -> &'static [&'static Keyword] {
    INDEX.get(&name.len()).and_then(|names| names.get(name)).map_or(&[], Vec::as_slice)
}

/// Names that are spelled much like a word, or begin with it, the nearest first; a few at most.
pub fn similar(word: &str) -> Vec<&'static str> {
    const FEW: usize = 5;
    let lower = word.to_ascii_lowercase();
    let length = word.chars().count();
    let distance = |name: &str| {
        let name = name.to_ascii_lowercase();
        let begins = length > 2 && name.starts_with(&lower);
        if begins { 0 } else { strsim::osa_distance(&lower, &name) }
    };
    let mut near: Vec<_> = if length > 64 {
        Vec::new()
    } else {
        INDEX
            .values()
            .flat_map(BTreeMap::keys)
            .map(|name| (distance(name), *name))
            .filter(|(d, _)| *d <= ((length + 1) / 3).max(1))
            .collect()
    };
    near.sort_unstable();
    near.into_iter().take(FEW).map(|(_, name)| name).collect()
}

/// Whether this keyword opens a block at the top level and is a keyword nowhere else.
pub fn opens_root_block(name: &str) -> bool {
    let at_root_only = |keyword: &&Keyword| keyword.has_block() && keyword.places == [Place::Root];
    let entries = named(name);
    !entries.is_empty() && entries.iter().all(at_root_only)
}

/// By length, then by name: among twenty words of the same length one is found sooner than among all.
static INDEX: LazyLock<BTreeMap<usize, BTreeMap<&'static str, Vec<&'static Keyword>>>> =
    LazyLock::new(|| {
        let mut index: BTreeMap<_, BTreeMap<_, Vec<_>>> = BTreeMap::new();
        for keyword in all() {
            index.entry(keyword.name.len()).or_default().entry(keyword.name).or_default().push(keyword);
        }
        index
    });

// What the tables are written with.

/// [`Keyword::since`] of what keepalived does not know at all.
pub const DIRECTORD: &str = "directord";
/// In microseconds.
const SECOND: u64 = 1_000_000;
const ANY: i64 = i32::MAX as i64;
const NOT_YET: Status = Status::NotYet("it has no effect");

/// Places of several lists, one after the other.
const fn join<const N: usize>(lists: &[&[Place]]) -> [Place; N] {
    let mut all = [Place::Root; N];
    let (mut list, mut at, mut length) = (0, 0, 0);
    while list < lists.len() {
        if at < lists[list].len() {
            all[length] = lists[list][at];
            (at, length) = (at + 1, length + 1);
        } else {
            (list, at) = (list + 1, 0);
        }
    }
    assert!(length == N, "as many places as were said");
    all
}

const fn key(
    name: &'static str,
    places: &'static [Place],
    form: Form,
    status: Status,
    about: &'static str,
) -> Keyword {
    Keyword { name, places, form, status, about, default: None, since: None }
}

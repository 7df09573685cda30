//! What is wrong with a file: where, how badly, and what to do about it.
//!
//! Reading a configuration never stops at the first mistake. Every step pushes what it finds into one list of
//! [`Complaints`]; at the end they are put in the order of the text. An *error* refuses the whole file, a *warning*
//! says that something will not be as written, a *hint* points at a trap in something legal.
//!
//! keepalived starts with many a file that is refused here, and drops part of it. Each error therefore knows keepalived's
//! [`Reaction`]; to whoever asks for compatibility, an error that keepalived survives is a warning with that effect.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::origin::{self, OriginId, Step};
use super::source::{Sources, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file asks for something that cannot be carried out: the whole file is refused.
    Error,
    /// The file is used, but not everything in it has the effect that was written.
    Warning,
    /// Everything is used as written, and yet it may surprise.
    Hint,
}

/// One complaint, complete in itself: it can be shown, stored or sent without the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of complaint it is; stable from version to version.
    pub code: Code,
    /// The file, as the operator or an `include` named it.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// Characters concerned, at least 1.
    pub length: u32,
    /// What was found and what is allowed.
    pub message: String,
    /// What to write instead, where that can be told.
    pub suggestion: Option<String>,
    /// What keepalived makes of what is refused here, where it goes on: in compatible reading that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalived: Option<String>,
    /// The expansions and includes that the text came through, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trail: Vec<Step>,
}

impl fmt::Display for Complaint {
    /// One line: `file:line:column: error[code]: message; suggestion`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, code, file, line, column, message, .. } = self;
        write!(f, "{file}:{line}:{column}: {severity}[{code}]: {message}")?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hint => "hint",
        })
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// The kinds of complaint. Their names in kebab case are part of the interface: scripts may rely on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$name),+];

            /// The name, `unknown-keyword`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

codes! {
    /// There is no such file.
    FileMissing = "file-missing",
    /// A directory, device or socket stands where a file should be.
    NotAFile = "not-a-file",
    /// The file exists but cannot be read.
    FileUnreadable = "file-unreadable",
    /// The file is larger than a configuration can reasonably be.
    FileTooLarge = "file-too-large",
    /// Others than its owner may read a file that holds a secret.
    FileUnsafe = "file-unsafe",
    /// The file may be executed; keepalived skips such a file without saying so.
    FileExecutable = "file-executable",
    /// An `include` matches nothing.
    IncludeMissing = "include-missing",
    /// Files include one another without end, or too many of them.
    IncludeLoop = "include-loop",
    /// The file asks for nothing at all.
    NothingToDo = "nothing-to-do",
    /// A file whose name ends with `.toml` that is no TOML.
    InvalidToml = "invalid-toml",
    /// A NUL byte: this is no text file.
    NulByte = "nul-byte",
    /// Outside comments the text must be UTF-8.
    NotUtf8 = "not-utf8",
    /// A blank that is not a plain space or tab.
    OddBlank = "odd-blank",
    /// A quote that is not closed on its line.
    UnclosedQuote = "unclosed-quote",
    /// A block that is not closed.
    UnclosedBlock = "unclosed-block",
    /// A brace that belongs to nothing.
    StrayBrace = "stray-brace",
    /// Blocks nested deeper than the language has levels.
    TooDeep = "too-deep",
    /// A comment that begins within a word.
    CommentInWord = "comment-in-word",
    /// No such keyword anywhere.
    UnknownKeyword = "unknown-keyword",
    /// A keyword of another block.
    MisplacedKeyword = "misplaced-keyword",
    /// Known, but this version does nothing with it.
    NotSupportedYet = "not-supported-yet",
    /// An obsolete keyword that is accepted and does nothing.
    NoEffect = "no-effect",
    /// The same thing is said twice in one block.
    RepeatedKeyword = "repeated-keyword",
    /// Something that the block must say is not said.
    MissingKeyword = "missing-keyword",
    /// A keyword without its value.
    MissingValue = "missing-value",
    /// A keyword without its block.
    MissingBlock = "missing-block",
    /// More words than the keyword takes.
    UnexpectedWord = "unexpected-word",
    /// A block where the keyword takes none.
    UnexpectedBlock = "unexpected-block",
    /// Not a number.
    InvalidNumber = "invalid-number",
    /// A number that is too small or too large.
    OutOfRange = "out-of-range",
    /// Neither on nor off.
    InvalidSwitch = "invalid-switch",
    /// None of the words that are allowed here.
    InvalidChoice = "invalid-choice",
    /// Not an IP address, or not of a kind that is allowed here.
    InvalidAddress = "invalid-address",
    /// Not a prefix length of that address family.
    InvalidPrefix = "invalid-prefix",
    /// Not a port.
    InvalidPort = "invalid-port",
    /// A text that is too long or holds what it must not.
    InvalidText = "invalid-text",
    /// Two instances of one name.
    DuplicateName = "duplicate-name",
    /// One virtual router identifier twice on one interface.
    DuplicateRouter = "duplicate-router",
    /// Two virtual servers for the same traffic.
    DuplicateService = "duplicate-service",
    /// One real server twice in one virtual server.
    DuplicateServer = "duplicate-server",
    /// One address twice in one list.
    DuplicateAddress = "duplicate-address",
    /// One tracker twice in one list.
    DuplicateTracker = "duplicate-tracker",
    /// Addresses of IPv4 and IPv6 where they cannot go together.
    FamilyMismatch = "family-mismatch",
    /// Direct routing or a tunnel with another port than the service's.
    PortChange = "port-change",
    /// Two settings of which only one can hold.
    Conflict = "conflict",
    /// A value that is used in a changed form.
    ValueAdjusted = "value-adjusted",
    /// A default that is rarely what was meant.
    DefaultUsed = "default-used",
    /// Priority 255 and `state BACKUP`.
    OwnerAsBackup = "owner-as-backup",
    /// One virtual router identifier for version 2 and version 3 on one interface.
    SharedRouter = "shared-router",
    /// A sync group with a single member.
    LonelyGroup = "lonely-group",
    /// A sync group whose members would not all rather be master, or backup, on the same director.
    UnevenGroup = "uneven-group",
    /// Adverts to peers without a source address.
    NoSourceAddress = "no-source-address",
    /// An instance names itself among its peers.
    PeerIsSelf = "peer-is-self",
    /// A takeover after a very short silence.
    ShortDownTimer = "short-down-timer",
    /// A takeover is announced by one message only.
    AnnouncedOnce = "announced-once",
    /// The file says that announcements are not repeated while this director is master.
    RefreshOff = "refresh-off",
    /// A check that takes long in proportion to how often it is made.
    SlowCheck = "slow-check",
    /// A check that any answer passes.
    CheckCannotFail = "check-cannot-fail",
    /// A real server without any check.
    UncheckedServer = "unchecked-server",
    /// A UDP service whose servers are asked by TCP.
    UdpCheckedByTcp = "udp-checked-by-tcp",
    /// A check that a server passes by saying nothing.
    SilencePasses = "silence-passes",
    /// A page that must have a sum and hold an expression as well.
    DigestAndRegex = "digest-and-regex",
    /// The virtual host is to be sent in the TLS greeting, and there is none.
    SniWithoutName = "sni-without-name",
    /// Authorities are named that nothing is verified with.
    UnverifiedCertificate = "unverified-certificate",
    /// A certificate is verified that keepalived would not look at.
    VerifiedCertificate = "verified-certificate",
    /// Two words for how many failures take a server out.
    RetryAndFall = "retry-and-fall",
    /// Of two checks of one port one begins with a PROXY header, and the other does not.
    ProxyHeaderSometimes = "proxy-header-sometimes",
    /// Something is defined below the place where it is named.
    DefinedLater = "defined-later",
    /// An older name of a keyword.
    OldName = "old-name",
    /// The sorry server is one of the real servers.
    SorryIsReal = "sorry-is-real",
    /// No real server has a weight.
    NoWeight = "no-weight",
    /// Mail is asked for, and nobody would get it.
    UnsentMail = "unsent-mail",
    /// More weight must be up than there is.
    QuorumTooHigh = "quorum-too-high",
    /// A quorum that is never reached again once it is lost.
    QuorumNotRegained = "quorum-not-regained",
    /// A hysteresis that is not below the quorum.
    HysteresisTooLarge = "hysteresis-too-large",
    /// Waiting for a check that does not exist.
    AlphaUnchecked = "alpha-unchecked",
    /// `omega` without a script to run.
    OmegaWithoutScripts = "omega-without-scripts",
    /// One-packet scheduling of persistent clients.
    PersistentOps = "persistent-ops",
    /// Persistent clients of a server that is down.
    InhibitedPersistence = "inhibited-persistence",
    /// Every server in a maintenance window at once, and nobody to stand in.
    WindowTakesAll = "window-takes-all",
    /// A group that nothing uses.
    UnusedGroup = "unused-group",
    /// A weighted tracker, and `nopreempt`, which may keep the other director from taking over.
    NopreemptWeight = "nopreempt-weight",
    /// Weights that raise a priority beyond what is possible.
    CappedPriority = "capped-priority",
    /// Something is defined to be tracked, and nobody tracks it.
    UnusedTracker = "unused-tracker",
    /// A tracker that changes nothing.
    IdleTracker = "idle-tracker",
    /// A script that may run longer than its interval.
    SlowScript = "slow-script",
    /// Commands that root runs without a look at who may change them.
    ScriptsAsRoot = "scripts-as-root",
    /// A command with words that only a shell would understand.
    NoShell = "no-shell",
    /// The other director has no such instance.
    PeerMissing = "peer-missing",
    /// The other director's instance does not fit to this one.
    PeerDiffers = "peer-differs",
    /// Both directors have the same priority.
    EqualPriority = "equal-priority",
    /// `nopreempt` on the director that would not take over anyway.
    IdleNopreempt = "idle-nopreempt",
    /// A failure lowers the priority, and the other director does not take over all the same.
    NoTakeover = "no-takeover",
    /// A name that is not defined, or not replaced as it stands.
    UndefinedName = "undefined-name",
    /// A definition that cannot be one.
    InvalidDefinition = "invalid-definition",
    /// `~SEQ` or `~LST` with something wrong in its parentheses, or in the wrong place.
    InvalidRepetition = "invalid-repetition",
    /// `@` without a name behind it, or in the wrong place.
    InvalidCondition = "invalid-condition",
    /// A definition that is made of itself.
    ExpansionLoop = "expansion-loop",
    /// Definitions and repetitions that produce more text than can be meant.
    ExpansionTooLarge = "expansion-too-large",
    /// keepalived takes this line for part of another block.
    ReadElsewhere = "read-elsewhere",
    /// This host has no such interface.
    InterfaceMissing = "interface-missing",
    /// An address to send from that this host does not have.
    AddressNotHere = "address-not-here",
    /// A virtual address that is on another interface of this host.
    AddressElsewhere = "address-elsewhere",
    /// This host has no such program.
    ScriptMissing = "script-missing",
    /// A program that may not be executed.
    ScriptNotExecutable = "script-not-executable",
    /// A program that runs as root and that others may change.
    ScriptInsecure = "script-insecure",
    /// The kernel of this host has no IPVS.
    NoIpvs = "no-ipvs",
    /// The list of complaints was cut off here.
    TooManyComplaints = "too-many-complaints",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What keepalived does with something that directord refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// It does not start, ends or hangs: there is nothing to be compatible with.
    Stops,
    /// It goes on, and this becomes of what was refused: a clause such as "the line is ignored".
    GoesOn(Cow<'static, str>),
}

impl Reaction {
    /// It goes on with this effect.
    pub fn goes_on(effect: impl Into<Cow<'static, str>>) -> Self {
        Self::GoesOn(effect.into())
    }
}

impl Code {
    /// What keepalived does with most mistakes of this kind; where it does otherwise, the complaint says so.
    pub fn keepalived(self) -> Reaction {
        let effect = match self {
            Self::FileMissing
            | Self::NotAFile
            | Self::FileUnreadable
            | Self::FileTooLarge
            | Self::ExpansionLoop
            | Self::ExpansionTooLarge
            | Self::NulByte
            | Self::InvalidToml
            | Self::NothingToDo
            | Self::DuplicateRouter
            | Self::TooManyComplaints => return Reaction::Stops,
            Self::UnknownKeyword | Self::MisplacedKeyword => "it is ignored, with its block",
            Self::MissingBlock => "what follows is read as its block",
            Self::UnexpectedBlock => "the `{` is ignored, and the `}` closes the block around it",
            Self::UnexpectedWord => "the word is ignored",
            Self::NotSupportedYet => "it can do this; directord, made to start, leaves it out",
            Self::DuplicateName | Self::DuplicateService | Self::DuplicateServer => {
                "the second one is left out"
            }
            _ => "the line is ignored",
        };
        Reaction::goes_on(effect)
    }
}

/// More than this many complaints help nobody; the rest is counted.
const LIMIT: usize = 10_000;
/// One line that is expanded many times is shown as often as this, and then counted.
const SAME_PLACE: usize = 3;

/// The list that the steps of reading fill.
#[derive(Debug, Default)]
pub struct Complaints {
    list: Vec<Draft>,
    /// Whether what keepalived survives is survived.
    compat: bool,
    /// Errors that keepalived survives.
    survivable: usize,
    /// Errors that are none to it: what this program cannot do yet, and files that are not there.
    own: usize,
    /// Those that it does not survive either.
    fatal: usize,
    dropped: usize,
    dropped_errors: usize,
    /// What keepalived makes of mistakes in what is being read, where that is known.
    effect: Option<&'static str>,
    /// Errors with that effect.
    with_effect: usize,
    /// How often each place of expanded text was complained of.
    repeated: BTreeMap<(Span, Code), usize>,
}

/// A complaint whose file is still a number.
#[derive(Debug)]
struct Draft {
    severity: Severity,
    code: Code,
    span: Span,
    message: String,
    suggestion: Option<String>,
    /// What keepalived makes of an error; of anything else, nothing.
    keepalived: Option<Cow<'static, str>>,
}

impl Complaints {
    /// From now on, and for what has been said already, what keepalived survives is no error.
    pub fn be_compatible(&mut self) {
        self.compat = true;
    }

    /// Takes that back if keepalived would complain.
    pub fn be_thorough(&mut self) {
        self.compat &= self.survivable == 0;
    }

    /// Something that cannot be carried out.
    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.push(Severity::Error, code, span, message.into(), None);
    }

    /// Something that will not be as written.
    pub fn warning(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.push(Severity::Warning, code, span, message.into(), None);
    }

    /// Something legal that may surprise.
    pub fn hint(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.push(Severity::Hint, code, span, message.into(), None);
    }

    /// Any of the three, with what to write instead.
    pub fn push(
        &mut self,
        severity: Severity,
        code: Code,
        span: Span,
        message: String,
        suggestion: Option<String>,
    ) {
        self.say(severity, code, span, message, suggestion, None);
    }

    /// An error of which keepalived makes something else than of most of its kind.
    pub fn refuse(
        &mut self,
        code: Code,
        span: Span,
        message: String,
        suggestion: Option<String>,
        keepalived: Reaction,
    ) {
        self.say(Severity::Error, code, span, message, suggestion, Some(keepalived));
    }

    /// From now on, what keepalived makes of most mistakes; tells what it was before.
    pub fn expect(&mut self, effect: Option<&'static str>) -> Option<&'static str> {
        std::mem::replace(&mut self.effect, effect)
    }

    /// Counts errors with such an effect from here on; tells how many there were.
    pub fn count_with_effect(&mut self, from: usize) -> usize {
        std::mem::replace(&mut self.with_effect, from)
    }

    /// What keepalived makes of an error, if it goes on.
    fn reaction(&mut self, code: Code, told: Option<Reaction>) -> Option<Cow<'static, str>> {
        let Reaction::GoesOn(usual) = told.unwrap_or_else(|| code.keepalived()) else { return None };
        let own = matches!(code, Code::UnexpectedWord | Code::NotSupportedYet);
        let Some(effect) = self.effect.filter(|_| !own) else { return Some(usual) };
        self.with_effect += 1;
        Some(Cow::Borrowed(effect))
    }

    fn say(
        &mut self,
        severity: Severity,
        code: Code,
        span: Span,
        message: String,
        suggestion: Option<String>,
        keepalived: Option<Reaction>,
    ) {
        let is_error = severity == Severity::Error;
        let keepalived = if is_error { self.reaction(code, keepalived) } else { None };
        self.fatal += usize::from(is_error && keepalived.is_none());
        let own = matches!(code, Code::NotSupportedYet | Code::FileMissing | Code::IncludeMissing);
        *(if own { &mut self.own } else { &mut self.survivable }) +=
            usize::from(is_error && keepalived.is_some());
        if span.origin != OriginId::default() {
            let written = Span { origin: OriginId::default(), ..span };
            let times = self.repeated.entry((written, code)).or_default();
            *times += 1;
            if *times > SAME_PLACE {
                return;
            }
        }
        if self.list.len() >= LIMIT {
            self.dropped += 1;
            self.dropped_errors += usize::from(is_error && !(self.compat && keepalived.is_some()));
        } else {
            self.list.push(Draft { severity, code, span, message, suggestion, keepalived });
        }
    }

    /// Whether the file must be refused.
    pub fn has_errors(&self) -> bool {
        self.fatal > 0 || (self.survivable + self.own > 0 && !self.compat)
    }

    /// How many complaints there are, those cut off included.
    pub fn count(&self) -> usize {
        let repeated: usize = self.repeated.values().map(|times| times.saturating_sub(SAME_PLACE)).sum();
        self.list.len() + self.dropped + repeated
    }

    /// The complaints in the order of the text, with the names of their files.
    pub fn finish(mut self, sources: &Sources) -> Vec<Complaint> {
        self.count_repeated();
        if self.compat {
            for draft in self.list.iter_mut().filter(|draft| draft.keepalived.is_some()) {
                draft.severity = Severity::Warning;
            }
        }
        self.list.sort_by_key(|draft| (draft.span, draft.severity));
        if let Some(last) = self.list.last().filter(|_| self.dropped > 0) {
            let severity = if self.dropped_errors > 0 { Severity::Error } else { Severity::Warning };
            let message = format!("{} more complaints are not shown", self.dropped);
            let span = last.span;
            let code = Code::TooManyComplaints;
            let (suggestion, keepalived) = (None, None);
            self.list.push(Draft { severity, code, span, message, suggestion, keepalived });
        }
        self.list.into_iter().map(|draft| draft.finish(sources)).collect()
    }
}

impl Complaints {
    /// The last complaint that is shown of a place tells how many more there were.
    fn count_repeated(&mut self) {
        for draft in self.list.iter_mut().rev().filter(|draft| draft.span.origin != OriginId::default()) {
            let written = Span { origin: OriginId::default(), ..draft.span };
            let times = self.repeated.remove(&(written, draft.code)).unwrap_or_default();
            if times > SAME_PLACE {
                draft.message += &format!(" (and {} more like it in other expansions)", times - SAME_PLACE);
            }
        }
    }
}

impl Draft {
    fn finish(self, sources: &Sources) -> Complaint {
        let Self { severity, code, span, message, suggestion, keepalived } = self;
        let keepalived = keepalived.map(Cow::into_owned);
        let file = sources.name(span.file).to_owned();
        let (line, column, length) = (span.line, span.column, span.length.max(1));
        let trail = origin::trail(span, sources);
        Complaint { severity, code, file, line, column, length, message, suggestion, keepalived, trail }
    }
}

#[cfg(test)]
mod tests;

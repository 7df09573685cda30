//! The table in words: what stands behind a keyword, and what comes of it.

use std::fmt;

use super::{Form, Status};

impl fmt::Display for Form {
    /// What stands behind the keyword: `seconds from 0.01 to 255`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Flag => f.write_str("nothing"),
            Self::Switch => f.write_str("on or off"),
            Self::Whole(min, max) => write!(f, "a whole number from {min} to {max}"),
            Self::Seconds(min, max) => write!(f, "seconds from {} to {}", seconds(min), seconds(max)),
            Self::Word(what) | Self::Words(what) | Self::Block(what, _) | Self::Lines(what, _) => {
                f.write_str(what)
            }
            Self::OneOf(words) => f.write_str(&words.join(", ")),
            Self::Address => f.write_str("an IP address"),
            Self::Port => f.write_str("a port from 1 to 65535"),
        }
    }
}

impl Form {
    /// The value and the block behind a keyword, as help shows them: `NAME { … }`.
    pub fn with_block(self) -> String {
        match self {
            Self::Block("", _) => "{ keywords }".to_owned(),
            Self::Block(what, _) => format!("{what} {{ keywords }}"),
            Self::Lines("", lines) => format!("{{ {lines} }}"),
            Self::Lines(what, lines) => format!("{what} {{ {lines} }}"),
            Self::Switch => "on or off; on if nothing is said".to_owned(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Works => f.write_str("works"),
            Self::SameAs(name) => write!(f, "replaced by `{name}`, and means the same"),
            Self::Accepted(why) => write!(f, "accepted: {why}"),
            Self::Obsolete(why) => write!(f, "accepted without effect: {why}"),
            Self::NotYet(consequence) => write!(f, "not in effect yet: {consequence}"),
            Self::Refused(danger) => write!(f, "refused until it works: without it {danger}"),
        }
    }
}

/// Microseconds as seconds: `0.01`, `255`.
pub fn seconds(micros: u64) -> String {
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    if rest == 0 {
        seconds.to_string()
    } else {
        format!("{seconds}.{rest:06}").trim_end_matches('0').to_owned()
    }
}

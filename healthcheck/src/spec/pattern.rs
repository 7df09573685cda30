//! What must be in a page: a regular expression as PCRE2 reads it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A regular expression, and where in the page it is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pattern {
    /// The expression, in the language of PCRE2.
    pub text: String,
    /// Whether it must not match (`regex_no_match`).
    pub absent: bool,
    /// How the expression is read (`regex_options`).
    pub options: BTreeSet<PatternOption>,
    /// How many bytes of the page stand before the part that is searched (`regex_min_offset`).
    pub min_offset: u64,
    /// Where the match must have begun (`regex_max_offset`), in bytes; `None` for no limit.
    pub max_offset: Option<u64>,
    /// The memory of the compiled matcher of keepalived: at first and at most, in bytes (`regex_stack`). Here the
    /// expression is interpreted, within bounds of its own.
    pub stack: Option<(u64, u64)>,
}

macro_rules! options {
    ($($name:ident = $text:literal,)+) => {
        /// An option of PCRE2, named as in files: its own name in lower case.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "see the manual page pcre2api")]
        pub enum PatternOption {
            $(#[serde(rename = $text)] $name,)+
        }

        impl PatternOption {
            /// Every option.
            pub const ALL: &[PatternOption] = &[$(PatternOption::$name),+];
            /// The names of all options.
            pub const NAMES: &[&str] = &[$($text),+];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

options! {
    AllowEmptyClass = "allow_empty_class",
    AltBsux = "alt_bsux",
    AltCircumflex = "alt_circumflex",
    AltVerbnames = "alt_verbnames",
    AutoCallout = "auto_callout",
    Caseless = "caseless",
    DollarEndonly = "dollar_endonly",
    Dotall = "dotall",
    Dupnames = "dupnames",
    Extended = "extended",
    Firstline = "firstline",
    MatchUnsetBackref = "match_unset_backref",
    Multiline = "multiline",
    NeverBackslashC = "never_backslash_c",
    NeverUcp = "never_ucp",
    NeverUtf = "never_utf",
    NoAutoCapture = "no_auto_capture",
    NoAutoPossess = "no_auto_possess",
    NoDotstarAnchor = "no_dotstar_anchor",
    NoStartOptimize = "no_start_optimize",
    Ucp = "ucp",
    Ungreedy = "ungreedy",
    UseOffsetLimit = "use_offset_limit",
    Utf = "utf",
}

impl PatternOption {
    /// Whether it makes a difference here. Of the others some only forbid what the author of a file can leave out
    /// himself; six are read and do nothing.
    pub fn is_heeded(self) -> bool {
        use PatternOption as P;
        !matches!(
            self,
            P::AllowEmptyClass
                | P::AltBsux
                | P::AltCircumflex
                | P::AltVerbnames
                | P::DollarEndonly
                | P::MatchUnsetBackref
        )
    }
}

impl fmt::Display for PatternOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PatternOption {
    type Err = Error;

    fn from_str(text: &str) -> Result<PatternOption, Error> {
        let found = PatternOption::ALL.iter().find(|option| option.as_str() == text);
        found.copied().ok_or_else(|| Error::PatternOption(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_by_their_names() {
        for option in PatternOption::ALL {
            assert_eq!(option.to_string().parse(), Ok(*option));
        }
        assert_eq!("Caseless".parse::<PatternOption>(), Err(Error::PatternOption("Caseless".into())));
    }
}

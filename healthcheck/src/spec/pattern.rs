//! What must be in a page: a regular expression as PCRE2 reads it. It is kept, and no probe heeds it yet.

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
    /// The memory that PCRE2 may use for matching: at first and at most, in bytes (`regex_stack`).
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

/// Whether an expression can be one at all: brackets are closed, a backslash stands before something, and a
/// repetition follows something. What else PCRE2 refuses shows when it is used.
pub fn check_pattern(text: &str) -> Result<(), Error> {
    let wrong = |what| Err(Error::Pattern(text.to_owned(), what));
    let mut open = 0usize;
    let mut repeatable = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let may_repeat = std::mem::replace(&mut repeatable, true);
        match c {
            '\\' => match rest.next() {
                None => return wrong("nothing follows the last backslash"),
                // Up to \E everything is plain text.
                Some('Q') => {
                    while rest.next().is_some_and(|c| c != '\\' || rest.next_if_eq(&'E').is_none()) {}
                }
                Some(_) => {}
            },
            '[' => {
                rest.next_if_eq(&'^');
                // A bracket that comes first is one of the class.
                rest.next_if_eq(&']');
                if !closes(&mut rest) {
                    return wrong("a `[` is not closed");
                }
            }
            // A comment ends at the first bracket, whatever is in it.
            '(' if rest.clone().take(2).eq(['?', '#']) => {
                if !rest.any(|c| c == ')') {
                    return wrong("a `(` is not closed");
                }
                repeatable = may_repeat;
            }
            '(' => {
                open += 1;
                repeatable = false;
                // `(?` and `(*` begin something else than a group of characters.
                rest.next_if(|c| matches!(c, '?' | '*'));
            }
            ')' if open == 0 => return wrong("a `)` closes nothing"),
            ')' => open -= 1,
            '*' | '+' | '?' if !may_repeat => return wrong("a repetition repeats nothing"),
            '*' | '+' | '?' => {
                rest.next_if(|c| matches!(c, '+' | '?'));
                repeatable = false;
            }
            '|' => repeatable = false,
            _ => {}
        }
    }
    if open > 0 { wrong("a `(` is not closed") } else { Ok(()) }
}

/// Goes to the end of a class in brackets; false if there is none.
fn closes(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    while let Some(c) = rest.next() {
        match c {
            ']' => return true,
            '\\' => drop(rest.next()),
            // `[:alpha:]` within the class.
            '[' if rest.next_if_eq(&':').is_some() => {
                let mut ahead = rest.clone();
                while ahead.next_if(|c| c.is_ascii_alphabetic() || *c == '^').is_some() {}
                if ahead.next() == Some(':') && ahead.next() == Some(']') {
                    *rest = ahead;
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_that_nothing_could_read_are_refused() {
        let good = [
            "",
            "ok",
            "a|b",
            "(?i)ok",
            "(?<x>a)\\g{x}",
            "[]a]",
            "[^]]",
            "[[:alpha:]]+",
            "[a[:]",
            "\\(",
            "[(]",
            "a*?",
            "a++",
            "a?",
            "(a|)",
            "\\Q(*\\E+",
            "(*UTF)a",
            "x{2,3}",
            "^a$",
            "(?:a)*",
            "[\\]]",
            "a{",
            "(?=a)b",
            "a(?#()*",
        ];
        for text in good {
            assert_eq!(check_pattern(text), Ok(()), "{text}");
        }
        for text in
            ["(", "a)", "[", "[^]", "[a", "[\\]", "a\\", "*a", "a|*", "(+)", "((a)", "a**", "?", "[[:alpha:]"]
        {
            assert!(check_pattern(text).is_err(), "{text}");
        }
    }

    #[test]
    fn options_are_read_by_their_names() {
        for option in PatternOption::ALL {
            assert_eq!(option.to_string().parse(), Ok(*option));
        }
        assert_eq!("Caseless".parse::<PatternOption>(), Err(Error::PatternOption("Caseless".into())));
    }
}

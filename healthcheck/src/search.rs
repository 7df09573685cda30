//! Searching a page for a regular expression, by PCRE2 itself, so that it means what it means in keepalived.
//!
//! The effort is bounded: an expression that would try for ever on some page is given up, which fails the attempt.

use pcre2::bytes::{Regex, RegexBuilder};

use crate::error::Error;
use crate::spec::{Pattern, PatternOption};

/// Steps that one search may take: about a tenth of a second. Then it is given up.
const STEPS: u32 = 1_000_000;
/// Memory that one search may take, in KiB.
const MEMORY: u32 = 20_000;

/// An expression, ready to search with.
#[derive(Debug)]
pub struct Search<'a> {
    pattern: &'a Pattern,
    regex: Regex,
}

impl<'a> Search<'a> {
    /// Reads an expression. The error tells what PCRE2 does not understand.
    pub fn new(pattern: &'a Pattern) -> Result<Search<'a>, Error> {
        let has = |option| pattern.options.contains(&option);
        let wrong = |error: pcre2::Error| {
            let text = error.to_string();
            let text = text.rsplit(": ").next().unwrap_or_default();
            Error::Pattern(pattern.text.clone(), text.to_owned())
        };
        let regex = RegexBuilder::new()
            .caseless(has(PatternOption::Caseless))
            .dotall(has(PatternOption::Dotall))
            .extended(has(PatternOption::Extended))
            .multi_line(has(PatternOption::Multiline))
            .ucp(has(PatternOption::Ucp))
            .utf(has(PatternOption::Utf))
            .build(&with_options(pattern))
            .map_err(wrong)?;
        Ok(Search { pattern, regex })
    }

    /// Whether a page has in it what it should, or has not what it should not. The error says why that could not be
    /// found out.
    pub fn passes(&self, page: &[u8]) -> Result<bool, String> {
        Ok(self.is_found(page)? != self.pattern.absent)
    }

    fn is_found(&self, page: &[u8]) -> Result<bool, String> {
        let start = usize::try_from(self.pattern.min_offset).unwrap_or(usize::MAX);
        if start > page.len() {
            return Ok(false);
        }
        let found = self.regex.find_at(page, start).map_err(|error| error.to_string())?;
        // The first match begins before all others: if it begins too late, so do they.
        let Some(found) = found else { return Ok(false) };
        let in_time = self.pattern.max_offset.is_none_or(|most| found.start() as u64 <= most);
        let first_line = page.get(start..found.start()).is_some_and(|before| !before.contains(&b'\n'));
        Ok(in_time && (first_line || !self.pattern.options.contains(&PatternOption::Firstline)))
    }
}

/// The expression with what has no switch of its own: bounds and some options can be said at its beginning.
fn with_options(pattern: &Pattern) -> String {
    let has = |option| pattern.options.contains(&option);
    let said = |option, text: &'static str| if has(option) { text } else { "" };
    let (verbs, rest) = pattern.text.split_at(verbs(&pattern.text));
    [
        &format!("(*LIMIT_MATCH={STEPS})(*LIMIT_HEAP={MEMORY})"),
        said(PatternOption::NoAutoPossess, "(*NO_AUTO_POSSESS)"),
        said(PatternOption::NoDotstarAnchor, "(*NO_DOTSTAR_ANCHOR)"),
        said(PatternOption::NoStartOptimize, "(*NO_START_OPT)"),
        verbs,
        said(PatternOption::Dupnames, "(?J)"),
        said(PatternOption::Ungreedy, "(?U)"),
        said(PatternOption::NoAutoCapture, "(?n)"),
        rest,
    ]
    .concat()
}

/// The length of what an expression begins with that must come before everything else, such as `(*UTF)`.
fn verbs(text: &str) -> usize {
    let mut rest = text;
    while let Some((verb, behind)) = rest.strip_prefix("(*").and_then(|rest| rest.split_once(')')) {
        if !verb
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_=".contains(&byte))
        {
            break;
        }
        rest = behind;
    }
    text.len() - rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern { text: text.to_owned(), ..Pattern::default() }
    }

    fn finds(pattern: &Pattern, page: &str) -> bool {
        Search::new(pattern).unwrap().passes(page.as_bytes()).unwrap()
    }

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
            assert!(Search::new(&pattern(text)).is_ok(), "{text}");
        }
        for text in
            ["(", "a)", "[", "[^]", "[a", "[\\]", "a\\", "*a", "a|*", "(+)", "((a)", "a**", "?", "[[:alpha:]"]
        {
            assert!(matches!(Search::new(&pattern(text)), Err(Error::Pattern(..))), "{text}");
        }
        let Err(error) = Search::new(&pattern("a)")) else { panic!() };
        assert!(error.to_string().contains("unmatched closing parenthesis"), "{error}");
    }

    #[test]
    fn pages_are_searched_as_pcre2_does() {
        assert!(finds(&pattern("(\\w)\\1"), "hello"));
        assert!(!finds(&pattern("(\\w)\\1"), "helo"));
        assert!(!finds(&Pattern { absent: true, ..pattern("error") }, "an error"));
        assert!(finds(&Pattern { absent: true, ..pattern("error") }, "all well"));
        assert!(
            Search::new(&pattern("\\xff")).unwrap().passes(b"\xfe\xff").unwrap(),
            "bytes, not characters"
        );
    }

    #[test]
    fn a_match_begins_within_its_bounds() {
        let between = |min_offset, max_offset| Pattern { min_offset, max_offset, ..pattern("b") };
        assert!(finds(&between(1, Some(1)), "abc"));
        assert!(!finds(&between(2, None), "abc"));
        assert!(!finds(&between(0, Some(0)), "abc"));
        assert!(!finds(&between(4, None), "abc"));
        assert!(finds(&Pattern { min_offset: 3, ..pattern("$") }, "abc"));
    }

    #[test]
    fn options_have_their_effect() {
        let with = |option, text| Pattern { options: [option].into(), ..pattern(text) };
        for (option, text, page) in [
            (PatternOption::Caseless, "OK", "ok"),
            (PatternOption::Dotall, "a.b", "a\nb"),
            (PatternOption::Extended, "a b", "ab"),
            (PatternOption::Multiline, "^b", "a\nb"),
            (PatternOption::Utf, "^.$", "é"),
        ] {
            assert!(finds(&with(option, text), page), "{option}");
            assert!(!finds(&pattern(text), page), "{option}");
        }
        assert!(!finds(&with(PatternOption::Firstline, "b"), "a\nb"));
        assert!(finds(&with(PatternOption::Dupnames, "(*UTF)(?<n>a)(?<n>b)"), "ab"));
        assert!(Search::new(&pattern("(?<n>a)(?<n>b)")).is_err());
        for option in PatternOption::ALL {
            assert!(Search::new(&with(*option, "ab*")).is_ok(), "{option}");
        }
    }

    #[test]
    fn a_search_without_end_is_given_up() {
        let pattern = pattern("^(a+)+$");
        let search = Search::new(&pattern).unwrap();
        let page = [&[b'a'; 60][..], b"!"].concat();
        assert!(search.passes(&page).is_err());
    }
}

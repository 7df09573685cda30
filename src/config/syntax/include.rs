//! `include` and its stricter kinds: which files are read in the middle of another, and which absence is an error.
//!
//! A name is relative to the file that includes it, and may hold wildcards and brace lists. keepalived goes on
//! without a file that is missing; here a file that is named must be there, unless `include_check` says otherwise. A
//! pattern that matches nothing is fine with plain `include`: the directory may be empty today.

use std::path::{Path, PathBuf};

use super::Word;
use super::tree::Builder;
use crate::config::complaint::{Code, Reaction};
use crate::config::source::{Fetched, Span};
use crate::config::wildcard;

/// Files that include one another.
const MAX_DEPTH: usize = 16;
/// Files in one configuration.
const MAX_FILES: usize = 10_000;

/// How the parser gets at included files: all that a path, perhaps with wildcards, stands for.
pub type Fetch<'a> = &'a dyn Fn(&Path) -> Vec<Fetched>;

/// Which absences are errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strictness {
    /// A file that is named or matches must be there and readable.
    pub read: bool,
    /// Every pattern must match something.
    pub any: bool,
    /// A pattern with wildcards must match something.
    pub wildcard: bool,
    /// Each item of a brace list must match something.
    pub brace: bool,
    /// Whether nobody asked for this: keepalived is not strict then.
    pub ours: bool,
}

impl Strictness {
    /// Of plain `include` without `include_check`.
    pub const USUAL: Self = Self { read: true, any: false, wildcard: false, brace: false, ours: true };
    const READ: Self = Self { ours: false, ..Self::USUAL };
    const NONE: Self = Self { read: false, ..Self::READ };
    const ALL: Self = Self { read: true, any: true, wildcard: true, brace: true, ours: false };

    fn of(keyword: &str, plain: Self) -> Self {
        match keyword {
            "includer" => Self::READ,
            "includem" => Self { any: true, ..Self::READ },
            "includew" => Self { wildcard: true, ..Self::READ },
            "includeb" => Self { brace: true, ..Self::READ },
            "includea" => Self::ALL,
            _ => plain,
        }
    }
}

impl Strictness {
    /// What keepalived does where a file is not there.
    fn keepalived(self) -> Reaction {
        if self.ours { Reaction::goes_on("nothing is included") } else { Reaction::Stops }
    }
}

/// What happened to one item of a brace list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Yes,
    No,
    /// It is not there, or cannot be read, and that has been said.
    Told,
}

impl Builder<'_> {
    /// `include_check`: what plain `include` is strict about from here on.
    pub(super) fn include_check(&mut self, words: &[Word]) {
        let edits = |word: &Word| word.text.starts_with(['+', '-']);
        self.strictness.ours = false;
        if words.is_empty() {
            self.strictness = Strictness::ALL;
        } else if !words.iter().all(edits) {
            self.strictness = Strictness::NONE;
        }
        for word in words {
            let (wanted, name) = match word.text.strip_prefix('-') {
                Some(name) => (false, name),
                None => (true, word.text.strip_prefix('+').unwrap_or(&word.text)),
            };
            match name {
                "readable" | "read" => self.strictness.read = wanted,
                "match" => self.strictness.any = wanted,
                "wildcard_match" => self.strictness.wildcard = wanted,
                "brace_match" => self.strictness.brace = wanted,
                _ => {
                    let message = format!(
                        "`include_check` is `{name}`; allowed: readable, match, wildcard_match, brace_match"
                    );
                    self.complaints.error(Code::InvalidChoice, word.span, message);
                }
            }
        }
    }

    /// A whole `include` line.
    pub(super) fn include(&mut self, keyword: &Word, patterns: &[Word]) {
        if patterns.is_empty() {
            let message = format!("`{}` needs the name of a file", keyword.text);
            self.complaints.error(Code::MissingValue, keyword.span, message);
        }
        let strictness = Strictness::of(&keyword.text, self.strictness);
        for pattern in patterns {
            let names = wildcard::braces(&pattern.text);
            let is_list = names.len() > 1;
            let found: Vec<Found> = names
                .iter()
                .map(|name| self.include_pattern(name, pattern.span, strictness, is_list))
                .collect();
            if is_list && found.iter().all(|found| *found == Found::No) && !self.gave_up {
                let message = format!("no item of `{}` matches any file", pattern.text);
                self.complain(strictness.read || strictness.any, strictness, pattern.span, message);
            }
        }
    }

    fn complain(&mut self, is_error: bool, strictness: Strictness, span: Span, message: String) {
        if is_error {
            let keepalived = strictness.keepalived();
            self.complaints.refuse(Code::IncludeMissing, span, message, None, keepalived);
        } else {
            self.complaints.warning(Code::IncludeMissing, span, message);
        }
    }

    fn include_pattern(&mut self, name: &str, span: Span, strictness: Strictness, is_list: bool) -> Found {
        // Collecting the components drops `./`, so that a file is known by one name.
        let path: PathBuf = self.directory().join(name).components().collect();
        if self.gave_up {
            return Found::Told;
        }
        let fetched = (self.fetch)(&path);
        let is_pattern = wildcard::is_pattern(name);
        let missing =
            |fetched: &Fetched| fetched.text.as_ref().is_err_and(|refusal| refusal.code == Code::FileMissing);
        if fetched.is_empty() || (is_list && fetched.iter().all(missing)) {
            if (is_list && strictness.brace) || (is_pattern && (strictness.any || strictness.wildcard)) {
                self.complain(true, strictness, span, format!("no file matches `{}`", path.display()));
                return Found::Told;
            }
            return Found::No;
        }
        for Fetched { path, text } in fetched {
            match text {
                Ok(text) => self.include_file(&path, text, span),
                Err(refusal) => {
                    // A pattern may match a directory by accident; a name is meant.
                    let accident = is_pattern && refusal.code == Code::NotAFile;
                    let message = format!("`{}`: {}", path.display(), refusal.message);
                    if accident || !strictness.read {
                        self.complaints.warning(refusal.code, span, message);
                    } else {
                        self.complaints.refuse(refusal.code, span, message, None, strictness.keepalived());
                    }
                }
            }
        }
        Found::Yes
    }

    fn include_file(&mut self, path: &Path, text: String, span: Span) {
        let problem = if self.gave_up {
            return;
        } else if self.files.iter().any(|file| file == path) {
            format!("`{}` includes itself", path.display())
        } else if self.files.len() >= MAX_DEPTH {
            self.gave_up = true;
            format!("files include one another more than {MAX_DEPTH} deep")
        } else if self.sources.count() >= MAX_FILES {
            self.gave_up = true;
            format!("more than {MAX_FILES} files are included")
        } else {
            let file = self.sources.add(path, text, Some(span));
            return self.file(file, path);
        };
        self.complaints.error(Code::IncludeLoop, span, problem);
    }
}

//! Words and braces become statements and blocks; `include` brings in other files.
//!
//! The builder keeps the blocks that are still open on a stack of its own, so deeply nested text costs no stack of
//! the program. A block that is not closed ends where the next top-level block begins: one missing brace is one
//! complaint, not a hundred.

use std::path::{Path, PathBuf};

use super::lexer::{self, Token};
use super::{Block, Statement, Word};
use crate::config::complaint::{Code, Complaints, Severity};
use crate::config::keywords;
use crate::config::source::{Fetched, FileId, Sources, Span};
use crate::config::wildcard;

/// Blocks of the language nest five deep; more than this is a mistake.
const MAX_DEPTH: usize = 16;
/// Files that include one another.
const MAX_INCLUDE_DEPTH: usize = 16;
/// Files in one configuration.
const MAX_FILES: usize = 10_000;

/// How the parser gets at included files: all that a path, perhaps with wildcards, stands for.
pub type Fetch<'a> = &'a dyn Fn(&Path) -> Vec<Fetched>;

/// A whole configuration as statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// What stands at the top level.
    pub root: Block,
    /// Whether the text uses parts of the language that this version does not expand: the words are then not what
    /// was meant, and it makes no sense to look at them one by one. Each such part has been complained of.
    pub unexpanded: bool,
}

/// Builds the tree of a file that is already among the sources.
pub fn parse(
    main: FileId,
    path: &Path,
    sources: &mut Sources,
    fetch: Fetch<'_>,
    complaints: &mut Complaints,
) -> Tree {
    let mut builder = Builder {
        sources,
        fetch,
        complaints,
        stack: Vec::new(),
        root: Vec::new(),
        files: Vec::new(),
        floor: 0,
        flattened: 0,
        unexpanded: false,
        gave_up: false,
    };
    builder.file(main, path);
    Tree { root: Block { open: Span::default(), statements: builder.root }, unexpanded: builder.unexpanded }
}

struct Builder<'a> {
    sources: &'a mut Sources,
    fetch: Fetch<'a>,
    complaints: &'a mut Complaints,
    /// Blocks that are open, outermost first.
    stack: Vec<Frame>,
    /// Finished statements of the top level.
    root: Vec<Statement>,
    /// Files being read, outermost first.
    files: Vec<PathBuf>,
    /// Blocks that were open when the current file began: they are not its to close.
    floor: usize,
    /// Blocks that are nested too deeply to be kept.
    flattened: usize,
    /// See [`Tree::unexpanded`]. Braces may not match then either: one of several lines was to be chosen.
    unexpanded: bool,
    /// Whether `include` has gone too far; no more of them then.
    gave_up: bool,
}

/// A block that is open.
struct Frame {
    /// Whose block it is; `None` for a brace that belongs to nothing.
    owner: Option<(Word, Vec<Word>)>,
    open: Span,
    statements: Vec<Statement>,
}

impl Builder<'_> {
    fn file(&mut self, file: FileId, path: &Path) {
        self.files.push(path.to_owned());
        let floor = std::mem::replace(&mut self.floor, self.stack.len());
        let text = self.sources.text(file);
        let mut tokens = Vec::new();
        let mut number = 0;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            number += 1;
            if let Some(column) = definition(line) {
                self.not_yet(Span { file, line: number, column, length: 1 }, "definitions (`$NAME=value`)");
                let mut last = line;
                while last.trim_end().ends_with('\\') {
                    let Some(next) = lines.next() else { break };
                    (last, number) = (next, number + 1);
                }
                continue;
            }
            lexer::tokens(line, file, number, self.complaints, &mut tokens);
            self.line(&mut tokens);
        }
        while self.stack.len() > self.floor {
            self.unclosed("");
        }
        self.flattened = 0;
        self.floor = floor;
        self.files.pop();
    }

    fn line(&mut self, tokens: &mut Vec<Token>) {
        let mut words = Vec::new();
        for token in tokens.drain(..) {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open(span) => {
                    let words = std::mem::take(&mut words);
                    self.open(words, span);
                }
                Token::Close(span) => {
                    let words = std::mem::take(&mut words);
                    self.statement(words);
                    self.close(span);
                }
            }
        }
        self.statement(words);
    }

    /// A statement that ends with its line or a closing brace. A block may still follow on a later line.
    fn statement(&mut self, words: Vec<Word>) {
        let Some((keyword, words)) = self.split(words) else { return };
        if lexer::INCLUDES.contains(&keyword.text.as_str()) {
            return self.include(&keyword, &words);
        }
        self.statements().push(Statement { keyword, words, block: None });
    }

    /// The keyword and the rest, without what stands before a statement: `@id` and `~SEQ(…)`.
    fn split(&mut self, words: Vec<Word>) -> Option<(Word, Vec<Word>)> {
        let mut words = words.into_iter();
        loop {
            let word = words.next()?;
            let what = if word.text.starts_with('@') {
                "conditional lines (`@id`)"
            } else if word.text.starts_with("~SEQ") || word.text.starts_with("~LST") {
                "repetitions (`~SEQ`, `~SEQx`, `~LST`)"
            } else {
                // A file may hold a hundred thousand statements: none keeps room for words that will not come.
                let mut rest: Vec<Word> = words.collect();
                rest.shrink_to_fit();
                return Some((word, rest));
            };
            self.not_yet(word.span, what);
        }
    }

    fn not_yet(&mut self, span: Span, what: &str) {
        self.unexpanded = true;
        self.complaints.error(Code::NotSupportedYet, span, format!("{what} are not supported yet"));
    }

    fn statements(&mut self) -> &mut Vec<Statement> {
        match self.stack.last_mut() {
            Some(frame) => &mut frame.statements,
            None => &mut self.root,
        }
    }

    fn open(&mut self, words: Vec<Word>, open: Span) {
        let owner = match self.split(words) {
            Some(owner) => Some(owner),
            None => self.statement_above(),
        };
        if let Some((keyword, _)) = &owner
            && keywords::opens_root_block(&keyword.text)
        {
            let reason = format!(" before `{}` in line {} begins", keyword.text, keyword.span.line);
            while self.stack.len() > self.floor {
                self.unclosed(&reason);
            }
            self.flattened = 0;
        }
        if owner.is_none() && !self.unexpanded {
            let message = "this `{` belongs to no keyword; what is in the block is ignored";
            self.complaints.error(Code::StrayBrace, open, message);
        }
        if self.stack.len() >= MAX_DEPTH {
            if self.flattened == 0 {
                let message =
                    format!("blocks are nested more than {MAX_DEPTH} deep; is a `}}` missing above?");
                self.complaints.error(Code::TooDeep, open, message);
            }
            self.flattened += 1;
            return;
        }
        self.stack.push(Frame { owner, open, statements: Vec::new() });
    }

    /// The statement that a brace at the start of a line belongs to: the last one, if it has no block yet.
    fn statement_above(&mut self) -> Option<(Word, Vec<Word>)> {
        let statement = self.statements().pop_if(|statement| statement.block.is_none())?;
        Some((statement.keyword, statement.words))
    }

    fn close(&mut self, span: Span) {
        if self.flattened > 0 {
            self.flattened -= 1;
        } else if self.stack.len() > self.floor {
            self.finish_block();
        } else if !self.unexpanded {
            let message = "this `}` closes nothing; there is one too many, or a `{` is missing above";
            self.complaints.error(Code::StrayBrace, span, message);
        }
    }

    fn finish_block(&mut self) {
        let Some(Frame { owner, open, mut statements }) = self.stack.pop() else { return };
        statements.shrink_to_fit();
        let Some((keyword, words)) = owner else { return };
        self.statements().push(Statement { keyword, words, block: Some(Block { open, statements }) });
    }

    fn unclosed(&mut self, reason: &str) {
        if let Some(Frame { owner: Some((keyword, _)), open, .. }) = self.stack.last()
            && !self.unexpanded
        {
            let owner = &keyword.text;
            let message = format!("the block of `{owner}` that begins here is not closed{reason}");
            let suggestion = Some("add the missing `}`".to_owned());
            self.complaints.push(Severity::Error, Code::UnclosedBlock, *open, message, suggestion);
        }
        self.finish_block();
    }

    fn include(&mut self, keyword: &Word, patterns: &[Word]) {
        if patterns.is_empty() {
            let message = format!("`{}` needs the name of a file", keyword.text);
            self.complaints.error(Code::MissingValue, keyword.span, message);
        }
        let must_match = matches!(keyword.text.as_str(), "includem" | "includew" | "includea");
        for pattern in patterns {
            for name in wildcard::braces(&pattern.text) {
                self.include_pattern(&name, pattern.span, must_match);
            }
        }
    }

    fn include_pattern(&mut self, name: &str, span: Span, must_match: bool) {
        if name.contains('$') {
            return self.not_yet(span, "variables (`$NAME`, `${NAME}`)");
        }
        let directory = self.files.last().and_then(|file| file.parent()).unwrap_or(Path::new(""));
        // Collecting the components drops `./`, so that a file is known by one name.
        let path: PathBuf = directory.join(name).components().collect();
        let fetched = if self.gave_up { Vec::new() } else { (self.fetch)(&path) };
        if fetched.is_empty() && must_match && !self.gave_up {
            let message = format!("no file matches `{}`", path.display());
            self.complaints.error(Code::IncludeMissing, span, message);
        }
        for Fetched { path, text } in fetched {
            match text {
                Ok(text) => self.include_file(&path, text, span),
                Err(refusal) => {
                    // A pattern may match a directory by accident; a name is meant.
                    let accident = wildcard::is_pattern(name) && refusal.code == Code::NotAFile;
                    let severity = if accident { Severity::Warning } else { Severity::Error };
                    let message = format!("`{}`: {}", path.display(), refusal.message);
                    self.complaints.push(severity, refusal.code, span, message, None);
                }
            }
        }
    }

    fn include_file(&mut self, path: &Path, text: String, span: Span) {
        let problem = if self.gave_up {
            return;
        } else if self.files.iter().any(|file| file == path) {
            format!("`{}` includes itself", path.display())
        } else if self.files.len() >= MAX_INCLUDE_DEPTH {
            self.gave_up = true;
            format!("files include one another more than {MAX_INCLUDE_DEPTH} deep")
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

/// If the line defines a name (`$NAME=value`, perhaps behind `@id`): the column of the `$`.
fn definition(line: &str) -> Option<u32> {
    let mut rest = line.trim_start();
    if rest.starts_with('@') {
        rest = rest.split_once(char::is_whitespace)?.1.trim_start();
    }
    let name = rest.strip_prefix('$')?.split('=').next()?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let defines = is_name && rest.len() > name.len() + 1;
    let before = line.get(..line.len().checked_sub(rest.len())?)?;
    defines.then(|| u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX))
}

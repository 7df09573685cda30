//! Words and braces become statements and blocks; `include` brings in other files.
//!
//! The builder keeps the blocks that are still open on a stack of its own, so deeply nested text costs no stack of
//! the program. A block that is not closed ends where the next top-level block begins: one missing brace is one
//! complaint, not a hundred.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::builtin::Surroundings;
use super::expand::{Desk, Expander};
use super::fragment::{Assembled, Fragment, Line, Places, comment_start};
use super::include::{Fetch, Strictness};
use super::lexer::{self, Token};
use super::{Block, Statement, Word, definition, sequence};
use crate::config::complaint::{Code, Complaints, Reaction, Severity};
use crate::config::keywords;
use crate::config::source::{FileId, Sources, Span};

/// Blocks of the language nest five deep; more than this is a mistake.
pub const MAX_DEPTH: usize = 16;

/// A whole configuration as statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// What stands at the top level.
    pub root: Block,
    /// Whether the text was given up on, because its expansion is too large: the rest is missing then, and it makes no
    /// sense to complain of that. The reason has been told.
    pub incomplete: bool,
}

/// Builds the tree of a file that is already among the sources.
pub fn parse(
    main: FileId,
    path: &Path,
    sources: &mut Sources,
    fetch: Fetch<'_>,
    around: &Surroundings<'_>,
    complaints: &mut Complaints,
) -> Tree {
    let mut builder = Builder {
        sources,
        fetch,
        around,
        complaints,
        expander: Expander::new(around.seed),
        stack: Vec::new(),
        root: Vec::new(),
        files: Vec::new(),
        floor: 0,
        flattened: 0,
        strictness: Strictness::USUAL,
        gave_up: false,
    };
    builder.file(main, path);
    let incomplete = builder.expander.is_spent();
    Tree { root: Block { statements: builder.root, ..Block::default() }, incomplete }
}

/// Puts statements together.
pub(super) struct Builder<'a> {
    pub(super) sources: &'a mut Sources,
    pub(super) fetch: Fetch<'a>,
    around: &'a Surroundings<'a>,
    pub(super) complaints: &'a mut Complaints,
    expander: Expander,
    /// Blocks that are open, outermost first.
    stack: Vec<Frame>,
    /// Finished statements of the top level.
    root: Vec<Statement>,
    /// Files being read, outermost first.
    pub(super) files: Vec<PathBuf>,
    /// Blocks that were open when the current file began: they are not its to close.
    floor: usize,
    /// Blocks that are nested too deeply to be kept.
    flattened: usize,
    /// What plain `include` is strict about.
    pub(super) strictness: Strictness,
    /// Whether `include` has gone too far; no more of them then.
    pub(super) gave_up: bool,
}

/// A block that is open.
struct Frame {
    /// Whose block it is.
    owner: (Word, Vec<Word>),
    open: Span,
    statements: Vec<Statement>,
}

impl Builder<'_> {
    /// Reads a whole file at the present place.
    pub(super) fn file(&mut self, file: FileId, path: &Path) {
        self.files.push(path.to_owned());
        let floor = std::mem::replace(&mut self.floor, self.stack.len());
        let mut tokens = Vec::new();
        let mut assembled = Assembled::default();
        let mut lines = Lines { text: self.sources.text(file), file, at: 0, number: 0 };
        while !self.expander.is_spent()
            && let Some((start, line)) = lines.next()
        {
            if !needs_expansion(&line) {
                let places = Places::Line(file, lines.number);
                lexer::tokens(&line, places, self.complaints, &mut tokens);
                self.line(&mut tokens);
                continue;
            }
            let definition = definition::is_definition(&line);
            let (first, mut more) = lines.cut(start, &line, definition, self.complaints);
            let mut fed = vec![first];
            while more && let Some((start, line)) = lines.next() {
                let (next, continues) = lines.cut(start, &line, true, self.complaints);
                fed.push(next);
                more = continues;
            }
            self.expanded(fed, &mut assembled, &mut tokens);
        }
        while self.stack.len() > self.floor {
            self.unclosed("");
        }
        self.flattened = 0;
        self.floor = floor;
        self.files.pop();
    }

    /// The directory of the file being read.
    pub(super) fn directory(&self) -> PathBuf {
        self.files.last().and_then(|file| file.parent()).unwrap_or(Path::new("")).to_owned()
    }

    fn expanded(&mut self, lines: Vec<Line>, assembled: &mut Assembled, tokens: &mut Vec<Token>) {
        let floor = self.expander.pending();
        self.expander.feed(lines);
        let directory = self.directory();
        loop {
            let mut desk = Desk {
                origins: &mut self.sources.origins,
                complaints: self.complaints,
                around: self.around,
                directory: &directory,
            };
            if !self.expander.next(floor, &mut desk, assembled) {
                return;
            }
            let places = assembled.places(&self.sources.origins);
            lexer::tokens(&assembled.text, places, self.complaints, tokens);
            self.line(tokens);
        }
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
        if !keyword.quoted && lexer::INCLUDES.contains(&keyword.text.as_str()) {
            return self.include(&keyword, &words);
        }
        let place = self.stack.last().map(|frame| &frame.owner);
        if keyword.text == "include_check" && place.is_some_and(|(owner, _)| owner.text == "global_defs") {
            self.include_check(&words);
        }
        self.statements().push(Statement { keyword, words, block: None });
    }

    /// The keyword and the rest. What must stand at the beginning of a line is a mistake behind a brace.
    fn split(&mut self, words: Vec<Word>) -> Option<(Word, Vec<Word>)> {
        let mut words = words.into_iter();
        let keyword = words.next()?;
        let (code, what) = match keyword.text.as_str() {
            _ if keyword.quoted => return Some((keyword, shrunk(words))),
            word if sequence::is_one(word) => (Code::InvalidRepetition, "repeats a line"),
            word if word.starts_with('@') => (Code::InvalidCondition, "is a condition for a line"),
            _ => return Some((keyword, shrunk(words))),
        };
        let message = format!("`{}` {what}, and must stand at its beginning", keyword.text);
        self.complaints.push(
            Severity::Error,
            code,
            keyword.span,
            message,
            Some("begin a new line before it".into()),
        );
        None
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
        let owner = owner.unwrap_or_else(|| {
            let message = "this `{` belongs to no keyword; what is in the block is ignored";
            self.brace(open, message);
            (brace("{", open), Vec::new())
        });
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
            self.finish_block(Some(span));
        } else {
            let message = "this `}` closes nothing; there is one too many, or a `{` is missing above";
            self.brace(span, message);
            self.statements().push(Statement { keyword: brace("}", span), words: Vec::new(), block: None });
        }
    }

    fn brace(&mut self, span: Span, message: &str) {
        let keepalived = Reaction::goes_on("the brace is ignored");
        self.complaints.refuse(Code::StrayBrace, span, message.to_owned(), None, keepalived);
    }

    fn finish_block(&mut self, close: Option<Span>) {
        let Some(Frame { owner: (keyword, words), open, mut statements }) = self.stack.pop() else { return };
        statements.shrink_to_fit();
        self.statements().push(Statement { keyword, words, block: Some(Block { open, close, statements }) });
    }

    fn unclosed(&mut self, reason: &str) {
        if let Some(Frame { owner: (keyword, _), open, .. }) = self.stack.last()
            && !self.expander.is_spent()
        {
            let owner = &keyword.text;
            let message = format!("the block of `{owner}` that begins here is not closed{reason}");
            let suggestion = Some("add the missing `}`".to_owned());
            let keepalived = Reaction::goes_on("what follows is read as part of this block");
            self.complaints.refuse(Code::UnclosedBlock, *open, message, suggestion, keepalived);
        }
        self.finish_block(None);
    }
}

/// A brace in the place of a keyword.
fn brace(text: &str, span: Span) -> Word {
    Word { text: text.to_owned(), span, quoted: false }
}

/// A file may hold a hundred thousand statements: none keeps room for words that will not come.
fn shrunk(words: impl Iterator<Item = Word>) -> Vec<Word> {
    let mut words: Vec<Word> = words.collect();
    words.shrink_to_fit();
    words
}

/// Whether there may be anything in a line that is not to be taken as written.
pub fn needs_expansion(line: &str) -> bool {
    match line.trim_start().bytes().next() {
        Some(b'@' | b'~') => true,
        Some(b'#' | b'!') | None => false,
        // What stands in a comment is not meant.
        _ => line.contains('$') && comment_start(line).is_none_or(|end| line.find('$') < Some(end)),
    }
}

/// The lines of a file, one after the other.
struct Lines {
    text: Arc<str>,
    file: FileId,
    /// The byte at which the next line begins.
    at: usize,
    /// The number of the last line.
    number: u32,
}

impl Lines {
    /// The byte at which the line begins, and the line without its end.
    fn next(&mut self) -> Option<(usize, String)> {
        let start = self.at;
        let rest = self.text.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').unwrap_or(rest.len());
        self.at = start + length + 1;
        self.number = self.number.saturating_add(1);
        let line = rest.get(..length)?;
        Some((start, line.strip_suffix('\r').unwrap_or(line).to_owned()))
    }

    /// The last line without its comment, and whether it goes on in the next. The backslash that tells so is kept;
    /// it may also stand at the end of the comment.
    fn cut(&self, start: usize, line: &str, definition: bool, complaints: &mut Complaints) -> (Line, bool) {
        let end = comment_start(line).unwrap_or(line.len());
        let places = Places::Line(self.file, self.number);
        let (code, comment) = line.split_at(end);
        if !comment.is_empty() {
            lexer::comment(code, comment, places, complaints);
        }
        let mut cut = Line::default();
        let continues = |text: &str| definition && text.trim_end().ends_with('\\');
        if continues(comment) && !continues(code) {
            cut.push(Fragment::computed("\\", places.span(1, 2)));
        }
        let at = places.span(1, 2);
        cut.push(Fragment::written(&self.text, start, start + end, at));
        (cut, continues(comment) || continues(code))
    }
}

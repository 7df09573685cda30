//! One line of text becomes words and braces.
//!
//! Blanks separate words. `#` and `!` begin a comment unless they stand in double quotes or behind a backslash.
//! Double and single quotes group blanks into a word; quoted and bare pieces that touch are one word. Inside quotes
//! a backslash introduces the usual control letters (`\n`), octal (`\101`) and hexadecimal (`\x41`) codes and control
//! characters (`\cA`), and otherwise stands for the character behind it. Outside quotes it protects a comment sign,
//! quote, brace, blank or backslash, and is an ordinary character otherwise.
//!
//! A brace is a token of its own wherever it stands, with two exceptions: in a `${NAME}` that nothing defines, and in
//! the file names of `include`.

use std::iter::Peekable;
use std::str::Chars;

use super::Word;
use super::fragment::Places;
use crate::config::complaint::{Code, Complaints, Severity};
use crate::config::source::Span;

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A word.
    Word(Word),
    /// `{`
    Open(Span),
    /// `}`
    Close(Span),
}

/// The words that bring in other files. The letter behind `include` says which kind of absence is an error.
pub const INCLUDES: [&str; 6] = ["include", "includer", "includem", "includew", "includeb", "includea"];

/// Appends the tokens of one line, which is given without its end, and with where it was written.
pub fn tokens(line: &str, places: Places<'_>, complaints: &mut Complaints, out: &mut Vec<Token>) {
    lexer(line, 1, places, complaints, out).run();
}

/// The words of a value that stands for itself, as a string of TOML does: nothing in it is a comment or a block, and
/// quotes and backslashes mean what they always do.
pub fn words(value: &str, places: Places<'_>, complaints: &mut Complaints) -> Vec<Word> {
    let mut out = Vec::new();
    let mut lexer = lexer(value, 1, places, complaints, &mut out);
    lexer.plain = true;
    lexer.run();
    let word = |token| if let Token::Word(word) = token { Some(word) } else { None };
    out.into_iter().filter_map(word).collect()
}

/// Looks at a comment that is cut off before the line is expanded. `before` is what stands before it.
pub fn comment(before: &str, comment: &str, places: Places<'_>, complaints: &mut Complaints) {
    let column = super::fragment::chars(before) + 1;
    let mut out = Vec::new();
    let mut lexer = lexer(comment, column, places, complaints, &mut out);
    if before.ends_with(|c: char| !c.is_whitespace() && !matches!(c, '{' | '}')) {
        let word = before.split_whitespace().next_back().unwrap_or_default();
        lexer.hint_at_comment(column.saturating_sub(super::fragment::chars(word)));
    }
    lexer.comment();
}

fn lexer<'a>(
    text: &'a str,
    column: u32,
    places: Places<'a>,
    complaints: &'a mut Complaints,
    out: &'a mut Vec<Token>,
) -> Lexer<'a> {
    let chars = text.chars().peekable();
    Lexer { chars, column, places, complaints, out, keyword: true, include: false, plain: false }
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    /// Column of the next character.
    column: u32,
    places: Places<'a>,
    complaints: &'a mut Complaints,
    out: &'a mut Vec<Token>,
    /// Whether the next word is the first of a statement.
    keyword: bool,
    /// Whether the current statement is an `include`.
    include: bool,
    /// Whether comment signs and braces are characters like others.
    plain: bool,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(c) = self.chars.peek().copied() {
            match c {
                '#' | '!' if !self.plain => return self.comment(),
                '{' if !self.include && !self.plain => self.brace(Token::Open),
                '}' if !self.plain => self.brace(Token::Close),
                c if c.is_whitespace() => self.blank(c),
                _ => self.word(),
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        self.column = self.column.saturating_add(1);
        Some(c)
    }

    fn span(&self, column: u32) -> Span {
        self.places.span(column, self.column)
    }

    fn brace(&mut self, token: fn(Span) -> Token) {
        let column = self.column;
        self.next();
        let span = self.span(column);
        self.out.push(token(span));
        (self.keyword, self.include) = (true, false);
    }

    fn blank(&mut self, c: char) {
        let column = self.column;
        self.next();
        if !c.is_ascii() {
            let message =
                format!("a blank that is not a plain space (U+{:04X}); it is read as one", u32::from(c));
            self.complaints.warning(Code::OddBlank, self.span(column), message);
        }
    }

    /// Nothing in a comment matters, except that a file with NUL bytes is no text at all.
    fn comment(&mut self) {
        while let Some(c) = self.chars.peek().copied() {
            if c == '\0' {
                return self.nul();
            }
            self.next();
        }
    }

    fn nul(&mut self) {
        let column = self.column;
        self.next();
        let message = "a NUL byte: this is no text file, or it is not in UTF-8";
        self.complaints.error(Code::NulByte, self.span(column), message);
        // One complaint for each line is enough.
        while self.next().is_some() {}
    }

    fn word(&mut self) {
        let start = self.column;
        let mut text = String::new();
        let mut quoted = false;
        let mut braces = 0_usize;
        while let Some(c) = self.chars.peek().copied() {
            match c {
                c if c.is_whitespace() => break,
                '\0' => return self.nul(),
                '#' | '!' if !self.plain => {
                    self.hint_at_comment(start);
                    break;
                }
                '"' | '\'' => quoted |= self.quoted(c, &mut text),
                '\\' => quoted |= self.backslash(&mut text),
                '{' | '}' if self.plain => text.extend(self.next()),
                '{' if text.ends_with('$') => self.enclosed(&mut text),
                '{' if self.include => {
                    braces += 1;
                    text.extend(self.next());
                }
                '}' if self.include && braces > 0 => {
                    braces -= 1;
                    text.extend(self.next());
                }
                '{' | '}' => break,
                _ => text.extend(self.next()),
            }
        }
        let span = self.span(start);
        if text.contains(char::REPLACEMENT_CHARACTER) {
            let message = "characters that are not UTF-8; outside comments only UTF-8 can be read";
            self.complaints.error(Code::NotUtf8, span, message);
        }
        if self.keyword {
            self.include = !quoted && INCLUDES.contains(&text.as_str());
            self.keyword = false;
        }
        self.out.push(Token::Word(Word { text, span, quoted }));
    }

    fn hint_at_comment(&mut self, start: u32) {
        let sign = self.chars.peek().copied().unwrap_or('#');
        let mut span = self.span(start);
        span.length = span.length.saturating_add(1);
        let message = format!("`{sign}` begins a comment here: the word ends before it");
        let suggestion =
            format!("put a blank before the comment, or write `\\{sign}` if the sign belongs to the word");
        self.complaints.push(Severity::Hint, Code::CommentInWord, span, message, Some(suggestion));
    }

    /// Whether it protected something.
    fn backslash(&mut self, text: &mut String) -> bool {
        let Some(backslash) = self.next() else { return false };
        let protects =
            matches!(self.chars.peek(), Some('#' | '!' | '"' | '\'' | '{' | '}' | '\\' | ' ' | '\t'));
        text.extend(if protects { self.next() } else { Some(backslash) });
        protects
    }

    /// Whether it was a quote.
    fn quoted(&mut self, quote: char, text: &mut String) -> bool {
        // An apostrophe in a word is one: nobody closes it.
        if quote == '\'' && !text.is_empty() && !self.chars.clone().skip(1).any(|c| c == '\'') {
            text.extend(self.next());
            return false;
        }
        let start = self.column;
        self.next();
        while let Some(c) = self.chars.peek().copied() {
            match c {
                '\0' => {
                    self.nul();
                    return true;
                }
                '\\' => self.escape(text),
                '#' | '!' if quote == '\'' && !self.plain => break,
                c if c == quote => {
                    self.next();
                    return true;
                }
                _ => text.extend(self.next()),
            }
        }
        let message = format!(
            "this {quote} is not closed on its line; close it, or write \\{quote} for the sign itself"
        );
        self.complaints.error(Code::UnclosedQuote, self.span(start), message);
        true
    }

    fn escape(&mut self, text: &mut String) {
        self.next();
        let Some(c) = self.next() else { return };
        let control = |code: u8| char::from(code);
        text.push(match c {
            'a' => control(0x07),
            'b' => control(0x08),
            'e' | 'E' => control(0x1b),
            'f' => control(0x0c),
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => control(0x0b),
            'c' => self.next().map_or('c', |c| char::from(u32::from(c) as u8 & 0x1f)),
            'x' => self.code(16, 0, 2).unwrap_or('x'),
            '0'..='7' => self.code(8, c.to_digit(8).unwrap_or(0), 2).unwrap_or(c),
            other => other,
        });
    }

    /// Up to `digits` more digits of a character code that begins with `value`; `None` if there is no digit at all.
    fn code(&mut self, radix: u32, mut value: u32, digits: usize) -> Option<char> {
        let mut any = radix == 8;
        for _ in 0..digits {
            let Some(digit) = self.chars.peek().and_then(|c| c.to_digit(radix)) else { break };
            value = value * radix + digit;
            any = true;
            self.next();
        }
        any.then(|| char::from_u32(value)).flatten()
    }

    /// Takes everything up to the matching brace as part of the word, if there is one.
    fn enclosed(&mut self, text: &mut String) {
        let mut depth = 0_usize;
        while let Some(c) = self.chars.peek().copied() {
            if c == '\0' {
                return self.nul();
            }
            text.extend(self.next());
            if c == '{' {
                depth += 1;
            } else if c == '}' {
                depth -= 1;
                if depth == 0 {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::{FileId, Sources};

    fn lex(line: &str) -> (Vec<String>, Vec<(Code, u32)>) {
        let mut complaints = Complaints::default();
        let mut out = Vec::new();
        tokens(line, Places::Line(FileId(0), 1), &mut complaints, &mut out);
        let words = out
            .into_iter()
            .map(|token| match token {
                Token::Word(word) => word.text,
                Token::Open(_) => "<{>".to_owned(),
                Token::Close(_) => "<}>".to_owned(),
            })
            .collect();
        let complaints = complaints.finish(&Sources::default());
        (words, complaints.iter().map(|complaint| (complaint.code, complaint.column)).collect())
    }

    #[track_caller]
    fn assert_words(line: &str, expected: &[&str]) {
        let (words, complaints) = lex(line);
        assert_eq!(words, expected, "{line}");
        assert_eq!(complaints, [], "{line}");
    }

    #[test]
    fn blanks_separate_and_comments_end() {
        assert_words("", &[]);
        assert_words("  \t\r", &[]);
        assert_words("# all comment { \" }", &[]);
        assert_words("! Configuration File for keepalived", &[]);
        assert_words("\tstate\t MASTER  # comment", &["state", "MASTER"]);
        assert_words("weight 1 ! why", &["weight", "1"]);
        assert_words(r"auth_pass a\#b\!c", &["auth_pass", "a#b!c"]);
    }

    #[test]
    fn braces_stand_anywhere() {
        assert_words("global_defs{", &["global_defs", "<{>"]);
        assert_words("url{path /}", &["url", "<{>", "path", "/", "<}>"]);
        assert_words("}}", &["<}>", "<}>"]);
        assert_words("path ${A}b{", &["path", "${A}b", "<{>"]);
        assert_words("include conf.d/{a,b}.conf", &["include", "conf.d/{a,b}.conf"]);
        assert_words("x { include y }", &["x", "<{>", "include", "y", "<}>"]);
        assert_words("include {a,{b}}c", &["include", "{a,{b}}c"]);
    }

    #[test]
    fn quotes_group_and_join() {
        assert_words(r#"script "/bin/x  a#b ! {""#, &["script", "/bin/x  a#b ! {"]);
        assert_words(r#"a"b c"'d e'f"#, &["ab cd ef"]);
        assert_words(r#"script "sh -c 'x y'""#, &["script", "sh -c 'x y'"]);
        assert_words(r#"empty "" x"#, &["empty", "", "x"]);
        assert_words("name Bob's", &["name", "Bob's"]);
    }

    #[test]
    fn escapes_are_resolved_in_quotes_only() {
        assert_words(r#""\n\t\x41\101\cA\"\q\\""#, &["\n\tAA\u{1}\"q\\"]);
        assert_words(r"C:\dir\new", &[r"C:\dir\new"]);
        assert_words(r#"a\"b"#, &["a\"b"]);
        assert_words(r"a\ b", &["a b"]);
    }

    #[test]
    fn mistakes_are_told_with_their_column() {
        assert_eq!(
            lex(r#"script "abc"#),
            (vec!["script".into(), "abc".into()], vec![(Code::UnclosedQuote, 8)])
        );
        assert_eq!(lex("a b\0c d").1, [(Code::NulByte, 4)]);
        assert_eq!(lex("# b\0c\0 d").1, [(Code::NulByte, 4)]);
        assert_eq!(lex("\u{fffd}a").1, [(Code::NotUtf8, 1)]);
        assert_eq!(lex("# \u{fffd} caf\u{e9}").1, []);
        assert_eq!(lex("a\u{a0}b"), (vec!["a".into(), "b".into()], vec![(Code::OddBlank, 2)]));
        assert_eq!(
            lex("auth_pass 11!1"),
            (vec!["auth_pass".into(), "11".into()], vec![(Code::CommentInWord, 11)])
        );
    }

    #[test]
    fn spans_count_characters_and_include_quotes() {
        let mut complaints = Complaints::default();
        let mut out = Vec::new();
        tokens("é \"a b\"x {", Places::Line(FileId(3), 9), &mut complaints, &mut out);
        let spans: Vec<_> = out
            .iter()
            .map(|token| match token {
                Token::Word(Word { span, .. }) | Token::Open(span) | Token::Close(span) => {
                    (span.file.0, span.line, span.column, span.length)
                }
            })
            .collect();
        assert_eq!(spans, [(3, 9, 1, 1), (3, 9, 3, 6), (3, 9, 10, 1)]);
    }
}

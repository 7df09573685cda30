//! Where the blocks of virtual servers stand in a text, found at a glance.
//!
//! A glance sees lines and braces. It knows what it does not understand: a text in which something is expanded has no
//! blocks, and neither has one whose braces do not match. A line with quotes, backslashes or file names is cut into words
//! as the reader itself does.

use std::ops::Range;

use crate::config::complaint::Complaints;
use crate::config::source::FileId;
use crate::config::syntax::fragment::Places;
use crate::config::syntax::lexer::{self, Token};
use crate::config::syntax::tree::needs_expansion;

/// A block at the top level, from the line of its keyword to that of its closing brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockAt {
    pub bytes: Range<usize>,
    /// Ends of line in it.
    pub ends: usize,
}

impl BlockAt {
    pub fn text<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.bytes.clone()).unwrap_or_default()
    }
}

/// What one line does to the blocks around it.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    /// Nothing, as far as it has words at all.
    Plain,
    /// `virtual_server … {`
    Head,
    /// `}`
    End,
    /// So many braces are opened, then so many closed, or the other way round.
    Braces(usize, usize),
}

/// The blocks of virtual servers; `None` if the text is not one to be seen through at a glance.
pub(super) fn blocks(text: &str) -> Option<Vec<BlockAt>> {
    let (expands, includes) = (text.contains('$'), text.contains("include"));
    let mut found: Vec<BlockAt> = Vec::new();
    let (mut depth, mut at) = (0_usize, 0_usize);
    // The block that is open; whether the last line with words in it ended one.
    let (mut open, mut behind): (Option<BlockAt>, bool) = (None, false);
    for whole in text.split_inclusive('\n') {
        let start = at;
        at += whole.len();
        if (expands || whole.trim_start().starts_with(['@', '~'])) && needs_expansion(whole) {
            return None;
        }
        let code = whole.trim();
        if behind && code.starts_with('{') {
            // It is for whatever stands before: not for a block that is taken out.
            found.pop();
        }
        behind &= code.is_empty() || code.starts_with(['#', '!']);
        let has_end = usize::from(whole.ends_with('\n'));
        if let Some(block) = &mut open {
            block.ends += has_end;
        }
        match shape(code, includes) {
            Shape::Plain => {}
            Shape::Head if depth == 0 => {
                open = Some(BlockAt { bytes: start..at, ends: has_end });
                depth = 1;
            }
            Shape::Head => depth += 1,
            Shape::End => {
                depth = depth.checked_sub(1)?;
                if depth == 0
                    && let Some(mut block) = open.take()
                {
                    block.bytes.end = at;
                    // What an included file says is not in the text.
                    if !includes || !block.text(text).contains("include") {
                        found.push(block);
                        behind = true;
                    }
                }
            }
            Shape::Braces(opened, closed) => {
                depth = (depth + opened).checked_sub(closed)?;
                if depth == 0 {
                    open = None;
                }
            }
        }
    }
    (depth == 0).then_some(found)
}

fn shape(code: &str, includes: bool) -> Shape {
    let odd = |byte: u8| matches!(byte, b'"' | b'\'' | b'\\' | 0);
    let (mut opened, mut closed, mut end) = (0, 0, code.len());
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' => opened += 1,
            b'}' => closed += 1,
            b'#' | b'!' => {
                end = at;
                break;
            }
            byte if odd(byte) => return cut_up(code),
            _ => {}
        }
    }
    if opened + closed == 0 {
        return Shape::Plain;
    }
    if includes && code.contains("include") {
        return cut_up(code);
    }
    let words = code.get(..end).unwrap_or_default().trim_end();
    let is_head = || words.strip_prefix("virtual_server").is_some_and(|rest| rest.starts_with([' ', '\t']));
    match (opened, closed) {
        (1, 0) if words.ends_with('{') && is_head() => Shape::Head,
        (0, 1) if words == "}" => Shape::End,
        _ => Shape::Braces(opened, closed),
    }
}

/// The same of a line that takes a closer look.
fn cut_up(code: &str) -> Shape {
    let (mut tokens, mut unheard) = (Vec::new(), Complaints::default());
    lexer::tokens(code, Places::Line(FileId::default(), 1), &mut unheard, &mut tokens);
    let opened = tokens.iter().filter(|token| matches!(token, Token::Open(_))).count();
    let closed = tokens.iter().filter(|token| matches!(token, Token::Close(_))).count();
    if opened + closed == 0 { Shape::Plain } else { Shape::Braces(opened, closed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<Vec<&str>> {
        blocks(text).map(|found| found.iter().map(|block| block.text(text)).collect())
    }

    #[test]
    fn blocks_are_found_where_they_stand() {
        let text = "# virtual_server a {\nglobal_defs {\n}\nvirtual_server a 1 { # }\n x \"}\"\n y {\n }\n}\n\
                    virtual_server_group g {\n}\n virtual_server b 2 {\n} # end\nvirtual_server c { }\n";
        assert_eq!(
            found(text),
            Some(vec![
                "virtual_server a 1 { # }\n x \"}\"\n y {\n }\n}\n",
                " virtual_server b 2 {\n} # end\n",
            ])
        );
        assert_eq!(blocks(text).unwrap()[0].ends, 5);
        assert_eq!(found("virtual_server a {\n}"), Some(vec!["virtual_server a {\n}"]));
    }

    #[test]
    fn what_is_not_understood_has_no_blocks() {
        for text in [
            "virtual_server a {\n",
            "}\nvirtual_server a {\n}\n",
            "$A = 1\nvirtual_server a {\n}\n",
            "~SEQ(i, 1, 2) x\nvirtual_server a {\n}\n",
            "virtual_server a {\n @id x\n}\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_whole_in_itself_is_no_block() {
        for text in [
            "virtual_server a {\n include b\n}\n",
            "virtual_server a {\n}\n\n# for whom?\n{\n}\n",
            "virtual_server a\n{\n}\n",
            "virtual_server a { x {\n}\n}\n",
            "virtual_server a {\n x }\n",
            "virtual_server \"a\" {\n}\n",
            "x { virtual_server a {\n}\n}\n",
        ] {
            assert_eq!(found(text), Some(Vec::new()), "{text}");
        }
        assert_eq!(found("include a{b,c}\nvirtual_server a {\n}\n").unwrap().len(), 1);
    }
}

//! Which statement belongs to which block, in keepalived's eyes.
//!
//! directord follows the braces. keepalived follows its keywords: it expects a brace only behind a keyword that takes a
//! block where it stands. A `{` anywhere else it ignores, and takes the statements behind it as if they stood outside;
//! the matching `}` then closes the block around it, and what is left of that block is read as if it stood further
//! out, where most of it is unknown. So one misspelt name of a block costs the rest of the block around it, too.
//!
//! The same happens with `${NAME}` where nothing of that name is defined: to keepalived its braces are braces.
//!
//! Compatible reading needs the tree as keepalived sees it. Strict reading refuses such a file, and tells of every
//! line that keepalived does not read as it is meant: that is what runs today, where keepalived runs.

use super::keywords::{self, Form, Found, Place};
use super::source::Span;
use super::syntax::tree::Tree;
use super::syntax::{Block, Statement, Word};

/// The tree in keepalived's eyes.
#[derive(Debug, Default)]
pub struct Relinked {
    /// The statements, each where keepalived sees it. Those that are unknown there are among them.
    pub tree: Tree,
    /// Statements and closing braces that mean nothing to keepalived where it sees them, though by the braces they are
    /// not to blame for it.
    pub misread: Vec<Span>,
}

/// Links the statements as keepalived does; `None` if that makes no difference.
pub fn relink(tree: &Tree) -> Option<Relinked> {
    if is_sound(&tree.root, Inside::Block(Place::Root)) {
        return None;
    }
    let root = Level {
        owner: None,
        open: Span::default(),
        inside: Inside::Block(Place::Root),
        statements: Vec::new(),
    };
    let mut linker = Linker { stack: Vec::new(), root, misread: Vec::new() };
    linker.statements(&tree.root.statements, Inside::Block(Place::Root));
    while !linker.stack.is_empty() {
        linker.finish(None);
    }
    let root = Block { statements: linker.root.statements, ..Block::default() };
    Some(Relinked { tree: Tree { root, incomplete: tree.incomplete }, misread: linker.misread })
}

/// What may stand somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Keywords of a place.
    Block(Place),
    /// Lines of their own kind.
    Lines,
    /// Nothing: this is the block of something unknown, or of something that takes none.
    Nothing,
}

impl Inside {
    /// What may stand in the block of a word that stands here.
    fn behind(self, keyword: &Word) -> Inside {
        let Inside::Block(place) = self else { return Inside::Nothing };
        match keywords::find(place, &keyword.text) {
            Found::Here(found) => match found.form {
                Form::Block(_, place) => Inside::Block(place),
                Form::Lines(..) => Inside::Lines,
                _ => Inside::Nothing,
            },
            _ => Inside::Nothing,
        }
    }

    /// Whether the word means something here.
    fn knows(self, keyword: &Word) -> bool {
        match self {
            Inside::Block(place) => matches!(keywords::find(place, &keyword.text), Found::Here(_)),
            Inside::Lines => true,
            Inside::Nothing => false,
        }
    }
}

/// Whether braces stand exactly where keywords want them.
fn is_sound(block: &Block, inside: Inside) -> bool {
    block.statements.iter().all(|statement| {
        let wanted = inside.behind(&statement.keyword);
        match &statement.block {
            _ if split(statement).is_some() => false,
            None => wanted == Inside::Nothing && !statement.is_brace(),
            Some(block) => wanted != Inside::Nothing && block.close.is_some() && is_sound(block, wanted),
        }
    })
}

/// A statement with an undefined `${NAME}` in it, as what stands before it, the name, and what stands behind it.
fn split(statement: &Statement) -> Option<[Statement; 3]> {
    let words = || std::iter::once(&statement.keyword).chain(&statement.words);
    let at = words().position(|word| !word.quoted && word.text.contains("${"))?;
    let word = words().nth(at)?;
    let (start, rest) = word.text.split_once('{')?;
    let (name, end) = rest.split_once('}')?;
    let part = |text: &str| Word { text: text.to_owned(), ..word.clone() };
    let line = |mut words: Vec<Word>, block: Option<Block>| {
        let keyword = if words.is_empty() { part("") } else { words.remove(0) };
        Statement { keyword, words, block }
    };
    let before = line(words().take(at).cloned().chain([part(start)]).collect(), None);
    let behind = Some(part(end)).filter(|end| !end.text.is_empty()).into_iter();
    let behind = line(behind.chain(words().skip(at + 1).cloned()).collect(), statement.block.clone());
    Some([before, line(vec![part(name)], None), behind])
}

/// A block that keepalived has open.
struct Level {
    owner: Option<(Word, Vec<Word>)>,
    open: Span,
    inside: Inside,
    statements: Vec<Statement>,
}

struct Linker {
    /// Outermost first.
    stack: Vec<Level>,
    root: Level,
    misread: Vec<Span>,
}

impl Linker {
    /// Goes through statements in the order of the text; `meant` is where they stand by their braces.
    fn statements(&mut self, statements: &[Statement], meant: Inside) {
        for statement in statements {
            if statement.is_brace() && statement.block.is_none() {
                self.close(statement.keyword.span, false);
            } else {
                self.statement(statement, meant);
            }
        }
    }

    fn statement(&mut self, statement: &Statement, meant: Inside) {
        if let Some([before, name, behind]) = split(statement) {
            self.statement(&before, meant);
            self.misread.push(name.keyword.span);
            self.statement(&name, meant);
            self.close(name.keyword.span, true);
            if !behind.keyword.text.is_empty() || behind.block.is_some() {
                self.statement(&behind, Inside::Nothing);
            }
            return;
        }
        let Statement { keyword, words, block } = statement;
        let here = self.level().inside;
        // Where it is not even meant to be known, that is told as an error.
        let told = matches!(meant, Inside::Block(_)) && !meant.knows(keyword);
        if !told && !here.knows(keyword) {
            self.misread.push(keyword.span);
        }
        let wanted = here.behind(keyword);
        let (keyword, words) = (keyword.clone(), words.clone());
        let opens = wanted != Inside::Nothing;
        if opens {
            let open = block.as_ref().map_or(keyword.span, |block| block.open);
            self.stack.push(Level {
                owner: Some((keyword, words)),
                open,
                inside: wanted,
                statements: Vec::new(),
            });
        } else if !statement.is_brace() {
            self.level().statements.push(Statement { keyword, words, block: None });
        }
        if let Some(block) = block {
            self.statements(&block.statements, meant.behind(&statement.keyword));
            if let Some(close) = block.close {
                self.close(close, true);
            }
        }
    }

    /// A closing brace, wherever it was meant to belong; `meant` tells whether it was meant at all.
    fn close(&mut self, span: Span, meant: bool) {
        if !self.stack.is_empty() {
            self.finish(Some(span));
        } else if meant {
            self.misread.push(span);
        }
    }

    fn finish(&mut self, close: Option<Span>) {
        let Some(Level { owner: Some((keyword, words)), open, statements, .. }) = self.stack.pop() else {
            return;
        };
        let block = Some(Block { open, close, statements });
        self.level().statements.push(Statement { keyword, words, block });
    }

    fn level(&mut self) -> &mut Level {
        self.stack.last_mut().unwrap_or(&mut self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Manner, Purpose, Severity, read_text, read_text_as};

    const COMPATIBLE: Manner = Manner { purpose: Purpose::Check, compat: true };

    fn instance(lines: &str) -> String {
        format!("vrrp_instance A {{\ninterface eth0\nvirtual_router_id 3\n{lines}\n}}\n")
    }

    /// Lines of which is told that keepalived does not read them as meant.
    fn misread(text: &str) -> Vec<u32> {
        let reading = read_text("a.conf", text);
        let told = reading.complaints.iter().filter(|complaint| complaint.code.as_str() == "read-elsewhere");
        told.map(|complaint| complaint.line).collect()
    }

    #[test]
    fn an_unknown_block_costs_the_rest_of_the_block_around_it() {
        let text = instance("foo {\npriority 7\n}\nvirtual_ipaddress {\n10.0.0.1\n}\nadvert_int 9");
        let config = read_text_as("a.conf", &text, COMPATIBLE).config.expect("keepalived starts with it");
        let instance = &config.instances["A"];
        assert_eq!(instance.router.priority, 7, "what stands in the unknown block counts");
        assert_eq!(instance.router.interval.as_secs(), 1, "what stands behind it does not");
        assert!(instance.addresses.is_empty());
        // The addresses, their closing brace, the interval and the last brace.
        assert_eq!(misread(&text), [7, 8, 9, 10, 11]);
    }

    #[test]
    fn a_missing_brace_makes_two_instances_one() {
        let first = instance("virtual_ipaddress {\n10.0.0.1");
        let text = format!(
            "{first}{}",
            instance("priority 9\nvirtual_ipaddress {\n10.0.0.2\n}").replace("A {", "B {")
        );
        let config = read_text_as("a.conf", &text, COMPATIBLE).config.expect("keepalived starts with it");
        assert_eq!(config.instances.keys().collect::<Vec<_>>(), ["A"]);
        assert_eq!((config.instances["A"].router.priority, config.instances["A"].addresses.len()), (9, 2));
    }

    #[test]
    fn a_keyword_without_its_block_takes_what_follows() {
        let text = format!("global_defs\n{}", instance("virtual_ipaddress {\n10.0.0.1\n}"));
        let reading = read_text_as("a.conf", &text, COMPATIBLE);
        assert!(reading.config.expect("keepalived starts with it").instances.is_empty());
        assert!(reading.complaints.iter().all(|complaint| complaint.severity != Severity::Error));
    }

    #[test]
    fn braces_of_a_name_that_is_not_defined_are_braces() {
        let text = instance("unicast_src_ip 10.0.0.${ME}\npriority 9\nvirtual_ipaddress {\n10.0.0.1\n}");
        let reading = read_text_as("a.conf", &text, COMPATIBLE);
        let config = reading.config.expect("keepalived starts with it");
        assert_eq!(config.instances["A"].router.priority, 100, "the brace behind ME closes the instance");
        assert!(misread(&text).contains(&5));
    }

    #[test]
    fn a_good_file_is_linked_as_it_stands() {
        assert!(misread(&instance("virtual_ipaddress {\n10.0.0.1\n}")).is_empty());
        let text = instance("virtual_ipaddress {\n10.0.0.1\n}\nfoo 1");
        assert!(misread(&text).is_empty(), "an unknown line without a block confuses nobody");
    }
}

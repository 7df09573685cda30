//! Statements as text with the origin of each behind it: the line of the file that says it, or that it is a default.
//!
//! The statements that were read are at hand as a tree. A thing is found in it by its place; in its block a statement is
//! found by its keyword, and among several of a kind by its words or its number.

use std::collections::BTreeMap;

use super::{Line, text};
use crate::config::Reading;
use crate::config::keywords::{self, Form, Found, Keyword, Place};
use crate::config::source::Span;
use crate::config::syntax::Statement;

/// Comments stand no further right than this, where the text before them allows.
const WIDEST: usize = 60;

/// The statements as text that can be read again. The file must have been read for this purpose.
pub fn annotated(lines: &[Line], reading: &Reading) -> String {
    let mut places = BTreeMap::new();
    collect(&reading.tree.root.statements, &mut places);
    let mut finder = Finder { reading, places, comments: Vec::new() };
    let root = Scope::new(Some(Place::Root), reading.tree.root.statements.iter());
    finder.block(lines, &mut vec![root]);
    let mut comments = finder.comments.into_iter();
    let mut out = String::new();
    // One group of aligned comments for each block of the top level.
    let rows = text::rows(lines);
    for group in rows.split_inclusive(|row| row.text == "}") {
        let width = |row: &text::Row| row.text.chars().count();
        let widest = group.iter().filter(|row| row.begins).map(width).filter(|width| *width <= WIDEST).max();
        let widest = widest.unwrap_or_default();
        for row in group {
            out.push_str(&row.text);
            if row.begins {
                let comment = comments.next().unwrap_or_default();
                let blanks = widest.saturating_sub(width(row)) + 2;
                out.push_str(&format!("{}# {comment}", " ".repeat(blanks)));
            }
            out.push('\n');
        }
    }
    out
}

/// Every statement by the place that stands for it in [`Spans`](crate::config::Spans).
fn collect<'a>(statements: &'a [Statement], places: &mut BTreeMap<Span, &'a Statement>) {
    for statement in statements {
        places.entry(value_span(statement)).or_insert(statement);
        if let Some(block) = &statement.block {
            collect(&block.statements, places);
        }
    }
}

fn value_span(statement: &Statement) -> Span {
    statement.words.first().unwrap_or(&statement.keyword).span
}

/// What is said in a block; in several if they count as one.
struct Scope<'a> {
    /// `None` in lists.
    place: Option<Place>,
    /// The first of the blocks.
    owner: Option<&'a Statement>,
    said: BTreeMap<&'a str, Vec<&'a Statement>>,
    /// Blocks by the words before them.
    blocks: BTreeMap<(&'a str, String), Vec<&'a Statement>>,
}

impl<'a> Scope<'a> {
    fn of(place: Option<Place>, blocks: &[&'a Statement]) -> Self {
        let inside = blocks.iter().filter_map(|statement| statement.block.as_ref());
        let scope = Self::new(place, inside.flat_map(|block| &block.statements));
        Self { owner: blocks.first().copied(), ..scope }
    }

    fn new(place: Option<Place>, statements: impl Iterator<Item = &'a Statement>) -> Self {
        let mut scope = Self { place, owner: None, said: BTreeMap::new(), blocks: BTreeMap::new() };
        for statement in statements {
            let word = statement.keyword.text.as_str();
            let name = place.and_then(|place| known(place, word)).map_or(word, |keyword| keyword.canonical());
            scope.said.entry(name).or_default().push(statement);
            if statement.block.is_some() && !statement.words.is_empty() {
                scope.blocks.entry((name, statement.text())).or_default().push(statement);
            }
        }
        scope
    }

    fn last(&self, keyword: &str) -> Option<&'a Statement> {
        self.said.get(keyword)?.last().copied()
    }
}

fn known(place: Place, keyword: &str) -> Option<&'static Keyword> {
    match keywords::find(place, keyword) {
        Found::Here(keyword) => Some(keyword),
        _ => None,
    }
}

/// An address without its prefix length.
fn host(word: &str) -> &str {
    word.split('/').next().unwrap_or(word)
}

struct Finder<'a> {
    reading: &'a Reading,
    places: BTreeMap<Span, &'a Statement>,
    /// One for each statement, in order.
    comments: Vec<String>,
}

impl<'a> Finder<'a> {
    /// `scopes` are the blocks around, outermost first; the last is the one that these lines stand in.
    fn block(&mut self, lines: &[Line], scopes: &mut Vec<Scope<'a>>) {
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for line in lines {
            *count.entry(&line.keyword).or_default() += 1;
        }
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for line in lines {
            let number = seen.entry(&line.keyword).or_default();
            let only = count.get(line.keyword.as_str()) == Some(&1);
            let found = self.find(line, scopes, *number, only);
            *number += 1;
            self.comments.push(self.comment(line, &found, scopes));
            let Some(inside) = &line.block else { continue };
            let place = scopes.last().and_then(|scope| scope.place);
            let place = place.and_then(|place| known(place, &line.keyword)).and_then(Keyword::inside);
            scopes.push(Scope::of(place, &found));
            self.block(inside, scopes);
            scopes.pop();
        }
    }

    /// Where the line is said: the `number`th of its keyword in its block, perhaps the only one.
    fn find(&self, line: &Line, scopes: &[Scope<'a>], number: usize, only: bool) -> Vec<&'a Statement> {
        if let Some(thing) = &line.thing {
            return self.places.get(&self.reading.spans.of(thing)).copied().into_iter().collect();
        }
        let Some(scope) = scopes.last() else { return Vec::new() };
        let keyword = line.keyword.as_str();
        let said = match (scope.said.get(keyword), scope.place) {
            (Some(said), _) => said,
            (None, Some(_)) => return Vec::new(),
            // An address with another prefix length, or whatever begins the line of the list.
            (None, None) => match scope.said.iter().find(|(word, _)| host(word) == host(keyword)) {
                Some((_, said)) => said,
                None => return scope.owner.into_iter().collect(),
            },
        };
        if line.block.is_some() {
            let same = scope.blocks.get(&(keyword, line.words.join(" ")));
            let merges = matches!(
                scope.place.and_then(|place| known(place, keyword)).map(|keyword| keyword.form),
                Some(Form::Lines(..) | Form::Block(_, Place::Global))
            );
            match same {
                Some(same) if merges => return same.clone(),
                Some(same) => return same.last().copied().into_iter().collect(),
                None if merges && line.words.is_empty() => return said.clone(),
                None => {}
            }
        }
        let found = if only { said.last() } else { said.get(number) };
        found.copied().into_iter().collect()
    }

    fn comment(&self, line: &Line, found: &[&Statement], scopes: &[Scope<'a>]) -> String {
        if let Some(statement) = found.first() {
            return self.location(statement);
        }
        self.inherited(line, scopes).unwrap_or_else(|| "default".to_owned())
    }

    /// A value that an outer block says, or `global_defs` under another name.
    fn inherited(&self, line: &Line, scopes: &[Scope<'a>]) -> Option<String> {
        let (own, outer) = scopes.split_last()?;
        let keyword = known(own.place?, &line.keyword)?;
        for scope in outer.iter().rev() {
            let Some(place) = scope.place.filter(|place| *place != Place::Root) else { continue };
            if let Some(statement) = scope.last(keyword.name) {
                return Some(format!("from {} {}", place.name(), self.location(statement)));
            }
        }
        // The table says where a default comes from: "as `vrrp_version`".
        let name = keyword.default?.strip_prefix("as `")?.split('`').next()?;
        let globals = outer.first()?.said.get(Place::Global.name())?;
        let said = Scope::of(Some(Place::Global), globals).last(name)?;
        Some(format!("from {} {}", Place::Global.name(), self.location(said)))
    }

    /// The file and line of a statement.
    fn location(&self, statement: &Statement) -> String {
        let Span { file, line, .. } = statement.keyword.span;
        let name: String =
            self.reading.sources.name(file).chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        format!("{name}:{line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Purpose, read_text_as};

    fn line(words: &str, default: bool, block: Option<Vec<Line>>) -> Line {
        let mut words = words.split(' ').map(str::to_owned);
        let keyword = words.next().expect("a keyword");
        Line { keyword, words: words.collect(), block, default, thing: None }
    }

    const TEXT: &str = "\
vrrp_instance A {
  interface eth0
  virtual_router_id 1
  virtual_router_id 51
  virtual_ipaddress {
    10.0.0.9
    10.0.0.8
  }
}
vrrp_instance B { interface eth0
  virtual_router_id 52
  advert_int 2
  virtual_ipaddress { 10.0.0.7
    10.0.0.6
  }
  virtual_ipaddress {
    10.0.0.5
  }
}
global_defs {
  vrrp_version 3
}
global_defs {
  vrrp_garp_master_delay 7
}
";

    const ANNOTATED: &str = "\
global_defs {                 # a.conf:20
    vrrp_garp_master_delay 7  # a.conf:24
    vrrp_version 3            # a.conf:21
}

vrrp_instance A {         # a.conf:1
    interface eth0        # a.conf:2
    virtual_router_id 51  # a.conf:4
    advert_int 1          # default
    version 3             # from global_defs a.conf:21
    garp_master_delay 7   # from global_defs a.conf:24

    virtual_ipaddress {   # a.conf:5
        10.0.0.8          # a.conf:7
        10.0.0.9/32       # a.conf:6
    }
}

vrrp_instance B {         # a.conf:10
    interface eth0        # a.conf:10
    virtual_router_id 52  # a.conf:11
    advert_int 2          # a.conf:12
    version 3             # from global_defs a.conf:21
    garp_master_delay 7   # from global_defs a.conf:24

    virtual_ipaddress {   # a.conf:13
        10.0.0.7          # a.conf:13
        10.0.0.6          # a.conf:14
        10.0.0.5          # a.conf:17
    }
}
";

    #[test]
    fn each_value_tells_where_it_comes_from() {
        let reading = read_text_as("a.conf", TEXT, Purpose::Show);
        assert!(reading.config.is_some(), "{}", reading.render(crate::config::Colour::Never));
        let address = |words| line(words, false, None);
        let instance = |name: &str, vrid: &str, addresses: Vec<Line>| {
            let interval = if name == "A" { "advert_int 1" } else { "advert_int 2" };
            let mut instance = line(
                "vrrp_instance",
                false,
                Some(vec![
                    line("interface eth0", false, None),
                    line(vrid, false, None),
                    line(interval, name == "A", None),
                    line("version 3", false, None),
                    line("garp_master_delay 7", false, None),
                    line("virtual_ipaddress", false, Some(addresses)),
                ]),
            );
            instance.words = vec![name.to_owned()];
            instance.thing = Some(crate::config::Thing::Instance(name.to_owned()));
            instance
        };
        let globals =
            vec![line("vrrp_garp_master_delay 7", false, None), line("vrrp_version 3", false, None)];
        let lines = [
            line("global_defs", false, Some(globals)),
            instance("A", "virtual_router_id 51", vec![address("10.0.0.8"), address("10.0.0.9/32")]),
            instance(
                "B",
                "virtual_router_id 52",
                vec![address("10.0.0.7"), address("10.0.0.6"), address("10.0.0.5")],
            ),
        ];
        assert_eq!(annotated(&lines, &reading), ANNOTATED);
    }
}

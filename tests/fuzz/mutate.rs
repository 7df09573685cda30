//! Texts become other texts: a little chance, and the words of the language.

use directord::config::keywords;

/// Numbers by chance; the same seed gives the same ones.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        // xorshift64*, George Marsaglia 2003 and Sebastiano Vigna 2016.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % limit.max(1)
    }

    fn one<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// Longer texts are cut off: what is wrong shows in short ones, too.
pub const LONGEST: usize = 4096;

/// Pieces that mean something to the language itself.
const PIECES: &[&str] = &[
    "{",
    "}",
    "{ ",
    " }\n",
    "\n",
    "\r\n",
    " ",
    "\t",
    "#",
    "!",
    "\"",
    "'",
    "\\",
    "\\\n",
    "$",
    "$A=",
    "$A",
    "${A}",
    "${",
    "$A=\\\n",
    "@low ",
    "@^low ",
    "@",
    "~SEQ(I, 1, 9) ",
    "~SEQ(",
    "~SEQx(I, 10) ",
    "~LST(I, a, b) ",
    "~LST({I, J}, {1, 2}) ",
    "$I",
    "${I}",
    "${_PWD}",
    "${_HASH}",
    "${_BANG}",
    "${_RANDOM 1 9}",
    "${_ENV USER}",
    "include ",
    "include comments.conf\n",
    "\u{a0}",
    "\u{feff}",
    "é",
    "\0",
    "\u{fffd}",
    ",",
    "(",
    ")",
    "-",
    "/",
    ":",
    ".",
    "0",
    "-1",
    "1",
    "255",
    "256",
    "65536",
    "4294967296",
    "99999999999999999999",
    "0x1f",
    "010",
    "1e9",
    "0.000001",
    "10.0.0.1",
    "10.0.0.1/24",
    "10.0.0.1-254",
    "::1",
    "2001:db8::/32",
    "fe80::1%eth0",
    "eth0",
    "on",
    "off",
    "weight",
    "reverse",
    "dev",
    "fwmark 1",
    "group",
    "root",
    "\"a b\"",
    "'a b'",
    "\"\\x\"",
    "all",
    "none",
];

/// One text made of another, or of two.
pub fn mutate(text: &str, other: &str, words: &[&str], chance: &mut Chance) -> String {
    let mut text = text.to_owned();
    for _ in 0..=chance.below(4) {
        text = match chance.below(10) {
            0 => without_line(&text, chance),
            1 => line_twice(&text, chance),
            2 => lines_exchanged(&text, chance),
            3 => line_of(&text, other, chance),
            4 | 5 => word_replaced(&text, words, chance),
            6 => inserted(&text, words, chance),
            7 => inserted(&text, PIECES, chance),
            8 => without_characters(&text, chance),
            _ => word_replaced(&text, PIECES, chance),
        };
    }
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST).last();
    text.truncate(end.unwrap_or(0));
    text
}

/// Every keyword.
pub fn words() -> Vec<&'static str> {
    keywords::all().map(|keyword| keyword.name).collect()
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn without_line(text: &str, chance: &mut Chance) -> String {
    let mut lines = lines(text);
    if !lines.is_empty() {
        lines.remove(chance.below(lines.len()));
    }
    lines.concat()
}

fn line_twice(text: &str, chance: &mut Chance) -> String {
    let mut lines = lines(text);
    if !lines.is_empty() {
        let line = *chance.one(&lines);
        lines.insert(chance.below(lines.len() + 1), line);
    }
    lines.concat()
}

fn lines_exchanged(text: &str, chance: &mut Chance) -> String {
    let mut lines = lines(text);
    if !lines.is_empty() {
        let (one, other) = (chance.below(lines.len()), chance.below(lines.len()));
        lines.swap(one, other);
    }
    lines.concat()
}

fn line_of(text: &str, other: &str, chance: &mut Chance) -> String {
    let (mut lines, others) = (lines(text), lines(other));
    if !others.is_empty() {
        let first = chance.below(others.len());
        let last = (first + 1 + chance.below(8)).min(others.len());
        let at = chance.below(lines.len() + 1);
        lines.splice(at..at, others[first..last].iter().copied());
    }
    lines.concat()
}

fn word_replaced(text: &str, words: &[&str], chance: &mut Chance) -> String {
    let found: Vec<&str> = text.split_whitespace().collect();
    if found.is_empty() {
        return (*chance.one(words)).to_owned();
    }
    let word = *chance.one(&found);
    let start = word.as_ptr().addr() - text.as_ptr().addr();
    format!("{}{}{}", &text[..start], chance.one(words), &text[start + word.len()..])
}

fn place(text: &str, chance: &mut Chance) -> usize {
    let mut at = chance.below(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn inserted(text: &str, pieces: &[&str], chance: &mut Chance) -> String {
    let at = place(text, chance);
    format!("{}{}{}", &text[..at], chance.one(pieces), &text[at..])
}

fn without_characters(text: &str, chance: &mut Chance) -> String {
    let at = place(text, chance);
    let rest = text[at..].chars().skip(1 + chance.below(6));
    text[..at].chars().chain(rest).collect()
}

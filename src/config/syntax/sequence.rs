//! `~SEQ`, `~SEQx` and `~LST`: the rest of the line once for every number or list item.
//!
//! `~SEQ(I, 1, 5)` counts; `~SEQx` counts in hexadecimal, for IPv6 addresses. `~LST(I, a, b)` goes through a list,
//! and `~LST({I, J}, {a, 1}, {b, 2})` through a list of groups. Several on one line make every combination.

/// A repetition may have as many rounds as this.
pub const MOST_ROUNDS: u64 = 1_000_000;

/// What stands before a line, cut into its parts, which are still to be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repetition<'a> {
    /// What kind it is.
    pub kind: Kind,
    /// What is in the parentheses, between the commas.
    pub items: Vec<&'a str>,
    /// Bytes up to and with the closing parenthesis.
    pub length: usize,
}

/// The three kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `~SEQ`
    Decimal,
    /// `~SEQx`
    Hexadecimal,
    /// `~LST`
    List,
}

/// The values of a repetition, one round after the other.
#[derive(Debug, Clone)]
pub enum Rounds {
    /// Numbers.
    Count {
        /// The name.
        name: String,
        /// The number of the next round.
        next: i64,
        /// From round to round.
        step: i64,
        /// Rounds that are left.
        left: u64,
        /// Whether the numbers are written in hexadecimal.
        hexadecimal: bool,
    },
    /// Listed values.
    List {
        /// The names.
        names: Vec<String>,
        /// A value for each name, for each round, in reverse.
        rounds: Vec<Vec<String>>,
    },
}

/// Whether a word is one of the three.
pub fn is_one(word: &str) -> bool {
    ["~SEQ", "~LST"].iter().any(|start| word.starts_with(start))
}

/// The repetition that the text begins with; `None` if it begins with something else.
pub fn of(text: &str) -> Option<Result<Repetition<'_>, &'static str>> {
    let kinds = [("~SEQx", Kind::Hexadecimal), ("~SEQ", Kind::Decimal), ("~LST", Kind::List)];
    let (kind, rest) = kinds.iter().find_map(|(name, kind)| Some((*kind, text.strip_prefix(name)?)))?;
    let Some(inside) = rest.trim_start().strip_prefix('(') else {
        return Some(Err("there is no `(` behind it"));
    };
    let Some((items, length)) = items(inside) else {
        return Some(Err("there is no `)` at its end"));
    };
    Some(Ok(Repetition { kind, items, length: text.len() - inside.len() + length }))
}

/// What stands between the commas that are in no braces, up to the closing parenthesis, and the bytes up to its end.
fn items(text: &str) -> Option<(Vec<&str>, usize)> {
    let (mut items, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' | ')' if depth == 0 => {
                items.push(text.get(start..at)?.trim());
                start = at + 1;
                if c == ')' {
                    return Some((items, start));
                }
            }
            _ => {}
        }
    }
    None
}

/// The parts of `{a, b}`, or the text itself.
fn group(text: &str) -> Vec<&str> {
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        Some(inside) => split(inside),
        None => vec![text],
    }
}

/// What stands between the commas that are in no braces.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let parts = text.split(|c| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    });
    parts.map(str::trim).collect()
}

impl Repetition<'_> {
    /// The rounds of it, or what is wrong. `expand` replaces the names in a part of it.
    pub fn rounds(&self, expand: &mut dyn FnMut(&str) -> String) -> Result<Rounds, String> {
        let (first, values) = self.items.split_first().ok_or("there is nothing in the parentheses")?;
        let hexadecimal = match self.kind {
            Kind::List => return list(first, values, expand),
            kind => kind == Kind::Hexadecimal,
        };
        check_name(first)?;
        let numbers: Vec<i64> = values.iter().map(|text| number(&expand(text))).collect::<Result<_, _>>()?;
        let (start, step, end) = match *numbers.as_slice() {
            [end] => (if end < 0 { -1 } else { 1 }, None, end),
            [start, end] => (start, None, end),
            [start, step, end] => (start, Some(step), end),
            _ => return Err("write `~SEQ(NAME, [START, [STEP,]] END)`".to_owned()),
        };
        let step = step.unwrap_or(if end < start { -1 } else { 1 });
        let left = rounds(start, step, end)?;
        if hexadecimal && (start < 0 || end < 0) {
            return Err("negative numbers have no hexadecimal form here".to_owned());
        }
        Ok(Rounds::Count { name: (*first).to_owned(), next: start, step, left, hexadecimal })
    }
}

fn rounds(start: i64, step: i64, end: i64) -> Result<u64, String> {
    let distance = i128::from(end) - i128::from(start);
    if step == 0 {
        return Err("the step is 0, so it would never end".to_owned());
    }
    if distance != 0 && (distance > 0) != (step > 0) {
        return Err(format!("in steps of {step}, {end} is never reached from {start}"));
    }
    let rounds = distance / i128::from(step) + 1;
    match u64::try_from(rounds) {
        Ok(rounds) if rounds <= MOST_ROUNDS => Ok(rounds),
        _ => Err(format!("it would repeat the line {rounds} times; allowed: {MOST_ROUNDS}")),
    }
}

fn list(first: &str, values: &[&str], expand: &mut dyn FnMut(&str) -> String) -> Result<Rounds, String> {
    let names: Vec<String> = group(first).into_iter().map(str::to_owned).collect();
    names.iter().try_for_each(|name| check_name(name))?;
    if values.is_empty() {
        return Err("write `~LST(NAME, VALUE, VALUE, …)`".to_owned());
    }
    let mut rounds = Vec::with_capacity(values.len());
    for value in values.iter().rev() {
        // With one name, braces belong to the value.
        let parts = if names.len() > 1 { group(value) } else { vec![*value] };
        if parts.len() > names.len() {
            return Err(format!("`{value}` has {} values, but there are {} names", parts.len(), names.len()));
        }
        let mut round: Vec<String> = parts.into_iter().map(&mut *expand).collect();
        round.resize(names.len(), String::new());
        rounds.push(round);
    }
    Ok(Rounds::List { names, rounds })
}

fn check_name(name: &str) -> Result<(), String> {
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name { Ok(()) } else { Err(format!("`{name}` is no name; names have letters, digits and `_`")) }
}

/// A whole number: decimal, octal behind `0`, or hexadecimal behind `0x`, as in keepalived.
fn number(text: &str) -> Result<i64, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) =
        if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            (digits, 16)
        } else if digits.len() > 1 && digits.starts_with('0') {
            (digits, 8)
        } else {
            (digits, 10)
        };
    let plain = digits.starts_with(|c: char| c.is_ascii_alphanumeric());
    let number = plain.then(|| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()).flatten();
    number.ok_or_else(|| format!("`{text}` is no whole number"))
}

impl Iterator for Rounds {
    /// Names and their values.
    type Item = Vec<(String, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Count { name, next, step, left, hexadecimal } => {
                *left = left.checked_sub(1)?;
                let number = *next;
                *next = number.wrapping_add(*step);
                let text = if *hexadecimal { format!("{number:x}") } else { number.to_string() };
                Some(vec![(name.clone(), text)])
            }
            Self::List { names, rounds } => {
                let values = rounds.pop()?;
                Some(names.iter().cloned().zip(values).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of each round, joined by `+`, and all of them by blanks.
    fn values(text: &str) -> Result<String, String> {
        let repetition = of(text).expect("a repetition")?;
        let rounds = repetition.rounds(&mut |text| text.replace("$N", "3"))?;
        let round = |round: Vec<(String, String)>| {
            round.into_iter().map(|(_, value)| value).collect::<Vec<_>>().join("+")
        };
        Ok(rounds.map(round).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn repetitions_have_the_values_that_keepalived_gives_them() {
        let cases = [
            ("~SEQ(I,3)", "1 2 3"),
            ("~SEQ(I,-3)", "-1 -2 -3"),
            ("~SEQ(I,0,2)", "0 1 2"),
            ("~SEQ(I,3,1)", "3 2 1"),
            ("~SEQ(I, 1, 5, 3)", "1"),
            ("~SEQ(I,1,3,9)", "1 4 7"),
            ("~SEQ(I,9,-3,1)", "9 6 3"),
            ("~SEQ(I,10,5,20)", "10 15 20"),
            ("~SEQ (I,2)", "1 2"),
            ("~SEQ(I,$N)", "1 2 3"),
            ("~SEQ(I,010,011)", "8 9"),
            ("~SEQ(I,+1,0x2)", "1 2"),
            ("~SEQ(I,4,4)", "4"),
            ("~SEQ(I,9223372036854775806,9223372036854775807)", "9223372036854775806 9223372036854775807"),
            ("~SEQx(I,8,1,16)", "8 9 a b c d e f 10"),
            ("~LST(I,a, b ,c)", "a b c"),
            ("~LST(I,a,,b)", "a  b"),
            ("~LST(I,{x},$N)", "{x} 3"),
            ("~LST({I,J},{a,1},{b,2})", "a+1 b+2"),
            ("~LST({I, J}, {a , 1}, {b})", "a+1 b+"),
            ("~LST({I,J},a,b)", "a+ b+"),
        ];
        for (text, expected) in cases {
            assert_eq!(values(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let cases = [
            ("~SEQ(I,1,0,3)", "step is 0"),
            ("~SEQ(I,1,-1,3)", "never reached"),
            ("~SEQ(I,9,3,1)", "never reached"),
            ("~SEQ(I,1000000000000)", "1000000000000 times"),
            ("~SEQ(I,-9223372036854775808,9223372036854775807)", "18446744073709551616 times"),
            ("~SEQ(I,a,3)", "`a` is no whole number"),
            ("~SEQ(I,)", "`` is no whole number"),
            ("~SEQ(I,--1)", "no whole number"),
            ("~SEQ(I,99999999999999999999)", "no whole number"),
            ("~SEQ(I)", "write"),
            ("~SEQ()", "is no name"),
            ("~SEQ(I,1,2,3,4)", "write"),
            ("~SEQ(1I,2)", "no name"),
            ("~SEQ(I,2", "no `)`"),
            ("~SEQ I", "no `(`"),
            ("~SEQx(I,-2,1)", "negative"),
            ("~LST(I)", "write"),
            ("~LST({I,J},{a,b,c})", "3 values"),
        ];
        for (text, expected) in cases {
            let error = values(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(of("~seq(I,2)").is_none());
    }

    #[test]
    fn the_parenthesis_ends_it() {
        let found = of("~LST({I,J},{a,b}) x ) y").expect("a repetition").expect("a good one");
        assert_eq!((found.length, found.items), (17, vec!["{I,J}", "{a,b}"]));
    }
}

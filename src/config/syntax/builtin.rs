//! Names that are always defined: `${_PWD}`, `${_INSTANCE}`, `${_HASH}`, `${_BANG}`, `${_RANDOM}`, `${_ENV NAME}`.

use std::ops::RangeInclusive;
use std::path::Path;

/// What the text may ask of the world around it. Handed in, so that reading a configuration is a function of its
/// arguments.
pub struct Surroundings<'a> {
    /// What `@id` is compared with.
    pub config_id: &'a str,
    /// Where random numbers begin; the same seed gives the same numbers.
    pub seed: u64,
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// What relative names of files are relative to, for `${_PWD}`.
    pub directory: &'a Path,
}

/// What a built-in name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// This text; the second says whether blanks in it separate words.
    Text(String, bool),
    /// The sign of a comment.
    Comment(char),
}

/// Random numbers that a seed determines (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Begins at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn within(&mut self, range: &RangeInclusive<i64>) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let random = i128::from(mixed ^ (mixed >> 31));
        let count = i128::from(*range.end()) - i128::from(*range.start()) + 1;
        i64::try_from(i128::from(*range.start()) + random % count).unwrap_or(*range.start())
    }
}

/// Whether a name is always defined.
pub fn is_one(name: &str) -> bool {
    matches!(name, "_PWD" | "_INSTANCE" | "_HASH" | "_BANG" | "_RANDOM" | "_ENV")
}

/// What a built-in name stands for, or what is wrong with the way it is used. `directory` is where the file lies.
pub fn value(
    name: &str,
    arguments: &str,
    directory: &Path,
    chance: &mut Chance,
    around: &Surroundings<'_>,
) -> Result<Value, String> {
    if !arguments.is_empty() && !matches!(name, "_RANDOM" | "_ENV") {
        return Err(format!("`${{{name}}}` takes nothing behind its name, but there is `{arguments}`"));
    }
    match name {
        "_PWD" => {
            let path: std::path::PathBuf = around.directory.join(directory).components().collect();
            Ok(Value::Text(path.display().to_string(), false))
        }
        "_INSTANCE" => Ok(Value::Text(around.config_id.to_owned(), false)),
        "_HASH" => Ok(Value::Comment('#')),
        "_BANG" => Ok(Value::Comment('!')),
        "_RANDOM" => Ok(Value::Text(chance.within(&range(arguments)?).to_string(), false)),
        _ => environment(arguments, around).map(|value| Value::Text(value, true)),
    }
}

fn range(arguments: &str) -> Result<RangeInclusive<i64>, String> {
    let mut words = arguments.split_whitespace();
    let mut bound = |default: i64| match words.next() {
        None => Ok(default),
        Some(word) => {
            word.parse().map_err(|_| format!("`{word}` is no whole number; write `${{_RANDOM MIN MAX}}`"))
        }
    };
    let (least, most): (i64, i64) = (bound(0)?, bound(32_767)?);
    if words.next().is_some() {
        return Err("more than two numbers; write `${_RANDOM MIN MAX}`".to_owned());
    }
    if least > most {
        return Err(format!("the least number, {least}, is above the greatest, {most}"));
    }
    Ok(least..=most)
}

fn environment(name: &str, around: &Surroundings<'_>) -> Result<String, String> {
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err("write `${_ENV NAME}`, with the name of one environment variable".to_owned());
    }
    let Some(value) = (around.variable)(name) else {
        return Err(format!("the environment variable `{name}` is not set; set it for the daemon"));
    };
    if value.contains(['\n', '\r', '\0']) {
        return Err(format!("the environment variable `{name}` holds more than one line"));
    }
    Ok(value)
}

/// The text with a backslash before each sign that would mean something else.
pub fn escaped(text: &str, blanks_separate: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '#' | '!' | '"' | '\'' | '{' | '}' | '\\')
            || (!blanks_separate && matches!(c, ' ' | '\t'))
        {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: &str, arguments: &str) -> Result<Value, String> {
        let variable = |name: &str| (name == "SECRET").then(|| "a#b c".to_owned());
        let around =
            Surroundings { config_id: "low", seed: 7, variable: &variable, directory: Path::new("/etc") };
        value(name, arguments, Path::new("./x"), &mut Chance::new(7), &around)
    }

    #[test]
    fn built_in_names_have_their_values() {
        let text = |text: &str, separate| Ok(Value::Text(text.to_owned(), separate));
        assert_eq!(ask("_PWD", ""), text("/etc/x", false));
        assert_eq!(ask("_INSTANCE", ""), text("low", false));
        assert_eq!(ask("_HASH", ""), Ok(Value::Comment('#')));
        assert_eq!(ask("_BANG", ""), Ok(Value::Comment('!')));
        assert_eq!(ask("_ENV", "SECRET"), text("a#b c", true));
        assert_eq!(ask("_RANDOM", "5 5"), text("5", false));
        for (name, arguments) in [
            ("_ENV", "OTHER"),
            ("_ENV", ""),
            ("_RANDOM", "x"),
            ("_RANDOM", "2 1"),
            ("_RANDOM", "1 2 3"),
            ("_PWD", "x"),
        ] {
            assert!(ask(name, arguments).is_err(), "{name} {arguments}");
        }
    }

    #[test]
    fn a_seed_determines_the_numbers_and_the_range_holds() {
        let draw = |seed| {
            let mut chance = Chance::new(seed);
            (0..200).map(|_| chance.within(&(3..=9))).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!((3..=9).all(|n| draw(1).contains(&n)));
        assert!(draw(1).iter().all(|n| (3..=9).contains(n)));
        assert!((i64::MIN..=i64::MAX).contains(&Chance::new(0).within(&(i64::MIN..=i64::MAX))));
    }

    #[test]
    fn values_from_outside_are_taken_literally() {
        assert_eq!(escaped("a#b \"c\"{\\", true), "a\\#b \\\"c\\\"\\{\\\\");
        assert_eq!(escaped("a b", false), "a\\ b");
    }
}

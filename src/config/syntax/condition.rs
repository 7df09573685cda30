//! `@id` and `@^id` before a line: it counts on the director of that config id only, or everywhere else.

/// What stands before a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition<'a> {
    /// The config id that is asked for.
    pub id: &'a str,
    /// `@^`: any other is asked for.
    pub negated: bool,
    /// Bytes up to its end.
    pub length: usize,
}

impl<'a> Condition<'a> {
    /// The condition that the text begins with.
    pub fn of(text: &'a str) -> Option<Self> {
        let after = text.strip_prefix('@')?;
        let (negated, after) = after.strip_prefix('^').map_or((false, after), |after| (true, after));
        let id = after.split(char::is_whitespace).next().unwrap_or_default();
        Some(Self { id, negated, length: text.len() - after.len() + id.len() })
    }

    /// Whether the line counts on the director of this config id. Without a name (`@ line`) it counts nowhere.
    pub fn holds(&self, config_id: &str) -> bool {
        !self.id.is_empty() && (self.id == config_id) != self.negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_where_their_condition_holds() {
        let cases = [
            ("@low x", true),
            ("@^low x", false),
            ("@high x", false),
            ("@^high\tx", true),
            ("@LOW x", false),
            ("@ low x", false),
            ("@^ x", false),
        ];
        for (text, expected) in cases {
            let condition = Condition::of(text).expect("a condition");
            assert_eq!(condition.holds("low"), expected, "{text}");
        }
        assert_eq!(Condition::of("@^a b"), Some(Condition { id: "a", negated: true, length: 3 }));
        assert_eq!(Condition::of("a@b"), None);
    }
}

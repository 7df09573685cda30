//! Lengths of time on the command line: `90`, `90s`, `10m`, `2h`, `1h30m`, `1d`.

use std::time::Duration;

/// A length of time in whole seconds.
///
/// # Errors
/// A sentence for the user.
pub(super) fn parse(word: &str) -> Result<Duration, String> {
    let expected = || format!("`{word}` is no length of time; expected 90, 90s, 10m, 2h, 1h30m or 1d");
    if let Ok(seconds) = word.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let (mut total, mut rest) = (0u64, word);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0).ok_or_else(expected)?;
        let (number, behind) = rest.split_at(digits);
        let mut letters = behind.chars();
        let unit = match letters.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            _ => return Err(expected()),
        };
        let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        total = seconds.and_then(|seconds| total.checked_add(seconds)).ok_or_else(expected)?;
        rest = letters.as_str();
    }
    (total > 0).then(|| Duration::from_secs(total)).ok_or_else(expected)
}

/// The same for people, as short as can be: `9m12s`.
pub(super) fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (word, seconds) in
            [("90", 90), ("0", 0), ("90s", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("1d", 86_400)]
        {
            assert_eq!(parse(word), Ok(Duration::from_secs(seconds)), "{word}");
        }
        for word in ["", "m", "10x", "-5", "1.5h", "10m5", "0s", "99999999999999999999d", "h1"] {
            assert!(parse(word).is_err(), "{word}");
        }
        assert_eq!(short(Duration::from_secs(552)), "9m12s");
    }
}

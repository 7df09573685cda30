//! When a certificate ends: the one thing about it that a check has to read for itself.
//!
//! Our own, because libraries that verify certificates do not tell their dates, and one that reads all of them brings a
//! dozen others along. Whether a certificate is to be believed is not decided here.

use std::fmt;

/// A moment in seconds since 1970, GMT. Shown as `2026-11-21 17:45 GMT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

/// `notAfter` of a certificate in DER (RFC 5280 section 4.1); `None` if it cannot be found.
pub fn not_after(certificate: &[u8]) -> Option<Moment> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut rest, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (tag, _, behind) = element(rest)?;
    if tag == VERSION {
        rest = behind;
    }
    // Serial number, algorithm of the signature, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, _, behind) = element(validity)?;
    let (tag, text, _) = element(behind)?;
    time(tag, text)
}

/// The first element: its tag, what is in it, and what is behind it (X.690 section 8.1).
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        // Four bytes of length are more than any certificate has.
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (inside, behind) = rest.split_at_checked(length)?;
    Some((*tag, inside, behind))
}

/// `UTCTime` or `GeneralizedTime`, both in GMT and to the second (RFC 5280 section 4.1.2.5).
fn time(tag: u8, text: &[u8]) -> Option<Moment> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let digits = text.strip_suffix(b"Z")?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = decimal(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (decimal(year)?, rest)
        }
        _ => return None,
    };
    let mut pairs = rest.chunks(2).map(decimal);
    let mut next = |least, most| pairs.next()?.filter(|number| (least..=most).contains(number));
    let (month, day) = (next(1, 12)?, next(1, 31)?);
    let (hour, minute, second) = (next(0, 23)?, next(0, 59)?, next(0, 60)?);
    if rest.len() != 10 {
        return None;
    }
    Some(Moment(days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second))
}

fn decimal(digits: &[u8]) -> Option<i64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

/// Days from 1970 to a day of the Gregorian calendar. Years begin in March here, so that a leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719468 days lie between 1 March of year 0 and 1970.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

impl Moment {
    /// Whole days from another moment to this one; negative if this one lies before it.
    pub fn days_after(self, other: Moment) -> i64 {
        self.0.saturating_sub(other.0).div_euclid(86_400)
    }

    /// Year, month and day.
    fn date(self) -> (i64, i64, i64) {
        let today = self.0.div_euclid(86_400);
        // A guess that is never too late, and at most a year too early.
        let mut year = 1969 + today.div_euclid(366);
        while days(year + 1, 1, 1) <= today {
            year += 1;
        }
        let month = (2..=12).take_while(|month| days(year, *month, 1) <= today).last().unwrap_or(1);
        (year, month, today - days(year, month, 1) + 1)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let second = self.0.rem_euclid(86_400);
        write!(f, "{year:04}-{month:02}-{day:02} {:02}:{:02} GMT", second / 3_600, second / 60 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_as_the_calendar_does() {
        // As `date -u -d @… '+%F %R'` prints them.
        for (seconds, text) in [
            (0, "1970-01-01 00:00 GMT"),
            (951_782_400, "2000-02-29 00:00 GMT"),
            (951_868_799, "2000-02-29 23:59 GMT"),
            (1_709_210_096, "2024-02-29 12:34 GMT"),
            (1_767_225_599, "2025-12-31 23:59 GMT"),
            (4_107_542_400, "2100-03-01 00:00 GMT"),
            (253_402_300_799, "9999-12-31 23:59 GMT"),
            (-1, "1969-12-31 23:59 GMT"),
        ] {
            assert_eq!(Moment(seconds).to_string(), text);
        }
        assert_eq!(time(0x17, b"240229123456Z"), Some(Moment(1_709_210_096)));
        assert_eq!(
            time(0x17, b"491231235959Z").map(|moment| moment.to_string()[..4].to_owned()).as_deref(),
            Some("2049")
        );
        assert_eq!(
            time(0x17, b"500101000000Z").map(|moment| moment.to_string()[..4].to_owned()).as_deref(),
            Some("1950")
        );
        assert_eq!(time(0x18, b"99991231235959Z"), Some(Moment(253_402_300_799)));
        for wrong in [
            &b""[..],
            b"Z",
            b"240229123456",
            b"2402291234Z",
            b"24022912345Z",
            b"241329123456Z",
            b"2402291234567Z",
            b"24+229123456Z",
        ] {
            assert_eq!(time(0x17, wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn days_are_whole() {
        let noon = Moment(1_709_210_096);
        assert_eq!(Moment(noon.0 + 86_400).days_after(noon), 1);
        assert_eq!(Moment(noon.0 + 86_399).days_after(noon), 0);
        assert_eq!(Moment(noon.0 - 1).days_after(noon), -1);
    }

    #[test]
    fn the_end_is_found_in_certificates() {
        for (year, month, day) in [(2030, 6, 15), (2055, 1, 2)] {
            let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, month, day);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            let text = not_after(certificate.der()).unwrap().to_string();
            assert_eq!(text, format!("{year}-{month:02}-{day:02} 00:00 GMT"));
            for length in 0..certificate.der().len() {
                assert_eq!(not_after(&certificate.der()[..length]), None, "cut at {length}");
            }
        }
    }
}

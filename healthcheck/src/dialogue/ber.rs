//! The little of ASN.1's Basic Encoding Rules that LDAP needs (RFC 4511 section 5.1): definite lengths, small tags.

/// INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub(super) const OCTETS: u8 = 0x04;
/// ENUMERATED.
pub(super) const ENUMERATED: u8 = 0x0a;
/// SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;

/// An element as it is written.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ 0..=127) => out.push(short),
        _ => {
            let bytes = content.len().to_be_bytes();
            let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
            let bytes = bytes.get(first..).unwrap_or_default();
            out.push(0x80 | bytes.len() as u8);
            out.extend(bytes);
        }
    }
    out.extend(content);
    out
}

/// A small number as it is written.
pub(super) fn number(tag: u8, value: u8) -> Vec<u8> {
    // With the highest bit set it would be negative.
    if value < 0x80 { element(tag, &[value]) } else { element(tag, &[0, value]) }
}

/// What an element begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub tag: u8,
    /// Bytes of tag and length.
    pub head: usize,
    /// Bytes behind them.
    pub content: usize,
}

/// Reads the head of an element: `Ok(None)` if there is more to come, `Err` if it is none.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head>, ()> {
    let [tag, rest @ ..] = bytes else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(());
    }
    let Some((first, rest)) = rest.split_first() else { return Ok(None) };
    if *first < 0x80 {
        return Ok(Some(Head { tag: *tag, head: 2, content: usize::from(*first) }));
    }
    let count = usize::from(first & 0x7f);
    // No length at all, or one of gigabytes.
    if count == 0 || count > 4 {
        return Err(());
    }
    let Some(length) = rest.get(..count) else { return Ok(None) };
    let content = length.iter().fold(0u64, |length, byte| length << 8 | u64::from(*byte));
    usize::try_from(content).map(|content| Some(Head { tag: *tag, head: 2 + count, content })).map_err(drop)
}

/// Takes the first element off: its tag and its content.
pub(super) fn take<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let Head { tag, head, content } = head(bytes).ok()??;
    let inside = bytes.get(head..)?.get(..content)?;
    *bytes = bytes.get(head + content..)?;
    Some((tag, inside))
}

/// Takes the first element off if it has this tag.
pub(super) fn expect<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let mut rest = *bytes;
    let (found, content) = take(&mut rest)?;
    (found == tag).then(|| {
        *bytes = rest;
        content
    })
}

/// The value of an INTEGER or ENUMERATED that is not negative and fits 32 bits.
pub(super) fn value(content: &[u8]) -> Option<u32> {
    if content.is_empty() || content.len() > 5 || content.first().is_some_and(|byte| byte & 0x80 != 0) {
        return None;
    }
    let value = content.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    u32::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let written = element(OCTETS, &content);
            let mut rest = written.as_slice();
            assert_eq!(take(&mut rest), Some((OCTETS, content.as_slice())));
            assert!(rest.is_empty());
            assert_eq!(take(&mut &written[..written.len() - 1]), None);
        }
        assert_eq!(element(SEQUENCE, &[0; 128])[..3], [0x30, 0x81, 0x80]);
        assert_eq!(number(INTEGER, 3), [2, 1, 3]);
        assert_eq!(number(INTEGER, 200), [2, 2, 0, 200]);
    }

    #[test]
    fn heads_are_read_with_care() {
        assert_eq!(head(&[]), Ok(None));
        assert_eq!(head(&[0x30]), Ok(None));
        assert_eq!(head(&[0x30, 0x82, 1]), Ok(None));
        assert_eq!(head(&[0x30, 0x82, 1, 2]), Ok(Some(Head { tag: 0x30, head: 4, content: 258 })));
        for wrong in [&[0x30, 0x80][..], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x1f, 1], &[0x30, 0xff]] {
            assert_eq!(head(wrong), Err(()), "{wrong:?}");
        }
    }

    #[test]
    fn values_are_small_and_not_negative() {
        assert_eq!(value(&[0, 0x80]), Some(128));
        assert_eq!(value(&[0, 0xff, 0xff, 0xff, 0xff]), Some(u32::MAX));
        for wrong in [&[][..], &[0x80], &[1, 0, 0, 0, 0], &[0; 6]] {
            assert_eq!(value(wrong), None, "{wrong:?}");
        }
    }
}

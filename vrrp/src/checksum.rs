//! The Internet checksum (RFC 1071): one's complement of the one's complement sum of 16-bit words.
//!
//! Sums are kept unfolded in 32 bits, so that the parts of a packet and its pseudo-header can be added
//! in any order; 65,535 bytes make less than half of what 32 bits hold.

/// Unfolded sum of the bytes taken as big-endian words; an odd last byte is filled up with zero.
pub(crate) fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u16::from_be_bytes([high, low]),
        [high] => u16::from_be_bytes([high, 0]),
        _ => 0,
    });
    words.map(u32::from).fold(0, u32::wrapping_add)
}

/// The checksum field for data of this sum, the field itself taken as zero.
pub(crate) fn finish(sum: u32) -> u16 {
    !fold(sum)
}

/// Whether data of this sum, the field included, is undamaged.
pub(crate) fn holds(sum: u32) -> bool {
    fold(sum) == 0xffff
}

fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    let twice = (once & 0xffff) + (once >> 16);
    u16::try_from(twice).expect("two foldings leave 16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1071, section 3.
    #[test]
    fn example_of_the_rfc() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(finish(sum(&bytes)), !0xddf2);
        assert!(holds(sum(&bytes) + u32::from(finish(sum(&bytes)))));
    }

    #[test]
    fn odd_byte_is_a_high_byte() {
        assert_eq!(sum(&[0x12]), 0x1200);
    }

    #[test]
    fn folding_carries_twice() {
        assert_eq!(finish(0xffff_ffff), 0);
        assert_eq!(finish(0x0001_ffff), !1);
    }
}

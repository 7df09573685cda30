//! An answer of unknown length that something is looked for in while it comes.
//!
//! Looking at everything with each byte that arrives would let a slow server keep us busy: a long answer is looked at when
//! it has grown by a good part, when the server pauses, and at its end.

/// The longest answer that is kept, in bytes.
pub const LONGEST: usize = 256 * 1024;
/// Answers up to this long are looked at with each piece, in bytes.
const SHORT: usize = 4096;

/// The answer is longer than we are willing to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// What has come so far.
#[derive(Debug, Default)]
pub struct Answer {
    bytes: Vec<u8>,
    /// How much of it was there when it was last looked at.
    seen: usize,
}

impl Answer {
    /// Takes in what came.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.bytes.len() + bytes.len() > LONGEST {
            return Err(TooLong);
        }
        self.bytes.extend(bytes);
        Ok(())
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether more has come than was looked at.
    pub fn has_news(&self) -> bool {
        self.seen < self.bytes.len()
    }

    /// Whether it is worth a look, which is then taken: `paused` says that nothing more is there right now.
    pub fn look(&mut self, paused: bool) -> bool {
        let (length, new) = (self.bytes.len(), self.bytes.len() - self.seen);
        let worth = new > 0 && (paused || length <= SHORT || new >= length / 4);
        if worth {
            self.seen = length;
        }
        worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_is_looked_at_now_and_then() {
        let (mut answer, mut looks) = (Answer::default(), 0);
        for _ in 0..LONGEST / 64 {
            answer.add(&[b'x'; 64]).unwrap();
            looks += usize::from(answer.look(false));
        }
        assert!(looks < 100, "{looks}");
        assert!(answer.look(true) && !answer.look(true));
        assert_eq!(answer.add(b"x"), Err(TooLong));
        assert_eq!(answer.bytes().len(), LONGEST);
    }
}

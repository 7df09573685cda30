//! What a configuration says, as a short name: two that mean the same have the same, however they are written.

use std::fmt::Write as _;
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Config;

/// What a plan was made from. It is refused when one of these has become another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// The digest of the running configuration.
    pub running: String,
    /// The digest of the new one.
    pub wanted: String,
    /// The digest of the kernel's IPVS table; none if there was none to look at.
    pub kernel: Option<String>,
}

impl Expectation {
    /// Why a plan made under this expectation does not fit any more, if it does not.
    pub fn contradiction(&self, running: &Config, wanted: &Config) -> Option<String> {
        if digest(running) != self.running {
            return Some(
                "the running configuration is not the one that the plan was made from: make a new plan"
                    .to_owned(),
            );
        }
        (digest(wanted) != self.wanted).then(|| {
            "the daemon's file does not say what the plan was made from: put the planned file in its place, or make a \
             new plan"
                .to_owned()
        })
    }
}

/// SHA-256 of a configuration's meaning, in hexadecimal.
pub fn digest(config: &Config) -> String {
    digest_of(config)
}

/// The same of any value whose maps are ordered.
pub fn digest_of(value: &impl Serialize) -> String {
    let mut hash = Hash(Sha256::new());
    serde_json::to_writer(&mut hash, value).expect("texts and numbers can be written as JSON");
    hash.0.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Takes in what is written, so that the JSON of tens of thousands of servers is never in memory as a whole.
struct Hash(Sha256);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_text;

    fn config(text: &str) -> Config {
        read_text("test.conf", text).config.expect("the text is good")
    }

    #[test]
    fn the_meaning_counts_and_not_the_text() {
        let service = |lines: &str| {
            format!("virtual_server 10.0.0.1 80 {{\n lvs_sched rr\n protocol TCP\n {lines}\n}}\n")
        };
        let one = config(&service("real_server 10.0.1.1 80 {\n weight 1\n }"));
        let same = config(&service("# A comment.\nreal_server 10.0.1.1 80 {\n }"));
        let other = config(&service("real_server 10.0.1.1 80 {\n weight 2\n }"));
        assert_eq!(digest(&one), digest(&same));
        assert_ne!(digest(&one), digest(&other));
        assert_eq!(digest(&one).len(), 64);
        let plan = Expectation { running: digest(&one), wanted: digest(&other), kernel: None };
        assert_eq!(plan.contradiction(&same, &other), None);
        let moved = plan.contradiction(&other, &other).unwrap_or_default();
        assert!(moved.contains("running configuration"), "{moved}");
        let moved = plan.contradiction(&one, &same).unwrap_or_default();
        assert!(moved.contains("the daemon's file"), "{moved}");
    }
}

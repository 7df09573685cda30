//! What nobody is to see of a check: passwords, and what may hold them.

use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A text that is wiped from memory when it is dropped, and never printed.
///
/// Written as JSON it is plain, since two processes compare configurations that way; inside [`Secret::hiding`] it is a
/// name that says nothing but whether two of them are the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

thread_local! {
    static HIDDEN: Cell<bool> = const { Cell::new(false) };
}

/// Another one in each process, so that a name cannot be looked up.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Secret {
    /// Takes the text over; it is wiped when the last copy is dropped.
    pub fn new(text: String) -> Secret {
        Secret(Zeroizing::new(text))
    }

    /// The text, for those who send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Does some writing in which secrets are hidden: a recording, which people hand around.
    pub fn hiding<T>(write: impl FnOnce() -> T) -> T {
        struct Back(bool);
        impl Drop for Back {
            fn drop(&mut self) {
                HIDDEN.set(self.0);
            }
        }
        let _back = Back(HIDDEN.replace(true));
        write()
    }
}

impl Ord for Secret {
    fn cmp(&self, other: &Secret) -> Ordering {
        self.reveal().cmp(other.reveal())
    }
}

impl PartialOrd for Secret {
    fn partial_cmp(&self, other: &Secret) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Secret {
    /// Secrets do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if HIDDEN.get() {
            return serializer.collect_str(&format_args!("hidden-{:016x}", KEY.hash_one(self.reveal())));
        }
        serializer.serialize_str(self.reveal())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed_and_can_be_hidden_where_it_is_written() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let json = |text: &str| serde_json::to_string(&secret(text)).unwrap();
        assert_eq!(format!("{:?} {:?}", secret("opensesame"), Some(secret(""))), "… Some(…)");
        assert_eq!(json("opensesame"), "\"opensesame\"");
        let hidden = Secret::hiding(|| json("opensesame"));
        assert!(hidden.starts_with("\"hidden-"), "{hidden}");
        assert_eq!(hidden, Secret::hiding(|| json("opensesame")));
        assert_ne!(hidden, Secret::hiding(|| json("other")));
        // That holds for as long as it is asked for, even if the writing fails.
        let _ = std::panic::catch_unwind(|| Secret::hiding(|| panic!("on purpose")));
        assert_eq!(json("a"), "\"a\"");
        let back: Secret = serde_json::from_str("\"a\"").unwrap();
        assert_eq!(back, secret("a"));
        assert!(secret("a") < secret("b"));
    }
}

//! Authentication of adverts.
//!
//! Version 2 carries eight bytes of authentication data. With `auth_type PASS` they hold a password
//! in clear text: it keeps two clusters apart that share a VRID by mistake, and nothing more.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How adverts of a version 2 router are authenticated.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Auth {
    /// Type 0: eight zero bytes.
    None,
    /// Type 1: a password of up to eight bytes, filled up with zeros (RFC 2338, 5.3.6).
    Password([u8; 8]),
    /// Type 2: an authentication header stands before the advert (RFC 2338, 5.3.6), see `header.rs`.
    Header,
}

/// Type of an [`Auth`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AuthKind {
    /// No authentication.
    None,
    /// `auth_type PASS`.
    Password,
    /// `auth_type AH`.
    Header,
}

impl Auth {
    /// A password as keepalived takes it: what is beyond the eighth byte is not used.
    pub fn password(text: &str) -> Auth {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Auth::Password(bytes)
    }

    /// The type, without the secret.
    pub fn kind(&self) -> AuthKind {
        match self {
            Auth::None => AuthKind::None,
            Auth::Password(_) => AuthKind::Password,
            Auth::Header => AuthKind::Header,
        }
    }

    /// The type on the wire (RFC 3768, 5.3.6).
    pub(crate) fn number(&self) -> u8 {
        match self {
            Auth::None => 0,
            Auth::Password(_) => 1,
            Auth::Header => 2,
        }
    }

    /// The authentication data on the wire.
    pub(crate) fn data(&self) -> [u8; 8] {
        match self {
            Auth::None | Auth::Header => [0; 8],
            Auth::Password(password) => *password,
        }
    }

    /// The reverse of the two above; `None` for a type that is not known. With type 0 the data mean
    /// nothing (RFC 3768, 5.3.6.1).
    pub(crate) fn read(kind: u8, data: [u8; 8]) -> Option<Auth> {
        match kind {
            0 => Some(Auth::None),
            1 => Some(Auth::Password(data)),
            2 => Some(Auth::Header),
            _ => None,
        }
    }
}

impl fmt::Debug for Auth {
    /// Tells the type only: passwords do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Auth::None => "None",
            Auth::Password(_) => "Password(…)",
            Auth::Header => "Header",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_cut_at_eight_bytes_and_filled_with_zeros() {
        assert_eq!(Auth::password("secret12345"), Auth::Password(*b"secret12"));
        assert_eq!(Auth::password("abc"), Auth::Password(*b"abc\0\0\0\0\0"));
    }

    #[test]
    fn password_does_not_show_in_logs() {
        let text = format!("{:?}", Auth::password("secret12"));
        assert!(!text.contains("secret") && !text.contains("115"), "{text}");
    }
}

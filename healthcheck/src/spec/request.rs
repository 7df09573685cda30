//! What an HTTP check sends besides the path: method, headers, body and who it says it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Secret;
use crate::error::Error;

/// The longest body that is sent, in bytes.
pub const LONGEST_BODY: usize = 64 * 1024;
/// The longest value of a header, in bytes: servers take 8 KiB for all of them.
const LONGEST_VALUE: usize = 4 * 1024;

/// What is done with the page (RFC 9110 section 9.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the names are the registered ones")]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// Every method, with its name.
    pub const ALL: [(Method, &'static str); 7] = [
        (Method::Get, "GET"),
        (Method::Head, "HEAD"),
        (Method::Post, "POST"),
        (Method::Put, "PUT"),
        (Method::Patch, "PATCH"),
        (Method::Delete, "DELETE"),
        (Method::Options, "OPTIONS"),
    ];

    /// Its name, as it stands in a request.
    pub fn as_str(self) -> &'static str {
        Method::ALL.iter().find(|(method, _)| *method == self).map_or("GET", |(_, name)| name)
    }

    /// Whether a request of this kind may carry a body that means something.
    pub fn takes_body(self) -> bool {
        !matches!(self, Method::Get | Method::Head)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One header that is sent. Its value may be a key to something, and is treated like one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Header {
    /// Its name, as written.
    pub name: String,
    /// Its value.
    pub value: Secret,
}

impl FromStr for Header {
    type Err = Error;

    /// Reads `Name: value`. What the check itself decides over cannot be said this way.
    fn from_str(text: &str) -> Result<Header, Error> {
        let (name, value) = text.split_once(':').ok_or(Error::HeaderColon)?;
        let (name, value) = (name.trim_end(), value.trim());
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || name.len() > 200 || !name.bytes().all(token) {
            return Err(Error::HeaderName(name.to_owned()));
        }
        let fits = |byte: u8| matches!(byte, b' '..=b'~' | b'\t');
        if value.len() > LONGEST_VALUE || !value.bytes().all(fits) {
            return Err(Error::HeaderValue(name.to_owned()));
        }
        let instead = match name.to_ascii_lowercase().as_str() {
            "host" => "say `virtualhost`",
            "content-length" | "transfer-encoding" => "it follows from `body`",
            "connection" | "keep-alive" | "proxy-connection" | "upgrade" | "http2-settings" => {
                "it follows from `http_protocol`"
            }
            "te" | "trailer" | "expect" => "a check does not speak of it",
            _ => return Ok(Header { name: name.to_owned(), value: Secret::new(value.to_owned()) }),
        };
        Err(Error::HeaderOwn(name.to_owned(), instead))
    }
}

/// Who the check says it is (RFC 7617, basic authentication).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BasicLogin {
    /// The user's name, without a colon.
    pub name: String,
    /// The password; may be empty.
    pub password: Secret,
}

/// Whether a text can be the name in [`BasicLogin`]: no colon, no control characters.
pub fn check_login(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.contains(|c: char| c == ':' || c.is_control()) {
        return Err(Error::Login(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_are_sent() {
        let header: Header = "X-Probe:  a, b ".parse().unwrap();
        assert_eq!((header.name.as_str(), header.value.reveal()), ("X-Probe", "a, b"));
        assert!(!format!("{header:?}").contains("a, b"), "{header:?}");
        assert_eq!("Accept:".parse::<Header>().unwrap().value.reveal(), "");
        let long = format!("A: {}", "x".repeat(5000));
        for (text, expected) in [
            ("Accept */*", Error::HeaderColon),
            (": x", Error::HeaderName(String::new())),
            ("A B: x", Error::HeaderName("A B".into())),
            ("A: x\r\nB: y", Error::HeaderValue("A".into())),
            ("A: é", Error::HeaderValue("A".into())),
            (&long, Error::HeaderValue("A".into())),
            ("hOst: x", Error::HeaderOwn("hOst".into(), "say `virtualhost`")),
            ("Content-Length: 3", Error::HeaderOwn("Content-Length".into(), "it follows from `body`")),
        ] {
            assert_eq!(text.parse::<Header>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn names_of_users_have_no_colon() {
        assert_eq!(check_login("probe user"), Ok(()));
        for wrong in ["", "a:b", "a\n"] {
            assert_eq!(check_login(wrong), Err(Error::Login(wrong.into())));
        }
    }
}

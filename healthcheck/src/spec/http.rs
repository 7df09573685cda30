//! What an HTTP check asks for, and which answers pass.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Assertion, BasicLogin, Header, Method, Pattern, Secret};
use crate::error::Error;

/// An HTTP check: one URL per attempt, all in turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Http {
    /// What to fetch; never empty.
    pub urls: Vec<Url>,
    /// The Host header of URLs that have none of their own; without either, the target's address.
    pub virtualhost: Option<String>,
    /// The version the request is written in.
    pub protocol: HttpVersion,
    /// How to speak TLS; `None` for plain HTTP.
    pub tls: Option<Tls>,
    /// Headers of each request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Who we say we are (`login`, `password`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Box<BasicLogin>>,
}

/// How a check speaks TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tls {
    /// The name in the greeting.
    pub sni: Sni,
    /// Whether the server's certificate must be valid: signed by an authority that is trusted, and for the name in the
    /// greeting, else for the virtual host, else for the address.
    pub verify: bool,
    /// What is shown of us and who is trusted, where files say so.
    pub files: Option<Arc<TlsFiles>>,
    /// How many days before the end of the server's certificate a warning is due (`expiry_days`); `None` and 0 mean
    /// never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_days: Option<u32>,
}

/// Files of keys and certificates, in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TlsFiles {
    /// The authorities that are trusted; `None`: those of this host.
    pub ca: Option<String>,
    /// Our own certificate, with those that link it to an authority behind it.
    pub certificate: Option<String>,
    /// Its key; `None`: it stands in the file of the certificate.
    pub key: Option<String>,
}

/// The server's name in the TLS greeting (RFC 6066 section 3).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Sni {
    /// None is sent.
    #[default]
    Off,
    /// The virtual host of the URL (`enable_sni`).
    VirtualHost,
    /// This one (`sni_name`).
    Name(String),
}

/// The version of HTTP a request is written in (`http_protocol`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HttpVersion {
    /// `1.0`: the server closes after the answer, as the version says.
    #[default]
    Http10,
    /// `1.0C`: 1.0 that says so once more, with `Connection: close`.
    Http10Close,
    /// `1.1`, with `Connection: close`.
    Http11,
    /// `2`: over TLS the server must have chosen it (ALPN), without TLS it is taken for granted ("prior knowledge",
    /// RFC 9113 section 3.3).
    Http2,
}

/// One URL of an HTTP check and what its answer must look like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Url {
    /// Path and query, from the first slash on; see [`check_path`].
    pub path: String,
    /// The statuses that pass.
    pub status: StatusRanges,
    /// The MD5 sum the body must have. The body is read only for this, a pattern and JSON.
    pub digest: Option<[u8; 16]>,
    /// What must, or must not, be in the body.
    pub pattern: Option<Box<Pattern>>,
    /// Whether TLS is closed as its standard asks, and must be by the server (`tls_compliant`): a connection that
    /// ends without a word may have been cut.
    pub close_notify: bool,
    /// The Host header, before the check's.
    pub virtualhost: Option<String>,
    /// What is done with the page.
    #[serde(default)]
    pub method: Method,
    /// Headers of this request, behind the check's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// What is sent along. It may be a key to something, and is treated like one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Secret>,
    /// What must hold of the body of the answer, which then is JSON.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json: Vec<Assertion>,
}

impl Url {
    /// The URL of a path, with any status from 200 to 299 and any body.
    pub fn new(path: &str) -> Result<Url, Error> {
        check_path(path)?;
        Ok(Url { path: path.to_owned(), ..Url::unread() })
    }

    /// A URL of which nothing has been said, not even a path.
    pub fn unread() -> Url {
        Url {
            path: String::new(),
            status: StatusRanges::default(),
            digest: None,
            pattern: None,
            close_notify: false,
            virtualhost: None,
            method: Method::Get,
            headers: Vec::new(),
            body: None,
            json: Vec::new(),
        }
    }

    /// Whether the status of the answer is all that counts.
    pub fn wants_status_only(&self) -> bool {
        self.digest.is_none() && self.pattern.is_none() && self.json.is_empty()
    }
}

/// The statuses that pass. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StatusRanges(Vec<StatusRange>);

/// Statuses from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StatusRange {
    /// The lowest status, 100 to 999.
    pub first: u16,
    /// The highest status, `first` to 999.
    pub last: u16,
}

impl StatusRanges {
    /// Whether a status passes.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.first <= status && status <= range.last)
    }

    /// These ranges; `None` if there is none.
    pub fn new(ranges: Vec<StatusRange>) -> Option<StatusRanges> {
        (!ranges.is_empty()).then_some(StatusRanges(ranges))
    }

    /// The ranges, in the order they were written.
    pub fn ranges(&self) -> &[StatusRange] {
        &self.0
    }
}

impl Default for StatusRanges {
    fn default() -> StatusRanges {
        StatusRanges(vec![StatusRange { first: 200, last: 299 }])
    }
}

impl fmt::Display for StatusRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, range) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { " " };
            write!(f, "{separator}{range}")?;
        }
        Ok(())
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.last == self.first { Ok(()) } else { write!(f, "-{}", self.last) }
    }
}

impl FromStr for StatusRanges {
    type Err = Error;

    /// Reads what stands behind `status_code`: numbers and ranges with blanks between, `200 301-302`.
    fn from_str(text: &str) -> Result<StatusRanges, Error> {
        let ranges = text.split_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>()?;
        if ranges.is_empty() { Err(Error::NoStatus) } else { Ok(StatusRanges(ranges)) }
    }
}

impl FromStr for StatusRange {
    type Err = Error;

    /// Reads a number or a range, `301-302`.
    fn from_str(word: &str) -> Result<StatusRange, Error> {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let number = |text: &str| match text.parse::<u16>() {
            Ok(status @ 100..=999) => Ok(status),
            Ok(status) => Err(Error::StatusNumber(status)),
            Err(_) => Err(Error::StatusWord(word.to_owned())),
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last { Err(Error::StatusOrder(first, last)) } else { Ok(StatusRange { first, last }) }
    }
}

/// Reads an MD5 sum as `genhash` and `md5sum` print it: 32 hexadecimal digits.
pub fn parse_digest(text: &str) -> Result<[u8; 16], Error> {
    let wrong = || Error::Digest(text.to_owned());
    if text.len() != 32 {
        return Err(wrong());
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut digest = [0; 16];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let (Some(high), Some(low)) =
            (pair.first().and_then(|b| nibble(*b)), pair.get(1).and_then(|b| nibble(*b)))
        else {
            return Err(wrong());
        };
        *byte = high << 4 | low;
    }
    Ok(digest)
}

/// The longest path, in bytes: what servers accept at most is well below it.
const LONGEST_PATH: usize = 32 * 1024;

/// Whether a path (with its query, if any) can stand in a request line: it starts with a slash, is at most
/// 32 KiB long and holds visible ASCII only, without `"`, `#`, `<`, `>` and the backtick. A whole address
/// (`http://host/path`) can as well: so pages are asked for by way of a proxy (RFC 9112 section 3.2.2).
pub fn check_path(path: &str) -> Result<(), Error> {
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>`".contains(&byte);
    let whole = authority(path).is_some_and(|host| check_virtualhost(host).is_ok());
    if (path.starts_with('/') || whole) && path.len() <= LONGEST_PATH && path.bytes().all(fits) {
        Ok(())
    } else {
        Err(Error::Path(path.to_owned()))
    }
}

/// The host, perhaps with a port, of a path that is a whole address; `None` if it is none.
pub fn authority(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("http://")?;
    Some(rest.split(['/', '?']).next().unwrap_or(rest))
}

/// Whether a text can stand in a Host header: not empty, visible ASCII without `/`, `?`, `#`, `@`, `,`.
pub fn check_virtualhost(host: &str) -> Result<(), Error> {
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"/?#@,\\".contains(&byte);
    if !host.is_empty() && host.bytes().all(fits) { Ok(()) } else { Err(Error::VirtualHost(host.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_and_shown_as_written() {
        let ranges: StatusRanges = "200 301-302\t404".parse().unwrap();
        assert_eq!(ranges.to_string(), "200 301-302 404");
        for passes in [200, 301, 302, 404] {
            assert!(ranges.contains(passes), "{passes}");
        }
        for fails in [199, 201, 300, 303, 403, 405] {
            assert!(!ranges.contains(fails), "{fails}");
        }
    }

    #[test]
    fn default_statuses_are_the_successes() {
        let ranges = StatusRanges::default();
        assert!(ranges.contains(200) && ranges.contains(299));
        assert!(!ranges.contains(199) && !ranges.contains(300));
    }

    #[test]
    fn wrong_statuses_say_what_is_wrong() {
        assert_eq!("2xx".parse::<StatusRanges>(), Err(Error::StatusWord("2xx".into())));
        assert_eq!("200-".parse::<StatusRanges>(), Err(Error::StatusWord("200-".into())));
        assert_eq!("99".parse::<StatusRanges>(), Err(Error::StatusNumber(99)));
        assert_eq!("200-1000".parse::<StatusRanges>(), Err(Error::StatusNumber(1000)));
        assert_eq!("302-301".parse::<StatusRanges>(), Err(Error::StatusOrder(302, 301)));
        assert_eq!("  ".parse::<StatusRanges>(), Err(Error::NoStatus));
    }

    #[test]
    fn digests_are_32_hexadecimal_digits() {
        let digest = parse_digest("d41d8cd98f00b204e9800998ECF8427E").unwrap();
        assert_eq!(digest[..4], [0xd4, 0x1d, 0x8c, 0xd9]);
        assert_eq!(digest[15], 0x7e);
        let not_hex = "g41d8cd98f00b204e9800998ecf8427e";
        let multibyte = "é41d8cd98f00b204e9800998ecf8427e";
        for wrong in ["", "d41d", not_hex, multibyte] {
            assert_eq!(parse_digest(wrong), Err(Error::Digest(wrong.into())));
        }
    }

    #[test]
    fn paths_and_hosts_fit_their_places() {
        for good in ["/", "/a/b?c=d&e=%20", "/{x}", "http://example.org", "http://example.org:81/a?b"] {
            assert_eq!(check_path(good), Ok(()));
        }
        for bad in
            ["", "index.html", "/a b", "/a\r\nHost: x", "/é", "/a#b", "http://", "http:///a", "http://a@b/"]
        {
            assert_eq!(check_path(bad), Err(Error::Path(bad.into())));
        }
        for good in ["www.example.org", "example.org:8080", "[2001:db8::1]:80", "10.0.0.1"] {
            assert_eq!(check_virtualhost(good), Ok(()));
        }
        for bad in ["", "a b", "a/b", "a\r\nb", "user@host"] {
            assert_eq!(check_virtualhost(bad), Err(Error::VirtualHost(bad.into())));
        }
    }
}

//! HTTP/1 as a check needs it (RFC 9112): the request as bytes, and the answer taken apart as it comes in.
//!
//! The head of an answer is read by httparse, forgivingly: a check asks whether the server serves, not whether it is
//! tidy. Where a body ends is decided here. A client library would do all of this, but it is made for connections that
//! live long: for a connection per attempt its buffers and tasks cost more than the attempt itself.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use httparse::{Header, ParserConfig, Response, Status};
use zeroize::Zeroizing;

use crate::spec::{BasicLogin, Http, HttpVersion, Method, Url, authority};

/// The longest head of an answer (status line and headers), in bytes; of what may stand behind a body in chunks likewise.
pub const LONGEST_HEAD: usize = 64 * 1024;
/// The most headers in one.
const MOST_HEADERS: usize = 256;
/// The longest line that says how long a chunk is, in bytes.
const LONGEST_LINE: usize = 4096;

/// The request for one URL of a check. `host` is what the Host header says where neither says it.
pub fn request(http: &Http, url: &Url, host: &str) -> Zeroizing<Vec<u8>> {
    let virtualhost = url.virtualhost.as_deref().or(http.virtualhost.as_deref());
    // A page that is asked for by way of the server has a host of its own.
    let host = virtualhost.or_else(|| authority(&url.path)).unwrap_or(host);
    let version = if http.protocol == HttpVersion::Http11 { "1.1" } else { "1.0" };
    // In one piece from the start: what grows leaves copies of passwords behind.
    let body = url.body.as_ref().map_or("", |body| body.reveal());
    let own = || http.headers.iter().chain(&url.headers);
    let said: usize = own().map(|header| header.name.len() + header.value.reveal().len() + 4).sum();
    let login = http.login.as_ref().map_or(0, |login| login.name.len() + login.password.reveal().len());
    let room = 256 + url.path.len() + host.len() + said + 2 * login + body.len();
    let mut text = Zeroizing::new(String::with_capacity(room));
    let _ = write!(text, "{} {} HTTP/{version}\r\nHost: {host}\r\n", url.method, target(&url.path));
    if !own().any(|header| header.name.eq_ignore_ascii_case("user-agent")) {
        text.push_str("User-Agent: directord\r\n");
    }
    if http.protocol != HttpVersion::Http10 {
        text.push_str("Connection: close\r\n");
    }
    if let Some(login) = &http.login {
        let _ = write!(text, "Authorization: {}\r\n", *basic(login));
    }
    for header in own() {
        let _ = write!(text, "{}: {}\r\n", header.name, header.value.reveal());
    }
    // A server may refuse such a request without a length (RFC 9110 section 8.6).
    if !body.is_empty() || matches!(url.method, Method::Post | Method::Put | Method::Patch) {
        let _ = write!(text, "Content-Length: {}\r\n", body.len());
    }
    text.push_str("\r\n");
    text.push_str(body);
    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
}

/// What stands in the first line: a whole address has a path, if only a slash (RFC 9112 section 3.2.2).
fn target(path: &str) -> Cow<'_, str> {
    let end = authority(path).map(|host| "http://".len() + host.len());
    match end.and_then(|end| path.split_at_checked(end)) {
        Some((host, rest)) if !rest.starts_with('/') => format!("{host}/{rest}").into(),
        _ => path.into(),
    }
}

/// Who we say we are (RFC 7617 section 2).
pub fn basic(login: &BasicLogin) -> Zeroizing<String> {
    let both = Zeroizing::new(format!("{}:{}", login.name, login.password.reveal()));
    Zeroizing::new(format!("Basic {}", BASE64.encode(both.as_bytes())))
}

/// What an answer consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The status. It comes first, once the whole head is there.
    Status(u16),
    /// Some of the body.
    Body(&'a [u8]),
    /// It is complete.
    End,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is something else, and why.
    NotHttp(String),
    /// The head is longer than [`LONGEST_HEAD`].
    LongHead,
    /// It ended too early.
    Cut,
}

/// An answer that is being read.
#[derive(Debug)]
pub struct Answer {
    method: Method,
    place: Place,
}

/// Where in an answer the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the head, whose first so many bytes have no end of a head in them.
    Head(usize),
    /// In a body that ends with the connection.
    Rest,
    /// In a body of which so many bytes are missing.
    Counted(u64),
    /// In the length of a chunk.
    Length,
    /// In a chunk of which so many bytes are missing.
    Chunk(u64),
    /// Behind a chunk.
    ChunkEnd,
    /// In what stands behind the last chunk: so many bytes are over.
    Trailers(usize),
    /// Behind it.
    Over,
}

impl Answer {
    /// The answer to a request of this method.
    pub fn new(method: Method) -> Answer {
        Answer { method, place: Place::Head(0) }
    }

    /// How many bytes of what was heard and not taken yet make the next piece, and the piece. Bytes may be taken that
    /// make none; where none are taken, more must be heard first.
    ///
    /// # Errors
    /// If it is no answer, or an endless one.
    pub fn next<'a>(&mut self, heard: &'a [u8]) -> Result<(usize, Option<Piece<'a>>), Fault> {
        match self.place {
            Place::Head(searched) => self.head(heard, searched),
            Place::Rest => Ok(piece(heard, heard.len())),
            Place::Counted(0) => {
                self.place = Place::Over;
                Ok((0, Some(Piece::End)))
            }
            Place::Counted(missing) => {
                let (taken, piece) = piece(heard, up_to(missing, heard));
                self.place = Place::Counted(missing - taken as u64);
                Ok((taken, piece))
            }
            Place::Length => self.length(heard),
            Place::Chunk(missing) => {
                let (taken, piece) = piece(heard, up_to(missing, heard));
                let missing = missing - taken as u64;
                self.place = if missing == 0 { Place::ChunkEnd } else { Place::Chunk(missing) };
                Ok((taken, piece))
            }
            Place::ChunkEnd => match heard {
                [] | [b'\r'] => Ok((0, None)),
                [b'\n', ..] => Ok(self.moved(1, Place::Length)),
                [b'\r', b'\n', ..] => Ok(self.moved(2, Place::Length)),
                _ => Err(Fault::NotHttp("a chunk is longer than it says".to_owned())),
            },
            Place::Trailers(over) => self.trailers(heard, over),
            Place::Over => Ok((0, Some(Piece::End))),
        }
    }

    /// The connection has ended behind all that was heard.
    ///
    /// # Errors
    /// If more was to come.
    pub fn end(&self) -> Result<(), Fault> {
        match self.place {
            Place::Rest | Place::Counted(0) | Place::Over => Ok(()),
            _ => Err(Fault::Cut),
        }
    }

    fn moved<'a>(&mut self, taken: usize, place: Place) -> (usize, Option<Piece<'a>>) {
        self.place = place;
        (taken, None)
    }

    fn head<'a>(&mut self, heard: &'a [u8], searched: usize) -> Result<(usize, Option<Piece<'a>>), Fault> {
        // Headers are taken apart once, when all are there: a server that sends byte after byte gains nothing by it.
        if !begins_well(heard) || has_empty_line(heard, searched) {
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let mut response = Response::new(&mut headers);
            let parsed = forgiving().parse_response(&mut response, heard);
            if let Status::Complete(taken) = parsed.map_err(|error| Fault::NotHttp(error.to_string()))? {
                if taken > LONGEST_HEAD {
                    return Err(Fault::LongHead);
                }
                let status = response.code.unwrap_or_default();
                // Something is said beforehand (RFC 9110 section 15.2).
                if matches!(status, 100..=199) && status != 101 {
                    return Ok(self.moved(taken, Place::Head(0)));
                }
                self.place = self.body(status, response.headers)?;
                return Ok((taken, Some(Piece::Status(status))));
            }
        }
        if heard.len() > LONGEST_HEAD {
            return Err(Fault::LongHead);
        }
        self.place = Place::Head(heard.len());
        Ok((0, None))
    }

    /// Where the body begins and how it ends (RFC 9112 section 6.3).
    fn body(&self, status: u16, headers: &[Header<'_>]) -> Result<Place, Fault> {
        if self.method == Method::Head || matches!(status, 101 | 204 | 304) {
            return Ok(Place::Counted(0));
        }
        let named = |name: &'static str| {
            headers
                .iter()
                .filter(move |header| header.name.eq_ignore_ascii_case(name))
                .map(|header| header.value)
        };
        if let Some(last) = named("transfer-encoding").next_back() {
            let last = last.rsplit(|byte| *byte == b',').next().unwrap_or(last).trim_ascii();
            return Ok(if last.eq_ignore_ascii_case(b"chunked") { Place::Length } else { Place::Rest });
        }
        let mut lengths = named("content-length").flat_map(|value| value.split(|byte| *byte == b','));
        let Some(first) = lengths.next() else { return Ok(Place::Rest) };
        let read = |text: &[u8]| {
            let digits = Some(text.trim_ascii()).filter(|text| text.iter().all(u8::is_ascii_digit))?;
            std::str::from_utf8(digits).ok()?.parse::<u64>().ok()
        };
        match read(first) {
            Some(length) if lengths.all(|other| read(other) == Some(length)) => Ok(Place::Counted(length)),
            _ => Err(Fault::NotHttp("its Content-Length is no number".to_owned())),
        }
    }

    fn length<'a>(&mut self, heard: &'a [u8]) -> Result<(usize, Option<Piece<'a>>), Fault> {
        let none = || Fault::NotHttp("the length of a chunk is no number".to_owned());
        let Some(end) = heard.iter().position(|byte| *byte == b'\n') else {
            return if heard.len() > LONGEST_LINE { Err(none()) } else { Ok((0, None)) };
        };
        let line = heard.get(..end).unwrap_or_default();
        // Behind a semicolon may stand what only the server understands.
        let digits = line.split(|byte| *byte == b';').next().unwrap_or(line).trim_ascii();
        // Text that reads as a number may have a sign, a chunk's length may not.
        let digits =
            std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+')).ok_or_else(none)?;
        let place = match u64::from_str_radix(digits, 16).map_err(|_| none())? {
            0 => Place::Trailers(0),
            length => Place::Chunk(length),
        };
        Ok(self.moved(end + 1, place))
    }

    fn trailers<'a>(&mut self, heard: &'a [u8], over: usize) -> Result<(usize, Option<Piece<'a>>), Fault> {
        let end = heard.iter().position(|byte| *byte == b'\n');
        let over = over + end.unwrap_or(heard.len());
        if over > LONGEST_HEAD {
            return Err(Fault::LongHead);
        }
        let Some(end) = end else { return Ok((0, None)) };
        match heard.get(..end) {
            Some([] | [b'\r']) => {
                self.place = Place::Over;
                Ok((end + 1, Some(Piece::End)))
            }
            _ => Ok(self.moved(end + 1, Place::Trailers(over))),
        }
    }
}

fn forgiving() -> ParserConfig {
    let mut config = ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    config
}

/// Whether this may still become the head of an answer. Empty lines before it are forgiven.
fn begins_well(heard: &[u8]) -> bool {
    let blanks = heard.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let first = heard.get(blanks..).unwrap_or_default();
    first.iter().zip(b"HTTP/").all(|(found, expected)| found == expected)
}

/// Whether there is an empty line beyond what was searched before.
fn has_empty_line(heard: &[u8], searched: usize) -> bool {
    let fresh = heard.get(searched.saturating_sub(2)..).unwrap_or_default();
    fresh.windows(2).any(|two| two == b"\n\n") || fresh.windows(3).any(|three| three == b"\n\r\n")
}

/// So many bytes of a body, if any.
fn piece(heard: &[u8], length: usize) -> (usize, Option<Piece<'_>>) {
    match heard.get(..length) {
        None | Some([]) => (0, None),
        Some(some) => (length, Some(Piece::Body(some))),
    }
}

/// How much of what is missing has been heard.
fn up_to(missing: u64, heard: &[u8]) -> usize {
    usize::try_from(missing).unwrap_or(usize::MAX).min(heard.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that is read where a server sends this in pieces of `step` bytes and closes: the status, and the body.
    fn read(method: Method, said: &[u8], step: usize) -> Result<(u16, Vec<u8>), Fault> {
        let mut answer = Answer::new(method);
        let (mut status, mut body) = (0, Vec::new());
        let (mut heard, mut pieces) = (Vec::new(), said.chunks(step));
        loop {
            let (taken, piece) = answer.next(&heard)?;
            match piece {
                Some(Piece::Status(found)) => status = found,
                Some(Piece::Body(some)) => body.extend_from_slice(some),
                Some(Piece::End) => return Ok((status, body)),
                None if taken > 0 => {}
                None => match pieces.next() {
                    Some(more) => heard.extend_from_slice(more),
                    None => return answer.end().map(|()| (status, body)),
                },
            }
            heard.drain(..taken);
        }
    }

    /// The same in one piece and byte by byte.
    fn answer(said: &str) -> Result<(u16, String), Fault> {
        let whole = read(Method::Get, said.as_bytes(), said.len().max(1));
        assert_eq!(whole, read(Method::Get, said.as_bytes(), 1), "{said:?}");
        whole.map(|(status, body)| (status, String::from_utf8(body).unwrap()))
    }

    #[test]
    fn bodies_end_where_the_head_says() {
        for (said, body) in [
            ("HTTP/1.0 200 OK\r\n\r\nhello", "hello"),
            ("\r\n\r\nHTTP/1.0 200\n\nhello", "hello"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, world", "hello"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\ncontent-length: 5\r\n\r\nhello", "hello"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nhello", ""),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhello", "hello"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"),
            (
                "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n04;a=b\nhell\n1 \r\no\r\n0\r\nX: y\r\n\r\nz",
                "hello",
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello",
                "hello",
            ),
            ("HTTP/1.1 200 OK\r\nX: folded\r\n  value\r\nno colon\r\nY : z\r\n\r\nhello", "hello"),
        ] {
            assert_eq!(answer(said), Ok((200, body.to_owned())), "{said:?}");
        }
        assert_eq!(answer("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello"), Ok((204, String::new())));
        assert_eq!(answer("HTTP/1.1 101 Other\r\n\r\nhello"), Ok((101, String::new())));
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
        assert_eq!(read(Method::Head, head, 7), Ok((200, Vec::new())));
    }

    #[test]
    fn what_is_cut_off_is_no_answer() {
        for said in [
            "",
            "HTT",
            "HTTP/1.1 200 OK\r\nX: y\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        ] {
            assert_eq!(answer(said), Err(Fault::Cut), "{said:?}");
        }
    }

    #[test]
    fn what_is_not_http_is_seen_at_once() {
        let chunked = |rest: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}");
        let said = [
            "SSH-2.0-OpenSSH_9.2".to_owned(),
            "220 mx.example\r\n".to_owned(),
            "HTTP/2 200 OK\r\n\r\n".to_owned(),
            "HTTP/1.1 2x0 OK\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n".to_owned(),
            chunked("xyz\r\n"),
            chunked("+5\r\nhello\r\n"),
            chunked("5\r\nhello!\r\n"),
            chunked("10000000000000000\r\n"),
            chunked(&"1".repeat(LONGEST_LINE + 1)),
        ];
        for said in said {
            assert!(matches!(answer(&said), Err(Fault::NotHttp(_))), "{said:?}");
        }
    }

    #[test]
    fn what_has_no_end_is_given_up_on() {
        let endless = "x".repeat(LONGEST_HEAD + 1);
        for said in [
            format!("HTTP/1.1 200 OK\r\nX: {endless}"),
            format!("HTTP/1.1 200 OK\r\nX: {endless}\r\n\r\n"),
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}",
                "X: y\r\n".repeat(20_000)
            ),
        ] {
            assert_eq!(read(Method::Get, said.as_bytes(), 4096), Err(Fault::LongHead));
        }
    }

    #[test]
    fn a_page_by_way_of_the_server_has_a_path() {
        for (path, asked) in [
            ("/a?b", "/a?b"),
            ("http://a.example/b", "http://a.example/b"),
            ("http://a.example", "http://a.example/"),
            ("http://a.example?b", "http://a.example/?b"),
            ("http://p/b", "http://p/b"),
            ("http://http?b", "http://http/?b"),
        ] {
            assert_eq!(target(path), asked);
        }
    }
}

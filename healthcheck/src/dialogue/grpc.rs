//! The two messages of gRPC's health protocol (`grpc/health/v1/health.proto`), and what statuses mean.
//!
//! Our own, because the whole of it is one text in a question and one number in an answer: a library for it brings a
//! compiler for such definitions, a server and a balancer of its own.

use super::quote;

/// The longest answer that is read, in bytes: a good one has two or four.
pub const LONGEST: usize = 4096;
/// Length of what stands before each message: whether it is compressed, and how long it is (gRPC over HTTP/2,
/// "Length-Prefixed-Message").
pub const PREFIX: usize = 5;

/// `HealthCheckRequest`, with its prefix.
pub fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        // Field 1, of the type that has a length.
        message.push(1 << 3 | 2);
        push_varint(&mut message, service.len());
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(&message);
    framed
}

fn push_varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is none in this protocol; why.
    NoAnswer(String),
    /// It says that the service does not serve; what it says.
    NotServing(&'static str),
}

/// Judges all bytes of an answer's body: one `HealthCheckResponse` with its prefix.
pub fn judge(body: &[u8]) -> Result<(), Fault> {
    let broken = |why: &str| Err(Fault::NoAnswer(why.to_owned()));
    let Some((prefix, message)) = body.split_at_checked(PREFIX) else {
        return broken(if body.is_empty() { "it has no message in it" } else { "its message is cut off" });
    };
    let [compressed, length @ ..] = prefix else { return broken("its message is cut off") };
    if *compressed != 0 {
        return broken("its message is compressed, which nobody asked for");
    }
    let length = length.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
    if length != message.len() {
        return broken("its message is not as long as it says");
    }
    match status(message) {
        Some(1) => Ok(()),
        Some(0) => Err(Fault::NotServing("UNKNOWN")),
        Some(2) => Err(Fault::NotServing("NOT_SERVING")),
        Some(3) => Err(Fault::NotServing("SERVICE_UNKNOWN")),
        Some(_) => Err(Fault::NotServing("a status that this protocol does not have")),
        None => broken("its message is not one of grpc.health.v1"),
    }
}

/// Field 1 of `HealthCheckResponse`; 0 if it is not there. Fields that are not known are passed over.
fn status(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let (field, kind) = (tag >> 3, tag & 7);
        let skip = match kind {
            0 => {
                let value = varint(&mut message)?;
                if field == 1 {
                    status = value;
                }
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        if field == 0 || (field == 1 && kind != 0) {
            return None;
        }
        message = message.get(skip..)?;
    }
    Some(status)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// What a `grpc-status` other than 0 says, with the server's own words (`grpc-message`) if there are any.
pub fn status_words(status: &[u8], message: Option<&[u8]>) -> String {
    // gRPC, "Status codes and their use in gRPC".
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let text = quote(status);
    let name = text.parse::<usize>().ok().and_then(|number| NAMES.get(number));
    let meaning = match name {
        Some(&"NOT_FOUND") => " (the server does not know this service)",
        Some(&"UNIMPLEMENTED") => " (the server has no health service)",
        _ => "",
    };
    let mut words = format!("gRPC status {text}");
    if let Some(name) = name {
        words += &format!(" {name}{meaning}");
    }
    if let Some(message) = message.filter(|message| !message.is_empty()) {
        words += &format!(": {}", quote(&percent_decoded(message)));
    }
    words
}

/// `grpc-message` is written with `%XX` for what is not visible ASCII.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let pair = (digit(text.get(at + 1)), digit(text.get(at + 2)));
        match (byte, pair) {
            (b'%', (Some(high), Some(low))) => {
                out.push(u8::try_from(high << 4 | low).unwrap_or(b'?'));
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_written_as_the_definition_asks() {
        assert_eq!(request(""), [0, 0, 0, 0, 0]);
        assert_eq!(request("a.B"), [0, 0, 0, 0, 5, 0x0a, 3, b'a', b'.', b'B']);
        let long = request(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 0x2f, 0x0a, 0xac, 0x02]);
        assert_eq!(long.len(), 5 + 303);
    }

    #[test]
    fn answers_are_judged() {
        let framed = |message: &[u8]| {
            let mut body = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
            body.extend_from_slice(message);
            body
        };
        assert_eq!(judge(&framed(&[8, 1])), Ok(()));
        // An unknown field does not matter, and the last of two counts.
        assert_eq!(judge(&framed(&[0x12, 2, 9, 9, 8, 2, 8, 1, 0x1d, 0, 0, 0, 0])), Ok(()));
        for (message, name) in [
            (&[][..], "UNKNOWN"),
            (&[8, 0], "UNKNOWN"),
            (&[8, 2], "NOT_SERVING"),
            (&[8, 3], "SERVICE_UNKNOWN"),
        ] {
            assert_eq!(judge(&framed(message)), Err(Fault::NotServing(name)));
        }
        assert!(matches!(judge(&framed(&[8, 77])), Err(Fault::NotServing(_))));
        for message in
            [&[8][..], &[8, 0x80], &[0x0a, 1, 1], &[0x12, 9], &[0], &[0xff; 12], &[8, 1, 0x0b], &[0x11, 1]]
        {
            assert!(matches!(judge(&framed(message)), Err(Fault::NoAnswer(_))), "{message:?}");
        }
        for body in
            [&[][..], &[0], &[1, 0, 0, 0, 2, 8, 1], &[0, 0, 0, 0, 1, 8, 1], &[0, 255, 255, 255, 255, 8]]
        {
            assert!(matches!(judge(body), Err(Fault::NoAnswer(_))), "{body:?}");
        }
    }

    #[test]
    fn statuses_are_told_in_words() {
        assert_eq!(
            status_words(b"12", Some(b"unknown%20service%0a")),
            "gRPC status 12 UNIMPLEMENTED (the server has no health service): unknown service?"
        );
        assert_eq!(status_words(b"14", None), "gRPC status 14 UNAVAILABLE");
        assert_eq!(status_words(b"99", Some(b"")), "gRPC status 99");
        assert_eq!(status_words(b"x\xff", Some(b"100%")), "gRPC status x?: 100%");
    }
}

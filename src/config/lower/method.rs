//! `lvs_method` and its kin: how packets reach a server, with the options of tunnels.

use std::num::NonZeroU16;
use std::str::FromStr;

use ipvs_backend::Forwarding;

use super::context::{Context, Entry, short};
use crate::config::complaint::{Code, Reaction};
use crate::config::syntax::Word;
use crate::config::{Checksum, Tunnel};

const METHODS: [&str; 3] = ["NAT", "DR", "TUN"];
const OPTIONS: [&str; 5] = ["type", "port", "nocsum", "csum", "remcsum"];
const KINDS: [&str; 3] = ["ipip", "gue", "gre"];

/// How packets reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method {
    pub forwarding: Forwarding,
    /// `None` for address translation, direct routing and tunnels of plain IP in IP.
    pub tunnel: Option<Tunnel>,
}

impl Method {
    /// Whether packets travel in other packets, which may be of the other family.
    pub fn is_tunnel(&self) -> bool {
        self.forwarding == Forwarding::Tun
    }
}

impl Default for Method {
    fn default() -> Self {
        Self { forwarding: Forwarding::Nat, tunnel: None }
    }
}

/// What stands behind the keyword: NAT, DR, or TUN with its options.
pub(super) fn method(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Method> {
    let word = context.first(entry)?;
    // Other keywords take either case, this one does not.
    let exact = METHODS.contains(&word.text.as_str()).then(|| Forwarding::from_str(&word.text).ok());
    let Some(forwarding) = exact.flatten() else {
        context.invalid_choice(&format!("`{}`", entry.keyword.name), word, &METHODS);
        return None;
    };
    if forwarding != Forwarding::Tun {
        context.at_most(entry, 1);
        return Some(Method { forwarding, tunnel: None });
    }
    Some(Method { forwarding, tunnel: tunnel(context, entry) })
}

/// The options of a tunnel; `None` for a plain one, which it also is to keepalived if there is a mistake in them.
fn tunnel(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Tunnel> {
    let mut refuse = |code: Code, word: &Word, message: String| {
        let keepalived = Reaction::goes_on("the options are ignored: the tunnel is plain IP in IP");
        context.error_but(code, word.span, message, None, keepalived);
    };
    let (mut kind, mut port, mut checksum) = (None, None, None);
    let mut words = entry.words().iter().skip(1);
    while let Some(word) = words.next() {
        match word.text.as_str() {
            option @ ("type" | "port") => {
                let Some(value) = words.next() else {
                    refuse(Code::MissingValue, word, format!("`{option}` of a tunnel needs a value"));
                    return None;
                };
                if option == "type" {
                    let Some(found) = KINDS.iter().find(|kind| **kind == value.text) else {
                        let found = short(&value.text);
                        let message =
                            format!("the type of the tunnel is `{found}`; allowed: {}", KINDS.join(", "));
                        refuse(Code::InvalidChoice, value, message);
                        return None;
                    };
                    kind = Some(*found);
                } else {
                    let Ok(number) = NonZeroU16::from_str(&value.text) else {
                        let found = short(&value.text);
                        let message =
                            format!("the port of the tunnel is `{found}`; expected a port from 1 to 65535");
                        refuse(Code::InvalidPort, value, message);
                        return None;
                    };
                    port = Some((number, word));
                }
            }
            "nocsum" => checksum = None,
            "csum" => checksum = Some((Checksum::Plain, word)),
            "remcsum" => checksum = Some((Checksum::Remote, word)),
            other => {
                let message =
                    format!("`{}` is no option of a tunnel; allowed: {}", short(other), OPTIONS.join(", "));
                refuse(Code::InvalidChoice, word, message);
                return None;
            }
        }
    }
    let sum = checksum.map_or(Checksum::None, |(sum, _)| sum);
    match (kind.unwrap_or("ipip"), port, checksum) {
        ("gue", Some((port, _)), _) => return Some(Tunnel::Gue { port, checksum: sum }),
        ("gue", None, _) => {
            if let Some(word) = entry.words().first() {
                let message = "a gue tunnel needs the port that its packets go to: `port NUMBER`".to_owned();
                refuse(Code::MissingValue, word, message);
            }
        }
        (_, Some((_, word)), _) => {
            refuse(Code::Conflict, word, "only gue tunnels have a port".to_owned());
        }
        ("gre", None, Some((Checksum::Remote, word))) => {
            refuse(Code::Conflict, word, "gre tunnels know `csum` and `nocsum`, no `remcsum`".to_owned());
        }
        ("gre", None, _) => return Some(Tunnel::Gre { checksum: sum }),
        (_, None, Some((_, word))) => {
            refuse(Code::Conflict, word, "ipip tunnels have no checksum".to_owned());
        }
        (_, None, None) => {}
    }
    None
}

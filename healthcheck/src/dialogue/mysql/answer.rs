//! What a server of MySQL says of itself, and what it says is wrong.

use crate::dialogue::quote;

/// What a server greets with.
pub(super) struct Greeting {
    pub version: String,
    pub able: u32,
    pub nonce: Vec<u8>,
    pub plugin: String,
}

impl Greeting {
    pub fn read(content: &[u8]) -> Option<Greeting> {
        let zero = content.iter().position(|byte| *byte == 0)?;
        let version = quote(content.get(1..zero)?);
        let rest = content.get(zero + 1..)?;
        // The number of the connection, eight bytes of nonce, a zero.
        let first = rest.get(4..12)?;
        let low = rest.get(13..15)?;
        let rest = rest.get(15..)?;
        let mut able = u32::from(u16::from_le_bytes([low[0], low[1]]));
        let mut greeting = Greeting { version, able, nonce: first.to_vec(), plugin: String::new() };
        // Character set, status, more of what it can do, the length of the nonce, ten bytes of nothing.
        let Some([_, _, _, a, b, length]) = rest.first_chunk() else { return Some(greeting) };
        able |= u32::from(u16::from_le_bytes([*a, *b])) << 16;
        greeting.able = able;
        let second = usize::from(*length).saturating_sub(8).max(13);
        let rest = rest.get(16..)?;
        let nonce = rest.get(..second.min(rest.len()))?;
        greeting.nonce.extend(nonce.strip_suffix(&[0]).unwrap_or(nonce));
        let plugin = rest.get(nonce.len()..)?;
        let zero = plugin.iter().position(|byte| *byte == 0).unwrap_or(plugin.len());
        greeting.plugin = quote(plugin.get(..zero)?);
        Some(greeting)
    }
}

/// What a server says is wrong.
pub(super) struct Trouble {
    pub code: u16,
    pub text: String,
}

impl Trouble {
    pub fn read(content: &[u8]) -> Trouble {
        let code = match content {
            [_, a, b, ..] => u16::from_le_bytes([*a, *b]),
            _ => 0,
        };
        let text = content.get(3..).unwrap_or_default();
        // The state of SQL, in five characters, stands before the text once the client is known.
        let text = if text.first() == Some(&b'#') { text.get(6..).unwrap_or_default() } else { text };
        Trouble { code, text: quote(text) }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "'{}' ({})", self.text, self.code)
    }
}

//! SCRAM-SHA-256 (RFC 5802, RFC 7677): each side shows that it knows the password, and neither tells it.
//!
//! Passwords are taken as they are, byte by byte. The standard would have some letters beyond ASCII replaced by others
//! of the same look first.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

type Key = [u8; 32];

/// More rounds than that are not computed: a server could keep us busy. Servers ask for 4,096 as a rule.
pub(super) const MOST_ROUNDS: u32 = 600_000;

/// No channel binding.
const HEADER: &str = "n,,";

/// What we begin with. The nonce is a text without commas that nobody can foresee.
pub(super) fn first(name: &str, nonce: &str) -> String {
    format!("{HEADER}{}", bare(name, nonce))
}

fn bare(name: &str, nonce: &str) -> String {
    format!("n={name},r={nonce}")
}

/// What the server asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub salt: Vec<u8>,
    pub rounds: u32,
    /// Everything that both sides sign.
    signed: String,
    /// The nonce of both.
    nonce: String,
}

impl Challenge {
    /// Reads the server's first message.
    pub fn read(name: &str, nonce: &str, message: &[u8]) -> Option<Challenge> {
        let text = std::str::from_utf8(message).ok()?;
        let mut parts = text.split(',');
        let both = parts.next()?.strip_prefix("r=")?;
        let salt = STANDARD.decode(parts.next()?.strip_prefix("s=")?).ok()?;
        let rounds = parts.next()?.strip_prefix("i=")?.parse().ok()?;
        // A server that does not take up our nonce may be playing an old record.
        if !both.starts_with(nonce) || both.len() == nonce.len() || rounds == 0 {
            return None;
        }
        let ends = format!("c={},r={both}", STANDARD.encode(HEADER));
        let signed = format!("{},{text},{ends}", bare(name, nonce));
        Some(Challenge { salt, rounds, signed, nonce: both.to_owned() })
    }

    /// The answer, and the signature that the server must show; `salted` is the password after all rounds.
    pub fn answer(&self, salted: &[u8]) -> (String, Key) {
        let client = mac(salted, b"Client Key");
        let signature = mac(&Sha256::digest(client), self.signed.as_bytes());
        let proof: Vec<u8> = client.iter().zip(signature).map(|(key, signature)| key ^ signature).collect();
        let ends = STANDARD.encode(HEADER);
        let answer = format!("c={ends},r={},p={}", self.nonce, STANDARD.encode(proof));
        (answer, mac(&mac(salted, b"Server Key"), self.signed.as_bytes()))
    }
}

/// Whether the server's last message shows that it knows the password.
pub(super) fn is_proof(message: &[u8], expected: &Key) -> bool {
    let shown = message.strip_prefix(b"v=").and_then(|text| STANDARD.decode(text).ok());
    shown.is_some_and(|shown| shown == expected)
}

/// A password after so many rounds (PBKDF2, RFC 8018 section 5.2).
pub(super) fn stretch(password: &[u8], salt: &[u8], rounds: u32) -> Key {
    let keyed = keyed(password);
    let mac = |parts: &[&[u8]]| -> Key {
        let mut mac = keyed.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    };
    let mut last = mac(&[salt, &[0, 0, 0, 1]]);
    let mut sum = last;
    for _ in 1..rounds {
        last = mac(&[&last]);
        sum.iter_mut().zip(last).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

fn mac(key: &[u8], text: &[u8]) -> Key {
    let mut mac = keyed(key);
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_example_of_the_standard_is_met() {
        assert_eq!(first("user", NONCE), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let challenge = Challenge::read("user", NONCE, CHALLENGE.as_bytes()).unwrap();
        let salted = stretch(b"pencil", &challenge.salt, challenge.rounds);
        let (answer, signature) = challenge.answer(&salted);
        let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(answer, expected);
        assert!(is_proof(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", &signature));
        assert!(!is_proof(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G8=", &signature));
        assert!(!is_proof(b"e=other-error", &signature));
    }

    #[test]
    fn challenges_that_are_none_are_refused() {
        for wrong in [
            "",
            "r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096",
            "r=other,s=W22Z,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=?,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=0",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=99999999999",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z",
        ] {
            assert_eq!(Challenge::read("", NONCE, wrong.as_bytes()), None, "{wrong}");
        }
    }
}

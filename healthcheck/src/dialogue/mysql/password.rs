//! How a client of MySQL shows that it knows a password.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// `mysql_native_password`: SHA1(password) xor SHA1(nonce, SHA1(SHA1(password))).
pub(super) fn native(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha1::digest(password);
    let mask = Sha1::new().chain_update(nonce).chain_update(Sha1::digest(once)).finalize();
    mixed(&once, &mask)
}

/// `caching_sha2_password`, the short way: SHA256(password) xor SHA256(SHA256(SHA256(password)), nonce).
pub(super) fn caching(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha256::digest(password);
    let mask = Sha256::new().chain_update(Sha256::digest(once)).chain_update(nonce).finalize();
    mixed(&once, &mask)
}

/// Bytes xor others, which are repeated as far as they must be.
pub(super) fn mixed(bytes: &[u8], mask: &[u8]) -> Vec<u8> {
    if mask.is_empty() {
        return bytes.to_vec();
    }
    bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_are_those_that_servers_take() {
        let nonce = [70, 114, 92, 94, 1, 38, 11, 116, 63, 114, 23, 101, 126, 103, 26, 95, 81, 17, 24, 21];
        let expected =
            [53, 177, 140, 159, 251, 189, 127, 53, 109, 252, 172, 50, 211, 192, 240, 164, 26, 48, 207, 45];
        assert_eq!(native(b"secret", &nonce), expected);
        let nonce = [10, 47, 74, 111, 75, 73, 34, 48, 88, 76, 114, 74, 37, 13, 3, 80, 82, 2, 23, 21];
        let hex: String = caching(b"secret", &nonce).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "f490e76f66d9d86665ce54d98c78d0acfe2fb0b08b423da807144873d30b312c");
        assert!(native(b"", &nonce).is_empty() && caching(b"", &nonce).is_empty());
    }
}

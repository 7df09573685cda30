//! What can be a mail address.

use crate::error::DeliveryError;

/// Whether a text can be the address of a mailbox, `user@host` or `Name <user@host>`. The host may be any
/// name or an address in brackets; whether it exists is not asked. Stricter than RFC 5322, which allows
/// quoted blanks and comments.
pub fn check_address(text: &str) -> Result<(), DeliveryError> {
    split_address(text).map(drop)
}

/// The name (empty if there is none), the user and the host of a mailbox.
pub(crate) fn split_address(text: &str) -> Result<(&str, &str, &str), DeliveryError> {
    let wrong = |problem| Err(DeliveryError::Address { address: text.to_owned(), problem });
    if text.chars().any(char::is_control) {
        return wrong("holds a control character");
    }
    let text = text.trim();
    let (name, bare) = match text.split_once('<').map(|(name, rest)| (name.trim(), rest.strip_suffix('>'))) {
        None => ("", text),
        Some((name, _)) if !name.chars().all(is_name) => return wrong("has a name with special characters"),
        Some((_, None)) => return wrong("has a '<' without a '>' at its end"),
        Some((name, Some(bare))) => (name, bare),
    };
    let Some((user, host)) = bare.rsplit_once('@') else {
        return wrong("has no '@'");
    };
    if user.is_empty() || user.len() > 64 || !user.split('.').all(is_atom) {
        return wrong("has no usable user name before the '@'");
    }
    if !is_host(host) {
        return wrong("has no usable host name after the '@'");
    }
    Ok((name, user, host))
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || " -_'".contains(character)
}

/// An atom of RFC 5322 section 3.2.3, ASCII only.
fn is_atom(atom: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    !atom.is_empty() && atom.bytes().all(fits)
}

fn is_host(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address = literal.strip_prefix("IPv6:").unwrap_or(literal);
        return address.parse::<std::net::IpAddr>().is_ok();
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_people_use_are_taken() {
        for good in [
            "admin@example.org",
            "root@localhost",
            "first.last+lvs@mail.example-site.org",
            "Failover Team <admin@example.org>",
            "<admin@example.org>",
            "admin@[192.0.2.1]",
        ] {
            assert_eq!(check_address(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_no_address_is_named_with_its_problem() {
        for (bad, problem) in [
            ("root", "has no '@'"),
            ("", "has no '@'"),
            ("@example.org", "has no usable user name before the '@'"),
            ("a b@example.org", "has no usable user name before the '@'"),
            (".a@example.org", "has no usable user name before the '@'"),
            ("admin@", "has no usable host name after the '@'"),
            ("admin@-x.org", "has no usable host name after the '@'"),
            ("admin@exa_mple.org", "has no usable host name after the '@'"),
            ("a@b.org,c@d.org", "has no usable user name before the '@'"),
            ("Admin <admin@example.org", "has a '<' without a '>' at its end"),
            ("admin@example.org\r\nBcc: x@y", "holds a control character"),
        ] {
            let Err(error) = check_address(bad) else { panic!("{bad} is taken") };
            assert_eq!(error, DeliveryError::Address { address: bad.into(), problem }, "{bad}");
            assert!(error.is_permanent());
        }
    }
}

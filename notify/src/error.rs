//! Why a notice was not delivered.

/// Why a notice was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// A configured address cannot be one.
    #[error("found mail address '{address}', which {problem}; expected one such as admin@example.org")]
    Address {
        /// The address as configured.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is nobody to send to.
    #[error("found no recipient; add one to notification_email")]
    NoRecipient,
    /// The message could not be put together.
    #[error("the message could not be written: {0}")]
    Message(String),
    /// The mail server could not be reached, or fell silent.
    #[error("mail server {server} could not be used: {reason}; check smtp_server and that it runs")]
    Server {
        /// The server and port.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The dialogue took too long.
    #[error("mail server {server} did not take the message within {seconds} s")]
    Timeout {
        /// The server and port.
        server: String,
        /// The time it was given, in seconds.
        seconds: u64,
    },
    /// The mail server refused the message, or every recipient.
    #[error("mail server {server} refused {what}: {reply}")]
    Refused {
        /// The server and port.
        server: String,
        /// What it refused: `the message`, `recipient a@b, c@d`.
        what: String,
        /// Its reply, code and text.
        reply: String,
        /// Whether it said that trying again is of no use (a reply of 5xx).
        permanent: bool,
    },
}

impl DeliveryError {
    /// Whether the same notice would fail again, unless the settings change.
    pub fn is_permanent(&self) -> bool {
        match self {
            DeliveryError::Address { .. } | DeliveryError::NoRecipient | DeliveryError::Message(_) => true,
            DeliveryError::Server { .. } | DeliveryError::Timeout { .. } => false,
            DeliveryError::Refused { permanent, .. } => *permanent,
        }
    }
}

/// Whether a text can be the address of a mailbox, `user@host` or `Name <user@host>`. The host may be any
/// name or an address in brackets; whether it exists is not asked. Stricter than RFC 5322, which allows
/// quoted blanks and comments.
pub fn check_address(text: &str) -> Result<(), DeliveryError> {
    match problem(text) {
        None => Ok(()),
        Some(problem) => Err(DeliveryError::Address { address: text.to_owned(), problem }),
    }
}

fn problem(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Some("holds a control character");
    }
    let bare = match text.split_once('<') {
        None => text,
        Some((name, rest)) => match rest.strip_suffix('>') {
            Some(_) if !name.trim().chars().all(is_name) => return Some("has a name with special characters"),
            Some(bare) => bare,
            None => return Some("has a '<' without a '>' at its end"),
        },
    };
    let Some((user, host)) = bare.rsplit_once('@') else {
        return Some("has no '@'");
    };
    if user.is_empty() || user.len() > 64 || !user.split('.').all(|atom| is_atom(atom)) {
        return Some("has no usable user name before the '@'");
    }
    if !is_host(host) {
        return Some("has no usable host name after the '@'");
    }
    None
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

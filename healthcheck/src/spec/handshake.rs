//! The questions that begin with a handshake: directories, databases, RADIUS, and Oracle's listener.

use serde::{Deserialize, Serialize};

use super::{Secret, Smtp, Tls};

/// Who we say that we are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Login {
    /// The name (`login`): an account, for a directory a distinguished name.
    pub name: String,
    /// What proves it.
    pub password: Password,
}

/// A password or a shared secret, or where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Password {
    /// It stands in the configuration; it may be empty.
    Said(Secret),
    /// A file that holds it, and what that held when the configuration was read.
    File(String, Option<Secret>),
}

impl Default for Password {
    /// An empty one.
    fn default() -> Password {
        Password::Said(Secret::new(String::new()))
    }
}

impl Password {
    /// The password itself; nothing where it is not known.
    pub fn reveal(&self) -> &[u8] {
        match self {
            Password::Said(secret) | Password::File(_, Some(secret)) => secret.reveal().as_bytes(),
            Password::File(_, None) => &[],
        }
    }
}

/// A directory must let us in, and have an entry (`LDAP_CHECK`, RFC 4511).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ldap {
    /// Who binds; `None`: anonymously.
    pub login: Option<Login>,
    /// The entry that must be there (`base`); `None`: the bind is all that is asked for.
    pub base: Option<String>,
    /// How to speak TLS; `None` for a plain connection.
    pub tls: Option<Tls>,
    /// Whether TLS begins at our request over a plain connection, not with the first byte. Means nothing without TLS.
    pub starttls: bool,
}

/// A database must let us in, and answer (`MYSQL_CHECK`, `PGSQL_CHECK`).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sql {
    /// Who logs in; `None`: the server must only be ready to let somebody in.
    pub login: Option<Login>,
    /// The database to use; `None`: the server's default. Means nothing without login.
    pub database: Option<String>,
    /// A statement that must bring at least one row. Means nothing without login.
    pub query: Option<String>,
    /// How to speak TLS, which the server must then offer; `None` for a plain connection.
    pub tls: Option<Tls>,
    /// Whether the password may be sent without TLS so that others on the way could read it (`allow_cleartext`).
    pub cleartext: bool,
}

/// A RADIUS server must answer (`RADIUS_CHECK`, RFC 2865).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Radius {
    /// Who asks to be let in; `None`: nobody, the server is asked how it is (`status_server`, RFC 5997).
    pub login: Option<Login>,
    /// The secret that we share with the server.
    pub secret: Password,
    /// Whether it passes too if the login is rejected, since the server works (`accept_reject`).
    pub rejection: bool,
    /// Whether the answer must be signed by a Message-Authenticator as well (`require_message_authenticator`): without
    /// one it can be forged (CVE-2024-3596).
    pub signed: bool,
}

/// Oracle's listener must know where to go (`ORACLE_CHECK`).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Oracle {
    /// The listener itself is asked whether it is there, as `tnsping` does.
    #[default]
    Listener,
    /// It is asked for a service (`service_name`).
    Service(String),
    /// It is asked for an instance (`sid`).
    Sid(String),
}

impl super::Kind {
    /// The passwords and shared secrets of the question.
    pub(super) fn passwords(&self) -> impl Iterator<Item = &Password> {
        use super::Kind;
        let (login, secret) = match self {
            Kind::Ldap(Ldap { login, .. })
            | Kind::Mysql(Sql { login, .. })
            | Kind::Pgsql(Sql { login, .. }) => (login.as_ref(), None),
            Kind::Smtp(Smtp { login, .. }) => (login.as_ref(), None),
            Kind::Dialogue(dialogue) => (dialogue.login.as_ref(), None),
            Kind::Radius(Radius { login, secret, .. }) => (login.as_ref(), Some(secret)),
            _ => (None, None),
        };
        login.map(|login| &login.password).into_iter().chain(secret)
    }

    /// The same, to be changed.
    pub(super) fn passwords_mut(&mut self) -> impl Iterator<Item = &mut Password> {
        use super::Kind;
        let (login, secret) = match self {
            Kind::Ldap(Ldap { login, .. })
            | Kind::Mysql(Sql { login, .. })
            | Kind::Pgsql(Sql { login, .. }) => (login.as_mut(), None),
            Kind::Smtp(Smtp { login, .. }) => (login.as_mut(), None),
            Kind::Dialogue(dialogue) => (dialogue.login.as_mut(), None),
            Kind::Radius(Radius { login, secret, .. }) => (login.as_mut(), Some(secret)),
            _ => (None, None),
        };
        login.map(|login| &mut login.password).into_iter().chain(secret)
    }
}

/// Whether a service or an instance of Oracle can have this name: letters, digits and `_ . - $ #`, 128 at most. Others
/// would mean something in the words that it is put into.
pub fn check_oracle_name(name: &str) -> Result<(), crate::Error> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '$' | '#');
    if name.is_empty() || name.len() > 128 || !name.chars().all(fine) {
        return Err(crate::Error::OracleName(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Kind;

    #[test]
    fn secrets_are_found_and_do_not_show() {
        let said = |text: &str| Password::Said(Secret::new(text.to_owned()));
        let login = Some(Login { name: "probe".to_owned(), password: said("hunter2") });
        let file = Password::File("/key".to_owned(), Some(Secret::new("hunter3".to_owned())));
        let radius = Radius { login: login.clone(), secret: file, rejection: false, signed: true };
        let kinds = [
            Kind::Radius(radius),
            Kind::Ldap(Ldap { login: login.clone(), ..Ldap::default() }),
            Kind::Mysql(Sql { login: login.clone(), ..Sql::default() }),
            Kind::Pgsql(Sql { login, ..Sql::default() }),
        ];
        for mut kind in kinds {
            assert!(!format!("{kind:?} {kind}").contains("hunter"), "{kind:?}");
            assert!(kind.passwords().all(|password| password.reveal().starts_with(b"hunter")));
            for password in kind.passwords_mut() {
                *password = said("x");
            }
            let expected = if matches!(kind, Kind::Radius(_)) { 2 } else { 1 };
            assert_eq!(kind.passwords().filter(|password| password.reveal() == b"x").count(), expected);
        }
    }

    #[test]
    fn names_cannot_say_more_than_names() {
        for good in ["ORCL", "orclpdb1.example.org", "X$Y#1"] {
            assert_eq!(check_oracle_name(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a)(b", "a=b", "é", &"a".repeat(129)] {
            assert!(check_oracle_name(bad).is_err(), "{bad}");
        }
    }
}

//! Keywords of the checks that begin with a handshake: directories, databases, RADIUS and Oracle's listener.

use super::Form::{Block, Flag, OneOf, Switch, Word};
use super::Place::{self, LdapCheck, MysqlCheck, OracleCheck, PgsqlCheck, RadiusCheck, RealServer, VipCheck};
use super::Status::Works;
use super::{DIRECTORD, Keyword, key};

/// Checks that log in.
const LOGIN: &[Place] = &[LdapCheck, MysqlCheck, PgsqlCheck, RadiusCheck];
/// Checks that may speak TLS.
pub(super) const SECURE: &[Place] = &[LdapCheck, MysqlCheck, PgsqlCheck];
const SQL: &[Place] = &[MysqlCheck, PgsqlCheck];

#[rustfmt::skip]
pub(super) const TABLE: &[Keyword] = &[
    key("LDAP_CHECK", &[RealServer, VipCheck], Block("", LdapCheck), Works, "A directory must take a bind, and have an entry.").since(DIRECTORD),
    key("MYSQL_CHECK", &[RealServer, VipCheck], Block("", MysqlCheck), Works, "MySQL or MariaDB must greet, let us in, and answer.").since(DIRECTORD),
    key("PGSQL_CHECK", &[RealServer, VipCheck], Block("", PgsqlCheck), Works, "PostgreSQL must be ready, let us in, and answer.").since(DIRECTORD),
    key("RADIUS_CHECK", &[RealServer, VipCheck], Block("", RadiusCheck), Works, "A RADIUS server must answer.").since(DIRECTORD),
    key("ORACLE_CHECK", &[RealServer, VipCheck], Block("", OracleCheck), Works, "Oracle's listener must know a service.").since(DIRECTORD),

    key("login", LOGIN, Word("a login"), Works, "Who logs in; to a directory a distinguished name.").by_default("nobody").since(DIRECTORD),
    key("password", LOGIN, Word("a password"), Works, "The password of `login`.").by_default("an empty one").since(DIRECTORD),
    key("password_file", LOGIN, Word("a file"), Works, "A file with the password of `login`, read when the configuration is.").since(DIRECTORD),
    key("tls", &[LdapCheck], OneOf(&["off", "on", "starttls"]), Works, "Whether TLS is spoken: from the first byte on, or after both sides have agreed on it.").by_default("off").since(DIRECTORD),
    key("tls", SQL, Switch, Works, "Whether TLS is spoken, which the server must then offer.").by_default("off").since(DIRECTORD),
    key("verify", SECURE, Switch, Works, "With TLS: the server's certificate must be valid, and for `sni_name` or else the address.").by_default("as in `SSL`, else on; with `compat` off").since(DIRECTORD),
    key("sni_name", SECURE, Word("a host name"), Works, "The name in the TLS greeting, which the certificate must be for.").by_default("the address, which is not sent").since(DIRECTORD),
    key("base", &[LdapCheck], Word("a distinguished name"), Works, "The entry that must be found.").by_default("none: the bind is enough").since(DIRECTORD),
    key("database", SQL, Word("a name"), Works, "The database to use.").by_default("the server's").since(DIRECTORD),
    key("query", SQL, Word("a statement, in quotes"), Works, "A statement that must bring at least one row.").by_default("none: the login is enough").since(DIRECTORD),
    key("allow_cleartext", SQL, Flag, Works, "Tell a server without TLS the password itself if it asks for it: others on the way could read it.").by_default("off").since(DIRECTORD),
    key("secret", &[RadiusCheck], Word("a secret"), Works, "The secret that we share with the server.").since(DIRECTORD),
    key("secret_file", &[RadiusCheck], Word("a file"), Works, "A file with that secret, read when the configuration is.").since(DIRECTORD),
    key("status_server", &[RadiusCheck], Flag, Works, "Nobody logs in: the server is asked how it is (Status-Server).").by_default("off").since(DIRECTORD),
    key("accept_reject", &[RadiusCheck], Flag, Works, "A rejected login passes too: the server works.").by_default("off").since(DIRECTORD),
    key("require_message_authenticator", &[RadiusCheck], Switch, Works, "The answer must be signed so that nobody can forge it.").by_default("on").since(DIRECTORD),
    key("service_name", &[OracleCheck], Word("a service"), Works, "The service that the listener must know.").by_default("none: the listener must be there").since(DIRECTORD),
    key("sid", &[OracleCheck], Word("an instance"), Works, "The instance that the listener must know, by its SID.").by_default("none: the listener must be there").since(DIRECTORD),
];

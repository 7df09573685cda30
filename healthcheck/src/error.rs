//! What can be wrong with the words a check is described in.

/// A part of a check's description that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A word of a status list is neither a number nor a range.
    #[error("found HTTP status '{0}'; expected a number such as 200 or a range such as 200-299")]
    StatusWord(String),
    /// A status number no HTTP answer can carry.
    #[error("found HTTP status {0}; expected a number from 100 to 999")]
    StatusNumber(u16),
    /// A range whose end lies before its start.
    #[error("found HTTP status range {0}-{1}, which is empty; write the lower number first")]
    StatusOrder(u16, u16),
    /// A status list without a word in it: no answer could ever pass.
    #[error("found no HTTP status; expected at least one number or range, such as 200-299")]
    NoStatus,
    /// A digest that is not 32 hexadecimal digits.
    #[error("found digest '{0}'; expected the 32 hexadecimal digits of an MD5 sum")]
    Digest(String),
    /// A path that cannot stand in a request line (RFC 9112 section 3.2).
    #[error(
        "found path '{0}'; expected one that starts with '/' and holds only visible ASCII characters, without \
         \" # < > and ` (write these and all others as %XX)"
    )]
    Path(String),
    /// A virtual host that cannot stand in a Host header (RFC 9110 section 7.2).
    #[error("found virtual host '{0}'; expected a host name or address with an optional :port")]
    VirtualHost(String),
    /// An expression that PCRE2 would not read, and what is wrong with it.
    #[error("found the regular expression '{0}', which is none: {1}")]
    Pattern(String, String),
    /// No option of a regular expression.
    #[error("found option '{0}'; expected one of PCRE2 in lower case, such as caseless or multiline")]
    PatternOption(String),
    /// No type of DNS record that can be asked for.
    #[error("found record type '{0}'; expected A, NS, CNAME, SOA, MX, TXT, AAAA, RRSIG or DNSKEY")]
    RecordType(String),
    /// A name that no DNS question can hold, and what is wrong with it.
    #[error("found the domain name '{0}': {1}")]
    Domain(String, &'static str),
    /// A text that is not hexadecimal, and the first character that is not.
    #[error("found '{0}': '{1}' is no hexadecimal digit; expected bytes such as 0aff")]
    Hexadecimal(String, char),
    /// A name that no service of Oracle can have.
    #[error("found the name '{0}'; expected letters, digits and _ . - $ #, 128 at most")]
    OracleName(String),
}

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
    /// A header without a colon.
    #[error("this is no header; expected `\"Name: value\"`")]
    HeaderColon,
    /// The name of a header that no request can hold (RFC 9110 section 5.1).
    #[error("found '{0}' as the name of a header; expected letters, digits and `-`")]
    HeaderName(String),
    /// The value of this header, which no request can hold (RFC 9110 section 5.5). It may be a secret.
    #[error("the value of the header {0} is longer than 4 KiB or holds other than visible ASCII")]
    HeaderValue(String),
    /// A header that follows from something else, and what to say instead.
    #[error("the header {0} cannot be said: {1}")]
    HeaderOwn(String, &'static str),
    /// A name for basic authentication that cannot be sent (RFC 7617 section 2).
    #[error("found '{0}' as the name of a user; expected one without colon and control characters")]
    Login(String),
    /// An assertion with too few or too many words.
    #[error(
        "expected `POINTER`, `POINTER VALUE` or `POINTER RELATION VALUE`; put in quotes what has blanks in it"
    )]
    Assertion,
    /// No JSON pointer (RFC 6901).
    #[error("found '{0}' as the place in a page; expected a JSON pointer such as /status or /checks/0/state")]
    Pointer(String),
    /// No relation of an assertion.
    #[error("found '{0}'; expected is, is_not, below, at_most, above, at_least, matches or matches_not")]
    Relation(String),
    /// A relation with nothing behind it.
    #[error("found nothing behind '{0}'; for a page that has this word there, write `is {0}`")]
    AssertionValue(String),
    /// A relation of numbers to something else.
    #[error("found '{0}'; expected a number to compare with")]
    AssertionNumber(String),
    /// No name of a gRPC service.
    #[error("found the service '{0}'; expected visible ASCII without blanks, such as shop.v1.Cart")]
    Service(String),
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

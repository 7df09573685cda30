//! Names of services and their ports, as the usual table of a system has them.
//!
//! The other programs ask the system for such names. An import must give the same on any machine, so the common ones
//! are known by heart; a port can always be written as a number.

/// Names with their ports, from the registry of the IANA and the older names that Linux knows beside them.
const SERVICES: &[(&str, u16)] = &[
    ("echo", 7),
    ("discard", 9),
    ("daytime", 13),
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("mail", 25),
    ("time", 37),
    ("whois", 43),
    ("domain", 53),
    ("bootps", 67),
    ("tftp", 69),
    ("http", 80),
    ("www", 80),
    ("kerberos", 88),
    ("pop3", 110),
    ("pop-3", 110),
    ("sunrpc", 111),
    ("portmapper", 111),
    ("nntp", 119),
    ("ntp", 123),
    ("imap2", 143),
    ("imap", 143),
    ("snmp", 161),
    ("snmp-trap", 162),
    ("snmptrap", 162),
    ("bgp", 179),
    ("ldap", 389),
    ("https", 443),
    ("kpasswd", 464),
    ("submissions", 465),
    ("ssmtp", 465),
    ("smtps", 465),
    ("urd", 465),
    ("syslog", 514),
    ("submission", 587),
    ("ldaps", 636),
    ("domain-s", 853),
    ("rsync", 873),
    ("ftps", 990),
    ("imaps", 993),
    ("pop3s", 995),
    ("openvpn", 1194),
    ("ms-sql-s", 1433),
    ("radius", 1812),
    ("radius-acct", 1813),
    ("mqtt", 1883),
    ("nfs", 2049),
    ("cvspserver", 2401),
    ("mysql", 3306),
    ("ms-wbt-server", 3389),
    ("svn", 3690),
    ("sip", 5060),
    ("sip-tls", 5061),
    ("xmpp-client", 5222),
    ("postgresql", 5432),
    ("amqps", 5671),
    ("amqp", 5672),
    ("http-alt", 8080),
    ("webcache", 8080),
    ("mqtts", 8883),
];

/// A port as a number or a common name.
pub(super) fn port(word: &str) -> Option<u16> {
    let named = || SERVICES.iter().find(|(name, _)| *name == word).map(|(_, port)| *port);
    word.parse().ok().or_else(named)
}

/// A name that is nearly the same, and its port.
pub(super) fn similar(word: &str) -> Option<(&'static str, u16)> {
    let near = |name: &str| strsim::damerau_levenshtein(name, word);
    SERVICES.iter().filter(|(name, _)| near(name) <= 2).min_by_key(|(name, _)| near(name)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_or_common_names() {
        assert_eq!(port("8081"), Some(8081));
        assert_eq!(port("www"), Some(80));
        assert_eq!(port("65536"), None);
        assert_eq!(port("htp"), None);
        assert_eq!(similar("htps"), Some(("https", 443)));
        assert_eq!(similar("no-such-name"), None);
    }
}

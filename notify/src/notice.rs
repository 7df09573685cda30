//! What is told to people: a subject in keepalived's words, and a body in plain ones.
//!
//! The subjects are those keepalived sends, letter by letter, so that mail filters and on-call rules keep
//! working. The bodies say what happened, why, when, and what is left.

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// One thing that happened, written for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// One line, starting with the router's name in brackets.
    pub subject: String,
    /// Plain text, lines ended by `\n`.
    pub body: String,
    /// Whom it is about.
    pub about: About,
}

/// Whom a notice is about. Notices about the same one supersede each other only when they say the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum About {
    /// The daemon itself.
    Daemon,
    /// A VRRP instance.
    Instance {
        /// Its name.
        name: String,
    },
    /// A sync group of VRRP instances.
    Group {
        /// Its name.
        name: String,
    },
    /// A virtual server.
    Service {
        /// The virtual server, as in the subject.
        service: String,
    },
    /// A real server of a virtual server.
    Server {
        /// The virtual server, as in the subject.
        service: String,
        /// The real server, as in the subject.
        server: String,
    },
}

/// What all notices of a moment share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading<'a> {
    /// The name of this director (`router_id`).
    pub router_id: &'a str,
    /// When it happened, told in GMT.
    pub at: SystemTime,
}

/// What a virtual server has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// How many of its real servers are in service now.
    pub serving: usize,
    /// How many it has in its configuration.
    pub configured: usize,
    /// Whether the sorry server stands in.
    pub sorry: bool,
    /// How many backup servers stand in.
    pub backups: usize,
}

/// What a VRRP instance has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// It holds its addresses.
    Master,
    /// It watches the master.
    Backup,
    /// It cannot take part.
    Fault,
    /// It is being stopped with the daemon.
    Stopping,
}

impl Notice {
    /// A real server went down or came up. `reason` says why, in the check's words. The two servers are
    /// named as [`endpoint`] names them.
    pub fn server(
        heading: Heading<'_>,
        service: impl Display,
        server: impl Display,
        up: bool,
        reason: &str,
        left: Serving,
    ) -> Notice {
        let said = match up {
            true => ("UP", "passes its checks again and is back in service"),
            false => ("DOWN", "failed its check and is out of service"),
        };
        Self::of_server(heading, service, server, said, reason, Some(left))
    }

    /// Something is odd about a real server that passes its checks, or is no more. keepalived has no such mail.
    pub fn concern(
        heading: Heading<'_>,
        service: impl Display,
        server: impl Display,
        begins: bool,
        reason: &str,
    ) -> Notice {
        let said = match begins {
            true => ("WARNING", "passes its checks, and something about it wants looking at"),
            false => ("WARNING OVER", "passes its checks without a warning again"),
        };
        Self::of_server(heading, service, server, said, reason, None)
    }

    /// A virtual server lost or gained its quorum: the weight of its live servers fell below or rose to
    /// what is needed. `words` says how much that is.
    pub fn quorum(
        heading: Heading<'_>,
        service: impl Display,
        up: bool,
        words: &str,
        left: Serving,
    ) -> Notice {
        let said = if up { ("UP", "has gained its quorum") } else { ("DOWN", "has lost its quorum") };
        Self::of_service(heading, service, said, words, left)
    }

    /// More servers of a virtual server fail than checks may take out of service, or that is over. `words` says how
    /// many.
    pub fn panic(
        heading: Heading<'_>,
        service: impl Display,
        on: bool,
        words: &str,
        left: Serving,
    ) -> Notice {
        let said = match on {
            true => ("PANIC", "keeps servers that fail in service, because too many fail at once"),
            false => ("PANIC OVER", "keeps no server in service that fails"),
        };
        Self::of_service(heading, service, said, words, left)
    }

    /// A word for the subject and what happened, about a virtual server.
    fn of_service(
        heading: Heading<'_>,
        service: impl Display,
        (word, happened): (&str, &str),
        reason: &str,
        left: Serving,
    ) -> Notice {
        Notice {
            subject: subject(heading, format_args!("Virtualserver {service} - {word}")),
            body: body(heading, format_args!("Virtual server {service} {happened}."), reason)
                + &format!("{left}\n"),
            about: About::Service { service: service.to_string() },
        }
    }

    /// The same about a real server; what is left is told where it changes.
    fn of_server(
        heading: Heading<'_>,
        service: impl Display,
        server: impl Display,
        (word, happened): (&str, &str),
        reason: &str,
        left: Option<Serving>,
    ) -> Notice {
        let (service, server) = (service.to_string(), server.to_string());
        let left = left.map_or_else(String::new, |left| format!("{left}\n"));
        Notice {
            subject: subject(
                heading,
                format_args!("Realserver {server} of virtual server {service} - {word}"),
            ),
            body: body(
                heading,
                format_args!("Real server {server} of virtual server {service} {happened}."),
                reason,
            ) + &left,
            about: About::Server { service, server },
        }
    }

    /// A VRRP instance changed its role. `reason` says why: "no advert for 3.6 s", "eth0 is down".
    pub fn instance(heading: Heading<'_>, name: &str, role: Role, reason: &str) -> Notice {
        let (word, happened) = match role {
            Role::Master => ("Entering MASTER state", "is master now and holds its addresses"),
            Role::Backup => ("Entering BACKUP state", "is backup now and holds none of its addresses"),
            Role::Fault => {
                ("Entering FAULT state", "is in fault: it cannot take over and holds no addresses")
            }
            Role::Stopping => ("Stopping", "is being stopped and gives its addresses up"),
        };
        Notice {
            subject: subject(heading, format_args!("VRRP Instance {name} - {word}")),
            body: body(heading, format_args!("VRRP instance {name} {happened}."), reason),
            about: About::Instance { name: name.to_owned() },
        }
    }

    /// A sync group changed its role. `reason` says why.
    pub fn group(heading: Heading<'_>, name: &str, role: Role, reason: &str) -> Notice {
        let (word, happened) = match role {
            Role::Master => {
                ("Entering MASTER state", "is master now and holds the addresses of all its instances")
            }
            Role::Backup => ("Entering BACKUP state", "is backup now and holds none of its addresses"),
            Role::Fault => ("Entering FAULT state", "is in fault: none of its instances can take over"),
            Role::Stopping => ("Stopping", "is being stopped and gives its addresses up"),
        };
        Notice {
            subject: subject(heading, format_args!("VRRP Group {name} - {word}")),
            body: body(heading, format_args!("VRRP sync group {name} {happened}."), reason),
            about: About::Group { name: name.to_owned() },
        }
    }

    /// Something about the daemon as a whole: a refused reload, a table that had to be repaired.
    pub fn daemon(heading: Heading<'_>, what: &str, reason: &str) -> Notice {
        Notice {
            subject: subject(heading, format_args!("{what}")),
            body: body(heading, format_args!("{what}."), reason),
            about: About::Daemon,
        }
    }
}

/// An address and port as keepalived's subjects name them: `[10.0.0.2]:tcp:80`. The protocol is shown in
/// lower case.
pub fn endpoint(address: SocketAddr, protocol: &str) -> String {
    format!("[{}]:{}:{}", address.ip(), protocol.to_ascii_lowercase(), address.port())
}

/// A firewall mark as keepalived's subjects name it: `FWM 5`.
pub fn fwmark(mark: u32) -> String {
    format!("FWM {mark}")
}

impl Display for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.backups {
            0 => {}
            1 => {
                let configured = self.configured;
                return write!(f, "Left: none of {configured} real servers; one backup server stands in.");
            }
            up => {
                let configured = self.configured;
                return write!(f, "Left: none of {configured} real servers; {up} backup servers stand in.");
            }
        }
        match (self.serving, self.sorry) {
            (0, true) => {
                write!(f, "Left: none of {} real servers; the sorry server stands in.", self.configured)
            }
            (0, false) => {
                write!(f, "Left: none of {} real servers; clients are not served.", self.configured)
            }
            (serving, true) => write!(
                f,
                "Left: {serving} of {} real servers are alive, but the sorry server stands in.",
                self.configured
            ),
            (serving, false) => write!(f, "Left: {serving} of {} real servers in service.", self.configured),
        }
    }
}

fn subject(heading: Heading<'_>, what: fmt::Arguments<'_>) -> String {
    one_line(&format!("[{}] {what}", heading.router_id))
}

fn body(heading: Heading<'_>, what: fmt::Arguments<'_>, reason: &str) -> String {
    let reason = if reason.is_empty() { "not known" } else { reason };
    let (what, reason) = (one_line(&what.to_string()), one_line(reason));
    format!(
        "{what}\nReason: {reason}.\nWhen: {}\nDirector: {}\n",
        httpdate::fmt_http_date(heading.at.max(UNIX_EPOCH)),
        one_line(heading.router_id)
    )
}

/// Names and reasons come from outside; a line break in one must not begin a new line, let alone a header.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn heading() -> Heading<'static> {
        Heading { router_id: "lvs-1", at: UNIX_EPOCH + Duration::from_secs(1_795_233_118) }
    }

    fn left(serving: usize, sorry: bool) -> Serving {
        Serving { serving, configured: 3, sorry, backups: 0 }
    }

    #[test]
    fn a_servers_notice_reads_as_keepalived_writes_it() {
        let service = endpoint("10.0.0.1:80".parse().unwrap(), "TCP");
        let server = endpoint("10.0.0.2:80".parse().unwrap(), "TCP");
        let notice =
            Notice::server(heading(), &service, &server, false, "connection refused", left(2, false));
        let expected = "[lvs-1] Realserver [10.0.0.2]:tcp:80 of virtual server [10.0.0.1]:tcp:80 - DOWN";
        assert_eq!(notice.subject, expected);
        assert_eq!(
            notice.body,
            "Real server [10.0.0.2]:tcp:80 of virtual server [10.0.0.1]:tcp:80 failed its check and is out of \
             service.\nReason: connection refused.\nWhen: Sat, 21 Nov 2026 03:51:58 GMT\nDirector: lvs-1\n\
             Left: 2 of 3 real servers in service.\n"
        );
        let up = Notice::server(heading(), &service, &server, true, "connection made", left(3, false));
        assert!(up.subject.ends_with(" - UP"));
        assert_eq!(up.about, notice.about);
        assert_eq!(up.about, About::Server { service, server });
    }

    #[test]
    fn a_quorums_notice_reads_as_keepalived_writes_it() {
        let notice = Notice::quorum(heading(), fwmark(5), false, "1 is up, 2 are needed", left(1, true));
        assert_eq!(notice.subject, "[lvs-1] Virtualserver FWM 5 - DOWN");
        assert!(notice.body.contains("\nReason: 1 is up, 2 are needed.\n"));
        assert!(
            notice.body.ends_with("\nLeft: 1 of 3 real servers are alive, but the sorry server stands in.\n")
        );
        let notice = Notice::quorum(heading(), fwmark(5), true, "2 are up", left(2, false));
        assert_eq!(notice.subject, "[lvs-1] Virtualserver FWM 5 - UP");
    }

    #[test]
    fn an_instances_notice_reads_as_keepalived_writes_it() {
        for (role, subject) in [
            (Role::Master, "[lvs-1] VRRP Instance VI_1 - Entering MASTER state"),
            (Role::Backup, "[lvs-1] VRRP Instance VI_1 - Entering BACKUP state"),
            (Role::Fault, "[lvs-1] VRRP Instance VI_1 - Entering FAULT state"),
            (Role::Stopping, "[lvs-1] VRRP Instance VI_1 - Stopping"),
        ] {
            let notice = Notice::instance(heading(), "VI_1", role, "");
            assert_eq!(notice.subject, subject);
            assert_eq!(notice.about, About::Instance { name: "VI_1".into() });
            assert!(notice.body.contains("\nReason: not known.\n"));
        }
    }

    #[test]
    fn nothing_from_outside_begins_a_line() {
        let notice = Notice::instance(heading(), "VI\r\nBcc: x@y", Role::Master, "a\nb");
        assert!(!notice.subject.contains(['\r', '\n']));
        assert!(notice.body.contains("\nReason: a b.\n"));
    }

    #[test]
    fn nobody_left_is_said_plainly() {
        assert_eq!(left(0, true).to_string(), "Left: none of 3 real servers; the sorry server stands in.");
        let backups = Serving { backups: 2, ..left(0, false) };
        assert_eq!(backups.to_string(), "Left: none of 3 real servers; 2 backup servers stand in.");
        assert_eq!(left(0, false).to_string(), "Left: none of 3 real servers; clients are not served.");
    }
}

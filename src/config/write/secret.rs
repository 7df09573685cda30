//! Statements without what is secret in them, for eyes other than those of who wrote them.

use super::Line;

/// What stands in place of a secret.
const HIDDEN: &str = "(not shown)";

/// The same statements, with no password, secret or key in them.
pub fn without_secrets(lines: Vec<Line>) -> Vec<Line> {
    lines.into_iter().map(hidden).collect()
}

fn hidden(mut line: Line) -> Line {
    line.block = line.block.map(without_secrets);
    match (line.keyword.as_str(), line.words.as_mut_slice()) {
        ("auth_pass" | "body" | "password" | "secret", [word]) => HIDDEN.clone_into(word),
        // `Name: VALUE`.
        ("header", [word]) => {
            let name = word.split(':').next().unwrap_or_default();
            *word = format!("{name}: {HIDDEN}");
        }
        // `key NUMBER VALUE`; a file is no secret, nor is the one of `SSL`.
        ("key", [_, word]) if !word.starts_with("file:") => HIDDEN.clone_into(word),
        _ => {}
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::write::{lines, text};
    use crate::config::{Purpose, read_text_as};

    #[test]
    fn nothing_secret_is_left() {
        let instance = |more: &str| {
            format!(
                "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {{\n10.0.0.9\n}}\n{more}\n}}\n"
            )
        };
        let service = "virtual_server 10.0.0.1 389 {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\nreal_server 10.0.1.1 389 {\n\
                       LDAP_CHECK {\nlogin a\npassword hunter2\n}\nRADIUS_CHECK {\nlogin a\nsecret hunter2\npassword \"b hunter2\"\n}\n\
                       MYSQL_CHECK {\nlogin a\npassword_file /my/file\n}\n}\n}\nSSL {\nkey /my/key\npassword hunter2\n}\n";
        for router in [
            "authentication {\nauth_type PASS\nauth_pass hunter2\n}",
            "version 3\nauth_hmac {\nkey 1 hunter2-hunter2-hunter2-hunter2-hunter2\nkey 2 file:/my/hmac\nactive_key 1\n}",
        ] {
            let reading = read_text_as("test.conf", &(instance(router) + service), Purpose::Show);
            let config = reading.config.unwrap_or_else(|| panic!("{:?}", reading.complaints));
            let said = text(&without_secrets(lines(&config)));
            assert!(!said.contains("hunter2"), "{said}");
            let plain = text(&lines(&config));
            assert!(plain.matches("hunter2").count() >= 4, "{plain}");
            for kept in ["password_file /my/file", "key /my/key"] {
                assert!(said.contains(kept), "{said}");
            }
        }
    }
}

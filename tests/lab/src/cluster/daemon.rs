//! The program under test on the directors, and its configuration: the same file whichever program it is.

use super::topology::{GATEWAY, MAIL, SERVICES, Service};
use crate::packages::Tools;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which program the directors run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Daemon {
    /// directord, the binary at this path.
    Directord(PathBuf),
    /// Debian's keepalived, for comparison.
    Keepalived,
}

impl Daemon {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Directord(_) => "directord",
            Self::Keepalived => "keepalived",
        }
    }

    /// The command that runs it in the foreground; all it keeps while running lies in `dir`.
    #[must_use]
    pub fn command(&self, tools: &Tools, config: &Path, dir: &Path) -> Command {
        match self {
            Self::Directord(path) => {
                let mut command = Command::new(path);
                command.args(["run", "--config"]).arg(config).arg("--runtime-dir").arg(dir);
                command
            }
            Self::Keepalived => {
                let mut command = tools.command("keepalived");
                command.args(["-n", "-l", "-f"]).arg(config);
                for (option, file) in [("-p", "pid"), ("-r", "vrrp.pid"), ("-c", "checkers.pid")] {
                    command.arg(option).arg(dir.join(file));
                }
                command
            }
        }
    }
}

/// The configuration of a director. `number` is 1 for the one that is master while it can be, or 2.
#[must_use]
pub fn configuration(number: usize, advert_interval: f64) -> String {
    let (state, priority) = if number == 1 { ("MASTER", 150) } else { ("BACKUP", 100) };
    let mut text = format!(
        "global_defs {{\n    router_id director{number}\n    notification_email {{\n        ops@lab.example\n    }}\n    \
         notification_email_from director{number}@lab.example\n    smtp_server {MAIL}\n    smtp_connect_timeout 5\n\
         }}\n\n\
         vrrp_instance VI_1 {{\n    state {state}\n    interface eth0\n    virtual_router_id 51\n    \
         priority {priority}\n    version 3\n    advert_int {advert_interval}\n    smtp_alert\n    \
         virtual_ipaddress {{\n"
    );
    for service in &SERVICES {
        let _ = writeln!(text, "        {}/32 dev eth0", service.vip);
    }
    let _ = writeln!(text, "        {GATEWAY}/32 dev eth1\n    }}\n}}");
    for service in &SERVICES {
        virtual_server(&mut text, service);
    }
    text
}

fn virtual_server(text: &mut String, service: &Service) {
    let Service { mode, vip, servers } = service;
    let _ = writeln!(
        text,
        "\nvirtual_server {vip} 80 {{\n    delay_loop 1\n    lb_algo rr\n    lb_kind {mode}\n    protocol TCP\n"
    );
    for server in servers {
        let _ = writeln!(
            text,
            "    real_server {server} 80 {{\n        weight 1\n        HTTP_GET {{\n            url {{\n                \
             path /health\n                status_code 200\n            }}\n            connect_timeout 1\n            \
             retry 0\n            delay_before_retry 1\n        }}\n    }}"
        );
    }
    text.push_str("}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_three_servers() {
        let text = configuration(1, 0.1);
        assert_eq!(text.matches("virtual_server ").count(), 3);
        assert_eq!(text.matches("real_server ").count(), 9);
        assert_eq!(text.matches('{').count(), text.matches('}').count());
        assert!(text.contains("advert_int 0.1\n"));
    }
}

//! What is odd about a real server whose checks pass (a certificate that ends soon, answers that come slowly), or that
//! cannot be asked for a reason of ours.
//!
//! It changes nothing about the server. The log and, where mails go out for it, a mail tell when it begins and when it is
//! over; `status` shows it meanwhile.

use std::time::Instant;

use healthcheck::{Concern, Monitor};
use ipvs_backend::DestinationKey;
use notify::Notice;

use super::Director;
use super::journal::Entry;
use super::services::server_name;
use crate::config::Served;

/// A warning that began or is over.
#[derive(Debug)]
pub(super) struct Change {
    begins: bool,
    words: String,
}

impl Change {
    /// What a monitor says of it.
    pub(super) fn of(monitor: &Monitor, about: Concern, begins: bool) -> Self {
        let said = monitor.warnings().find(|warning| warning.about == about);
        let over = || match about {
            Concern::Expiry => "the certificate does not end soon any more".to_owned(),
            Concern::Latency => "answers come soon enough again".to_owned(),
            Concern::Unasked => "the server can be asked again".to_owned(),
        };
        Change { begins, words: said.map_or_else(over, |warning| warning.words.clone()) }
    }
}

impl Director {
    /// Tells everybody who is to hear of it.
    pub(super) fn tell_concerns(
        &mut self,
        service: &Served,
        server: DestinationKey,
        check: &str,
        changes: Vec<Change>,
        now: Instant,
    ) {
        let pool = self.pools.get(service);
        let alert = pool.and_then(|pool| pool.servers.get(&server)).is_some_and(|server| server.config.alert);
        for Change { begins, words } in changes {
            if alert {
                let (name, reason) = (server_name(service, &server), format!("{check}: {words}"));
                self.notify(now, |heading| Notice::concern(heading, service, name, begins, &reason));
            }
            let (service, check) = (service.clone(), check.to_owned());
            self.log(Entry::Concern { service, server, check, begins, words });
        }
    }
}

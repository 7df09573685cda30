//! How a check speaks TLS.

use healthcheck::{Sni, Tls};

use super::http::virtualhost;
use crate::config::lower::context::{Context, Entry};

/// What has been said of it.
#[derive(Debug, Clone)]
pub(super) struct Secure {
    sni: Sni,
    verify: bool,
    expiry_days: Option<u32>,
    /// The first keyword that was said.
    pub said: Option<&'static str>,
}

impl Secure {
    /// Nothing but what `SSL` says.
    pub fn new(context: &Context<'_>) -> Self {
        let verify = context.tls.verify.unwrap_or(!context.compat());
        Self { sni: Sni::Off, verify, expiry_days: context.tls.expiry_days, said: None }
    }

    /// Takes in a statement, if it is one of these.
    pub fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "verify" => self.verify = context.switch(entry).unwrap_or(self.verify),
            // The name that is said counts before the one that is found.
            "enable_sni" => {
                context.flag(entry);
                if self.sni == Sni::Off {
                    self.sni = Sni::VirtualHost;
                }
            }
            "sni_name" => self.sni = virtualhost(context, entry).map_or(self.sni.clone(), Sni::Name),
            "expiry_days" => self.expiry_days = context.whole(entry).or(self.expiry_days),
            _ => return false,
        }
        self.said = self.said.or(Some(entry.name()));
        true
    }

    /// All of it.
    pub fn finish(self, context: &Context<'_>) -> Tls {
        let Self { sni, verify, expiry_days, .. } = self;
        Tls { sni, verify, files: context.tls.files.clone(), expiry_days }
    }
}

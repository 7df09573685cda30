//! `sorry_server` and the keywords about it.

use super::context::{Context, Entry};
use super::method::{Method, method};
use super::place::{Endpoint, Located, place};
use super::server::Servers;
use crate::config::SorryServer;
use crate::config::complaint::Code;
use crate::config::source::Span;
use crate::config::syntax::Word;

/// What has been said of it.
#[derive(Default)]
pub(super) struct Draft<'a> {
    server: Option<(&'a [Word], Span)>,
    method: Option<Method>,
    inhibit: bool,
    /// The other keywords that stood before `sorry_server` or without it.
    early: Vec<(&'static str, Span)>,
}

impl<'a> Draft<'a> {
    /// Takes in a statement, if it is one of these.
    pub fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'a>) -> bool {
        let name = entry.name();
        match name {
            "sorry_server" => {
                context.at_most(entry, 2);
                if context.first(entry).is_some() {
                    self.server = Some((entry.words(), entry.span()));
                }
                return true;
            }
            "sorry_server_lvs_method" => {
                let method = method(context, entry);
                self.method = method.filter(|_| self.counts(context)).or(self.method);
            }
            "sorry_server_inhibit" => {
                context.flag(entry);
                self.inhibit |= self.counts(context);
            }
            _ => return false,
        }
        if self.server.is_none() {
            self.early.push((name, entry.span()));
        }
        true
    }

    /// Whether a line about the sorry server counts here: to keepalived only behind `sorry_server`.
    fn counts(&self, context: &Context<'_>) -> bool {
        self.server.is_some() || !context.compat()
    }

    pub fn finish(
        self,
        context: &mut Context<'_>,
        endpoint: Endpoint<'_>,
        services: Method,
        servers: &Servers,
    ) -> Option<SorryServer> {
        for (name, span) in &self.early {
            let message = match self.server {
                Some(_) => format!("`{name}` stands before `sorry_server`; keepalived ignores it there"),
                None => format!("`{name}` has no effect without `sorry_server`"),
            };
            context.warning(Code::NoEffect, *span, message);
        }
        let (words, span) = self.server?;
        let method = self.method.unwrap_or(services);
        let Located { key, .. } = place(context, "the sorry server", words, span, endpoint, method)?;
        // A server cannot be inhibited and removed at once.
        let twin = context.compat() && servers.get(&key).is_some_and(|server| server.inhibit);
        let inhibit = self.inhibit || twin;
        let Method { forwarding, tunnel } = method;
        Some(SorryServer { key, forwarding, tunnel, inhibit, twin })
    }
}

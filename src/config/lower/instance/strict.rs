//! `strict_mode` and `vrrp_strict`: the RFC's rules, and nothing beside them. What does not fit is reset, as keepalived
//! resets it; without what the RFC demands there is no instance.

use vrrp::{Auth, Role, Settings, Version};

use super::{Context, Defaults, Draft, Span};
use crate::config::complaint::Code;

impl Draft {
    /// Makes the settings such that they keep to the RFC. `None`: they cannot.
    pub(super) fn enforce(
        &self,
        context: &mut Context<'_>,
        router: &mut Settings,
        defaults: &Defaults,
        owner: &str,
        span: Span,
    ) -> Option<()> {
        match router.addresses.first() {
            None => {
                let message = format!("{owner} has no virtual address, which strict mode demands");
                context.error(Code::Conflict, span, message);
                return None;
            }
            Some(std::net::IpAddr::V6(first)) if !first.is_unicast_link_local() => {
                let message =
                    format!("the first address of {owner} is {first}; strict mode demands a link-local one");
                let suggestion = "put a link-local address before the others (RFC 9568, 5.2.9)";
                context.error_with(Code::Conflict, span, message, suggestion);
                return None;
            }
            Some(_) => {}
        }
        let mut reset = |message: &str| {
            context.warning(Code::Conflict, span, format!("strict mode, {owner}: {message}"));
        };
        let role = if router.is_owner() { Role::Master } else { Role::Backup };
        if router.wish != role {
            let word = if router.is_owner() { "MASTER" } else { "BACKUP" };
            reset(&format!("`state` is {word}, because only the owner (priority 255) begins as master"));
            router.wish = role;
        }
        if router.auth != Auth::None {
            reset("there is no authentication");
            router.auth = Auth::None;
        }
        if !router.preempt_delay.is_zero() {
            reset("`preempt_delay` is 0");
            router.preempt_delay = std::time::Duration::ZERO;
        }
        if router.version == Version::V2 && self.conduct.accept == Some(true) {
            reset("version 2 has no accept mode (RFC 3768, 6.4.3): `accept` does not count");
        }
        if self.garp.lower_repeat.is_some_and(|repeat| repeat > 0) {
            reset("no gratuitous ARP follows a lower priority");
        }
        router.announce.lower_repeat = 0;
        let said = |own: Option<bool>, global: Option<bool>| own.or(global);
        if said(self.lower_prio_no_advert, defaults.lower_prio_no_advert) == Some(false) {
            reset("`lower_prio_no_advert` is on");
        }
        router.lower_prio_no_advert = true;
        if said(self.higher_prio_send_advert, defaults.higher_prio_send_advert) == Some(true) {
            reset("`higher_prio_send_advert` is off");
        }
        router.higher_prio_send_advert = false;
        router.owner_ignores = said(self.conduct.owner_ignores, defaults.owner_ignores).unwrap_or(true);
        Some(())
    }
}

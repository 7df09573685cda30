//! Traps in `global_defs`.

use super::Look;
use crate::config::Thing;

/// Mail is asked for by name, and there is nobody to send it to.
pub(super) fn unsent_mail(look: &mut Look<'_>) {
    // Recipients without a server have a warning of their own.
    if look.config.global.email.is_some() || look.spans.says(&Thing::Global, &["notification_email"]) {
        return;
    }
    let alerts = look.config.global.alerts;
    let global = [
        ("smtp_alert", alerts.all),
        ("smtp_alert_vrrp", alerts.vrrp),
        ("smtp_alert_checker", alerts.checker),
    ];
    let global = global.into_iter().filter(|(_, on)| *on == Some(true));
    let asking = |thing: &Thing| look.spans.says(thing, &["smtp_alert"]);
    let instances = look.config.instances.iter().filter(|(_, instance)| instance.alert);
    let instances = instances.map(|(name, _)| Thing::Instance(name.clone())).filter(asking);
    let services = look.config.virtual_servers().filter(|(_, service)| service.alert);
    let services = services.map(|(served, _)| served.thing()).filter(asking);
    let message = || "mail is asked for, and there is nobody to send it to".to_owned();
    let found: Vec<_> = global
        .map(|(keyword, _)| (Thing::Global, keyword, message()))
        .chain(instances.chain(services).map(|thing| (thing, "smtp_alert", message())))
        .collect();
    let suggestion = "add `notification_email` and `smtp_server` to `global_defs`, or remove this line";
    look.hint_at_first(&found, suggestion);
}

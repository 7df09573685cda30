//! Lines of an instance about its adverts and its behaviour.

use super::context::{Context, Entry};
use super::line::whole;
use crate::config::{AdvertOptions, Conduct, OldChecksum};

impl AdvertOptions {
    /// Takes in a statement, if it is one of these.
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "unicast_ttl" => self.ttl = context.whole(entry).or(self.ttl),
            "check_unicast_src" => self.check_source = flag(context, entry),
            "skip_check_adv_addr" => {
                self.skip_address_check = context.switch(entry).or(self.skip_address_check);
            }
            "old_unicast_checksum" => self.old_checksum = old_checksum(context, entry),
            "v3_checksum_as_v2" => {
                self.v3_checksum_as_v2 = context.switch(entry).or(self.v3_checksum_as_v2);
            }
            "track_src_ip" => self.track_source = flag(context, entry),
            "unicast_fault_no_peer" => self.fault_without_peers = flag(context, entry),
            "vrf" => self.vrf = context.word(entry).and_then(|word| context.interface(word)),
            _ => return false,
        }
        true
    }
}

impl Conduct {
    /// Takes in a statement, if it is one of these.
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "strict_mode" => self.strict = context.switch(entry).or(self.strict),
            "accept" => self.accept = context.switch(entry).or(self.accept),
            "no_accept" => self.accept = context.switch(entry).map(|not| !not).or(self.accept),
            "owner_ignore_adverts" => self.owner_ignores = context.switch(entry).or(self.owner_ignores),
            "timer_expired_backup" => {
                self.expired_backup = expired_backup(context, entry).or(self.expired_backup);
            }
            "dont_track_primary" => self.ignore_interface = flag(context, entry),
            "use_vmac_addr" => self.vmac_everywhere = flag(context, entry),
            "promote_secondaries" => self.promote_secondaries = flag(context, entry),
            _ => return false,
        }
        true
    }
}

fn flag(context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
    context.flag(entry);
    true
}

fn old_checksum(context: &mut Context<'_>, entry: &Entry<'_>) -> OldChecksum {
    context.at_most(entry, 1);
    match entry.words().first() {
        None => OldChecksum::Old,
        Some(word) if word.text == "never" => OldChecksum::Never,
        Some(word) => {
            context.invalid_choice("`old_unicast_checksum`", word, &["never"]);
            OldChecksum::Auto
        }
    }
}

/// Without a number it is 254.
fn expired_backup(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<u8> {
    context.at_most(entry, 1);
    let Some(word) = entry.words().first() else { return Some(254) };
    let priority = whole(context, &format!("`{}`", entry.keyword.name), word, 1, 254)?;
    u8::try_from(priority).ok()
}

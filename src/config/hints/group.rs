//! Traps in `vrrp_sync_group`.

use vrrp::{Role, Settings};

use super::Look;
use crate::config::Thing;

pub(super) fn lonely_group(look: &mut Look<'_>) {
    for (name, group) in &look.config.groups {
        if let [member] = group.members.as_slice() {
            let message = format!("`{member}` is the only member of this group: it has nobody to follow");
            let suggestion = "name the instances that are to change state together, or leave the group out";
            look.hint(&Thing::Group(name.clone()), "group", message, suggestion);
        }
    }
}

/// All members move together. If one would rather be master here and another one there, they never come to rest.
pub(super) fn uneven_group(look: &mut Look<'_>) {
    for (name, group) in &look.config.groups {
        let config = look.config;
        let router = |member: &str| config.instances.get(member).map(|instance| &instance.router);
        let mut members = group.members.iter().filter_map(|member| Some((member.as_str(), router(member)?)));
        let Some((first, one)) = members.next() else { continue };
        let found = members.find_map(|(member, other)| Some((member, difference(one, other)?)));
        let Some((member, (keyword, ours, theirs))) = found else { continue };
        let message = format!(
            "`{first}` has {ours} and `{member}` {theirs}: members of one group may want to be master on different directors"
        );
        let suggestion = format!("give all members the same `{keyword}` on each director");
        look.hint(&Thing::Group(name.clone()), "group", message, &suggestion);
    }
}

/// The first of what should be the same, with both values.
fn difference(one: &Settings, other: &Settings) -> Option<(&'static str, String, String)> {
    let state = |router: &Settings| if router.wish == Role::Master { "MASTER" } else { "BACKUP" };
    if one.priority != other.priority {
        return Some(("priority", format!("priority {}", one.priority), other.priority.to_string()));
    }
    let differs = one.wish != other.wish;
    differs.then(|| ("state", format!("state {}", state(one)), state(other).to_owned()))
}

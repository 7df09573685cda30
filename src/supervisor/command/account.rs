//! Who runs a command: names of the file become numbers, when the command is run.
//!
//! Looking a name up may ask a directory service and take long: call this where waiting does not matter.

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgrouplist};

use crate::config::{Command, ScriptRules};

/// The user of scripts that keepalived looks for when the file names none.
const USUAL_USER: &str = "keepalived_script";

/// The user and the groups that a command runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Supplementary groups.
    pub(super) groups: Vec<u32>,
}

/// Whom this command runs as. The error is a sentence for the operator.
pub(super) fn identity(command: &Command, rules: &ScriptRules) -> Result<Identity, String> {
    if let Some(user) = &command.user {
        return named(user, command.group.as_deref(), rules.supplementary_groups);
    }
    if let Some(account) = &rules.user {
        let supplementary = rules.supplementary_groups || account.supplementary;
        return named(&account.user, account.group.as_deref(), supplementary);
    }
    if let Some(user) = lookup(USUAL_USER)? {
        return of(&user, user.gid, rules.supplementary_groups);
    }
    if rules.security && geteuid().is_root() {
        return Err(format!(
            "there is no user `{USUAL_USER}`, and with `enable_script_security` root runs nothing that is not said \
             to be root's: say `script_user` in `global_defs`, or name a user behind the command"
        ));
    }
    Ok(Identity { uid: geteuid().as_raw(), gid: getegid().as_raw(), groups: vec![getegid().as_raw()] })
}

fn named(user: &str, group: Option<&str>, supplementary: bool) -> Result<Identity, String> {
    let missing = || format!("there is no user `{user}`: make it, or name another one in the configuration");
    let user = lookup(user)?.ok_or_else(missing)?;
    let gid = match group {
        None => user.gid,
        Some(name) => match Group::from_name(name) {
            Ok(Some(group)) => group.gid,
            Ok(None) => return Err(format!("there is no group `{name}`: make it, or name another one")),
            Err(error) => return Err(format!("the group `{name}` cannot be looked up: {error}")),
        },
    };
    of(&user, gid, supplementary)
}

fn lookup(name: &str) -> Result<Option<User>, String> {
    User::from_name(name).map_err(|error| format!("the user `{name}` cannot be looked up: {error}"))
}

fn of(user: &User, gid: Gid, supplementary: bool) -> Result<Identity, String> {
    let mut groups = vec![gid.as_raw()];
    if supplementary {
        let cannot =
            |error: &dyn std::fmt::Display| format!("the groups of `{}` cannot be read: {error}", user.name);
        let name = std::ffi::CString::new(user.name.as_str()).map_err(|e| cannot(&e))?;
        groups = getgrouplist(&name, gid).map_err(|e| cannot(&e))?.into_iter().map(Gid::as_raw).collect();
    }
    Ok(Identity { uid: user.uid.as_raw(), gid: gid.as_raw(), groups })
}

impl Identity {
    /// The owner of a file that this user is to read: user and group.
    pub(super) fn owner(&self) -> (Uid, Gid) {
        (Uid::from_raw(self.uid), Gid::from_raw(self.gid))
    }
}

//! Postfix, as a mail server and for submission; dovecot tells it who may log in.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use lab::netns::Host;
use lab::packages::Tools;

use super::super::servers::Server;
use super::at_home;

/// Who it is, and who may hand it mail: names and numbers of users.
pub(super) const USERS: [(&str, u32); 2] = [("postfix", 4714), ("postdrop", 4715)];
/// Where dovecot answers it.
pub(super) const ASKED: u16 = 12_345;

/// Mail at 2526, after a PROXY header at 2528, submission at 2587, and with TLS from the first byte on at 2465.
pub(super) fn start(tools: &Tools, host: &Host, (certificate, key): &(String, String)) -> Server {
    let [(user, number), (group, group_number)] = USERS;
    let dir = host.dir().join("postfix");
    let make = |name: &str| {
        let path = dir.join(name);
        fs::create_dir_all(&path).expect("/run is ours");
        path
    };
    let owned = |name: &str| {
        chown(make(name), Some(number), Some(number)).expect("there are users");
    };
    owned("data");
    for name in
        ["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved"]
    {
        owned(&format!("queue/{name}"));
    }
    make("queue/pid");
    for (name, mode) in [("public", 0o710), ("maildrop", 0o730)] {
        let path = make(&format!("queue/{name}"));
        chown(&path, Some(number), Some(group_number)).expect("there are users");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }
    let (at, address) = (dir.display(), host.address());
    let main = format!(
        "compatibility_level = 3.6\nqueue_directory = {at}/queue\ndata_directory = {at}/data\nmeta_directory = {at}/etc\n\
         command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\nshlib_directory = /usr/lib/postfix\n\
         mail_owner = {user}\nsetgid_group = {group}\ndefault_privs = nobody\nmyhostname = mx.example\nmydestination =\n\
         alias_maps =\nlocal_recipient_maps =\ninet_interfaces = {address}\ninet_protocols = ipv4\n\
         maillog_file = /dev/stdout\n\
         import_environment = LD_LIBRARY_PATH MAIL_CONFIG\nsmtpd_peername_lookup = no\nsmtpd_error_sleep_time = 0\n\
         smtpd_relay_restrictions = reject\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = {certificate}\n\
         smtpd_tls_key_file = {key}\nsmtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\n\
         smtpd_sasl_path = inet:{address}:{ASKED}\nsmtpd_tls_auth_only = yes\n"
    );
    let service = |name: &str, kind: &str, most: u8, command: &str| {
        // Who is asked by the others only is private.
        let private = if kind == "unix" && name != "cleanup" { "y" } else { "n" };
        format!("{name} {kind} {private} - n - {most} {command}\n")
    };
    let master = [
        service("2526", "inet", 9, "smtpd"),
        service("2528", "inet", 9, "smtpd\n -o smtpd_upstream_proxy_protocol=haproxy"),
        service("2587", "inet", 9, "smtpd\n -o smtpd_tls_security_level=encrypt"),
        service("2465", "inet", 9, "smtpd\n -o smtpd_tls_wrappermode=yes"),
        service("rewrite", "unix", 9, "trivial-rewrite"),
        service("cleanup", "unix", 0, "cleanup"),
        service("anvil", "unix", 1, "anvil"),
        service("tlsmgr", "unix", 1, "tlsmgr"),
        service("proxymap", "unix", 9, "proxymap"),
        service("postlog", "unix-dgram", 1, "postlogd"),
    ];
    let etc = make("etc");
    let file = |name: &str, text: &str| fs::write(Path::new(&etc).join(name), text).expect("/run is ours");
    file("main.cf", &main);
    file("master.cf", &master.concat());
    let mut command = at_home(tools, "/usr/lib/postfix/sbin/master");
    command.arg("-c").arg(&etc).arg("-d").env("MAIL_CONFIG", &etc);
    Server::start(host, command)
}

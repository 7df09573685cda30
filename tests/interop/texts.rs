//! Texts with one odd line: each keyword of the table at each of its places, without a value and with wrong ones.

use directord::config::keywords::{self, Form, Place};

/// Keywords whose complaints keepalived 2.2.7 has and we do not, and why.
const OTHERWISE: &[(&str, &str)] = &[
    ("group", "a second list without anything in it says nothing"),
    ("lvs_sync_daemon_interface", "it works as it always did"),
    ("script_user", "who is a user of this machine is for `check --host` to say"),
    ("user", "who is a user of this machine is for `check --host` to say"),
    ("vrf", "beside an `interface` keepalived ignores it; ours are adverts to peers through that domain"),
    ("vrrp_ipsets", "Debian's keepalived is built without it"),
    ("vrrp_iptables", "Debian's keepalived is built without it"),
];

/// Blocks that only keepalived's test of a configuration survives, not its start; ours are refused in both.
const STARTS_NOT: &[(&str, &str)] = &[("vrrp_instance", "%%%")];

/// One text.
#[derive(Debug)]
pub struct Text {
    /// Whether each line that keepalived complains of must have a complaint.
    pub alike: bool,
    /// What is odd about it: keyword, place and value.
    pub name: String,
    /// The configuration.
    pub text: String,
}

/// All of them.
pub fn all() -> Vec<Text> {
    let mut texts = Vec::new();
    for keyword in keywords::all() {
        for place in keyword.places {
            for value in values(keyword.form) {
                if STARTS_NOT.contains(&(keyword.name, *value)) {
                    continue;
                }
                let block = if keyword.has_block() { " {\n}" } else { "" };
                let line = format!("{} {value}{block}", keyword.name);
                let name = format!("{} {value:?} in {place}", keyword.name);
                let known = keyword.since.is_none();
                let alike = known && OTHERWISE.iter().all(|(name, _)| *name != keyword.name);
                texts.extend(around(*place, &line).map(|text| Text { alike, name, text }));
            }
        }
    }
    texts
}

/// Nothing, nonsense, and what just misses the form.
fn values(form: Form) -> &'static [&'static str] {
    match form {
        Form::Whole(..) => &["", "%%%", "99999999999", "-7", "5x", "5 zz"],
        Form::Seconds(..) => &["", "%%%", "99999999999", "-7", "5x", "1.123456789"],
        _ => &["", "%%%"],
    }
}

/// A whole configuration with the line at that place; `None` where keepalived 2.2.7 does not know the place.
fn around(place: Place, line: &str) -> Option<String> {
    let check = |name: &str, inside: &str| server(&format!("{name} {{\n{inside}\n{line}\n}}"));
    let block =
        |head: &str, inside: &str| format!("{}{head} {{\n{inside}\n{line}\n}}\n", instance("A", 3, ""));
    Some(match place {
        Place::Root => format!("{}{line}\n", instance("A", 3, "")),
        Place::Global => block("global_defs", ""),
        Place::Instance => instance("A", 3, line),
        Place::Authentication => {
            instance("A", 3, &format!("authentication {{\nauth_type PASS\nauth_pass x\n{line}\n}}"))
        }
        Place::AuthHmac
        | Place::GrpcCheck
        | Place::LdapCheck
        | Place::MysqlCheck
        | Place::PgsqlCheck
        | Place::RadiusCheck
        | Place::OracleCheck
        | Place::VipCheck
        | Place::MaintenanceWindow => return None,
        Place::SyncGroup => {
            format!("{}{}", instance("B", 4, ""), block("vrrp_sync_group G", "group {\nA\nB\n}"))
        }
        Place::Script => block("vrrp_script s", "script /bin/true"),
        Place::TrackFile => block("track_file f", "file /nowhere"),
        Place::TrackProcess => block("vrrp_track_process p", "process sshd"),
        Place::Bfd => block("bfd_instance b", "neighbor_ip 10.0.0.7"),
        Place::TrackGroup => block("track_group t", ""),
        Place::GarpGroup => block("garp_group", "interface eth0\ngarp_interval 1"),
        Place::Tls => block("SSL", ""),
        Place::VirtualServer => service(&format!("real_server 10.0.0.8 80 {{\n}}\n{line}")),
        Place::RealServer => server(line),
        Place::TcpCheck | Place::SmtpCheck | Place::DnsCheck | Place::UdpCheck | Place::PingCheck => {
            check(place.name(), "")
        }
        Place::HttpGet | Place::SslGet => check(place.name(), "url {\npath /\n}"),
        Place::Url => server(&format!("HTTP_GET {{\nurl {{\npath /\n{line}\n}}\n}}")),
        Place::SmtpHost => server(&format!("SMTP_CHECK {{\nhost {{\n{line}\n}}\n}}")),
        Place::MiscCheck => check("MISC_CHECK", "misc_path /bin/true"),
        Place::BfdCheck | Place::FileCheck => check(place.name(), ""),
        Place::FtpCheck
        | Place::ImapCheck
        | Place::Pop3Check
        | Place::NntpCheck
        | Place::SipCheck
        | Place::TextCheck => return None,
    })
}

fn instance(name: &str, vrid: u8, line: &str) -> String {
    format!(
        "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\n\
         virtual_ipaddress {{\n10.0.0.{vrid}\n}}\n{line}\n}}\n"
    )
}

fn service(line: &str) -> String {
    format!("virtual_server 10.0.0.9 80 {{\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n{line}\n}}\n")
}

fn server(line: &str) -> String {
    service(&format!("real_server 10.0.0.8 80 {{\n{line}\n}}"))
}

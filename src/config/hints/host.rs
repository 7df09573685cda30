//! A configuration and the host that is to run it: what it names and the host does not have.
//!
//! What the host has is told by whoever asks; here it is only compared, so that the answers can be tried on a desk. All
//! of it are warnings: an interface may come later, a script may be installed tomorrow.

use std::collections::BTreeSet;
use std::net::IpAddr;

use vrrp::Links;

use super::check::{self, Any};
use super::command;
use crate::config::complaint::{Code, Complaint, Complaints, Severity};
use crate::config::{Command, Config, Reading, Spans, Thing, keywords};

/// What is known of a host.
pub struct Host<'a> {
    /// Its interfaces with their addresses.
    pub links: Links,
    /// Whether its kernel has IPVS, or can load it.
    pub ipvs: bool,
    /// What it has under the name of a program.
    pub program: &'a dyn Fn(&str) -> Program,
}

/// What a host has under the name of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// Nothing.
    Missing,
    /// Something that may not be run: a directory, a file without that right.
    NotExecutable,
    /// A program. `writable`: the first part of its path that somebody else than root may change.
    There {
        /// `None` if only root may.
        writable: Option<String>,
    },
    /// It cannot be told; this user may not look there.
    Unknown,
}

/// Everything that a file asks for and a host does not have. Nothing if the file has errors.
pub fn on_host(reading: &Reading, host: &Host<'_>) -> Vec<Complaint> {
    let Some(config) = &reading.config else { return Vec::new() };
    let mut complaints = Complaints::default();
    let mut look = Look { config, spans: &reading.spans, host, complaints: &mut complaints };
    look.interfaces();
    look.sources();
    look.virtual_addresses();
    look.commands();
    look.kernel();
    complaints.finish(&reading.sources)
}

struct Look<'a> {
    config: &'a Config,
    spans: &'a Spans,
    host: &'a Host<'a>,
    complaints: &'a mut Complaints,
}

impl Look<'_> {
    fn tell(
        &mut self,
        severity: Severity,
        code: Code,
        thing: &Thing,
        keyword: &str,
        message: String,
        suggestion: String,
    ) {
        let span = self.spans.at(thing, keyword);
        self.complaints.push(severity, code, span, message, Some(suggestion));
    }

    fn interfaces(&mut self) {
        for (name, instance) in &self.config.instances {
            let thing = Thing::Instance(name.clone());
            let tracked = instance.tracks.interfaces.keys().map(|name| ("track_interface", name));
            let used = instance.addresses.iter().filter_map(|address| address.interface.as_ref());
            let own = std::iter::once(("interface", &instance.interface));
            let mut told = BTreeSet::new();
            for (keyword, name) in own.chain(tracked).chain(used.map(|name| ("virtual_ipaddress", name))) {
                if !self.host.links.contains_key(name) && told.insert(name) {
                    self.no_interface(&thing, keyword, name);
                }
            }
        }
        let mut told = BTreeSet::new();
        for (thing, check) in check::everywhere(self.config) {
            let Any::Network(check) = check else { continue };
            let absent = check.device.iter().filter(|name| !self.host.links.contains_key(*name));
            for name in absent.filter(|name| told.insert(*name)) {
                self.no_interface(&thing, "bind_if", name);
            }
        }
    }

    fn no_interface(&mut self, thing: &Thing, keyword: &str, name: &str) {
        let names = || self.host.links.keys().map(String::as_str);
        let suggestion = match keywords::closest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("this host has no interface `{name}`");
        self.tell(Severity::Warning, Code::InterfaceMissing, thing, keyword, message, suggestion);
    }

    /// Addresses to send from.
    fn sources(&mut self) {
        let host = self.host;
        for (name, instance) in &self.config.instances {
            let thing = Thing::Instance(name.clone());
            for source in instance.source.into_iter().filter(|source| !holds(host, *source)) {
                let keyword = ["unicast_src_ip", "mcast_src_ip"]
                    .into_iter()
                    .find(|keyword| self.spans.says(&thing, &[keyword]))
                    .unwrap_or("interface");
                self.not_here(&thing, keyword, source);
            }
        }
        // Thousands of checks may be bound to one address.
        let mut told = BTreeSet::new();
        for (thing, check) in check::everywhere(self.config) {
            let Any::Network(check) = check else { continue };
            let source = check.source.map(|source| source.ip()).filter(|source| !source.is_unspecified());
            for source in source.into_iter().filter(|source| !holds(host, *source)) {
                if told.insert(source) {
                    self.not_here(&thing, "bindto", source);
                }
            }
        }
    }

    fn not_here(&mut self, thing: &Thing, keyword: &str, address: IpAddr) {
        let message = format!("{address} is no address of this host: nothing can be sent from it");
        let own: Vec<String> = self
            .host
            .links
            .values()
            .filter(|link| !link.loopback)
            .flat_map(|link| &link.addresses)
            .filter(|held| held.address.is_ipv4() == address.is_ipv4())
            .map(|held| held.address.to_string())
            .take(8)
            .collect();
        let suggestion = match own.as_slice() {
            [] => "the host has no address of that family".to_owned(),
            own => format!("its addresses are: {}", own.join(", ")),
        };
        self.tell(Severity::Warning, Code::AddressNotHere, thing, keyword, message, suggestion);
    }

    /// An address that is to be put on one interface and is on another.
    fn virtual_addresses(&mut self) {
        for (name, instance) in &self.config.instances {
            for address in &instance.addresses {
                let wanted = address.interface.as_ref().unwrap_or(&instance.interface);
                let elsewhere = self
                    .host
                    .links
                    .iter()
                    .find(|(name, link)| *name != wanted && link.holds(address.address));
                let Some((found, link)) = elsewhere else { continue };
                // On the loopback interface it is what a real server behind direct routing needs.
                let severity = if link.loopback { Severity::Hint } else { Severity::Warning };
                let message = format!(
                    "{} is to be on `{wanted}` while master, and is on `{found}` now",
                    address.address
                );
                let suggestion = format!("take it off `{found}`, or choose another address");
                let thing = Thing::Instance(name.clone());
                self.tell(severity, Code::AddressElsewhere, &thing, "virtual_ipaddress", message, suggestion);
            }
        }
    }

    fn commands(&mut self) {
        for (thing, keyword, command) in command::commands(self.config) {
            self.command(&thing, keyword, &command);
        }
    }

    fn command(&mut self, thing: &Thing, keyword: &str, command: &Command) {
        // `<FILE` is read, not run.
        let Some(name) = command.words.first().filter(|name| !name.starts_with('<')) else { return };
        let as_root = command.user.as_ref().is_none_or(|user| user == "root");
        let (code, message, suggestion) = match (self.host.program)(name) {
            Program::There { writable: None } | Program::Unknown => return,
            Program::There { writable: Some(_) } if !as_root => return,
            Program::Missing => (
                Code::ScriptMissing,
                format!("this host has no program `{name}`: it can only fail"),
                "install it, or correct its path".to_owned(),
            ),
            Program::NotExecutable => (
                Code::ScriptNotExecutable,
                format!("`{name}` may not be executed: it can only fail"),
                format!("chmod a+x {name}"),
            ),
            Program::There { writable: Some(part) } => (
                Code::ScriptInsecure,
                format!("`{name}` may run as root, and others than root can change `{part}`"),
                "let only root write there, or name another user behind the command".to_owned(),
            ),
        };
        self.tell(Severity::Warning, code, thing, keyword, message, suggestion);
    }

    fn kernel(&mut self) {
        let first = self.config.virtual_servers().next();
        let Some((first, _)) = first.filter(|_| !self.host.ipvs) else { return };
        let message = "this kernel has no IPVS, and no module for it: nothing can be balanced".to_owned();
        let suggestion = "install a kernel with the module `ip_vs`".to_owned();
        let (severity, thing) = (Severity::Warning, first.thing());
        self.tell(severity, Code::NoIpvs, &thing, "virtual_server", message, suggestion);
    }
}

fn holds(host: &Host<'_>, address: IpAddr) -> bool {
    host.links.values().any(|link| link.holds(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_text;
    use vrrp::{Link, LinkAddress};

    fn link(loopback: bool, addresses: &[&str]) -> Link {
        let held =
            |address: &&str| LinkAddress { address: address.parse().unwrap(), prefix: 24, secondary: false };
        Link {
            index: 1,
            up: true,
            loopback,
            mac: None,
            addresses: addresses.iter().map(held).collect(),
            table: None,
        }
    }

    /// What is told of a text on a host with two interfaces: severity, code, line, and the suggestion.
    fn told(text: &str, ipvs: bool) -> Vec<(Severity, Code, u32, String)> {
        let program = &|name: &str| match name {
            "/bin/fine" => Program::There { writable: None },
            "/bin/open" => Program::There { writable: Some("/bin".to_owned()) },
            "/bin/text" => Program::NotExecutable,
            "/srv/secret" => Program::Unknown,
            _ => Program::Missing,
        };
        let links = [
            ("lo".to_owned(), link(true, &["127.0.0.1", "10.0.0.8"])),
            ("eth0".to_owned(), link(false, &["10.0.0.1"])),
            ("eth1".to_owned(), link(false, &["10.0.1.1", "10.0.0.7"])),
        ];
        let host = Host { links: links.into(), ipvs, program };
        let reading = read_text("main", text);
        assert!(reading.config.is_some(), "{}", reading.render(crate::config::Colour::Never));
        on_host(&reading, &host)
            .into_iter()
            .map(|found| (found.severity, found.code, found.line, found.suggestion.unwrap_or_default()))
            .collect()
    }

    fn instance(interface: &str, more: &str) -> String {
        format!("vrrp_instance A {{\ninterface {interface}\nvirtual_router_id 1\n{more}\n}}\n")
    }

    #[test]
    fn a_file_that_fits_gives_no_cause() {
        let text = instance(
            "eth0",
            "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n}\nvirtual_ipaddress {\n10.0.0.9\n10.0.0.1\n}",
        );
        assert_eq!(told(&text, false), []);
        let service = "virtual_server 10.0.0.9 80 {\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\nreal_server 10.0.1.2 80 {\nTCP_CHECK {\nbindto 10.0.1.1\n}\n}\n}\n";
        assert_eq!(told(service, true), []);
    }

    #[test]
    fn interfaces_must_exist() {
        let told = told(
            &instance("ehh0", "virtual_ipaddress {\n10.0.0.9 dev wan0\n}\ntrack_interface {\neth1\ntun7\n}"),
            true,
        );
        let expected = [
            (Severity::Warning, Code::InterfaceMissing, 2, "did you mean `eth0`?".to_owned()),
            (Severity::Warning, Code::InterfaceMissing, 4, "there are: eth0, eth1, lo".to_owned()),
            (Severity::Warning, Code::InterfaceMissing, 7, "there are: eth0, eth1, lo".to_owned()),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_sent_from_must_be_here() {
        let text = instance("eth0", "unicast_src_ip 10.0.0.2\nunicast_peer {\n10.0.0.3\n}");
        let suggestion = "its addresses are: 10.0.0.1, 10.0.1.1, 10.0.0.7".to_owned();
        assert_eq!(told(&text, true), [(Severity::Warning, Code::AddressNotHere, 4, suggestion.clone())]);
        let server =
            |last: u8| format!("real_server 10.0.1.{last} 80 {{\nTCP_CHECK {{\nbindto 10.0.1.9\n}}\n}}\n");
        let text = format!(
            "virtual_server 10.0.0.9 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n{}{}}}\n",
            server(2),
            server(3)
        );
        assert_eq!(told(&text, true), [(Severity::Warning, Code::AddressNotHere, 7, suggestion)]);
        assert_eq!(told(&text, false)[0].1, Code::NoIpvs);
    }

    #[test]
    fn virtual_addresses_are_not_to_be_on_another_interface() {
        let found = |address: &str| -> Vec<(Severity, Code)> {
            let text = instance("eth0", &format!("virtual_ipaddress {{\n{address}\n}}"));
            told(&text, true).into_iter().map(|(severity, code, ..)| (severity, code)).collect()
        };
        assert_eq!(found("10.0.0.7"), [(Severity::Warning, Code::AddressElsewhere)]);
        assert_eq!(found("10.0.0.7 dev eth1"), []);
        assert_eq!(found("10.0.0.8"), [(Severity::Hint, Code::AddressElsewhere)]);
    }

    #[test]
    fn programs_must_be_there_and_safe() {
        let codes = |script: &str| -> Vec<Code> {
            let text =
                format!("vrrp_script S {{\n{script}\n}}\n{}", instance("eth0", "track_script {\nS\n}"));
            told(&text, true).into_iter().map(|(_, code, ..)| code).collect()
        };
        assert_eq!(codes("script /bin/fine"), []);
        assert_eq!(codes("script \"/bin/none x\""), [Code::ScriptMissing]);
        assert_eq!(codes("script /bin/text"), [Code::ScriptNotExecutable]);
        assert_eq!(codes("script /bin/open"), [Code::ScriptInsecure]);
        assert_eq!(codes("script /bin/open\nuser nobody"), []);
        assert_eq!(codes("script /srv/secret"), []);
    }

    #[test]
    fn checks_of_every_kind_are_looked_at() {
        let codes = |check: &str| -> Vec<(Code, u32)> {
            let server = |last: u8| format!("real_server 10.0.1.{last} 80 {{\n{check}\n}}\n");
            let text = format!(
                "virtual_server 10.0.0.9 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n{}{}}}\n",
                server(2),
                server(3)
            );
            told(&text, true).into_iter().map(|(_, code, line, _)| (code, line)).collect()
        };
        assert_eq!(codes("PING_CHECK {\nbindto 10.0.1.9\n}"), [(Code::AddressNotHere, 7)]);
        assert_eq!(codes("TCP_CHECK {\nbind_if eth7\n}"), [(Code::InterfaceMissing, 7)]);
        assert_eq!(codes("TCP_CHECK {\nbind_if eth1\n}"), []);
        assert_eq!(codes("MISC_CHECK {\nmisc_path /bin/none\n}"), [(Code::ScriptMissing, 7)]);
        assert_eq!(codes("MISC_CHECK {\nuser nobody\nmisc_path /bin/open\n}"), []);
    }
}

//! OpenLDAP.

use std::fs;
use std::process::Stdio;

use lab::in_namespaces;
use lab::netns::{Host, Net};
use lab::packages::Tools;

use super::{Server, certificate, prepare, tools, try_all};

const ENTRIES: &str = "dn: dc=example,dc=org\nobjectClass: domain\ndc: example\n\n\
                       dn: cn=probe,dc=example,dc=org\nobjectClass: person\ncn: probe\nsn: probe\nuserPassword: sesame\n";

fn slapd(tools: &Tools, host: &Host) -> (Server, String) {
    let (certificate, key) = certificate(host);
    let (dir, root) = (host.dir().display().to_string(), tools.root.display().to_string());
    fs::create_dir(host.dir().join("db")).expect("a folder of ours");
    let config = format!(
        "include {root}/etc/ldap/schema/core.schema\ninclude {root}/etc/ldap/schema/cosine.schema\nmodulepath {root}/usr/lib/ldap\nmoduleload back_mdb\n\
         pidfile {dir}/slapd.pid\nargsfile {dir}/slapd.args\n\
         TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\n\
         database mdb\nsuffix dc=example,dc=org\nrootdn cn=admin,dc=example,dc=org\nrootpw sesame\ndirectory {dir}/db\n\
         maxsize 10485760\naccess to dn.base=\"dc=example,dc=org\" by * read\n\
         access to attrs=userPassword by anonymous auth by * none\naccess to * by users read by * none\n"
    );
    let path = |name: &str| host.dir().join(name).display().to_string();
    fs::write(path("slapd.conf"), config).expect("a folder of ours");
    fs::write(path("entries"), ENTRIES).expect("a folder of ours");
    let slapd = || {
        let mut command = tools.command("slapd");
        command.stdin(Stdio::null());
        command
    };
    prepare(host, slapd().args(["-T", "add", "-f", &path("slapd.conf"), "-l", &path("entries")]));
    let mut command = slapd();
    let address = host.address();
    let urls = format!("ldap://{address}:389 ldaps://{address}:636");
    command.args(["-f", &path("slapd.conf"), "-h", &urls, "-d", "0"]);
    (Server::start(host, command, 389), certificate)
}

#[test]
fn openldap_is_asked() {
    let Some(tools) = tools() else { return };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let (mut server, ca) = slapd(&tools, host);
    let ldap = |lines: &str| format!("LDAP_CHECK {{\n{lines}\n}}");
    let probe = "login cn=probe,dc=example,dc=org\n";
    let known = |more: &str| ldap(&format!("{probe}password sesame\n{more}"));
    let trials = [
        ("ldap-anonymous", ldap(""), "passed"),
        ("ldap-login", known(""), "passed"),
        (
            "ldap-wrong-password",
            ldap(&format!("{probe}password sesamee")),
            "invalidCredentials (49): wrong login or password",
        ),
        ("ldap-search", known("base cn=probe,dc=example,dc=org"), "passed"),
        ("ldap-nothing-there", known("base cn=nobody,dc=example,dc=org"), "noSuchObject (32)"),
        ("ldap-not-for-us", ldap("base cn=probe,dc=example,dc=org"), "noSuchObject (32)"),
        ("ldap-no-name", known("base nonsense"), "invalidDNSyntax (34)"),
        ("ldap-starttls", known("tls starttls\nbase dc=example,dc=org"), "passed"),
        ("ldap-starttls-other", known("tls starttls\nsni_name other.example"), "it is not for other.example"),
        ("ldap-tls", known("tls on\nconnect_port 636"), "passed"),
        (
            "ldap-tls-other-name",
            known("tls on\nconnect_port 636\nsni_name other.example"),
            "it is not for other.example",
        ),
        ("ldap-not-ldap", "PGSQL_CHECK {\nconnect_timeout 1\n}".to_owned(), "connection closed"),
    ];
    try_all(director, host, &ca, 389, &trials, &mut server);
}

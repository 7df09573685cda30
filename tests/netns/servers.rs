//! Checks of real servers: nginx, unbound and msmtpd, unpacked by the lab, good and bad in turn.

use std::fs;
use std::process::{Child, Stdio};

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Net, tool, wait_until};
use lab::packages::{self, Tools};

use super::{SLACK, start};

/// A server that ends with the test.
pub struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    pub fn start(host: &Host, mut command: std::process::Command) -> Self {
        command.stdin(Stdio::null());
        Self(host.spawn(&mut command).expect("it is unpacked"))
    }
}

/// The servers, fetched before the network is left; `None` where that is not possible, which is said.
fn tools() -> Option<Tools> {
    match packages::servers() {
        Ok(tools) => Some(tools),
        Err(error) => {
            lab::netns::skip(&error.to_string());
            None
        }
    }
}

/// A service whose only server, at this port, is asked by this check.
pub fn service(number: u16, host: &Host, port: u16, check: &str) -> String {
    format!(
        "virtual_server 10.0.0.100 {number} {{\ndelay_loop 0.2\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\nretry 1\n\
         delay_before_retry 0.1\nconnect_timeout 2\nreal_server {} {port} {{\n{check}\n}}\n}}\n",
        host.address()
    )
}

/// Waits for each service's only server: whether it is up, and a part of why.
pub fn expect(daemon: &Daemon, expected: &[(bool, &str)]) {
    for (number, (up, reason)) in expected.iter().enumerate() {
        let verdict = if *up { "up" } else { "down" };
        wait_until(&format!("server {number} {verdict}: {reason}"), SLACK * 5, || {
            let server = daemon.status()?["services"][number]["servers"][0].clone();
            let said = server["reason"].as_str()?.to_owned();
            (server["verdict"] == verdict && said.contains(reason)).then_some(())
        });
    }
}

/// A certificate for a name and an address, signed by itself, and its key: two files.
pub fn certificate(host: &Host) -> (String, String) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = vec!["www.example.org".to_owned(), host.address().to_string()];
    let certificate = rcgen::CertificateParams::new(names).expect("names").self_signed(&key).expect("signed");
    let file = |name: &str, text: String| {
        let path = host.dir().join(name);
        fs::write(&path, text).expect("a folder of ours");
        path.display().to_string()
    };
    (file("cert.pem", certificate.pem()), file("key.pem", key.serialize_pem()))
}

fn nginx(tools: &Tools, host: &Host) -> (Server, String) {
    let (certificate, key) = certificate(host);
    let dir = host.dir().display().to_string();
    fs::write(host.dir().join("hello"), "hello\n").expect("a folder of ours");
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {dir}/{name};\n"))
        .concat();
    let address = host.address();
    let config = format!(
        "daemon off;\nmaster_process off;\npid {dir}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n\
         access_log off;\n{temporary}server {{\nlisten {address}:8080;\nlisten {address}:8443 ssl;\n\
         server_name www.example.org;\nssl_certificate {certificate};\nssl_certificate_key {key};\nroot {dir};\n\
         location /gone {{ return 503; }}\n}}\n}}\n"
    );
    let path = host.dir().join("nginx.conf");
    fs::write(&path, config).expect("a folder of ours");
    let mut command = tools.command("nginx");
    command.arg("-p").arg(&dir).arg("-c").arg(&path).arg("-e").arg("stderr");
    (Server::start(host, command), certificate)
}

#[test]
fn pages_of_nginx_are_judged_with_and_without_tls() {
    let Some(tools) = tools() else { return };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let (_nginx, certificate) = nginx(&tools, host);
    let url = |path: &str, more: &str| format!("url {{\npath {path}\n{more}\n}}\n");
    let hello = url(
        "/hello",
        "digest b1946ac92492d2347c6235b4d2611184\nregex ^h.llo$\nregex_options caseless multiline",
    );
    let named = "virtualhost www.example.org\nenable_sni\nhttp_protocol 1.1\n";
    let checks = [
        (8080, format!("HTTP_GET {{\n{hello}{}fast_recovery\n}}", url("/gone", "status_code 503"))),
        (8080, format!("HTTP_GET {{\n{}}}", url("/gone", ""))),
        (8443, format!("SSL_GET {{\n{named}{hello}}}")),
        (8443, format!("SSL_GET {{\n{hello}}}")),
        (8443, format!("SSL_GET {{\nvirtualhost other.example\n{hello}}}")),
        (8443, format!("SSL_GET {{\nverify off\nvirtualhost other.example\n{hello}}}")),
        (8443, format!("SSL_GET {{\n{named}{}}}", url("/hello", "regex goodbye"))),
        (8080, format!("SSL_GET {{\n{hello}}}")),
        (8443, format!("HTTP_GET {{\n{hello}}}")),
    ];
    let services = checks.iter().zip(1..).map(|((port, check), number)| service(number, host, *port, check));
    let text = format!("SSL {{\nca {certificate}\n}}\n{}", services.collect::<String>());
    let daemon = start(director, &text);
    expect(
        &daemon,
        &[
            (true, "passed"),
            (false, "HTTP status 503"),
            (true, "passed"),
            (true, "passed"),
            (false, "it is not for other.example"),
            (true, "passed"),
            (false, "nothing in it that matches 'goodbye'"),
            (false, "not TLS"),
            (false, "HTTP status 400"),
        ],
    );
}

#[test]
fn name_servers_and_mail_servers_are_asked() {
    let Some(tools) = tools() else { return };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let dir = host.dir().display().to_string();
    let config = format!(
        "server:\n interface: {}@5353\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n directory: \"{dir}\"\n \
         pidfile: \"\"\n use-syslog: no\n access-control: 0.0.0.0/0 allow\n module-config: \"iterator\"\n \
         local-zone: \"example.org.\" static\n local-data: \"www.example.org. IN A 10.0.0.1\"\n \
         local-zone: \"refused.example.\" refuse\nremote-control:\n control-enable: no\n",
        host.address()
    );
    let path = host.dir().join("unbound.conf");
    fs::write(&path, config).expect("a folder of ours");
    let mut unbound = tools.command("unbound");
    unbound.arg("-d").arg("-c").arg(&path);
    let _unbound = Server::start(host, unbound);
    let mut msmtpd = tool("msmtpd");
    msmtpd.args(["--port=2525", "--command=cat"]).arg(format!("--interface={}", host.address()));
    let _msmtpd = Server::start(host, msmtpd);

    let name = |name: &str, record: &str| format!("DNS_CHECK {{\nname {name}\ntype {record}\n}}");
    let checks = [
        (5353, name("www.example.org", "A")),
        (5353, name("www.example.org", "MX")),
        (5353, name("nobody.example.org", "A")),
        (5353, name("refused.example", "SOA")),
        (2525, "SMTP_CHECK {\nhelo_name probe.example\n}".to_owned()),
        (2525, name("www.example.org", "A")),
    ];
    let services = checks.iter().zip(1..).map(|((port, check), number)| service(number, host, *port, check));
    let daemon = start(director, &services.collect::<String>());
    expect(
        &daemon,
        &[
            (true, "passed"),
            (true, "passed"),
            (false, "NXDOMAIN"),
            (false, "REFUSED"),
            (true, "passed"),
            (false, "port unreachable"),
        ],
    );
}

//! Checks of real servers: nginx, unbound and msmtpd, unpacked by the lab, good and bad in turn.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::SystemTime;

use healthcheck::dialogue::certificate::Moment;
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

/// A certificate for a name and an address, signed by itself, and its key: two files. It ends in so many days.
pub fn certificate(host: &Host, days: i64) -> (String, String) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = vec!["www.example.org".to_owned(), host.address().to_string()];
    let mut params = rcgen::CertificateParams::new(names).expect("names");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later than 1970");
    let date = Moment(i64::try_from(now.as_secs()).expect("not yet") + days * 86_400).to_string();
    let part = |range: std::ops::Range<usize>| date[range].parse::<u8>().expect("a date");
    params.not_after = rcgen::date_time_ymd(date[..4].parse().expect("a year"), part(5..7), part(8..10));
    let certificate = params.self_signed(&key).expect("signed");
    let file = |name: &str, text: String| {
        let path = host.dir().join(name);
        fs::write(&path, text).expect("a folder of ours");
        // Some servers take no key that others could read.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file of ours");
        path.display().to_string()
    };
    (file("cert.pem", certificate.pem()), file("key.pem", key.serialize_pem()))
}

/// Pages that want to be asked for in a special way, and a health service for gRPC that somebody has written down.
const SPECIAL: &str = "\
    location /status { default_type application/json; return 200 '{\"status\": \"ok\", \"queue\": 3}'; }
    location /order { if ($http_x_probe != \"one\") { return 403; } return 200 \"$request_method $content_length\"; }
    location /private { auth_basic p; auth_basic_user_file users; alias hello; }
    location /grpc.health.v1.Health/ {
        default_type application/grpc;
        error_page 405 =200 $uri;
        add_trailer grpc-status 0;
    }
    location /grpc.health.v1.Health/Watch { return 404; }
";

fn nginx(tools: &Tools, host: &Host, days: i64) -> (Server, String) {
    let (certificate, key) = certificate(host, days);
    let dir = host.dir().display().to_string();
    let write = |name: &str, bytes: &[u8]| fs::write(host.dir().join(name), bytes).expect("a folder of ours");
    write("hello", b"hello\n");
    write("users", b"probe:{PLAIN}open sesame\n");
    fs::create_dir_all(host.dir().join("grpc.health.v1.Health")).expect("a folder of ours");
    write("grpc.health.v1.Health/Check", &[0, 0, 0, 0, 2, 8, 1]);
    let special = SPECIAL
        .replace("users", &format!("{dir}/users"))
        .replace("alias hello", &format!("alias {dir}/hello"));
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {dir}/{name};\n"))
        .concat();
    let address = host.address();
    let config = format!(
        "daemon off;\nmaster_process off;\npid {dir}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n\
         access_log off;\n{temporary}server {{\nlisten {address}:8080;\nlisten {address}:8443 ssl;\n\
         listen {address}:8081 http2;\nlisten {address}:8444 ssl http2;\n{special}\
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
    let (_nginx, certificate) = nginx(&tools, host, 400);
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
fn nginx_is_asked_in_every_way_that_http_knows() {
    let Some(tools) = tools() else { return };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let (_nginx, certificate) = nginx(&tools, host, 5);
    let url = |path: &str, more: &str| format!("url {{\npath {path}\n{more}\n}}\n");
    let web = |name: &str, more: &str, url: String| format!("{name} {{\n{more}\n{url}}}");
    let order = "method POST\nheader \"X-Probe: one\"\nbody \"a pizza\"\nregex \"^POST 7$\"";
    let login = "login probe\npassword \"open sesame\"";
    let hello = "digest b1946ac92492d2347c6235b4d2611184";
    let two = "http_protocol 2";
    let checks = [
        (8080, web("HTTP_GET", "", url("/status", "json /status ok\njson /queue below 10"))),
        (8080, web("HTTP_GET", "", url("/status", "json /queue above 3"))),
        (8080, web("HTTP_GET", "", url("/order", order))),
        (8080, web("HTTP_GET", "", url("/order", "method POST"))),
        (8080, web("HTTP_GET", login, url("/private", hello))),
        (8080, web("HTTP_GET", "", url("/private", hello))),
        (8080, web("HTTP_GET", "", url("/hello", "method HEAD"))),
        (8081, web("HTTP_GET", two, url("/hello", hello))),
        (8081, web("HTTP_GET", &format!("{two}\n{login}"), url("/private", "") + &url("/order", order))),
        (8080, web("HTTP_GET", two, url("/hello", ""))),
        (8444, web("SSL_GET", &format!("{two}\nexpiry_days 4"), url("/hello", hello))),
        (8443, web("SSL_GET", two, url("/hello", ""))),
        (8444, web("SSL_GET", "expiry_days 6", url("/hello", hello))),
        (8081, "GRPC_CHECK {\nservice shop.v1.Cart\n}".to_owned()),
        (8444, "GRPC_CHECK {\ntls\n}".to_owned()),
        (8443, "GRPC_CHECK {\ntls\n}".to_owned()),
        (8080, "GRPC_CHECK {\n}".to_owned()),
    ];
    let services = checks.iter().zip(1..).map(|((port, check), number)| service(number, host, *port, check));
    let text = format!("SSL {{\nca {certificate}\n}}\n{}", services.collect::<String>());
    let daemon = start(director, &text);
    expect(
        &daemon,
        &[
            (true, "passed"),
            (false, "the page has 3 at /queue, expected one that is above '3'"),
            (true, "passed"),
            (false, "HTTP status 403"),
            (true, "passed"),
            (false, "HTTP status 401"),
            (true, "passed"),
            (true, "passed"),
            (true, "passed"),
            (false, "not HTTP/2"),
            (true, "passed"),
            (false, "does not offer HTTP/2"),
            (true, "passed"),
            (true, "passed"),
            (true, "passed"),
            (false, "does not offer HTTP/2"),
            (false, "not HTTP/2"),
        ],
    );
    // Expiry is told once, in the log and for as long as it lasts in `status`.
    let check = |number: usize| {
        daemon.status().expect("it runs")["services"][number]["servers"][0]["checks"][0].clone()
    };
    assert_eq!(check(10)["warnings"], serde_json::Value::Null);
    assert!(check(10)["certificate_ends"].as_str().is_some_and(|text| text.ends_with("GMT")));
    let warning = check(12)["warnings"][0].as_str().unwrap_or_default().to_owned();
    assert!(warning.starts_with("the certificate ends in "), "{warning}");
    let log = daemon.log();
    assert_eq!(log.matches("warning: the certificate ends in").count(), 1, "{log}");
    assert!(!log.contains("sesame"), "{log}");
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

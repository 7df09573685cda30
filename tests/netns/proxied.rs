//! Checks of servers that want a PROXY header first: HAProxy and nginx, by both versions, and servers that want none.

use std::fs;

use lab::in_namespaces;
use lab::netns::{Host, Net, wait_until};
use lab::packages::{self, Tools};

use super::servers::{Server, certificate, expect, service};
use super::{SLACK, start};

/// With a header: HTTP at 8101, by TLS at 8102, over IPv6 at 8103, at 8105 and 8106 for connections only, and at the address
/// of all services at whatever port. Without one at 8104, and by TLS at 8107. It tells whom it takes for its client.
fn haproxy(tools: &Tools, host: &Host, (certificate, key): &(String, String)) -> Server {
    let path = |name: &str| host.dir().join(name);
    let read = |path: &String| fs::read_to_string(path).expect("it was just written");
    fs::write(path("both.pem"), read(certificate) + &read(key)).expect("a folder of ours");
    let (at, pem) = (host.address(), path("both.pem").display().to_string());
    let who = "http-request return status 200 content-type text/plain lf-string \"client %[src] to %[dst] header %[fc_rcvd_proxy]\\n\"";
    let config = format!(
        "global\n log stdout format raw local0\n\
         defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 1s\n log global\n option httplog\n option dontlog-normal\n\
         frontend web\n bind {at}:8101 accept-proxy\n bind {at}:8102 accept-proxy ssl crt {pem} alpn h2,http/1.1\n\
         bind fd00::2:8103 accept-proxy\n bind {at}:8104\n bind {at}:8107 ssl crt {pem}\n bind 10.0.0.100:1-99 accept-proxy\n {who}\n\
         frontend connections\n bind {at}:8105 accept-proxy\n option dontlognull\n {who}\n\
         frontend bare\n bind {at}:8106 accept-proxy\n {who}\n"
    );
    fs::write(path("haproxy.cfg"), config).expect("a folder of ours");
    let mut command = tools.command("haproxy");
    command.arg("-db").arg("-f").arg(path("haproxy.cfg"));
    command.stdout(fs::File::create(path("haproxy.log")).expect("a folder of ours"));
    Server::start(host, command)
}

/// With a header at 8111, and by TLS at 8112; without one at 8114.
fn nginx(tools: &Tools, host: &Host, (certificate, key): &(String, String)) -> Server {
    let (dir, at) = (host.dir().display().to_string(), host.address());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {dir}/{name};\n"))
        .concat();
    let config = format!(
        "daemon off;\nmaster_process off;\npid {dir}/nginx.pid;\nerror_log {dir}/nginx.log;\nevents {{}}\nhttp {{\n\
         access_log off;\n{temporary}server {{\nlisten {at}:8111 proxy_protocol;\n\
         listen {at}:8112 ssl http2 proxy_protocol;\nlisten {at}:8114;\n\
         ssl_certificate {certificate};\nssl_certificate_key {key};\n\
         location / {{ return 200 \"said '$proxy_protocol_addr' seen $remote_addr\\n\"; }}\n}}\n}}\n"
    );
    let path = host.dir().join("nginx.conf");
    fs::write(&path, config).expect("a folder of ours");
    let mut command = tools.command("nginx");
    command.arg("-p").arg(&dir).arg("-c").arg(&path).arg("-e").arg("stderr");
    Server::start(host, command)
}

fn get(more: &str, regex: &str) -> String {
    format!("HTTP_GET {{\n{more}\nurl {{\npath /\nregex \"{regex}\"\n}}\n}}")
}

fn secure(more: &str, regex: &str) -> String {
    get(more, regex).replace("HTTP_GET", "SSL_GET")
}

#[test]
fn servers_that_want_to_hear_of_the_client_first_are_told() {
    let tools = match packages::servers() {
        Ok(tools) => tools,
        Err(error) => return lab::netns::skip(&error.to_string()),
    };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    director.ip("addr add 10.0.0.77/24 dev eth0");
    director.ip("addr add fd00::1/64 dev eth0 nodad");
    host.ip("addr add fd00::2/64 dev eth0 nodad");
    host.ip("addr add 10.0.0.100/24 dev eth0");
    let certificate = certificate(host, 400);
    let _servers = [haproxy(&tools, host, &certificate), nginx(&tools, host, &certificate)];
    let (v1, v2) = ("proxy_protocol v1", "proxy_protocol v2");
    let two = "http_protocol 2";
    let from = "bindto 10.0.0.77\nfwmark 7";
    let checks: &[(u16, String, bool, &str)] = &[
        (8101, get(v1, "client 10.0.0.1 to 10.0.0.2 header 1"), true, "passed"),
        (8101, get(&format!("{v1}\n{from}"), "client 10.0.0.77 to 10.0.0.2 header 1"), true, "passed"),
        (8101, get(&format!("{v2}\n{from}"), "client 10.0.0.77 to 10.0.0.2 header 1"), true, "passed"),
        (8101, get(&format!("{v2}\n{two}"), "header 1"), true, "passed"),
        (8101, get("", "client"), false, "connection"),
        // As if the kernel had passed it on from the address of the service, which is what the header must name.
        (8101, get(&format!("{v1}\nvia_ipvs"), "client 10.0.0.1 to 10.0.0.100 header 1"), true, "passed"),
        (8101, get(&format!("{v2}\nvia_ipvs"), "client 10.0.0.1 to 10.0.0.100 header 1"), true, "passed"),
        (8102, secure(v1, "client 10.0.0.1 to 10.0.0.2 header 1"), true, "passed"),
        (8102, secure(&format!("{v2}\n{two}"), "header 1"), true, "passed"),
        (8102, secure("", "client"), false, "connection"),
        (8103, get(v1, "client fd00::1 to fd00::2 header 1"), true, "passed"),
        (8103, get(v2, "client fd00::1 to fd00::2 header 1"), true, "passed"),
        (8103, get("", "client"), false, "connection"),
        (8104, get("", "client 10.0.0.1 to 10.0.0.2 header 0"), true, "passed"),
        (8104, get(v1, "client"), false, "HTTP status 400, expected 200-299 (asked with a PROXY header"),
        (8104, get(v2, "client"), false, "HTTP status 400, expected 200-299 (asked with a PROXY header"),
        (8107, secure("", "header 0"), true, "passed"),
        (8107, secure(v1, "client"), false, "(asked with a PROXY header, `proxy_protocol v1`)"),
        (8107, secure(v2, "client"), false, "(asked with a PROXY header, `proxy_protocol v2`)"),
        (8105, format!("TCP_CHECK {{\n{v1}\n}}"), true, "passed"),
        (8105, format!("TCP_CHECK {{\n{v2}\n}}"), true, "passed"),
        (8106, "TCP_CHECK {\n}".to_owned(), true, "passed"),
        (8111, get(v1, "^said '10.0.0.1' seen"), true, "passed"),
        (8111, get(v2, "^said '' seen 10.0.0.1$"), true, "passed"),
        (8111, get("", "said"), false, "connection"),
        (8112, secure(&format!("{v1}\n{two}\n{from}"), "^said '10.0.0.77' seen"), true, "passed"),
        (8112, secure(v2, "^said '' seen 10.0.0.1$"), true, "passed"),
        (8112, secure("", "said"), false, "connection"),
        (8114, get("", "said '' seen"), true, "passed"),
        (8114, get(v1, "said"), false, "HTTP status 400"),
        (8114, get(v2, "said"), false, "HTTP status 400"),
    ];
    let services = checks.iter().zip(1..).map(|((port, check, ..), number)| {
        let service = service(number, host, *port, check);
        match port {
            8103 => service
                .replace("virtual_server 10.0.0.100", "virtual_server fd00::100")
                .replace(&format!("real_server {}", host.address()), "real_server fd00::2"),
            _ => service,
        }
    });
    let text = format!("SSL {{\nca {}\n}}\n{}", certificate.0, services.collect::<String>());
    let daemon = start(director, &text);
    // Shown in the order of their addresses.
    let v6 = |port: u16| port == 8103;
    let ordered = checks.iter().filter(|check| !v6(check.0)).chain(checks.iter().filter(|check| v6(check.0)));
    let expected: Vec<(bool, &str)> = ordered.map(|(.., up, reason)| (*up, *reason)).collect();
    expect(&daemon, &expected);
    let log = || fs::read(host.dir().join("haproxy.log")).unwrap_or_default();
    // Who only connects, and says nothing of whom for, stands in the log each time; whoever says it does not.
    let told = |frontend: &str| String::from_utf8_lossy(&log()).contains(frontend);
    wait_until("HAProxy tells of a connection without a header", SLACK * 5, || told(" bare/").then_some(()));
    assert!(!told(" connections/"), "{}", String::from_utf8_lossy(&log()));
}

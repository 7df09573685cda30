//! Checks of a load balancer that stands before the servers: HAProxy, which says by itself how it and they are.

use std::fs;

use lab::in_namespaces;
use lab::netns::{Host, Net};
use lab::packages::{self, Tools};

use super::servers::{Server, certificate, expect, service};
use super::start;

/// By HTTP/1.1 at 8090, HTTP/2 in the clear at 8092, both by TLS at 8453; at 8093 it wants to hear of the client first
/// (PROXY protocol). At 8094 it says that it is out of order, as it has no server; at 8095 it passes on bytes to nobody.
fn haproxy(tools: &Tools, host: &Host, (certificate, key): &(String, String)) -> Server {
    let file = |name: &str, text: String| {
        let path = host.dir().join(name);
        fs::write(&path, text).expect("a folder of ours");
        path.display().to_string()
    };
    let read = |path: &String| fs::read_to_string(path).expect("it was just written");
    let pem = file("both.pem", read(certificate) + &read(key));
    let at = host.address();
    let config = file(
        "haproxy.cfg",
        format!(
            "defaults\n mode http\n timeout connect 200ms\n timeout client 5s\n timeout server 5s\n retries 0\n\
             frontend web\n bind {at}:8090\n bind {at}:8092 proto h2\n bind {at}:8093 accept-proxy\n\
             bind {at}:8453 ssl crt {pem} alpn h2,http/1.1\n monitor-uri /alive\n\
             http-request return status 200 content-type text/plain string \"hello\\n\" if {{ path /hello }}\n\
             http-request return status 200 content-type application/json string '{{\"status\": \"ok\"}}' if {{ path /status }}\n\
             default_backend nobody\n\
             frontend honest\n bind {at}:8094\n monitor-uri /alive\n monitor fail if {{ nbsrv(nobody) lt 1 }}\n\
             default_backend nobody\n\
             backend nobody\n server gone {at}:1 check inter 50ms fall 1\n\
             listen bytes\n mode tcp\n bind {at}:8095\n server gone {at}:1\n"
        ),
    );
    let mut command = tools.command("haproxy");
    command.arg("-q").arg("-db").arg("-f").arg(config);
    Server::start(host, command)
}

#[test]
fn a_load_balancer_is_asked_how_it_and_its_servers_are() {
    let tools = match packages::servers() {
        Ok(tools) => tools,
        Err(error) => return lab::netns::skip(&error.to_string()),
    };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let certificate = certificate(host, 400);
    let _haproxy = haproxy(&tools, host, &certificate);
    let url = |path: &str, more: &str| format!("url {{\npath {path}\n{more}\n}}\n");
    let get = |more: &str, url: String| format!("HTTP_GET {{\n{more}\n{url}}}");
    let secure = |more: &str, url: String| format!("SSL_GET {{\n{more}\n{url}}}");
    let hello =
        || url("/hello", "digest b1946ac92492d2347c6235b4d2611184\nregex ^hello$\nregex_options multiline");
    let two = "http_protocol 2";
    let checks: &[(u16, String, bool, &str)] = &[
        (8090, "TCP_CHECK {\n}".to_owned(), true, "passed"),
        (8090, get("", url("/alive", "")), true, "passed"),
        (8090, get("http_protocol 1.1", hello()), true, "passed"),
        (8090, get("", url("/status", "json /status ok")), true, "passed"),
        (8090, get("", url("/other", "")), false, "HTTP status 503"),
        // It hears which of the two is spoken.
        (8090, get(two, hello()), true, "passed"),
        (8092, get(two, hello()), true, "passed"),
        (8453, secure("http_protocol 1.1", hello()), true, "passed"),
        (8453, secure(two, hello()), true, "passed"),
        (8453, secure("sni_name other.example", hello()), false, "it is not for other.example"),
        (8453, get("", hello()), false, "connection"),
        (8090, secure("", hello()), false, "not TLS"),
        (8093, get("", hello()), false, "connection"),
        (8094, "TCP_CHECK {\n}".to_owned(), true, "passed"),
        (8094, get("", url("/alive", "")), false, "HTTP status 503"),
        // Whoever only connects does not see that there is nobody behind it.
        (8095, "TCP_CHECK {\n}".to_owned(), true, "passed"),
        (8095, get("", hello()), false, "connection"),
        (8095, "SMTP_CHECK {\n}".to_owned(), false, "connection"),
    ];
    let services =
        checks.iter().zip(1..).map(|((port, check, ..), number)| service(number, host, *port, check));
    let text = format!("SSL {{\nca {}\n}}\n{}", certificate.0, services.collect::<String>());
    let daemon = start(director, &text);
    let expected: Vec<(bool, &str)> = checks.iter().map(|(.., up, reason)| (*up, *reason)).collect();
    expect(&daemon, &expected);
}

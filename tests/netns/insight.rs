//! `directord checks` and `directord why` against a running daemon: what an operator reads when something is down.

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;

use lab::in_namespaces;
use lab::netns::{Host, Net, exit_code, wait_until};

use super::{SLACK, fast, start};

fn say(host: &Host, words: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
    command.args(words.split(' ')).arg("--runtime-dir").arg(host.dir());
    let output = host.output(&mut command).expect("directord runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (exit_code(output.status), text(&output.stdout), text(&output.stderr))
}

/// Accepts connections for ever.
fn serve(host: &Host, port: u16) {
    let listener = host.enter(|| TcpListener::bind((host.address(), port))).expect("the port is free");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"hello");
        }
    });
}

#[test]
fn an_operator_is_told_what_is_down_and_why() {
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    serve(host, 8001);
    let server = |port: u16| format!("real_server {} {port} {{\nTCP_CHECK {{\n}}\n}}\n", host.address());
    let service = format!(
        "virtual_server 10.0.0.100 80 {{\ndelay_loop 0.2\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\nretry 1\n\
         delay_before_retry 0.1\nconnect_timeout 1\n{}{}}}\n",
        server(8001),
        server(8002)
    );
    let daemon = start(director, &(fast(100).to_string() + &service));
    wait_until("twelve attempts of each check", SLACK * 5, || {
        let (code, text, _) = say(director, "checks --json");
        let answer: serde_json::Value = (code == 0).then(|| serde_json::from_str(&text).ok())??;
        let checks = answer["checks"].as_array()?.clone();
        (checks.len() == 2 && checks.iter().all(|check| check["attempts"].as_u64() > Some(12))).then_some(())
    });
    let (_, text, _) = say(director, "checks --json");
    let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for (number, passed) in [(0, true), (1, false)] {
        let check = &answer["checks"][number];
        let results = check["results"].as_array().expect("results");
        assert_eq!(results.len(), 10, "{check}");
        let newest_first = results.windows(2).all(|two| two[0]["at"].as_u64() >= two[1]["at"].as_u64());
        assert!(newest_first, "{check}");
        assert!(results.iter().all(|result| result["failure"].is_null() == passed), "{check}");
        assert_eq!(check["latency"].is_null(), !passed, "{check}");
        assert!(
            results.iter().all(|result| result["took_ms"].as_f64().is_some_and(|took| took > 0.0)),
            "{check}"
        );
    }

    let (code, text, _) = say(director, "checks");
    assert!(code == 0 && text.contains("2 checks: 1 up, 1 down") && !text.contains('\x1b'), "{text}");
    let (_, text, _) = say(director, "checks --down");
    assert!(
        text.contains(":8002") && !text.contains(":8001") && text.contains("connection refused"),
        "{text}"
    );
    let (code, text, why) = say(director, "checks 10.0.0.101:80");
    assert!(code == 1 && text.is_empty() && why.contains("there is no real server"), "{why}");

    let bad = format!("{}:8002", host.address());
    let (code, text, _) = say(director, &format!("why {bad}"));
    assert!(
        code == 0 && text.starts_with(&format!("{bad} of virtual_server tcp:10.0.0.100:80 is down")),
        "{text}"
    );
    assert!(text.matches("connection refused").count() >= 10, "{text}");
    assert!(text.contains("the next one is in") || text.contains("one is under way"), "{text}");
    assert!(text.contains("Quorum: held."), "{text}");
    let (_, all, _) = say(director, "why");
    assert!(all.contains(&bad) && !all.contains(":8001 "), "{all}");
    let (_, text, _) = say(director, "why tcp:10.0.0.100:80");
    assert!(text.starts_with("virtual_server tcp:10.0.0.100:80 serves: 1 of 2"), "{text}");

    super::wait_role(&daemon, "MASTER");
    let name = super::instance(&daemon).and_then(|i| i["name"].as_str().map(str::to_owned)).expect("a name");
    let (code, text, _) = say(director, &format!("why {name}"));
    assert!(code == 0 && text.contains(" is MASTER ") && text.contains("= 100 in the file"), "{text}");
    let (code, _, why) = say(director, &format!("why {name}x"));
    assert!(code == 1 && why.contains(&format!("did you mean `{name}`?")), "{why}");

    // What was drained is not as the file says.
    assert_eq!(say(director, &format!("drain {}:8001 --force --reason disk", host.address())).0, 0);
    let (_, text, _) = say(director, "why");
    assert!(text.contains("An override decides: ") && text.contains("directord undrain"), "{text}");
}

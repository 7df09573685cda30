//! Checks of directories, databases and RADIUS against the programs themselves: OpenLDAP, MariaDB, PostgreSQL and
//! FreeRADIUS of Debian, good and bad logins, and servers that are stopped.
//!
//! They are large, so they are fetched and started with `INTEROP=full` only. What was said on both sides is written
//! down with `INTEROP_HANDSHAKES=FOLDER`: that is how `healthcheck/tests/handshakes/`, which the desk tier replays, was
//! made.

mod directory;
mod maria;
mod postgres;
mod radius;
mod relay;

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use directord::config::{Colour, read_text, render};
use healthcheck::{Check, Outcome};
use lab::netns::{Daemon, Host, Program, skip, wait_until};
use lab::packages::{self, Tools};

/// How long a server may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// The servers, fetched before the network is left; `None` where they are not wanted or cannot be had, which is said.
fn tools() -> Option<Tools> {
    if std::env::var("INTEROP").is_ok_and(|which| which == "full") {
        return packages::databases().map_err(|error| skip(&error.to_string())).ok();
    }
    // Not `skip`, which fails where nothing may be skipped: nobody wanted this.
    println!("skipped: large servers are tried with INTEROP=full");
    None
}

/// A server that ends with the test.
struct Server {
    child: Child,
    /// What it says goes here.
    log: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Server {
    /// Starts a server and waits until it listens at this port; what it says goes to a file in the host's folder.
    fn start(host: &Host, mut command: Command, port: u16) -> Server {
        let log = host.dir().join(format!("{port}.log"));
        let file = fs::File::create(&log).expect("a folder of ours");
        let errors = file.try_clone().expect("a file can be shared");
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        let child = host.spawn(&mut command).expect("it is unpacked");
        let mut server = Server { child, log };
        let end = std::time::Instant::now() + START;
        while !host.enter(|| TcpStream::connect((host.address(), port)).is_ok()) {
            server.expect_running();
            assert!(std::time::Instant::now() < end, "it does not listen:\n{}", server.said());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn expect_running(&mut self) {
        let ended = self.child.try_wait().expect("a child can be asked");
        assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.said());
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program that prepares something, to its end.
fn prepare(host: &Host, command: &mut Command) {
    let output = host.enter(|| command.output()).expect("it is unpacked");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}\n{}{}", text(&output.stdout), text(&output.stderr));
}

/// A service whose only server is asked by this check.
fn service(number: u16, host: &Host, port: u16, check: &str) -> String {
    format!(
        "virtual_server 10.0.0.100 {number} {{\ndelay_loop 0.5\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\nretry 1\ndelay_before_retry 0.1\n\
         connect_timeout 5\nreal_server {} {port} {{\n{check}\n}}\n}}\n",
        host.address()
    )
}

/// A file for the daemon: a service for each check, with this authority.
fn file(host: &Host, ca: &str, checks: &[(u16, String)]) -> String {
    let services = checks.iter().zip(1..).map(|((port, check), number)| service(number, host, *port, check));
    format!("SSL {{\nca {ca}\n}}\n{}", services.collect::<String>())
}

/// The only check of a file.
fn check(text: &str) -> Check {
    let reading = read_text("test.conf", text);
    let complaints = render(&reading.complaints, &reading.sources, Colour::Never);
    let config = reading.config.unwrap_or_else(|| panic!("{complaints}"));
    let service = config.services.values().next().expect("a service");
    let server = service.servers.values().next().expect("a server");
    Check::clone(&server.checks[0])
}

/// Makes one attempt from this host.
fn attempt(from: &Host, check: &Check) -> Outcome {
    from.enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(healthcheck::probe::attempt(check, 0))
    })
}

/// What came of an attempt, in words.
fn words(outcome: &Outcome) -> String {
    match &outcome.result {
        Ok(()) => "passed".to_owned(),
        Err(failure) => failure.reason.clone(),
    }
}

/// A certificate for the server's address, signed by itself, and its key: two files, of which the second is private.
fn certificate(host: &Host) -> (String, String) {
    use std::os::unix::fs::PermissionsExt;
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = vec!["db.example.org".to_owned(), host.address().to_string()];
    let certificate = rcgen::CertificateParams::new(names).expect("names").self_signed(&key).expect("signed");
    let file = |name: &str, text: String| {
        let path = host.dir().join(name);
        fs::write(&path, text).expect("a folder of ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file of ours");
        path.display().to_string()
    };
    (file("cert.pem", certificate.pem()), file("key.pem", key.serialize_pem()))
}

/// A check that is tried: the name of its recording, the lines in its block, and how it goes, or a part of why not.
type Trial<'a> = (&'a str, String, &'a str);

/// Tries checks, each by an attempt and all by the daemon; then stops the server, and all are down.
fn try_all(from: &Host, to: &Host, ca: &str, port: u16, trials: &[Trial<'_>], server: &mut Server) {
    for (name, block, expected) in trials {
        let check = check(&file(to, ca, &[(port, block.clone())]));
        // Nobody can hear what is said by TLS, nor say it again.
        let plain = !format!("{:?}", check.kind).contains("tls: Some");
        let outcome = match relay::folder().filter(|_| plain) {
            Some(folder) => relay::recorded(from, &check, &folder, name),
            None => attempt(from, &check),
        };
        assert!(words(&outcome).contains(expected), "{name}: {outcome:?}\n{}", server.said());
        assert!(!format!("{outcome:?} {check:?}").contains("sesame"), "{name}: {outcome:?}");
    }
    let checks: Vec<(u16, String)> = trials.iter().map(|(_, block, _)| (port, block.clone())).collect();
    let program = Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned());
    let daemon = Daemon::start(&program, from, &file(to, ca, &checks));
    for (number, (name, _, expected)) in trials.iter().enumerate() {
        let verdict = if *expected == "passed" { "up" } else { "down" };
        wait(&daemon, number, name, verdict, expected);
    }
    server.stop();
    for (number, (name, ..)) in trials.iter().enumerate() {
        wait(&daemon, number, name, "down", "refused");
    }
    assert!(!daemon.log().contains("sesame"), "{}", daemon.log());
}

fn wait(daemon: &Daemon<'_>, number: usize, name: &str, verdict: &str, reason: &str) {
    wait_until(&format!("{name} {verdict}: {reason}"), Duration::from_secs(30), || {
        let server = daemon.status()?["services"][number]["servers"][0].clone();
        let said = server["reason"].as_str()?.to_owned();
        (server["verdict"] == verdict && (said.contains(reason) || said.contains("nothing listens")))
            .then_some(())
    });
}

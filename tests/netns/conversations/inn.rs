//! INN's server for readers of news.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lab::netns::Host;
use lab::packages::Tools;

use super::super::servers::Server;
use super::{SESAME, at_home};

/// Without a start in TLS at 1119, with one at 1563; at 1120 one that has lost its index.
pub(super) fn start(tools: &Tools, host: &Host, certificate: &(String, String)) -> [Server; 3] {
    let whole = set_up(host, "inn", certificate);
    let lost = set_up(host, "inn-lost", certificate);
    let mut command = news(tools, &whole, "makehistory");
    command.args(["-x", "-F", "-O", "-a"]).stdout(Stdio::null()).stderr(Stdio::null());
    // What it says of articles that are not there is no harm: the index is.
    host.enter(|| command.status()).expect("it is unpacked");
    let reader = |config: &Path, arguments: &[&str]| {
        let mut command = news(tools, config, "nnrpd");
        command.args(["-D", "-f"]).args(arguments).stdout(Stdio::null());
        Server::start(host, command)
    };
    [reader(&whole, &["-p", "1119"]), reader(&whole, &["-p", "1563", "-S"]), reader(&lost, &["-p", "1120"])]
}

fn news(tools: &Tools, config: &Path, name: &str) -> Command {
    let mut command = at_home(tools, &format!("/usr/lib/news/bin/{name}"));
    command.env("LD_LIBRARY_PATH", format!("{}:/usr/lib/news", tools.library_path()));
    command.env("INNCONF", config);
    command
}

/// A place of its own; its configuration.
fn set_up(host: &Host, name: &str, (certificate, key): &(String, String)) -> PathBuf {
    let dir = host.dir().join(name);
    for folder in ["db", "spool/articles", "spool/overview", "run", "log", "tmp", "http"] {
        fs::create_dir_all(dir.join(folder)).expect("/run is ours");
    }
    let at = dir.display();
    let file = |name: &str, text: &str| fs::write(dir.join(name), text).expect("/run is ours");
    file("storage.conf", "method tradspool {\n newsgroups: *\n class: 0\n}\n");
    file("users", &format!("me:{SESAME}\n"));
    file(
        "readers.conf",
        &format!(
            "auth all {{\n hosts: \"*\"\n auth: \"ckpasswd -f {at}/users\"\n default: \"<nobody>\"\n}}\n\
             access all {{\n users: \"*\"\n newsgroups: \"*\"\n access: R\n}}\n"
        ),
    );
    file("db/active", "control 0000000000 0000000001 n\njunk 0000000000 0000000001 n\n");
    for empty in ["db/newsgroups", "db/active.times", "db/history"] {
        file(empty, "");
    }
    file(
        "inn.conf",
        &format!(
            "mta: \"/bin/true\"\ndomain: example.org\npathhost: news.example.org\norganization: x\nhismethod: hisv6\n\
             ovmethod: tradindexed\nenableoverview: true\npathnews: /usr/lib/news\npathbin: /usr/lib/news/bin\n\
             pathdb: {at}/db\npathetc: {at}\npathrun: {at}/run\npathlog: {at}/log\npathhttp: {at}/http\n\
             pathtmp: {at}/tmp\npathspool: {at}/spool\npathoverview: {at}/spool/overview\n\
             patharticles: {at}/spool/articles\nrunasuser: root\nrunasgroup: root\ntlscertfile: {certificate}\n\
             tlskeyfile: {key}\n"
        ),
    );
    dir.join("inn.conf")
}

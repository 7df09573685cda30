//! The manual pages, in roff's `man` macros: directord(8) from the command line's own description, directord.conf(5)
//! from the table of keywords.

mod scripts;

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::Command;

use crate::config::hints::TRAPS;
use crate::config::keywords::{self, Keyword, Place};

/// A manual page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Page {
    /// The program
    #[default]
    #[value(name = "directord")]
    Program,
    /// The configuration and every keyword of it
    #[value(name = "directord.conf")]
    Configuration,
}

/// The page as roff.
pub(super) fn page(cli: Command, page: Page) -> String {
    match page {
        Page::Program => program(cli),
        Page::Configuration => configuration(),
    }
}

fn program(mut cli: Command) -> String {
    cli.build();
    let mut out = title("DIRECTORD", 8);
    heading(&mut out, "NAME", &format!("directord - {}", about(&cli)));
    heading(&mut out, "SYNOPSIS", "directord COMMAND [OPTIONS]");
    let description = "One daemon on each of two or more directors. They agree on a master by VRRP; each probes the \
                       real servers, and the master balances by IPVS. What is to be done is said in directord.conf(5).";
    heading(&mut out, "DESCRIPTION", description);
    out.push_str(".SH COMMANDS\n");
    for command in cli.get_subcommands_mut() {
        commands(&mut out, "directord", command);
    }
    heading(&mut out, "RESTART AND UPGRADE", RESTART);
    heading(&mut out, "FILES", "/etc/directord/directord.conf, /run/directord");
    heading(&mut out, "SEE ALSO", "directord.conf(5), keepalived.conf(5), ipvsadm(8)");
    out
}

/// What becomes of everything when one process follows another.
const RESTART: &str = "\
    A daemon that is restarted (`systemctl restart`, `directord upgrade`, `directord stop --stay` and a start, or a start soon \
    enough after a crash) goes on with what the last one left: addresses, routes, interfaces, the packet filter, the IPVS \
    table with its connections, BFD sessions, verdicts, an operator's priority and the role. No priority 0 is sent, and the \
    next advert leaves as soon as the file is read. An instance goes on as master up to three of the intervals that it told \
    its peers after a planned end, and up to two after the last moment at which its adverts were known to be in time otherwise; \
    later it begins as backup and lets go of its addresses. It runs no notify script then and sends no mail. The unit's \
    ExecStop= asks systemd whether the unit is being restarted; SIGTERM and `systemctl stop` hand over. A start that fails \
    lets go of what the last run left. A state in the runtime directory that is torn, or of another host, boot, network \
    namespace or form, is ignored with a line in the log.";

/// A command, and behind it those that it has itself.
fn commands(out: &mut String, before: &str, command: &mut Command) {
    let name = format!("{before} {}", command.get_name());
    // Writing into a String cannot fail.
    let _ = writeln!(out, ".SS {}\n.nf", plain(&name));
    for line in command.render_long_help().to_string().lines() {
        let _ = writeln!(out, "{}", text(line));
    }
    out.push_str(".fi\n");
    for inner in command.get_subcommands_mut() {
        commands(out, &name, inner);
    }
}

fn about(cli: &Command) -> String {
    cli.get_about().map(ToString::to_string).unwrap_or_default()
}

fn configuration() -> String {
    let mut out = title("DIRECTORD.CONF", 5);
    heading(&mut out, "NAME", "directord.conf - configuration of directord");
    let description = "The language is that of keepalived.conf. A line holds a keyword and its values; braces hold \
                       what belongs together; # and ! begin a comment; double quotes keep blanks. The whole file is \
                       refused if there is an error in it, and directord check FILE tells all of them.";
    heading(&mut out, "DESCRIPTION", description);
    toml(&mut out);
    let places: BTreeSet<Place> = keywords::all().flat_map(|keyword| keyword.places).copied().collect();
    for place in places {
        let _ = writeln!(out, ".SH \"{}\"", section(place));
        for keyword in keywords::all().filter(|keyword| keyword.places.contains(&place)) {
            entry(&mut out, keyword);
        }
    }
    scripts::write(&mut out);
    out.push_str(".SH HINTS\nWhat is legal and hardly ever meant:\n");
    for trap in TRAPS {
        let _ = writeln!(out, ".TP\n.B {}\n{}", plain(trap.code.as_str()), text(trap.about));
    }
    heading(&mut out, "SEE ALSO", "directord(8)");
    out
}

/// A configuration as TOML.
const EXAMPLE: &str = "[vrrp_instance.front]\ninterface = \"eth0\"\nvirtual_router_id = 51\nnopreempt = true\n\
                       virtual_ipaddress = [\"192.0.2.10/24\"]\n\n\
                       [virtual_server.\"192.0.2.10 80\"]\nprotocol = \"TCP\"\nlvs_sched = \"wlc\"\n\n\
                       [virtual_server.\"192.0.2.10 80\".real_server.\"10.0.0.31 80\"]\nweight = 2\n\
                       HTTP_GET = { url = [{ path = \"/health\", status_code = 200 }] }";

/// The other form of the same configuration.
fn toml(out: &mut String) {
    let intro = "A file whose name ends with .toml holds the same configuration as TOML, with the same keywords. \
                 `directord convert` turns one form into the other. Definitions, repetitions, conditions and `include` \
                 belong to the first form only.";
    heading(out, "TOML", intro);
    let forms = [
        (
            "A block",
            "is a table: `[global_defs]`. Several of one kind are an array of tables: `[[\u{2026}]]`.",
        ),
        (
            "A block with words before it",
            "is a table under those words: `[vrrp_instance.VI_1]`, `[virtual_server.\"192.0.2.10 80\"]`.",
        ),
        ("Nothing", "is a boolean: `nopreempt = true`; with false it is not said."),
        ("On or off", "is a boolean, a number or seconds are a number, one word is a string."),
        (
            "Several words",
            "are a string that is cut at its blanks as a line is, or an array of strings, one for each word. Where the \
             words may be left out, true stands for none.",
        ),
        ("Lines in braces", "are an array of strings: `virtual_ipaddress = [\"192.0.2.10/24 dev eth0\"]`."),
        (
            "What is said several times",
            "is an array of its values; of several words each, an array of arrays.",
        ),
    ];
    for (what, how) in forms {
        // Writing into a String cannot fail.
        let _ = writeln!(out, ".TP\n.B {}\n{}", plain(what), text(how));
    }
    let _ = writeln!(out, ".PP\n.nf");
    for line in EXAMPLE.lines() {
        let _ = writeln!(out, "{}", text(line));
    }
    out.push_str(".fi\n");
}

fn section(place: Place) -> String {
    match place {
        Place::Root => "TOP LEVEL".to_owned(),
        place => format!("IN {}", plain(place.name())),
    }
}

fn entry(out: &mut String, keyword: &Keyword) {
    let _ = writeln!(out, ".TP\n.B {}\n{}", plain(keyword.name), text(keyword.about));
    let mut facts = vec![format!("Value: {}.", keyword.form.with_block())];
    facts.extend(keyword.default.map(|default| format!("Default: {default}.")));
    facts.extend(keyword.since_when().map(|since| format!("Since {since}.")));
    facts.push(format!("Status: {}.", keyword.status));
    let _ = writeln!(out, "{}", text(&facts.join(" ")));
}

fn title(name: &str, section: u8) -> String {
    format!(".TH {name} {section} \"\" \"directord {}\"\n", env!("CARGO_PKG_VERSION"))
}

fn heading(out: &mut String, name: &str, body: &str) {
    let _ = writeln!(out, ".SH {name}\n{}", text(body));
}

/// A line of text: what begins it must not be taken for a request.
fn text(line: &str) -> String {
    let plain = plain(line);
    if plain.starts_with(['.', '\'']) { format!("\\&{plain}") } else { plain }
}

/// Backslashes and hyphens mean themselves; code is bold instead of in backquotes, which roff would bend.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut code = false;
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '`' => {
                code = !code;
                out.push_str(if code { "\\fB" } else { "\\fR" });
            }
            '…' => out.push_str("\\[u2026]"),
            c => out.push(c),
        }
    }
    if code { out + "\\fR" } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_and_every_hint_is_in_the_page() {
        let page = configuration();
        for keyword in keywords::all() {
            for place in keyword.places {
                let head = format!(".SH \"{}\"\n", section(*place));
                let inside = page.split_once(&head).expect("each place has a section").1;
                let inside = inside.split(".SH ").next().expect("there is a first piece");
                let entry = format!(".TP\n.B {}\n{}\n", plain(keyword.name), text(keyword.about));
                assert!(inside.contains(&entry), "{} is missing in {place}", keyword.name);
            }
        }
        for trap in TRAPS {
            assert!(page.contains(&format!("\n.B {}\n", plain(trap.code.as_str()))), "{}", trap.code);
        }
    }

    #[test]
    fn the_example_is_good() {
        let reading = crate::config::read_text("example.toml", EXAMPLE);
        assert!(reading.config.is_some(), "{}", reading.render(crate::config::Colour::Never));
    }

    #[test]
    fn text_is_not_taken_for_requests() {
        assert_eq!(text(".x"), "\\&.x");
        assert_eq!(text("'x"), "\\&'x");
        assert_eq!(text("a-b \\ `c` …"), "a\\-b \\e \\fBc\\fR \\[u2026]");
    }

    #[test]
    fn the_program_has_every_command() {
        use clap::CommandFactory;
        let page = program(super::super::Cli::command());
        for command in [
            "run",
            "status",
            "reload",
            "check",
            "convert",
            "show config",
            "replay",
            "help",
            "man",
            "completions",
        ] {
            assert!(page.contains(&format!(".SS directord {command}\n")), "{command}");
        }
    }
}

//! What the table of keywords gives a command line: help on a keyword, and completion.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Command;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;

use super::{names, say};
use crate::config::keywords::{self, Keyword};

/// `directord help [WORD]`: the commands, one of them, or a keyword of the configuration.
pub(super) fn help(mut cli: Command, word: Option<&str>) -> ExitCode {
    cli.build();
    let Some(word) = word else { return say(&cli.render_long_help().to_string()) };
    let mut explained: Vec<String> = keywords::named(word).iter().map(|keyword| explain(keyword)).collect();
    // `priority` is both, for one.
    explained.extend(cli.find_subcommand_mut(word).map(|command| command.render_long_help().to_string()));
    if !explained.is_empty() {
        return say(&explained.join("\n"));
    }
    let near: Vec<String> = keywords::similar(word).iter().map(|name| format!("`{name}`")).collect();
    match near.as_slice() {
        [] => eprintln!("directord: `{word}` is neither a command nor a keyword of the configuration"),
        near => eprintln!(
            "directord: `{word}` is neither a command nor a keyword of the configuration; did you mean {}?",
            near.join(" or ")
        ),
    }
    ExitCode::FAILURE
}

/// A keyword on a few lines.
fn explain(keyword: &Keyword) -> String {
    let places: Vec<String> = keyword.places.iter().map(ToString::to_string).collect();
    let mut lines = vec![
        format!("{}: {}", keyword.name, keyword.about),
        format!("  place:   {}", places.join(", ")),
        format!("  value:   {}", keyword.form.with_block()),
    ];
    lines.extend(keyword.default.map(|default| format!("  default: {default}")));
    lines.extend(keyword.since_when().map(|since| format!("  since:   {since}")));
    lines.push(format!("  status:  {}", keyword.status));
    lines.join("\n") + "\n"
}

/// A script for a shell, which knows the keywords for `directord help` too.
pub(super) fn completions(cli: Command, shell: Shell) -> String {
    let names: BTreeSet<&'static str> = keywords::all().map(|keyword| keyword.name).collect();
    let words = PossibleValuesParser::new(names.iter().copied());
    let cli = cli.mut_subcommand("help", |help| help.mut_arg("word", |word| word.value_parser(words)));
    let mut cli = names::mark(cli);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli, "directord", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Fish {
        // The generator for fish leaves out the values of plain arguments.
        let names: Vec<&str> = names.into_iter().collect();
        let condition = "__fish_directord_using_subcommand help";
        script.push_str(&format!("complete -c directord -n \"{condition}\" -f -a \"{}\"\n", names.join(" ")));
    }
    names::ask(shell, script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_is_explained_on_a_few_lines() {
        let [keyword] = keywords::named("advert_int") else { panic!("it stands in one place") };
        let expected = "\
advert_int: Time between two adverts.
  place:   `vrrp_instance`
  value:   seconds from 0.01 to 255
  default: 1
  status:  works
";
        assert_eq!(explain(keyword), expected);
    }

    #[test]
    fn what_is_not_in_effect_says_so_and_since_when_it_exists() {
        let text = explain(keywords::named("no_virtual_ipaddress")[0]);
        assert!(text.contains("  since:   keepalived 2.2.8\n"), "{text}");
        let text = explain(keywords::named("snmp_name")[0]);
        assert!(text.contains("  status:  not in effect yet: it has no effect\n"), "{text}");
        let text = explain(keywords::named("virtual_routes")[0]);
        assert!(text.contains("  value:   { routes }\n"), "{text}");
        let text = explain(keywords::named("lb_algo")[0]);
        assert!(text.contains("  status:  replaced by `lvs_sched`"), "{text}");
    }

    #[test]
    fn near_names_are_found() {
        assert_eq!(keywords::similar("vvrp_script").first(), Some(&"vrrp_script"));
        assert!(keywords::similar("garp_master").contains(&"garp_master_delay"));
        assert!(keywords::similar("10.0.0.1").is_empty());
    }
}

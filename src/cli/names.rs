//! `directord names`, which shells ask when they complete: what an override can be for in a running daemon. And what makes
//! them ask.

use std::path::Path;
use std::process::ExitCode;

use clap::{Command, ValueHint};
use clap_complete::Shell;

use super::daemon::quietly;
use super::say;
use crate::control;

/// The commands whose first word is such a name.
const COMMANDS: [&str; 6] = ["drain", "undrain", "disable", "enable", "weight", "connections"];

/// What the generator for zsh writes for an argument with a hint that nothing else here has.
const HINT: &str = ":_hosts";

/// `directord names`: one on a line; nothing where nobody answers, for a shell is no place for complaints.
pub(super) fn names(runtime_dir: &Path) -> ExitCode {
    let names = quietly(control::names(runtime_dir)).unwrap_or_default();
    say(&names.iter().map(|name| format!("{name}\n")).collect::<String>())
}

/// Marks the words that [`ask`] makes shells ask for.
pub(super) fn mark(cli: Command) -> Command {
    COMMANDS.iter().fold(cli, |cli, name| {
        cli.mut_subcommand(name, |command| {
            command.mut_arg("what", |what| what.value_hint(ValueHint::Hostname))
        })
    })
}

/// Has the generated script of a shell ask the running daemon for names.
pub(super) fn ask(shell: Shell, script: String) -> String {
    let commands = COMMANDS.join(" ");
    match shell {
        Shell::Bash => script + &BASH.replace("COMMANDS", &COMMANDS.join("|")),
        Shell::Zsh => {
            let script = script.replace(HINT, ":_directord_names");
            // The function stands before the one that uses it, behind the line that zsh looks at.
            script.replacen("\n\n", &format!("\n\n{ZSH}\n"), 1)
        }
        Shell::Fish => {
            let condition = format!("__fish_directord_using_subcommand {commands}");
            script
                + &format!(
                    "complete -c directord -n \"{condition}\" -f -a \"(directord names 2>/dev/null)\"\n"
                )
        }
        _ => script,
    }
}

/// Bash takes a colon for the end of a word: what stands before the last one is not repeated.
const BASH: &str = r#"
_directord_with_names() {
    _directord "$@"
    local typed="${COMP_LINE:0:COMP_POINT}" directory=() word
    typed="${typed##* }"
    case "${COMP_WORDS[1]}" in COMMANDS) ;; *) return 0 ;; esac
    [[ "${COMP_WORDS[COMP_CWORD-1]}" == -* || "$typed" == -* ]] && return 0
    for word in "${!COMP_WORDS[@]}"; do
        [[ "${COMP_WORDS[word]}" == --runtime-dir ]] && directory=(--runtime-dir "${COMP_WORDS[word+1]}")
    done
    local before="${typed%"${typed##*:}"}" IFS=$'\n'
    COMPREPLY=($(compgen -W "$(directord names "${directory[@]}" 2>/dev/null)" -- "$typed"))
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
}
complete -F _directord_with_names -o bashdefault -o default directord
"#;

const ZSH: &str = r#"_directord_names() {
    local -a names
    names=(${(f)"$(directord names 2>/dev/null)"})
    compadd -a names
}
"#;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn each_command_has_such_a_word_and_shells_ask_for_it() {
        let cli = mark(super::super::Cli::command());
        for (shell, expected) in [
            (Shell::Bash, "drain|undrain|disable|enable|weight|connections)"),
            (Shell::Zsh, ":_directord_names"),
            (Shell::Fish, "__fish_directord_using_subcommand drain undrain"),
        ] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut cli.clone(), "directord", &mut script);
            let script = ask(shell, String::from_utf8(script).unwrap());
            assert!(script.contains(expected) && script.contains("directord names"), "{shell}");
            assert!(!script.contains(HINT), "{shell}");
        }
    }
}

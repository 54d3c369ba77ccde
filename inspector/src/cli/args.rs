//! The command line as a whole: the common flags, and one of the verbs.

use std::ffi::OsStr;

use clap::builder::Resettable;
use clap::{Arg, Command, CommandFactory, Parser};

use crate::globals::Globals;
use crate::verbs::Commands;

/// Lists, watches and explains the network descriptors of a running service.
///
/// Without a verb it opens the terminal UI, or prints `ls` when stdout is not a terminal.
#[derive(Debug, Parser)]
#[command(
    name = "netpoller",
    version,
    propagate_version = true,
    max_term_width = 110
)]
#[command(
    after_help = "Exit codes: 0 ok, 1 runtime failure, 2 usage, 3 findings, 4 cannot connect, 5 incompatible version, \
                        6 not found, 7 declined when asked, 124 timeout, 128+n ended by signal n."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Option<Commands>,
}

impl Cli {
    /// The command line, as far as the environment has a say in it.
    pub(crate) fn in_environment() -> Command {
        without_empty_variables(Self::command())
    }
}

/// What the help of a verb says of the flags that are explained once for all.
const COMMON: &str = "Common options, -t, -f, -w, -c, --sort, -n and others: `netpoller --help`.";

/// The help of each verb is of the verb alone: what all verbs accept is in that of the command. The
/// short one has no examples.
pub(super) fn alone(command: Command) -> Command {
    let common = command.get_arguments().filter(|it| it.is_global_set());
    let common: Vec<Arg> = common.map(|it| it.clone().hide(true)).collect();
    command.mut_subcommands(|verb| of_verb(verb, &common))
}

fn of_verb(verb: Command, common: &[Arg]) -> Command {
    let long = verb.get_after_long_help().or(verb.get_after_help());
    let long = long.map(|it| format!("{it}\n\n{COMMON}"));
    let verb = match long {
        Some(long) => verb.after_long_help(long),
        None => verb,
    };
    verb.after_help(COMMON)
        .args(common.iter().cloned())
        .mut_subcommands(|part| of_verb(part, common))
}

/// An empty variable is no value: so a script takes back what was said before, as in
/// `NETPOLLER_LIMIT= netpoller ls`.
fn without_empty_variables(command: Command) -> Command {
    let is_empty = |name: &OsStr| {
        std::env::var_os(name).is_some_and(|it| it.as_encoded_bytes().trim_ascii().is_empty())
    };
    command
        .mut_args(|argument| match argument.get_env().is_some_and(is_empty) {
            true => argument.env(Resettable::Reset),
            false => argument,
        })
        .mut_subcommands(without_empty_variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_a_verb_is_of_the_verb_alone_and_the_short_one_fits_a_screen() {
        let mut command = alone(Cli::in_environment());
        command.build();
        for verb in command.get_subcommands() {
            let name = verb.get_name();
            if matches!(name, "help" | "demo") {
                continue;
            }
            let (short, long) = (
                verb.clone().render_help().to_string(),
                verb.clone().render_long_help().to_string(),
            );
            for help in [&short, &long] {
                assert!(!help.contains("--tls-ca"), "{name}: {help}");
                assert!(help.contains("netpoller --help"), "{name}: {help}");
            }
            assert!(short.lines().count() <= 40, "{name}: {short}");
            assert!(!short.contains("Examples"), "{name}: {short}");
        }
        let whole = command.render_long_help().to_string();
        assert!(whole.contains("--tls-ca") && whole.contains("NETPOLLER_WHERE"));
    }

    #[test]
    fn every_global_flag_has_an_environment_variable() {
        for argument in Cli::command()
            .get_arguments()
            .filter(|argument| argument.is_global_set())
        {
            let env = argument
                .get_env()
                .map(|name| name.to_string_lossy().into_owned());
            assert!(
                env.is_some_and(|name| name.starts_with("NETPOLLER_")),
                "--{} has no environment variable",
                argument.get_id()
            );
        }
    }
}

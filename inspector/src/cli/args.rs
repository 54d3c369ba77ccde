//! The command line as a whole: the common flags, and one of the verbs.

use std::ffi::OsStr;

use clap::builder::Resettable;
use clap::{Command, CommandFactory, Parser};

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

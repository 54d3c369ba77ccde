//! The command: from its arguments to an exit code.
//!
//! | file | holds |
//! |---|---|
//! | `args` | what the command line can say |
//! | `usage` | which of the common flags mean something to which verb |

mod args;
mod usage;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::failure::Failure;
use crate::verbs::Commands;
use crate::verbs::listing::Listing;
use crate::verbs::ls::LsArgs;
use crate::verbs::tui::TuiArgs;
use args::Cli;

/// Does what the command line of this process says. The exit code is 0 if all went well; `netpoller
/// --help` lists the others.
pub fn run() -> ExitCode {
    let matches = Cli::in_environment().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match dispatch(cli, &matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// From what the command line says to the verb that does it.
fn dispatch(cli: Cli, matches: &ArgMatches) -> Result<(), Failure> {
    let Cli {
        mut globals,
        command,
    } = cli;
    let command = match command {
        Some(Commands::Completions(mut args)) => {
            args.command = Some(Box::new(Cli::command()));
            Commands::Completions(args)
        }
        Some(Commands::Man(mut args)) => {
            args.command = Some(Box::new(Cli::command()));
            Commands::Man(args)
        }
        Some(command) => command,
        None if io::stdout().is_terminal() => Commands::Tui(TuiArgs { unsaid: true }),
        None => Commands::Ls(LsArgs {
            what: Listing::Descriptors,
        }),
    };
    usage::settle(&mut globals, &command.verb().usage(), matches)?;
    let target = globals.target.take();
    globals.target = target.map(|target| target.with_access(&globals.access));
    command.verb().run(&globals)
}

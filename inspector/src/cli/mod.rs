//! The command: from its arguments to an exit code.
//!
//! | file | holds |
//! |---|---|
//! | `args` | what the command line can say |
//! | `usage` | which of the common flags mean something to which verb |
//! | `dispatch` | which verb does what it says |

mod args;
mod dispatch;
mod usage;

use std::process::ExitCode;

use clap::FromArgMatches;

use args::Cli;

/// Does what the command line of this process says. The exit code is 0 if all went well; `netpoller
/// --help` lists the others.
pub fn run() -> ExitCode {
    let matches = Cli::in_environment().get_matches();
    let mut cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match usage::settle(&mut cli, &matches).and_then(|()| dispatch::dispatch(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

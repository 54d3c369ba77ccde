//! The `netpoller` command: lists, watches and explains the descriptors of a running service.
//!
//! The floors, from the ground up: `client` finds and asks a process; `model` folds what it answers; `query` and `table`
//! say which rows and which columns are wanted; `document` and `out` print them; `cmd` is one file per verb; `tui` shows
//! the same rows live; `usage` says which of the common flags mean something to which verb. Nothing below `tui` knows of
//! terminals in raw mode, and nothing below `cmd` knows of arguments.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::FromArgMatches;

mod args;
mod client;
mod clock;
mod cmd;
mod demo;
mod document;
mod failure;
mod foreign;
mod model;
mod out;
mod paint;
mod quantile;
mod query;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
mod table;
mod text;
mod tui;
mod usage;

#[cfg(test)]
use support::rows as fixture;

fn main() -> ExitCode {
    let matches = args::Cli::in_environment().get_matches();
    let mut cli = args::Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match usage::settle(&mut cli, &matches).and_then(|()| cmd::dispatch(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

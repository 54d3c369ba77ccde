//! From what the command line says to the verb that does it.

use std::io::{self, IsTerminal};

use clap::CommandFactory;

use super::args::{Cli, Verb};
use crate::failure::Failure;
use crate::verbs::listing::Listing;
use crate::verbs::{
    audit, r#break, completions, describe, doctor, events, evict, hist, ls, print, stats, targets,
    top, tui, watch,
};
use crate::{demo, query};

/// Does what the command line says.
pub(super) fn dispatch(cli: Cli) -> Result<(), Failure> {
    let mut globals = cli.globals;
    globals.target = globals
        .target
        .map(|target| target.with_access(&globals.access));
    match cli.verb {
        Some(Verb::Targets) => targets::run(&globals),
        Some(Verb::Ls { what }) => ls::run(&globals, what),
        Some(Verb::Stats) => stats::run(&globals),
        Some(Verb::Top { what, count }) => top::run(&globals, what, count),
        Some(Verb::Describe { id }) => describe::run(&globals, &id),
        Some(Verb::Hist { name }) => hist::run(&globals, name.as_deref()),
        Some(Verb::Watch { what, until }) => watch::run(&globals, what, until.as_ref()),
        Some(Verb::Events(args)) => events::run(&globals, &args),
        Some(Verb::Audit { kernel, duration }) => audit::run(&globals, kernel, duration),
        Some(Verb::Evict { id, control, yes }) => evict::run(&globals, &id, &control, yes),
        Some(Verb::Break { poller, control }) => {
            r#break::run(&globals, poller.as_deref(), &control)
        }
        Some(Verb::Doctor(args)) => doctor::run(&args, &globals),
        Some(Verb::Tui) => tui::run(&globals),
        Some(Verb::Demo(args)) => demo::run(&args, &globals),
        Some(Verb::Fields) => print(|out| Ok(out.write_all(query::help().as_bytes())?)),
        Some(Verb::Completions { shell }) => completions::run(shell, &mut Cli::command()),
        None if io::stdout().is_terminal() => tui::run(&globals),
        None => ls::run(&globals, Listing::Descriptors),
    }
}

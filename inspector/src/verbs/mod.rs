//! One file per verb.

mod admission;
mod audit;
mod r#break;
mod completions;
mod describe;
mod doctor;
mod events;
mod evict;
mod hist;
mod ls;
mod stats;
mod targets;
mod top;
mod watch;

use std::future::Future;
use std::io::{self, BufWriter, IsTerminal, Write};

pub(crate) use doctor::DoctorArgs;

use crate::args::{Cli, Globals, Listing, Verb};
use crate::client::{Connection, choose};
use crate::failure::Failure;
use crate::query::{self, Query};
use crate::{demo, tui};

/// Does what the command line says.
pub(crate) fn dispatch(cli: Cli) -> Result<(), Failure> {
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
        Some(Verb::Tui) => open_tui(&globals),
        Some(Verb::Demo(args)) => demo::run(&args, &globals),
        Some(Verb::Fields) => print(|out| Ok(out.write_all(query::help().as_bytes())?)),
        Some(Verb::Completions { shell }) => completions::run(shell),
        None if io::stdout().is_terminal() => open_tui(&globals),
        None => ls::run(&globals, Listing::Descriptors),
    }
}

/// Connects first, so that a wrong target is told on the plain terminal and with its exit code.
fn open_tui(globals: &Globals) -> Result<(), Failure> {
    if !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
        return Err(Failure::Usage(
            "the terminal UI needs a terminal; `netpoller ls` prints the same rows".into(),
        ));
    }
    let target = block_on(async { Ok(connection(globals).await?.target) })?;
    tui::run(&target, &tui::Options::of(globals))
}

/// The process that is meant.
async fn connection(globals: &Globals) -> Result<Connection, Failure> {
    choose(globals.target.as_ref(), globals.timeout).await
}

/// Refuses a filter that names a poller which the process does not have: no row would ever answer it.
fn check_pollers(query: Option<&Query>, connection: &Connection) -> Result<(), Failure> {
    let names = connection.server.pollers.iter().map(|it| it.name.as_str());
    let Some(query) = query else { return Ok(()) };
    query.check_pollers(names).map_err(Failure::Usage)
}

/// Runs a verb that asks and prints.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Runtime(format!("starting the runtime: {error}")))?
        .block_on(work)
}

/// Prints to stdout through a buffer and reports what could not be written.
fn print(write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    write(&mut out)?;
    out.flush()?;
    Ok(())
}

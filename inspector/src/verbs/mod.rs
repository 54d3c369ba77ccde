//! One file per verb, which owns its arguments; and what they share.
//!
//! | file | holds |
//! |---|---|
//! | `verb` | what a verb is: what it does, and which of the common flags mean something to it |
//! | `listing` | the tables that `ls`, `top` and `watch` take |
//! | `control` | where `evict` and `break` act |
//! | `admission` | which events pass a filter |

mod admission;
pub(crate) mod audit;
pub(crate) mod r#break;
pub(crate) mod completions;
pub(crate) mod control;
pub(crate) mod describe;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod evict;
pub(crate) mod fields;
pub(crate) mod hist;
pub(crate) mod listing;
pub(crate) mod ls;
pub(crate) mod stats;
pub(crate) mod targets;
pub(crate) mod top;
pub(crate) mod tui;
pub(crate) mod verb;
pub(crate) mod watch;

use std::future::Future;
use std::io::{self, BufWriter, Write};

use crate::failure::Failure;
use crate::globals::Globals;
use crate::query::Query;
use crate::source::{Connection, choose};

/// The process that is meant.
pub(crate) async fn connection(globals: &Globals) -> Result<Connection, Failure> {
    choose(globals.target.as_ref(), globals.timeout).await
}

/// Refuses a filter that names a poller which the process does not have: no row would ever answer
/// it.
pub(crate) fn check_pollers(query: Option<&Query>, connection: &Connection) -> Result<(), Failure> {
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
pub(crate) fn print(
    write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    write(&mut out)?;
    out.flush()?;
    Ok(())
}

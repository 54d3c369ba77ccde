//! What verbs that ask a process do alike: find it, ask it, print what it says.

use std::future::Future;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::query::Query;
use crate::source::{Connection, TargetSpec, choose};

/// The process that is meant.
pub(crate) async fn connection(globals: &Globals) -> Result<Connection, Failure> {
    let spec = globals.target.as_ref();
    let connection = match (choose(spec, globals.timeout).await, spec) {
        (Err(Failure::Usage(text)), Some(TargetSpec::Name(_))) => {
            return Err(Failure::Usage(text + &aliases(globals)));
        }
        (chosen, _) => chosen?,
    };
    if let Some(recording) = &connection.server.recording {
        for missing in &recording.missing {
            note(&format!("{}: {missing}", connection.target));
        }
        return Ok(connection);
    }
    if let Some(outside) = &connection.server.outside {
        let (target, runtime) = (&connection.target, &outside.runtime);
        note(&format!(
            "{target} ({runtime}) has no inspection endpoint and is read from outside"
        ));
        for missing in &outside.missing {
            note(&format!("not known: {missing}"));
        }
    }
    Ok(connection)
}

/// How often it is looked whether somebody has taken the place of a process that has ended.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

/// What has failed, and who has taken the place of the process meanwhile, if it was restarted.
pub(crate) async fn restarted<T>(
    globals: &Globals,
    before: &Connection,
    result: Result<T, Failure>,
) -> Result<T, Failure> {
    let Err(Failure::Lost {
        target,
        reason,
        trouble,
    }) = result
    else {
        return result;
    };
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        let Ok(now) = choose(globals.target.as_ref(), globals.timeout).await else {
            continue;
        };
        let (old, new) = (&before.server, &now.server);
        if old.executable == new.executable && old.started_at_ns != new.started_at_ns {
            let trouble = Some(format!(
                "it was restarted: process {} has ended, and process {} answers in its place",
                old.pid, new.pid
            ));
            return Err(Failure::Lost {
                target,
                reason,
                trouble,
            });
        }
    }
    Err(Failure::Lost {
        target,
        reason,
        trouble,
    })
}

/// The names that the configuration gives, in words; nothing if it gives none.
fn aliases(globals: &Globals) -> String {
    let names: Vec<&str> = globals
        .settings
        .targets
        .keys()
        .map(String::as_str)
        .collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("\nthe configuration names {}", names.join(", ")),
    }
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

/// The place of an endpoint, as tokio-console names it.
pub(crate) fn for_tokio_console(target: &str) -> String {
    match target.strip_prefix("unix:") {
        Some(path) => {
            let whole = std::path::absolute(path);
            let path = whole.as_deref().unwrap_or(Path::new(path));
            format!("file://localhost{}", path.display())
        }
        None => target.replacen("tcp:", "http://", 1),
    }
}

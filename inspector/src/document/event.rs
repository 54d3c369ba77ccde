//! An event of the flight recorder.

use std::io::Write;

use netpoller_proto::v1;
use netpoller_proto::vocabulary::Cause;

use super::present;
use crate::failure::Failure;
use crate::table::Context;

/// A line of `events`.
#[derive(serde::Serialize)]
pub(crate) struct Event<'a> {
    at: Option<String>,
    at_ns: u64,
    poller: &'a str,
    id: Option<&'a str>,
    direction: Option<&'static str>,
    kind: &'static str,
    thread: Option<&'a str>,
    argument: u64,
    cause: Option<&'static str>,
}

pub(crate) fn event<'a>(event: &'a v1::Event, context: &Context) -> Event<'a> {
    Event {
        at: context.anchor.rfc3339(event.at_ns),
        at_ns: event.at_ns,
        poller: &event.poller,
        id: present(&event.id),
        direction: event.direction().name(),
        kind: event.kind().name(),
        thread: present(&event.thread),
        argument: event.argument,
        cause: event.cause().map(Cause::name),
    }
}

/// Writes a record of the same for each event, without the names of the fields.
pub(crate) fn event_records(
    out: impl Write,
    events: &[v1::Event],
    context: &Context,
) -> Result<(), Failure> {
    let mut records = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(out);
    for it in events {
        records.serialize(event(it, context))?;
    }
    Ok(records.flush()?)
}

/// Writes the names of the fields of those records.
pub(crate) fn event_names(mut out: impl Write) -> Result<(), Failure> {
    let mut one = csv::Writer::from_writer(Vec::new());
    one.serialize(event(&v1::Event::default(), &Context::default()))?;
    let one = one.into_inner().map_err(|error| error.into_error())?;
    let names = one.split_inclusive(|it| *it == b'\n').next();
    Ok(out.write_all(names.unwrap_or_default())?)
}

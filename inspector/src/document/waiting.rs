//! A row of the tables of waiters and of deadlines, which is one direction of a descriptor.

use netpoller_proto::Direction;

use super::descriptor::{Descriptor, Line, descriptor, side, waiter};
use super::present;
use crate::table::{Context, Entry};

/// A row of a table of descriptors, or of their directions.
#[derive(serde::Serialize)]
#[serde(untagged)]
// It is made for one row at a time, and gone when that is written.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Row<'a> {
    Whole(Descriptor<'a>),
    Side(Waiting<'a>),
}

pub(crate) fn row<'a>(entry: &'a Entry, context: &Context) -> Row<'a> {
    match entry.direction {
        None => Row::Whole(descriptor(entry, context)),
        Some(direction) => Row::Side(waiting(entry, direction, context)),
    }
}

/// A row of `ls waiters` and of `ls deadlines`.
#[derive(serde::Serialize)]
pub(crate) struct Waiting<'a> {
    id: String,
    poller: &'a str,
    fd: Option<i32>,
    kind: &'static str,
    dir: &'static str,
    state: &'static str,
    task: Option<&'a str>,
    thread: Option<&'a str>,
    location: Option<&'a str>,
    nearest: Option<Line<'a>>,
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    future: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_state: Option<&'a str>,
    since_ns: Option<u64>,
    age_ns: Option<u64>,
    since_at_least: bool,
    deadline_ns: Option<u64>,
    deadline_in_ns: Option<i64>,
    deadline_expired: bool,
    local: Option<&'a str>,
    peer: Option<&'a str>,
    label: Option<&'a str>,
}

fn waiting<'a>(entry: &'a Entry, direction: Direction, context: &Context) -> Waiting<'a> {
    let row = &entry.row;
    let inner = row.side(direction).map(|it| side(it, context));
    let person = waiter(row.side(direction).and_then(|it| it.waiter.as_ref()));
    Waiting {
        id: row.id().to_string(),
        poller: &row.poller,
        fd: (row.fd >= 0).then_some(row.fd),
        kind: row.kind().name(),
        dir: direction.name(),
        state: inner.as_ref().map_or("unknown", |it| it.state),
        task: person.task,
        thread: person.thread,
        location: person.location,
        nearest: person.nearest,
        reason: person.reason,
        future: person.future,
        task_state: person.task_state,
        since_ns: inner.as_ref().and_then(|it| it.since_ns),
        age_ns: inner.as_ref().and_then(|it| it.age_ns),
        since_at_least: inner.as_ref().is_some_and(|it| it.since_at_least),
        deadline_ns: inner.as_ref().and_then(|it| it.deadline_ns),
        deadline_in_ns: inner.as_ref().and_then(|it| it.deadline_in_ns),
        deadline_expired: inner.as_ref().is_some_and(|it| it.deadline_expired),
        local: present(&row.local),
        peer: present(&row.peer),
        label: present(&row.label),
    }
}

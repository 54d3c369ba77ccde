//! An event of the flight recorder.

use netpoller_proto::v1;
use netpoller_proto::vocabulary::Cause;

use super::present;
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

//! Events as messages.

use std::collections::HashMap;
use std::sync::Arc;

use netpoller_core::Direction;
use netpoller_core::view::EventKind;
use netpoller_core::view::recorder::Event;
use netpoller_proto::v1;

/// Puts events into words.
pub(crate) struct Encoder {
    threads: HashMap<u32, Arc<str>>,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self {
            threads: HashMap::new(),
        }
    }

    /// Numbers of threads are recycled, so their names are looked up anew from time to time.
    pub(crate) fn begin(&mut self) {
        self.threads.clear();
    }

    pub(crate) fn event(&mut self, poller: &str, event: &Event) -> v1::Event {
        let thread = self
            .threads
            .entry(event.thread)
            .or_insert_with(|| event.thread_name());
        v1::Event {
            at_ns: event.at_ns,
            poller: poller.to_owned(),
            id: event.id().map_or_else(String::new, |id| id.to_string()),
            direction: event.direction.map_or(0, Direction::number),
            kind: event.kind.number(),
            thread: thread.as_ref().to_owned(),
            argument: match (event.kind, event.cause()) {
                // What wakes by an event of the kernel need not say so.
                (EventKind::UnblockArmed | EventKind::UnblockParked, Some(cause)) => {
                    cause.number() as u64
                }
                _ => event.argument,
            },
        }
    }
}

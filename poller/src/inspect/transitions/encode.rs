//! Events as messages.

use std::collections::HashMap;
use std::sync::Arc;

use netpoller_proto::v1::{self, Mode};

use crate::inspect::encode;
use crate::observe::{Direction, EventKind};
use crate::view::recorder::Event;

/// Puts events into words.
pub(in crate::inspect) struct Encoder {
    threads: HashMap<u32, Arc<str>>,
}

impl Encoder {
    pub(in crate::inspect) fn new() -> Self {
        Self {
            threads: HashMap::new(),
        }
    }

    /// Numbers of threads are recycled, so their names are looked up anew from time to time.
    pub(super) fn begin(&mut self) {
        self.threads.clear();
    }

    pub(in crate::inspect) fn event(&mut self, poller: &str, event: &Event) -> v1::Event {
        let thread = self
            .threads
            .entry(event.thread)
            .or_insert_with(|| event.thread_name());
        v1::Event {
            at_ns: event.at_ns,
            poller: poller.to_owned(),
            id: event.id().unwrap_or_default(),
            direction: event.direction.map_or(Mode::Unspecified, mode).into(),
            kind: kind(event.kind).into(),
            thread: thread.as_ref().to_owned(),
            argument: match (event.kind, event.cause()) {
                // What wakes by an event of the kernel need not say so.
                (EventKind::UnblockArmed | EventKind::UnblockParked, Some(cause)) => {
                    encode::cause(cause) as u32
                }
                _ => event.argument,
            },
        }
    }
}

fn mode(direction: Direction) -> Mode {
    match direction {
        Direction::Read => Mode::Read,
        Direction::Write => Mode::Write,
    }
}

/// The numbers of the protocol begin with 1.
fn kind(kind: EventKind) -> v1::EventKind {
    v1::EventKind::try_from(kind as i32 + 1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_name_in_the_protocol() {
        for it in EventKind::ALL {
            let name = kind(it).as_str_name();
            assert_eq!(name, format!("EVENT_KIND_{}", it.name().to_uppercase()));
        }
    }
}

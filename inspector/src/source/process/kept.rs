//! What the runtime of a process keeps of its descriptors, whichever runtime it is.

use std::collections::HashMap;
use std::sync::Arc;

use netpoller_proto::Direction;
use netpoller_proto::v1::{self, LineKind, State};

/// What was read in the memory of a process at one look.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) rows: HashMap<Registration, Kept>,
    /// By the number of its epoll set, the tasks of a runtime.
    pub(super) tasks: HashMap<i32, Tasks>,
    /// What could not be read, and why.
    pub(super) missing: Vec<String>,
}

/// The tasks of a runtime.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tasks {
    /// What they do, with how many of them do it.
    pub(super) counted: Vec<(String, u64)>,
    /// Those that ran, where the runtime tells.
    pub(super) running: Vec<Waiter>,
}

/// The number of an epoll set, that of a descriptor in it, and the word with which that was
/// registered.
pub(super) type Registration = (i32, i32, u64);

/// A direction of a descriptor in an epoll set.
pub(super) type Key = (i32, i32, Direction);

/// What is kept of one registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    /// It changed each time that it was read.
    Torn,
    Row(Box<Row>),
}

/// One descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The runtime's name for it.
    pub(super) kind: &'static str,
    pub(super) address: u64,
    /// The runtime's number of this use of it.
    pub(super) sequence: Option<u64>,
    /// How many events the runtime has had of it, as far as it counts them.
    pub(super) events: Option<u64>,
    pub(super) closing: bool,
    pub(super) event_err: bool,
    pub(super) read: Side,
    pub(super) write: Side,
}

/// One direction of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) state: State,
    /// 0 for none, 1 for one that has expired, else CLOCK_MONOTONIC.
    pub(super) deadline_ns: u64,
    pub(super) waiter: Option<Waiter>,
    /// Who waits beside, where the runtime lets several.
    pub(super) others: Vec<Waiter>,
}

/// A task that waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) task: String,
    /// 0 for what is no task.
    pub(super) task_id: u64,
    /// What the task does, in the words of its runtime; empty where that is not told.
    pub(super) task_state: &'static str,
    /// The type of the future that the task polls; empty where that is not known.
    pub(super) future: String,
    /// In the words of its runtime.
    pub(super) reason: String,
    /// Another one if it has run meanwhile, as far as that can be seen.
    pub(super) fingerprint: u64,
    pub(super) stack: Arc<Stack>,
    /// "file:line" of the program's own that has to do with a task which is in no call of the
    /// program's own.
    pub(super) nearest: Option<(LineKind, String)>,
}

/// A task that waits, as far as it is told from another wait of the same task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parked {
    address: u64,
    sequence: Option<u64>,
    task_id: u64,
    fingerprint: u64,
}

impl Row {
    pub(super) fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    /// Returns who waits in this direction, if anybody does.
    pub(super) fn parked(&self, direction: Direction) -> Option<Parked> {
        let waiter = self.side(direction).waiter.as_ref()?;
        Some(Parked {
            address: self.address,
            sequence: self.sequence,
            task_id: waiter.task_id,
            fingerprint: waiter.fingerprint,
        })
    }
}

/// The calls that a task is in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stack {
    /// The innermost first.
    pub(super) calls: Vec<Call>,
    /// The first of them that is the program's own and no library's.
    pub(super) own: Option<usize>,
    /// Where the only future is that the innermost of them holds, has begun, and is in a line of
    /// the program's own.
    pub(super) within: Option<Box<Stack>>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) function: String,
    /// "file:line"
    pub(super) location: String,
}

impl Waiter {
    /// Returns what people call it: "G21", "task 17 (serve::{async fn})", "block_on".
    pub(super) fn called(&self) -> String {
        let is_number = self.task.parse::<u64>().is_ok();
        let mut called = match is_number {
            true => format!("task {}", self.task),
            false => self.task.clone(),
        };
        if !self.future.is_empty() {
            called += &format!(" ({})", self.future);
        }
        called
    }

    /// Returns it as it is told, without its stack.
    pub(super) fn told(&self) -> v1::Waiter {
        v1::Waiter {
            task: self.task.clone(),
            task_id: self.task_id,
            task_state: self.task_state.to_owned(),
            future: self.future.clone(),
            location: self.stack.location().to_owned(),
            reason: self.reason.clone(),
            nearest: self.nearest(),
            ..v1::Waiter::default()
        }
    }

    /// Returns the line of the program's own that is nearest.
    pub(super) fn nearest(&self) -> Option<v1::Line> {
        self.nearest.as_ref().map(|(kind, location)| v1::Line {
            location: location.clone(),
            kind: (*kind).into(),
        })
    }
}

impl Stack {
    /// Returns the calls as they are told.
    pub(super) fn told(&self) -> Vec<v1::Call> {
        let calls = self.calls.iter().map(|call| v1::Call {
            function: call.function.clone(),
            location: call.location.clone(),
        });
        calls.collect()
    }

    /// Returns the line that is of interest to whoever wrote the program: that of the innermost
    /// call of its own, or else of the outermost.
    pub(super) fn location(&self) -> &str {
        let own = self.own.and_then(|own| self.calls.get(own));
        let outermost = || self.calls.last();
        own.or_else(outermost).map_or("", |call| &call.location)
    }
}

#[cfg(test)]
pub(super) mod made {
    use super::{Row, Side, State, Waiter};

    /// A direction in which nobody waits.
    pub(in super::super) fn side(state: State) -> Side {
        Side {
            state,
            deadline_ns: 0,
            waiter: None,
            others: Vec::new(),
        }
    }

    /// One in which somebody does.
    pub(in super::super) fn waits(waiter: Waiter) -> Side {
        Side {
            waiter: Some(waiter),
            ..side(State::Parked)
        }
    }

    /// A descriptor of tokio's that has had so many events and is so to be read.
    pub(in super::super) fn row(events: u64, read: Side) -> Row {
        Row {
            kind: "tokio::runtime::io::ScheduledIo",
            address: 0x1000,
            sequence: None,
            events: Some(events),
            closing: false,
            event_err: false,
            read,
            write: side(State::Nil),
        }
    }
}

//! A consistent copy of one slot, made of atomics alone.
//!
//! The slot has no version word of its own, for that would cost every transition two more writes.
//! What changes with every transition that matters is there already: the generation, the two
//! states, and the stamp at which each was entered. If these are the same after the copy as before
//! it, what was copied in between belongs together.

use std::panic::Location;
use std::sync::Arc;

use crate::desc::{Kind, PollDesc, StampedWake, State};
use crate::observe::{DescId, Direction, Label, LineKind, Task, Transition};
use crate::sync::atomic::{Ordering, fence};

/// How often a row is read again before it is given as it is.
const RETRIES: usize = 8;

/// One direction, as it was read: what is called like a field of [`Side`](super::Side) is that.
#[allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Hash, Debug)]
pub struct RawSide {
    pub state: State,
    pub since_ns: u64,
    pub thread: u32,
    pub task: Label,
    pub task_id: u64,
    pub location: Option<&'static Location<'static>>,
    pub deadline_ns: u64,
    pub last_wake: Option<StampedWake>,
    pub transitions: [u64; Transition::COUNT],
}

/// One live slot, as it was read: what is called like a field of [`Row`](super::Row) is that.
#[allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Hash, Debug)]
pub struct RawRow {
    pub slot: u32,
    pub generation: u32,
    pub fd: i32,
    pub kind: Kind,
    pub label: Label,
    pub opened_at_ns: u64,
    pub opened_location: Option<&'static Location<'static>>,
    pub origin: LineKind,
    pub closing: bool,
    pub event_err: bool,
    pub last_events: u32,
    /// Parks of the writer that waited for the connection to be made; `u64::MAX` while it is, for
    /// then all of them do.
    pub connect_parks: u64,
    pub sides: [RawSide; 2],
    pub torn: bool,
}

/// What is the same before and after a copy whose parts belong together.
#[derive(PartialEq)]
struct Version {
    generation: u32,
    sides: [(State, u64); 2],
}

impl Version {
    /// `None` for a dead slot.
    fn of(desc: &PollDesc) -> Option<Self> {
        let generation = desc.live_generation()?;
        let sides = Direction::ALL.map(|direction| {
            let side = desc.side(direction);
            (side.state(), side.waiter().since_ns)
        });
        Some(Self { generation, sides })
    }
}

impl RawRow {
    /// `slot.generation`.
    pub fn id(&self) -> DescId {
        DescId {
            slot: self.slot,
            generation: self.generation,
        }
    }

    /// Copies a slot, `None` if nothing lives there.
    pub(crate) fn read(desc: &PollDesc) -> Option<Self> {
        let mut before = Version::of(desc)?;
        for _ in 0..RETRIES {
            let row = Self::copy(desc, before.generation);
            // The copy is done before the version is read once more.
            fence(Ordering::Acquire);
            let after = Version::of(desc)?;
            if after == before {
                return Some(row);
            }
            before = after;
        }
        Some(Self {
            torn: true,
            ..Self::copy(desc, before.generation)
        })
    }

    fn copy(desc: &PollDesc, generation: u32) -> Self {
        let info = desc.info();
        Self {
            slot: desc.slot(),
            generation,
            fd: desc.fd(),
            kind: desc.kind(),
            label: desc.label(),
            opened_at_ns: desc.opened_ns(),
            opened_location: desc.opened_location(),
            origin: desc.origin(),
            closing: info.closing(),
            event_err: info.event_err(),
            last_events: desc.last_events(),
            connect_parks: desc.connect_parks(),
            sides: Direction::ALL.map(|direction| RawSide::copy(desc, direction)),
            torn: false,
        }
    }

    /// Whether somebody is parked, or was and has not run since.
    pub fn is_waiting(&self) -> bool {
        let waits = |side: &RawSide| matches!(side.state, State::Parked | State::Woken);
        self.sides.iter().any(waits)
    }
}

impl RawSide {
    /// Name or number of the task that waits, or waited last; empty outside of any task.
    pub(crate) fn task_name(&self) -> Arc<str> {
        let (name, id) = (self.task, self.task_id);
        Task { name, id }.text()
    }

    fn copy(desc: &PollDesc, direction: Direction) -> Self {
        let side = desc.side(direction);
        // Once: a stamp of one state beside the name of another would not be noticed where the word
        // has come back to it.
        let state = side.shown_state();
        let waiter = side.waiter();
        let last_wake = desc.last_wake(direction);
        Self {
            state,
            since_ns: match state {
                State::Wait | State::Parked => waiter.since_ns,
                State::Woken => last_wake.map_or(0, |wake| wake.woken_ns),
                _ => side.entered_ns(),
            },
            thread: waiter.thread,
            task: waiter.task,
            task_id: waiter.task_id,
            location: waiter.location,
            deadline_ns: desc.deadline(direction),
            last_wake,
            transitions: side.transitions(),
        }
    }
}

//! Who waits where: whether who waited last for a descriptor is gone, or waits for something else.

use std::collections::HashMap;

use crate::desc::{Kind, State};
use crate::observe::{DescId, Direction, Label};
use crate::view::line::Place;
use crate::view::raw::{RawRow, RawSide};

/// A task, or else a thread.
type Who = (Label, u64, u32);

/// One who is parked.
#[derive(Clone, Copy, Debug)]
pub struct Parked {
    /// The descriptor that is waited for.
    pub id: DescId,
    /// What it is.
    pub kind: Kind,
    /// In which direction.
    pub direction: Direction,
    /// Since when.
    pub since_ns: u64,
    /// Until when, 0 if there is no deadline.
    pub deadline_ns: u64,
    /// From which line.
    pub(crate) at: Option<Place>,
}

impl Parked {
    /// From which line, as people are told it.
    pub fn line(&self) -> String {
        self.at.map_or_else(String::new, |at| at.to_string())
    }

    /// Whether it ends by itself.
    pub(super) fn is_bounded(&self) -> bool {
        self.kind == Kind::Timer || self.deadline_ns != 0
    }
}

/// All who are parked. Of one that waits for several things, that for which it has waited longest.
#[derive(Debug, Default)]
pub struct Waiters(HashMap<Who, Parked>);

impl Waiters {
    /// Those of some rows.
    pub fn of<'r>(rows: impl Iterator<Item = &'r RawRow>) -> Self {
        let mut waiters = Self::default();
        for (row, direction) in
            rows.flat_map(|row| Direction::ALL.map(|direction| (row, direction)))
        {
            let side = &row.sides[direction.index()];
            if side.state != State::Parked {
                continue;
            }
            let wait = Parked {
                id: row.id(),
                kind: row.kind,
                direction,
                since_ns: side.since_ns,
                deadline_ns: side.deadline_ns,
                at: row.place(direction),
            };
            let longest = waiters.0.entry(who(side)).or_insert(wait);
            if wait.since_ns < longest.since_ns {
                *longest = wait;
            }
        }
        waiters
    }

    /// What the last one who waited in a direction of a row waits for instead; `None` if nobody
    /// ever did, or does so again.
    pub fn elsewhere(&self, side: &RawSide) -> Option<Parked> {
        side.location?;
        let is_there = side.state == State::Parked;
        self.0.get(&who(side)).copied().filter(|_| !is_there)
    }
}

/// Who waits, or waited last.
pub(super) fn who(side: &RawSide) -> Who {
    match (side.task, side.task_id) {
        (Label(0), 0) => (Label(0), 0, side.thread),
        (task, id) => (task, id, 0),
    }
}

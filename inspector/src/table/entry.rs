//! Rows of the descriptor table: a whole descriptor, or one direction of it.

use std::borrow::Cow;
use std::sync::Arc;

use netpoller_proto::filter::{Field, Key};
use netpoller_proto::v1::{Descriptor, State, Waiter};
use netpoller_proto::{Direction, Part, Side};

use super::cell::Context;
use super::column::Column;

/// One row: a descriptor, and the direction if the table has a row for each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) row: Arc<Descriptor>,
    pub(crate) direction: Option<Direction>,
}

/// A table of descriptors, or of their directions.
#[derive(Debug)]
pub(crate) struct Rows {
    /// Of its JSON document.
    pub(crate) schema: &'static str,
    pub(crate) columns: &'static [Column<Entry>],
    /// Its rows.
    pub(crate) entries: fn(Vec<Arc<Descriptor>>) -> Vec<Entry>,
    /// A row is one direction of a descriptor.
    pub(crate) of_directions: bool,
}

/// One entry for each descriptor.
pub(crate) fn descriptors(rows: Vec<Arc<Descriptor>>) -> Vec<Entry> {
    rows.into_iter()
        .map(|row| Entry {
            row,
            direction: None,
        })
        .collect()
}

/// One entry for each who waits: the one who waits for a direction, those who wait for it too, and
/// those who wait for the lock behind it.
pub(crate) fn waiters(rows: Vec<Arc<Descriptor>>) -> Vec<Entry> {
    let further: Vec<Entry> = rows.iter().flat_map(|row| further(row)).collect();
    let mut all = sides(rows, Side::is_waiting);
    if !further.is_empty() {
        all.extend(further);
        // Those of one descriptor together.
        all.sort_by_cached_key(|entry| (entry.row.poller.clone(), entry.row.slot));
    }
    all
}

/// One entry for each who waits beside the one who waits for a direction of a descriptor, or for
/// its lock, as if the direction were theirs.
fn further(row: &Descriptor) -> Vec<Entry> {
    let each = |direction: Direction| {
        let Some(side) = row.side(direction) else {
            return Vec::new();
        };
        // Since when the others wait is not known.
        let others = side.others.iter().map(|it| (side.state(), 0, Some(it)));
        let queued = side.queued.iter();
        let queued = queued.map(|it| (State::Queued, it.since_ns, it.waiter.as_ref()));
        let entry = |(state, since_ns, waiter): (State, u64, Option<&Waiter>)| {
            let side = Side {
                state: state.into(),
                since_ns,
                waiter: waiter.cloned(),
                queued: Vec::new(),
                others: Vec::new(),
                ..side.clone()
            };
            let mut row = row.clone();
            match direction {
                Direction::Read => row.read = Some(side),
                Direction::Write => row.write = Some(side),
            }
            Entry {
                row: Arc::new(row),
                direction: Some(direction),
            }
        };
        others.chain(queued).map(entry).collect()
    };
    Direction::ALL.into_iter().flat_map(each).collect()
}

/// One entry for each direction with a deadline.
pub(super) fn deadlines(rows: Vec<Arc<Descriptor>>) -> Vec<Entry> {
    sides(rows, |side| side.deadline_ns != 0)
}

/// Rows of several pollers are among them.
pub(crate) fn are_of_several<'a>(rows: impl IntoIterator<Item = &'a Arc<Descriptor>>) -> bool {
    let mut rows = rows.into_iter();
    let first = rows.next();
    first.is_some_and(|first| rows.any(|row| row.poller != first.poller))
}

fn sides(rows: Vec<Arc<Descriptor>>, wanted: fn(&Side) -> bool) -> Vec<Entry> {
    rows.into_iter()
        .flat_map(|row| {
            Direction::ALL
                .into_iter()
                .filter(|direction| row.side(*direction).is_some_and(wanted))
                .map(|direction| Entry {
                    row: Arc::clone(&row),
                    direction: Some(direction),
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

impl Entry {
    /// Its id, with the poller where there are several.
    pub(crate) fn id(&self, context: &Context) -> String {
        if context.several {
            self.row.key()
        } else {
            self.row.id().to_string()
        }
    }

    /// What the row is about.
    pub(crate) fn part(&self) -> Part<'_> {
        Part {
            row: &self.row,
            direction: self.direction,
        }
    }

    /// What it sorts by in a column.
    pub(crate) fn key(&self, field: Field) -> Key {
        Key::of(field, self.part())
    }

    /// How long it has been as it is: since the oldest waiter parked, or since its state began.
    pub(crate) fn since(&self, now_ns: u64) -> Option<u64> {
        let since = self.part().since_ns()?;
        Some(now_ns.saturating_sub(since))
    }

    /// Time left until the nearest deadline; negative when it has passed.
    pub(crate) fn deadline_in(&self, now_ns: u64) -> Option<i128> {
        let deadline = self.part().deadline_ns()?;
        Some(i128::from(deadline) - i128::from(now_ns))
    }

    /// A deadline has expired and was not moved since.
    pub(crate) fn expired(&self) -> bool {
        self.part().expired()
    }

    /// Who waits, longest first.
    pub(crate) fn waiter(&self) -> Option<&Waiter> {
        self.part().waiter()
    }

    /// The line of code that waits, the program's own if one is known, or else the one that opened
    /// the descriptor.
    pub(crate) fn location(&self) -> Cow<'_, str> {
        self.part().location()
    }

    /// Remarks for people: what is unusual about the row.
    pub(crate) fn flags(&self) -> String {
        self.part().flags()
    }
}

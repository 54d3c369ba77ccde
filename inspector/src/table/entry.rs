//! Rows of the descriptor table: a whole descriptor, or one direction of it.

use std::sync::Arc;

use netpoller_proto::v1::{Descriptor, Direction, Waiter};

/// A direction of a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Read,
    Write,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Read, Self::Write];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    pub(crate) fn of(self, row: &Descriptor) -> Option<&Direction> {
        match self {
            Self::Read => row.read.as_ref(),
            Self::Write => row.write.as_ref(),
        }
    }
}

/// One row: a descriptor, and the direction if the table has a row for each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) row: Arc<Descriptor>,
    pub(crate) side: Option<Side>,
}

/// One entry for each descriptor.
pub(crate) fn descriptors(rows: impl IntoIterator<Item = Arc<Descriptor>>) -> Vec<Entry> {
    rows.into_iter()
        .map(|row| Entry { row, side: None })
        .collect()
}

/// One entry for each direction in which somebody waits.
pub(crate) fn waiters(rows: impl IntoIterator<Item = Arc<Descriptor>>) -> Vec<Entry> {
    directions(rows, Direction::is_waiting)
}

/// One entry for each direction with a deadline.
pub(crate) fn deadlines(rows: impl IntoIterator<Item = Arc<Descriptor>>) -> Vec<Entry> {
    directions(rows, |direction| direction.deadline_ns != 0)
}

fn directions(
    rows: impl IntoIterator<Item = Arc<Descriptor>>,
    wanted: fn(&Direction) -> bool,
) -> Vec<Entry> {
    rows.into_iter()
        .flat_map(|row| {
            Side::BOTH
                .into_iter()
                .filter(|side| side.of(&row).is_some_and(wanted))
                .map(|side| Entry {
                    row: Arc::clone(&row),
                    side: Some(side),
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

impl Entry {
    /// The directions that this row speaks of.
    pub(crate) fn directions(&self) -> impl Iterator<Item = &Direction> {
        Side::BOTH
            .into_iter()
            .filter(|side| self.side.is_none_or(|only| only == *side))
            .filter_map(|side| side.of(&self.row))
    }

    /// The direction that has waited longest, if somebody waits.
    fn waiting(&self) -> Option<&Direction> {
        self.directions()
            .filter(|direction| direction.is_waiting())
            .min_by_key(|direction| match direction.since_ns {
                0 => u64::MAX,
                since => since,
            })
    }

    /// How long it has been as it is: since the oldest waiter parked, or since the last wait ended.
    pub(crate) fn since(&self, now_ns: u64) -> Option<u64> {
        let since = match self.waiting() {
            Some(direction) => direction.since_ns,
            None => self
                .directions()
                .map(|direction| direction.since_ns)
                .max()?,
        };
        (since != 0).then(|| now_ns.saturating_sub(since))
    }

    /// Time left until the nearest deadline; negative when it has passed.
    pub(crate) fn deadline_in(&self, now_ns: u64) -> Option<i128> {
        self.directions()
            .map(|direction| direction.deadline_ns)
            .filter(|deadline| *deadline > 1)
            .min()
            .map(|deadline| i128::from(deadline) - i128::from(now_ns))
    }

    /// A deadline has expired and was not moved since.
    pub(crate) fn expired(&self) -> bool {
        self.directions()
            .any(|direction| direction.deadline_ns == 1)
    }

    /// Edges that the kernel reported.
    pub(crate) fn edges(&self) -> u64 {
        self.directions()
            .filter_map(|direction| direction.transitions.as_ref())
            .map(|counts| counts.edges())
            .sum()
    }

    /// Who waits, longest first.
    pub(crate) fn waiter(&self) -> Option<&Waiter> {
        self.waiting()
            .and_then(|direction| direction.waiter.as_ref())
    }

    /// The line of code that waits, or else the one that opened the descriptor.
    pub(crate) fn location(&self) -> &str {
        match self.waiter() {
            Some(waiter) if !waiter.location.is_empty() => &waiter.location,
            _ => &self.row.opened_location,
        }
    }

    /// Remarks for people: what is unusual about the row.
    pub(crate) fn flags(&self) -> String {
        let mut flags = Vec::new();
        if self.row.closing {
            flags.push("closing");
        }
        if self.row.event_err {
            flags.push("error");
        }
        if self.row.torn {
            flags.push("torn");
        }
        flags.join(",")
    }
}

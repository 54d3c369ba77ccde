//! A row as a table shows it: a whole descriptor, or one direction of it.

use crate::v1::{Descriptor, Direction, Waiter};

/// A direction of a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Reading, rg.
    Read,
    /// Writing, wg.
    Write,
}

impl Side {
    /// The two of them, in the order in which they are shown.
    pub const BOTH: [Self; 2] = [Self::Read, Self::Write];

    /// `read` or `write`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// This direction of a row.
    #[must_use]
    pub fn of(self, row: &Descriptor) -> Option<&Direction> {
        match self {
            Self::Read => row.read.as_ref(),
            Self::Write => row.write.as_ref(),
        }
    }
}

/// What a row of a table speaks of.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The descriptor.
    pub row: &'a Descriptor,
    /// The direction, if the table has a row for each.
    pub side: Option<Side>,
}

impl<'a> Part<'a> {
    /// All of a descriptor.
    #[must_use]
    pub const fn whole(row: &'a Descriptor) -> Self {
        Self { row, side: None }
    }

    /// The directions that it speaks of.
    pub fn directions(self) -> impl Iterator<Item = &'a Direction> {
        Side::BOTH
            .into_iter()
            .filter(move |side| self.side.is_none_or(|only| only == *side))
            .filter_map(move |side| side.of(self.row))
    }

    /// The direction that has waited longest, if somebody waits.
    fn waiting(self) -> Option<&'a Direction> {
        self.directions()
            .filter(|direction| direction.is_waiting())
            .min_by_key(|direction| match direction.since_ns {
                0 => u64::MAX,
                since => since,
            })
    }

    /// Since when it is as it is: since the oldest waiter parked, or since the last wait ended.
    #[must_use]
    pub fn since_ns(self) -> Option<u64> {
        let since = match self.waiting() {
            Some(direction) => direction.since_ns,
            None => self
                .directions()
                .map(|direction| direction.since_ns)
                .max()?,
        };
        (since != 0).then_some(since)
    }

    /// The nearest deadline that is to come, or was missed.
    #[must_use]
    pub fn deadline_ns(self) -> Option<u64> {
        self.directions()
            .map(|direction| direction.deadline_ns)
            .filter(|deadline| *deadline > 1)
            .min()
    }

    /// A deadline has expired and was not moved since.
    #[must_use]
    pub fn expired(self) -> bool {
        self.directions()
            .any(|direction| direction.deadline_ns == 1)
    }

    /// Edges that the kernel reported.
    #[must_use]
    pub fn edges(self) -> u64 {
        self.directions()
            .filter_map(|direction| direction.transitions.as_ref())
            .fold(0, |sum, counts| sum.saturating_add(counts.edges()))
    }

    /// Who waits, or was the last to wait, in each direction.
    pub fn waiters(self) -> impl Iterator<Item = &'a Waiter> {
        self.directions()
            .filter_map(|direction| direction.waiter.as_ref())
    }

    /// Who waits, longest first.
    #[must_use]
    pub fn waiter(self) -> Option<&'a Waiter> {
        self.waiting()
            .and_then(|direction| direction.waiter.as_ref())
    }

    /// The line of code that waits, or else the one that opened the descriptor.
    #[must_use]
    pub fn location(self) -> &'a str {
        match self.waiter() {
            Some(waiter) if !waiter.location.is_empty() => &waiter.location,
            _ => &self.row.opened_location,
        }
    }

    /// Remarks for people: what is unusual about the row, joined with commas.
    #[must_use]
    pub fn flags(self) -> String {
        let flags = [
            ("closing", self.row.closing),
            ("error", self.row.event_err),
            ("torn", self.row.torn),
        ];
        let raised: Vec<&str> = flags
            .into_iter()
            .filter(|(_, raised)| *raised)
            .map(|(name, _)| name)
            .collect();
        raised.join(",")
    }
}

//! A row as a table shows it: a whole descriptor, or one direction of it.

use std::borrow::Cow;

use crate::v1::{self, Descriptor, Exemplar, Finding, Line, Transitions, Waiter, Wake};
use crate::vocabulary::Direction;

/// One direction of a descriptor as it is: its state, who waits, its counts.
pub type Side = v1::Direction;

impl Descriptor {
    /// Returns how it is in this direction.
    #[must_use]
    pub fn side(&self, direction: Direction) -> Option<&Side> {
        match direction {
            Direction::Read => self.read.as_ref(),
            Direction::Write => self.write.as_ref(),
        }
    }
}

impl Line {
    /// Returns it with what it has to do with the wait, as `src/main.rs:42 (accepted here)`.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} ({} here)", self.location, self.kind().name())
    }
}

/// What people read in place of `call`, which is a library's where there is a `nearest`.
fn line<'a>(call: &'a str, nearest: Option<&Line>) -> Cow<'a, str> {
    nearest.map_or(Cow::Borrowed(call), |line| Cow::Owned(line.text()))
}

impl Waiter {
    /// Returns the line that waits as people read it: the program's own, marked as what it is, if
    /// the call is a library's.
    #[must_use]
    pub fn line(&self) -> Cow<'_, str> {
        line(&self.location, self.nearest.as_ref())
    }
}

impl Wake {
    /// Returns how long all of it took, from there being something to wake for, at most if the
    /// share before the poll is bounded only; `None` while the waiter has not run.
    #[must_use]
    pub fn total_ns(&self) -> Option<u64> {
        let before = self.before_poll_ns.unwrap_or(0);
        let after = self.poller_to_waker_ns.saturating_add(self.waker_to_run_ns);
        (!self.pending).then(|| before.saturating_add(after))
    }
}

impl Finding {
    /// Returns the line that is concerned as people read it, as that of a waiter.
    #[must_use]
    pub fn line(&self) -> Cow<'_, str> {
        line(&self.location, self.nearest.as_ref())
    }
}

impl Exemplar {
    /// Returns the line that has waited as people read it, as that of a waiter.
    #[must_use]
    pub fn line(&self) -> Cow<'_, str> {
        line(&self.location, self.nearest.as_ref())
    }
}

/// What a row of a table is about.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The descriptor.
    pub row: &'a Descriptor,
    /// The direction, if the table has a row for each.
    pub direction: Option<Direction>,
}

impl<'a> Part<'a> {
    /// All of a descriptor.
    #[must_use]
    pub const fn whole(row: &'a Descriptor) -> Self {
        Self {
            row,
            direction: None,
        }
    }

    /// The directions that it is about.
    pub fn sides(self) -> impl Iterator<Item = &'a Side> {
        Direction::ALL
            .into_iter()
            .filter(move |direction| self.direction.is_none_or(|only| only == *direction))
            .filter_map(move |direction| self.row.side(direction))
    }

    /// The direction that has waited longest, if somebody waits.
    fn waiting(self) -> Option<&'a Side> {
        self.sides()
            .filter(|side| side.is_waiting())
            .min_by_key(|side| match side.since_ns {
                0 => u64::MAX,
                since => since,
            })
    }

    /// Since when it is as it is: since the oldest waiter parked, or since its state began.
    #[must_use]
    pub fn since_ns(self) -> Option<u64> {
        let since = match self.waiting() {
            Some(side) => side.since_ns,
            None => self.sides().map(|side| side.since_ns).max()?,
        };
        (since != 0).then_some(since)
    }

    /// It has been so since then at least: when it began is not known.
    #[must_use]
    pub fn since_at_least(self) -> bool {
        match self.waiting() {
            Some(side) => side.since_at_least,
            None => self.sides().any(|side| side.since_at_least),
        }
    }

    /// The nearest deadline that is to come, or was missed.
    #[must_use]
    pub fn deadline_ns(self) -> Option<u64> {
        self.sides()
            .map(|side| side.deadline_ns)
            .filter(|deadline| *deadline > 1)
            .min()
    }

    /// A deadline has expired and was not moved since.
    #[must_use]
    pub fn expired(self) -> bool {
        self.sides().any(|side| side.deadline_ns == 1)
    }

    /// Edges that the kernel reported; `None` where nobody has counted them.
    #[must_use]
    pub fn edges(self) -> Option<u64> {
        let counts = self.sides().filter_map(|side| side.transitions.as_ref());
        counts.map(Transitions::edges).reduce(u64::saturating_add)
    }

    /// Who waits, or was the last to wait, in each direction.
    pub fn waiters(self) -> impl Iterator<Item = &'a Waiter> {
        self.sides().filter_map(|side| side.waiter.as_ref())
    }

    /// Who waits, longest first.
    #[must_use]
    pub fn waiter(self) -> Option<&'a Waiter> {
        self.waiting().and_then(|side| side.waiter.as_ref())
    }

    /// The line of code that waits, the program's own if one is known, or else the one that opened
    /// the descriptor.
    #[must_use]
    pub fn location(self) -> Cow<'a, str> {
        match self.waiter() {
            Some(waiter) if !waiter.line().is_empty() => waiter.line(),
            _ => Cow::Borrowed(&self.row.opened_location),
        }
    }

    /// The call that waits, where [`Part::location`] is another line.
    #[must_use]
    pub fn call(self) -> Option<&'a str> {
        let waiter = self.waiter().filter(|waiter| waiter.nearest.is_some());
        waiter.map(|waiter| waiter.location.as_str())
    }

    /// Remarks for people: what is unusual about the row, joined with commas.
    #[must_use]
    pub fn flags(self) -> String {
        let flags = [
            ("closing", self.row.closing),
            ("error", self.row.event_err),
            ("torn", self.row.torn),
            ("stale", self.row.stale),
        ];
        let raised: Vec<&str> = flags
            .into_iter()
            .filter(|(_, raised)| *raised)
            .map(|(name, _)| name)
            .collect();
        raised.join(",")
    }
}

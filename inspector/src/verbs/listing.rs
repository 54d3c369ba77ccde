//! The tables that a process has.

use clap::ValueEnum;

use crate::query::Scope;
use crate::table::{DEADLINES, DESCRIPTORS, Rows, WAITERS};

/// A table of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listing {
    /// One row for each descriptor and sleep.
    #[value(alias = "fds")]
    Descriptors,
    /// One row for each parked direction.
    Waiters,
    /// One row for each poller.
    Pollers,
    /// One row for each direction with a deadline.
    #[value(alias = "timers")]
    Deadlines,
}

impl Listing {
    /// The table, unless it is that of pollers.
    pub(crate) fn rows(self) -> Option<&'static Rows> {
        match self {
            Self::Descriptors => Some(&DESCRIPTORS),
            Self::Waiters => Some(&WAITERS),
            Self::Deadlines => Some(&DEADLINES),
            Self::Pollers => None,
        }
    }

    /// What a filter of its rows can be about.
    pub(crate) fn scope(self) -> Option<Scope> {
        self.rows().map(Scope::of)
    }
}

//! The tables that a process has.

use clap::ValueEnum;

use crate::query::Scope;

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
    /// What a filter of its rows can be about.
    pub(crate) const fn scope(self) -> Option<Scope> {
        match self {
            Self::Descriptors => Some(Scope::Descriptors),
            Self::Waiters | Self::Deadlines => Some(Scope::Directions),
            Self::Pollers => None,
        }
    }
}

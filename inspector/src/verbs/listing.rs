//! The tables that a process has.

use clap::ValueEnum;
use netpoller_proto::filter::Field;

use crate::failure::Failure;
use crate::out::{Format, Style};
use crate::query::{Query, Scope};
use crate::table::{DEADLINES, DESCRIPTORS, POLLERS, Rows, WAITERS};
use crate::verbs::verb::{Names, Usage, known};

/// A table of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listing {
    /// One row for each descriptor and sleep.
    #[value(alias = "fds")]
    Descriptors,
    /// One row for each who waits: parked, queued on a descriptor's lock, or woken and not run yet.
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

    /// Its name among the tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::Waiters => "waiters",
            Self::Pollers => "pollers",
            Self::Deadlines => "deadlines",
        }
    }

    /// What a filter of its rows can be about.
    pub(crate) fn scope(self) -> Option<Scope> {
        self.rows().map(Scope::of)
    }

    /// What a verb that lists it makes use of.
    pub(crate) fn usage(self, verb: &'static str) -> Usage {
        let names: Names = match self {
            Self::Descriptors => Some(|name| known(DESCRIPTORS.columns, name)),
            Self::Waiters => Some(|name| known(WAITERS.columns, name)),
            Self::Deadlines => Some(|name| known(DEADLINES.columns, name)),
            Self::Pollers => Some(|name| known(&POLLERS, name)),
        };
        Usage {
            why: match self {
                Self::Pollers => {
                    "filters are for descriptors, waiters and deadlines, not for pollers"
                }
                _ => "it is one answer",
            },
            limit: true,
            filter: self.scope(),
            columns: names,
            sort: names,
            view: self.name(),
            ..Usage::of(verb)
        }
    }
}

/// Whether the kernel must be asked about sockets: for what is shown, sorted or filtered by.
pub(crate) fn of_sockets(
    filter: Option<&Query>,
    style: &Style,
    table: &Rows,
) -> Result<bool, Failure> {
    let is_document = matches!(style.format, Format::Json | Format::Jsonl);
    let whole = is_document && style.columns.is_none() && !table.of_directions;
    let asked = filter.is_some_and(|query| query.speaks_of(Field::is_of_sockets));
    Ok(whole || asked || style.shows(table.columns, Field::is_of_sockets)?)
}

//! The tables by their names: those of which people may choose columns.

use super::{DEADLINES, DESCRIPTORS, LAWS, POLLERS, TARGETS, WAITERS, find};
use crate::failure::Failure;

/// A table by its name, whatever its rows are.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    /// Returns the names of its columns.
    pub(crate) columns: fn() -> Vec<&'static str>,
    /// Refuses what is no column of it.
    pub(crate) known: fn(&str) -> Result<(), Failure>,
}

macro_rules! named {
    ($($name:literal $columns:expr;)*) => {
        /// All of them.
        pub(crate) static TABLES: [Named; [$($name),*].len()] = [$(Named {
            name: $name,
            columns: || $columns.iter().map(|column| column.name).collect(),
            known: |name| find(&$columns[..], name).map(drop),
        }),*];
    };
}

named! {
    "descriptors" DESCRIPTORS.columns;
    "waiters" WAITERS.columns;
    "deadlines" DEADLINES.columns;
    "pollers" POLLERS;
    "targets" TARGETS;
    "laws" LAWS;
}

/// What no table knows is a typing error, wherever it was made.
pub(crate) fn known_anywhere(name: &str) -> Result<(), Failure> {
    let mut tables = TABLES.iter().map(|table| (table.known)(name));
    let first = tables.next().unwrap_or(Ok(()));
    first.or_else(|error| tables.find(Result::is_ok).unwrap_or(Err(error)))
}

//! What a verb is: what it does, and which of the common flags mean something to it.

use crate::failure::Failure;
use crate::globals::Globals;
use crate::out::Format;
use crate::query::Scope;
use crate::table::{self, Column};

/// A verb with its arguments.
pub(crate) trait Verb {
    /// Which of the common flags it makes use of.
    fn usage(&self) -> Usage;

    /// Does it.
    fn run(&self, globals: &Globals) -> Result<(), Failure>;
}

/// What a verb makes use of.
pub(crate) struct Usage {
    pub(crate) verb: &'static str,
    /// Why it does not make use of the rest.
    pub(crate) why: &'static str,
    pub(crate) target: bool,
    pub(crate) interval: bool,
    pub(crate) limit: bool,
    /// What its filter is about.
    pub(crate) filter: Option<Scope>,
    /// The columns of its table, to choose among and to sort by.
    pub(crate) columns: Names,
    pub(crate) sort: Names,
    pub(crate) formats: &'static [Format],
    /// What to use instead of the others.
    pub(crate) instead: &'static str,
    /// The table whose columns and order a configuration may choose; empty for none.
    pub(crate) view: &'static str,
    /// It does what the configuration says, and so cannot do without one that is right.
    pub(crate) configured: bool,
}

/// Whether a table has a column of this name.
pub(crate) type Known = fn(&str) -> Result<(), Failure>;
/// The same, of a verb that may have no table.
pub(crate) type Names = Option<Known>;

pub(crate) const ALL: &[Format] = &[
    Format::Table,
    Format::Wide,
    Format::Json,
    Format::Jsonl,
    Format::Csv,
];
pub(crate) const NO_CSV: &[Format] = &[Format::Table, Format::Wide, Format::Json, Format::Jsonl];
pub(crate) const NO_DOCUMENT: &[Format] = &[Format::Table, Format::Wide, Format::Jsonl];
/// Of what has no end.
pub(crate) const NO_END: &[Format] = &[Format::Table, Format::Wide, Format::Jsonl, Format::Csv];
pub(crate) const NONE: &[Format] = &[Format::Table];

/// Whether there is a column of this name.
pub(crate) fn known<R>(columns: &'static [Column<R>], name: &str) -> Result<(), Failure> {
    table::find(columns, name).map(drop)
}

impl Usage {
    /// Of a verb without rows.
    pub(crate) const fn of(verb: &'static str) -> Self {
        Self {
            verb,
            why: "it has no rows",
            target: true,
            interval: false,
            limit: false,
            filter: None,
            columns: None,
            sort: None,
            formats: ALL,
            instead: "",
            view: "",
            configured: true,
        }
    }
}

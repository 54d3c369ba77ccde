//! The filter language of `--where` and of `/` in the terminal UI.
//!
//! `field op value`, joined by `&&`, `||`, `!` and parentheses, for example `state=parked && since>5s && kind=tcp`.
//! Names and values are checked when the text is read, so that a slip of the pen is told at once and not answered with
//! an empty table. What it means is said by [`netpoller_proto::filter`], for servers evaluate it too.

mod lex;
mod parse;

#[cfg(test)]
mod tests;

use std::str::FromStr;

use netpoller_proto::filter::{Field, Predicate};
use netpoller_proto::v1::Filter;

use crate::table::Entry;

/// A filter that has been read and checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    text: String,
    predicate: Predicate,
}

impl FromStr for Query {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let filter = parse::parse(text)?;
        Ok(Self {
            text: text.to_owned(),
            predicate: Predicate::try_from(&filter)
                .map_err(|error| format!("the filter: {error}"))?,
        })
    }
}

impl Query {
    /// Whether the row is wanted.
    pub(crate) fn admits(&self, entry: &Entry, now_ns: u64) -> bool {
        self.predicate.holds(entry.part(), now_ns)
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What to ask a server for where a row is a whole descriptor.
    pub(crate) fn filter(&self) -> Filter {
        Filter::from(&self.predicate)
    }

    /// What to ask a server for where a row is one direction: what it demands of the descriptor as such.
    pub(crate) fn filter_of_the_whole(&self) -> Option<Filter> {
        let weakened = self.predicate.weakened(Field::is_of_the_whole);
        (!weakened.is_trivial()).then(|| Filter::from(&weakened))
    }
}

//! The filter language of `--where` and of `/` in the terminal UI.
//!
//! `field op value`, joined by `&&`, `||`, `!` and parentheses, for example `state=parked && since>5s && kind=tcp`.
//! Names and values are checked when the text is read, so that a slip of the pen is told at once and not answered with
//! an empty table.

mod eval;
mod field;
mod lex;
mod parse;

use std::str::FromStr;

use crate::table::Entry;

/// A filter that has been read and checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    text: String,
    expr: parse::Expr,
}

impl FromStr for Query {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self {
            text: text.to_owned(),
            expr: parse::parse(text)?,
        })
    }
}

impl Query {
    /// Whether the row is wanted.
    pub(crate) fn admits(&self, entry: &Entry, now_ns: u64) -> bool {
        eval::holds(&self.expr, entry, now_ns)
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

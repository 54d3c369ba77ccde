//! The filter language of `--where` and of `/` in the terminal UI.
//!
//! `field op value`, joined by `and`, `or`, `not` and parentheses, for example `state=parked and
//! since>5s and peer~^10`. Names and values are checked when the text is read, so that a slip of
//! the pen is reported at once and not answered with an empty table. What it means is said by
//! [`netpoller_proto::filter`], for servers evaluate it too; patterns are looked for here alone, so
//! that nobody can make a service work on one.
//!
//! | file | holds |
//! |---|---|
//! | `lex` | words, operators and parentheses |
//! | `parse` | from these to a tree whose names and values are good |
//! | `expr` | the tree, evaluated, and what of it a server can be asked |
//! | `scope` | what a filter can be about, and the help |

mod expr;
mod lex;
mod parse;
mod scope;

#[cfg(test)]
mod tests;

use std::str::FromStr;

use netpoller_proto::Part;
use netpoller_proto::filter::{Field, Predicate};
use netpoller_proto::v1::Filter;

use crate::table::{Entry, Rows};
use crate::text;
use expr::Expr;

pub(crate) use parse::number;
pub(crate) use scope::{HELP_TITLE, Scope, help};

/// A filter that has been read and checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    text: String,
    expr: Expr,
    /// What a server is asked: the same, or less where there are patterns.
    wire: Predicate,
    fields: Vec<Field>,
    /// The names with which the poller is compared.
    pollers: Vec<String>,
}

impl FromStr for Query {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let tree = parse::parse(text)?;
        let wire =
            Predicate::try_from(&tree.filter()).map_err(|error| format!("the filter: {error}"))?;
        let (mut fields, mut pollers) = (Vec::new(), Vec::new());
        tree.visit(&mut |field, names| {
            fields.push(field);
            pollers.extend(names.iter().filter(|_| field == Field::Poller).cloned());
        });
        Ok(Self {
            text: text.to_owned(),
            expr: Expr::of(tree)?,
            wire,
            fields,
            pollers,
        })
    }
}

impl Query {
    /// Whether the row is wanted.
    pub(crate) fn admits(&self, entry: &Entry, now_ns: u64) -> bool {
        self.holds(entry.part(), now_ns)
    }

    /// Whether it holds for a row, or for the direction of one.
    pub(crate) fn holds(&self, part: Part<'_>, now_ns: u64) -> bool {
        self.expr.holds(part, now_ns)
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A server can decide it, and need not be mistrusted with any row.
    pub(crate) fn is_exact(&self) -> bool {
        self.expr.is_exact()
    }

    /// It speaks of one of these.
    pub(crate) fn speaks_of(&self, fields: impl Fn(Field) -> bool) -> bool {
        self.fields.iter().any(|field| fields(*field))
    }

    /// What to ask a server for. Where a row is one direction, what it demands of the descriptor as
    /// such.
    pub(crate) fn filter(&self, rows: &Rows) -> Option<Filter> {
        if !rows.of_directions {
            return Some(Filter::from(&self.wire));
        }
        let weakened = self.wire.weakened(Field::is_of_the_whole);
        (!weakened.is_trivial()).then(|| Filter::from(&weakened))
    }

    /// Whether it can hold for anything there. If not, why, and what to write.
    pub(crate) fn check(&self, scope: Scope) -> Result<(), String> {
        self.fields.iter().try_for_each(|field| scope.check(*field))
    }

    /// Whether every poller that it names is there.
    pub(crate) fn check_pollers<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Result<(), String> {
        // Of a process that has none yet, nothing can be said.
        if names.clone().into_iter().next().is_none() {
            return Ok(());
        }
        let is_there = |wanted: &String| {
            names
                .clone()
                .into_iter()
                .any(|name| name.to_lowercase() == *wanted)
        };
        match self.pollers.iter().find(|wanted| !is_there(wanted)) {
            None => Ok(()),
            Some(name) => Err(format!(
                "no poller is called `{name}`; {}",
                text::suggestion(name, names)
            )),
        }
    }
}

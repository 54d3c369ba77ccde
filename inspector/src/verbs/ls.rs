//! `netpoller ls`.

use std::io::{self, BufWriter, Write};

use crate::document;
use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::out::Style;
use crate::query::Query;
use crate::source::{Connection, Selection};
use crate::table::{self, POLLERS, Rows};
use crate::verbs::listing::{Listing, of_sockets};
use crate::verbs::verb::{Usage, Verb};
use clap::Args;

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// Which table.
    #[arg(default_value = "descriptors")]
    pub(crate) what: Listing,
}

impl Verb for LsArgs {
    fn usage(&self) -> Usage {
        self.what.usage("ls")
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        super::block_on(async {
            let connection = super::connection(globals).await?;
            let mut out = BufWriter::new(io::stdout());
            let filter = globals.filter.as_ref();
            list(&connection, filter, &globals.style(), self.what, &mut out).await?;
            Ok(out.flush()?)
        })
    }
}

/// Asks for one table and prints it.
pub(super) async fn list(
    connection: &Connection,
    filter: Option<&Query>,
    style: &Style,
    what: Listing,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Some(table) = what.rows() else {
        // Asked again: the answer that came with the connection may be old by now.
        let stats = connection.stats().await?;
        let head = style.head(connection, "netpoller/v1/pollers", stats.captured_at_ns);
        let context = head.context;
        let pollers = stats.pollers.into_iter();
        let mut pollers: Vec<_> = pollers.filter_map(|stats| stats.poller).collect();
        return style.rows(out, head, &POLLERS, &mut pollers, |poller| {
            document::poller(poller, &context)
        });
    };
    super::check_pollers(filter, connection)?;
    let selection = selection(filter, style, what, table)?;
    let snapshot = connection.descriptors(&selection).await?;
    if let Some(missing) = &snapshot.sockets_missing {
        note(missing);
    }
    let mut head = style.head(connection, table.schema, snapshot.captured_at_ns);
    head.context.several |= table::are_of_several(&snapshot.rows);
    let context = head.context;
    let mut entries = (table.entries)(snapshot.rows);
    if let Some(filter) = filter {
        let done = snapshot.filtered && !table.of_directions && filter.is_exact();
        entries.retain(|entry| done || filter.admits(entry, context.now_ns));
    }
    style.rows(out, head, table.columns, &mut entries, |entry| {
        document::row(entry, &context)
    })
}

/// What the server is asked for. A row of `waiters` or `deadlines` is one direction of a
/// descriptor, so only what the filter demands of the descriptor as such can be left to it, and
/// neither the order nor the limit.
fn selection(
    filter: Option<&Query>,
    style: &Style,
    what: Listing,
    table: &Rows,
) -> Result<Selection, Failure> {
    let whole = Selection {
        waiting_only: what == Listing::Waiters,
        filter: filter.and_then(|query| query.filter(table)),
        sockets: of_sockets(filter, style, table)?,
        ..Selection::default()
    };
    if table.of_directions {
        return Ok(whole);
    }
    let sort = match &style.sort {
        Some(by) => {
            let field = table::find(table.columns, &by.column)?.field();
            field.map(|field| (field, by.descending))
        }
        None => None,
    };
    Ok(Selection {
        // All rows are sorted faster here than page by page there.
        sort: sort.filter(|_| style.limit.is_some()),
        // One more, to know whether it was the last; unless the rows must be sorted by something
        // that no server knows.
        limit: style
            .limit
            .filter(|_| sort.is_some() || style.sort.is_none())
            // What a server cannot decide may leave any number of its rows out.
            .filter(|_| filter.is_none_or(Query::is_exact))
            .map(|limit| limit.saturating_add(1)),
        ..whole
    })
}

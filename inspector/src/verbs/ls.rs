//! `netpoller ls`.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use netpoller_proto::filter::Field;
use netpoller_proto::v1::Descriptor;

use crate::client::{self, Connection, Selection};
use crate::document;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::out::{Head, Printer};
use crate::query::Query;
use crate::table::{self, DEADLINES, DESCRIPTORS, Entry, POLLERS, WAITERS};
use crate::verbs::listing::Listing;

pub(crate) fn run(globals: &Globals, what: Listing) -> Result<(), Failure> {
    super::block_on(async {
        let connection = super::connection(globals).await?;
        let mut out = BufWriter::new(io::stdout());
        list(&connection, globals, what, &mut out).await?;
        Ok(out.flush()?)
    })
}

/// Asks for one table and prints it.
pub(super) async fn list(
    connection: &Connection,
    globals: &Globals,
    what: Listing,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let printer = Printer::new(globals);
    let head = |schema, now_ns| Head::of(connection, schema, now_ns, globals.ascii);
    if what == Listing::Pollers {
        // Asked anew: the answer that came with the connection may be old by now.
        let stats = client::stats(connection).await?;
        let head = head("netpoller/v1/pollers", stats.captured_at_ns);
        let context = head.context;
        let mut pollers: Vec<_> = stats
            .pollers
            .into_iter()
            .filter_map(|stats| stats.poller)
            .collect();
        return printer.rows(out, head, &POLLERS, &mut pollers, |poller| {
            document::poller(poller, &context)
        });
    }
    super::check_pollers(globals.filter.as_ref(), connection)?;
    let snapshot = client::descriptors(connection, &selection(globals, what)?).await?;
    let several = table::are_of_several(&snapshot.rows);
    let head = |schema, now_ns| {
        let mut head: Head<'_> = head(schema, now_ns);
        head.context.several |= several;
        head
    };
    let entries = |expand: fn(Vec<Arc<Descriptor>>) -> Vec<Entry>| {
        let mut entries = expand(snapshot.rows.clone());
        if let Some(filter) = &globals.filter {
            let done = snapshot.filtered && what == Listing::Descriptors && filter.is_exact();
            entries.retain(|entry| done || filter.admits(entry, snapshot.captured_at_ns));
        }
        entries
    };
    match what {
        Listing::Waiters => {
            let head = head("netpoller/v1/waiters", snapshot.captured_at_ns);
            let context = head.context;
            printer.rows(out, head, &WAITERS, &mut entries(table::waiters), |entry| {
                document::waiting(entry, &context)
            })
        }
        Listing::Deadlines => {
            let head = head("netpoller/v1/deadlines", snapshot.captured_at_ns);
            let context = head.context;
            printer.rows(
                out,
                head,
                &DEADLINES,
                &mut entries(table::deadlines),
                |entry| document::waiting(entry, &context),
            )
        }
        Listing::Descriptors | Listing::Pollers => {
            let head = head("netpoller/v1/descriptors", snapshot.captured_at_ns);
            let context = head.context;
            printer.rows(
                out,
                head,
                &DESCRIPTORS,
                &mut entries(table::descriptors),
                |entry| document::descriptor(entry, &context),
            )
        }
    }
}

/// What the server is asked for. A row of `waiters` or `deadlines` is one direction of a descriptor, so only what the
/// filter demands of the descriptor as such can be left to it, and neither the order nor the limit.
fn selection(globals: &Globals, what: Listing) -> Result<Selection, Failure> {
    if what != Listing::Descriptors {
        return Ok(Selection {
            waiting_only: what == Listing::Waiters,
            filter: globals.filter.as_ref().and_then(Query::filter_of_the_whole),
            ..Selection::default()
        });
    }
    let sort = match &globals.sort {
        Some(by) => Field::named(table::find(&DESCRIPTORS, &by.column)?.name)
            .map(|field| (field, by.descending)),
        None => None,
    };
    Ok(Selection {
        waiting_only: false,
        filter: globals.filter.as_ref().map(Query::filter),
        // All rows are sorted faster here than page by page there.
        sort: sort.filter(|_| globals.limit.is_some()),
        // One more, to know whether it was the last; unless the rows must be sorted by something that no server knows.
        limit: globals
            .limit
            .filter(|_| sort.is_some() || globals.sort.is_none())
            // What a server cannot decide may leave any number of its rows out.
            .filter(|_| globals.filter.as_ref().is_none_or(Query::is_exact))
            .map(|limit| limit.saturating_add(1)),
    })
}

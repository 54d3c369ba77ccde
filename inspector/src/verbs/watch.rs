//! `netpoller watch`: a line for each row that comes, changes or goes, until something is so.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use netpoller_proto::Direction;
use netpoller_proto::filter::Field;
use netpoller_proto::v1::{Descriptor, WatchRequest};

use crate::clock::Anchor;
use crate::document;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::model::{Model, RowKey};
use crate::out::{Format, Sheet, Style};
use crate::paint::Tone;
use crate::query::{Query, Scope};
use crate::table::{Align, Column, Context, Entry, Fit, Rows, are_of_several, fit};
use crate::text;
use crate::verbs::listing::{Listing, of_sockets};
use crate::verbs::verb::{NO_DOCUMENT, Usage, Verb};
use clap::Args;

/// What to watch, and until when.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Which table.
    #[arg(default_value = "descriptors")]
    what: Listing,
    /// End as soon as this holds for a row that is watched; exit with 3 if it does not within
    /// --timeout.
    #[arg(long, value_name = "EXPR")]
    until: Option<Query>,
}

impl Verb for WatchArgs {
    fn usage(&self) -> Usage {
        Usage {
            why: "changes come as they happen",
            interval: true,
            limit: true,
            filter: self.what.scope(),
            formats: NO_DOCUMENT,
            instead: "changes have no end, so there is no whole document; use --format jsonl",
            ..Usage::of("watch")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        let (what, until) = (self.what, self.until.as_ref());
        let Some(table) = what.rows() else {
            return Err(Failure::Usage(
                "`watch` follows descriptors, waiters and deadlines; for pollers use `top`".into(),
            ));
        };
        if let Some(query) = until {
            query
                .check(Scope::of(table))
                .map_err(|error| Failure::Usage(format!("--until: {error}")))?;
        }
        super::block_on(async {
            let Some(query) = until else {
                return follow(globals, table, None).await.map(drop);
            };
            match tokio::time::timeout(globals.timeout, follow(globals, table, Some(query))).await {
                Ok(result) => result,
                Err(_) => Err(Failure::Findings(format!(
                    "`{}` has not come about within {}",
                    query.text(),
                    humantime::format_duration(globals.timeout)
                ))),
            }
        })
    }
}

async fn follow(globals: &Globals, table: &Rows, until: Option<&Query>) -> Result<(), Failure> {
    let connection = super::connection(globals).await?;
    let style = globals.style();
    super::check_pollers(globals.filter.as_ref(), &connection)?;
    super::check_pollers(until, &connection)?;
    let request = WatchRequest {
        poller: String::new(),
        interval_ns: u64::try_from(globals.interval.as_nanos()).unwrap_or(u64::MAX),
        stats: false,
        filter: globals
            .filter
            .as_ref()
            .and_then(|query| query.filter(table)),
        sockets: of_sockets(globals.filter.as_ref(), &style, table)?
            || until.is_some_and(|query| query.speaks_of(Field::is_of_sockets)),
    };
    let mut stream = connection.watch(request).await?;
    let mut model = Model::default();
    let mut seen = Seen::default();
    let anchor = Anchor::of(&connection.server);
    let mut several = connection.server.pollers.len() > 1;
    // Laid out by the rows that are there at the beginning.
    let mut laid_out = None;
    let mut left = globals.limit.unwrap_or(usize::MAX);
    loop {
        // A live server sends a group at each interval, even an empty one.
        let within = connection.silence(globals.interval);
        let next = match connection.next(&mut stream, Some(within)).await {
            Ok(None) => match connection.ended().await {
                Err(failure) => Err(failure),
                Ok(()) => {
                    return until.map_or(Ok(()), |query| {
                        Err(Failure::Findings(format!(
                            "`{}` does not come about in {}",
                            query.text(),
                            connection.target
                        )))
                    });
                }
            },
            Ok(Some(frame)) => Ok(frame),
            Err(failure) => Err(failure),
        };
        let frame = super::restarted(globals, &connection, next).await?;
        let whole = model.apply(frame);
        if model.is_too_large() {
            return Err(Failure::Runtime(format!(
                "the table of {} is larger than this command takes; ask for less of it with --where",
                connection.target
            )));
        }
        if !whole {
            continue;
        }
        let rows: Vec<Arc<Descriptor>> = model.rows.values().cloned().collect();
        // Once it is said whose a row is, it is said of all.
        several |= are_of_several(&rows);
        let context = Context {
            now_ns: model.captured_at_ns,
            anchor,
            ascii: style.ascii,
            several,
        };
        let mut entries = (table.entries)(rows);
        // Evaluated here as well: an older server sends all rows, and time goes on for those that
        // do not change.
        if let Some(query) = &globals.filter {
            entries.retain(|entry| query.admits(entry, context.now_ns));
        }
        let met = until.is_some_and(|query| {
            entries
                .iter()
                .any(|entry| query.admits(entry, context.now_ns))
        });
        let mut changes = seen.changes(entries);
        changes.truncate(left);
        left -= changes.len();
        let mut out = BufWriter::new(io::stdout().lock());
        if style.format != Format::Jsonl && laid_out.is_none() {
            let new = sheet(table.columns, &changes, &style, &context);
            new.titles(&style, &mut out, front_titles())?;
            laid_out = Some(new);
        }
        for change in &changes {
            match &laid_out {
                Some(sheet) => {
                    let front = change.front(&context);
                    sheet.row(&style, &mut out, front, &change.entry, &context)?;
                }
                None => change.write_json(&mut out, &context)?,
            }
        }
        out.flush()?;
        if met || left == 0 {
            return Ok(());
        }
    }
}

/// What has become of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Mod,
    Del,
}

impl Op {
    fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Mod => "mod",
            Self::Del => "del",
        }
    }
}

struct Change {
    op: Op,
    entry: Entry,
}

/// The rows that were shown.
#[derive(Default)]
struct Seen(BTreeMap<(RowKey, Option<Direction>), Entry>);

impl Seen {
    /// What is different in `entries`.
    fn changes(&mut self, entries: Vec<Entry>) -> Vec<Change> {
        let now: BTreeMap<_, Entry> = entries
            .into_iter()
            .map(|entry| ((RowKey::of(&entry.row), entry.direction), entry))
            .collect();
        let before = std::mem::replace(&mut self.0, now);
        let gone = before
            .iter()
            .filter(|(key, _)| !self.0.contains_key(key))
            .map(|(_, entry)| Change {
                op: Op::Del,
                entry: entry.clone(),
            });
        let news = self.0.iter().filter_map(|(key, entry)| {
            let op = match before.get(key) {
                None => Op::Add,
                Some(old) if old != entry => Op::Mod,
                Some(_) => return None,
            };
            Some(Change {
                op,
                entry: entry.clone(),
            })
        });
        gone.chain(news).collect()
    }
}

/// A line of JSON.
#[derive(serde::Serialize)]
struct Line<'a> {
    op: &'static str,
    ts: Option<String>,
    captured_at_ns: u64,
    #[serde(flatten)]
    row: document::Row<'a>,
}

impl Change {
    fn write_json(&self, out: &mut dyn Write, context: &Context) -> Result<(), Failure> {
        let line = Line {
            op: self.op.name(),
            ts: context.anchor.rfc3339(context.now_ns),
            captured_at_ns: context.now_ns,
            row: document::row(&self.entry, context),
        };
        serde_json::to_writer(&mut *out, &line)?;
        Ok(out.write_all(b"\n")?)
    }
}

/// Room for the time and for what has become of the row, with the gaps behind them.
const FRONT: usize = 12 + 2 + 3 + 2;
/// A column of words is at least so wide: the rows to come are not known.
const USUAL: usize = 21;

/// The columns in which changes are printed, laid out by the first of them.
fn sheet(
    columns: &'static [Column<Entry>],
    changes: &[Change],
    style: &Style,
    context: &Context,
) -> Sheet<Entry> {
    let rows = || changes.iter().map(|change| &change.entry);
    let wide = style.format == Format::Wide;
    let wanted = columns
        .iter()
        .filter(|column| column.is_shown(wide))
        .map(|column| {
            let texts = rows().map(|row| text::width(&column.cell(row, context).text));
            let usual = if column.measure.is_some() { USUAL } else { 0 };
            let width = texts.max().unwrap_or(0).max(usual).max(column.least.into());
            Fit::new(column, width, rows())
        })
        .collect();
    let room = style.room.filter(|_| !wide);
    Sheet {
        fits: match room {
            Some(room) => fit(wanted, room.saturating_sub(FRONT)),
            None => wanted,
        },
        // Nothing is cut where there is no terminal.
        cuts: room.is_some(),
    }
}

fn front_titles() -> Vec<(String, Tone, Align, usize)> {
    [("TIME", 12), ("OP", 3)]
        .map(|(title, width)| (title.to_owned(), Tone::Title, Align::Left, width))
        .into()
}

impl Change {
    /// The time, and what has become of the row.
    fn front(&self, context: &Context) -> Vec<(String, Tone, Align, usize)> {
        let time = context.anchor.rfc3339(context.now_ns).unwrap_or_default();
        let time = time.get(11..23).unwrap_or_default().to_owned();
        let tone = match self.op {
            Op::Add => Tone::Good,
            Op::Mod => Tone::Plain,
            Op::Del => Tone::Dim,
        };
        vec![
            (time, Tone::Dim, Align::Left, 12),
            (self.op.name().to_owned(), tone, Align::Left, 3),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::table::DESCRIPTORS;

    #[test]
    fn rows_come_change_and_go() {
        let mut seen = Seen::default();
        let mut ops = |rows: Vec<Descriptor>| -> Vec<(Op, u32)> {
            let entries = (DESCRIPTORS.entries)(rows.into_iter().map(Arc::new).collect());
            let changes = seen.changes(entries);
            changes
                .iter()
                .map(|change| (change.op, change.entry.row.slot))
                .collect()
        };
        let row = |slot| fixture::row(slot, fixture::NOW_NS);
        assert_eq!(ops(vec![row(1), row(2)]), [(Op::Add, 1), (Op::Add, 2)]);
        assert_eq!(ops(vec![row(1), row(2)]), []);
        let mut changed = row(2);
        changed.closing = true;
        assert_eq!(
            ops(vec![changed.clone(), row(4)]),
            [(Op::Del, 1), (Op::Mod, 2), (Op::Add, 4)]
        );
        let mut again = changed;
        again.generation += 1;
        assert_eq!(ops(vec![again, row(4)]), [(Op::Del, 2), (Op::Add, 2)]);
    }
}

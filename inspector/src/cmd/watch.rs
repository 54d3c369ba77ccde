//! `netpoller watch`: a line for each row that comes, changes or goes, until something is so.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use netpoller_proto::v1::{Descriptor, WatchRequest};

use crate::args::{Format, Globals, Listing};
use crate::client;
use crate::clock::Anchor;
use crate::document;
use crate::failure::Failure;
use crate::model::{Model, RowKey};
use crate::out::Printer;
use crate::paint::Tone;
use crate::query::Query;
use crate::table::{
    Align, Context, DEADLINES, DESCRIPTORS, Entry, Side, WAITERS, deadlines, descriptors, waiters,
};
use crate::text;

pub(super) fn run(globals: &Globals, what: Listing, until: Option<&Query>) -> Result<(), Failure> {
    match globals.format {
        Format::Json | Format::Csv => {
            return Err(Failure::Usage(
                "changes have no end, so there is no whole document; use --format jsonl".into(),
            ));
        }
        Format::Table | Format::Wide | Format::Jsonl => {}
    }
    for (flag, given) in [
        ("--sort", globals.sort.is_some()),
        ("--columns", globals.columns.is_some()),
    ] {
        if given {
            return Err(Failure::Usage(format!(
                "{flag} means nothing to `watch`: changes come as they happen"
            )));
        }
    }
    if what == Listing::Pollers {
        return Err(Failure::Usage(
            "`watch` follows descriptors, waiters and deadlines; for pollers use `top`".into(),
        ));
    }
    super::block_on(async {
        let Some(query) = until else {
            return follow(globals, what, None).await.map(drop);
        };
        match tokio::time::timeout(globals.timeout, follow(globals, what, Some(query))).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Findings(format!(
                "`{}` has not come about within {}",
                query.text(),
                humantime::format_duration(globals.timeout)
            ))),
        }
    })
}

async fn follow(globals: &Globals, what: Listing, until: Option<&Query>) -> Result<(), Failure> {
    let connection = super::connection(globals).await?;
    let mut client = connection.client.clone();
    let filter = match (&globals.filter, what) {
        (Some(query), Listing::Descriptors) => Some(query.filter()),
        (Some(query), _) => query.filter_of_the_whole(),
        (None, _) => None,
    };
    let request = WatchRequest {
        poller: String::new(),
        interval_ns: u64::try_from(globals.interval.as_nanos()).unwrap_or(u64::MAX),
        stats: false,
        filter,
    };
    let mut stream = client::answer(&connection, "Watch", client.watch(request)).await?;
    let mut model = Model::default();
    let mut seen = Seen::default();
    let anchor = Anchor::of(&connection.server);
    let printer = Printer::new(globals);
    let mut left = globals.limit.unwrap_or(usize::MAX);
    loop {
        let frame = stream
            .message()
            .await
            .map_err(|status| client::refused(&connection, "Watch", &status))?
            .ok_or_else(|| Failure::Connect {
                target: connection.target.to_string(),
                reason: "the stream has ended".into(),
                advice: "has the process ended?".into(),
            })?;
        if !model.apply(frame) {
            continue;
        }
        let context = Context {
            now_ns: model.captured_at_ns,
            anchor,
            ascii: globals.ascii,
        };
        let rows: Vec<Arc<Descriptor>> = model.rows.values().cloned().collect();
        let mut entries = match what {
            Listing::Waiters => waiters(rows),
            Listing::Deadlines => deadlines(rows),
            Listing::Descriptors | Listing::Pollers => descriptors(rows),
        };
        // Evaluated here as well: an older server sends all rows, and time goes on for those that do not change.
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
        for change in &changes {
            change.print(&printer, &mut out, what, &context)?;
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
struct Seen(BTreeMap<(RowKey, Option<Side>), Entry>);

impl Seen {
    /// What is different in `entries`.
    fn changes(&mut self, entries: Vec<Entry>) -> Vec<Change> {
        let now: BTreeMap<_, Entry> = entries
            .into_iter()
            .map(|entry| ((RowKey::of(&entry.row), entry.side), entry))
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
struct Line<T> {
    op: &'static str,
    ts: Option<String>,
    captured_at_ns: u64,
    #[serde(flatten)]
    row: T,
}

impl Change {
    fn print(
        &self,
        printer: &Printer<'_>,
        out: &mut dyn Write,
        what: Listing,
        context: &Context,
    ) -> Result<(), Failure> {
        if printer.globals.format != Format::Jsonl {
            return Ok(printer.line(out, &self.cells(what, context))?);
        }
        let ts = context.anchor.rfc3339(context.now_ns);
        let (op, captured_at_ns) = (self.op.name(), context.now_ns);
        if what == Listing::Descriptors {
            let row = document::descriptor(&self.entry, context);
            serde_json::to_writer(
                &mut *out,
                &Line {
                    op,
                    ts,
                    captured_at_ns,
                    row,
                },
            )?;
        } else {
            let row = document::waiting(&self.entry, context);
            serde_json::to_writer(
                &mut *out,
                &Line {
                    op,
                    ts,
                    captured_at_ns,
                    row,
                },
            )?;
        }
        Ok(out.write_all(b"\n")?)
    }

    fn cells(&self, what: Listing, context: &Context) -> Vec<(String, Tone, Align, usize)> {
        let columns = match what {
            Listing::Waiters => &WAITERS[..],
            Listing::Deadlines => &DEADLINES[..],
            Listing::Descriptors | Listing::Pollers => &DESCRIPTORS[..],
        };
        let time = context.anchor.rfc3339(context.now_ns).unwrap_or_default();
        let time = time.get(11..23).unwrap_or_default().to_owned();
        let tone = match self.op {
            Op::Add => Tone::Good,
            Op::Mod => Tone::Plain,
            Op::Del => Tone::Dim,
        };
        let mut cells = vec![
            (time, Tone::Dim, Align::Left, 12),
            (self.op.name().to_owned(), tone, Align::Left, 3),
        ];
        for column in columns.iter().filter(|column| !column.wide) {
            let cell = (column.cell)(&self.entry, context);
            // The rows to come are not known, so a column is as wide as what usually stands in it.
            let width =
                usize::from(column.least).max(if column.measure.is_some() { 21 } else { 8 });
            let text = column.cut(&cell.text, width, context.ascii).into_owned();
            cells.push((text, cell.tone, column.align, width));
        }
        debug_assert!(
            cells
                .iter()
                .all(|(text, ..)| text::printable(text) == *text)
        );
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn rows_come_change_and_go() {
        let mut seen = Seen::default();
        let mut ops = |rows: Vec<Descriptor>| -> Vec<(Op, u32)> {
            let entries = descriptors(rows.into_iter().map(Arc::new));
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

//! Printing rows in the shape that `--format` asks for.

use std::io::{self, Write};

use clap::ValueEnum;
use netpoller_proto::filter::Field;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::clock::Anchor;
use crate::document::{Document, Target};
use crate::failure::Failure;
use crate::paint::{Palette, Tone};
use crate::source::Connection;
use crate::table::{self, Align, Column, Context, Fit, SortSpec};
use crate::text;

/// Shape of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns; those that do not fit a terminal are left out.
    Table,
    /// All columns, aligned.
    Wide,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma separated values.
    Csv,
}

/// How to print.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    pub(crate) format: Format,
    /// With escape sequences for colours, or none.
    pub(crate) color: Palette,
    /// ASCII only.
    pub(crate) ascii: bool,
    /// With a line of titles.
    pub(crate) header: bool,
    /// Columns of the terminal, if stdout is one.
    pub(crate) room: Option<usize>,
    /// The columns that were named; the usual ones if none were.
    pub(crate) columns: Option<Vec<String>>,
    /// What is usual in place of what the table says, for people.
    pub(crate) usual: Option<Vec<String>>,
    pub(crate) sort: Option<SortSpec>,
    /// Maximum number of rows.
    pub(crate) limit: Option<usize>,
}

/// Columns of the terminal.
pub(crate) fn room(terminal: bool) -> Option<usize> {
    let size = terminal.then(|| crossterm::terminal::size().ok()).flatten();
    size.map(|(columns, _)| usize::from(columns))
        .filter(|room| *room > 0)
}

/// A column is not made wider than that for the sake of one cell: what is longer sticks out.
const WIDEST: usize = 300;

/// One cell of a line: its text, what it means, and where in how much room it stands.
type Shown = (String, Tone, Align, usize);

/// Columns, and how wide each of them is.
pub(crate) struct Sheet<R: 'static> {
    pub(crate) fits: Vec<Fit<R>>,
    /// Words that are longer than their column are cut.
    pub(crate) cuts: bool,
}

impl<R> Sheet<R> {
    /// Writes the line of titles behind others, if one is wanted.
    pub(crate) fn titles(
        &self,
        style: &Style,
        out: &mut dyn Write,
        mut cells: Vec<Shown>,
    ) -> io::Result<()> {
        if !style.header {
            return Ok(());
        }
        cells.extend(self.fits.iter().map(|fit| {
            let column = fit.column;
            (
                column.title.to_owned(),
                Tone::Title,
                column.align,
                fit.width,
            )
        }));
        style.line(out, &cells)
    }

    /// Writes a row behind other cells.
    pub(crate) fn row(
        &self,
        style: &Style,
        out: &mut dyn Write,
        mut cells: Vec<Shown>,
        row: &R,
        context: &Context,
    ) -> io::Result<()> {
        cells.extend(self.fits.iter().map(|fit| {
            let cell = fit.column.cell(row, context);
            let text = match self.cuts && fit.column.measure.is_some() {
                true => fit
                    .column
                    .cut(&cell.text, fit.width, context.ascii)
                    .into_owned(),
                false => cell.text,
            };
            (text, cell.tone, fit.column.align, fit.width)
        }));
        style.line(out, &cells)
    }
}

/// The fields of one row that were asked for.
struct Picked<'a, R: 'static> {
    columns: &'a [&'static Column<R>],
    row: &'a R,
    context: &'a Context,
}

impl<R> Serialize for Picked<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for column in self.columns {
            let values = column.raw_values(self.row, self.context);
            for (name, value) in column.raw_names().into_iter().zip(values) {
                map.serialize_entry(name, &value)?;
            }
        }
        map.end()
    }
}

/// Items that are made one at a time: a long table is not to be in memory twice.
struct Each<'r, R, F>(&'r [R], F);

impl<'r, R, T: Serialize, F: Fn(&'r R) -> T> Serialize for Each<'r, R, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(&self.1))
    }
}

/// What heads a JSON document.
pub(crate) struct Head<'a> {
    pub(crate) schema: &'static str,
    pub(crate) target: Option<Target<'a>>,
    pub(crate) context: Context,
    pub(crate) captured_at: Option<String>,
}

impl Style {
    /// The head of an answer of a process.
    pub(crate) fn head<'a>(
        &self,
        connection: &'a Connection,
        schema: &'static str,
        now_ns: u64,
    ) -> Head<'a> {
        let anchor = Anchor::of(&connection.server);
        Head {
            schema,
            target: Some(Target::of(connection)),
            context: Context {
                now_ns,
                anchor,
                ascii: self.ascii,
                several: connection.server.pollers.len() > 1,
            },
            captured_at: anchor.rfc3339(now_ns),
        }
    }

    /// Sorts, limits and prints rows. Filtering comes before, because it knows what a row is.
    pub(crate) fn rows<'r, R, T: Serialize>(
        &self,
        out: &mut dyn Write,
        head: Head<'_>,
        columns: &'static [Column<R>],
        rows: &'r mut Vec<R>,
        item: impl Fn(&'r R) -> T,
    ) -> Result<(), Failure> {
        let context = head.context;
        let chosen = self.choose(columns)?;
        if let Some(by) = &self.sort {
            table::sort(columns, rows, by)?;
        }
        let all = rows.len();
        rows.truncate(self.limit.unwrap_or(all));
        let rows: &'r [R] = rows;
        // Whoever names columns wants the same ones in the document, flat and in that order.
        let flat = self.columns.is_some();
        let picked = |row| Picked {
            columns: &chosen,
            row,
            context: &context,
        };
        match self.format {
            Format::Table | Format::Wide => {
                // Who names the columns, or asks for all of them, wants them even if lines wrap.
                let squeeze = self.format == Format::Table && !flat;
                let mut chosen = chosen.clone();
                if squeeze {
                    chosen.retain(|it| it.shown != table::Shown::Filled || !it.is_empty(rows));
                }
                self.aligned(out, &chosen, rows, &context, squeeze)?;
            }
            Format::Csv => csv(out, self.header, &chosen, rows, &context)?,
            Format::Json if flat => {
                write_document(
                    out,
                    &self.whole(head, rows.len() == all, Each(rows, picked)),
                )?;
            }
            Format::Json => {
                write_document(out, &self.whole(head, rows.len() == all, Each(rows, item)))?;
            }
            Format::Jsonl if flat => {
                for row in rows {
                    serde_json::to_writer(&mut *out, &picked(row))?;
                    out.write_all(b"\n")?;
                }
            }
            Format::Jsonl => {
                for row in rows {
                    serde_json::to_writer(&mut *out, &item(row))?;
                    out.write_all(b"\n")?;
                }
            }
        }
        Ok(())
    }

    /// Prints one JSON document.
    pub(crate) fn document<T: Serialize>(
        &self,
        out: &mut dyn Write,
        head: Head<'_>,
        complete: bool,
        items: Vec<T>,
    ) -> Result<(), Failure> {
        write_document(out, &self.whole(head, complete, items))
    }

    /// One JSON document.
    pub(crate) fn whole<'h, T>(&self, head: Head<'h>, complete: bool, items: T) -> Document<'h, T> {
        Document {
            schema: head.schema,
            target: head.target,
            captured_at: head.captured_at,
            captured_at_ns: head.context.now_ns,
            complete,
            items,
        }
    }

    /// Whether a field for which this holds is shown, or sorted by.
    pub(crate) fn shows<R>(
        &self,
        columns: &'static [Column<R>],
        fields: fn(Field) -> bool,
    ) -> Result<bool, Failure> {
        let sorted = match &self.sort {
            Some(by) => table::find(columns, &by.column)?.field(),
            None => None,
        };
        let shown = self.choose(columns)?;
        let mut all = shown
            .iter()
            .filter_map(|column| column.field())
            .chain(sorted);
        Ok(all.any(fields))
    }

    fn choose<R>(&self, columns: &'static [Column<R>]) -> Result<Vec<&'static Column<R>>, Failure> {
        let usual = self.usual.as_ref();
        let usual = usual.filter(|_| self.format == Format::Table);
        if let Some(names) = self.columns.as_ref().or(usual) {
            return names
                .iter()
                .map(|name| table::find(columns, name.trim()))
                .collect();
        }
        let wide = matches!(self.format, Format::Wide | Format::Csv);
        let is_shown =
            |column: &&Column<R>| column.is_shown(wide) || column.shown == table::Shown::Filled;
        Ok(columns.iter().filter(is_shown).collect())
    }

    /// A record for each row.
    pub(crate) fn records<R>(
        &self,
        out: &mut dyn Write,
        columns: &'static [Column<R>],
        rows: &[R],
        context: &Context,
    ) -> Result<(), Failure> {
        csv(
            out,
            self.header,
            &columns.iter().collect::<Vec<_>>(),
            rows,
            context,
        )
    }

    /// A line for each row, under titles. On a terminal that is too narrow, columns are left out.
    pub(crate) fn sheet<R>(
        &self,
        out: &mut dyn Write,
        columns: &'static [Column<R>],
        rows: &[R],
        context: &Context,
    ) -> io::Result<()> {
        let columns: Vec<_> = columns.iter().collect();
        self.aligned(out, &columns, rows, context, true)
    }

    fn aligned<R>(
        &self,
        out: &mut dyn Write,
        columns: &[&'static Column<R>],
        rows: &[R],
        context: &Context,
        squeeze: bool,
    ) -> io::Result<()> {
        // Cells are made twice, because those of a long table would take more memory than its rows.
        let widest = |column: &Column<R>| {
            let title = if self.header { column.title.len() } else { 0 };
            rows.iter()
                .map(|row| text::width(&column.cell(row, context).text))
                .fold(title, usize::max)
        };
        let wanted: Vec<Fit<R>> = columns
            .iter()
            .map(|column| Fit::new(column, widest(column), rows))
            .collect();
        let sheet = Sheet {
            fits: match self.room {
                Some(room) if squeeze => table::fit(wanted, room),
                _ => wanted,
            },
            cuts: squeeze,
        };
        sheet.titles(self, out, Vec::new())?;
        rows.iter()
            .try_for_each(|row| sheet.row(self, out, Vec::new(), row, context))
    }

    /// Writes one line of aligned cells, without trailing blanks. What is wider than its column is
    /// not cut.
    pub(crate) fn line(&self, out: &mut dyn Write, cells: &[Shown]) -> io::Result<()> {
        let mut line = String::new();
        for (index, (content, tone, align, width)) in cells.iter().enumerate() {
            let last = index + 1 == cells.len();
            let padded = !last || *align == Align::Right;
            let blanks = " ".repeat(if padded {
                width.min(&WIDEST).saturating_sub(text::width(content))
            } else {
                0
            });
            let painted = tone.paint(content, self.color);
            match align {
                Align::Right => line.extend([blanks.as_str(), &painted]),
                Align::Left if last => line.push_str(&painted),
                Align::Left => line.extend([painted.as_str(), &blanks]),
            }
            if !last {
                line.push_str("  ");
            }
        }
        writeln!(out, "{line}")
    }
}

/// Writes a record for each row, under the names of the fields if they are wanted.
pub(crate) fn csv<R>(
    out: impl Write,
    with_names: bool,
    columns: &[&'static Column<R>],
    rows: &[R],
    context: &Context,
) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(out);
    if with_names {
        writer.write_record(columns.iter().flat_map(|column| column.raw_names()))?;
    }
    for row in rows {
        let values = columns
            .iter()
            .flat_map(|column| column.raw_values(row, context));
        writer.write_record(values.map(|value| value.to_string()))?;
    }
    Ok(writer.flush()?)
}

fn write_document<T: Serialize>(out: &mut dyn Write, document: &T) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    out.write_all(b"\n")?;
    Ok(())
}

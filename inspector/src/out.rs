//! Printing rows in the shape that `--format` asks for.

use std::io::{self, IsTerminal, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::clock::Anchor;
use crate::document::{Document, Target};
use crate::failure::Failure;
use crate::globals::{Format, Globals};
use crate::paint::Tone;
use crate::table::{self, Align, Column, Context, Fit};
use crate::text;

/// How to print.
pub(crate) struct Printer<'a> {
    pub(crate) globals: &'a Globals,
    /// With escape sequences.
    pub(crate) color: bool,
    /// Columns of the terminal, if stdout is one.
    pub(crate) room: Option<usize>,
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
        printer: &Printer<'_>,
        out: &mut dyn Write,
        mut cells: Vec<Shown>,
    ) -> io::Result<()> {
        if printer.globals.no_header {
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
        printer.line(out, &cells)
    }

    /// Writes a row behind other cells.
    pub(crate) fn row(
        &self,
        printer: &Printer<'_>,
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
        printer.line(out, &cells)
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

impl<'a> Printer<'a> {
    pub(crate) fn new(globals: &'a Globals) -> Self {
        let terminal = io::stdout().is_terminal();
        let room = terminal
            .then(|| crossterm::terminal::size().ok())
            .flatten()
            .map(|(columns, _)| usize::from(columns));
        Self {
            globals,
            color: globals.color.enabled(terminal),
            room: room.filter(|room| *room > 0),
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
        if let Some(by) = &self.globals.sort {
            table::sort(columns, rows, by)?;
        }
        let all = rows.len();
        rows.truncate(self.globals.limit.unwrap_or(all));
        let rows: &'r [R] = rows;
        // Whoever names columns wants these of the document too, flat and in his order.
        let flat = self.globals.columns.is_some();
        let picked = |row| Picked {
            columns: &chosen,
            row,
            context: &context,
        };
        match self.globals.format {
            Format::Table | Format::Wide => {
                // Who names the columns, or asks for all of them, wants them even if lines wrap.
                let squeeze = self.globals.format == Format::Table && !flat;
                self.aligned(out, &chosen, rows, &context, squeeze)?;
            }
            Format::Csv => self.csv(out, &chosen, rows, &context)?,
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

    fn choose<R>(&self, columns: &'static [Column<R>]) -> Result<Vec<&'static Column<R>>, Failure> {
        if let Some(names) = &self.globals.columns {
            return names
                .iter()
                .map(|name| table::find(columns, name.trim()))
                .collect();
        }
        let wide = matches!(self.globals.format, Format::Wide | Format::Csv);
        Ok(columns
            .iter()
            .filter(|column| wide || !column.wide)
            .collect())
    }

    /// A record for each row.
    pub(crate) fn records<R>(
        &self,
        out: &mut dyn Write,
        columns: &'static [Column<R>],
        rows: &[R],
        context: &Context,
    ) -> Result<(), Failure> {
        self.csv(out, &columns.iter().collect::<Vec<_>>(), rows, context)
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

    fn csv<R>(
        &self,
        out: &mut dyn Write,
        columns: &[&'static Column<R>],
        rows: &[R],
        context: &Context,
    ) -> Result<(), Failure> {
        let mut writer = csv::Writer::from_writer(out);
        if !self.globals.no_header {
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
            let title = match self.globals.no_header {
                true => 0,
                false => column.title.len(),
            };
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

fn write_document<T: Serialize>(out: &mut dyn Write, document: &T) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    out.write_all(b"\n")?;
    Ok(())
}

impl<'a> Head<'a> {
    /// The head of an answer of a process.
    pub(crate) fn of(
        connection: &'a crate::client::Connection,
        schema: &'static str,
        now_ns: u64,
        ascii: bool,
    ) -> Self {
        let anchor = Anchor::of(&connection.server);
        Self {
            schema,
            target: Some(Target::of(connection)),
            context: Context {
                now_ns,
                anchor,
                ascii,
                several: connection.server.pollers.len() > 1,
            },
            captured_at: anchor.rfc3339(now_ns),
        }
    }
}

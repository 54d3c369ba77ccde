//! Printing rows in the shape that `--format` asks for.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::args::{Format, Globals};
use crate::clock::Anchor;
use crate::document::{Document, Target};
use crate::failure::Failure;
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
            table::sort(columns, rows, by, &context)?;
        }
        let all = rows.len();
        rows.truncate(self.globals.limit.unwrap_or(all));
        let rows: &'r [R] = rows;
        match self.globals.format {
            Format::Table | Format::Wide => self.aligned(out, &chosen, rows, &context)?,
            Format::Csv => self.csv(out, &chosen, rows, &context)?,
            Format::Json => {
                let items = rows.iter().map(item).collect();
                self.document(out, head, rows.len() == all, items)?;
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
        let document = Document {
            schema: head.schema,
            target: head.target,
            captured_at: head.captured_at,
            captured_at_ns: head.context.now_ns,
            complete,
            items,
        };
        serde_json::to_writer_pretty(&mut *out, &document)?;
        out.write_all(b"\n")?;
        Ok(())
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

    fn csv<R>(
        &self,
        out: &mut dyn Write,
        columns: &[&'static Column<R>],
        rows: &[R],
        context: &Context,
    ) -> Result<(), Failure> {
        let mut writer = csv::Writer::from_writer(out);
        if !self.globals.no_header {
            writer.write_record(columns.iter().map(|column| column.name))?;
        }
        for row in rows {
            writer.write_record(columns.iter().map(
                |column| match (column.cell)(row, context).text {
                    dash if dash == "-" => String::new(),
                    text => text,
                },
            ))?;
        }
        Ok(writer.flush()?)
    }

    fn aligned<R>(
        &self,
        out: &mut dyn Write,
        columns: &[&'static Column<R>],
        rows: &[R],
        context: &Context,
    ) -> Result<(), Failure> {
        let cells: Vec<Vec<_>> = rows
            .iter()
            .map(|row| {
                columns
                    .iter()
                    .map(|column| (column.cell)(row, context))
                    .collect()
            })
            .collect();
        let widest = |index: usize, column: &Column<R>| {
            let title = if self.globals.no_header {
                0
            } else {
                column.title.len()
            };
            cells
                .iter()
                .map(|row: &Vec<table::Cell>| text::width(&row[index].text))
                .fold(title, usize::max)
        };
        let wanted: Vec<Fit<R>> = columns
            .iter()
            .enumerate()
            .map(|(index, column)| Fit {
                column,
                width: widest(index, column),
            })
            .collect();
        // Who names the columns, or asks for all of them, wants them even if lines wrap.
        let squeeze = self.globals.format == Format::Table && self.globals.columns.is_none();
        let fits = match self.room {
            Some(room) if squeeze => table::fit(wanted, room),
            _ => wanted,
        };
        if !self.globals.no_header {
            let titles: Vec<_> = fits
                .iter()
                .map(|fit| {
                    (
                        fit.column.title.to_owned(),
                        Tone::Title,
                        fit.column.align,
                        fit.width,
                    )
                })
                .collect();
            self.line(out, &titles)?;
        }
        for row in &cells {
            let line: Vec<_> = fits
                .iter()
                .filter_map(|fit| {
                    let index = columns
                        .iter()
                        .position(|column| std::ptr::eq(*column, fit.column))?;
                    Some((
                        row[index].text.clone(),
                        row[index].tone,
                        fit.column.align,
                        fit.width,
                    ))
                })
                .collect();
            self.line(out, &line)?;
        }
        Ok(())
    }

    /// Writes one line of aligned cells, without trailing blanks.
    pub(crate) fn line(
        &self,
        out: &mut dyn Write,
        cells: &[(String, Tone, Align, usize)],
    ) -> io::Result<()> {
        let mut line = String::new();
        for (index, (content, tone, align, width)) in cells.iter().enumerate() {
            let shown = text::cut(content, *width, self.globals.ascii);
            let last = index + 1 == cells.len();
            let padded = !last || *align == Align::Right;
            let blanks = " ".repeat(if padded {
                width.saturating_sub(text::width(&shown))
            } else {
                0
            });
            let painted = tone.paint(&shown, self.color);
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
            },
            captured_at: anchor.rfc3339(now_ns),
        }
    }
}

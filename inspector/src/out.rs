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

/// The title of a column of [`Printer::sheet`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Title {
    pub(crate) name: &'static str,
    pub(crate) align: Align,
    /// The column with the lowest number is left out first when room is short.
    pub(crate) keep: u8,
}

impl Title {
    /// Never left out.
    pub(crate) const ALWAYS: u8 = u8::MAX;

    /// Words at the left, which stay.
    pub(crate) const fn words(name: &'static str) -> Self {
        Self {
            name,
            align: Align::Left,
            keep: Self::ALWAYS,
        }
    }

    /// Numbers at the right.
    pub(crate) const fn number(name: &'static str, keep: u8) -> Self {
        Self {
            name,
            align: Align::Right,
            keep,
        }
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
            table::sort(columns, rows, by, &context)?;
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
            Format::Table | Format::Wide => self.aligned(out, &chosen, rows, &context)?,
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
    ) -> Result<(), Failure> {
        // Cells are made twice, because those of a long table would take more memory than its rows.
        let widest = |column: &Column<R>| {
            let title = if self.globals.no_header {
                0
            } else {
                column.title.len()
            };
            rows.iter()
                .map(|row| text::width(&(column.cell)(row, context).text))
                .fold(title, usize::max)
        };
        let wanted: Vec<Fit<R>> = columns
            .iter()
            .map(|column| Fit::new(*column, widest(column), rows))
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
        for row in rows {
            let line: Vec<_> = fits
                .iter()
                .map(|fit| {
                    let cell = (fit.column.cell)(row, context);
                    let shown = fit.column.cut(&cell.text, fit.width, self.globals.ascii);
                    (shown.into_owned(), cell.tone, fit.column.align, fit.width)
                })
                .collect();
            self.line(out, &line)?;
        }
        Ok(())
    }

    /// Writes lines under titles, each column as wide as what stands in it. On a terminal that is too narrow, columns are
    /// left out, the ones that are kept with the lowest number first; what is left is never cut.
    pub(crate) fn sheet(
        &self,
        out: &mut dyn Write,
        titles: &[Title],
        lines: &[Vec<(String, Tone)>],
    ) -> io::Result<()> {
        let widths: Vec<usize> = titles
            .iter()
            .enumerate()
            .map(|(index, title)| {
                let cells = lines.iter().filter_map(|line| line.get(index));
                let widest = cells.map(|(text, _)| text::width(text)).max().unwrap_or(0);
                widest.max(if self.globals.no_header {
                    0
                } else {
                    title.name.len()
                })
            })
            .collect();
        let mut kept: Vec<usize> = (0..titles.len()).collect();
        while let Some(room) = self.room
            && kept.len() > 1
            && kept.iter().map(|index| widths[*index] + 2).sum::<usize>() > room + 2
            && let Some(weakest) = (0..kept.len())
                .filter(|place| titles[kept[*place]].keep != Title::ALWAYS)
                .min_by_key(|place| titles[kept[*place]].keep)
        {
            kept.remove(weakest);
        }
        let shaped = |cell: &dyn Fn(usize) -> (String, Tone)| -> Vec<_> {
            kept.iter()
                .map(|index| {
                    let (text, tone) = cell(*index);
                    (text, tone, titles[*index].align, widths[*index])
                })
                .collect()
        };
        if !self.globals.no_header {
            let title = |index: usize| (titles[index].name.to_owned(), Tone::Title);
            self.line(out, &shaped(&title))?;
        }
        for line in lines {
            self.line(out, &shaped(&|index| line[index].clone()))?;
        }
        Ok(())
    }

    /// Writes one line of aligned cells, without trailing blanks. What is wider than its column is not cut.
    pub(crate) fn line(
        &self,
        out: &mut dyn Write,
        cells: &[(String, Tone, Align, usize)],
    ) -> io::Result<()> {
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

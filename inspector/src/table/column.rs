//! A column: its title, what stands in it, how it sorts, and how readily it gives way on a narrow terminal.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::sort::SortSpec;
use crate::clock::Anchor;
use crate::failure::Failure;
use crate::paint::Tone;
use crate::text;

/// What a cell needs to know besides its row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Context {
    /// The moment at which the rows were read, on the monotonic clock of the process.
    pub(crate) now_ns: u64,
    /// Ties that clock to the calendar.
    pub(crate) anchor: Anchor,
    /// ASCII only.
    pub(crate) ascii: bool,
    /// There are several pollers, so an id is written with the name of its own: `slot.generation` is unique in one only.
    pub(crate) several: bool,
}

/// One field of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

impl Cell {
    /// Ordinary text; a dash where there is none.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::toned(text, Tone::Plain)
    }

    /// Text with a meaning; a dash where there is none.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        let text = text.into();
        if text.is_empty() {
            return Self {
                text: "-".into(),
                tone: Tone::Dim,
            };
        }
        Self { text, tone }
    }
}

use netpoller_proto::filter::Field;
pub(crate) use netpoller_proto::filter::Key;

/// Side of the cell at which its text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

impl<R> Column<R> {
    /// The text in at most so many columns.
    pub(crate) fn cut<'a>(&self, content: &'a str, room: usize, ascii: bool) -> Cow<'a, str> {
        match self.cut {
            Cut::End => text::cut(content, room, ascii),
            Cut::Middle => text::cut_middle(content, room, ascii),
            Cut::Start(_) => text::cut_start(content, room, ascii),
        }
    }

    /// The names of what stands in it, for machines.
    pub(crate) fn raw_names(&self) -> Vec<&'static str> {
        match self.raw {
            [] => vec![self.name],
            raw => raw.iter().map(|raw| raw.name).collect(),
        }
    }

    /// What stands in it, for machines.
    pub(crate) fn raw_values(&self, row: &R, context: &Context) -> Vec<Value> {
        match self.raw {
            [] => vec![Value::text((self.cell)(row, context).text)],
            raw => raw.iter().map(|raw| (raw.value)(row, context)).collect(),
        }
    }
}

/// The part of a text that is left out where it does not fit.
#[derive(Debug)]
pub(crate) enum Cut<R: 'static> {
    /// The end of a sentence.
    End,
    /// The middle of a name, which others begin with or end in too.
    Middle,
    /// The beginning: the port of an address and the line of a file stand at the end. What is given is the length of the
    /// end that is never cut, of a path the file and the line.
    Start(Option<fn(&R) -> usize>),
}

/// A field of a row as machines read it: with its unit in the name, and without any presentation.
#[derive(Debug)]
pub(crate) struct Raw<R: 'static> {
    pub(crate) name: &'static str,
    pub(crate) value: fn(&R, &Context) -> Value,
}

/// A number, a text, a truth, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Nothing,
    Number(i128),
    Truth(bool),
    Text(String),
}

impl Value {
    /// A text; nothing where a table has a dash.
    pub(crate) fn text(text: String) -> Self {
        match text.as_str() {
            "" | "-" => Self::Nothing,
            _ => Self::Text(text),
        }
    }

    /// A number that may not be there.
    pub(crate) fn number(number: Option<impl Into<i128>>) -> Self {
        number.map_or(Self::Nothing, |number| Self::Number(number.into()))
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Number(number) => write!(f, "{number}"),
            Self::Truth(truth) => write!(f, "{truth}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_none(),
            Self::Number(number) => serializer.serialize_i128(*number),
            Self::Truth(truth) => serializer.serialize_bool(*truth),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// A column of rows of type `R`.
#[derive(Debug)]
pub(crate) struct Column<R: 'static> {
    /// Name in `--columns`, `--sort` and the header of CSV.
    pub(crate) name: &'static str,
    /// Title over the column.
    pub(crate) title: &'static str,
    /// Side at which the text stands.
    pub(crate) align: Align,
    /// The column with the lowest number is left out first when room is short.
    pub(crate) keep: u8,
    /// Shown only by `wide`, `csv` and `--columns`.
    pub(crate) wide: bool,
    /// The least room that it gets.
    pub(crate) least: u16,
    /// Length of its text where that is cheap to know, so that the terminal UI can make room for the longest of all
    /// rows. Such a column is of words that may be cut.
    pub(crate) measure: Option<fn(&R) -> usize>,
    /// What is left out of a text that does not fit.
    pub(crate) cut: Cut<R>,
    /// What stands in it for CSV and for JSON with `--columns`; nothing for the text of the cell under the column's name.
    pub(crate) raw: &'static [Raw<R>],
    /// What stands in it.
    pub(crate) cell: fn(&R, &Context) -> Cell,
    /// What it sorts by.
    pub(crate) key: fn(&R, &Context) -> Key,
}

/// The column of that name.
pub(crate) fn find<R>(
    columns: &'static [Column<R>],
    name: &str,
) -> Result<&'static Column<R>, Failure> {
    // What a filter calls by another name, a column can be called by too: `age` is `since`.
    let field = Field::named(name);
    let exact = columns
        .iter()
        .find(|column| column.name.eq_ignore_ascii_case(name));
    exact
        .or_else(|| {
            let mut columns = columns.iter();
            columns.find(|column| field.is_some() && Field::named(column.name) == field)
        })
        .or_else(|| {
            columns.iter().find(|column| {
                column.title.eq_ignore_ascii_case(name)
                    || column
                        .raw
                        .iter()
                        .any(|raw| raw.name.eq_ignore_ascii_case(name))
            })
        })
        .ok_or_else(|| {
            let known = columns.iter().map(|column| column.name);
            Failure::Usage(format!(
                "no column is called `{name}`; {}",
                text::suggestion(&name.to_lowercase(), known)
            ))
        })
}

/// Sorts rows by a column. Rows with equal keys keep their order; rows without one come last either way.
pub(crate) fn sort<R>(
    columns: &'static [Column<R>],
    rows: &mut [R],
    by: &SortSpec,
    context: &Context,
) -> Result<(), Failure> {
    let column = find(columns, &by.column)?;
    rows.sort_by_cached_key(|row| Directed {
        key: (column.key)(row, context),
        descending: by.descending,
    });
    Ok(())
}

#[derive(PartialEq, Eq)]
struct Directed {
    key: Key,
    descending: bool,
}

impl Ord for Directed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.compare(&other.key, self.descending)
    }
}

impl PartialOrd for Directed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NUMBERS: [Column<Option<i32>>; 1] = [Column {
        name: "number",
        title: "N",
        align: Align::Right,
        keep: 1,
        wide: false,
        least: 1,
        measure: None,
        cut: Cut::End,
        raw: &[],
        cell: |row, _| Cell::plain(row.map(|n| n.to_string()).unwrap_or_default()),
        key: |row, _| row.map_or(Key::Absent, |n| Key::Number(n.into())),
    }];

    fn sorted(descending: bool) -> Vec<Option<i32>> {
        let mut rows = [None, Some(10), Some(9), Some(-1)];
        let by = SortSpec {
            column: "number".into(),
            descending,
        };
        sort(&NUMBERS, &mut rows, &by, &Context::default()).expect("a known column");
        rows.to_vec()
    }

    #[test]
    fn numbers_sort_by_value_and_what_is_absent_comes_last_either_way() {
        assert_eq!(sorted(false), [Some(-1), Some(9), Some(10), None]);
        assert_eq!(sorted(true), [Some(10), Some(9), Some(-1), None]);
    }

    #[test]
    fn an_unknown_column_is_answered_with_a_near_one() {
        let failure = find(&NUMBERS, "numbre").expect_err("no such column");
        assert_eq!(failure.code(), 2);
        assert!(
            failure.to_string().contains("did you mean `number`?"),
            "{failure}"
        );
    }

    #[test]
    fn an_empty_cell_is_a_dash() {
        assert_eq!(Cell::plain("").text, "-");
    }
}

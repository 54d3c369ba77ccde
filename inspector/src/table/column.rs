//! A column: its title, what stands in it, how it sorts, and how readily it gives way on a narrow
//! terminal.
//!
//! Every table is made of these, whatever its rows are. What a column sorts by is also what stands
//! in it, unless it has a look of its own; and what stands in it is also what machines read, unless
//! it names fields of its own for them.

use std::borrow::Cow;

use netpoller_proto::filter::{Field, Key, Type};

use super::cell::{Cell, Context};
use super::look::Look;
use super::value::{Raw, Value};
use crate::failure::Failure;
use crate::paint::Tone;
use crate::text;

/// Side of the cell at which its text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// The part of a text that is left out where it does not fit.
#[derive(Debug)]
pub(crate) enum Cut<R: 'static> {
    /// The end of a sentence.
    End,
    /// The middle of a name, which others begin with or end in too.
    Middle,
    /// The beginning: the port of an address and the line of a file stand at the end. What is given
    /// is the length of the end that is never cut, of a path the file and the line.
    Start(Option<fn(&R) -> usize>),
}

/// What a column sorts by.
#[derive(Debug)]
enum By<R: 'static> {
    /// A field, by which servers sort and filter too, and how it is read from a row.
    Field(Field, fn(&R, Field) -> Key),
    /// Something that only this command knows.
    Own(fn(&R) -> Key),
}

/// Where a column is shown that is not asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Always,
    /// By `wide` and `csv`.
    Wide,
    /// By these, and in a table where it says something of a row.
    Filled,
    Never,
}

macro_rules! copied {
    ($($of:ident)+) => {$(
        impl<R> Clone for $of<R> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<R> Copy for $of<R> {}
    )+};
}

// Rows need not be.
copied! { Column Cut By Look }

/// A column of rows of type `R`.
#[derive(Debug)]
pub(crate) struct Column<R: 'static> {
    /// Name in `--columns`, `--sort` and the header of CSV.
    pub(crate) name: &'static str,
    /// Title over the column.
    pub(crate) title: &'static str,
    /// Side at which the text stands.
    pub(crate) align: Align,
    /// The column with the lowest number is left out first when room is short; [`Self::ALWAYS`]
    /// never.
    pub(crate) keep: u8,
    /// Where it is shown; by `--columns` anyway.
    pub(crate) shown: Shown,
    /// The least room that it gets.
    pub(crate) least: u16,
    /// Length of its text where that is cheap to know, so that the terminal UI can make room for
    /// the longest of all rows. Such a column is of words that may be cut.
    pub(crate) measure: Option<fn(&R) -> usize>,
    /// What is left out of a text that does not fit.
    pub(crate) cut: Cut<R>,
    /// Whoever sorts by it wants the largest first: what is old, or much.
    pub(crate) largest_first: bool,
    by: By<R>,
    look: Look<R>,
    raw: &'static [Raw<R>],
}

/// How a column is written down: what it is, and then what is not as usual about it.
impl<R> Column<R> {
    /// Never left out.
    pub(crate) const ALWAYS: u8 = u8::MAX;

    /// A column of words.
    pub(crate) const fn words(
        name: &'static str,
        title: &'static str,
        keep: u8,
        key: fn(&R) -> Key,
    ) -> Self {
        Self {
            name,
            title,
            align: Align::Left,
            keep,
            shown: Shown::Always,
            least: 8,
            measure: None,
            cut: Cut::End,
            largest_first: false,
            by: By::Own(key),
            look: Look::Toned(Tone::Plain),
            raw: &[],
        }
    }

    /// A column of numbers.
    pub(crate) const fn numbers(
        name: &'static str,
        title: &'static str,
        keep: u8,
        key: fn(&R) -> Key,
    ) -> Self {
        Self {
            align: Align::Right,
            least: 6,
            ..Self::words(name, title, keep, key)
        }
    }

    /// The column of a field, with the look of its kind.
    pub(crate) const fn of(field: Field, keep: u8, key: fn(&R, Field) -> Key) -> Self {
        let (align, least, look) = match field.kind() {
            Type::Number => (Align::Right, 6, Look::Toned(Tone::Plain)),
            Type::Duration if field.is_past() => (Align::Right, 6, Look::Ago),
            Type::Duration if field.is_future() => (Align::Right, 6, Look::Left),
            Type::Duration => (Align::Right, 6, Look::Span),
            Type::OneOf(_) if field.is_truth() => (Align::Left, 3, Look::Truth),
            Type::Text | Type::OneOf(_) => (Align::Left, 8, Look::Toned(Tone::Plain)),
        };
        Self {
            by: By::Field(field, key),
            align,
            least,
            look,
            ..Self::words(field.name(), field.title(), keep, |_| Key::Absent)
        }
    }

    pub(crate) const fn called(self, name: &'static str, title: &'static str) -> Self {
        Self {
            name,
            title,
            ..self
        }
    }

    pub(crate) const fn left(self) -> Self {
        Self {
            align: Align::Left,
            ..self
        }
    }

    pub(crate) const fn keep(self, keep: u8) -> Self {
        Self { keep, ..self }
    }

    pub(crate) const fn wide(self) -> Self {
        Self {
            shown: Shown::Wide,
            ..self
        }
    }

    pub(crate) const fn filled(self) -> Self {
        Self {
            shown: Shown::Filled,
            ..self
        }
    }

    /// Not shown unless it is asked for.
    pub(crate) const fn asked(self) -> Self {
        Self {
            shown: Shown::Never,
            ..self
        }
    }

    pub(crate) const fn least(self, least: u16) -> Self {
        Self { least, ..self }
    }

    /// Its texts may be cut, and are so long.
    pub(crate) const fn cut_to(self, cut: Cut<R>, measure: fn(&R) -> usize) -> Self {
        Self {
            cut,
            measure: Some(measure),
            ..self
        }
    }

    pub(crate) const fn largest_first(self) -> Self {
        Self {
            largest_first: true,
            ..self
        }
    }

    pub(crate) const fn toned(self, tone: Tone) -> Self {
        Self {
            look: Look::Toned(tone),
            ..self
        }
    }

    pub(crate) const fn count(self) -> Self {
        Self {
            look: Look::Count,
            ..self
        }
    }

    pub(crate) const fn grouped(self) -> Self {
        Self {
            look: Look::Grouped,
            ..self
        }
    }

    pub(crate) const fn truth(self) -> Self {
        Self {
            look: Look::Truth,
            ..self
        }
    }

    pub(crate) const fn sample(self, unit: fn(&R) -> &str) -> Self {
        Self {
            look: Look::Sample(unit),
            ..self
        }
    }

    pub(crate) const fn look(self, cell: fn(&R, &Context) -> Cell) -> Self {
        Self {
            look: Look::Own(cell),
            ..self
        }
    }

    /// What stands in it for CSV and for JSON with `--columns`.
    pub(crate) const fn raw(self, raw: &'static [Raw<R>]) -> Self {
        Self { raw, ..self }
    }
}

impl<R> Column<R> {
    /// The field that it shows, if servers know it too.
    pub(crate) const fn field(&self) -> Option<Field> {
        match self.by {
            By::Field(field, _) => Some(field),
            By::Own(_) => None,
        }
    }

    /// Whether it is shown without being asked for; `wide` is where room does not matter.
    pub(crate) fn is_shown(&self, wide: bool) -> bool {
        match self.shown {
            Shown::Always => true,
            Shown::Wide | Shown::Filled => wide,
            Shown::Never => false,
        }
    }

    /// Whether it says nothing of any row, as far as that is cheap to know.
    pub(crate) fn is_empty<'r>(&self, rows: impl IntoIterator<Item = &'r R>) -> bool
    where
        R: 'r,
    {
        let mut rows = rows.into_iter();
        self.measure
            .is_none_or(|measure| rows.all(|row| measure(row) == 0))
    }

    /// What it sorts by.
    pub(crate) fn key(&self, row: &R) -> Key {
        match self.by {
            By::Field(field, key) => key(row, field),
            By::Own(key) => key(row),
        }
    }

    /// What stands in it, for people.
    pub(crate) fn cell(&self, row: &R, context: &Context) -> Cell {
        self.look.cell(row, || self.key(row), context)
    }

    /// Cuts its text to `room` columns.
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
            [] => vec![self.field().and_then(Field::name_ns).unwrap_or(self.name)],
            raw => raw.iter().map(|raw| raw.name).collect(),
        }
    }

    /// What stands in it, for machines.
    pub(crate) fn raw_values(&self, row: &R, context: &Context) -> Vec<Value> {
        match self.raw {
            [] => vec![match (&self.look, self.key(row)) {
                (Look::Truth, Key::Number(number)) => Value::Truth(number != 0),
                (_, key) => key.into(),
            }],
            raw => raw.iter().map(|raw| (raw.value)(row, context)).collect(),
        }
    }
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
            columns.find(|column| field.is_some() && column.field() == field)
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

#[cfg(test)]
mod tests {
    use super::*;

    static NUMBERS: [Column<Option<i32>>; 1] = [Column::numbers("number", "N", 1, |row| {
        row.map_or(Key::Absent, |n| Key::Number(n.into()))
    })];

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
    fn what_it_sorts_by_is_what_is_read_unless_it_says_otherwise() {
        let texts = |row| {
            let [column] = &NUMBERS;
            let context = Context::default();
            let raw = column.raw_values(&row, &context);
            (column.cell(&row, &context).text, raw)
        };
        assert_eq!(texts(Some(-7)), ("-7".into(), vec![Value::Number(-7)]));
        assert_eq!(texts(None), ("-".into(), vec![Value::Nothing]));
    }
}

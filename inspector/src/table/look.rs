//! How a column looks to people, made of what it sorts by.

use netpoller_proto::filter::Key;

use super::cell::{Cell, Context};
use super::value::Value;
use crate::paint::Tone;
use crate::text;

/// The look of a column.
#[derive(Debug)]
pub(super) enum Look<R: 'static> {
    /// As it is, with this meaning.
    Toned(Tone),
    /// A count that stays short.
    Count,
    /// A count with all its digits.
    Grouped,
    /// Yes or no.
    Truth,
    /// How long ago it was.
    Ago,
    /// How long it is until then.
    Left,
    /// How long it takes.
    Span,
    /// A sample of a histogram in this unit.
    Sample(fn(&R) -> &str),
    /// Otherwise.
    Own(fn(&R, &Context) -> Cell),
}

impl<R> Look<R> {
    /// The cell of a row, whose `key` is what the column sorts by.
    pub(super) fn cell(&self, row: &R, key: impl FnOnce() -> Key, context: &Context) -> Cell {
        let size = |number: i128| u64::try_from(number).unwrap_or(0);
        match *self {
            Self::Own(cell) => cell(row, context),
            Self::Toned(tone) => Cell::toned(Value::from(key()).to_string(), tone),
            Self::Count | Self::Grouped => Cell::plain(match key() {
                Key::Absent => String::new(),
                Key::Text(text) => text,
                Key::Number(number) if matches!(self, Self::Count) => text::count(size(number)),
                Key::Number(number) if number < 0 => format!("-{}", text::grouped(size(-number))),
                Key::Number(number) => text::grouped(size(number)),
            }),
            Self::Truth => Cell::plain(match key() {
                Key::Number(0) => "no",
                Key::Number(_) => "yes",
                Key::Absent | Key::Text(_) => "",
            }),
            Self::Ago | Self::Left => Cell::plain(match key() {
                Key::Number(at) => {
                    let away = i128::from(context.now_ns) - at;
                    let sign = match self {
                        Self::Ago => "",
                        _ if away > 0 => "-",
                        _ => "+",
                    };
                    let away = text::duration(size(away.abs()));
                    context.written(format!("{sign}{away}"))
                }
                Key::Absent | Key::Text(_) => String::new(),
            }),
            Self::Span => Cell::plain(match key() {
                Key::Number(number) => context.written(text::duration(size(number))),
                Key::Absent | Key::Text(_) => String::new(),
            }),
            Self::Sample(unit) => Cell::exactly(
                match key() {
                    Key::Number(number) => context.written(text::sample(size(number), unit(row))),
                    Key::Absent | Key::Text(_) => "-".to_owned(),
                },
                Tone::Plain,
            ),
        }
    }
}

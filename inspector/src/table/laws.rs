//! Rows of `audit`: the laws of each poller.

use netpoller_proto::v1::Law;

use super::column::{Align, Cell, Column, Cut, Key, Raw, Value};
use crate::paint::Tone;
use crate::text;

/// One law of one poller.
#[derive(Debug, Clone)]
pub(crate) struct LawRow {
    /// Name of the poller.
    pub(crate) poller: String,
    /// The law.
    pub(crate) law: Law,
}

impl LawRow {
    fn delta(&self) -> i64 {
        self.law.lhs.saturating_sub(self.law.rhs)
    }
}

/// Whether a law holds, in a word. The sides of a law are read one after the other, so while the poller runs they may
/// differ by what has happened in between; that is no violation.
pub(crate) fn law_state(law: &Law) -> (&'static str, Tone) {
    if law.violated {
        ("VIOLATED", Tone::Bad)
    } else if law.lhs == law.rhs {
        ("ok", Tone::Good)
    } else {
        ("moving", Tone::Dim)
    }
}

type C = Column<LawRow>;

const POLLER: C = Column {
    name: "poller",
    title: "POLLER",
    align: Align::Left,
    keep: 200,
    wide: false,
    least: 8,
    measure: Some(|row| row.poller.len()),
    cut: Cut::Middle,
    raw: &[],
    cell: |row, _| Cell::plain(row.poller.as_str()),
    key: |row, _| Key::text(&row.poller),
};
const LAW: C = Column {
    name: "law",
    title: "LAW",
    align: Align::Left,
    keep: 255,
    wide: false,
    least: 11,
    measure: None,
    cut: Cut::End,
    raw: &[],
    cell: |row, _| Cell::toned(row.law.name.as_str(), Tone::Title),
    key: |row, _| Key::text(&row.law.name),
};
const LHS: C = Column {
    name: "lhs",
    title: "LEFT",
    align: Align::Right,
    keep: 240,
    wide: false,
    least: 6,
    measure: None,
    cut: Cut::End,
    raw: &[Raw {
        name: "lhs",
        value: |row, _| Value::Number(row.law.lhs.into()),
    }],
    cell: |row, _| Cell::plain(text::signed(row.law.lhs)),
    key: |row, _| Key::Number(row.law.lhs.into()),
};
const RHS: C = Column {
    name: "rhs",
    title: "RIGHT",
    cell: |row, _| Cell::plain(text::signed(row.law.rhs)),
    key: |row, _| Key::Number(row.law.rhs.into()),
    raw: &[Raw {
        name: "rhs",
        value: |row, _| Value::Number(row.law.rhs.into()),
    }],
    ..LHS
};
const DELTA: C = Column {
    name: "delta",
    title: "DELTA",
    cell: |row, _| Cell::plain(text::signed(row.delta())),
    key: |row, _| Key::Number(row.delta().into()),
    raw: &[Raw {
        name: "delta",
        value: |row, _| Value::Number(row.delta().into()),
    }],
    ..LHS
};
const STATE: C = Column {
    name: "state",
    title: "STATE",
    align: Align::Left,
    keep: 250,
    wide: false,
    least: 8,
    measure: None,
    cut: Cut::End,
    raw: &[Raw {
        name: "violated",
        value: |row, _| Value::Truth(row.law.violated),
    }],
    cell: |row, _| {
        let (state, tone) = law_state(&row.law);
        Cell::toned(state, tone)
    },
    key: |row, _| Key::Number(row.law.violated.into()),
};
const STATEMENT: C = Column {
    name: "statement",
    title: "STATEMENT",
    align: Align::Left,
    keep: 100,
    wide: false,
    least: 20,
    measure: Some(|row| row.law.statement.len()),
    cut: Cut::End,
    raw: &[],
    cell: |row, _| Cell::toned(row.law.statement.as_str(), Tone::Dim),
    key: |row, _| Key::text(&row.law.statement),
};

/// Columns of `audit`.
pub(crate) static LAWS: [C; 7] = [POLLER, LAW, LHS, RHS, DELTA, STATE, STATEMENT];

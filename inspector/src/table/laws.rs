//! Rows of `audit`: the laws of each poller.

use netpoller_proto::v1::Law;

use super::column::{Align, Cell, Column, Key};
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

type C = Column<LawRow>;

const POLLER: C = Column {
    name: "poller",
    title: "POLLER",
    align: Align::Left,
    keep: 200,
    wide: false,
    least: 8,
    measure: Some(|row| row.poller.len()),
    tail: false,
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
    tail: false,
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
    tail: false,
    cell: |row, _| Cell::plain(text::signed(row.law.lhs)),
    key: |row, _| Key::Number(row.law.lhs.into()),
};
const RHS: C = Column {
    name: "rhs",
    title: "RIGHT",
    cell: |row, _| Cell::plain(text::signed(row.law.rhs)),
    key: |row, _| Key::Number(row.law.rhs.into()),
    ..LHS
};
const DELTA: C = Column {
    name: "delta",
    title: "DELTA",
    cell: |row, _| Cell::plain(text::signed(row.delta())),
    key: |row, _| Key::Number(row.delta().into()),
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
    tail: false,
    cell: |row, _| {
        if row.law.violated {
            Cell::toned("VIOLATED", Tone::Bad)
        } else {
            Cell::toned("ok", Tone::Good)
        }
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
    tail: false,
    cell: |row, _| Cell::toned(row.law.statement.as_str(), Tone::Dim),
    key: |row, _| Key::text(&row.law.statement),
};

/// Columns of `audit`.
pub(crate) static LAWS: [C; 7] = [POLLER, LAW, LHS, RHS, DELTA, STATE, STATEMENT];

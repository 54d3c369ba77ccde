//! Rows of `audit`, and of the laws in `stats`: the laws of each poller.

use netpoller_proto::filter::Key;
use netpoller_proto::v1::Law;

use super::cell::Cell;
use super::column::{Column, Cut};
use super::value::{Raw, Value};
use crate::paint::Tone;

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

/// Whether a law holds, in a word. The sides of a law are read one after the other, so while the
/// poller runs they may differ by what has happened in between; that is no violation.
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

const POLLER: C = C::words("poller", "POLLER", 200, |row| Key::text(&row.poller))
    .cut_to(Cut::Middle, |row| row.poller.len());
const LAW: C = C::words("law", "LAW", C::ALWAYS, |row| Key::text(&row.law.name))
    .least(11)
    .toned(Tone::Title);
const LHS: C = C::numbers("lhs", "LEFT", 240, |row| Key::Number(row.law.lhs.into())).grouped();
const RHS: C = C::numbers("rhs", "RIGHT", 240, |row| Key::Number(row.law.rhs.into())).grouped();
const DELTA: C = C::numbers("delta", "DELTA", 240, |row| Key::Number(row.delta().into())).grouped();
const STATE: C = C::words("state", "STATE", 250, |row| {
    Key::Number(row.law.violated.into())
})
.look(|row, _| {
    let (state, tone) = law_state(&row.law);
    Cell::toned(state, tone)
})
.raw(&[Raw {
    name: "violated",
    value: |row, _| Value::Truth(row.law.violated),
}]);
const STATEMENT: C = C::words("statement", "STATEMENT", 100, |row| {
    Key::text(&row.law.statement)
})
.least(20)
.toned(Tone::Dim);

/// Columns of `audit`.
pub(crate) static LAWS: [C; 7] = [
    POLLER,
    LAW,
    LHS,
    RHS,
    DELTA,
    STATE,
    STATEMENT.cut_to(Cut::End, |row| row.law.statement.len()),
];

/// Columns of the laws in the terminal UI, of all pollers one below the other.
pub(crate) static LAWS_OF_ALL: [C; 5] = [
    LAW.least(20)
        .cut_to(Cut::Middle, |row| row.law.name.len())
        .look(|row, context| {
            Cell::plain(match context.several {
                true => format!("{}/{}", row.poller, row.law.name),
                false => row.law.name.clone(),
            })
        }),
    LHS,
    RHS,
    STATE,
    STATEMENT.cut_to(Cut::End, |row| row.law.statement.len()),
];

/// Columns of the laws in `stats`, under the name of their poller.
pub(crate) static LAWS_OF_ONE: [C; 5] = [
    LAW.toned(Tone::Plain),
    LHS.keep(C::ALWAYS),
    RHS.keep(C::ALWAYS),
    STATE.keep(C::ALWAYS),
    STATEMENT,
];

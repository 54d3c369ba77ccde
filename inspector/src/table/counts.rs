//! Rows of the transitions and counters in `stats`, and of those in the terminal UI.

use netpoller_proto::filter::Key;
use netpoller_proto::v1::TaskState;

use super::cell::Cell;
use super::column::{Column, Cut};
use crate::text;

/// A counter, and how often it counts if that is known.
#[derive(Debug, Clone)]
pub(crate) struct CounterRow {
    pub(crate) name: String,
    pub(crate) total: u64,
    pub(crate) per_second: Option<f64>,
}

/// A transition in both directions.
#[derive(Debug, Clone)]
pub(crate) struct TransitionRow {
    pub(crate) name: &'static str,
    pub(crate) read: u64,
    pub(crate) read_per_second: Option<f64>,
    pub(crate) write: u64,
    pub(crate) write_per_second: Option<f64>,
}

fn rate(rate: Option<f64>) -> Cell {
    Cell::plain(rate.map(text::rate).unwrap_or_default())
}

type C = Column<CounterRow>;

const COUNTER: C = C::words("counter", "COUNTER", C::ALWAYS, |it| Key::text(&it.name))
    .cut_to(Cut::Middle, |it| it.name.len());
const TOTAL: C = C::numbers("total", "TOTAL", C::ALWAYS, |it| {
    Key::Number(it.total.into())
});
const RATE: C =
    C::numbers("per_second", "/s", 1, |_| Key::Absent).look(|it, _| rate(it.per_second));

/// Columns of the counters in `stats`.
pub(crate) static COUNTERS: [C; 2] = [COUNTER, TOTAL.grouped()];

/// Columns of the counters in the terminal UI.
pub(crate) static COUNTER_RATES: [C; 3] = [COUNTER, TOTAL.count(), RATE];

type S = Column<TaskState>;

/// Columns of what the tasks of a process do.
pub(crate) static TASKS: [S; 2] = [
    S::words("state", "TASKS", S::ALWAYS, |it| Key::text(&it.state))
        .cut_to(Cut::Middle, |it| it.state.len()),
    S::numbers("count", "TOTAL", S::ALWAYS, |it| {
        Key::Number(it.count.into())
    })
    .grouped(),
];

type T = Column<TransitionRow>;

const TRANSITION: T = T::words("transition", "TRANSITION", T::ALWAYS, |it| {
    Key::text(it.name)
});
const READ: T = T::numbers("read", "READ", T::ALWAYS, |it| Key::Number(it.read.into()));
const WRITE: T = T::numbers("write", "WRITE", T::ALWAYS, |it| {
    Key::Number(it.write.into())
});
const READ_RATE: T =
    T::numbers("read_per_second", "/s", 1, |_| Key::Absent).look(|it, _| rate(it.read_per_second));
const WRITE_RATE: T = T::numbers("write_per_second", "/s", 1, |_| Key::Absent)
    .look(|it, _| rate(it.write_per_second));

/// Columns of the transitions in `stats`.
pub(crate) static TRANSITIONS: [T; 3] = [TRANSITION, READ.grouped(), WRITE.grouped()];

/// Columns of the transitions in the terminal UI.
pub(crate) static TRANSITION_RATES: [T; 5] = [
    TRANSITION,
    READ.count(),
    READ_RATE,
    WRITE.count(),
    WRITE_RATE,
];

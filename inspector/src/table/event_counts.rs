//! Rows of `events --count-by`.

use netpoller_proto::filter::Key;

use super::cell::Cell;
use super::column::{Column, Cut};
use super::value::{Raw, Value};
use crate::text;

/// Events that have in common what they were counted by; the rest is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct EventGroup {
    pub(crate) kind: String,
    pub(crate) direction: String,
    pub(crate) poller: String,
    pub(crate) id: String,
    pub(crate) thread: String,
    pub(crate) location: String,
    pub(crate) task: String,
}

/// How many there were.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct EventCount {
    pub(crate) group: EventGroup,
    pub(crate) count: u64,
    /// Of so many in all.
    pub(crate) all: u64,
}

type C = Column<EventCount>;

fn share(row: &EventCount) -> u64 {
    row.count.saturating_mul(1_000) / row.all.max(1)
}

/// All that they can be counted by, behind how many there were.
pub(crate) static EVENT_COUNTS: [C; 9] = [
    C::numbers("count", "COUNT", C::ALWAYS, |row| {
        Key::Number(row.count.into())
    })
    .largest_first()
    .grouped(),
    C::numbers("share", "SHARE", C::ALWAYS, |row| {
        Key::Number(share(row).into())
    })
    .largest_first()
    .look(|row, _| Cell::plain(format!("{}.{} %", share(row) / 10, share(row) % 10)))
    .raw(&[Raw {
        name: "share_permille",
        value: |row, _| Value::Number(share(row).into()),
    }]),
    C::words("kind", "KIND", C::ALWAYS, |row| Key::text(&row.group.kind)),
    C::words("dir", "DIR", C::ALWAYS, |row| {
        Key::text(&row.group.direction)
    })
    .least(5),
    C::words("poller", "POLLER", C::ALWAYS, |row| {
        Key::text(&row.group.poller)
    }),
    C::words("id", "ID", C::ALWAYS, |row| Key::text(&row.group.id)),
    C::words("thread", "THREAD", C::ALWAYS, |row| {
        Key::text(&row.group.thread)
    }),
    C::words("location", "LOCATION", C::ALWAYS, |row| {
        Key::text(&row.group.location)
    })
    .cut_to(
        Cut::Start(Some(|row| text::file_and_line(&row.group.location))),
        |row| text::tail_of_path(&row.group.location).len(),
    ),
    C::words("task", "TASK", C::ALWAYS, |row| Key::text(&row.group.task)),
];

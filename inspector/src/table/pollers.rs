//! Rows of `ls pollers`.

use netpoller_proto::v1::Poller;

use super::column::{Align, Cell, Column, Cut, Key, Raw, Value};
use crate::paint::Tone;
use crate::text;

type C = Column<Poller>;

const NAME: C = Column {
    name: "name",
    title: "NAME",
    align: Align::Left,
    keep: 255,
    wide: false,
    least: 8,
    measure: Some(|poller| poller.name.len()),
    cut: Cut::Middle,
    raw: &[],
    cell: |poller, _| Cell::toned(poller.name.as_str(), Tone::Title),
    key: |poller, _| Key::Text(poller.name.clone()),
};

const fn number(
    name: &'static str,
    title: &'static str,
    keep: u8,
    cell: fn(&Poller) -> u64,
) -> Number {
    Number {
        name,
        title,
        keep,
        value: cell,
    }
}

struct Number {
    name: &'static str,
    title: &'static str,
    keep: u8,
    value: fn(&Poller) -> u64,
}

macro_rules! numbers {
    ($($column:ident = $number:expr;)*) => {$(
        const $column: C = {
            const NUMBER: Number = $number;
            Column {
                name: NUMBER.name,
                title: NUMBER.title,
                align: Align::Right,
                keep: NUMBER.keep,
                wide: false,
                least: 6,
                measure: None,
                cut: Cut::End,
                raw: &[Raw {
                    name: NUMBER.name,
                    value: |poller, _| Value::Number((NUMBER.value)(poller).into()),
                }],
                cell: |poller, _| Cell::plain(text::count((NUMBER.value)(poller))),
                key: |poller, _| Key::Number((NUMBER.value)(poller).into()),
            }
        };
    )*};
}

numbers! {
    ID = number("id", "ID", 200, |poller| poller.id.into());
    EPOLL = number("epoll_fd", "EPOLL", 60, |poller| u64::try_from(poller.epoll_fd).unwrap_or(0));
    DESCRIPTORS = number("descriptors", "DESCRIPTORS", 180, |poller| poller.descriptors);
    WAITERS = number("waiters", "WAITERS", 170, |poller| u64::try_from(poller.waiters).unwrap_or(0));
    DEADLINES = number("deadlines", "DEADLINES", 160, |poller| poller.deadlines);
    SLOTS = number("slots", "SLOTS", 80, |poller| poller.slots);
}

const DRIVER: C = Column {
    name: "driver",
    title: "DRIVER",
    align: Align::Left,
    keep: 190,
    wide: false,
    least: 12,
    measure: Some(|poller| poller.driver.len()),
    cut: Cut::Middle,
    raw: &[],
    cell: |poller, _| Cell::plain(poller.driver.as_str()),
    key: |poller, _| Key::Text(poller.driver.clone()),
};
const BLOCKED: C = Column {
    name: "blocked",
    title: "BLOCKED",
    align: Align::Left,
    keep: 100,
    wide: false,
    least: 7,
    measure: None,
    cut: Cut::End,
    raw: &[Raw {
        name: "blocked",
        value: |poller, _| Value::Truth(poller.blocked),
    }],
    cell: |poller, _| Cell::plain(if poller.blocked { "yes" } else { "no" }),
    key: |poller, _| Key::Number(poller.blocked.into()),
};
const LAST_POLL: C = Column {
    name: "last_poll",
    title: "LAST POLL",
    align: Align::Right,
    keep: 90,
    wide: false,
    least: 9,
    measure: None,
    cut: Cut::End,
    raw: &[
        Raw {
            name: "last_poll_ns",
            value: |poller, _| Value::number(last_poll(poller)),
        },
        Raw {
            name: "last_poll_age_ns",
            value: |poller, context| {
                let age = |last| context.now_ns.saturating_sub(last);
                Value::number(last_poll(poller).map(age))
            },
        },
    ],
    cell: |poller, context| match poller.last_poll_ns {
        0 => Cell::plain(""),
        last => {
            let ago = text::duration(context.now_ns.saturating_sub(last));
            Cell::plain(if context.ascii { text::ascii(ago) } else { ago })
        }
    },
    key: |poller, _| Key::Number(poller.last_poll_ns.into()),
};
const CREATED: C = Column {
    name: "created",
    title: "CREATED",
    align: Align::Left,
    keep: 20,
    wide: true,
    least: 20,
    measure: None,
    cut: Cut::End,
    raw: &[
        Raw {
            name: "created_at",
            value: |poller, context| {
                let at = context.anchor.rfc3339(poller.created_at_ns);
                Value::text(at.unwrap_or_default())
            },
        },
        Raw {
            name: "created_at_ns",
            value: |poller, _| Value::Number(poller.created_at_ns.into()),
        },
    ],
    cell: |poller, context| {
        Cell::plain(
            context
                .anchor
                .rfc3339(poller.created_at_ns)
                .unwrap_or_default(),
        )
    },
    key: |poller, _| Key::Number(poller.created_at_ns.into()),
};

/// When it polled last, if it ever did.
fn last_poll(poller: &Poller) -> Option<u64> {
    Some(poller.last_poll_ns).filter(|last| *last != 0)
}

/// Columns of `ls pollers`.
pub(crate) static POLLERS: [C; 11] = [
    NAME,
    ID,
    DRIVER,
    DESCRIPTORS,
    WAITERS,
    DEADLINES,
    SLOTS,
    EPOLL,
    BLOCKED,
    LAST_POLL,
    CREATED,
];

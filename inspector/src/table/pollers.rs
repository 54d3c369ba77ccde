//! Rows of `ls pollers`.

use netpoller_proto::filter::Key;
use netpoller_proto::v1::Poller;

use super::cell::Cell;
use super::column::{Column, Cut};
use super::value::{Raw, Value};
use crate::paint::Tone;
use crate::text;

type C = Column<Poller>;

/// When it polled last, if it ever did.
fn last_poll(poller: &Poller) -> Option<u64> {
    Some(poller.last_poll_ns).filter(|last| *last != 0)
}

/// Columns of `ls pollers`.
pub(crate) static POLLERS: [C; 11] = [
    C::words("name", "NAME", C::ALWAYS, |it| Key::Text(it.name.clone()))
        .cut_to(Cut::Middle, |it| it.name.len())
        .toned(Tone::Title),
    C::numbers("id", "ID", 200, |it| Key::Number(it.id.into())).count(),
    C::words("driver", "DRIVER", 190, |it| Key::Text(it.driver.clone()))
        .least(12)
        .cut_to(Cut::Middle, |it| it.driver.len()),
    C::numbers("descriptors", "DESCRIPTORS", 180, |it| {
        Key::Number(it.descriptors.into())
    })
    .count(),
    C::numbers("waiters", "WAITERS", 170, |it| {
        Key::Number(it.waiters.max(0).into())
    })
    .count(),
    C::numbers("deadlines", "DEADLINES", 160, |it| {
        Key::Number(it.deadlines.into())
    })
    .count(),
    C::numbers("slots", "SLOTS", 80, |it| Key::Number(it.slots.into())).count(),
    C::numbers("epoll_fd", "EPOLL", 60, |it| {
        Key::Number(it.epoll_fd.max(0).into())
    })
    .count(),
    C::words("blocked", "BLOCKED", 100, |it| {
        Key::Number(it.blocked.into())
    })
    .least(7)
    .truth(),
    C::numbers("last_poll", "LAST POLL", 90, |it| {
        Key::Number(it.last_poll_ns.into())
    })
    .least(9)
    .look(|it, context| {
        let ago = |last| text::duration(context.now_ns.saturating_sub(last));
        Cell::plain(context.written(last_poll(it).map(ago).unwrap_or_default()))
    })
    .raw(&[
        Raw {
            name: "last_poll_ns",
            value: |it, _| Value::number(last_poll(it)),
        },
        Raw {
            name: "last_poll_age_ns",
            value: |it, context| {
                let age = |last| context.now_ns.saturating_sub(last);
                Value::number(last_poll(it).map(age))
            },
        },
    ]),
    C::words("created", "CREATED", 20, |it| {
        Key::Number(it.created_at_ns.into())
    })
    .wide()
    .least(20)
    .look(|it, context| {
        let at = context.anchor.rfc3339(it.created_at_ns);
        Cell::plain(at.unwrap_or_default())
    })
    .raw(&[
        Raw {
            name: "created_at",
            value: |it, context| {
                let at = context.anchor.rfc3339(it.created_at_ns);
                Value::text(at.unwrap_or_default())
            },
        },
        Raw {
            name: "created_at_ns",
            value: |it, _| Value::Number(it.created_at_ns.into()),
        },
    ]),
];

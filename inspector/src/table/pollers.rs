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

/// A number that is known of a poller; nobody counts for an epoll instance that is looked at from
/// outside.
pub(crate) fn counted(poller: &Poller, count: u64) -> Option<u64> {
    (poller.created_at_ns != 0 || count != 0).then_some(count)
}

fn waiters(poller: &Poller) -> Option<u64> {
    counted(poller, poller.waiters.max(0).unsigned_abs())
}

/// The same as what is sorted by.
fn key(count: Option<u64>) -> Key {
    count.map_or(Key::Absent, |it| Key::Number(it.into()))
}

/// How long the threads that poll it were runnable and did not run; `None` if nobody knows.
fn run_delay(poller: &Poller) -> Option<u64> {
    let delays = poller.polled_by.iter().map(|it| it.run_delay_ns);
    delays.flatten().reduce(u64::saturating_add)
}

/// Columns of `ls pollers`.
pub(crate) static POLLERS: [C; 13] = [
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
    C::numbers("waiters", "WAITERS", 170, |it| key(waiters(it))).count(),
    C::numbers("deadlines", "DEADLINES", 160, |it| {
        key(counted(it, it.deadlines))
    })
    .count(),
    C::numbers("slots", "SLOTS", 80, |it| key(counted(it, it.slots))).count(),
    C::numbers("epoll_fd", "EPOLL", 60, |it| {
        key(u64::try_from(it.epoll_fd).ok())
    })
    .count(),
    C::words("blocked", "BLOCKED", 100, |it| {
        key(counted(it, it.blocked.into()))
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
    C::words("polled_by", "POLLED BY", 50, |it| {
        let names: Vec<&str> = it.polled_by.iter().map(|it| it.name.as_str()).collect();
        Key::Text(names.join(","))
    })
    .wide()
    .least(9)
    .cut_to(Cut::Middle, |it| {
        let names = it.polled_by.iter().map(|it| it.name.len() + 1);
        names.sum::<usize>().saturating_sub(1)
    }),
    C::numbers("run_delay", "RUN DELAY", 40, |it| {
        run_delay(it).map_or(Key::Absent, |it| Key::Number(it.into()))
    })
    .wide()
    .least(9)
    .look(|it, context| {
        let delay = run_delay(it).map(text::duration);
        Cell::plain(context.written(delay.unwrap_or_default()))
    })
    .raw(&[Raw {
        name: "run_delay_ns",
        value: |it, _| Value::number(run_delay(it)),
    }]),
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

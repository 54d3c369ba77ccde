//! What is said of a poller, a descriptor and a wait. The client sorts by name, hence the digits.

use std::borrow::Cow;
use std::os::fd::RawFd;

use netpoller_core::internals::RawRow;
use netpoller_core::view::{Role, Row, Side, State, Stats, Transport};
use netpoller_core::{Counter, Direction, Histogram, Kind, Transition};

use super::entities::{Attribute, ResourceKind};
use super::wall::Anchor;

/// One that has been reached, or is none, is not armed.
pub(super) fn is_armed(deadline_ns: u64) -> bool {
    deadline_ns > 1
}

/// `overwritten` are the events that the flight recorder has overwritten before they were read
/// here.
pub(super) fn of_poller(stats: &Stats, overwritten: u64) -> Vec<Attribute> {
    let info = stats.info();
    let mut attributes = vec![
        Attribute::text("name", info.name.as_ref()),
        Attribute::number("waiters", u64::try_from(info.waiters).unwrap_or(0)),
        Attribute::number("descriptors", info.descriptors),
        Attribute::number("breaks", stats.counter(Counter::BreaksRequested)),
    ];
    if let Ok(fd) = u64::try_from(info.epoll_fd) {
        attributes.push(Attribute::number("epfd", fd));
    }
    if let Some(batch) = stats.histogram(Histogram::EventsPerPoll).quantile(0.99) {
        attributes.push(Attribute::number("batch.p99", batch).unit("events"));
    }
    if overwritten > 0 {
        attributes.push(Attribute::number("overwritten", overwritten));
    }
    attributes
}

/// Of the eventfd that wakes whoever polls. Breaks that were requested are either written or
/// coalesced into one that is pending; those that are not drained yet keep the epoll instance
/// readable.
pub(super) fn of_break(stats: &Stats, fd: RawFd) -> Vec<Attribute> {
    let mut attributes = vec![
        Attribute::number("requested", stats.counter(Counter::BreaksRequested)),
        Attribute::number("written", stats.counter(Counter::BreaksWritten)),
        Attribute::number("coalesced", stats.counter(Counter::BreaksCoalesced)),
        Attribute::number("drained", stats.counter(Counter::BreaksDrained)),
    ];
    if let Ok(fd) = u64::try_from(fd) {
        attributes.push(Attribute::number("0fd", fd));
    }
    attributes
}

pub(super) fn of_descriptor(row: &Row) -> Vec<Attribute> {
    let mut attributes = Vec::with_capacity(11);
    if let Ok(fd) = u64::try_from(row.fd) {
        attributes.push(Attribute::number("0fd", fd));
    }
    if row.kind == Kind::Timer {
        return attributes;
    }
    attributes.push(Attribute::text("1rd", row.read.state.name()));
    attributes.push(Attribute::text("2wr", row.write.state.name()));
    attributes.push(Attribute::number(
        "edges",
        edges(&row.read) + edges(&row.write),
    ));
    attributes.push(Attribute::text("fdseq", row.id().to_string()));
    attributes.push(Attribute::number("rseq", last_wait(&row.read)));
    attributes.push(Attribute::number("wseq", last_wait(&row.write)));
    for (name, address) in [("local", &row.local), ("peer", &row.peer)] {
        if !address.is_empty() {
            attributes.push(Attribute::address(name, address));
        }
    }
    if !row.label.is_empty() {
        attributes.push(Attribute::text("label", row.label.clone()));
    }
    if row.closing {
        attributes.push(Attribute::text("closing", "true"));
    }
    attributes
}

/// Number of the last wait that found nothing ready: while it stays the same, and the state is
/// `parked`, it is the same wait.
fn last_wait(side: &Side) -> u64 {
    side.transitions[Transition::Arm.index()]
}

/// The edges that reached the word.
fn edges(side: &Side) -> u64 {
    Transition::edges()
        .map(|transition| side.transitions[transition.index()])
        .sum()
}

/// Milliseconds that are left.
pub(super) fn of_deadline(
    deadline_ns: u64,
    direction: Option<Direction>,
    now_ns: u64,
) -> Vec<Attribute> {
    let left = deadline_ns.saturating_sub(now_ns).div_ceil(1_000_000);
    let mut attributes = vec![Attribute::number("deadline", left).unit("ms")];
    if let Some(direction) = direction {
        attributes.push(Attribute::text("of", direction.name()));
    }
    attributes
}

pub(super) fn of_wait(side: &Side, anchor: Anchor) -> Vec<Attribute> {
    let mut attributes = vec![Attribute::text("state", side.state.name())];
    if side.since_ns != 0 {
        attributes.push(Attribute::text("since", anchor.time_of_day(side.since_ns)));
    }
    if let Some(wake) = side.last_wake {
        attributes.push(Attribute::text("cause", wake.cause.name()));
    }
    if let Some(waiter) = &side.waiter {
        attributes.extend(waiter.location.map(|at| Attribute::place("at", at)));
        attributes.extend(
            waiter
                .nearest
                .map(|it| Attribute::place(it.kind.name(), it.location)),
        );
    }
    attributes
}

pub(super) fn kind(row: &RawRow) -> (ResourceKind, Cow<'static, str>) {
    let kind = match row.kind.transport() {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        Transport::Unix => "uds",
        Transport::Pipe => "pipe",
        Transport::Unknown => "other",
        Transport::Timer => return (ResourceKind::Timer, row.kind.type_name().into()),
    };
    let concrete_type = format!("PollDesc<{}>", row.kind.type_name());
    (ResourceKind::Other(kind), concrete_type.into())
}

/// What is waited for in `direction`, and how many waits of it have parked. A writer waits for the
/// connection first, and then for room: two things.
pub(super) fn waits(row: &RawRow, direction: Direction) -> (&'static str, u64) {
    let parks = row.sides[direction.index()].transitions[Transition::Park.index()];
    match (row.kind.role(), direction) {
        (Role::Listener, Direction::Read) => ("accept", parks),
        (Role::Sleep, _) => ("sleep", parks),
        (_, Direction::Read) => ("wait_read", parks),
        (_, Direction::Write) if parks <= row.connect_parks => ("connect", parks),
        (_, Direction::Write) => ("wait_write", parks - row.connect_parks),
    }
}

pub(super) fn is_waiting(state: State) -> bool {
    matches!(state, State::Wait | State::Parked)
}

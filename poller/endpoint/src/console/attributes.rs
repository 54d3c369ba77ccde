//! What is said of a poller, a descriptor and a wait. The client sorts by name, hence the digits.

use std::borrow::Cow;

use netpoller_core::view::{Role, Transport};
use netpoller_core::{Direction, Kind};

use super::entities::{Attribute, ResourceKind};
use super::process::{Breaks, PollerNow, Reading, Side, SideWords, Words};
use super::wall::Anchor;

/// One that has been reached, or is none, is not armed.
pub(super) fn is_armed(deadline_ns: u64) -> bool {
    deadline_ns > 1
}

/// `overwritten` are the events that the flight recorder has overwritten before they were read
/// here.
pub(super) fn of_poller(now: &PollerNow, overwritten: u64) -> Vec<Attribute> {
    let mut attributes = vec![
        Attribute::text("name", now.name.clone()),
        Attribute::number("waiters", now.waiters),
        Attribute::number("descriptors", now.descriptors),
    ];
    attributes.extend(
        now.breaks
            .map(|breaks| Attribute::number("breaks", breaks.requested)),
    );
    attributes.extend(now.epoll_fd.map(|fd| Attribute::number("epfd", fd)));
    if let Some(batch) = now.batch_p99 {
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
pub(super) fn of_break(breaks: &Breaks) -> Vec<Attribute> {
    let mut attributes = vec![
        Attribute::number("requested", breaks.requested),
        Attribute::number("written", breaks.written),
        Attribute::number("coalesced", breaks.coalesced),
        Attribute::number("drained", breaks.drained),
    ];
    attributes.extend(breaks.fd.map(|fd| Attribute::number("0fd", fd)));
    attributes
}

pub(super) fn of_descriptor(row: &impl Reading, words: Words) -> Vec<Attribute> {
    let mut attributes = Vec::with_capacity(11);
    attributes.extend(words.fd.map(|fd| Attribute::number("0fd", fd)));
    if row.kind() == Kind::Timer {
        return attributes;
    }
    for (name, direction) in [("1rd", Direction::Read), ("2wr", Direction::Write)] {
        let state = row.side(direction).state;
        attributes.extend(state.map(|state| Attribute::text(name, state.name())));
    }
    let [read, write] = words.sides.each_ref().map(|side| side.counts);
    if let (Some(read), Some(write)) = (read, write) {
        attributes.push(Attribute::number(
            "edges",
            read.edges.saturating_add(write.edges),
        ));
    }
    attributes.push(Attribute::text("fdseq", row.id().to_string()));
    // Number of the last wait that found nothing ready: while it stays the same, and the state is
    // `parked`, it is the same wait.
    for (name, counts) in [("rseq", read), ("wseq", write)] {
        attributes.extend(counts.map(|counts| Attribute::number(name, counts.arms)));
    }
    for (name, address) in [("local", &words.local), ("peer", &words.peer)] {
        if !address.is_empty() {
            attributes.push(Attribute::address(name, address));
        }
    }
    if !words.label.is_empty() {
        attributes.push(Attribute::text("label", words.label));
    }
    if words.closing {
        attributes.push(Attribute::text("closing", "true"));
    }
    attributes
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

pub(super) fn of_wait(side: &Side, words: &SideWords, anchor: Anchor) -> Vec<Attribute> {
    let mut attributes = Vec::with_capacity(5);
    attributes.extend(
        side.state
            .map(|state| Attribute::text("state", state.name())),
    );
    if side.since_ns != 0 {
        attributes.push(Attribute::text("since", anchor.time_of_day(side.since_ns)));
    }
    attributes.extend(
        words
            .cause
            .map(|cause| Attribute::text("cause", cause.name())),
    );
    attributes.extend(words.at.clone().map(|at| Attribute::place("at", at)));
    let nearest = words.nearest.clone();
    attributes.extend(nearest.map(|(kind, at)| Attribute::place(kind.name(), at)));
    attributes
}

pub(super) fn kind(kind: Kind) -> (ResourceKind, Cow<'static, str>) {
    let name = match kind.transport() {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        Transport::Unix => "uds",
        Transport::Pipe => "pipe",
        Transport::Unknown => "other",
        Transport::Timer => return (ResourceKind::Timer, kind.type_name().into()),
    };
    let concrete_type = format!("PollDesc<{}>", kind.type_name());
    (ResourceKind::Other(name), concrete_type.into())
}

/// What is waited for in `direction`, and how many waits of it have parked. A writer waits for the
/// connection first, and then for room: two things.
pub(super) fn waits(row: &impl Reading, direction: Direction) -> (&'static str, u64) {
    let parks = row.side(direction).parks;
    let connect_parks = row.connect_parks();
    match (row.kind().role(), direction) {
        (Role::Listener, Direction::Read) => ("accept", parks),
        (Role::Sleep, _) => ("sleep", parks),
        (_, Direction::Read) => ("wait_read", parks),
        (_, Direction::Write) if connect_parks > 0 && parks <= connect_parks => ("connect", parks),
        (_, Direction::Write) => ("wait_write", parks.saturating_sub(connect_parks)),
    }
}

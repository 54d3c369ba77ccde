//! A row of the table of descriptors.

use netpoller_proto::v1;

use super::present;
use super::socket::{Socket, socket};
use super::transitions::Transitions;
use crate::table::{Context, Entry};

/// A row of `ls descriptors`.
#[derive(serde::Serialize)]
pub(crate) struct Descriptor<'a> {
    id: String,
    poller: &'a str,
    fd: Option<i32>,
    kind: &'static str,
    local: Option<&'a str>,
    peer: Option<&'a str>,
    label: Option<&'a str>,
    opened_at: Option<String>,
    opened_at_ns: u64,
    opened_location: Option<&'a str>,
    closing: bool,
    event_err: bool,
    last_events: u32,
    torn: bool,
    stale: bool,
    read: Option<Side<'a>>,
    write: Option<Side<'a>>,
    /// `null` for what is no socket, and where the kernel did not tell.
    socket: Option<Socket<'a>>,
}

/// One direction of a descriptor.
#[derive(serde::Serialize)]
pub(crate) struct Side<'a> {
    pub(super) state: &'static str,
    pub(super) since_ns: Option<u64>,
    pub(super) age_ns: Option<u64>,
    /// It was so at each look since then, and when it began is not known.
    pub(super) since_at_least: bool,
    waiter: Option<Waiter<'a>>,
    /// Who waits beside, of a process that is read from outside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) others: Vec<Waiter<'a>>,
    pub(super) deadline_ns: Option<u64>,
    pub(super) deadline_in_ns: Option<i64>,
    pub(super) deadline_expired: bool,
    transitions: Option<Transitions>,
    last_wake: Option<Wake<'a>>,
    /// Who waits for the descriptor's lock, in order of arrival.
    queued: Vec<Queued<'a>>,
}

/// Somebody behind another operation in the same direction.
#[derive(serde::Serialize)]
struct Queued<'a> {
    since_ns: u64,
    age_ns: u64,
    waiter: Waiter<'a>,
}

/// The last wake of a parked waiter, and whose share of it was how long.
#[derive(serde::Serialize)]
struct Wake<'a> {
    cause: &'static str,
    fetched_ns: u64,
    /// At most, unless it is exact; `null` where the endpoint does not tell.
    before_poll_ns: Option<u64>,
    before_poll_exact: bool,
    before_poll_idle: bool,
    before_poll_told_ns: Option<u64>,
    ran_instead: Option<Waiter<'a>>,
    poller_to_waker_ns: u64,
    wakers_ns: u64,
    /// `null` while the waiter has not run, as the next.
    waker_to_run_ns: Option<u64>,
    /// The sum of the three shares.
    total_ns: Option<u64>,
}

#[derive(serde::Serialize)]
pub(super) struct Waiter<'a> {
    pub(super) task: Option<&'a str>,
    task_id: Option<u64>,
    pub(super) thread: Option<&'a str>,
    pub(super) location: Option<&'a str>,
    pub(super) nearest: Option<Line<'a>>,
    /// In the words of its runtime.
    pub(super) reason: Option<&'a str>,
    /// Of a process that is read from outside, as all that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) future: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) task_state: Option<&'a str>,
    /// In a description alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stack: Vec<Call<'a>>,
    /// What the innermost of these holds, as far as it is the only one that it can be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    within: Vec<Call<'a>>,
}

/// A call on a stack, the innermost first.
#[derive(serde::Serialize)]
struct Call<'a> {
    function: &'a str,
    location: Option<&'a str>,
}

/// The nearest line of the program's own, where `location` is a library's.
#[derive(Clone, Copy, serde::Serialize)]
pub(crate) struct Line<'a> {
    location: &'a str,
    kind: &'static str,
}

pub(crate) fn line(line: Option<&v1::Line>) -> Option<Line<'_>> {
    line.map(|line| Line {
        location: &line.location,
        kind: line.kind().name(),
    })
}

pub(crate) fn descriptor<'a>(entry: &'a Entry, context: &Context) -> Descriptor<'a> {
    let row = &entry.row;
    Descriptor {
        id: row.id().to_string(),
        poller: &row.poller,
        fd: (row.fd >= 0).then_some(row.fd),
        kind: row.kind().name(),
        local: present(&row.local),
        peer: present(&row.peer),
        label: present(&row.label),
        opened_at: context.anchor.rfc3339(row.opened_at_ns),
        opened_at_ns: row.opened_at_ns,
        opened_location: present(&row.opened_location),
        closing: row.closing,
        event_err: row.event_err,
        last_events: row.last_events,
        torn: row.torn,
        stale: row.stale,
        read: row.read.as_ref().map(|it| side(it, context)),
        write: row.write.as_ref().map(|it| side(it, context)),
        socket: row.socket.as_ref().map(socket),
    }
}

pub(super) fn side<'a>(side: &'a v1::Direction, context: &Context) -> Side<'a> {
    let since = (side.since_ns != 0).then_some(side.since_ns);
    let deadline = (side.deadline_ns > 1).then_some(side.deadline_ns);
    Side {
        state: side.state().name(),
        since_ns: since,
        age_ns: since.map(|since| context.now_ns.saturating_sub(since)),
        since_at_least: side.since_at_least,
        waiter: side.is_waiting().then(|| waiter(side.waiter.as_ref())),
        others: side.others.iter().map(|it| waiter(Some(it))).collect(),
        deadline_ns: deadline,
        deadline_in_ns: deadline.map(|deadline| signed(deadline, context.now_ns)),
        deadline_expired: side.deadline_ns == 1,
        transitions: side.transitions.map(Transitions),
        last_wake: side.last_wake.as_ref().map(|wake| Wake {
            cause: wake.cause().name(),
            fetched_ns: wake.fetched_ns,
            before_poll_ns: wake.before_poll_ns,
            before_poll_exact: wake.before_poll_exact,
            before_poll_idle: wake.before_poll_idle,
            before_poll_told_ns: wake.before_poll_told_ns,
            ran_instead: wake.ran_instead.as_ref().map(|it| waiter(Some(it))),
            poller_to_waker_ns: wake.poller_to_waker_ns,
            wakers_ns: wake.wakers_ns,
            waker_to_run_ns: (!wake.pending).then_some(wake.waker_to_run_ns),
            total_ns: wake.total_ns(),
        }),
        queued: side.queued.iter().map(|it| queued(it, context)).collect(),
    }
}

fn queued<'a>(queued: &'a v1::Queued, context: &Context) -> Queued<'a> {
    Queued {
        since_ns: queued.since_ns,
        age_ns: context.now_ns.saturating_sub(queued.since_ns),
        waiter: waiter(queued.waiter.as_ref()),
    }
}

pub(super) fn waiter(waiter: Option<&v1::Waiter>) -> Waiter<'_> {
    Waiter {
        task: waiter.and_then(|it| present(&it.task)),
        task_id: waiter.map(|it| it.task_id).filter(|id| *id != 0),
        thread: waiter.and_then(|it| present(&it.thread)),
        location: waiter.and_then(|it| present(&it.location)),
        nearest: line(waiter.and_then(|it| it.nearest.as_ref())),
        reason: waiter.and_then(|it| present(&it.reason)),
        future: waiter.and_then(|it| present(&it.future)),
        task_state: waiter.and_then(|it| present(&it.task_state)),
        stack: waiter.map_or(Vec::new(), |it| it.stack.iter().map(call).collect()),
        within: waiter.map_or(Vec::new(), |it| it.within.iter().map(call).collect()),
    }
}

fn call(call: &v1::Call) -> Call<'_> {
    Call {
        function: &call.function,
        location: present(&call.location),
    }
}

fn signed(moment_ns: u64, now_ns: u64) -> i64 {
    i64::try_from(i128::from(moment_ns) - i128::from(now_ns)).unwrap_or(i64::MAX)
}

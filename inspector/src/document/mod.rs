//! The JSON documents: `{"schema", "target", "captured_at", "complete", "items"}`.
//!
//! Rows and statistics are here, `detail` has all about one descriptor, `event` an event of the
//! flight recorder.
//!
//! Names are stable, numbers are integers, and a field is always there: `null` where a table shows
//! a dash.

mod detail;
mod event;

use std::collections::BTreeMap;

use netpoller_proto::Direction;
use netpoller_proto::v1::{self, Poller, PollerStats};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::clock::Anchor;
use crate::quantile;
use crate::source::{Connection, Found};
use crate::table::{Context, Entry, descriptors_of};

pub(crate) use detail::detail;
pub(crate) use event::event;

/// One whole answer.
#[derive(serde::Serialize)]
pub(crate) struct Document<'a, T> {
    pub(crate) schema: &'a str,
    pub(crate) target: Option<Target<'a>>,
    pub(crate) captured_at: Option<String>,
    pub(crate) captured_at_ns: u64,
    /// False if rows were left out by `--limit`.
    pub(crate) complete: bool,
    pub(crate) items: T,
}

/// The process that answered.
#[derive(serde::Serialize)]
pub(crate) struct Target<'a> {
    address: String,
    pid: u32,
    executable: &'a str,
    start_ticks: u64,
    boot_id: &'a str,
    kernel: &'a str,
    version: &'a str,
    protocol: u32,
}

impl<'a> Target<'a> {
    pub(crate) fn of(connection: &'a Connection) -> Self {
        let server = &connection.server;
        Self {
            address: connection.target.to_string(),
            pid: server.pid,
            executable: &server.executable,
            start_ticks: server.start_ticks,
            boot_id: &server.boot_id,
            kernel: &server.kernel,
            version: &server.version,
            protocol: server.protocol,
        }
    }
}

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
    read: Option<Side<'a>>,
    write: Option<Side<'a>>,
}

/// One direction of a descriptor.
#[derive(serde::Serialize)]
pub(crate) struct Side<'a> {
    state: &'static str,
    since_ns: Option<u64>,
    age_ns: Option<u64>,
    waiter: Option<Waiter<'a>>,
    deadline_ns: Option<u64>,
    deadline_in_ns: Option<i64>,
    deadline_expired: bool,
    transitions: Transitions,
    last_wake: Option<Wake>,
}

/// The last wake of a parked waiter, and whose share of it was how long.
#[derive(serde::Serialize)]
struct Wake {
    cause: &'static str,
    fetched_ns: u64,
    poller_to_waker_ns: u64,
    /// `null` while the waiter has not run.
    waker_to_run_ns: Option<u64>,
}

#[derive(serde::Serialize)]
struct Waiter<'a> {
    task: Option<&'a str>,
    task_id: Option<u64>,
    thread: Option<&'a str>,
    location: Option<&'a str>,
}

/// Transitions by name, in the order of the design's table.
struct Transitions(v1::Transitions);

impl Serialize for Transitions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = self.0.named();
        let mut map = serializer.serialize_map(Some(named.len()))?;
        for (name, count) in named {
            map.serialize_entry(name, &count)?;
        }
        map.end()
    }
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
        read: row.read.as_ref().map(|it| side(it, context)),
        write: row.write.as_ref().map(|it| side(it, context)),
    }
}

fn side<'a>(side: &'a v1::Direction, context: &Context) -> Side<'a> {
    let since = (side.since_ns != 0).then_some(side.since_ns);
    let deadline = (side.deadline_ns > 1).then_some(side.deadline_ns);
    Side {
        state: side.state().name(),
        since_ns: since,
        age_ns: since.map(|since| context.now_ns.saturating_sub(since)),
        waiter: side.is_waiting().then(|| waiter(side.waiter.as_ref())),
        deadline_ns: deadline,
        deadline_in_ns: deadline.map(|deadline| signed(deadline, context.now_ns)),
        deadline_expired: side.deadline_ns == 1,
        transitions: Transitions(side.transitions.unwrap_or_default()),
        last_wake: side.last_wake.map(|wake| Wake {
            cause: wake.cause().name(),
            fetched_ns: wake.fetched_ns,
            poller_to_waker_ns: wake.poller_to_waker_ns,
            waker_to_run_ns: (!wake.pending).then_some(wake.waker_to_run_ns),
        }),
    }
}

fn waiter(waiter: Option<&v1::Waiter>) -> Waiter<'_> {
    Waiter {
        task: waiter.and_then(|it| present(&it.task)),
        task_id: waiter.map(|it| it.task_id).filter(|id| *id != 0),
        thread: waiter.and_then(|it| present(&it.thread)),
        location: waiter.and_then(|it| present(&it.location)),
    }
}

/// A row of a table of descriptors, or of their directions.
#[derive(serde::Serialize)]
#[serde(untagged)]
// It is made for one row at a time, and gone when that is written.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Row<'a> {
    Whole(Descriptor<'a>),
    Side(Waiting<'a>),
}

pub(crate) fn row<'a>(entry: &'a Entry, context: &Context) -> Row<'a> {
    match entry.direction {
        None => Row::Whole(descriptor(entry, context)),
        Some(direction) => Row::Side(waiting(entry, direction, context)),
    }
}

/// A row of `ls waiters` and of `ls deadlines`.
#[derive(serde::Serialize)]
pub(crate) struct Waiting<'a> {
    id: String,
    poller: &'a str,
    fd: Option<i32>,
    kind: &'static str,
    dir: &'static str,
    state: &'static str,
    task: Option<&'a str>,
    thread: Option<&'a str>,
    location: Option<&'a str>,
    since_ns: Option<u64>,
    age_ns: Option<u64>,
    deadline_ns: Option<u64>,
    deadline_in_ns: Option<i64>,
    deadline_expired: bool,
    local: Option<&'a str>,
    peer: Option<&'a str>,
    label: Option<&'a str>,
}

fn waiting<'a>(entry: &'a Entry, direction: Direction, context: &Context) -> Waiting<'a> {
    let row = &entry.row;
    let inner = row.side(direction).map(|it| side(it, context));
    let person = waiter(row.side(direction).and_then(|it| it.waiter.as_ref()));
    Waiting {
        id: row.id().to_string(),
        poller: &row.poller,
        fd: (row.fd >= 0).then_some(row.fd),
        kind: row.kind().name(),
        dir: direction.name(),
        state: inner.as_ref().map_or("unknown", |it| it.state),
        task: person.task,
        thread: person.thread,
        location: person.location,
        since_ns: inner.as_ref().and_then(|it| it.since_ns),
        age_ns: inner.as_ref().and_then(|it| it.age_ns),
        deadline_ns: inner.as_ref().and_then(|it| it.deadline_ns),
        deadline_in_ns: inner.as_ref().and_then(|it| it.deadline_in_ns),
        deadline_expired: inner.as_ref().is_some_and(|it| it.deadline_expired),
        local: present(&row.local),
        peer: present(&row.peer),
        label: present(&row.label),
    }
}

/// A row of `ls pollers`.
#[derive(serde::Serialize)]
pub(crate) struct PollerItem<'a> {
    name: &'a str,
    id: u32,
    epoll_fd: i32,
    driver: &'a str,
    descriptors: u64,
    slots: u64,
    waiters: i64,
    deadlines: u64,
    blocked: bool,
    last_poll_ns: Option<u64>,
    created_at: Option<String>,
    created_at_ns: u64,
}

pub(crate) fn poller<'a>(poller: &'a Poller, context: &Context) -> PollerItem<'a> {
    PollerItem {
        name: &poller.name,
        id: poller.id,
        epoll_fd: poller.epoll_fd,
        driver: &poller.driver,
        descriptors: poller.descriptors,
        slots: poller.slots,
        waiters: poller.waiters,
        deadlines: poller.deadlines,
        blocked: poller.blocked,
        last_poll_ns: (poller.last_poll_ns != 0).then_some(poller.last_poll_ns),
        created_at: context.anchor.rfc3339(poller.created_at_ns),
        created_at_ns: poller.created_at_ns,
    }
}

/// A row of `targets`.
#[derive(serde::Serialize)]
pub(crate) struct TargetItem<'a> {
    pid: u32,
    uid: u32,
    start_ticks: u64,
    started_at: Option<String>,
    executable: &'a str,
    socket: String,
    state: &'static str,
    reason: Option<&'a str>,
    protocol: Option<u32>,
    version: Option<&'a str>,
    pollers: Option<usize>,
    descriptors: Option<u64>,
}

pub(crate) fn target(found: &Found) -> TargetItem<'_> {
    let server = found
        .connection
        .as_ref()
        .map(|connection| &connection.server);
    TargetItem {
        pid: found.pid,
        uid: found.uid,
        start_ticks: found.start_ticks,
        started_at: found.started.map(Anchor::seconds),
        executable: &found.executable,
        socket: found.path(),
        state: found.state.name(),
        reason: match &found.state {
            crate::source::State::Unreachable(reason) => Some(reason),
            _ => None,
        },
        protocol: server.map(|server| server.protocol),
        version: server.map(|server| server.version.as_str()),
        pollers: server.map(|server| server.pollers.len()),
        descriptors: server.map(descriptors_of),
    }
}

/// An item of `stats`: one poller.
#[derive(serde::Serialize)]
pub(crate) struct StatsItem<'a> {
    poller: Option<PollerItem<'a>>,
    transitions: BTreeMap<&'static str, Transitions>,
    counters: &'a BTreeMap<String, u64>,
    histograms: Vec<Histogram<'a>>,
    laws: Vec<Law<'a>>,
}

#[derive(serde::Serialize)]
pub(crate) struct Histogram<'a> {
    name: &'a str,
    unit: &'a str,
    count: u64,
    sum: u64,
    mean: Option<u64>,
    max: Option<u64>,
    p50: Option<u64>,
    p90: Option<u64>,
    p99: Option<u64>,
    p99_9: Option<u64>,
    buckets: Vec<Bucket<'a>>,
}

#[derive(serde::Serialize)]
struct Bucket<'a> {
    upper_bound: u64,
    count: u64,
    exemplar: Option<Exemplar<'a>>,
}

/// The latest sample of a bucket.
#[derive(serde::Serialize)]
struct Exemplar<'a> {
    id: Option<&'a str>,
    at_ns: u64,
}

#[derive(serde::Serialize)]
struct Law<'a> {
    name: &'a str,
    statement: &'a str,
    lhs: i64,
    rhs: i64,
    delta: i64,
    violated: bool,
}

pub(crate) fn stats<'a>(stats: &'a PollerStats, context: &Context) -> StatsItem<'a> {
    StatsItem {
        poller: stats.poller.as_ref().map(|it| poller(it, context)),
        transitions: [("read", stats.read), ("write", stats.write)]
            .map(|(name, counts)| (name, Transitions(counts.unwrap_or_default())))
            .into(),
        counters: &stats.counters,
        histograms: stats.histograms.iter().map(histogram).collect(),
        laws: stats.laws.iter().map(law).collect(),
    }
}

/// A histogram with its quantiles, which are `null` without samples.
pub(crate) fn histogram(histogram: &v1::Histogram) -> Histogram<'_> {
    let [p50, p90, p99, p99_9] =
        quantile::SHOWN.map(|(_, share)| quantile::quantile(histogram, share));
    Histogram {
        name: &histogram.name,
        unit: &histogram.unit,
        count: histogram.count,
        sum: histogram.sum,
        mean: quantile::mean(histogram),
        max: (histogram.count > 0).then_some(histogram.max),
        p50,
        p90,
        p99,
        p99_9,
        buckets: histogram.buckets.iter().map(bucket).collect(),
    }
}

fn bucket(bucket: &v1::Bucket) -> Bucket<'_> {
    Bucket {
        upper_bound: bucket.upper_bound,
        count: bucket.count,
        exemplar: bucket.exemplar.as_ref().map(|exemplar| Exemplar {
            id: present(&exemplar.id),
            at_ns: exemplar.at_ns,
        }),
    }
}

fn law(law: &v1::Law) -> Law<'_> {
    Law {
        name: &law.name,
        statement: &law.statement,
        lhs: law.lhs,
        rhs: law.rhs,
        delta: law.lhs.saturating_sub(law.rhs),
        violated: law.violated,
    }
}

/// A row of `audit`: one law of one poller.
#[derive(serde::Serialize)]
pub(crate) struct Audited<'a> {
    poller: &'a str,
    law: &'a str,
    statement: &'a str,
    lhs: i64,
    rhs: i64,
    delta: i64,
    violated: bool,
}

pub(crate) fn audited<'a>(poller: &'a str, law: &'a v1::Law) -> Audited<'a> {
    Audited {
        poller,
        law: &law.name,
        statement: &law.statement,
        lhs: law.lhs,
        rhs: law.rhs,
        delta: law.lhs.saturating_sub(law.rhs),
        violated: law.violated,
    }
}

fn present(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn signed(moment_ns: u64, now_ns: u64) -> i64 {
    i64::try_from(i128::from(moment_ns) - i128::from(now_ns)).unwrap_or(i64::MAX)
}

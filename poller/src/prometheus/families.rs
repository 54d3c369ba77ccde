//! All metrics: their names, types, help, and how their series are read.

use std::time::{SystemTime, UNIX_EPOCH};

use super::buckets::{Bounds, EVENTS, LATENCY, PARKED, SHARE};
use super::counters;
use crate::observe::{Counter, Direction, Histogram, HistogramSnapshot, Transition};
use crate::view::{self, Stats};

/// What a metric is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    Counter,
    Gauge,
    Histogram,
}

/// What a series says now.
pub(super) enum Value<'a> {
    Count(u64),
    Gauge(f64),
    Histogram(&'a HistogramSnapshot, &'static Bounds),
}

/// One series of one poller.
pub(super) struct Series<'a> {
    pub(super) labels: Vec<(&'static str, &'static str)>,
    pub(super) value: Value<'a>,
}

/// One metric.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Type,
    pub(super) read: Read,
}

/// How the series of one poller are read.
pub(super) enum Read {
    Counters(&'static [(counters::Labels, Counter)]),
    With(for<'a> fn(&'a Stats) -> Vec<Series<'a>>),
}

impl Family {
    pub(super) fn series<'a>(&self, stats: &'a Stats) -> Vec<Series<'a>> {
        match self.read {
            Read::Counters(counters) => counters
                .iter()
                .map(|(labels, counter)| count(labels.to_vec(), stats.counter(*counter)))
                .collect(),
            Read::With(read) => read(stats),
        }
    }
}

/// All, in the order of the exposition.
pub(super) fn families() -> impl Iterator<Item = Family> {
    let counters = counters::FAMILIES.iter().map(|family| Family {
        name: family.name,
        help: family.help,
        kind: Type::Counter,
        read: Read::Counters(family.series),
    });
    let others = OTHERS.iter().map(|(name, kind, help, read)| Family {
        name,
        help,
        kind: *kind,
        read: Read::With(*read),
    });
    counters.chain(others)
}

type Other = (
    &'static str,
    Type,
    &'static str,
    for<'a> fn(&'a Stats) -> Vec<Series<'a>>,
);

const OTHERS: &[Other] = &[
    (
        "netpoller_transitions_total",
        Type::Counter,
        "Changes of rg (read) and wg (write) words; each change is exactly one transition.",
        transitions,
    ),
    (
        "netpoller_unparks_total",
        Type::Counter,
        "Parked waiters released, by what released them.",
        unparks,
    ),
    (
        "netpoller_registered_fds",
        Type::Gauge,
        "Descriptors registered now; of the kind timer, sleeps going on.",
        registered,
    ),
    (
        "netpoller_waiters",
        Type::Gauge,
        "Waiters parked now.",
        waiters,
    ),
    (
        "netpoller_deadlines_armed",
        Type::Gauge,
        "Entries of the deadline queue.",
        |stats| gauge(stats.info().deadlines as f64),
    ),
    (
        "netpoller_descriptor_slots",
        Type::Gauge,
        "Slots of the descriptor table.",
        slots,
    ),
    (
        "netpoller_poller_blocked",
        Type::Gauge,
        "1 while a thread sleeps in epoll_wait.",
        |stats| gauge(f64::from(u8::from(stats.info().blocked))),
    ),
    (
        "netpoller_last_poll_timestamp_seconds",
        Type::Gauge,
        "When epoll_wait last returned, in seconds since the Unix epoch; 0 before the first time.",
        last_poll,
    ),
    (
        "netpoller_wait_duration_seconds",
        Type::Histogram,
        "Time spent in epoll_wait by polls that may block.",
        |stats| histogram(stats, Histogram::PollDuration, &LATENCY, vec![]),
    ),
    (
        "netpoller_events_per_wait",
        Type::Histogram,
        "Events fetched by one poll.",
        |stats| histogram(stats, Histogram::EventsPerPoll, &EVENTS, vec![]),
    ),
    (
        "netpoller_dispatch_duration_seconds",
        Type::Histogram,
        "From the return of epoll_wait until the last waker of the batch was called.",
        |stats| histogram(stats, Histogram::Dispatch, &LATENCY, vec![]),
    ),
    (
        "netpoller_wakeup_latency_seconds",
        Type::Histogram,
        "From the return of epoll_wait, or the deadline that fired, until the waiter runs.",
        wakeup_latency,
    ),
    (
        "netpoller_wakeup_share_seconds",
        Type::Histogram,
        "Shares of the way from the kernel to the waiter: the longest time that events can have waited in the kernel, from the return of epoll_wait to the call of the waker, from there until the waiter runs.",
        wakeup_share,
    ),
    (
        "netpoller_poll_gap_seconds",
        Type::Histogram,
        "Time in which nobody polled, from the return of one poll until the next.",
        |stats| histogram(stats, Histogram::PollGap, &SHARE, vec![]),
    ),
    (
        "netpoller_recorder_events_total",
        Type::Counter,
        "Events that the flight recorder has taken, and those for which more threads than rings left no place.",
        recorder_events,
    ),
    (
        "netpoller_block_duration_seconds",
        Type::Histogram,
        "Time a waiter was parked, by what released it.",
        block_duration,
    ),
    (
        "netpoller_deadline_lag_seconds",
        Type::Histogram,
        "How long after its time a deadline fired.",
        |stats| histogram(stats, Histogram::DeadlineLag, &LATENCY, vec![]),
    ),
    (
        "netpoller_break_latency_seconds",
        Type::Histogram,
        "From the request of a break until the poll has returned.",
        |stats| histogram(stats, Histogram::BreakLatency, &SHARE, vec![]),
    ),
];

fn count(labels: Vec<(&'static str, &'static str)>, value: u64) -> Series<'static> {
    Series {
        labels,
        value: Value::Count(value),
    }
}

fn gauge(value: f64) -> Vec<Series<'static>> {
    vec![Series {
        labels: vec![],
        value: Value::Gauge(value),
    }]
}

fn histogram<'a>(
    stats: &'a Stats,
    which: Histogram,
    bounds: &'static Bounds,
    labels: Vec<(&'static str, &'static str)>,
) -> Vec<Series<'a>> {
    vec![Series {
        labels,
        value: Value::Histogram(stats.histogram(which), bounds),
    }]
}

fn transitions(stats: &Stats) -> Vec<Series<'_>> {
    let each = |direction: Direction| {
        Transition::ALL.map(|transition| {
            let labels = vec![
                ("direction", direction.name()),
                ("transition", transition.name()),
            ];
            count(labels, stats.transition(direction, transition))
        })
    };
    Direction::ALL.into_iter().flat_map(each).collect()
}

fn unparks(stats: &Stats) -> Vec<Series<'_>> {
    let each = |direction: Direction| {
        let (deadline, close) = match direction {
            Direction::Read => (Counter::UnparkReadDeadline, Counter::UnparkReadClose),
            Direction::Write => (Counter::UnparkWriteDeadline, Counter::UnparkWriteClose),
        };
        [
            ("io", stats.transition(direction, Transition::ReadyParked)),
            ("deadline", stats.counter(deadline)),
            ("close", stats.counter(close)),
        ]
        .map(|(cause, value)| {
            count(
                vec![("direction", direction.name()), ("cause", cause)],
                value,
            )
        })
    };
    Direction::ALL.into_iter().flat_map(each).collect()
}

fn registered(stats: &Stats) -> Vec<Series<'_>> {
    let kinds = [
        ("tcp", Counter::OpenedTcp, Counter::ClosedTcp),
        ("listener", Counter::OpenedListener, Counter::ClosedListener),
        ("udp", Counter::OpenedUdp, Counter::ClosedUdp),
        ("unix", Counter::OpenedUnix, Counter::ClosedUnix),
        ("pipe", Counter::OpenedPipe, Counter::ClosedPipe),
        ("timer", Counter::OpenedTimer, Counter::ClosedTimer),
        ("other", Counter::OpenedOther, Counter::ClosedOther),
    ];
    let each = |(kind, opened, closed)| Series {
        labels: vec![("kind", kind)],
        value: Value::Gauge(stats.counter(opened).saturating_sub(stats.counter(closed)) as f64),
    };
    kinds.into_iter().map(each).collect()
}

fn waiters(stats: &Stats) -> Vec<Series<'_>> {
    let each = |direction: Direction| Series {
        labels: vec![("direction", direction.name())],
        value: Value::Gauge(stats.parked(direction) as f64),
    };
    Direction::ALL.into_iter().map(each).collect()
}

fn slots(stats: &Stats) -> Vec<Series<'_>> {
    let info = stats.info();
    let state = |state, slots: u64| Series {
        labels: vec![("state", state)],
        value: Value::Gauge(slots as f64),
    };
    vec![
        state("used", info.slots.saturating_sub(info.free_slots)),
        state("free", info.free_slots),
    ]
}

fn last_poll(stats: &Stats) -> Vec<Series<'_>> {
    let last = stats.info().last_poll_ns;
    if last == 0 {
        return gauge(0.0);
    }
    // By the wall clock of now, which may have been set since the process started.
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    gauge(wall - view::now_ns().saturating_sub(last) as f64 / 1e9)
}

fn wakeup_latency(stats: &Stats) -> Vec<Series<'_>> {
    [
        (Direction::Read, Histogram::WakeLatencyRead),
        (Direction::Write, Histogram::WakeLatencyWrite),
    ]
    .into_iter()
    .flat_map(|(direction, which)| {
        histogram(
            stats,
            which,
            &LATENCY,
            vec![("direction", direction.name())],
        )
    })
    .collect()
}

fn wakeup_share(stats: &Stats) -> Vec<Series<'_>> {
    [
        ("kernel_to_poller", Histogram::KernelToPoller),
        ("poller_to_waker", Histogram::PollerToWaker),
        ("waker_to_run", Histogram::WakerToRun),
    ]
    .into_iter()
    .flat_map(|(share, which)| histogram(stats, which, &SHARE, vec![("share", share)]))
    .collect()
}

fn recorder_events(stats: &Stats) -> Vec<Series<'_>> {
    let recorder = stats.recorder();
    vec![
        count(vec![("result", "recorded")], recorder.recorded),
        count(vec![("result", "unrecorded")], recorder.unrecorded),
    ]
}

fn block_duration(stats: &Stats) -> Vec<Series<'_>> {
    [
        ("read", "io", Histogram::TimeParkedReadIo),
        ("read", "deadline", Histogram::TimeParkedReadDeadline),
        ("read", "close", Histogram::TimeParkedReadClose),
        ("write", "io", Histogram::TimeParkedWriteIo),
        ("write", "deadline", Histogram::TimeParkedWriteDeadline),
        ("write", "close", Histogram::TimeParkedWriteClose),
    ]
    .into_iter()
    .flat_map(|(direction, outcome, which)| {
        histogram(
            stats,
            which,
            &PARKED,
            vec![("direction", direction), ("outcome", outcome)],
        )
    })
    .collect()
}

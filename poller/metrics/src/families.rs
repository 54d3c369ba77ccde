//! All metrics: their types, and how their series are read. Those that are made of counters or of
//! histograms have their names, labels and help from the vocabulary.

use std::time::{SystemTime, UNIX_EPOCH};

use netpoller_core::view::lints::Lint;
use netpoller_core::view::{self, Cause, Stats};
use netpoller_core::{Counter, Direction, Histogram, HistogramSnapshot, Transition};
use netpoller_proto::vocabulary::{self, Labels};

use super::Sample;
use super::buckets::{Bounds, EVENTS, TIME};
use super::watch::Seen;

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
#[derive(Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Type,
    read: Read,
}

/// How the series of one poller are read.
#[derive(Clone, Copy)]
enum Read {
    Counters(&'static [(Labels, Counter)]),
    Histograms(&'static [(Labels, Histogram)], &'static Bounds),
    With(fn(&Stats) -> Vec<Series<'_>>),
    Seen(fn(&Seen) -> Vec<Series<'_>>),
}

impl Family {
    pub(super) fn series<'a>(&self, sample: &'a Sample) -> Vec<Series<'a>> {
        let stats = &sample.stats;
        match self.read {
            Read::Counters(series) => series
                .iter()
                .map(|(labels, counter)| count(labels.to_vec(), stats.counter(*counter)))
                .collect(),
            Read::Histograms(series, bounds) => series
                .iter()
                .map(|(labels, histogram)| Series {
                    labels: labels.to_vec(),
                    value: Value::Histogram(stats.histogram(*histogram), bounds),
                })
                .collect(),
            Read::With(read) => read(stats),
            Read::Seen(read) => read(&sample.seen),
        }
    }
}

/// The one metric of counters that has other series as well.
const UNPARKS: &vocabulary::Family<Counter> = Counter::UnparkReadDeadline.family();

/// What is the sum of another one, and so is not exported.
const REQUESTED: &vocabulary::Family<Counter> = Counter::BreaksRequested.family();

/// All, in the order of the exposition.
pub(super) fn families() -> impl Iterator<Item = Family> {
    let counters = Counter::FAMILIES
        .iter()
        .filter(|family| ![UNPARKS.metric, REQUESTED.metric].contains(&family.metric))
        .map(|family| Family {
            name: family.metric,
            help: family.help,
            kind: Type::Counter,
            read: Read::Counters(family.series),
        });
    counters.chain(OTHERS.iter().copied())
}

const fn other(
    name: &'static str,
    kind: Type,
    help: &'static str,
    read: fn(&Stats) -> Vec<Series<'_>>,
) -> Family {
    Family {
        name,
        help,
        kind,
        read: Read::With(read),
    }
}

/// A gauge of what was looked for.
const fn seen(
    name: &'static str,
    help: &'static str,
    read: fn(&Seen) -> Vec<Series<'_>>,
) -> Family {
    Family {
        name,
        help,
        kind: Type::Gauge,
        read: Read::Seen(read),
    }
}

/// The metric of which `one` is a series.
const fn histograms(one: Histogram, bounds: &'static Bounds) -> Family {
    let family = one.family();
    Family {
        name: family.metric,
        help: family.help,
        kind: Type::Histogram,
        read: Read::Histograms(family.series, bounds),
    }
}

const OTHERS: &[Family] = &[
    other(
        "netpoller_transitions_total",
        Type::Counter,
        "Changes of rg (read) and wg (write) words; each change is exactly one transition.",
        transitions,
    ),
    other(UNPARKS.metric, Type::Counter, UNPARKS.help, unparks),
    other(
        "netpoller_registered_fds",
        Type::Gauge,
        "Descriptors registered now.",
        registered,
    ),
    other(
        "netpoller_sleeps",
        Type::Gauge,
        "Sleeps going on: slots without a descriptor.",
        |stats| gauge(stats.info().sleeps as f64),
    ),
    other(
        "netpoller_waiters",
        Type::Gauge,
        "Waiters parked now.",
        waiters,
    ),
    other(
        "netpoller_deadlines_armed",
        Type::Gauge,
        "Entries of the deadline queue.",
        |stats| gauge(stats.info().deadlines as f64),
    ),
    other(
        "netpoller_descriptor_slots",
        Type::Gauge,
        "Slots of the descriptor table.",
        slots,
    ),
    other(
        "netpoller_poll_batch_limit",
        Type::Gauge,
        "Events that one poll takes at most: `Builder::batch`.",
        |stats| gauge(stats.info().batch as f64),
    ),
    other(
        "netpoller_poller_blocked",
        Type::Gauge,
        "1 while a thread sleeps in epoll_wait.",
        |stats| gauge(f64::from(u8::from(stats.info().blocked))),
    ),
    other(
        "netpoller_last_poll_timestamp_seconds",
        Type::Gauge,
        "When epoll_wait last returned, in seconds since the Unix epoch; 0 before the first time.",
        last_poll,
    ),
    seen(
        "netpoller_findings",
        "Known faults found by the last look, by lint: what `netpoller doctor` tells of.",
        findings,
    ),
    seen(
        "netpoller_laws_violated",
        "Conservation laws that three looks in a row found violated: what `netpoller audit` tells of.",
        |seen| gauge(seen.laws_violated as f64),
    ),
    seen(
        "netpoller_oldest_wait_seconds",
        "How long the longest of those has been parked that are parked now, but for sleeps and accepts.",
        oldest_wait,
    ),
    seen(
        "netpoller_overdue_deadlines",
        "Deadlines that have passed and have not fired.",
        |seen| gauge(seen.gauges.overdue_deadlines as f64),
    ),
    seen(
        "netpoller_events_due",
        "1 while the kernel has events or deadlines have passed, and nobody comes for them.",
        |seen| gauge(f64::from(u8::from(seen.gauges.events_due))),
    ),
    seen(
        "netpoller_unpolled_seconds",
        "For how long nobody has polled although something is due.",
        |seen| gauge(seconds(seen.gauges.unpolled_ns)),
    ),
    seen(
        "netpoller_accept_queue_connections",
        "Connections that wait to be accepted, of the listener that is fullest.",
        |seen| gauge(f64::from(seen.gauges.accept_queue.0)),
    ),
    seen(
        "netpoller_accept_queue_limit",
        "How many may wait to be accepted at that listener; 0 where there is none that tells.",
        |seen| gauge(f64::from(seen.gauges.accept_queue.1)),
    ),
    histograms(Histogram::PollDuration, &TIME),
    histograms(Histogram::EventsPerPoll, &EVENTS),
    histograms(Histogram::Dispatch, &TIME),
    histograms(Histogram::WakeLatencyRead, &TIME),
    histograms(Histogram::WakeLatencyTimer, &TIME),
    histograms(Histogram::TimeParkedTimer, &TIME),
    histograms(Histogram::KernelToPoller, &TIME),
    histograms(Histogram::PollGap, &TIME),
    other(
        "netpoller_recorder_events_total",
        Type::Counter,
        "Events that the flight recorder has taken, and those for which more threads than rings left no place.",
        recorder_events,
    ),
    histograms(Histogram::TimeParkedReadIo, &TIME),
    histograms(Histogram::DeadlineLag, &TIME),
    histograms(Histogram::BreakLatency, &TIME),
    histograms(Histogram::EpollCtlAdd, &TIME),
    histograms(Histogram::AcceptToFirstRead, &TIME),
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
    let io = |direction: Direction| {
        let labels = vec![("direction", direction.name()), ("cause", Cause::Io.name())];
        count(labels, stats.transition(direction, Transition::ReadyParked))
    };
    let others = UNPARKS.series.iter();
    let others = others.map(|(labels, counter)| count(labels.to_vec(), stats.counter(*counter)));
    Direction::ALL.into_iter().map(io).chain(others).collect()
}

fn registered(stats: &Stats) -> Vec<Series<'_>> {
    let opened = Counter::OpenedTcp.family().series;
    let closed = Counter::ClosedTcp.family().series;
    let each = |(labels, opened): &(Labels, Counter)| {
        let closed = closed.iter().find(|(of, _)| of == labels);
        let closed = closed.map_or(0, |(_, counter)| stats.counter(*counter));
        Series {
            labels: labels.to_vec(),
            value: Value::Gauge(stats.counter(*opened).saturating_sub(closed) as f64),
        }
    };
    // Sleeps are no descriptors, and a sum over kinds is to mean something.
    let descriptors = opened
        .iter()
        .filter(|(_, counter)| *counter != Counter::OpenedTimer);
    descriptors.map(each).collect()
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

fn findings(seen: &Seen) -> Vec<Series<'_>> {
    let each = |lint: Lint| Series {
        labels: vec![("lint", lint.name())],
        value: Value::Gauge(seen.findings(lint) as f64),
    };
    Lint::ALL.into_iter().map(each).collect()
}

fn oldest_wait(seen: &Seen) -> Vec<Series<'_>> {
    let each = |direction: Direction| Series {
        labels: vec![("direction", direction.name())],
        value: Value::Gauge(seconds(seen.gauges.oldest_wait_ns[direction.index()])),
    };
    Direction::ALL.into_iter().map(each).collect()
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
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

fn recorder_events(stats: &Stats) -> Vec<Series<'_>> {
    let recorder = stats.recorder();
    vec![
        count(vec![("result", "recorded")], recorder.recorded),
        count(vec![("result", "unrecorded")], recorder.unrecorded),
    ]
}

//! The registry: all metrics. Those that are made of counters or of histograms have their names,
//! labels and help from the vocabulary.

use netpoller_core::view::lints::Lint;
use netpoller_core::view::{Cause, Stats};
use netpoller_core::{Counter, Direction, Histogram, Transition};
use netpoller_proto::vocabulary::{self, Labels};

use super::buckets::{EVENTS, TIME};
use super::family::{Family, MetricType, Series};
use super::process::of_the_process;
use super::wall::{since_epoch, wall_at};
use super::watch::Seen;

/// The one metric of counters that has other series as well.
const UNPARKS: &vocabulary::Family<Counter> = Counter::UnparkReadDeadline.family();

/// What is the sum of another one, and so is not exported.
const REQUESTED: &vocabulary::Family<Counter> = Counter::BreaksRequested.family();

/// Lists all metrics in the order of the exposition: the registry of which the text, OpenMetrics,
/// protobuf, the collector of `prometheus-client` and the bridge to the `metrics` facade are made.
/// [`Reading`](super::Reading) tells what they say.
///
/// Names, labels, types and units are under semver, as functions are.
///
/// ```
/// use netpoller::prometheus::{MetricType, families};
///
/// let latency = families().find(|it| it.name() == "netpoller_wakeup_latency_seconds").unwrap();
/// assert_eq!(latency.metric_type(), MetricType::Histogram);
/// assert_eq!(latency.unit(), Some("seconds"));
/// assert_eq!(latency.labels(), ["poller", "direction"]);
/// ```
pub fn families() -> impl Iterator<Item = Family> {
    let counters = Counter::FAMILIES
        .iter()
        .filter(|family| ![UNPARKS.metric, REQUESTED.metric].contains(&family.metric))
        .map(Family::of_counters);
    let others = OTHERS.iter().copied();
    counters.chain(others).chain(of_the_process())
}

const OTHERS: &[Family] = &[
    Family::of_stats(
        "netpoller_transitions_total",
        MetricType::Counter,
        "Changes of rg (read) and wg (write) words; each change is exactly one transition.",
        &["direction", "transition"],
        transitions,
    ),
    Family::of_stats(
        UNPARKS.metric,
        MetricType::Counter,
        UNPARKS.help,
        &["direction", "cause"],
        unparks,
    ),
    Family::of_stats(
        "netpoller_registered_fds",
        MetricType::Gauge,
        "Descriptors registered now.",
        &["kind"],
        registered,
    ),
    Family::of_stats(
        "netpoller_sleeps",
        MetricType::Gauge,
        "Sleeps going on: slots without a descriptor.",
        &[],
        |stats| gauge(stats.info().sleeps as f64),
    ),
    Family::of_stats(
        "netpoller_waiters",
        MetricType::Gauge,
        "Waiters parked now.",
        &["direction"],
        waiters,
    ),
    Family::of_stats(
        "netpoller_deadlines_armed",
        MetricType::Gauge,
        "Entries of the deadline queue.",
        &[],
        |stats| gauge(stats.info().deadlines as f64),
    ),
    Family::of_stats(
        "netpoller_descriptor_slots",
        MetricType::Gauge,
        "Slots of the descriptor table.",
        &["state"],
        slots,
    ),
    Family::of_stats(
        "netpoller_poll_batch_limit",
        MetricType::Gauge,
        "Events that one poll takes at most: `Builder::batch`.",
        &[],
        |stats| gauge(stats.info().batch as f64),
    ),
    Family::of_stats(
        "netpoller_poller_blocked",
        MetricType::Gauge,
        "1 while a thread sleeps in epoll_wait.",
        &[],
        |stats| gauge(f64::from(u8::from(stats.info().blocked))),
    ),
    Family::of_stats(
        "netpoller_last_poll_timestamp_seconds",
        MetricType::Gauge,
        "When epoll_wait last returned, in seconds since the Unix epoch; 0 before the first time.",
        &[],
        last_poll,
    ),
    Family::of_seen(
        "netpoller_findings",
        "Known faults found by the last look, by lint: what `netpoller doctor` tells of.",
        &["lint"],
        findings,
    ),
    Family::of_seen(
        "netpoller_laws_violated",
        "Conservation laws that three looks in a row found violated: what `netpoller audit` tells of.",
        &[],
        |seen| gauge(seen.laws_violated as f64),
    ),
    Family::of_seen(
        "netpoller_oldest_wait_seconds",
        "How long the longest of those has been parked that are parked now, but for sleeps and accepts.",
        &["direction"],
        oldest_wait,
    ),
    Family::of_seen(
        "netpoller_overdue_deadlines",
        "Deadlines that have passed and have not fired.",
        &[],
        |seen| gauge(seen.gauges.overdue_deadlines as f64),
    ),
    Family::of_seen(
        "netpoller_events_due",
        "1 while the kernel has events or deadlines have passed, and nobody comes for them.",
        &[],
        |seen| gauge(f64::from(u8::from(seen.gauges.events_due))),
    ),
    Family::of_seen(
        "netpoller_unpolled_seconds",
        "For how long nobody has polled although something is due.",
        &[],
        |seen| gauge(seconds(seen.gauges.unpolled_ns)),
    ),
    Family::of_seen(
        "netpoller_accept_queue_connections",
        "Connections that wait to be accepted, of the listener that is fullest.",
        &[],
        |seen| gauge(f64::from(seen.gauges.accept_queue.0)),
    ),
    Family::of_seen(
        "netpoller_accept_queue_limit",
        "How many may wait to be accepted at that listener; 0 where there is none that tells.",
        &[],
        |seen| gauge(f64::from(seen.gauges.accept_queue.1)),
    ),
    Family::of_histogram(Histogram::PollDuration, &TIME),
    Family::of_histogram(Histogram::EventsPerPoll, &EVENTS),
    Family::of_histogram(Histogram::Dispatch, &TIME),
    Family::of_histogram(Histogram::WakeLatencyRead, &TIME),
    Family::of_histogram(Histogram::WakeLatencyTimer, &TIME),
    Family::of_histogram(Histogram::TimeParkedTimer, &TIME),
    Family::of_histogram(Histogram::KernelToPoller, &TIME),
    Family::of_histogram(Histogram::PollGap, &TIME),
    Family::of_stats(
        "netpoller_recorder_events_total",
        MetricType::Counter,
        "Events that the flight recorder has taken, and those for which more threads than rings left no place.",
        &["result"],
        recorder_events,
    ),
    Family::of_histogram(Histogram::TimeParkedReadIo, &TIME),
    Family::of_histogram(Histogram::DeadlineLag, &TIME),
    Family::of_histogram(Histogram::BreakLatency, &TIME),
    Family::of_histogram(Histogram::EpollCtlAdd, &TIME),
    Family::of_histogram(Histogram::AcceptToFirstRead, &TIME),
];

fn gauge(value: f64) -> Vec<Series<'static>> {
    vec![Series::gauge(&[], value)]
}

fn transitions(stats: &Stats) -> Vec<Series<'_>> {
    let each = |direction: Direction| {
        Transition::ALL.map(|transition| {
            let labels = [
                ("direction", direction.name()),
                ("transition", transition.name()),
            ];
            Series::counter(&labels, stats.transition(direction, transition))
        })
    };
    Direction::ALL.into_iter().flat_map(each).collect()
}

fn unparks(stats: &Stats) -> Vec<Series<'_>> {
    let io = |direction: Direction| {
        let labels = [("direction", direction.name()), ("cause", Cause::Io.name())];
        Series::counter(
            &labels,
            stats.transition(direction, Transition::ReadyParked),
        )
    };
    let others = UNPARKS.series.iter();
    let others = others.map(|(labels, counter)| Series::counter(labels, stats.counter(*counter)));
    Direction::ALL.into_iter().map(io).chain(others).collect()
}

fn registered(stats: &Stats) -> Vec<Series<'_>> {
    let opened = Counter::OpenedTcp.family().series;
    let closed = Counter::ClosedTcp.family().series;
    let each = |(labels, opened): &(Labels, Counter)| {
        let closed = closed.iter().find(|(of, _)| of == labels);
        let closed = closed.map_or(0, |(_, counter)| stats.counter(*counter));
        Series::gauge(labels, stats.counter(*opened).saturating_sub(closed) as f64)
    };
    // Sleeps are no descriptors, and a sum over kinds is to mean something.
    let descriptors = opened
        .iter()
        .filter(|(_, counter)| *counter != Counter::OpenedTimer);
    descriptors.map(each).collect()
}

fn waiters(stats: &Stats) -> Vec<Series<'_>> {
    by_direction(|direction| stats.parked(direction) as f64)
}

fn slots(stats: &Stats) -> Vec<Series<'_>> {
    let info = stats.info();
    let used = info.slots.saturating_sub(info.free_slots);
    vec![
        Series::gauge(&[("state", "used")], used as f64),
        Series::gauge(&[("state", "free")], info.free_slots as f64),
    ]
}

fn findings(seen: &Seen) -> Vec<Series<'_>> {
    let each = |lint: Lint| Series::gauge(&[("lint", lint.name())], seen.findings(lint) as f64);
    Lint::ALL.into_iter().map(each).collect()
}

fn oldest_wait(seen: &Seen) -> Vec<Series<'_>> {
    by_direction(|direction| seconds(seen.gauges.oldest_wait_ns[direction.index()]))
}

fn by_direction(value: impl Fn(Direction) -> f64) -> Vec<Series<'static>> {
    let each =
        |direction: Direction| Series::gauge(&[("direction", direction.name())], value(direction));
    Direction::ALL.into_iter().map(each).collect()
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn last_poll(stats: &Stats) -> Vec<Series<'_>> {
    let last = stats.info().last_poll_ns;
    gauge(if last == 0 {
        0.0
    } else {
        since_epoch(wall_at(last))
    })
}

fn recorder_events(stats: &Stats) -> Vec<Series<'_>> {
    let recorder = stats.recorder();
    vec![
        Series::counter(&[("result", "recorded")], recorder.recorded),
        Series::counter(&[("result", "unrecorded")], recorder.unrecorded),
    ]
}

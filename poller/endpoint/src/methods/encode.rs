//! Rows and statistics as messages of the protocol.

use std::hash::{BuildHasher, RandomState};
use std::panic::Location;
use std::sync::LazyLock;

use netpoller_core::internals::{self, Group, RawRow};
use netpoller_core::view::lints::{Lint, Severity, Timing};
use netpoller_core::view::{
    Exemplar, Law, Line, PollerInfo, Row, Side, Socket, Stats, Waiter, Wake,
};
use netpoller_core::{Counter, Direction, Histogram, HistogramSnapshot, Poller, Unit};
use netpoller_proto::v1;

pub(crate) fn descriptor(poller: &str, row: Row, redact: bool) -> v1::Descriptor {
    let address = |text: &str| {
        if redact {
            hidden(text)
        } else {
            text.to_owned()
        }
    };
    v1::Descriptor {
        poller: poller.to_owned(),
        slot: row.slot,
        generation: row.generation,
        fd: row.fd,
        kind: row.kind.number(),
        local: address(&row.local),
        peer: address(&row.peer),
        label: row.label.as_ref().to_owned(),
        opened_at_ns: row.opened_at_ns,
        opened_location: location(row.opened_location),
        closing: row.closing,
        event_err: row.event_err,
        last_events: row.last_events,
        read: Some(direction(row.read)),
        write: Some(direction(row.write)),
        torn: row.torn,
        stale: row.stale,
        connect_parks: row.connect_parks,
        socket: row.socket.map(socket),
    }
}

/// What the kernel knows of a socket.
pub fn socket(socket: Socket) -> v1::Socket {
    v1::Socket {
        tcp_state: socket.tcp_state.to_owned(),
        recvq: socket.recvq,
        sendq: socket.sendq,
        unacked: socket.unacked,
        unsent: socket.unsent,
        rtt_ns: socket.rtt_ns,
        retrans: socket.retrans,
        last_recv_ns: socket.last_recv_ns,
        last_send_ns: socket.last_send_ns,
        acceptq: socket.acceptq,
        acceptq_limit: socket.acceptq_limit,
        bytes_received: socket.bytes_received,
        bytes_sent: socket.bytes_sent,
        drops: socket.drops,
    }
}

/// What of a row is known without looking up a text or asking the kernel; see [`Field::is_cheap`].
///
/// [`Field::is_cheap`]: netpoller_proto::filter::Field::is_cheap
pub(super) fn outline(raw: &RawRow) -> v1::Descriptor {
    let [read, write] = raw.sides.each_ref().map(|side| v1::Direction {
        state: side.state.number(),
        since_ns: side.since_ns,
        deadline_ns: side.deadline_ns,
        transitions: Some(v1::Transitions::from_fn(|it| side.transitions[it.index()])),
        ..Default::default()
    });
    v1::Descriptor {
        slot: raw.slot,
        generation: raw.generation,
        fd: raw.fd,
        kind: raw.kind.number(),
        opened_at_ns: raw.opened_at_ns,
        closing: raw.closing,
        event_err: raw.event_err,
        last_events: raw.last_events,
        read: Some(read),
        write: Some(write),
        torn: raw.torn,
        ..Default::default()
    }
}

/// The same number for the same address, which tells nobody which one it is.
pub(crate) fn hidden(address: &str) -> String {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    if address.is_empty() {
        String::new()
    } else {
        format!("#{:012x}", KEY.hash_one(address) >> 16)
    }
}

pub(crate) fn location(location: Option<&Location<'_>>) -> String {
    location.map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()))
}

fn direction(side: Side) -> v1::Direction {
    v1::Direction {
        state: side.state.number(),
        since_ns: side.since_ns,
        waiter: side.waiter.map(waiter),
        queued: side
            .queued
            .into_iter()
            .map(|(since_ns, it)| v1::Queued {
                since_ns,
                waiter: Some(waiter(it)),
            })
            .collect(),
        deadline_ns: side.deadline_ns,
        transitions: Some(v1::Transitions::from_fn(|it| side.transitions[it.index()])),
        last_wake: side.last_wake.map(wake),
        // What is said only of a process that is read from outside.
        ..v1::Direction::default()
    }
}

pub(super) fn waiter(waiter: Waiter) -> v1::Waiter {
    v1::Waiter {
        task: waiter.task.as_ref().to_owned(),
        thread: waiter.thread.as_ref().to_owned(),
        location: location(waiter.location),
        task_id: waiter.task_id,
        nearest: waiter.nearest.map(line),
        ..v1::Waiter::default()
    }
}

pub(super) fn line(line: Line) -> v1::Line {
    v1::Line {
        location: location(Some(line.location)),
        kind: line.kind.number(),
    }
}

pub(crate) fn poller(info: &PollerInfo) -> v1::Poller {
    v1::Poller {
        name: info.name.as_ref().to_owned(),
        id: info.id,
        epoll_fd: info.epoll_fd,
        driver: info.driver.clone(),
        descriptors: info.descriptors,
        slots: info.slots,
        waiters: info.waiters,
        deadlines: info.deadlines,
        blocked: info.blocked,
        last_poll_ns: info.last_poll_ns,
        created_at_ns: info.created_at_ns,
        polled_by: Vec::new(),
    }
}

pub(crate) fn polled_by(poller: &Poller) -> Vec<v1::PollingThread> {
    let threads = poller.polled_by().into_iter();
    let each = threads.map(|it| v1::PollingThread {
        name: it.name.as_ref().to_owned(),
        tid: it.tid,
        polls: it.polls,
        ran_ns: it.ran_ns,
        run_delay_ns: it.run_delay_ns,
    });
    each.collect()
}

pub(crate) fn stats(poller: &Poller, stats: &Stats, laws: &[Law]) -> v1::PollerStats {
    let side = |direction| {
        Some(v1::Transitions::from_fn(|it| {
            stats.transition(direction, it)
        }))
    };
    let recorder = stats.recorder();
    v1::PollerStats {
        poller: Some(self::poller(stats.info())),
        read: side(Direction::Read),
        write: side(Direction::Write),
        counters: Counter::ALL
            .iter()
            .map(|counter| (counter.name().to_owned(), stats.counter(*counter)))
            .collect(),
        histograms: Histogram::ALL
            .iter()
            .map(|which| {
                let exemplar = |it| Some(exemplar(poller, it));
                histogram(
                    which.name(),
                    which.unit(),
                    stats.histogram(*which),
                    exemplar,
                )
            })
            .collect(),
        laws: laws.iter().map(law).collect(),
        recorder: Some(v1::Recorder {
            rings: recorder.rings,
            bytes: recorder.bytes,
            recorded: recorder.recorded,
            unrecorded: recorder.unrecorded,
        }),
        tasks: Vec::new(),
    }
}

/// A group of waits.
pub(crate) fn group(key: String, group: &Group) -> v1::LatencyGroup {
    let histograms = group.histograms();
    let histograms = histograms
        .iter()
        .map(|(name, it)| histogram(name, Unit::Ns, it, |_| None));
    v1::LatencyGroup {
        key,
        waits: group.waits(),
        histograms: histograms.collect(),
    }
}

fn histogram(
    name: &str,
    unit: Unit,
    snapshot: &HistogramSnapshot,
    exemplar: impl Fn(Exemplar) -> Option<v1::Exemplar>,
) -> v1::Histogram {
    v1::Histogram {
        name: name.to_owned(),
        unit: unit.name().to_owned(),
        count: snapshot.count(),
        sum: snapshot.sum(),
        max: snapshot.max(),
        buckets: snapshot
            .buckets()
            .zip(snapshot.exemplars())
            .map(|((upper_bound, count), sample)| v1::Bucket {
                upper_bound,
                count,
                exemplar: sample.and_then(&exemplar),
            })
            .collect(),
    }
}

fn exemplar(poller: &Poller, exemplar: Exemplar) -> v1::Exemplar {
    v1::Exemplar {
        id: exemplar
            .descriptor()
            .map_or_else(String::new, |id| id.to_string()),
        at_ns: exemplar.at_ns(),
        location: location(exemplar.location()),
        task: exemplar.task().as_ref().to_owned(),
        task_id: exemplar.task_id(),
        nearest: internals::nearest(poller, &exemplar).map(line),
    }
}

fn wake(wake: Wake) -> v1::Wake {
    v1::Wake {
        cause: wake.cause.number(),
        fetched_ns: wake.fetched_ns,
        before_poll_ns: Some(wake.before_poll_ns),
        before_poll_exact: wake.before_poll_exact,
        before_poll_idle: wake.before_poll_idle,
        before_poll_told_ns: wake.before_poll_told_ns,
        wakers_ns: wake.wakers_ns,
        ran_instead: None,
        poller_to_waker_ns: wake.poller_to_waker_ns.unwrap_or(0),
        waker_to_run_ns: wake.waker_to_run_ns.unwrap_or(0),
        pending: wake.waker_to_run_ns.is_none(),
    }
}

pub(super) fn law(law: &Law) -> v1::Law {
    v1::Law {
        name: law.name.to_owned(),
        statement: law.statement.to_owned(),
        lhs: law.lhs,
        rhs: law.rhs,
        violated: law.violated,
    }
}

pub(super) fn mode(direction: Direction) -> v1::Mode {
    match direction {
        Direction::Read => v1::Mode::Read,
        Direction::Write => v1::Mode::Write,
    }
}

/// All faults that can be looked for.
pub(crate) fn lints() -> Vec<v1::Lint> {
    Lint::ALL.map(lint).into()
}

/// A fault that can be looked for.
pub fn lint(lint: Lint) -> v1::Lint {
    let timing = match lint.timing() {
        Timing::Dated => v1::Timing::Dated,
        Timing::FirstSeen => v1::Timing::FirstSeen,
        Timing::Rate => v1::Timing::Rate,
        _ => v1::Timing::Unspecified,
    };
    v1::Lint {
        name: lint.name().to_owned(),
        severity: severity(lint.severity()).into(),
        timing: timing.into(),
        hold_ns: u64::try_from(lint.default_hold().as_nanos()).unwrap_or(u64::MAX),
        needs_kernel: lint.needs_kernel(),
        help: lint.help().to_owned(),
        advice: lint.advice().to_owned(),
    }
}

/// How grave it is.
pub fn severity(severity: Severity) -> v1::Severity {
    match severity {
        Severity::Info => v1::Severity::Info,
        Severity::Warning => v1::Severity::Warning,
        Severity::Error => v1::Severity::Error,
    }
}

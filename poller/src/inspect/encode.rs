//! Rows and statistics as messages of the protocol.

use std::hash::{BuildHasher, RandomState};
use std::panic::Location;
use std::sync::LazyLock;

use netpoller_proto::v1;

use crate::desc::{Kind, State};
use crate::observe::{Cause, Counter, Direction, Exemplar, Histogram, Transition};
use crate::view::{Law, PollerInfo, RawRow, Row, Side, Stats, Wake};

pub(super) fn descriptor(poller: &str, row: Row, redact: bool) -> v1::Descriptor {
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
        kind: kind(row.kind).into(),
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
    }
}

/// What of a row is known without looking up a text or asking the kernel; see [`Field::is_cheap`].
///
/// [`Field::is_cheap`]: netpoller_proto::filter::Field::is_cheap
pub(super) fn outline(raw: &RawRow) -> v1::Descriptor {
    let [read, write] = raw.sides.each_ref().map(|side| v1::Direction {
        state: state(side.state).into(),
        since_ns: side.since_ns,
        deadline_ns: side.deadline_ns,
        transitions: Some(transitions(|transition| {
            side.transitions[transition.index()]
        })),
        ..Default::default()
    });
    v1::Descriptor {
        slot: raw.slot,
        generation: raw.generation,
        fd: raw.fd,
        kind: kind(raw.kind).into(),
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
pub(super) fn hidden(address: &str) -> String {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    if address.is_empty() {
        String::new()
    } else {
        format!("#{:012x}", KEY.hash_one(address) >> 16)
    }
}

fn kind(kind: Kind) -> v1::DescriptorKind {
    match kind {
        Kind::Tcp => v1::DescriptorKind::Tcp,
        Kind::TcpListener => v1::DescriptorKind::TcpListener,
        Kind::Udp => v1::DescriptorKind::Udp,
        Kind::Unix => v1::DescriptorKind::Unix,
        Kind::UnixListener => v1::DescriptorKind::UnixListener,
        Kind::UnixDatagram => v1::DescriptorKind::UnixDatagram,
        Kind::UnixSeqpacket => v1::DescriptorKind::UnixSeqpacket,
        Kind::Pipe => v1::DescriptorKind::Pipe,
        Kind::Other => v1::DescriptorKind::Other,
        Kind::Timer => v1::DescriptorKind::Timer,
    }
}

fn location(location: Option<&Location<'_>>) -> String {
    location.map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()))
}

fn state(state: State) -> v1::State {
    match state {
        State::Nil => v1::State::Nil,
        State::Ready => v1::State::Ready,
        State::Wait => v1::State::Wait,
        State::Parked => v1::State::Parked,
    }
}

fn direction(side: Side) -> v1::Direction {
    v1::Direction {
        state: state(side.state).into(),
        since_ns: side.since_ns,
        waiter: side.waiter.map(|waiter| v1::Waiter {
            task: waiter.task.as_ref().to_owned(),
            thread: waiter.thread.as_ref().to_owned(),
            location: location(waiter.location),
            task_id: waiter.task_id,
        }),
        deadline_ns: side.deadline_ns,
        transitions: Some(transitions(|transition| {
            side.transitions[transition.index()]
        })),
        last_wake: side.last_wake.map(wake),
    }
}

fn transitions(count: impl Fn(Transition) -> u64) -> v1::Transitions {
    v1::Transitions {
        arm: count(Transition::Arm),
        park: count(Transition::Park),
        rearm: count(Transition::Rearm),
        ready_idle: count(Transition::ReadyIdle),
        ready_armed: count(Transition::ReadyArmed),
        ready_parked: count(Transition::ReadyParked),
        ready_again: count(Transition::ReadyAgain),
        consume: count(Transition::Consume),
        reset: count(Transition::Reset),
        unblock_armed: count(Transition::UnblockArmed),
        unblock_parked: count(Transition::UnblockParked),
        cancel_armed: count(Transition::CancelArmed),
        cancel_parked: count(Transition::CancelParked),
        recycled: count(Transition::Recycled),
    }
}

pub(super) fn poller(info: &PollerInfo) -> v1::Poller {
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
    }
}

pub(super) fn stats(stats: &Stats, laws: &[Law]) -> v1::PollerStats {
    let side = |direction| {
        Some(transitions(|transition| {
            stats.transition(direction, transition)
        }))
    };
    let recorder = stats.recorder();
    v1::PollerStats {
        poller: Some(poller(stats.info())),
        read: side(Direction::Read),
        write: side(Direction::Write),
        counters: Counter::ALL
            .iter()
            .map(|counter| (counter.name().to_owned(), stats.counter(*counter)))
            .collect(),
        histograms: Histogram::ALL
            .iter()
            .map(|which| histogram(stats, *which))
            .collect(),
        laws: laws.iter().map(law).collect(),
        recorder: Some(v1::Recorder {
            rings: recorder.rings,
            bytes: recorder.bytes,
            recorded: recorder.recorded,
            unrecorded: recorder.unrecorded,
        }),
    }
}

fn histogram(stats: &Stats, which: Histogram) -> v1::Histogram {
    let snapshot = stats.histogram(which);
    v1::Histogram {
        name: which.name().to_owned(),
        unit: which.unit().name().to_owned(),
        count: snapshot.count(),
        sum: snapshot.sum(),
        max: snapshot.max(),
        buckets: snapshot
            .buckets()
            .zip(snapshot.exemplars())
            .map(|((upper_bound, count), sample)| v1::Bucket {
                upper_bound,
                count,
                exemplar: sample.map(exemplar),
            })
            .collect(),
    }
}

fn exemplar(exemplar: Exemplar) -> v1::Exemplar {
    v1::Exemplar {
        id: exemplar
            .descriptor()
            .map_or_else(String::new, |(slot, generation)| {
                format!("{slot}.{generation}")
            }),
        at_ns: exemplar.at_ns(),
    }
}

fn wake(wake: Wake) -> v1::Wake {
    v1::Wake {
        cause: cause(wake.cause).into(),
        fetched_ns: wake.fetched_ns,
        poller_to_waker_ns: wake.poller_to_waker_ns.unwrap_or(0).into(),
        waker_to_run_ns: wake.waker_to_run_ns.unwrap_or(0).into(),
        pending: wake.waker_to_run_ns.is_none(),
    }
}

pub(super) fn cause(cause: Cause) -> v1::Cause {
    match cause {
        Cause::Io => v1::Cause::Io,
        Cause::Deadline => v1::Cause::Deadline,
        Cause::Close => v1::Cause::Close,
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

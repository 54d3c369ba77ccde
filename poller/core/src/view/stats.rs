//! The statistics of a poller, cumulative since it was made.

use std::os::fd::{AsRawFd, RawFd};

use super::recorder::Volume;
use crate::clock;
use crate::desc::State;
use crate::driver::Driver;
use crate::observe::{Counter, Direction, Histogram, HistogramSnapshot, Totals, Transition};
use crate::poller::Poller;
use crate::sync::atomic::Ordering;

/// What a poller is and how full it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PollerInfo {
    /// Its name.
    pub name: Box<str>,
    /// Its number in the process, from 1.
    pub id: u32,
    /// The epoll instance; -1 if it has none.
    pub epoll_fd: RawFd,
    /// Who polls: `inline`, `tokio`, `thread` or `manual`; several are joined with "+". `tokio` and
    /// `thread` for as long as there are such; `inline` once a thread of the program has polled.
    pub driver: String,
    /// Registered descriptors; sleeps are not counted.
    pub descriptors: u64,
    /// Sleeps going on: slots without a descriptor.
    pub sleeps: u64,
    /// Slots ever made; they are recycled, not freed.
    pub slots: u64,
    /// Slots waiting for reuse.
    pub free_slots: u64,
    /// Events that one poll takes at most.
    pub batch: u64,
    /// Waiters parked now.
    pub waiters: i64,
    /// Entries of the deadline queue.
    pub deadlines: u64,
    /// A thread sleeps in `epoll_wait`.
    pub blocked: bool,
    /// When `epoll_wait` last returned, CLOCK_MONOTONIC; 0 before the first time.
    pub last_poll_ns: u64,
    /// When it was made, CLOCK_MONOTONIC.
    pub created_at_ns: u64,
}

/// Everything that was counted.
#[derive(Clone, Debug)]
pub struct Stats {
    captured_at_ns: u64,
    info: PollerInfo,
    totals: Totals,
}

impl Stats {
    /// Returns when it was read, CLOCK_MONOTONIC.
    pub fn captured_at_ns(&self) -> u64 {
        self.captured_at_ns
    }

    /// Returns the poller and its gauges.
    pub fn info(&self) -> &PollerInfo {
        &self.info
    }

    /// Returns what was counted after `earlier`, an earlier reading of the same poller: counters,
    /// transitions and histograms as differences, all else as it is in `self`.
    #[must_use]
    pub fn since(&self, earlier: &Stats) -> Stats {
        Stats {
            captured_at_ns: self.captured_at_ns,
            info: self.info.clone(),
            totals: self.totals.since(&earlier.totals),
        }
    }

    /// Returns the flight recorder.
    pub fn recorder(&self) -> Volume {
        Volume {
            rings: self.totals.rings,
            bytes: self.totals.ring_bytes,
            recorded: self.totals.recorded,
            unrecorded: self.totals.unrecorded,
        }
    }

    /// Returns how often all words of `direction` together took `transition`.
    pub fn transition(&self, direction: Direction, transition: Transition) -> u64 {
        self.totals.transitions[direction.index()][transition.index()]
    }

    /// Returns a counter.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.totals.counters[counter.index()]
    }

    /// Returns a histogram.
    pub fn histogram(&self, histogram: Histogram) -> &HistogramSnapshot {
        &self.totals.histograms[histogram.index()]
    }

    /// Waiters parked in `direction`, as its transitions tell: who has parked and not left.
    pub fn parked(&self, direction: Direction) -> u64 {
        let count = |transition| self.transition(direction, transition);
        let parked: u64 = Transition::into_state(State::Parked).map(count).sum();
        let left: u64 = Transition::out_of(State::Parked).map(count).sum();
        parked.saturating_sub(left)
    }
}

impl Poller {
    /// Reads its statistics. While it runs, each number is read at a moment of its own.
    pub fn stats(&self) -> Stats {
        let totals = self.shared.recorder.totals();
        Stats {
            captured_at_ns: clock::now_ns(),
            info: info_from(self, &totals),
            totals,
        }
    }

    /// Reads what it is and how full it is, without its counters.
    pub fn info(&self) -> PollerInfo {
        info_from(self, &self.shared.recorder.totals())
    }
}

fn info_from(poller: &Poller, totals: &Totals) -> PollerInfo {
    let shared = &poller.shared;
    let count = |counter: Counter| totals.counters[counter.index()];
    // In this order: a slot is made before it can be free.
    let free = shared.cache.free_count() as u64;
    let slots = u64::from(shared.cache.made());
    let sleeps = count(Counter::OpenedTimer).saturating_sub(count(Counter::ClosedTimer));
    PollerInfo {
        name: shared.name.clone(),
        id: shared.id,
        epoll_fd: shared.backend.as_fd().map_or(-1, |fd| fd.as_raw_fd()),
        driver: Driver::names(shared.drivers.load(Ordering::Relaxed)),
        descriptors: slots.saturating_sub(free).saturating_sub(sleeps),
        sleeps,
        slots,
        free_slots: free,
        batch: shared.batch as u64,
        waiters: poller.waiters(),
        deadlines: shared.timers.len() as u64,
        blocked: shared.poll_until.load(Ordering::Acquire) != 0,
        last_poll_ns: shared.last_poll_ns.load(Ordering::Relaxed),
        created_at_ns: shared.created_ns,
    }
}

//! Counters and histograms, one shard a thread.
//!
//! A thread is the only writer of its shard, so an increment is a plain load and store: no locked instruction, no line
//! that another core writes. Threads without a number of their own share shard 0 and add atomically.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::histogram::Cells;
use super::thread::{MAX_THREADS, SHARED, current_thread};
use super::{Counter, Direction, Histogram, HistogramSnapshot, Transition};

#[derive(Debug)]
struct Shard {
    transitions: [[AtomicU64; Transition::COUNT]; 2],
    counters: [AtomicU64; Counter::COUNT],
    histograms: [Cells; Histogram::COUNT],
}

impl Shard {
    fn new() -> Box<Self> {
        Box::new(Self {
            transitions: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            counters: std::array::from_fn(|_| AtomicU64::new(0)),
            histograms: std::array::from_fn(|_| Cells::new()),
        })
    }
}

/// The counters and histograms of one poller.
pub(crate) struct Recorder {
    shards: Box<[OnceLock<Box<Shard>>]>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..MAX_THREADS).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The calling thread's shard. Cheap, but cheaper still when taken once for several increments.
    #[inline]
    pub(crate) fn local(&self) -> Local<'_> {
        let index = current_thread();
        Local {
            shard: self.shards[index].get_or_init(Shard::new),
            exclusive: index != SHARED,
        }
    }

    /// Everything summed over the shards. While others count, each cell is read at a moment of its own.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::empty();
        for shard in self.shards.iter().filter_map(|shard| shard.get()) {
            for (total, direction) in totals.transitions.iter_mut().zip(&shard.transitions) {
                for (total, cell) in total.iter_mut().zip(direction) {
                    *total += cell.load(Ordering::Relaxed);
                }
            }
            for (total, cell) in totals.counters.iter_mut().zip(&shard.counters) {
                *total += cell.load(Ordering::Relaxed);
            }
            for (total, cells) in totals.histograms.iter_mut().zip(&shard.histograms) {
                cells.add_to(total);
            }
        }
        totals
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shards = self
            .shards
            .iter()
            .filter(|shard| shard.get().is_some())
            .count();
        f.debug_struct("Recorder")
            .field("shards", &shards)
            .finish_non_exhaustive()
    }
}

/// The calling thread's part of a [`Recorder`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local<'a> {
    shard: &'a Shard,
    exclusive: bool,
}

impl Local<'_> {
    #[inline]
    fn add_to(&self, cell: &AtomicU64, n: u64) {
        if cfg!(netpoller_bare) {
            return;
        }
        if self.exclusive {
            cell.store(
                cell.load(Ordering::Relaxed).wrapping_add(n),
                Ordering::Relaxed,
            );
        } else {
            cell.fetch_add(n, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn transition(&self, direction: Direction, transition: Transition) {
        self.add_to(
            &self.shard.transitions[direction.index()][transition.index()],
            1,
        );
    }

    #[inline]
    pub(crate) fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    #[inline]
    pub(crate) fn add(&self, counter: Counter, n: u64) {
        self.add_to(&self.shard.counters[counter.index()], n);
    }

    #[inline]
    pub(crate) fn record(&self, histogram: Histogram, value: u64) {
        if cfg!(netpoller_bare) {
            return;
        }
        self.shard.histograms[histogram.index()].record(value, |cell, n| self.add_to(cell, n));
    }
}

/// Sums over all shards.
#[derive(Clone, Debug)]
pub(crate) struct Totals {
    pub(crate) transitions: [[u64; Transition::COUNT]; 2],
    pub(crate) counters: [u64; Counter::COUNT],
    pub(crate) histograms: Vec<HistogramSnapshot>,
}

impl Totals {
    fn empty() -> Self {
        Self {
            transitions: [[0; Transition::COUNT]; 2],
            counters: [0; Counter::COUNT],
            histograms: vec![HistogramSnapshot::empty(); Histogram::COUNT],
        }
    }
}

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_when_many_threads_count_and_end() {
        let recorder = Recorder::new();
        std::thread::scope(|scope| {
            // More threads than numbers, so that the shared shard is used as well.
            for _ in 0..MAX_THREADS + 40 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let local = recorder.local();
                        local.count(Counter::Opened);
                        local.transition(Direction::Write, Transition::Park);
                        local.record(Histogram::Dispatch, 7);
                    }
                });
            }
        });
        let totals = recorder.totals();
        let expected = (MAX_THREADS as u64 + 40) * 100;
        assert_eq!(totals.counters[Counter::Opened.index()], expected);
        assert_eq!(totals.transitions[1][Transition::Park.index()], expected);
        assert_eq!(
            totals.histograms[Histogram::Dispatch.index()].count(),
            expected
        );
    }
}

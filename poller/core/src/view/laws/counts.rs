//! What the laws are about: the counters, before and after a sweep over the slots.

use super::part::Twice;
use crate::desc::State;
use crate::observe::{Counter, Direction, Histogram, Totals, Transition};
use crate::poller::Poller;
use crate::sync::atomic::Ordering;

/// What a sweep over the slots has seen.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) ready: [u64; 2],
    pub(super) wait: [u64; 2],
    pub(super) parked: [u64; 2],
    pub(super) live: u64,
    pub(super) queued: u64,
}

impl Table {
    pub(super) fn sweep(poller: &Poller) -> Self {
        let mut table = Self::default();
        for desc in poller.shared.cache.iter_from(0) {
            // Whether it lives or not: a queue entry, or readiness, that outlives its descriptor is
            // what a law is for.
            table.queued += u64::from(desc.queued_ns.load(Ordering::Relaxed) != 0);
            for direction in Direction::ALL {
                let counts = match desc.side(direction).state() {
                    State::Nil => continue,
                    State::Ready => &mut table.ready,
                    State::Wait => &mut table.wait,
                    State::Parked => &mut table.parked,
                    State::Woken | State::Queued => continue,
                };
                counts[direction.index()] += 1;
            }
            if desc.live_generation().is_some() {
                table.live += 1;
            }
        }
        table
    }
}

/// The counters of two readings, by name.
pub(super) struct Counters {
    pub(super) before: Totals,
    pub(super) after: Totals,
}

impl Counters {
    pub(super) fn of(&self, counter: Counter) -> Twice {
        let index = counter.index();
        Twice {
            before: self.before.counters[index],
            after: self.after.counters[index],
        }
    }

    pub(super) fn sum(&self, counters: &[Counter]) -> Twice {
        counters.iter().map(|counter| self.of(*counter)).sum()
    }

    pub(super) fn transitions(
        &self,
        direction: Direction,
        transitions: impl IntoIterator<Item = Transition>,
    ) -> Twice {
        let side = direction.index();
        let count = |transition: Transition| Twice {
            before: self.before.transitions[side][transition.index()],
            after: self.after.transitions[side][transition.index()],
        };
        transitions.into_iter().map(count).sum()
    }

    pub(super) fn samples(&self, histogram: Histogram) -> Twice {
        let index = histogram.index();
        Twice {
            before: self.before.histograms[index].count(),
            after: self.after.histograms[index].count(),
        }
    }
}

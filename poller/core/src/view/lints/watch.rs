//! Stuck waiters alone, among rows that somebody has read already: for whoever looks every second
//! and wants nothing else.

use super::observation::{Observation, has_events};
use super::options::Options;
use super::stuck::Stuck;
use crate::clock;
use crate::desc::State;
use crate::observe::{Direction, RECORDS};
use crate::poller::Poller;
use crate::view::raw::RawRow;

/// Watches one poller.
#[derive(Debug, Default)]
pub struct StuckWatch {
    options: Options,
    stuck: Stuck,
}

impl StuckWatch {
    /// Makes one with these options, of which the hold times of its lints count.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Returns slot, generation and direction of those whose waiter is parked although the kernel
    /// calls the descriptor ready, for certain by now: stuck by its own doing, or because its edge
    /// was lost. Which of the two, and hence the kernel's list of registrations, is not asked for.
    ///
    /// It costs one poll(2) for each 256 of `rows` that have been parked for longer than the hold
    /// time.
    pub fn look<'r>(
        &mut self,
        poller: &Poller,
        rows: impl Iterator<Item = &'r RawRow>,
    ) -> Vec<(u32, u32, Direction)> {
        let is_parked = |row: &RawRow| row.sides.iter().any(|side| side.state == State::Parked);
        let rows: Vec<_> = rows
            .filter(|row| !row.torn && !row.closing && is_parked(row))
            .copied()
            .collect();
        // Without instrumentation there are no stamps to judge by.
        if rows.is_empty() || !RECORDS {
            self.stuck = Stuck::default();
            return Vec::new();
        }
        let observation = Observation {
            poller,
            options: &self.options,
            rows,
            stats: poller.stats(),
            pending: has_events(poller),
            now_ns: clock::now_ns(),
        };
        let stuck = self.stuck.waiters(&observation);
        stuck
            .iter()
            .map(|waiter| (waiter.row.slot, waiter.row.generation, waiter.direction))
            .collect()
    }
}

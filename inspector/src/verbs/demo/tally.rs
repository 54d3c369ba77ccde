//! What the clients of the demo count, and how long their round trips take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Round trips kept for the quantiles; older ones are overwritten.
const KEPT: usize = 65_536;

/// Counts of all clients together.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connects: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    /// Operations that another task ended by closing their stream.
    pub(crate) cut_off: AtomicU64,
    pub(crate) errors: AtomicU64,
    trips: Mutex<Trips>,
}

#[derive(Debug, Default)]
struct Trips {
    ns: Vec<u64>,
    next: usize,
}

impl Tally {
    /// Adds one.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// One request was answered after `trip`.
    pub(crate) fn answered(&self, trip: Duration) {
        Self::count(&self.requests);
        let ns = u64::try_from(trip.as_nanos()).unwrap_or(u64::MAX);
        let mut trips = self.trips.lock().unwrap_or_else(PoisonError::into_inner);
        let next = trips.next;
        match trips.ns.get_mut(next) {
            Some(slot) => *slot = ns,
            None => trips.ns.push(ns),
        }
        trips.next = (next + 1) % KEPT;
    }

    /// The value below which a share `q` of the last round trips lies; `None` without any.
    pub(crate) fn quantile_ns(&self, q: f64) -> Option<u64> {
        let mut ns = self
            .trips
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ns
            .clone();
        let index = ((ns.len() as f64 * q).ceil() as usize).checked_sub(1)?;
        ns.sort_unstable();
        ns.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_round_trips_kept() {
        let tally = Tally::default();
        assert_eq!(tally.quantile_ns(0.5), None);
        for ns in 1..=100 {
            tally.answered(Duration::from_nanos(ns));
        }
        assert_eq!(tally.quantile_ns(0.5), Some(50));
        assert_eq!(tally.quantile_ns(1.0), Some(100));
    }
}

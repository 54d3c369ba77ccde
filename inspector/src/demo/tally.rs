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
    pub(crate) errors: AtomicU64,
    trips: Mutex<Trips>,
}

#[derive(Debug, Default)]
struct Trips {
    micros: Vec<u32>,
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
        let micros = u32::try_from(trip.as_micros()).unwrap_or(u32::MAX);
        let mut trips = self.trips.lock().unwrap_or_else(PoisonError::into_inner);
        let next = trips.next;
        match trips.micros.get_mut(next) {
            Some(slot) => *slot = micros,
            None => trips.micros.push(micros),
        }
        trips.next = (next + 1) % KEPT;
    }

    /// The value below which a share `q` of the last round trips lies; `None` without any.
    pub(crate) fn quantile_micros(&self, q: f64) -> Option<u32> {
        let mut micros = self
            .trips
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .micros
            .clone();
        let index = ((micros.len() as f64 * q).ceil() as usize).checked_sub(1)?;
        micros.sort_unstable();
        micros.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_round_trips_kept() {
        let tally = Tally::default();
        assert_eq!(tally.quantile_micros(0.5), None);
        for micros in 1..=100 {
            tally.answered(Duration::from_micros(micros));
        }
        assert_eq!(tally.quantile_micros(0.5), Some(50));
        assert_eq!(tally.quantile_micros(1.0), Some(100));
    }
}

//! What a recorder has counted, as it was read.

use super::{Counter, Histogram, HistogramSnapshot, Transition};

/// Sums over all shards.
#[derive(Clone, Debug)]
pub(crate) struct Totals {
    pub(crate) transitions: [[u64; Transition::COUNT]; 2],
    pub(crate) counters: [u64; Counter::COUNT],
    pub(crate) histograms: Vec<HistogramSnapshot>,
    /// Rings of the flight recorder, their memory, and what they have taken and could not take.
    pub(crate) rings: u64,
    pub(crate) ring_bytes: u64,
    pub(crate) recorded: u64,
    pub(crate) unrecorded: u64,
}

impl Totals {
    pub(super) fn empty() -> Self {
        Self {
            transitions: [[0; Transition::COUNT]; 2],
            counters: [0; Counter::COUNT],
            histograms: vec![HistogramSnapshot::empty(); Histogram::COUNT],
            rings: 0,
            ring_bytes: 0,
            recorded: 0,
            unrecorded: 0,
        }
    }

    /// What was counted after `earlier`, an earlier reading of the same recorder. What says how
    /// things are, and not how often something was done, stays as it is.
    pub(crate) fn since(&self, earlier: &Totals) -> Totals {
        let mut interval = self.clone();
        let transitions = interval.transitions.iter_mut().flatten();
        for (now, before) in transitions.zip(earlier.transitions.iter().flatten()) {
            *now = now.saturating_sub(*before);
        }
        for (now, before) in interval.counters.iter_mut().zip(&earlier.counters) {
            *now = now.saturating_sub(*before);
        }
        for (now, before) in interval.histograms.iter_mut().zip(&earlier.histograms) {
            *now = now.since(before);
        }
        interval.recorded -= earlier.recorded.min(interval.recorded);
        interval.unrecorded -= earlier.unrecorded.min(interval.unrecorded);
        interval
    }
}

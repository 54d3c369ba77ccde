//! The arithmetic: spreads of rounds and a histogram of latencies.

use std::time::Duration;

use serde_json::{Value, json};

/// The middle and the ends of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` if there are no figures. Of an even number, the median is the mean of the two in the
    /// middle.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (below, above) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Spread {
            median: (below + above) / 2.0,
            min,
            max,
        })
    }

    /// As a report has it.
    pub(crate) fn json(&self) -> Value {
        json!({ "median": self.median, "min": self.min, "max": self.max })
    }
}

/// Buckets per power of two: a quantile is off by at most 1/64 of itself.
const PER_OCTAVE: usize = 32;
const OCTAVE_BITS: u32 = PER_OCTAVE.trailing_zeros();
pub(crate) const BUCKETS: usize = PER_OCTAVE * (64 - OCTAVE_BITS as usize + 1);

/// Counts of durations in log-linear buckets.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Box<[u64]>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram {
            counts: vec![0; BUCKETS].into(),
            total: 0,
        }
    }

    pub(crate) fn record(&mut self, duration: Duration) {
        self.counts[bucket(duration.as_nanos().min(u128::from(u64::MAX)) as u64)] += 1;
        self.total += 1;
    }

    /// The nanoseconds that a share `quantile` of the durations does not exceed; `None` if there
    /// are no durations.
    pub(crate) fn quantile_ns(&self, quantile: f64) -> Option<u64> {
        let rank = ((self.total as f64 * quantile).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(middle(index));
            }
        }
        None
    }
}

pub(crate) fn bucket(ns: u64) -> usize {
    if ns < PER_OCTAVE as u64 {
        return ns as usize;
    }
    let shift = ns.ilog2() - OCTAVE_BITS;
    // The bits below the leading one choose the bucket within the octave.
    PER_OCTAVE * (shift as usize + 1) + (ns >> shift) as usize - PER_OCTAVE
}

pub(crate) fn middle(bucket: usize) -> u64 {
    if bucket < PER_OCTAVE {
        return bucket as u64;
    }
    let shift = bucket / PER_OCTAVE - 1;
    let low = ((bucket % PER_OCTAVE + PER_OCTAVE) as u64) << shift;
    low + (1 << shift) / 2
}

//! The bounds of the exported histograms, and how the internal buckets are folded into them.
//!
//! Internal buckets are log-linear, four to each doubling, and their bounds are not ours. A bucket `le` counts the samples
//! that are known to be at most the bound: those of the internal buckets that end there or before. A sample less than a
//! quarter below the bound may therefore be counted one bucket further up, so a quantile is rounded up and never down.

use crate::observe::HistogramSnapshot;

/// Bounds, and how many of the histogram's units make one of theirs.
pub(super) struct Bounds {
    /// In the units of the internal histogram, with the text of `le`.
    pub(super) bounds: &'static [(u64, &'static str)],
    pub(super) units: f64,
}

/// 1, 2 and 5 of each decade from a microsecond to ten seconds.
pub(super) const LATENCY: Bounds = Bounds {
    bounds: &[
        (1_000, "0.000001"),
        (2_000, "0.000002"),
        (5_000, "0.000005"),
        (10_000, "0.00001"),
        (20_000, "0.00002"),
        (50_000, "0.00005"),
        (100_000, "0.0001"),
        (200_000, "0.0002"),
        (500_000, "0.0005"),
        (1_000_000, "0.001"),
        (2_000_000, "0.002"),
        (5_000_000, "0.005"),
        (10_000_000, "0.01"),
        (20_000_000, "0.02"),
        (50_000_000, "0.05"),
        (100_000_000, "0.1"),
        (200_000_000, "0.2"),
        (500_000_000, "0.5"),
        (1_000_000_000, "1"),
        (2_000_000_000, "2"),
        (5_000_000_000, "5"),
        (10_000_000_000, "10"),
    ],
    units: 1e9,
};

/// One for each decade: the time parked has six histograms to share the budget of series, and says more about the peers
/// than about the poller.
pub(super) const PARKED: Bounds = Bounds {
    bounds: &[
        (10_000, "0.00001"),
        (100_000, "0.0001"),
        (1_000_000, "0.001"),
        (10_000_000, "0.01"),
        (100_000_000, "0.1"),
        (1_000_000_000, "1"),
        (10_000_000_000, "10"),
        (60_000_000_000, "60"),
    ],
    units: 1e9,
};

/// One for each decade of what a poller should do in microseconds.
pub(super) const SHARE: Bounds = Bounds {
    bounds: &[
        (1_000, "0.000001"),
        (10_000, "0.00001"),
        (100_000, "0.0001"),
        (1_000_000, "0.001"),
        (10_000_000, "0.01"),
        (100_000_000, "0.1"),
        (1_000_000_000, "1"),
    ],
    units: 1e9,
};

/// Powers of two up to the batch of a poll.
pub(super) const EVENTS: Bounds = Bounds {
    bounds: &[
        (0, "0"),
        (1, "1"),
        (2, "2"),
        (4, "4"),
        (8, "8"),
        (16, "16"),
        (32, "32"),
        (64, "64"),
        (128, "128"),
    ],
    units: 1.0,
};

impl Bounds {
    /// Text of `le` and cumulated count of each bucket, the infinite one included.
    pub(super) fn fold<'a>(
        &self,
        histogram: &'a HistogramSnapshot,
    ) -> impl Iterator<Item = (&'static str, u64)> + use<'a> {
        let bounds = self.bounds;
        let finite = bounds
            .iter()
            .map(|(bound, le)| (*le, histogram.count_at_most(*bound)));
        finite.chain(std::iter::once(("+Inf", histogram.count())))
    }

    /// The sum of all samples in the unit of the metric.
    pub(super) fn sum(&self, histogram: &HistogramSnapshot) -> f64 {
        histogram.sum() as f64 / self.units
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_ascend_and_their_text_says_the_same() {
        for bounds in [LATENCY, PARKED, SHARE, EVENTS] {
            assert!(bounds.bounds.is_sorted_by(|a, b| a.0 < b.0));
            for (bound, le) in bounds.bounds {
                assert!(
                    (le.parse::<f64>().unwrap() * bounds.units - *bound as f64).abs() < 1e-3,
                    "{le}"
                );
            }
        }
    }
}

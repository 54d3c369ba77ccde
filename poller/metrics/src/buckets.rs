//! The bounds of the exported histograms, and how the internal buckets are folded into them.
//!
//! Internal buckets are log-linear, four to each doubling, and the powers of two are bounds of
//! theirs. So are all bounds of what is counted in events, and `le` is exact there.
//!
//! The bounds of times are decimal, and no internal ones. A bucket `le` counts the samples that are
//! known to be at most the bound: those of the internal buckets that end there or before. A sample
//! less than a quarter below the bound, or on it, may therefore be counted one bucket further up;
//! none is ever counted below its own, so a quantile is rounded up and never down.

use netpoller_core::HistogramSnapshot;

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

/// One for each decade: the time parked has six histograms to share the budget of series, and says
/// more about the peers than about the poller.
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
    use netpoller_core::view::faults;
    use netpoller_core::{Histogram, Poller};

    use super::*;

    /// How many samples the bucket of each bound counts, of this one value.
    fn counted(bounds: &Bounds, value: u64) -> Vec<(u64, u64)> {
        thread_local! {
            static POLLER: Poller = Poller::builder().name("counted").build().unwrap();
        }
        let stats = || POLLER.with(Poller::stats);
        let before = stats();
        POLLER.with(|poller| faults::record(poller, Histogram::DeadlineLag, value));
        let stats = stats().since(&before);
        let snapshot = stats.histogram(Histogram::DeadlineLag);
        let counts = bounds.fold(snapshot).map(|(_, count)| count);
        bounds.bounds.iter().map(|it| it.0).zip(counts).collect()
    }

    /// Each bound, what lies beside it, and what lies between.
    fn values(bounds: &Bounds) -> Vec<u64> {
        let beside = |bound: u64| {
            let near = [bound.saturating_sub(1), bound, bound + 1];
            let far = [bound / 2, bound - bound / 4, bound + bound / 3];
            near.into_iter().chain(far)
        };
        bounds.bounds.iter().flat_map(|it| beside(it.0)).collect()
    }

    #[test]
    fn a_count_is_in_every_bucket_whose_bound_is_not_less_and_in_no_other() {
        for value in values(&EVENTS) {
            for (bound, count) in counted(&EVENTS, value) {
                assert_eq!(count, u64::from(value <= bound), "{value} in le={bound}");
            }
        }
    }

    #[test]
    fn a_time_is_in_no_bucket_below_its_own_and_less_than_a_quarter_beyond() {
        for bounds in [LATENCY, PARKED, SHARE] {
            for value in values(&bounds) {
                for (bound, count) in counted(&bounds, value) {
                    assert!(count <= u64::from(value <= bound), "{value} in le={bound}");
                    let surely = value + value / 4 <= bound;
                    assert!(count >= u64::from(surely), "{value} in le={bound}");
                }
            }
        }
    }

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

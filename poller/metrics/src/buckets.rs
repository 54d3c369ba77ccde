//! The bounds of the exported histograms, and how the internal buckets are folded into them.
//!
//! Internal buckets are log-linear, four to each doubling, and the powers of two are bounds of
//! theirs. So are all bounds of what is counted in events, and `le` is exact there.
//!
//! The bounds of times are those internal ones that are nearest to 1, 2 and 5 of each decade, at
//! most a twelfth away: `le` is exact there too. Round bounds would have to be guessed, by up to a
//! quarter.

use netpoller_core::HistogramSnapshot;
use netpoller_core::view::Exemplar;

/// A histogram at one moment, by its buckets.
#[derive(Clone, Copy, Debug)]
pub struct Buckets<'a> {
    snapshot: &'a HistogramSnapshot,
    bounds: &'static Bounds,
}

impl<'a> Buckets<'a> {
    pub(super) fn new(snapshot: &'a HistogramSnapshot, bounds: &'static Bounds) -> Self {
        Self { snapshot, bounds }
    }

    /// Returns each bound in the unit of the metric, infinity last, with how many samples were not
    /// larger.
    pub fn cumulated(&self) -> impl Iterator<Item = (f64, u64)> + use<'a> {
        let bound = |le: &str| le.parse().unwrap_or(f64::INFINITY);
        self.labelled().map(move |(le, count)| (bound(le), count))
    }

    /// The same with the text of the label `le`.
    pub(super) fn labelled(&self) -> impl Iterator<Item = (&'static str, u64)> + use<'a> {
        self.bounds.fold(self.snapshot)
    }

    /// Returns the sum of all samples in the unit of the metric.
    pub fn sum(&self) -> f64 {
        self.bounds.sum(self.snapshot)
    }

    /// Returns how many samples there are.
    pub fn count(&self) -> u64 {
        self.snapshot.count()
    }

    /// Returns the latest exemplar of each bucket, if there is one, with its value in the unit of
    /// the metric.
    pub fn exemplars(&self) -> Vec<Option<(f64, Exemplar)>> {
        self.bounds.exemplars(self.snapshot)
    }

    /// Returns what the buckets were made of, which is finer.
    pub fn snapshot(&self) -> &'a HistogramSnapshot {
        self.snapshot
    }

    /// How many of the snapshot's units make one of the metric's.
    #[cfg_attr(not(feature = "prometheus"), allow(dead_code))]
    pub(super) fn units(&self) -> f64 {
        self.bounds.units
    }
}

/// Bounds, and how many of the histogram's units make one of theirs.
#[derive(Debug)]
pub(super) struct Bounds {
    /// In the units of the internal histogram, with the text of `le`.
    pub(super) bounds: &'static [(u64, &'static str)],
    pub(super) units: f64,
}

/// About 1, 2 and 5 of each decade, from a microsecond to a minute.
pub(super) const TIME: Bounds = Bounds {
    bounds: &[
        (1_024, "0.000001024"),
        (2_048, "0.000002048"),
        (5_120, "0.00000512"),
        (10_240, "0.00001024"),
        (20_480, "0.00002048"),
        (49_152, "0.000049152"),
        (98_304, "0.000098304"),
        (196_608, "0.000196608"),
        (524_288, "0.000524288"),
        (1_048_576, "0.001048576"),
        (2_097_152, "0.002097152"),
        (5_242_880, "0.00524288"),
        (10_485_760, "0.01048576"),
        (20_971_520, "0.02097152"),
        (50_331_648, "0.050331648"),
        (100_663_296, "0.100663296"),
        (201_326_592, "0.201326592"),
        (469_762_048, "0.469762048"),
        (939_524_096, "0.939524096"),
        (1_879_048_192, "1.879048192"),
        (5_368_709_120, "5.36870912"),
        (10_737_418_240, "10.73741824"),
        (21_474_836_480, "21.47483648"),
        (60_129_542_144, "60.129542144"),
    ],
    units: 1e9,
};

/// Powers of two up to the batch of a poll.
pub(super) const EVENTS: Bounds = Bounds {
    bounds: &[
        (0, "0.0"),
        (1, "1.0"),
        (2, "2.0"),
        (4, "4.0"),
        (8, "8.0"),
        (16, "16.0"),
        (32, "32.0"),
        (64, "64.0"),
        (128, "128.0"),
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

    /// The latest exemplar of each of these buckets, with its value in the unit of the metric: the
    /// bound of the internal bucket that it fell into.
    pub(super) fn exemplars(&self, histogram: &HistogramSnapshot) -> Vec<Option<(f64, Exemplar)>> {
        let mut latest: Vec<Option<(f64, Exemplar)>> = vec![None; self.bounds.len() + 1];
        for ((upper, _), exemplar) in histogram.buckets().zip(histogram.exemplars()) {
            let Some(exemplar) = exemplar else {
                continue;
            };
            let bucket = self.bounds.partition_point(|(bound, _)| *bound < upper);
            let value = upper.min(histogram.max()) as f64 / self.units;
            if let Some(latest) = latest.get_mut(bucket)
                && latest.is_none_or(|(_, it)| it.at_ns() < exemplar.at_ns())
            {
                *latest = Some((value, exemplar));
            }
        }
        latest
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
        for bounds in [TIME, EVENTS] {
            for value in values(&bounds) {
                for (bound, count) in counted(&bounds, value) {
                    assert_eq!(count, u64::from(value <= bound), "{value} in le={bound}");
                }
            }
        }
    }

    #[test]
    fn times_have_about_1_2_and_5_of_each_decade_up_to_a_minute() {
        let decades = (3..10).flat_map(|decade| [1, 2, 5].map(|digit| digit * 10_u64.pow(decade)));
        let seconds = [10, 20, 60].map(|seconds| seconds * 1_000_000_000);
        let round: Vec<_> = decades.chain(seconds).collect();
        assert_eq!(TIME.bounds.len(), round.len());
        for ((bound, _), round) in TIME.bounds.iter().zip(round) {
            assert!(bound.abs_diff(round) <= round / 12, "{bound} for {round}");
        }
    }

    /// What Prometheus makes of the buckets (`histogram_quantile`).
    fn quantile(bounds: &Bounds, snapshot: &HistogramSnapshot, share: f64) -> f64 {
        let rank = share * snapshot.count() as f64;
        let (mut below, mut from) = (0, 0.0);
        for (le, count) in bounds.fold(snapshot) {
            let to: f64 = le.parse().unwrap_or(from);
            if count as f64 >= rank {
                return from + (to - from) * (rank - below as f64) / (count - below) as f64;
            }
            (below, from) = (count, to);
        }
        unreachable!("the last bucket counts all")
    }

    /// Of latencies as services have them: many short ones, and a tail that falls.
    #[test]
    fn a_quantile_of_prometheus_is_within_1_3_times_of_what_hist_says() {
        let poller = Poller::builder().name("quantiles").build().unwrap();
        // The n-th of a thousand, by the inverse of the distribution.
        let shares = || (0..1000).map(|n| (f64::from(n) + 0.5) / 1000.0);
        let exponential = |mean: f64| shares().map(move |it| -mean * (1.0 - it).ln());
        for mean in [3e3, 8e3, 40e3, 134e3, 700e3, 15e6, 134e6, 900e6, 4e9] {
            let samples = exponential(mean);
            let before = poller.stats();
            for sample in samples {
                faults::record(&poller, Histogram::DeadlineLag, sample as u64);
            }
            let stats = poller.stats().since(&before);
            let snapshot = stats.histogram(Histogram::DeadlineLag);
            for share in [0.5, 0.9, 0.99] {
                let hist = snapshot.quantile(share).unwrap() as f64 / 1e9;
                let ours = quantile(&TIME, snapshot, share);
                let times = (ours / hist).max(hist / ours);
                assert!(times <= 1.3, "p{share}: {ours} and {hist}, {times} times");
            }
        }
    }

    #[test]
    fn bounds_ascend_and_their_text_says_the_same() {
        for bounds in [TIME, EVENTS] {
            assert!(bounds.bounds.is_sorted_by(|a, b| a.0 < b.0));
            for (bound, le) in bounds.bounds {
                assert!(
                    (le.parse::<f64>().unwrap() * bounds.units - *bound as f64).abs() < 1e-3,
                    "{le}"
                );
                // A number that has a point is one in either format.
                assert!(le.contains('.'), "{le}");
            }
        }
    }
}

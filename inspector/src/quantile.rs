//! Quantiles of the bucketed histograms, and their sum over pollers.

use std::collections::{BTreeMap, HashMap};

use netpoller_proto::v1::{Bucket, Histogram, PollerStats};

/// The quantiles that every view shows, with their names.
pub(crate) const SHOWN: [(&str, f64); 4] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// The mean of all samples.
pub(crate) fn mean(histogram: &Histogram) -> Option<u64> {
    histogram.sum.checked_div(histogram.count)
}

/// One histogram of each name, summed over the pollers, in the order of their first appearance.
pub(crate) fn merged<'a>(pollers: impl IntoIterator<Item = &'a PollerStats>) -> Vec<Histogram> {
    let mut all: Vec<Histogram> = Vec::new();
    for poller in pollers {
        merge(&mut all, &poller.histograms);
    }
    all
}

/// Adds `others` to those of the same name.
pub(crate) fn merge(all: &mut Vec<Histogram>, others: &[Histogram]) {
    // Whoever tells them may tell any number.
    let names = all.iter().enumerate().map(|(at, it)| (it.name.clone(), at));
    let mut places: HashMap<String, usize> = names.collect();
    for histogram in others {
        match places.get(&histogram.name).and_then(|at| all.get_mut(*at)) {
            Some(known) => add(known, histogram),
            None => {
                places.insert(histogram.name.clone(), all.len());
                all.push(histogram.clone());
            }
        }
    }
}

fn add(into: &mut Histogram, other: &Histogram) {
    let mut buckets: BTreeMap<u64, u64> = BTreeMap::new();
    for bucket in into.buckets.iter().chain(&other.buckets) {
        let count = buckets.entry(bucket.upper_bound).or_default();
        *count = count.saturating_add(bucket.count);
    }
    into.buckets = buckets
        .into_iter()
        .map(|(upper_bound, count)| Bucket {
            upper_bound,
            count,
            ..Default::default()
        })
        .collect();
    into.count = into.count.saturating_add(other.count);
    into.sum = into.sum.saturating_add(other.sum);
    into.max = into.max.max(other.max);
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::GetStatsResponse;

    use super::*;

    fn histogram(buckets: &[(u64, u64)]) -> Histogram {
        Histogram {
            name: "x".into(),
            unit: "ns".into(),
            count: buckets.iter().map(|bucket| bucket.1).sum(),
            sum: 0,
            max: buckets.last().map_or(0, |bucket| bucket.0),
            buckets: buckets
                .iter()
                .map(|&(upper_bound, count)| Bucket {
                    upper_bound,
                    count,
                    ..Default::default()
                })
                .collect(),
        }
    }

    #[test]
    fn an_empty_histogram_has_no_mean() {
        assert_eq!(mean(&histogram(&[])), None);
    }

    #[test]
    fn histograms_of_several_pollers_add_up() {
        let stats = GetStatsResponse {
            pollers: [&[(10, 1), (30, 2)][..], &[(20, 3), (30, 1)]]
                .map(|buckets| netpoller_proto::v1::PollerStats {
                    histograms: vec![histogram(buckets)],
                    ..Default::default()
                })
                .to_vec(),
            ..Default::default()
        };
        let merged = merged(&stats.pollers);
        assert_eq!(merged.len(), 1);
        assert_eq!(merged[0].count, 7);
        let counts: Vec<_> = merged[0]
            .buckets
            .iter()
            .map(|bucket| (bucket.upper_bound, bucket.count))
            .collect();
        assert_eq!(counts, [(10, 1), (20, 3), (30, 3)]);
    }
}

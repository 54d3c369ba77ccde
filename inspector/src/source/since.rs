//! What was counted between two answers.

use std::collections::HashMap;

use netpoller_proto::v1::{
    Bucket, GetStatsResponse, Histogram, PollerStats, Recorder, Transitions,
};

/// The later statistics, with what they have grown by since the earlier ones. A poller that was not
/// there then has counted all of it since.
pub(crate) fn since(mut now: GetStatsResponse, before: &GetStatsResponse) -> GetStatsResponse {
    let name = |stats: &PollerStats| stats.poller.as_ref().map(|it| (it.id, it.name.clone()));
    let known: HashMap<_, _> = before.pollers.iter().map(|it| (name(it), it)).collect();
    let grown = now
        .pollers
        .iter()
        .map(|stats| match known.get(&name(stats)) {
            Some(before) => poller(stats, before),
            None => stats.clone(),
        });
    now.interval = grown.collect();
    now.interval_ns = now.captured_at_ns.saturating_sub(before.captured_at_ns);
    now
}

fn poller(now: &PollerStats, before: &PollerStats) -> PollerStats {
    let counters = now.counters.iter().map(|(name, count)| {
        let before = before.counters.get(name).copied().unwrap_or(0);
        (name.clone(), count.saturating_sub(before))
    });
    let known = before.histograms.iter().map(|it| (it.name.as_str(), it));
    let known: HashMap<&str, &Histogram> = known.collect();
    let histograms = now.histograms.iter().map(|now| {
        let before = known.get(now.name.as_str());
        before.map_or_else(|| now.clone(), |before| histogram(now, before))
    });
    PollerStats {
        read: transitions(now.read.as_ref(), before.read.as_ref()),
        write: transitions(now.write.as_ref(), before.write.as_ref()),
        counters: counters.collect(),
        histograms: histograms.collect(),
        recorder: now.recorder.map(|now| {
            let before = before.recorder.unwrap_or_default();
            Recorder {
                recorded: now.recorded.saturating_sub(before.recorded),
                unrecorded: now.unrecorded.saturating_sub(before.unrecorded),
                ..now
            }
        }),
        // Gauges and laws are as they are now.
        ..now.clone()
    }
}

fn transitions(now: Option<&Transitions>, before: Option<&Transitions>) -> Option<Transitions> {
    let (now, before) = (now?, before.copied().unwrap_or_default());
    let mut grown = now
        .named()
        .into_iter()
        .zip(before.named())
        .map(|((_, now), (_, before))| now.saturating_sub(before));
    Some(Transitions::from_fn(|_| grown.next().unwrap_or(0)))
}

fn histogram(now: &Histogram, before: &Histogram) -> Histogram {
    let counted: HashMap<u64, u64> = before
        .buckets
        .iter()
        .map(|it| (it.upper_bound, it.count))
        .collect();
    let grown = now.buckets.iter().filter_map(|bucket| {
        let before = counted.get(&bucket.upper_bound).copied().unwrap_or(0);
        let count = bucket
            .count
            .checked_sub(before)
            .filter(|count| *count > 0)?;
        Some(Bucket {
            count,
            ..bucket.clone()
        })
    });
    let buckets: Vec<Bucket> = grown.collect();
    let largest = buckets.last().map_or(0, |bucket| bucket.upper_bound);
    Histogram {
        count: now.count.saturating_sub(before.count),
        sum: now.sum.saturating_sub(before.sum),
        // Of all time the largest is known exactly, and else the bucket in which it is.
        max: match now.max > before.max {
            true => now.max,
            false => largest.min(now.max),
        },
        buckets,
        ..now.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(at_ns: u64, count: u64, samples: &[(u64, u64)]) -> GetStatsResponse {
        let buckets = samples.iter().map(|(upper_bound, count)| Bucket {
            upper_bound: *upper_bound,
            count: *count,
            exemplar: None,
        });
        GetStatsResponse {
            captured_at_ns: at_ns,
            pollers: vec![PollerStats {
                read: Some(Transitions::from_fn(|transition| {
                    count * (transition.index() as u64 + 1)
                })),
                counters: [("polls".to_owned(), count)].into(),
                histograms: vec![Histogram {
                    name: "wake_latency".into(),
                    count: samples.iter().map(|(_, count)| count).sum(),
                    max: samples.last().map_or(0, |(bound, _)| *bound),
                    buckets: buckets.collect(),
                    ..Histogram::default()
                }],
                ..PollerStats::default()
            }],
            ..GetStatsResponse::default()
        }
    }

    #[test]
    fn what_was_counted_between_two_moments_is_their_difference() {
        let before = stats(1_000, 10, &[(100, 3), (200, 1)]);
        let now = since(stats(3_000, 14, &[(100, 5), (200, 1)]), &before);
        assert_eq!(now.interval_ns, 2_000);
        assert_eq!(now.pollers, stats(3_000, 14, &[(100, 5), (200, 1)]).pollers);
        let interval = &now.interval[0];
        assert_eq!(interval.counters["polls"], 4);
        let read = interval.read.expect("transitions");
        assert_eq!((read.arm, read.recycled), (4, 56));
        let histogram = &interval.histograms[0];
        assert_eq!((histogram.count, histogram.max), (2, 100));
        assert_eq!(histogram.buckets.len(), 1);
    }

    #[test]
    fn a_poller_that_was_made_since_has_counted_all_of_it_since() {
        let now = since(stats(3_000, 14, &[]), &GetStatsResponse::default());
        assert_eq!(now.interval, now.pollers);
    }
}

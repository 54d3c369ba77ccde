//! What was counted between two readings of the statistics.

use std::collections::BTreeMap;
use std::time::Duration;

use netpoller_proto::v1::{
    Bucket, GetStatsResponse, Histogram, PollerStats, Recorder, Transitions,
};
use tonic::Status;

/// The longest interval of one answer: an answer has to come in five seconds.
const LONGEST: Duration = Duration::from_secs(4);

/// The interval that a request asks for, `None` for none.
pub(super) fn wanted(interval_ns: u64) -> Result<Option<Duration>, Status> {
    let interval = Duration::from_nanos(interval_ns);
    if interval > LONGEST {
        return Err(Status::invalid_argument(format!(
            "interval_ns: the longest interval of one answer is {LONGEST:?}; for longer ones ask twice and subtract"
        )));
    }
    Ok((!interval.is_zero()).then_some(interval))
}

/// `now`, with what was counted since `before`. A poller that was not there then has counted all of it since.
pub(super) fn since(before: &GetStatsResponse, mut now: GetStatsResponse) -> GetStatsResponse {
    let id = |stats: &PollerStats| stats.poller.as_ref().map(|poller| poller.id);
    now.interval_ns = now.captured_at_ns.saturating_sub(before.captured_at_ns);
    now.interval = now
        .pollers
        .iter()
        .map(
            |stats| match before.pollers.iter().find(|before| id(before) == id(stats)) {
                Some(before) => poller(before, stats),
                None => stats.clone(),
            },
        )
        .collect();
    now
}

fn poller(before: &PollerStats, now: &PollerStats) -> PollerStats {
    let counters = now.counters.iter().map(|(name, count)| {
        let before = before.counters.get(name).copied().unwrap_or(0);
        (name.clone(), count.saturating_sub(before))
    });
    let histograms = now.histograms.iter().map(|now| {
        match before
            .histograms
            .iter()
            .find(|before| before.name == now.name)
        {
            Some(before) => histogram(before, now),
            None => now.clone(),
        }
    });
    PollerStats {
        poller: now.poller.clone(),
        read: transitions(before.read, now.read),
        write: transitions(before.write, now.write),
        counters: counters.collect(),
        histograms: histograms.collect(),
        laws: now.laws.clone(),
        recorder: now
            .recorder
            .map(|now| recorder(before.recorder.unwrap_or_default(), now)),
    }
}

fn transitions(before: Option<Transitions>, now: Option<Transitions>) -> Option<Transitions> {
    let (before, now) = (before.unwrap_or_default(), now?);
    let less = |field: fn(&Transitions) -> u64| field(&now).saturating_sub(field(&before));
    Some(Transitions {
        arm: less(|it| it.arm),
        park: less(|it| it.park),
        rearm: less(|it| it.rearm),
        ready_idle: less(|it| it.ready_idle),
        ready_armed: less(|it| it.ready_armed),
        ready_parked: less(|it| it.ready_parked),
        ready_again: less(|it| it.ready_again),
        consume: less(|it| it.consume),
        reset: less(|it| it.reset),
        unblock_armed: less(|it| it.unblock_armed),
        unblock_parked: less(|it| it.unblock_parked),
        cancel_armed: less(|it| it.cancel_armed),
        cancel_parked: less(|it| it.cancel_parked),
        recycled: less(|it| it.recycled),
    })
}

/// The rings and their size are what they are now; events are those of the interval.
fn recorder(before: Recorder, now: Recorder) -> Recorder {
    Recorder {
        recorded: now.recorded.saturating_sub(before.recorded),
        unrecorded: now.unrecorded.saturating_sub(before.unrecorded),
        ..now
    }
}

fn histogram(before: &Histogram, now: &Histogram) -> Histogram {
    let known: BTreeMap<u64, u64> = before
        .buckets
        .iter()
        .map(|it| (it.upper_bound, it.count))
        .collect();
    let buckets: Vec<Bucket> = now
        .buckets
        .iter()
        .filter_map(|bucket| {
            let count = bucket
                .count
                .saturating_sub(known.get(&bucket.upper_bound).copied().unwrap_or(0));
            // The latest sample of a bucket that has grown is one of the interval.
            (count > 0).then(|| Bucket {
                count,
                ..bucket.clone()
            })
        })
        .collect();
    Histogram {
        name: now.name.clone(),
        unit: now.unit.clone(),
        // Of the buckets, which were read one after another while others counted: so quantiles and count agree.
        count: buckets.iter().map(|bucket| bucket.count).sum(),
        sum: now.sum.saturating_sub(before.sum),
        // The largest of the interval lies in the highest bucket that has grown.
        max: buckets
            .last()
            .map_or(0, |bucket| bucket.upper_bound.min(now.max)),
        buckets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpoller_proto::v1::Poller;

    fn stats(captured_at_ns: u64, counted: u64, buckets: &[(u64, u64)]) -> GetStatsResponse {
        GetStatsResponse {
            captured_at_ns,
            pollers: vec![PollerStats {
                poller: Some(Poller {
                    id: 1,
                    waiters: 3,
                    ..Default::default()
                }),
                read: Some(Transitions {
                    park: counted,
                    ..Default::default()
                }),
                counters: [("opened".to_owned(), counted)].into(),
                histograms: vec![Histogram {
                    name: "wake_latency".into(),
                    count: buckets.iter().map(|(_, count)| count).sum(),
                    sum: counted,
                    max: buckets.last().map_or(0, |(bound, _)| *bound),
                    buckets: buckets
                        .iter()
                        .map(|(upper_bound, count)| Bucket {
                            upper_bound: *upper_bound,
                            count: *count,
                            exemplar: None,
                        })
                        .collect(),
                    ..Default::default()
                }],
                recorder: Some(Recorder {
                    rings: 2,
                    recorded: counted,
                    ..Default::default()
                }),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    #[test]
    fn counts_are_differences_and_gauges_are_as_they_are_now() {
        let before = stats(1_000, 10, &[(10, 5), (1_000, 1)]);
        let after = since(&before, stats(3_000, 14, &[(10, 5), (20, 3), (1_000, 1)]));
        assert_eq!(
            (after.interval_ns, after.pollers[0].counters["opened"]),
            (2_000, 14)
        );
        let [interval] = &after.interval[..] else {
            panic!("{after:?}")
        };
        assert_eq!(interval.counters["opened"], 4);
        assert_eq!(interval.read.unwrap().park, 4);
        assert_eq!(interval.poller.as_ref().unwrap().waiters, 3);
        assert_eq!(
            interval.recorder.map(|it| (it.rings, it.recorded)),
            Some((2, 4))
        );
        let histogram = &interval.histograms[0];
        assert_eq!((histogram.count, histogram.sum, histogram.max), (3, 4, 20));
        assert_eq!(histogram.buckets.len(), 1, "{histogram:?}");
    }

    #[test]
    fn a_poller_that_was_made_in_the_interval_has_counted_all_of_it_since() {
        let after = since(&GetStatsResponse::default(), stats(3_000, 14, &[(10, 5)]));
        assert_eq!(after.interval, after.pollers);
    }

    #[test]
    fn an_interval_longer_than_an_answer_may_take_is_refused() {
        assert_eq!(wanted(0).unwrap(), None);
        assert_eq!(wanted(4_000_000_000).unwrap(), Some(Duration::from_secs(4)));
        let status = wanted(4_000_000_001).unwrap_err();
        assert!(status.message().starts_with("interval_ns"), "{status}");
    }
}

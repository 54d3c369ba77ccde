//! How often which latency was met, from each moment to the next.
//!
//! Only what has grown is kept, so that a quiet process costs nothing; where there is too much of
//! it, two neighbours become one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use netpoller_proto::v1::{GetStatsResponse, Histogram, PollerStats};

/// Spells that are kept, and buckets in all of them: about six MiB.
const MOST: usize = 512;
const MOST_COUNTS: usize = 1 << 18;
/// Histograms that are told apart, and how long the names of one and its poller may be: two MiB
/// more.
const MOST_NAMES: usize = 1 << 12;
const LONGEST_NAME: usize = 256;

/// Samples of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    /// Which histogram of which poller.
    of: usize,
    upper_bound: u64,
    count: u64,
}

/// What came between two moments.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Met {
    from_ns: u64,
    until_ns: u64,
    counts: Vec<Count>,
}

impl Met {
    /// Both of two neighbours.
    fn and(&self, after: &Self) -> Self {
        let mut sums: BTreeMap<(usize, u64), u64> = BTreeMap::new();
        for it in self.counts.iter().chain(&after.counts) {
            let sum = sums.entry((it.of, it.upper_bound)).or_default();
            *sum = sum.saturating_add(it.count);
        }
        let counts = sums.into_iter().map(|((of, upper_bound), count)| Count {
            of,
            upper_bound,
            count,
        });
        Self {
            from_ns: self.from_ns,
            until_ns: after.until_ns,
            counts: counts.collect(),
        }
    }
}

/// Samples by the upper bound of their bucket, and from when until when they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Samples {
    pub(crate) from_ns: u64,
    pub(crate) until_ns: u64,
    pub(crate) counts: Vec<(u64, u64)>,
}

/// How often which latency was met, from each moment to the next.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Latencies {
    /// The number of each histogram of each poller.
    numbers: Arc<HashMap<(String, String), usize>>,
    spells: Vec<Arc<Met>>,
    /// The last statistics.
    before: Option<Arc<GetStatsResponse>>,
}

impl Latencies {
    /// Takes the statistics of a moment later than those before.
    pub(super) fn take(&mut self, stats: &Arc<GetStatsResponse>) {
        let Some(before) = self.before.take() else {
            self.before = Some(Arc::clone(stats));
            return;
        };
        if before.captured_at_ns >= stats.captured_at_ns {
            // Of a clock that was set back, later moments are known again.
            let is_same = before.captured_at_ns == stats.captured_at_ns;
            self.before = Some(if is_same { before } else { Arc::clone(stats) });
            return;
        }
        let met = Met {
            from_ns: before.captured_at_ns,
            until_ns: stats.captured_at_ns,
            counts: self.grown(stats, &before),
        };
        self.before = Some(Arc::clone(stats));
        while !self.spells.is_empty()
            && (self.spells.len() >= MOST || self.counts() + met.counts.len() > MOST_COUNTS)
        {
            let before = self.spells.len();
            let pairs = self.spells.chunks(2).map(|pair| match pair {
                [before, after] => Arc::new(before.and(after)),
                rest => Arc::clone(&rest[0]),
            });
            self.spells = pairs.collect();
            if self.spells.len() == before {
                // One alone, and it is too large.
                self.spells.clear();
            }
        }
        if met.counts.len() <= MOST_COUNTS {
            self.spells.push(Arc::new(met));
        }
    }

    fn counts(&self) -> usize {
        self.spells.iter().map(|it| it.counts.len()).sum()
    }

    fn grown(&mut self, now: &GetStatsResponse, before: &GetStatsResponse) -> Vec<Count> {
        let id = |stats: &PollerStats| stats.poller.as_ref().map(|it| (it.id, it.name.clone()));
        let known: HashMap<_, _> = before.pollers.iter().map(|it| (id(it), it)).collect();
        let mut counts = Vec::new();
        for stats in &now.pollers {
            let (id, before) = (id(stats), known.get(&id(stats)));
            let poller = id.map(|(_, name)| name).unwrap_or_default();
            let earlier = before.iter().flat_map(|it| &it.histograms);
            let earlier: HashMap<&str, &Histogram> =
                earlier.map(|it| (it.name.as_str(), it)).collect();
            for histogram in &stats.histograms {
                let earlier = earlier.get(histogram.name.as_str());
                let earlier: HashMap<u64, u64> = earlier
                    .iter()
                    .flat_map(|it| &it.buckets)
                    .map(|it| (it.upper_bound, it.count))
                    .collect();
                let Some(of) = self.number(&poller, &histogram.name) else {
                    continue;
                };
                counts.extend(histogram.buckets.iter().filter_map(|bucket| {
                    let before = earlier.get(&bucket.upper_bound).copied().unwrap_or(0);
                    let count = bucket.count.checked_sub(before).filter(|it| *it > 0)?;
                    Some(Count {
                        of,
                        upper_bound: bucket.upper_bound,
                        count,
                    })
                }));
            }
        }
        counts
    }

    /// `None` if there are more histograms than are told apart, or if nobody would call one so.
    fn number(&mut self, poller: &str, histogram: &str) -> Option<usize> {
        if poller.len() > LONGEST_NAME || histogram.len() > LONGEST_NAME {
            return None;
        }
        let name = (poller.to_owned(), histogram.to_owned());
        if let Some(number) = self.numbers.get(&name) {
            return Some(*number);
        }
        let number = self.numbers.len();
        if number >= MOST_NAMES {
            return None;
        }
        Arc::make_mut(&mut self.numbers).insert(name, number);
        Some(number)
    }

    /// The samples of a histogram, of all pollers or of one.
    pub(crate) fn of(&self, histogram: &str, poller: Option<&str>) -> Vec<Samples> {
        let wanted = self.numbers.iter().filter(|((of, name), _)| {
            name == histogram && poller.is_none_or(|poller| of == poller)
        });
        let wanted: HashSet<usize> = wanted.map(|(_, number)| *number).collect();
        let samples = self.spells.iter().map(|met| {
            let mut sums: BTreeMap<u64, u64> = BTreeMap::new();
            for it in met.counts.iter().filter(|it| wanted.contains(&it.of)) {
                let sum = sums.entry(it.upper_bound).or_default();
                *sum = sum.saturating_add(it.count);
            }
            Samples {
                from_ns: met.from_ns,
                until_ns: met.until_ns,
                counts: sums.into_iter().collect(),
            }
        });
        samples.collect()
    }
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::{Bucket, Poller};

    use super::*;

    fn stats(at_ns: u64, pollers: &[(&str, &[(u64, u64)])]) -> Arc<GetStatsResponse> {
        let poller = |(name, buckets): &(&str, &[(u64, u64)])| PollerStats {
            poller: Some(Poller {
                name: (*name).to_owned(),
                ..Poller::default()
            }),
            histograms: vec![Histogram {
                name: "wake".into(),
                buckets: buckets
                    .iter()
                    .map(|&(upper_bound, count)| Bucket {
                        upper_bound,
                        count,
                        ..Bucket::default()
                    })
                    .collect(),
                ..Histogram::default()
            }],
            ..PollerStats::default()
        };
        Arc::new(GetStatsResponse {
            captured_at_ns: at_ns,
            pollers: pollers.iter().map(poller).collect(),
            ..GetStatsResponse::default()
        })
    }

    type Told = (u64, u64, Vec<(u64, u64)>);

    fn of(latencies: &Latencies, poller: Option<&str>) -> Vec<Told> {
        let samples = latencies.of("wake", poller).into_iter();
        samples
            .map(|it| (it.from_ns, it.until_ns, it.counts))
            .collect()
    }

    #[test]
    fn what_has_grown_is_told_of_each_poller_and_of_all() {
        let mut latencies = Latencies::default();
        latencies.take(&stats(10, &[("a", &[(8, 100)])]));
        latencies.take(&stats(20, &[("a", &[(8, 103), (64, 1)]), ("b", &[(8, 5)])]));
        // What is not later is known already.
        latencies.take(&stats(20, &[("a", &[(8, 999)])]));
        latencies.take(&stats(30, &[("a", &[(8, 103), (64, 1)]), ("b", &[(8, 5)])]));
        assert_eq!(
            of(&latencies, None),
            [(10, 20, vec![(8, 8), (64, 1)]), (20, 30, vec![])]
        );
        assert_eq!(of(&latencies, Some("b"))[0], (10, 20, vec![(8, 5)]));
        assert_eq!(of(&latencies, Some("c"))[0], (10, 20, vec![]));
        assert!(
            latencies
                .of("other", None)
                .iter()
                .all(|it| it.counts.is_empty())
        );
    }

    #[test]
    fn what_is_kept_is_bounded_and_loses_no_sample() {
        let mut latencies = Latencies::default();
        for tick in 0..5_000 {
            latencies.take(&stats(tick + 1, &[("a", &[(8, tick), (64, tick / 2)])]));
        }
        let all = of(&latencies, None);
        assert!(all.len() <= MOST, "{}", all.len());
        assert_eq!((all[0].0, all[all.len() - 1].1), (1, 5_000));
        assert!(all.windows(2).all(|pair| pair[0].1 == pair[1].0));
        let sum = |bound: u64| {
            let counts = all.iter().flat_map(|it| &it.2);
            counts
                .filter(|it| it.0 == bound)
                .map(|it| it.1)
                .sum::<u64>()
        };
        assert_eq!((sum(8), sum(64)), (4_999, 4_999 / 2));
    }

    #[test]
    fn many_pollers_take_no_more_than_few() {
        let names: Vec<String> = (0..64).map(|it| format!("p{it}")).collect();
        let mut latencies = Latencies::default();
        for tick in 0..40u64 {
            let buckets: Vec<(u64, u64)> = (0..200).map(|it| (it, tick)).collect();
            let pollers = names.iter().map(|it| (it.as_str(), buckets.as_slice()));
            latencies.take(&stats(tick + 1, &pollers.collect::<Vec<_>>()));
        }
        assert!(latencies.counts() <= MOST_COUNTS, "{}", latencies.counts());
        assert!(!latencies.spells.is_empty());
    }
}

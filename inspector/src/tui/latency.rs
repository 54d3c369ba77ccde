//! The latencies that are shown: of which time, of which poller, and the bar that is chosen.

use std::collections::HashMap;
use std::sync::Arc;

use netpoller_proto::v1::{Exemplar, GetStatsResponse, Histogram, PollerStats};

use super::known::Feed;
use crate::quantile;
use crate::source::since;

/// A histogram, of all pollers or of one.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) histogram: Histogram,
    /// Samples that are known.
    exemplars: Vec<Sampled>,
}

/// A sample that is known.
#[derive(Debug, Clone)]
struct Sampled {
    /// Of its bucket.
    bound: u64,
    poller: Arc<str>,
    exemplar: Exemplar,
}

impl Shown {
    /// The latest sample that is known above one value and up to another, and its poller.
    pub(crate) fn exemplar(&self, above: u64, up_to: u64) -> Option<(&str, &Exemplar)> {
        let within = self
            .exemplars
            .iter()
            .filter(|it| it.bound <= up_to && (it.bound > above || above == 0));
        let latest = within.max_by_key(|it| it.exemplar.at_ns)?;
        Some((&latest.poller, &latest.exemplar))
    }
}

/// The latencies that are shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latency {
    pub(crate) shown: Vec<Shown>,
    /// Those of the last interval, and how long that was; `None` for those of all time.
    pub(crate) over_ns: Option<u64>,
    /// Those of this poller; `None` for those of all together.
    pub(crate) poller: Option<String>,
    /// How often each was met over time, and not how often in all.
    pub(crate) is_over_time: bool,
    /// The largest value of the bar that was chosen; `None` for the last one.
    pub(crate) bar: Option<u64>,
    is_of_interval: bool,
}

impl Latency {
    /// All time, or the last interval.
    pub(crate) fn turn_interval(&mut self) {
        self.is_of_interval = !self.is_of_interval;
    }

    /// All pollers, then one after the other.
    pub(crate) fn turn_poller(&mut self, pollers: &[String]) {
        let next = match &self.poller {
            None => Some(0),
            Some(here) => pollers.iter().rposition(|it| it == here).map(|it| it + 1),
        };
        let next = next.filter(|_| pollers.len() > 1);
        self.poller = next.and_then(|it| pollers.get(it)).cloned();
    }

    /// Takes what is known now.
    pub(crate) fn take(&mut self, feed: &Feed) {
        self.over_ns = None;
        self.shown.clear();
        let Some(stats) = feed.model.stats.as_deref() else {
            return;
        };
        let is_there = |name: &String| pollers(stats).any(|it| it == name);
        self.poller = self.poller.take().filter(is_there);
        let before = feed.model.before.as_deref().filter(|it| {
            // Whoever goes back in a recording has seen what is later before.
            self.is_of_interval && it.captured_at_ns < stats.captured_at_ns
        });
        self.shown = match before {
            Some(before) => {
                let grown = since(stats.clone(), before);
                self.over_ns = Some(grown.interval_ns);
                shown(&grown.interval, self.poller.as_deref())
            }
            None => shown(&stats.pollers, self.poller.as_deref()),
        };
    }

    /// The last interval is wanted and not known.
    pub(crate) fn lacks_interval(&self) -> bool {
        self.is_of_interval && self.over_ns.is_none()
    }
}

fn pollers(stats: &GetStatsResponse) -> impl Iterator<Item = &String> {
    let pollers = stats.pollers.iter().filter_map(|it| it.poller.as_ref());
    pollers.map(|it| &it.name)
}

fn shown(all: &[PollerStats], poller: Option<&str>) -> Vec<Shown> {
    let name = |stats: &PollerStats| stats.poller.as_ref().map(|it| it.name.clone());
    let wanted = all
        .iter()
        .filter(|it| poller.is_none() || name(it).as_deref() == poller);
    let mut exemplars: HashMap<&str, Vec<Sampled>> = HashMap::new();
    for stats in wanted.clone() {
        let poller: Arc<str> = name(stats).unwrap_or_default().into();
        for histogram in &stats.histograms {
            let known = histogram.buckets.iter().filter_map(|bucket| {
                Some(Sampled {
                    bound: bucket.upper_bound,
                    poller: Arc::clone(&poller),
                    exemplar: bucket.exemplar.clone()?,
                })
            });
            exemplars.entry(&histogram.name).or_default().extend(known);
        }
    }
    let merged = quantile::merged(wanted).into_iter();
    let merged = merged.map(|histogram| Shown {
        exemplars: exemplars.remove(&*histogram.name).unwrap_or_default(),
        histogram,
    });
    merged.collect()
}

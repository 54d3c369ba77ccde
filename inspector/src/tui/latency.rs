//! The latencies that are shown: of which time, of which poller, and the bar that is chosen.

use netpoller_proto::v1::{Bucket, Exemplar, GetStatsResponse, Histogram, PollerStats};

use super::known::Feed;
use crate::quantile;
use crate::source::since;

/// A histogram, of all pollers or of one.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) histogram: Histogram,
    /// Samples that are known, with the bound of their bucket and the poller.
    pub(crate) exemplars: Vec<(u64, String, Exemplar)>,
}

impl Shown {
    /// The latest sample that is known above one value and up to another, and its poller.
    pub(crate) fn exemplar(&self, above: u64, up_to: u64) -> Option<(&str, &Exemplar)> {
        let within = self
            .exemplars
            .iter()
            .filter(|(bound, _, _)| *bound <= up_to && (*bound > above || above == 0));
        let latest = within.max_by_key(|(_, _, exemplar)| exemplar.at_ns)?;
        Some((&latest.1, &latest.2))
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
            Some(here) => pollers.iter().position(|it| it == here).map(|it| it + 1),
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
        if !self.is_of_interval {
            self.shown = shown(&stats.pollers, self.poller.as_deref());
            return;
        }
        let before = feed.model.before.as_deref();
        // Whoever goes back in a recording has seen what is later before.
        let before = before.filter(|it| it.captured_at_ns < stats.captured_at_ns);
        if let Some(before) = before {
            let grown = since(stats.clone(), before);
            self.over_ns = Some(grown.interval_ns);
            self.shown = shown(&grown.interval, self.poller.as_deref());
        }
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
    let merged = quantile::merged(wanted.clone());
    let of = |histogram: Histogram| {
        let of_poller = |stats: &PollerStats| {
            let poller = name(stats).unwrap_or_default();
            let known = stats
                .histograms
                .iter()
                .filter(|it| it.name == histogram.name)
                .flat_map(|it| &it.buckets);
            let exemplar = move |bucket: &Bucket| {
                let exemplar = bucket.exemplar.clone()?;
                Some((bucket.upper_bound, poller.clone(), exemplar))
            };
            known.filter_map(exemplar).collect::<Vec<_>>()
        };
        Shown {
            exemplars: wanted.clone().flat_map(of_poller).collect(),
            histogram,
        }
    };
    merged.into_iter().map(of).collect()
}

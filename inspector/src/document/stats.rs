//! The statistics of one poller.

use std::collections::BTreeMap;

use netpoller_proto::v1::PollerStats;

use super::histogram::{Histogram, histogram};
use super::law::{Law, law};
use super::poller::{PollerItem, poller};
use super::transitions::Transitions;
use crate::table::Context;

/// An item of `stats`: one poller.
#[derive(serde::Serialize)]
pub(crate) struct StatsItem<'a> {
    poller: Option<PollerItem<'a>>,
    transitions: BTreeMap<&'static str, Option<Transitions>>,
    counters: &'a BTreeMap<String, u64>,
    histograms: Vec<Histogram<'a>>,
    laws: Vec<Law<'a>>,
    /// The tasks of its runtime by what they do, where that is read from outside.
    tasks: BTreeMap<&'a str, u64>,
}

pub(crate) fn stats<'a>(stats: &'a PollerStats, context: &Context) -> StatsItem<'a> {
    StatsItem {
        poller: stats.poller.as_ref().map(|it| poller(it, context)),
        transitions: [("read", stats.read), ("write", stats.write)]
            .map(|(name, counts)| (name, counts.map(Transitions)))
            .into(),
        counters: &stats.counters,
        histograms: stats.histograms.iter().map(histogram).collect(),
        laws: stats.laws.iter().map(law).collect(),
        tasks: stats
            .tasks
            .iter()
            .map(|it| (it.state.as_str(), it.count))
            .collect(),
    }
}

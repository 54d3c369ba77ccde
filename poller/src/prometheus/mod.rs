//! The metrics: what the pollers count, for Prometheus and for the `metrics` facade.
//!
//! | file | holds |
//! |---|---|
//! | `counters` | which counter is which series |
//! | `families` | all metrics: names, types, help and how they are read |
//! | `buckets` | the bounds of the exported histograms |
//! | `text` | the text exposition (feature `prometheus`) |
//! | `server` | a small server for it (feature `prometheus`) |
//! | `bridge` | the `metrics` facade (feature `metrics`) |
//!
//! Nothing is stored and nothing runs between scrapes: each reads the counters that are there anyway. Every series is
//! exported from the beginning, as 0 (a rate of what was missing is unknown). No series stands for a single descriptor,
//! peer or task, so their number depends on the number of pollers alone: at most 400 each.
//!
//! The label `direction` says `read` or `write`, the words that tables and the protocol use.
//!
//! Two pollers may have one name. The second one has its number added to the label, for an exposition with the same
//! series twice is refused as a whole.
#![forbid(unsafe_code)]

#[cfg(feature = "metrics")]
mod bridge;
// The facade takes no histograms: without the exposition nobody folds them.
#[cfg_attr(not(feature = "prometheus"), allow(dead_code))]
mod buckets;
mod counters;
#[cfg_attr(not(feature = "prometheus"), allow(dead_code))]
mod families;
#[cfg(feature = "prometheus")]
mod server;
#[cfg(feature = "prometheus")]
mod text;

#[cfg(feature = "metrics")]
pub use bridge::Bridge;
#[cfg(feature = "prometheus")]
pub use server::{Builder, Server, StartError};
#[cfg(feature = "prometheus")]
pub use text::{CONTENT_TYPE, encode};

use std::collections::HashSet;

use crate::view::{self, Stats};

/// The statistics of all pollers, each with its value of the label `poller`.
fn all_stats() -> Vec<(String, Stats)> {
    let mut names = HashSet::new();
    let labelled = view::pollers().into_iter().map(|poller| {
        let stats = view::stats(&poller);
        let mut name = poller.name().to_owned();
        if !names.insert(name.clone()) {
            name = format!("{name}_{}", stats.info().id);
            names.insert(name.clone());
        }
        (name, stats)
    });
    labelled.collect()
}

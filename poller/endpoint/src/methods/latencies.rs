//! The latencies of one descriptor, from its events.

use std::collections::BTreeMap;

use netpoller_core::internals::{bucket_of, upper_bound};
use netpoller_proto::v1::{Bucket, Event, EventKind, Exemplar, Histogram};

/// How long the waiters of a descriptor were parked, and how long it took them to run, by its
/// events.
pub fn latencies(events: &[Event]) -> Vec<Histogram> {
    let mut waits = Waits::default();
    for event in events {
        waits.add(event);
    }
    waits.take()
}

/// The waits of one descriptor, as its events tell of them one after another.
#[derive(Debug, Default)]
pub struct Waits {
    parked_since: [Option<u64>; 2],
    parked: Samples,
    wakes: Samples,
}

impl Waits {
    /// Takes the next event.
    pub fn add(&mut self, event: &Event) {
        let Some(direction) = event.direction().word() else {
            return;
        };
        let since = &mut self.parked_since[direction.index()];
        match event.kind() {
            EventKind::Park => *since = Some(event.at_ns),
            // The same wait goes on with another waker, and is parked again.
            EventKind::Rearm => {}
            EventKind::ReadyParked | EventKind::UnblockParked => {
                if let Some(since) = since.take() {
                    self.parked.add(event.at_ns.saturating_sub(since), event);
                }
            }
            EventKind::CancelParked => *since = None,
            EventKind::Run => self.wakes.add(event.argument, event),
            _ => {}
        }
    }

    /// Whether somebody is parked.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        self.parked_since.iter().any(Option::is_some)
    }

    /// Returns the latencies of the waits that have ended since this was asked last.
    pub fn take(&mut self) -> Vec<Histogram> {
        vec![
            std::mem::take(&mut self.parked).histogram("time_parked"),
            std::mem::take(&mut self.wakes).histogram("wake_latency"),
        ]
    }
}

/// Samples by bucket, with the last of each.
#[derive(Debug, Default)]
struct Samples {
    buckets: BTreeMap<u64, (u64, Exemplar)>,
    sum: u64,
}

impl Samples {
    fn add(&mut self, ns: u64, event: &Event) {
        self.sum = self.sum.saturating_add(ns);
        let (count, exemplar) = self.buckets.entry(upper_bound(bucket_of(ns))).or_default();
        *count += 1;
        *exemplar = Exemplar {
            id: event.id.clone(),
            at_ns: event.at_ns,
            ..Default::default()
        };
    }

    fn histogram(self, name: &str) -> Histogram {
        Histogram {
            name: name.to_owned(),
            unit: "ns".to_owned(),
            count: self.buckets.values().map(|(count, _)| count).sum(),
            sum: self.sum,
            max: self.buckets.keys().next_back().copied().unwrap_or(0),
            buckets: self
                .buckets
                .into_iter()
                .map(|(upper_bound, (count, exemplar))| Bucket {
                    upper_bound,
                    count,
                    exemplar: Some(exemplar),
                })
                .collect(),
        }
    }
}

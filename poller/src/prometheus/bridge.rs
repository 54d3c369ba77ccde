//! The bridge to the `metrics` facade: for programs whose metrics go there already.

use std::collections::HashMap;

use metrics::{Counter, Gauge, Label};

use super::all_stats;
use super::families::{Type, Value, families};

/// Copies the counters and gauges of all pollers to the recorder of the `metrics` facade.
///
/// Histograms do not go through the facade: it takes samples one by one, and the recorders that exist keep each of them.
/// Take them from the exposition of the feature `prometheus`, or from the inspector.
///
/// ```
/// // After the recorder was installed.
/// let mut bridge = netpoller::prometheus::Bridge::new();
/// // Before each scrape, or every few seconds.
/// bridge.sync();
/// ```
#[derive(Debug, Default)]
pub struct Bridge {
    /// By the label of the poller, in the order of the families.
    handles: HashMap<String, Vec<Handle>>,
}

enum Handle {
    Counter(Counter),
    Gauge(Gauge),
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Handle::Counter(_) => "Counter",
            Handle::Gauge(_) => "Gauge",
        })
    }
}

impl Bridge {
    /// Describes all metrics to the recorder that is installed, or, inside of `metrics::with_local_recorder`, to that one.
    pub fn new() -> Self {
        for family in families() {
            match family.kind {
                Type::Counter => metrics::describe_counter!(family.name, family.help),
                Type::Gauge => metrics::describe_gauge!(family.name, family.help),
                Type::Histogram => {}
            }
        }
        Self::default()
    }

    /// Reads the pollers and sets the metrics. Handles are registered when a poller is first seen, with the recorder of that
    /// moment.
    ///
    /// Counters are set to what they are, not added to, so it does no harm if several bridges do this.
    pub fn sync(&mut self) {
        let pollers = all_stats();
        self.handles
            .retain(|name, _| pollers.iter().any(|(poller, _)| poller == name));
        for (poller, stats) in &pollers {
            let known = self.handles.entry(poller.clone()).or_default();
            let mut index = 0;
            for family in families() {
                for series in family.series(stats) {
                    let handle = |value: &Value<'_>| {
                        let mut labels = vec![Label::new("poller", poller.clone())];
                        labels.extend(
                            series
                                .labels
                                .iter()
                                .map(|(name, value)| Label::from_static_parts(name, value)),
                        );
                        match value {
                            Value::Count(_) => {
                                Handle::Counter(metrics::counter!(family.name, labels))
                            }
                            _ => Handle::Gauge(metrics::gauge!(family.name, labels)),
                        }
                    };
                    if matches!(series.value, Value::Histogram(..)) {
                        continue;
                    }
                    if known.len() == index {
                        known.push(handle(&series.value));
                    }
                    match (&known[index], series.value) {
                        (Handle::Counter(counter), Value::Count(value)) => counter.absolute(value),
                        (Handle::Gauge(gauge), Value::Gauge(value)) => gauge.set(value),
                        _ => {}
                    }
                    index += 1;
                }
            }
        }
    }
}

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use metrics::{Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

    use super::*;
    use crate::Poller;

    /// Keeps what it is told.
    #[derive(Default)]
    struct Keep {
        counters: Mutex<HashMap<String, Arc<AtomicU64>>>,
        registered: AtomicU64,
    }

    impl Recorder for Keep {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            self.registered.fetch_add(1, Ordering::Relaxed);
            let value = Arc::new(AtomicU64::new(0));
            self.counters
                .lock()
                .unwrap()
                .insert(key.to_string(), value.clone());
            Counter::from_arc(value)
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            panic!("histograms do not go through the facade")
        }
    }

    #[test]
    fn counters_reach_the_recorder_and_syncing_twice_counts_once() {
        let recorder = Keep::default();
        let poller = Poller::builder().name("bridged").build().unwrap();
        metrics::with_local_recorder(&recorder, || {
            let mut bridge = Bridge::new();
            bridge.sync();
            let registered = |recorder: &Keep| {
                recorder
                    .counters
                    .lock()
                    .unwrap()
                    .keys()
                    .filter(|key| key.contains("bridged"))
                    .count()
            };
            let before = registered(&recorder);
            assert!(before > 100);
            poller.wake().unwrap();
            bridge.sync();
            bridge.sync();
            assert_eq!(registered(&recorder), before);
        });
        let counters = recorder.counters.lock().unwrap();
        let key = "Key(netpoller_breaks_requested_total, [poller = bridged])";
        assert_eq!(
            counters.get(key).map(|value| value.load(Ordering::Relaxed)),
            Some(1),
            "{:?}",
            counters.keys()
        );
    }
}

//! The bridge to the `metrics` facade: for programs whose metrics go there already.

use std::collections::HashMap;

use metrics::{Counter, Gauge, Label};

use super::families::{Type, Value, families};
use super::samples;

/// Copies the counters and gauges of all pollers to the recorder of the `metrics` facade.
///
/// Histograms do not go through the facade: it takes samples one by one, and the recorders that
/// exist keep each of them. Take them from the exposition of the feature `prometheus`, or from the
/// inspector.
///
/// ```
/// // After the recorder was installed.
/// let mut bridge = netpoller::prometheus::Bridge::new();
/// // Before each scrape, or every few seconds.
/// bridge.sync();
/// ```
#[derive(Debug, Default)]
pub struct Bridge {
    /// By the label of the poller. The facade keeps what it was told of one that is gone, and so do
    /// we.
    known: HashMap<String, Known>,
}

/// What was told of the pollers of one name.
#[derive(Debug, Default)]
struct Known {
    /// Of the last of them.
    id: Option<u32>,
    /// In the order of the families.
    handles: Vec<Handle>,
}

enum Handle {
    Counter {
        counter: Counter,
        /// What earlier pollers of the name had counted: the facade's counters never go back, so a
        /// new one goes on from there.
        before: u64,
        last: u64,
    },
    Gauge(Gauge),
}

impl Handle {
    /// The poller is gone.
    fn end(&mut self) {
        match self {
            Handle::Counter { before, last, .. } => {
                *before += *last;
                *last = 0;
            }
            Handle::Gauge(gauge) => gauge.set(0.0),
        }
    }

    fn set(&mut self, value: &Value<'_>) {
        match (self, value) {
            (
                Handle::Counter {
                    counter,
                    before,
                    last,
                },
                Value::Count(value),
            ) => {
                *last = *value;
                counter.absolute(*before + value);
            }
            (Handle::Gauge(gauge), Value::Gauge(value)) => gauge.set(*value),
            _ => {}
        }
    }
}

impl Known {
    fn end(&mut self) {
        if self.id.take().is_some() {
            self.handles.iter_mut().for_each(Handle::end);
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Handle::Counter { .. } => "Counter",
            Handle::Gauge(_) => "Gauge",
        })
    }
}

impl Bridge {
    /// Describes all metrics to the recorder that is installed, or, inside of
    /// `metrics::with_local_recorder`, to that one.
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

    /// Reads the pollers and sets the metrics. Handles are registered when a poller is first seen,
    /// with the recorder of that moment.
    ///
    /// Counters are set to what they are, not added to, so it does no harm if several bridges do
    /// this. When a poller is gone its gauges are set to 0; when another one takes its name, its
    /// counters go on from where they were, for this bridge: keep one for as long as the program
    /// runs.
    pub fn sync(&mut self) {
        let pollers = samples();
        for (name, known) in &mut self.known {
            let now = pollers.iter().find(|(poller, _)| poller == name);
            if known.id != now.map(|(_, sample)| sample.stats.info().id) {
                known.end();
            }
        }
        for (poller, sample) in &pollers {
            let known = self.known.entry(poller.clone()).or_default();
            known.id = Some(sample.stats.info().id);
            let known = &mut known.handles;
            let mut index = 0;
            for family in families() {
                for series in family.series(sample) {
                    let handle = |value: &Value<'_>| {
                        let mut labels = vec![Label::new("poller", poller.clone())];
                        labels.extend(
                            series
                                .labels
                                .iter()
                                .map(|(name, value)| Label::from_static_parts(name, value)),
                        );
                        match value {
                            Value::Count(_) => Handle::Counter {
                                counter: metrics::counter!(family.name, labels),
                                before: 0,
                                last: 0,
                            },
                            _ => Handle::Gauge(metrics::gauge!(family.name, labels)),
                        }
                    };
                    if matches!(series.value, Value::Histogram(..)) {
                        continue;
                    }
                    if known.len() == index {
                        known.push(handle(&series.value));
                    }
                    known[index].set(&series.value);
                    index += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use metrics::{Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
    use netpoller_core::Poller;

    use super::*;

    /// Keeps what it is told.
    #[derive(Default)]
    struct Keep {
        counters: Mutex<HashMap<String, Arc<AtomicU64>>>,
        gauges: Mutex<HashMap<String, Arc<AtomicU64>>>,
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

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            let value = Arc::new(AtomicU64::new(0));
            let mut gauges = self.gauges.lock().unwrap();
            gauges.insert(key.to_string(), value.clone());
            Gauge::from_arc(value)
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
                    // And not those of `bridged_again`, which another test has.
                    .filter(|key| key.contains("bridged,") || key.contains("bridged]"))
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
        let key = "Key(netpoller_breaks_total, [poller = bridged, result = written])";
        assert_eq!(
            counters.get(key).map(|value| value.load(Ordering::Relaxed)),
            Some(1),
            "{:?}",
            counters.keys()
        );
    }

    #[test]
    fn a_new_poller_of_a_name_counts_on_and_the_gauges_of_one_that_is_gone_are_0() {
        let recorder = Keep::default();
        let of = |map: &Mutex<HashMap<String, Arc<AtomicU64>>>, name: &str| {
            let map = map.lock().unwrap();
            let found = map.iter().filter(|(key, _)| {
                key.starts_with(&format!("Key({name}, ")) && key.contains("poller = bridged_again")
            });
            found
                .map(|(_, value)| value.load(Ordering::Relaxed))
                .sum::<u64>()
        };
        let breaks = || of(&recorder.counters, "netpoller_breaks_total");
        let polls = || of(&recorder.gauges, "netpoller_last_poll_timestamp_seconds");
        metrics::with_local_recorder(&recorder, || {
            let mut bridge = Bridge::new();
            for round in 1..4 {
                let poller = loop {
                    // Somebody else's look at all pollers may keep the last of the name for a
                    // moment.
                    let poller = Poller::builder().name("bridged_again").build().unwrap();
                    if poller.name() == "bridged_again" {
                        break poller;
                    }
                    drop(poller);
                    std::thread::sleep(std::time::Duration::from_millis(10));
                };
                for _ in 0..7 {
                    poller.wake().unwrap();
                }
                let mut ready = netpoller_core::ReadyList::default();
                poller
                    .poll(Some(std::time::Duration::ZERO), &mut ready)
                    .unwrap();
                bridge.sync();
                assert_eq!((breaks(), f64::from_bits(polls()) > 0.0), (7 * round, true));
                // Both keep it.
                drop((ready, poller));
                // With or without a look in between.
                if round != 2 {
                    while f64::from_bits(polls()) > 0.0 {
                        // Not all the time: a look at all pollers keeps them for as long as it
                        // takes.
                        std::thread::sleep(std::time::Duration::from_millis(10));
                        bridge.sync();
                    }
                }
            }
        });
    }
}

//! The bridge to the `metrics` facade: for programs whose metrics go there already.

use std::collections::HashMap;

use metrics::{Counter, Gauge, Label, Unit};

use super::buckets::Buckets;
use super::families::families;
use super::family::{Family, MetricType, Series, Value};
use super::reading::Reading;

/// Copies all metrics, those of the process included, to the recorder of the `metrics` facade.
///
/// ```
/// // After the recorder was installed.
/// let mut bridge = netpoller::prometheus::Bridge::new();
/// // Before each scrape, or every few seconds.
/// bridge.sync();
/// ```
///
/// # Histograms
///
/// The facade takes the samples of a histogram one by one: it has no way yet to take counts that
/// somebody else has made. To give it each sample again would cost a call for each, and recorders
/// keep them until somebody asks, 16 bytes each. So a histogram goes there as gauges, under the
/// names that its buckets have in an exposition, `…_bucket` with the label `le`, `…_sum` and
/// `…_count`. Nothing is lost by it and nothing rounded, `histogram_quantile()`, `rate()` and so
/// the dashboards and rules take them as they are; a reading sets about 600 gauges for each poller.
/// What it costs: Prometheus shows them with the type gauge, there are no exemplars and no native
/// buckets, and `promtool check metrics` says that such names and labels are for histograms only.
///
/// `metrics-exporter-prometheus` 0.18 gives each series by the name and labels that it has in our
/// exposition, with `with_recommended_naming` and without.
///
/// A program that writes the text of its recorder itself, as with `PrometheusHandle::render`, needs
/// no bridge: it appends what [`encode`](super::encode) gives, which has all of that.
///
/// # Pollers that go
///
/// The facade keeps what it was told of a poller that is gone. Its gauges are set to 0. Counters
/// cannot go back there: when another poller takes the name, they go on from where they were.
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
    /// In the order of the reading.
    handles: Vec<Handle>,
    /// Which of them the reading has come to.
    next: usize,
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
    Histogram {
        buckets: Vec<Gauge>,
        sum: Gauge,
        count: Gauge,
    },
}

impl Handle {
    /// Registers a series with the recorder of this moment.
    fn register(family: &Family, series: &Series<'_>) -> Self {
        let own = series.labels.iter();
        let labels: Vec<_> = own
            .map(|(name, value)| Label::new(*name, value.clone().into_owned()))
            .collect();
        let name = family.name();
        match series.value {
            Value::Counter(_) => Self::Counter {
                counter: metrics::counter!(name, labels),
                before: 0,
                last: 0,
            },
            Value::Gauge(_) => Self::Gauge(metrics::gauge!(name, labels)),
            Value::Histogram(buckets) => {
                let [bucket, sum, count] = histogram_names(name);
                let each = |(le, _)| {
                    let mut labels = labels.clone();
                    labels.push(Label::from_static_parts("le", le));
                    metrics::gauge!(bucket.clone(), labels)
                };
                Self::Histogram {
                    buckets: buckets.labelled().map(each).collect(),
                    sum: metrics::gauge!(sum, labels.clone()),
                    count: metrics::gauge!(count, labels),
                }
            }
        }
    }

    /// The poller is gone.
    fn end(&mut self) {
        match self {
            Self::Counter { before, last, .. } => {
                *before += *last;
                *last = 0;
            }
            Self::Gauge(gauge) => gauge.set(0.0),
            Self::Histogram {
                buckets,
                sum,
                count,
            } => {
                let all = buckets.iter().chain([&*sum, &*count]);
                all.for_each(|gauge| gauge.set(0.0));
            }
        }
    }

    fn set(&mut self, value: &Value<'_>) {
        match (self, value) {
            (
                Self::Counter {
                    counter,
                    before,
                    last,
                },
                Value::Counter(value),
            ) => {
                *last = *value;
                counter.absolute(*before + value);
            }
            (Self::Gauge(gauge), Value::Gauge(value)) => gauge.set(*value),
            (
                Self::Histogram {
                    buckets,
                    sum,
                    count,
                },
                Value::Histogram(value),
            ) => {
                set_buckets(buckets, value);
                sum.set(value.sum());
                count.set(value.count() as f64);
            }
            _ => {}
        }
    }
}

fn set_buckets(gauges: &[Gauge], value: &Buckets<'_>) {
    for (gauge, (_, count)) in gauges.iter().zip(value.labelled()) {
        gauge.set(count as f64);
    }
}

/// The names under which a histogram is found.
fn histogram_names(name: &str) -> [String; 3] {
    ["bucket", "sum", "count"].map(|end| format!("{name}_{end}"))
}

impl Known {
    fn end(&mut self) {
        if self.id.take().is_some() {
            self.handles.iter_mut().for_each(Handle::end);
        }
    }

    fn set(&mut self, family: &Family, series: &Series<'_>) {
        if self.handles.len() == self.next {
            self.handles.push(Handle::register(family, series));
        }
        if let Some(handle) = self.handles.get_mut(self.next) {
            handle.set(&series.value);
        }
        self.next += 1;
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Counter { .. } => "Counter",
            Self::Gauge(_) => "Gauge",
            Self::Histogram { .. } => "Histogram",
        })
    }
}

impl Bridge {
    /// Describes all metrics to the recorder that is installed, or, inside of
    /// `metrics::with_local_recorder`, to that one.
    pub fn new() -> Self {
        families().for_each(|family| describe(&family));
        Self::default()
    }

    /// Reads the pollers and sets the metrics. Handles are registered when a poller is first seen,
    /// with the recorder of that moment.
    ///
    /// Counters are set to what they are, not added to, so it does no harm if several bridges do
    /// this. That the counters of a name go on from one poller to the next holds for each bridge by
    /// itself: keep one for as long as the program runs.
    pub fn sync(&mut self) {
        let reading = Reading::now();
        for (name, known) in &mut self.known {
            let now = reading.pollers().find(|(poller, _)| poller == name);
            if known.id != now.map(|(_, id)| id) {
                known.end();
            }
        }
        for (name, id) in reading.pollers() {
            let known = self.known.entry(name.to_owned()).or_default();
            (known.id, known.next) = (Some(id), 0);
        }
        for (family, series) in reading.metrics() {
            for series in series {
                match series.poller() {
                    Some(poller) => {
                        if let Some(known) = self.known.get_mut(poller) {
                            known.set(&family, &series);
                        }
                    }
                    // It is the process's, which nothing follows: few, and nothing to remember.
                    None => Handle::register(&family, &series).set(&series.value),
                }
            }
        }
    }
}

fn describe(family: &Family) {
    let unit = match family.unit() {
        Some("seconds") => Unit::Seconds,
        Some("bytes") => Unit::Bytes,
        _ => Unit::Count,
    };
    let (name, help) = (family.name(), family.help());
    match family.metric_type() {
        MetricType::Counter => metrics::describe_counter!(name, unit, help),
        MetricType::Gauge => metrics::describe_gauge!(name, unit, help),
        MetricType::Histogram => {
            let [bucket, sum, count] = histogram_names(name);
            metrics::describe_gauge!(bucket, Unit::Count, help);
            metrics::describe_gauge!(sum, unit, help);
            metrics::describe_gauge!(count, Unit::Count, help);
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
    use netpoller_core::view::faults;

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

    /// Each series of the poller and of the process in a reading, with what it says: a histogram as
    /// what an exposition makes of it.
    fn read(reading: &Reading, poller: &str) -> HashMap<String, f64> {
        let mut all = HashMap::new();
        for (family, series) in reading.metrics() {
            let of_it = |it: &Series<'_>| it.poller().is_none_or(|it| it == poller);
            for series in series.into_iter().filter(of_it) {
                let own = series
                    .labels
                    .iter()
                    .map(|(name, value)| format!("{name} = {value}"));
                let labels: Vec<_> = own.collect();
                let mut keep = |end: &str, more: Option<&str>, value| {
                    let le = more.map(|le| format!("le = {le}"));
                    let labels: Vec<_> = labels.iter().cloned().chain(le).collect();
                    let labels = match labels.len() {
                        0 => String::new(),
                        _ => format!(", [{}]", labels.join(", ")),
                    };
                    all.insert(format!("Key({}{end}{labels})", family.name()), value);
                };
                match series.value {
                    Value::Counter(value) => keep("", None, value as f64),
                    Value::Gauge(value) => keep("", None, value),
                    Value::Histogram(buckets) => {
                        keep("_sum", None, buckets.sum());
                        keep("_count", None, buckets.count() as f64);
                        for (le, count) in buckets.labelled() {
                            keep("_bucket", Some(le), count as f64);
                        }
                    }
                }
            }
        }
        all
    }

    #[test]
    fn the_recorder_has_every_series_of_a_reading_histograms_and_the_process_included() {
        let recorder = Keep::default();
        let poller = Poller::builder().name("whole").build().unwrap();
        for value in [1_000, 3_000_000, 70_000_000_000] {
            faults::record(&poller, netpoller_core::Histogram::DeadlineLag, value);
        }
        metrics::with_local_recorder(&recorder, || Bridge::new().sync());
        let mut expected = read(&Reading::now(), "whole");
        let mut told = HashMap::new();
        for (key, value) in recorder.counters.lock().unwrap().iter() {
            told.insert(key.clone(), value.load(Ordering::Relaxed) as f64);
        }
        for (key, value) in recorder.gauges.lock().unwrap().iter() {
            told.insert(key.clone(), f64::from_bits(value.load(Ordering::Relaxed)));
        }
        // Those of other tests are not compared, nor what differs from one reading to the next.
        told.retain(|key, _| !key.contains("poller = ") || key.contains("poller = whole"));
        let moves = [
            "netpoller_open_files",
            "_timestamp_",
            "_scrape_",
            "_descriptor_slots",
        ];
        for all in [&mut expected, &mut told] {
            for (_, value) in all
                .iter_mut()
                .filter(|it| moves.iter().any(|of| it.0.contains(of)))
            {
                *value = 0.0;
            }
        }
        assert!(told.len() > 600, "{}", told.len());
        assert_eq!(told, expected);
        let lag = "Key(netpoller_deadline_lag_seconds_bucket, [poller = whole, le = 0.00524288])";
        assert_eq!(told.get(lag), Some(&2.0));
        assert!(
            told.keys()
                .any(|key| key.starts_with("Key(netpoller_build_info, [version = "))
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

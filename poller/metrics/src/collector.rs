//! A collector for the crate `prometheus-client`: for programs whose metrics go there already.

use std::fmt;
use std::time::SystemTime;

use prometheus_client::encoding::{
    DescriptorEncoder, MetricEncoder, NativeHistogram, NativeHistogramBuckets, NoLabelSet,
};

use super::buckets::Buckets;
use super::family::{MetricType, Series, Value};
use super::native::{Native, SCHEMA};
use super::reading::Reading;

/// Gives a registry of `prometheus-client` all metrics, those of the process included, under the
/// names and with the labels of the exposition: the dashboards and rules are for both.
///
/// ```
/// let mut registry = prometheus_client::registry::Registry::default();
/// registry.register_collector(Box::new(netpoller::prometheus::Collector));
///
/// let poller = netpoller::Poller::builder().name("collected").build().unwrap();
/// let mut text = String::new();
/// prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
/// assert!(text.contains("netpoller_polls_total{poller=\"collected\",mode=\"block\"} 0\n"));
/// # drop(poller);
/// ```
///
/// A registry with a prefix or labels of its own gives them to these metrics too.
///
/// Native histograms, and when each began, are in the protobuf of `prometheus-client`, its feature
/// `prometheus_protobuf`; its texts have no place for either. Exemplars are in neither: only the
/// histograms of that crate can make one. [`encode_for`](super::encode_for) has all of that.
#[derive(Clone, Copy, Debug, Default)]
pub struct Collector;

impl prometheus_client::collector::Collector for Collector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = Reading::now();
        // In protobuf a family without a series would be an error to Prometheus.
        let all = now.metrics();
        for (family, series) in all.filter(|(_, series)| !series.is_empty()) {
            let kind = match family.metric_type() {
                MetricType::Counter => prometheus_client::metrics::MetricType::Counter,
                MetricType::Gauge => prometheus_client::metrics::MetricType::Gauge,
                MetricType::Histogram => prometheus_client::metrics::MetricType::Histogram,
            };
            // The encoder adds what says that it is a counter. Of a unit it would write the name
            // twice.
            let (name, help) = (family.base_name(), family.help());
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for series in &series {
                sample(metric.encode_family(&series.labels)?, series)?;
            }
        }
        Ok(())
    }
}

fn sample(mut metric: MetricEncoder<'_>, series: &Series<'_>) -> fmt::Result {
    match &series.value {
        Value::Counter(count) => metric.encode_counter::<NoLabelSet, _, f64>(count, None),
        Value::Gauge(value) => metric.encode_gauge(value),
        Value::Histogram(buckets) => histogram(metric, buckets, series.created),
    }
}

/// With the buckets of the text and native ones: what is asked for is up to the encoder.
fn histogram(
    mut metric: MetricEncoder<'_>,
    buckets: &Buckets<'_>,
    created: Option<SystemTime>,
) -> fmt::Result {
    let native = Native::of(buckets);
    let none = NativeHistogramBuckets {
        spans: &[],
        deltas: &[],
    };
    metric.encode_histogram_with_native::<NoLabelSet>(
        buckets.sum(),
        buckets.count(),
        &by_itself(buckets),
        None,
        NativeHistogram {
            schema: SCHEMA,
            zero_threshold: f64::MIN_POSITIVE,
            zero_count: native.zero,
            negative: none,
            positive: NativeHistogramBuckets {
                spans: &native.spans,
                deltas: &native.deltas,
            },
            created,
        },
    )
}

/// Each bound with what is between it and the one below: the encoder cumulates.
fn by_itself(buckets: &Buckets<'_>) -> Vec<(f64, u64)> {
    let mut below = 0;
    let each = |(bound, count): (f64, u64)| {
        let own = count.saturating_sub(below);
        below = count;
        (bound, own)
    };
    buckets.cumulated().map(each).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use netpoller_core::Poller;
    use prometheus_client::registry::Registry;

    use super::super::text::encode;
    use super::Collector;

    /// A label; a bound as the number that it is.
    fn label(text: &str) -> String {
        let bound = text
            .strip_prefix("le=\"")
            .and_then(|it| it.trim_end_matches('"').parse::<f64>().ok());
        bound.map_or(text.to_owned(), |bound| format!("le={bound}"))
    }

    /// The value of each series of the poller, bounds by their number, and the type of each family.
    fn read(text: &str, poller: &str) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
        let (mut series, mut types) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some((name, kind)) = line
                .strip_prefix("# TYPE ")
                .and_then(|it| it.split_once(' '))
            {
                types.insert(name.trim_end_matches("_total").to_owned(), kind.to_owned());
            } else if line.contains(&format!("poller=\"{poller}\"")) {
                let (name, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = name.trim_end_matches('}').split_once('{').unwrap();
                let mut labels: Vec<_> = labels.split(',').map(label).collect();
                labels.sort();
                let name = format!("{name} {}", labels.join(","));
                series.insert(name, value.parse().unwrap());
            }
        }
        (series, types)
    }

    #[test]
    fn a_registry_has_the_series_and_the_types_of_the_exposition() {
        let poller = Poller::builder().name("registered").build().unwrap();
        poller.wake().unwrap();
        let mut ready = netpoller_core::ReadyList::default();
        poller
            .poll(Some(std::time::Duration::ZERO), &mut ready)
            .unwrap();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Collector));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();

        let (ours, types) = read(&encode(), poller.name());
        let (theirs, their_types) = read(&text, poller.name());
        assert_eq!(types, their_types);
        assert!(ours.len() > 300, "{}", ours.len());
        let names = |all: &BTreeMap<String, f64>| all.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&theirs));
        let batch = format!(
            "netpoller_events_per_poll_count poller=\"{}\"",
            poller.name()
        );
        assert_eq!(ours[&batch], 1.0);
        let counted = |all: &BTreeMap<String, f64>| {
            let counts = all
                .iter()
                .filter(|(name, _)| name.contains("_bucket") || name.contains("_total"));
            counts
                .map(|(name, value)| (name.clone(), *value))
                .collect::<Vec<_>>()
        };
        assert_eq!(counted(&ours), counted(&theirs));
    }
}

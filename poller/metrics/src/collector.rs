//! A collector for the crate `prometheus-client`: for programs whose metrics go there already.

use std::fmt;
use std::time::Instant;

use netpoller_core::HistogramSnapshot;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::buckets::Bounds;
use super::families::{Type, Value, families};
use super::process::process_families;
use super::samples;

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
#[derive(Clone, Copy, Debug, Default)]
pub struct Collector;

impl prometheus_client::collector::Collector for Collector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let began = Instant::now();
        let pollers = samples();
        for family in families() {
            let (name, kind) = described(family.name, family.kind);
            let mut metric = encoder.encode_descriptor(name, family.help, None, kind)?;
            for (poller, sample) in &pollers {
                for series in family.series(sample) {
                    let mut labels = vec![("poller", poller.as_str())];
                    labels.extend(&series.labels);
                    sample_of(&mut metric, &labels, &series.value)?;
                }
            }
        }
        for family in process_families(began) {
            let (name, kind) = described(family.name, family.kind);
            let mut metric = encoder.encode_descriptor(name, family.help, None, kind)?;
            for (labels, value) in &family.series {
                let value = match family.kind {
                    Type::Counter => Value::Count(*value as u64),
                    _ => Value::Gauge(*value),
                };
                sample_of(&mut metric, labels, &value)?;
            }
        }
        Ok(())
    }
}

/// The name without what the encoder adds to it, and the type.
fn described(name: &str, kind: Type) -> (&str, MetricType) {
    let kind = match kind {
        Type::Counter => MetricType::Counter,
        Type::Gauge => MetricType::Gauge,
        Type::Histogram => MetricType::Histogram,
    };
    (name.trim_end_matches("_total"), kind)
}

fn sample_of<L>(metric: &mut MetricEncoder<'_>, labels: &L, value: &Value<'_>) -> fmt::Result
where
    L: EncodeLabelSet,
{
    let mut metric = metric.encode_family(labels)?;
    match value {
        Value::Count(count) => metric.encode_counter::<NoLabelSet, _, f64>(count, None),
        Value::Gauge(value) => metric.encode_gauge(value),
        Value::Histogram(histogram, bounds) => {
            let (sum, count) = (bounds.sum(histogram), histogram.count());
            metric.encode_histogram::<NoLabelSet>(sum, count, &buckets(histogram, bounds), None)
        }
    }
}

/// Each bound with what is between it and the one below: the encoder cumulates.
fn buckets(histogram: &HistogramSnapshot, bounds: &Bounds) -> Vec<(f64, u64)> {
    let mut below = 0;
    let each = |(le, count): (&str, u64)| {
        let own = count.saturating_sub(below);
        below = count;
        (le.parse().unwrap_or(f64::INFINITY), own)
    };
    bounds.fold(histogram).map(each).collect()
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

//! The exposition as protobuf, with native histograms: what Prometheus asks for that takes them.
//!
//! The messages are those of `io.prometheus.client` (client_model), as far as they are written.

use std::time::{SystemTime, UNIX_EPOCH};

use netpoller_core::view::Exemplar;
use prost::Message;

use super::buckets::Buckets;
use super::exemplar::exemplar_labels;
use super::family::{Family, MetricType, Series, Value};
use super::native::{Native, SCHEMA};
use super::reading::Reading;
use super::wall::wall_at;

#[derive(Clone, PartialEq, Message)]
pub(super) struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(double, optional, tag = "2")]
    value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    timestamp: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Gauge {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Counter {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    created_timestamp: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
    #[prost(message, optional, tag = "3")]
    exemplar: Option<Sample>,
}

/// So many buckets that follow each other, after a gap of `offset`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BucketSpan {
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(message, optional, tag = "15")]
    created_timestamp: Option<Timestamp>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<BucketSpan>,
    /// Each count less the one before.
    #[prost(sint64, repeated, tag = "13")]
    positive_delta: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Gauge>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Counter>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    help: Option<String>,
    /// 0 is a counter, 1 a gauge, 4 a histogram.
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
}

/// Reads all pollers. Each family is preceded by its length.
pub(super) fn encode() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (family, series) in Reading::now().metrics() {
        // One without a series is an error to Prometheus.
        if series.is_empty() {
            continue;
        }
        // A vector has room for all.
        let _ = message(&family, series).encode_length_delimited(&mut bytes);
    }
    bytes
}

fn message(family: &Family, series: Vec<Series<'_>>) -> MetricFamily {
    MetricFamily {
        name: Some(family.name().to_owned()),
        help: Some(family.help().to_owned()),
        kind: Some(match family.metric_type() {
            MetricType::Counter => 0,
            MetricType::Gauge => 1,
            MetricType::Histogram => 4,
        }),
        metric: series.into_iter().map(metric).collect(),
    }
}

fn metric(series: Series<'_>) -> Metric {
    let created = series.created.map(timestamp);
    let label = series.labels.iter().map(|(name, value)| pair(name, value));
    let mut metric = Metric {
        label: label.collect(),
        ..Metric::default()
    };
    match series.value {
        Value::Counter(value) => {
            metric.counter = Some(Counter {
                value: Some(value as f64),
                created_timestamp: created,
            });
        }
        Value::Gauge(value) => metric.gauge = Some(Gauge { value: Some(value) }),
        Value::Histogram(buckets) => metric.histogram = Some(histogram(&buckets, created)),
    }
    metric
}

fn pair(name: &str, value: &str) -> LabelPair {
    LabelPair {
        name: Some(name.to_owned()),
        value: Some(value.to_owned()),
    }
}

fn timestamp(at: SystemTime) -> Timestamp {
    let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(at.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(at.subsec_nanos()).unwrap_or_default(),
    }
}

/// With the buckets of the text, for who takes those, and native ones.
fn histogram(buckets: &Buckets<'_>, created: Option<Timestamp>) -> Histogram {
    let bucket = buckets.cumulated().zip(buckets.exemplars());
    let bucket = bucket.map(|((le, count), exemplar)| Bucket {
        cumulative_count: Some(count),
        upper_bound: Some(le),
        exemplar: exemplar.map(|(value, exemplar)| sample(value, &exemplar)),
    });
    let native = Native::of(buckets);
    let span = |(offset, length): (i32, u32)| BucketSpan {
        offset: Some(offset),
        length: Some(length),
    };
    Histogram {
        sample_count: Some(buckets.count()),
        sample_sum: Some(buckets.sum()),
        bucket: bucket.collect(),
        created_timestamp: created,
        schema: Some(SCHEMA),
        zero_threshold: Some(f64::MIN_POSITIVE),
        zero_count: Some(native.zero),
        positive_span: native.spans.into_iter().map(span).collect(),
        positive_delta: native.deltas,
    }
}

fn sample(value: f64, exemplar: &Exemplar) -> Sample {
    let labels = exemplar_labels(exemplar);
    let label = labels.iter().map(|(name, value)| pair(name, value));
    Sample {
        label: label.collect(),
        value: Some(value),
        timestamp: Some(timestamp(wall_at(exemplar.at_ns()))),
    }
}

#[cfg(test)]
mod tests {
    use netpoller_core::view::faults;
    use netpoller_core::{Histogram as Internal, Poller};

    use super::*;

    fn read(mut bytes: &[u8]) -> Vec<MetricFamily> {
        let mut all = Vec::new();
        while !bytes.is_empty() {
            all.push(MetricFamily::decode_length_delimited(&mut bytes).unwrap());
        }
        all
    }

    fn lag_of(poller: &Poller) -> Histogram {
        let families = read(&encode());
        let name = Some("netpoller_deadline_lag_seconds".to_owned());
        let family = families.into_iter().find(|it| it.name == name).unwrap();
        assert_eq!(family.kind, Some(4));
        let label = pair("poller", poller.name());
        let mut metrics = family.metric.into_iter();
        let metric = metrics.find(|it| it.label.contains(&label)).unwrap();
        metric.histogram.unwrap()
    }

    /// What Prometheus makes of native buckets.
    fn quantile(histogram: &Histogram, share: f64) -> f64 {
        let rank = share * histogram.sample_count.unwrap() as f64;
        let mut seen = histogram.zero_count.unwrap() as f64;
        let (mut index, mut count) = (0, 0);
        let mut deltas = histogram.positive_delta.iter();
        for span in &histogram.positive_span {
            index += span.offset.unwrap();
            for _ in 0..span.length.unwrap() {
                count += deltas.next().unwrap();
                seen += count as f64;
                let upper = f64::exp2(f64::from(index) / f64::from(1 << SCHEMA));
                if seen >= rank {
                    return upper;
                }
                index += 1;
            }
        }
        unreachable!("the last bucket counts all")
    }

    #[test]
    fn a_native_quantile_is_within_1_3_times_of_what_hist_says_whatever_was_measured() {
        for value in [
            1,
            3,
            5,
            700,
            1024,
            1025,
            134_000_000,
            999_999_999,
            77_000_000_000,
        ] {
            let poller = Poller::builder().name("native").build().unwrap();
            for times in 0..100 {
                faults::record(&poller, Internal::DeadlineLag, value);
                faults::record(&poller, Internal::DeadlineLag, value * (1 + times % 3));
            }
            let histogram = lag_of(&poller);
            let stats = poller.stats();
            let snapshot = stats.histogram(Internal::DeadlineLag);
            for share in [0.2, 0.5, 0.99] {
                let hist = snapshot.quantile(share).unwrap() as f64 / 1e9;
                let ours = quantile(&histogram, share);
                let times = (ours / hist).max(hist / ours);
                assert!(times <= 1.3, "p{share} of {value}: {ours} and {hist}");
            }
        }
    }

    #[test]
    fn a_histogram_has_both_kinds_of_buckets_and_all_samples_in_each() {
        let poller = Poller::builder().name("both").build().unwrap();
        for value in [0, 0, 5_000, 5_000, 5_001, 80_000_000_000] {
            faults::record(&poller, Internal::DeadlineLag, value);
        }
        let histogram = lag_of(&poller);
        assert_eq!(histogram.sample_count, Some(6));
        assert_eq!(histogram.zero_count, Some(2));
        let mut count = 0;
        let native = histogram.positive_delta.iter().map(|delta| {
            count += delta;
            count
        });
        assert_eq!(native.sum::<i64>(), 4);
        assert_eq!(histogram.positive_span.len(), 2);
        let last = histogram.bucket.last().unwrap();
        assert_eq!(last.cumulative_count, Some(6));
        assert_eq!(last.upper_bound, Some(f64::INFINITY));
        let exemplars = histogram.bucket.iter().filter(|it| it.exemplar.is_some());
        assert_eq!(exemplars.count(), 3);
        assert!(histogram.created_timestamp.unwrap().seconds > 1_600_000_000);
    }

    #[test]
    fn what_is_in_the_text_is_in_the_protobuf() {
        let _poller = Poller::builder().name("formats").build().unwrap();
        let text = crate::encode();
        let families = read(&encode());
        let of_text = text.lines().filter(|line| line.starts_with("# TYPE "));
        assert_eq!(families.len(), of_text.count());
        for family in families {
            let line = format!("# HELP {} {}\n", family.name.unwrap(), family.help.unwrap());
            assert!(text.contains(&line), "{line}");
        }
    }
}

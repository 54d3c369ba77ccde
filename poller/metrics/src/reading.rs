//! What all metrics say at one moment.

use std::borrow::Cow;
use std::time::{Instant, SystemTime};

use netpoller_core::{Poller, internals, view};

use super::families::families;
use super::family::{Family, POLLER, Sample, Series};
use super::wall::wall_at;
use super::watch;

/// What all metrics say at one moment: that of which every exposition is written.
///
/// ```
/// use netpoller::prometheus::{Reading, Value};
///
/// let poller = netpoller::Poller::builder().name("read").build().unwrap();
/// let reading = Reading::now();
/// for (family, series) in reading.metrics() {
///     for series in series {
///         match series.value {
///             Value::Counter(count) => println!("{} {:?} {count}", family.name(), series.labels),
///             Value::Gauge(value) => println!("{} {:?} {value}", family.name(), series.labels),
///             Value::Histogram(buckets) => println!("{} {}", family.name(), buckets.count()),
///             _ => {}
///         }
///     }
/// }
/// # drop(poller);
/// ```
#[derive(Debug)]
pub struct Reading {
    began: Instant,
    /// By the label of each: its name, which no other live one has.
    pollers: Vec<(String, Sample)>,
}

impl Reading {
    /// Reads all pollers. No lock is taken that the data path takes.
    pub fn now() -> Self {
        let began = Instant::now();
        let mut seen = watch::seen();
        let mut sample = |poller: &Poller| Sample {
            stats: poller.stats(),
            seen: seen.remove(&internals::id(poller)).unwrap_or_default(),
        };
        let pollers = view::pollers().into_iter();
        let pollers = pollers.map(|poller| (poller.name().to_owned(), sample(&poller)));
        Self {
            began,
            pollers: pollers.collect(),
        }
    }

    /// Returns each metric with its series, in the order of the exposition. While there is no
    /// poller, those of pollers have none.
    pub fn metrics(&self) -> impl Iterator<Item = (Family, Vec<Series<'_>>)> {
        let created = |sample: &Sample| wall_at(sample.stats.info().created_at_ns);
        let created: Vec<_> = self.pollers.iter().map(|it| created(&it.1)).collect();
        families().map(move |family| {
            let of_pollers = self.pollers.iter().zip(&created);
            let of_pollers = of_pollers.flat_map(|((poller, sample), created)| {
                let series = family.of_poller(sample).into_iter();
                series.map(|series| named(series, poller, *created))
            });
            let mut series: Vec<_> = of_pollers.collect();
            series.extend(family.of_the_process(self.began));
            (family, series)
        })
    }

    /// The name of each poller, and its number, which no other one of the process ever has.
    #[cfg(any(feature = "metrics", feature = "prometheus"))]
    pub(super) fn pollers(&self) -> impl Iterator<Item = (&str, u32)> {
        let pollers = self.pollers.iter();
        pollers.map(|(name, sample)| (name.as_str(), sample.stats.info().id))
    }
}

/// The series with the label of its poller before its own.
fn named<'a>(mut series: Series<'a>, poller: &'a str, created: SystemTime) -> Series<'a> {
    series.labels.insert(0, (POLLER, Cow::Borrowed(poller)));
    series.created = Some(created);
    series
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::family::{MetricType, Value};
    use super::*;

    #[test]
    fn every_series_has_the_type_and_the_labels_that_its_family_tells() {
        let poller = Poller::builder().name("told").build().unwrap();
        let reading = Reading::now();
        let mut read = BTreeSet::new();
        for (family, series) in reading.metrics() {
            let name = family.name();
            assert!(read.insert(name), "{name} twice");
            assert!(!series.is_empty(), "{name}");
            for series in series {
                let labels: Vec<_> = series.labels.iter().map(|it| it.0).collect();
                assert_eq!(labels, family.labels(), "{name}");
                let of_value = match series.value {
                    Value::Counter(_) => MetricType::Counter,
                    Value::Gauge(_) => MetricType::Gauge,
                    Value::Histogram(_) => MetricType::Histogram,
                };
                assert_eq!(of_value, family.metric_type(), "{name}");
                let is_of_poller = family.labels().first() == Some(&POLLER);
                assert_eq!(series.created.is_some(), is_of_poller, "{name}");
            }
        }
        drop(poller);
    }

    #[test]
    fn a_unit_is_what_the_name_ends_in() {
        let of = |name: &str| families().find(|it| it.name() == name).unwrap().unit();
        assert_eq!(of("netpoller_poll_duration_seconds"), Some("seconds"));
        assert_eq!(of("netpoller_io_bytes_total"), Some("bytes"));
        assert_eq!(of("netpoller_polls_total"), None);
        assert_eq!(of("netpoller_build_info"), None);
    }
}

//! What a metric is, and what its series say.

use std::borrow::Cow;
use std::fmt;
use std::time::{Instant, SystemTime};

use netpoller_core::view::Stats;
use netpoller_core::{Counter, Histogram};
use netpoller_proto::vocabulary::{self, Labels};

use super::buckets::{Bounds, Buckets};
use super::watch::Seen;

/// What a metric is, in the words of Prometheus.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum MetricType {
    /// It only grows; it begins at 0 with its poller.
    Counter,
    /// It is what it is now.
    Gauge,
    /// How many samples there were, by how large they were; each count only grows.
    Histogram,
}

impl MetricType {
    /// Returns its name in an exposition.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl fmt::Display for MetricType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a series says, by the type of its metric.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Of a counter.
    Counter(u64),
    /// Of a gauge.
    Gauge(f64),
    /// Of a histogram.
    Histogram(Buckets<'a>),
}

/// One series of a metric: that of one poller with one set of labels.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Series<'a> {
    /// Names and values of its labels; `poller` is the first, if it is of one.
    pub labels: Vec<(&'static str, Cow<'a, str>)>,
    /// What it says.
    pub value: Value<'a>,
    /// When it began to count: when its poller was made. `None` if it is of the process.
    pub created: Option<SystemTime>,
}

impl<'a> Series<'a> {
    pub(super) fn new(labels: &[(&'static str, &'static str)], value: Value<'a>) -> Self {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).into()));
        Self {
            labels: labels.collect(),
            value,
            created: None,
        }
    }

    pub(super) fn gauge(labels: &[(&'static str, &'static str)], value: f64) -> Self {
        Self::new(labels, Value::Gauge(value))
    }

    pub(super) fn counter(labels: &[(&'static str, &'static str)], value: u64) -> Self {
        Self::new(labels, Value::Counter(value))
    }

    /// Returns the name of its poller, if it is of one.
    pub fn poller(&self) -> Option<&str> {
        let (name, value) = self.labels.first()?;
        (*name == POLLER).then_some(value)
    }
}

/// The label with the name of a poller.
pub(super) const POLLER: &str = "poller";

/// One metric: what it is called and what it means. [`families`](super::families) lists all.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    metric_type: MetricType,
    read: Read,
}

/// How the series are read, and which labels they have where that does not tell.
#[derive(Clone, Copy, Debug)]
enum Read {
    Counters(&'static [(Labels, Counter)]),
    Histograms(&'static [(Labels, Histogram)], &'static Bounds),
    Stats(&'static [&'static str], fn(&Stats) -> Vec<Series<'_>>),
    Seen(&'static [&'static str], fn(&Seen) -> Vec<Series<'_>>),
    Process(&'static [&'static str], fn(Instant) -> Vec<Series<'static>>),
}

/// What is read of one poller.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) stats: Stats,
    pub(super) seen: Seen,
}

impl Family {
    /// One that counters of the vocabulary make up.
    pub(super) const fn of_counters(family: &vocabulary::Family<Counter>) -> Self {
        Self {
            name: family.metric,
            help: family.help,
            metric_type: MetricType::Counter,
            read: Read::Counters(family.series),
        }
    }

    /// The one of which this histogram of the vocabulary is a series.
    pub(super) const fn of_histogram(one: Histogram, bounds: &'static Bounds) -> Self {
        let family = one.family();
        Self {
            name: family.metric,
            help: family.help,
            metric_type: MetricType::Histogram,
            read: Read::Histograms(family.series, bounds),
        }
    }

    pub(super) const fn of_stats(
        name: &'static str,
        metric_type: MetricType,
        help: &'static str,
        labels: &'static [&'static str],
        read: fn(&Stats) -> Vec<Series<'_>>,
    ) -> Self {
        Self {
            name,
            help,
            metric_type,
            read: Read::Stats(labels, read),
        }
    }

    /// A gauge of what was looked for.
    pub(super) const fn of_seen(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        read: fn(&Seen) -> Vec<Series<'_>>,
    ) -> Self {
        Self {
            name,
            help,
            metric_type: MetricType::Gauge,
            read: Read::Seen(labels, read),
        }
    }

    /// One of the process; it is told when the reading began.
    pub(super) const fn of_process(
        name: &'static str,
        metric_type: MetricType,
        help: &'static str,
        labels: &'static [&'static str],
        read: fn(Instant) -> Vec<Series<'static>>,
    ) -> Self {
        Self {
            name,
            help,
            metric_type,
            read: Read::Process(labels, read),
        }
    }

    /// Returns its name in an exposition, which of a counter ends in `_total`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns what it means, in a sentence.
    pub fn help(&self) -> &'static str {
        self.help
    }

    /// Returns what it is.
    pub fn metric_type(&self) -> MetricType {
        self.metric_type
    }

    /// Returns its unit, `seconds` or `bytes`, which its name ends in; `None` if it counts things.
    pub fn unit(&self) -> Option<&'static str> {
        let name = self.base_name();
        let is_of = |unit: &&str| name.strip_suffix(*unit).is_some_and(|it| it.ends_with('_'));
        ["seconds", "bytes"].into_iter().find(is_of)
    }

    /// The name without what says that it is a counter.
    pub(super) fn base_name(&self) -> &'static str {
        self.name.trim_end_matches("_total")
    }

    /// Returns the names of the labels that each of its series has. Those that are of a poller have
    /// `poller` first, its name.
    pub fn labels(&self) -> Vec<&'static str> {
        let named = |labels: Labels| labels.iter().map(|(name, _)| *name).collect();
        let own: Vec<_> = match self.read {
            Read::Counters(series) => series.first().map(|it| named(it.0)).unwrap_or_default(),
            Read::Histograms(series, _) => series.first().map(|it| named(it.0)).unwrap_or_default(),
            Read::Stats(labels, _) | Read::Seen(labels, _) => labels.to_vec(),
            Read::Process(labels, _) => return labels.to_vec(),
        };
        std::iter::once(POLLER).chain(own).collect()
    }

    /// The series of one poller, without that label; none if it is of the process.
    pub(super) fn of_poller<'a>(&self, sample: &'a Sample) -> Vec<Series<'a>> {
        let stats = &sample.stats;
        match self.read {
            Read::Counters(series) => series
                .iter()
                .map(|(labels, counter)| Series::counter(labels, stats.counter(*counter)))
                .collect(),
            Read::Histograms(series, bounds) => series
                .iter()
                .map(|(labels, histogram)| {
                    let buckets = Buckets::new(stats.histogram(*histogram), bounds);
                    Series::new(labels, Value::Histogram(buckets))
                })
                .collect(),
            Read::Stats(_, read) => read(stats),
            Read::Seen(_, read) => read(&sample.seen),
            Read::Process(..) => Vec::new(),
        }
    }

    /// The series of the process, in a reading that began then; none if it is of pollers.
    pub(super) fn of_the_process(&self, began: Instant) -> Vec<Series<'static>> {
        match self.read {
            Read::Process(_, read) => read(began),
            _ => Vec::new(),
        }
    }
}

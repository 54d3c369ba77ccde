//! A histogram, its quantiles and its exemplars.

use netpoller_proto::v1;

use super::{Line, line, present};
use crate::quantile;

#[derive(serde::Serialize)]
pub(crate) struct Histogram<'a> {
    name: &'a str,
    unit: &'a str,
    count: u64,
    sum: u64,
    mean: Option<u64>,
    max: Option<u64>,
    p50: Option<u64>,
    p90: Option<u64>,
    p99: Option<u64>,
    p99_9: Option<u64>,
    buckets: Vec<Bucket<'a>>,
}

#[derive(serde::Serialize)]
struct Bucket<'a> {
    upper_bound: u64,
    count: u64,
    exemplar: Option<Exemplar<'a>>,
}

/// The latest sample of a bucket.
#[derive(serde::Serialize)]
struct Exemplar<'a> {
    id: Option<&'a str>,
    at_ns: u64,
    location: Option<&'a str>,
    task: Option<&'a str>,
    task_id: Option<u64>,
    nearest: Option<Line<'a>>,
}

/// A histogram with its quantiles, which are `null` without samples.
pub(crate) fn histogram(histogram: &v1::Histogram) -> Histogram<'_> {
    let [p50, p90, p99, p99_9] = quantile::SHOWN.map(|(_, share)| histogram.quantile(share));
    Histogram {
        name: &histogram.name,
        unit: &histogram.unit,
        count: histogram.count,
        sum: histogram.sum,
        mean: quantile::mean(histogram),
        max: (histogram.count > 0).then_some(histogram.max),
        p50,
        p90,
        p99,
        p99_9,
        buckets: histogram.buckets.iter().map(bucket).collect(),
    }
}

fn bucket(bucket: &v1::Bucket) -> Bucket<'_> {
    Bucket {
        upper_bound: bucket.upper_bound,
        count: bucket.count,
        exemplar: bucket.exemplar.as_ref().map(|exemplar| Exemplar {
            id: present(&exemplar.id),
            at_ns: exemplar.at_ns,
            location: present(&exemplar.location),
            task: present(&exemplar.task),
            task_id: (exemplar.task_id != 0).then_some(exemplar.task_id),
            nearest: line(exemplar.nearest.as_ref()),
        }),
    }
}

//! The arithmetic.

use std::time::Duration;

use crate::echo::stats::{BUCKETS, Histogram, Spread, bucket, middle};

#[test]
fn the_median_of_an_odd_number_is_the_one_in_the_middle() {
    assert_eq!(
        Spread::of([3.0, 1.0, 2.0]),
        Some(Spread {
            median: 2.0,
            min: 1.0,
            max: 3.0
        })
    );
}

#[test]
fn the_median_of_an_even_number_is_the_mean_of_two() {
    assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
}

#[test]
fn no_figures_have_no_spread() {
    assert_eq!(Spread::of([]), None);
}

#[test]
fn buckets_are_contiguous_and_cover_every_duration() {
    let mut before = 0;
    for ns in 1..100_000 {
        let index = bucket(ns);
        assert!(
            index == before || index == before + 1,
            "{ns} ns falls into bucket {index} after {before}"
        );
        before = index;
    }
    assert_eq!(bucket(u64::MAX), BUCKETS - 1);
}

#[test]
fn a_bucket_is_within_a_64th_of_what_it_holds() {
    for ns in [
        0,
        1,
        31,
        32,
        33,
        63,
        64,
        1_000,
        12_345,
        999_999_999,
        1 << 40,
    ] {
        let off = middle(bucket(ns)).abs_diff(ns);
        assert!(off <= ns / 64 + 1, "{ns} ns is reported {off} ns off");
    }
}

#[test]
fn quantiles_split_what_was_recorded() {
    let mut histogram = Histogram::new();
    assert_eq!(histogram.quantile_ns(0.5), None);
    for ns in 0..20 {
        histogram.record(Duration::from_nanos(ns));
    }
    assert_eq!(histogram.quantile_ns(0.5), Some(9));
    assert_eq!(histogram.quantile_ns(0.99), Some(19));
    assert_eq!(histogram.quantile_ns(0.0), Some(0));
}

//! What rounds come to.

use std::time::Duration;

use crate::echo::load::Done;
use crate::echo::rounds::{Measured, Row, Sample};
use crate::echo::servers::{KINDS, Kind};
use crate::echo::stats::Histogram;

fn measured(kind: &'static Kind, cpu_ns: [u64; 3]) -> Measured {
    let sample = |ns| Sample {
        requests: 10,
        elapsed: Duration::from_secs(1),
        cpu: Duration::from_nanos(ns),
    };
    Measured {
        kind,
        rounds: cpu_ns.map(sample).to_vec(),
        latency: Histogram::new(),
    }
}

#[test]
fn ratios_are_taken_within_a_round() {
    let bare = measured(&KINDS[0], [100, 200, 400]);
    let other = measured(&KINDS[1], [110, 210, 480]);
    let row = Row {
        connections: 1,
        servers: vec![bare, other],
    };
    let ratio = row.ratio(&row.servers[1]).unwrap();
    assert_eq!((ratio.median, ratio.min, ratio.max), (1.1, 1.05, 1.2));
}

#[test]
fn without_the_baseline_there_is_no_ratio() {
    let row = Row {
        connections: 1,
        servers: vec![measured(&KINDS[1], [1, 2, 3])],
    };
    assert!(row.ratio(&row.servers[0]).is_none());
}

#[test]
fn the_halves_of_a_round_add_up() {
    let mut sample = Sample::default();
    let half = Done {
        requests: 500,
        elapsed: Duration::from_millis(500),
    };
    sample.add(half, Duration::from_millis(2));
    sample.add(half, Duration::from_millis(4));
    assert_eq!(sample.cpu_ns_per_request(), 6_000.0);
    assert_eq!(sample.requests_per_second(), 1_000.0);
    assert_eq!(sample.busy(), 0.006);
}

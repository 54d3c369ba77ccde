//! Whether a subscriber that reads nothing changes the latency of the data path.

use std::io;

use super::args::Args;
use super::cases::Setup;
use super::pair::Side;
use super::stats::Spread;
use super::variants::{Variant, Variants};

/// Half of what the machine can do, or the load would measure its own queue.
const CONNECTIONS: u32 = 8;
/// So many rows that a keyframe does not fit into the socket's buffers.
const IDLE: u32 = 9000;

/// Latencies of the watched server by those of the one that nobody watches.
pub(crate) struct Isolation {
    pub(crate) p50: Option<Spread>,
    pub(crate) p99: Option<Spread>,
}

/// Measures it.
pub(crate) fn measure(args: &Args, variants: &Variants, core: usize) -> io::Result<Isolation> {
    eprintln!("overhead: a stalled subscriber");
    let alone = Setup {
        variant: Variant::On,
        server: "netpoller-inline",
        threads: 0,
        subscribers: 0,
        stalled: false,
    };
    let stalled = Setup {
        subscribers: 1,
        stalled: true,
        ..alone
    };
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for round in 0..args.rounds {
        let start = |setup: &Setup| Side::start(setup, CONNECTIONS, IDLE, variants, core);
        let mut sides = [start(&stalled)?, start(&alone)?];
        let first = round as usize % 2;
        for side in [first, 1 - first, 1 - first, first] {
            sides[side].run(args.secs / 2)?;
        }
        let quantile = |side: &Side, q| side.latency.quantile_ns(q).unwrap_or(1) as f64;
        p50.push(quantile(&sides[0], 0.5) / quantile(&sides[1], 0.5));
        p99.push(quantile(&sides[0], 0.99) / quantile(&sides[1], 0.99));
    }
    Ok(Isolation {
        p50: Spread::of(p50),
        p99: Spread::of(p99),
    })
}

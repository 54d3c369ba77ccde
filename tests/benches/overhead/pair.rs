//! The order of measuring: rounds, there and back.

use std::io;
use std::thread;
use std::time::Duration;

use super::args::Args;
use super::cases::{Case, Setup};
use super::load::Load;
use super::server::Server;
use super::stats::{Histogram, Spread};
use super::variants::Variants;

/// Size of a message, as in the bench `echo`.
pub(crate) const MESSAGE: u32 = 128;
const WARM_UP: Duration = Duration::from_millis(100);
/// Between the last answer and reading the clock: the server goes to sleep, which is when its CPU
/// time is exact.
const SETTLE: Duration = Duration::from_millis(2);

/// A pair and its figures.
pub(crate) struct Measured {
    pub(crate) case: Case,
    /// CPU by requests, measured by baseline.
    pub(crate) ratio: Option<Spread>,
    /// Of the baseline, in nanoseconds.
    pub(crate) baseline_ns: Option<Spread>,
}

/// One side of a pair in one round.
pub(crate) struct Side {
    pub(crate) server: Server,
    pub(crate) load: Load,
    requests: u64,
    cpu: Duration,
    pub(crate) latency: Histogram,
}

impl Side {
    pub(crate) fn start(
        setup: &Setup,
        connections: u32,
        idle: u32,
        variants: &Variants,
        core: usize,
    ) -> io::Result<Side> {
        let server = Server::start(setup, idle, core, variants)?;
        let load = Load::connect(server.address, connections, MESSAGE)?;
        Ok(Side {
            server,
            load,
            requests: 0,
            cpu: Duration::ZERO,
            latency: Histogram::new(),
        })
    }

    pub(crate) fn run(&mut self, period: Duration) -> io::Result<()> {
        self.load.run(WARM_UP, &mut Histogram::new())?;
        thread::sleep(SETTLE);
        let before = self.server.clock.now()?;
        let done = self.load.run(period, &mut self.latency)?;
        thread::sleep(SETTLE);
        self.requests += done.requests;
        self.cpu += self.server.clock.now()?.saturating_sub(before);
        Ok(())
    }

    fn ns_per_request(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.requests as f64
    }
}

/// Measures one pair.
pub(crate) fn measure(
    case: &Case,
    args: &Args,
    variants: &Variants,
    core: usize,
) -> io::Result<Measured> {
    let mut ratios = Vec::new();
    let mut baselines = Vec::new();
    for round in 0..args.rounds {
        let start = |setup: &Setup| Side::start(setup, case.connections, case.idle, variants, core);
        let mut sides = [start(&case.measured)?, start(&case.baseline)?];
        let first = round as usize % 2;
        for side in [first, 1 - first, 1 - first, first] {
            sides[side].run(args.secs / 2)?;
        }
        ratios.push(sides[0].ns_per_request() / sides[1].ns_per_request());
        baselines.push(sides[1].ns_per_request());
    }
    Ok(Measured {
        case: case.clone(),
        ratio: Spread::of(ratios),
        baseline_ns: Spread::of(baselines),
    })
}

//! The order of measuring: rounds, there and back.

use std::io;
use std::thread;
use std::time::Duration;

use super::args::Args;
use super::child::{Child, Launch};
use super::error::Context;
use super::load::{Done, Load};
use super::machine::Machine;
use super::servers::{BASELINE, Kind};
use super::stats::{Histogram, Spread};

/// Between the last answer and reading the clock: the server goes to sleep, which is when its CPU
/// time is exact.
const SETTLE: Duration = Duration::from_millis(2);

/// Every server at one number of connections.
pub(crate) struct Row {
    pub(crate) connections: u32,
    pub(crate) servers: Vec<Measured>,
}

/// One server of a row.
pub(crate) struct Measured {
    pub(crate) kind: &'static Kind,
    /// One sample per round; rounds of the servers of a row correspond.
    pub(crate) rounds: Vec<Sample>,
    /// Of every measured request.
    pub(crate) latency: Histogram,
}

/// What a server did and used in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
    pub(crate) cpu: Duration,
}

impl Sample {
    pub(crate) fn add(&mut self, done: Done, cpu: Duration) {
        self.requests += done.requests;
        self.elapsed += done.elapsed;
        self.cpu += cpu;
    }

    pub(crate) fn cpu_ns_per_request(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.requests as f64
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// Which part of the time the server used a core; above 1 it used several.
    pub(crate) fn busy(&self) -> f64 {
        self.cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }
}

impl Row {
    /// CPU per request of `server` over that of the baseline, round by round; `None` without a
    /// baseline.
    pub(crate) fn ratio(&self, server: &Measured) -> Option<Spread> {
        let baseline = self
            .servers
            .iter()
            .find(|server| server.kind.name == BASELINE)?;
        Spread::of(
            server
                .rounds
                .iter()
                .zip(&baseline.rounds)
                .map(|(mine, bare)| mine.cpu_ns_per_request() / bare.cpu_ns_per_request()),
        )
    }
}

/// Measures every server at this number of connections.
pub(crate) fn measure(
    args: &Args,
    connections: u32,
    machine: &Machine,
    launch: Launch,
) -> io::Result<Row> {
    let mut servers: Vec<Measured> = args
        .kinds()
        .into_iter()
        .map(|kind| Measured {
            kind,
            rounds: Vec::new(),
            latency: Histogram::new(),
        })
        .collect();
    for round in 0..args.rounds {
        let mut order: Vec<usize> = (0..servers.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        // Fresh processes: where memory happens to lie differs from round to round instead of
        // favouring one server.
        let mut running = Vec::new();
        for server in &servers {
            let child = Child::start(server.kind, machine.server_core, args, launch)?;
            let load = Load::connect(child.address, connections, args.message)
                .context(|| format!("connecting to server {}", child.kind.name))?;
            running.push((child, load));
        }
        let mut samples = vec![Sample::default(); servers.len()];
        for &index in order.iter().chain(order.iter().rev()) {
            let (child, load) = &mut running[index];
            window(
                args,
                child,
                load,
                &mut samples[index],
                &mut servers[index].latency,
            )
            .context(|| {
                format!(
                    "measuring server {} at connections {connections}",
                    child.kind.name
                )
            })?;
        }
        let mut progress = format!(
            "echo: connections {connections}, round {}/{}:",
            round + 1,
            args.rounds
        );
        for (server, sample) in servers.iter_mut().zip(samples) {
            progress += &format!(
                " {} {:.0} ns",
                server.kind.name,
                sample.cpu_ns_per_request()
            );
            server.rounds.push(sample);
        }
        eprintln!("{progress}");
    }
    Ok(Row {
        connections,
        servers,
    })
}

/// Warms up and measures half of a round; the server is idle before, between and after.
fn window(
    args: &Args,
    child: &Child,
    load: &mut Load,
    sample: &mut Sample,
    latency: &mut Histogram,
) -> io::Result<()> {
    load.run(args.warm_up, &mut Histogram::new())?;
    thread::sleep(SETTLE);
    let before = child.clock.now()?;
    let done = load.run(args.secs / 2, latency)?;
    thread::sleep(SETTLE);
    sample.add(done, child.clock.now()?.saturating_sub(before));
    Ok(())
}

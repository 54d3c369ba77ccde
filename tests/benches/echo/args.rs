//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Parser, ValueEnum};

use super::servers;

/// CPU per request and throughput of echo servers, as ratios to a bare epoll loop
///
/// Every round measures every server; odd rounds in reverse order, and each round there and back (A
/// B B A), so that a drift of the machine falls on all of them. Printed: the median of the rounds
/// and [min … max].
#[derive(Clone, Debug, Parser)]
#[command(name = "echo")]
pub(crate) struct Args {
    /// Connections that the load keeps open; one group of rows each
    #[arg(
        long,
        value_name = "N,N,...",
        value_delimiter = ',',
        default_value = "1,64,1000",
        value_parser = clap::value_parser!(u32).range(1..=100_000),
    )]
    pub(crate) connections: Vec<u32>,

    /// Rounds per row; every round starts fresh server processes
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,

    /// Measured seconds per server and round, half of them on the way there and half on the way
    /// back
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    pub(crate) secs: Duration,

    /// Seconds of load before each measured half
    #[arg(long, value_name = "S", default_value = "0.1", value_parser = seconds)]
    pub(crate) warm_up: Duration,

    /// Servers to measure; ratios are to `bare` and need it in the list [default: all]
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(servers::names()),
    )]
    servers: Vec<String>,

    /// Size of a message
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 128,
        value_parser = clap::value_parser!(u32).range(1..=1 << 20),
    )]
    pub(crate) message: u32,

    /// Set a read deadline before every read (`bare` stays without one: it is the baseline)
    #[arg(long)]
    pub(crate) read_deadline: bool,

    /// How to print the result
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// Be the server of this kind instead: print the port and serve until killed
    #[arg(long, value_name = "KIND", hide = true, value_parser = PossibleValuesParser::new(servers::names()))]
    pub(crate) serve: Option<String>,

    /// With --serve: the core to run on
    #[arg(long, value_name = "N", hide = true, requires = "serve")]
    pub(crate) core: Option<usize>,

    /// With --serve: descriptors on which a task of the server waits for what never comes
    #[arg(
        long,
        value_name = "N",
        hide = true,
        requires = "serve",
        default_value_t = 0
    )]
    pub(crate) idle: u32,

    /// With --serve: threads that do nothing
    #[arg(
        long,
        value_name = "N",
        hide = true,
        requires = "serve",
        default_value_t = 0
    )]
    pub(crate) threads: u32,

    /// With --serve: where netpoller's inspector may attach
    #[arg(long, value_name = "PATH", hide = true, requires = "serve")]
    pub(crate) inspect: Option<PathBuf>,

    /// With --serve: the process to die with
    #[arg(long, value_name = "PID", hide = true, requires = "serve")]
    pub(crate) parent: Option<u32>,

    /// Passed by `cargo bench`; means nothing here
    #[arg(long, hide = true)]
    bench: bool,
}

/// How to print the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON document
    Json,
}

impl Args {
    /// The servers to measure, each once, in the order asked for.
    pub(crate) fn kinds(&self) -> Vec<&'static servers::Kind> {
        if self.servers.is_empty() {
            return servers::KINDS.iter().collect();
        }
        let mut kinds: Vec<&'static servers::Kind> = Vec::new();
        for kind in self.servers.iter().filter_map(|name| servers::find(name)) {
            if !kinds.iter().any(|known| known.name == kind.name) {
                kinds.push(kind);
            }
        }
        kinds
    }

    /// How long the run takes, without the time to start servers and connect.
    pub(crate) fn estimate(&self) -> Duration {
        let windows = self.connections.len() as u32 * self.rounds * self.kinds().len() as u32;
        (self.secs + 2 * self.warm_up) * windows
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(secs) if (0.001..=3600.0).contains(&secs) => Ok(Duration::from_secs_f64(secs)),
        _ => Err("expected seconds between 0.001 and 3600".to_owned()),
    }
}

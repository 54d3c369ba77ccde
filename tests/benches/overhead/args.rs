//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use super::cases::Group;

/// What instrumentation costs, and what a watching inspector adds
#[derive(Clone, Debug, Parser)]
#[command(name = "overhead")]
pub(crate) struct Args {
    /// What to measure [default: all]
    #[arg(long, value_name = "CASE,...", value_delimiter = ',', value_enum)]
    pub(crate) cases: Vec<Group>,

    /// Rounds per pair; every round starts fresh server processes
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,

    /// Measured seconds per server and round, half of them on the way there and half on the way
    /// back
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    pub(crate) secs: Duration,

    /// How to print the result
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// Be the subscribers of the endpoint at this socket instead
    #[arg(long, value_name = "PATH", hide = true)]
    pub(crate) subscribe: Option<PathBuf>,

    /// With --subscribe: how many
    #[arg(long, hide = true, default_value_t = 1)]
    pub(crate) count: u32,

    /// With --subscribe: never read what is sent
    #[arg(long, hide = true)]
    pub(crate) stalled: bool,

    /// Make transitions and print what one costs
    #[arg(long, hide = true)]
    pub(crate) transitions: bool,

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

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(secs) if (0.01..=3600.0).contains(&secs) => Ok(Duration::from_secs_f64(secs)),
        _ => Err("expected seconds between 0.01 and 3600".to_owned()),
    }
}

//! `netpoller demo`: a busy service in this process, and the inspector looking at it.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use crate::args::Globals;
use crate::client::TargetSpec;
use crate::failure::Failure;

/// What the demo can be told.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Stop after this time; without it the demo runs until it is quit.
    #[arg(long = "for", value_name = "DUR", value_parser = humantime::parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Clients that talk to the service.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) connections: usize,
    /// Print a summary instead of opening the terminal UI.
    #[arg(long)]
    pub(crate) headless: bool,
    /// Where the inspection endpoint listens; without it at the usual place for this process.
    #[arg(long, value_name = "unix:PATH|tcp:ADDR")]
    pub(crate) inspect: Option<TargetSpec>,
    /// Serve Prometheus metrics there.
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics: Option<SocketAddr>,
}

/// Starts the service, then opens the terminal UI on its endpoint or, headless, prints a summary at the end.
///
/// The body is three steps: start the service and its endpoint, learn the `Target` it listens at, and hand that to
/// `tui::run` with `Options { until: args.duration, .. }`.
pub(crate) fn run(args: &DemoArgs, _globals: &Globals) -> Result<(), Failure> {
    let DemoArgs {
        duration: _,
        connections: _,
        headless: _,
        inspect: _,
        metrics: _,
    } = args;
    Err(Failure::Runtime("this build has no demo service".into()))
}

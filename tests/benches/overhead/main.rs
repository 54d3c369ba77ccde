//! What instrumentation costs, and what a watching inspector adds: pairs of echo servers, measured
//! in turn.
//!
//! ```text
//! cargo bench -p netpoller-tests --bench overhead
//! cargo bench -p netpoller-tests --bench overhead -- --cases instrumentation --rounds 9
//! cargo bench -p netpoller-tests --bench overhead -- --format json
//! ```
//!
//! The servers are those of the bench `echo`, built in three variants: as they are; with `--cfg
//! netpoller_bare`, which takes all instrumentation out; and with `--cfg tokio_unstable`, which
//! puts tokio's own in. The first run builds them.
//!
//! Each pair is measured in rounds of fresh processes, there and back (A B B A). The figure is CPU
//! time of the server's process by the requests it answered, A's by B's; its inspector's endpoint
//! runs in the same process and on the same core, so its work is in the figure. Printed: the median
//! of the rounds and [min … max].

#[path = "../echo/error.rs"]
mod error;
#[path = "../echo/load.rs"]
mod load;
#[path = "../echo/stats.rs"]
#[allow(dead_code, reason = "shared with the bench echo")]
mod stats;
#[path = "../echo/sys.rs"]
#[allow(dead_code, reason = "shared with the bench echo")]
mod sys;

mod args;
mod cases;
mod isolation;
mod pair;
mod report;
mod server;
mod subscribers;
mod transition;
mod variants;

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use clap::Parser;

use args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match (&args.subscribe, args.transitions) {
        (Some(path), _) => subscribers::run(path, args.count, args.stalled),
        (None, true) => transition::run(),
        (None, false) => run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("overhead: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> io::Result<()> {
    let cases = cases::chosen(args);
    sys::allow_open_files(16_000)?;
    let cores = sys::allowed_cores()?;
    let (Some(&load_core), Some(&server_core)) = (cores.first(), cores.last()) else {
        return Err(io::Error::other("no core may be used"));
    };
    if load_core == server_core {
        eprintln!(
            "overhead: warning: server and load share core {load_core}: the figures say little"
        );
    }
    let variants = variants::Variants::build(&cases)?;
    sys::pin_to(load_core)?;
    let mut results = Vec::new();
    for case in &cases {
        eprintln!("overhead: {}", case.title);
        results.push(pair::measure(case, args, &variants, server_core)?);
    }
    let transition = (args.cases.is_empty() || args.cases.contains(&cases::Group::Transition))
        .then(|| transition::measure(args, &variants, server_core))
        .transpose()?;
    let isolation = (args.cases.is_empty() || args.cases.contains(&cases::Group::Isolation))
        .then(|| isolation::measure(args, &variants, server_core))
        .transpose()?;
    report::write(args, &results, transition.as_ref(), isolation.as_ref())
}

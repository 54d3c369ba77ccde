//! What a request costs an echo server, as a ratio to a bare epoll loop measured in the same round.
//!
//! ```text
//! cargo bench -p netpoller-tests --bench echo
//! cargo bench -p netpoller-tests --bench echo -- --connections 64 --servers bare,tokio --read-deadline
//! cargo bench -p netpoller-tests --bench echo -- --format json
//! ```
//!
//! The server is this same program, started again with `--serve` and pinned to another core than
//! the load. The figure is the CPU time of the server's process, user and system, divided by the
//! requests it answered. It is read from the process's own CPU clock (nanoseconds) while every
//! connection is idle, so no request is counted half.
//!
//! CPU time of loopback TCP is charged to whoever sends, so the kernel's work of delivering an
//! answer is in the figure, for every server alike. A server that is not saturated (column `busy`)
//! pays for going to sleep and waking up; compare servers within a row, never across rows.
//!
//! To add a server, see [`servers`].

pub(crate) mod args;
pub(crate) mod child;
mod error;
pub(crate) mod load;
mod machine;
mod report;
pub(crate) mod rounds;
pub(crate) mod servers;
pub(crate) mod stats;
mod sys;

use std::env;
use std::io::{self, ErrorKind, Write};
use std::process::{Command, ExitCode};

use clap::Parser;

pub(crate) use args::Args;
pub(crate) use child::serve;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.serve {
        Some(kind) => serve(kind, &args).map(|never| match never {}),
        None => run(&args, this_program, &mut io::stdout().lock()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures every row that `args` asks for and writes the report to `out`; `launch` makes the
/// command of a server.
pub(crate) fn run(args: &Args, launch: child::Launch, out: &mut dyn Write) -> io::Result<()> {
    let machine = machine::Machine::prepare(args)?;
    for warning in &machine.warnings {
        eprintln!("echo: warning: {warning}");
    }
    eprintln!("echo: about {:.0} s", args.estimate().as_secs_f64());
    let mut rows = Vec::new();
    for &connections in &args.connections {
        rows.push(rounds::measure(args, connections, &machine, launch)?);
    }
    report::write(out, args, &machine, &rows)
}

fn this_program(arguments: &[String]) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(arguments);
    Ok(command)
}

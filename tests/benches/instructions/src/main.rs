//! Counts the instructions of user space that a request, a wait, a deadline and a socket cost, for
//! netpoller on each driver and for its peers.
//!
//! ```text
//! cargo run --profile instructions -p netpoller-instructions
//! cargo run --profile instructions -p netpoller-instructions -- --check
//! cargo run --profile instructions -p netpoller-instructions -- --help
//! ```
//!
//! The server is this same program under callgrind, started twice with different numbers of rounds;
//! the figure is the difference, for each of the 64 connections in each round. The load is not
//! counted. It takes turns with the server ([`servers`]), so the counts do not depend on the speed
//! of the machine, nor on what else runs there.
//!
//! What was tried to lower them, and what it gave, is in README.md.

mod figures;
mod load;
mod measure;
mod servers;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use servers::{Case, Server};

/// How often a figure is counted that has grown.
const COUNTS: u32 = 32;

/// Counts the instructions of user space that netpoller and its peers spend
///
/// A figure is that of one connection in one round. Needs valgrind.
#[derive(Debug, Parser)]
#[command(name = "instructions")]
struct Args {
    /// What is counted
    #[arg(long, value_name = "CASE", value_delimiter = ',', default_values_t = Case::value_variants().to_vec())]
    cases: Vec<Case>,

    /// Whose instructions are counted
    #[arg(long, value_name = "SERVER", value_delimiter = ',', default_values_t = Server::value_variants().to_vec())]
    servers: Vec<Server>,

    /// Count ours alone, and fail if a figure has grown by 2 % since it was written down
    #[arg(long, conflicts_with_all = ["servers", "cases", "update"])]
    check: bool,

    /// Write the figures of ours down
    #[arg(long, conflicts_with_all = ["servers", "cases"])]
    update: bool,

    /// How the figures are printed
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,

    /// Keep callgrind's profile of one case of one server in this file, for callgrind_annotate
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,

    /// Be the server that is counted
    #[arg(long, value_names = ["CASE", "SERVER"], num_args = 2, hide = true)]
    serve: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&named(self))
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

fn named(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.serve {
        Some(what) => load::serve(what).map(|()| ExitCode::SUCCESS),
        None => run(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> io::Result<ExitCode> {
    if let Some(file) = &args.profile {
        let ([case], [server]) = (&args.cases[..], &args.servers[..]) else {
            return Err(io::Error::other(
                "--profile wants one case and one server: add --cases request --servers netpoller-tokio",
            ));
        };
        return measure::profile(*case, *server, file).map(|()| ExitCode::SUCCESS);
    }
    let ours_alone = args.check || args.update;
    let mut measured = BTreeMap::new();
    for &server in &args.servers {
        for &case in &args.cases {
            if server.serves(case) && (!ours_alone || server.is_kept()) {
                eprintln!("instructions: {server}, {case}");
                let count = match args.check {
                    true => least(case, server)?,
                    false => measure::instructions(case, server)?,
                };
                measured.insert((case, server), count);
            }
        }
    }
    let out = &mut io::stdout().lock();
    match args.format {
        Format::Table => print_table(out, &measured)?,
        Format::Json => writeln!(out, "{}", figures::json(&measured))?,
    }
    if args.update {
        figures::write(&measured)?;
    }
    if args.check {
        let grown = figures::grown(&measured)?;
        for line in &grown {
            eprintln!("instructions: {line}");
        }
        if !grown.is_empty() {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The least of some counts, where the first has grown: until one has not. By chance a count is
/// more than what is needed, see the README.
fn least(case: Case, server: Server) -> io::Result<f64> {
    let mut least = measure::instructions(case, server)?;
    for _ in 1..COUNTS {
        let measured = BTreeMap::from([((case, server), least)]);
        if figures::grown(&measured)?.is_empty() {
            break;
        }
        eprintln!("instructions: {server}, {case}: {least:.0}, once more");
        least = least.min(measure::instructions(case, server)?);
    }
    Ok(least)
}

fn print_table(out: &mut dyn Write, measured: &BTreeMap<(Case, Server), f64>) -> io::Result<()> {
    write!(out, "{:<18}", "")?;
    for case in Case::value_variants() {
        write!(out, "{case:>10}")?;
    }
    writeln!(out)?;
    for server in Server::value_variants() {
        if !measured.keys().any(|(_, measured)| measured == server) {
            continue;
        }
        write!(out, "{server:<18}")?;
        for case in Case::value_variants() {
            match measured.get(&(*case, *server)) {
                Some(figure) => write!(out, "{figure:>10.0}")?,
                None => write!(out, "{:>10}", "-")?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

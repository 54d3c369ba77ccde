//! `netpoller completions`.

use clap::CommandFactory;

use crate::args::Cli;
use crate::failure::Failure;

pub(super) fn run(shell: clap_complete::Shell) -> Result<(), Failure> {
    // Into memory first: the generator panics when its writer fails, and a closed pipe is no reason to.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "netpoller", &mut script);
    super::print(|out| Ok(out.write_all(&script)?))
}

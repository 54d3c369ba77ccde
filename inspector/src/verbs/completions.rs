//! `netpoller completions`.

use clap::Command;

use crate::failure::Failure;

pub(crate) fn run(shell: clap_complete::Shell, command: &mut Command) -> Result<(), Failure> {
    // Into memory first: the generator panics when its writer fails, and a closed pipe is no reason
    // to.
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "netpoller", &mut script);
    super::print(|out| Ok(out.write_all(&script)?))
}

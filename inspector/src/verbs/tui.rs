//! `netpoller tui`.

use std::io::{self, IsTerminal};

use super::{block_on, connection};
use crate::failure::Failure;
use crate::globals::Globals;
use crate::tui;

/// Connects first, so that a wrong target is told on the plain terminal and with its exit code.
pub(crate) fn run(globals: &Globals) -> Result<(), Failure> {
    if !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
        return Err(Failure::Usage(
            "the terminal UI needs a terminal; `netpoller ls` prints the same rows".into(),
        ));
    }
    let target = block_on(async { Ok(connection(globals).await?.target) })?;
    tui::run(&target, &tui::Options::of(globals))
}

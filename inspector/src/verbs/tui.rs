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
    tui::run(&target, &options(globals))
}

/// How it is opened, as the command line says.
pub(crate) fn options(globals: &Globals) -> tui::Options {
    let style = globals.style();
    let filter = globals.filter.as_ref();
    tui::Options {
        interval: globals.interval,
        timeout: globals.timeout,
        color: style.color,
        ascii: style.ascii,
        filter: filter.map(|filter| filter.text().to_owned()),
        sort: style.sort,
        until: None,
    }
}

//! The terminal UI.
//!
//! `update` turns a message into a new state and commands, `render` turns a state into a picture;
//! both are pure and know the time only from messages. `feed` talks to the process on its own
//! thread, `run` to the terminal.

mod app;
mod feed;
mod keymap;
mod run;
mod terminal;
mod theme;
mod update;
mod view;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::table::SortSpec;

pub(crate) use run::run;

/// How to open it.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Time between two groups of the table.
    pub(crate) interval: Duration,
    /// How long an attempt to connect may take.
    pub(crate) timeout: Duration,
    /// With colours; without, modifiers alone tell things apart.
    pub(crate) color: bool,
    /// ASCII only.
    pub(crate) ascii: bool,
    /// The filter to begin with.
    pub(crate) filter: Option<String>,
    /// The order to begin with.
    pub(crate) sort: Option<SortSpec>,
    /// Quit by itself after this time.
    pub(crate) until: Option<Duration>,
}

//! The terminal UI.
//!
//! | file | holds |
//! |---|---|
//! | `app` | the state: what is looked at, and how |
//! | `known` | what is known of the process, and what it is asked for |
//! | `events`, `tail` | the events of the flight recorder, as they come and as they are shown |
//! | `latency` | the latencies that are shown: of which time and poller |
//! | `update`, `moves` | from a message to a new state and commands |
//! | `command`, `saved` | the command line, and what is taken out of the UI |
//! | `view` | from a state to a picture: one file a view |
//! | `key`, `binding` | a key as it is written, and which keys do what |
//! | `keymap` | the keys as they are by default, as one table |
//! | `tabs`, `targets` | the processes that are looked at side by side, and those that could be |
//! | `columns` | which columns a table has |
//! | `theme` | from meanings to colours |
//! | `feed` | the connection to the process, on its own thread |
//! | `run`, `terminal` | the loop, and the terminal itself |
//!
//! `update` and `view` are pure and know the time only from messages.

mod app;
mod binding;
mod columns;
mod command;
mod events;
mod feed;
mod key;
mod keymap;
mod known;
mod latency;
mod moves;
mod run;
mod saved;
mod tabs;
mod tail;
mod targets;
mod terminal;
mod theme;
mod update;
mod view;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::paint::Palette;
use crate::table::SortSpec;

pub(crate) use binding::Keymap;
pub(crate) use key::Key;
pub(crate) use keymap::keymap;
pub(crate) use run::run;
pub(crate) use targets::Names;

/// How to open it.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Time between two groups of the table.
    pub(crate) interval: Duration,
    /// How long an attempt to connect may take.
    pub(crate) timeout: Duration,
    /// The colours.
    pub(crate) color: Palette,
    /// ASCII only.
    pub(crate) ascii: bool,
    /// What keys do.
    pub(crate) keymap: Keymap,
    /// Columns and orders of views.
    pub(crate) views: Vec<Arrangement>,
    /// How processes are called.
    pub(crate) names: Names,
    /// The filter to begin with.
    pub(crate) filter: Option<String>,
    /// The order to begin with.
    pub(crate) sort: Option<SortSpec>,
    /// Quit by itself after this time.
    pub(crate) until: Option<Duration>,
}

/// How a view is arranged, where it is not as usual.
#[derive(Debug, Clone)]
pub(crate) struct Arrangement {
    /// The title of the view, in any case.
    pub(crate) view: &'static str,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) sort: Option<SortSpec>,
}

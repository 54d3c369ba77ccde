//! The `netpoller` command: lists, watches and explains the descriptors of a running service.
//!
//! The floors, from the ground up: `timeline` is how a process went on; `model` folds what it
//! answers; `source` finds and asks it; `table` and `query` say which columns and which rows are
//! wanted; `findings` are what is wrong with it, `description` all about one descriptor,
//! `comparison` what has changed, and `perfetto` what happened as a trace; `document` and `out`
//! print them; `tui` shows the same rows live; `config` reads the configuration file; `verbs` is
//! one file per verb, and a folder for the demo's service; `cli` is the command line. Nothing below
//! `tui` knows of terminals in raw mode, and nothing below `cli` of the command line as a whole:
//! each verb owns its arguments, and `globals` are those that every verb accepts.
//!
//! What every floor may use stands beside them: `text`, `foreign`, `paint`, `clock`, `failure` and
//! `quantile`.
//!
//! It is a library for the sake of its tests; the command is the only thing that uses it.
#![forbid(unsafe_code)]

mod cli;
mod clock;
mod comparison;
mod config;
mod description;
mod document;
mod events;
mod failure;
mod findings;
mod foreign;
#[cfg(fuzzing)]
pub mod fuzz;
mod globals;
mod model;
mod out;
mod paint;
mod perfetto;
mod quantile;
mod query;
mod source;
mod table;
mod text;
mod timeline;
mod tui;
mod verbs;

#[cfg(test)]
use netpoller_tests::rows as fixture;

pub use cli::run;

//! Finding a process and asking it.

mod connect;
mod diagnose;
mod discover;
mod fetch;
mod target;

pub(crate) use connect::{Connection, connect};
pub(crate) use diagnose::diagnose;
pub(crate) use discover::{Found, State, choose, discover};
pub(crate) use fetch::{descriptors, stats};
pub(crate) use target::{Target, TargetSpec};

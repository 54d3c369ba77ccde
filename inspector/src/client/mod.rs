//! Finding a process and asking it.

mod connect;
mod discover;
mod fetch;
mod target;

pub(crate) use connect::{Connection, connect};
pub(crate) use discover::{Found, State, choose, discover};
pub(crate) use fetch::{Selection, answer, descriptors, refused, stats};
pub(crate) use target::{Target, TargetSpec};

//! Finding a process and asking it.

mod access;
mod connect;
mod discover;
mod fetch;
mod refusal;
mod target;

pub(crate) use access::Access;
pub(crate) use connect::{Connection, connect};
pub(crate) use discover::{Found, State, choose, discover};
pub(crate) use fetch::{descriptors, stats};
pub(crate) use target::{Target, TargetSpec};

//! Finding a process and asking it.

mod access;
mod connect;
mod control;
mod diagnose;
mod discover;
mod fetch;
mod places;
mod process;
mod refusal;
mod target;
mod which;

pub(crate) use access::Access;
pub(crate) use connect::{Connection, connect};
pub(crate) use control::Control;
pub(crate) use diagnose::diagnose;
pub(crate) use discover::{Found, State, choose, discover, hidden};
pub(crate) use fetch::{Selection, answer, descriptors, refused, stats};
pub(crate) use target::{Target, TargetSpec, UnixSocket};
pub(crate) use which::Which;

//! Finding a process and asking it.

mod access;
mod connect;
mod control;
mod diagnose;
mod discover;
mod fetch;
mod gate;
mod peer;
mod places;
mod process;
mod refusal;
mod schema;
mod selector;
mod target;

pub(crate) use access::Access;
pub(crate) use connect::{Connection, connect};
pub(crate) use control::Control;
pub(crate) use diagnose::diagnose;
pub(crate) use discover::{Found, State, choose, discover, hidden};
pub(crate) use fetch::{Selection, answer, descriptors, next, stats, weight};
pub(crate) use gate::{Client, Frames};
pub(crate) use peer::Peer;
pub(crate) use selector::Selector;
pub(crate) use target::{Target, TargetSpec, UnixSocket};

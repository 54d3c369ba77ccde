//! The descriptor: what Go calls `pollDesc` and `pollCache`.
//!
//! | file | holds |
//! |---|---|
//! | `word` | the rg/wg word: who waits, what is ready, and the only transitions between the two |
//! | `info` | the info word: closing, error and expiry, readable without a lock |
//! | `side` | one direction: its word, who waits, what was counted |
//! | `wait_context` | a wait in progress |
//! | `poll_desc` | one slot: both sides, deadlines, identity |
//! | `cache` | all slots: type-stable memory, handed out last in first out |
//!
//! Invariants that the floors above may rely on: a slot's memory is valid for as long as its cache;
//! a generation is live at most once and is never 0; a waiter that has parked is woken by exactly
//! one of readiness, deadline, close, or is cancelled by its own future.
#![allow(unsafe_code)]

mod cache;
#[cfg(all(test, not(loom)))]
pub(crate) mod foreign;
mod info;
mod poll_desc;
mod side;
mod wait_context;
mod word;

#[cfg(all(test, loom, not(shuttle)))]
pub(crate) mod models;
#[cfg(all(test, not(loom)))]
mod tests;

#[doc(inline)]
pub use netpoller_proto::vocabulary::{Kind, Role, State, Transport};

pub(crate) use cache::{PollCache, Slot};
pub(crate) use info::Blocker;
pub(crate) use poll_desc::{EXPIRED, NO_DEADLINE, PollDesc};
pub(crate) use side::{Before, StampedWaiter, StampedWake};
pub(crate) use wait_context::WaitContext;
pub(crate) use word::{Refused, Token};

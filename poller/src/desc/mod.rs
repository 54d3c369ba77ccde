//! The descriptor: what Go calls `pollDesc` and `pollCache`.
//!
//! | file | holds |
//! |---|---|
//! | `word` | the rg/wg word: who waits, what is ready, and the only transitions between the two |
//! | `info` | the info word: closing, error and expiry, readable without a lock |
//! | `poll_desc` | one slot: both words, deadlines, identity, counts |
//! | `cache` | all slots: type-stable memory, handed out last in first out |
//!
//! Invariants that the floors above may rely on: a slot's memory is valid for as long as its cache; a generation is
//! live at most once and is never 0; a waiter that has parked is woken by exactly one of readiness, deadline, close,
//! or is cancelled by its own future.
#![allow(unsafe_code)]

mod cache;
mod info;
mod poll_desc;
mod word;

#[cfg(all(test, loom))]
pub(crate) mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

pub(crate) use cache::{PollCache, Slot};
pub(crate) use info::Blocker;
pub use poll_desc::Kind;
pub(crate) use poll_desc::{
    Cause, EXPIRED, NO_DEADLINE, PollDesc, StampedWaiter, WaitContext, Who,
};
pub use word::State;
pub(crate) use word::{Busy, Refused, Token};

//! The rg/wg word: one direction's meeting point of a waiter and whoever wakes it.
//!
//! Go keeps nil, ready, wait or a G pointer in one word. A Rust waker is two words, so it lives in
//! a cell beside the word, and the word also says who may touch the cell:
//!
//! | state | meaning | the cell belongs to |
//! |---|---|---|
//! | nil | nothing waits, nothing is ready | nobody; it is empty |
//! | ready | an edge that no wait has consumed | nobody; it is empty |
//! | wait | a waiter is publishing its waker | that waiter |
//! | parked | a waker is published | nobody; it is full |
//! | waking, waking+ready | the waker is being taken out | whoever moved the word here |
//!
//! `waking` is transient and no row in any table: it exists because the waker must be out of the
//! cell before the word shows `ready` or `nil`, for from then on the next waiter may write the
//! cell. An edge that meets `waking` is not lost: it leaves the mark `waking+ready`, and the owner
//! of the cell ends in `ready`.
//!
//! Two flags ride beside the state. `CLAIM`: a wait is going on, from its first poll until its
//! future is done; a second wait in this direction is refused (semantics 22), which also keeps it
//! away from the cell. `POLLED`: that wait belongs to a poll function, which has no future to drop,
//! so the next waiter may take its place, and wakes it, for it may have to wait again.
//!
//! # Order
//!
//! A waiter stores `wait` here and then reads the info word; a deadline or close stores the info
//! word and then reads this one. That is the store-buffer pattern: with plain acquire and release
//! both may miss the other, and the waiter sleeps for ever (loom finds it; x86 hides it). So both
//! sides use a read-modify-write on this word: whichever comes second in its order sees what the
//! other one stored before. Readiness needs no such care: between a waiter's EAGAIN and the edge
//! that follows lies the kernel's lock.

mod cell;
mod waiter;
mod waking;

pub(crate) use cell::Word;
pub(crate) use waiter::{Token, Waiter};
pub(crate) use waking::Edge;

const NIL: u32 = 0;
const READY: u32 = 1;
const WAIT: u32 = 2;
const PARKED: u32 = 3;
const WAKING: u32 = 4;
const WAKING_READY: u32 = 5;
const STATE: u32 = 0b111;

const CLAIM: u32 = 1 << 3;
const POLLED: u32 = 1 << 4;

const _: () = assert!(WAKING_READY <= STATE && STATE & (CLAIM | POLLED) == 0);

/// Another wait is going on in this direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Busy;

/// Why a wait ended without readiness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused<E> {
    /// Another wait is going on in this direction.
    Busy,
    /// The check said so.
    Check(E),
}

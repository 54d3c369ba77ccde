//! The file-descriptor layer: Go's `internal/poll.FD`.
//!
//! | file | holds |
//! |---|---|
//! | `mutex` | fdMutex: who may read, who may write, how many operations are under way, and whether it is closed |
//! | `descriptor` | [`Fd`]: a descriptor, its registration and its fdMutex; how it is closed |
//! | `operation` | what an operation is, and how it is counted |
//! | `attempt` | the loop of each operation: try, wait on EAGAIN, try again |
//! | `turn` | who is at it: the lock, and the queue for it |
//! | `ongoing` | an operation from its beginning to its end: its turn, its tries, what is counted |
//! | `bytes` | reads and writes |
//! | `accept`, `connect` | what listeners and dialling sockets do |
//!
//! An operation holds a reference for as long as it runs. Close marks the descriptor, releases
//! everybody who waits, and the last reference deregisters and closes it (semantics 52): nobody
//! ever passes a number to the kernel that has become somebody else's.
#![forbid(unsafe_code)]

mod accept;
mod attempt;
mod bytes;
mod connect;
mod descriptor;
mod mutex;
mod ongoing;
mod operation;
#[cfg(all(test, not(loom)))]
mod panics_tests;
mod turn;

pub(crate) use accept::AcceptBackoff;
pub(crate) use attempt::{Attempt, Target};
pub use bytes::WriteAllError;
pub(crate) use connect::connect;
pub use descriptor::Closing;
pub(crate) use descriptor::{Fd, Options};
pub(crate) use operation::{Op, Operation, Read, Write};

//! The poller of netpoller: what users of the crate `netpoller` hold, the drivers, the kernel
//! floor, and the reading of the live tables. Endpoint and metrics are crates of their own, which
//! stand on `internals`.
//!
//! Programs depend on `netpoller`, which shows what is here under the same paths.
//!
//! # Floors
//!
//! A file imports from floors below its own, and within its floor from rooms to the left.
//!
//! | floor | rooms |
//! |---|---|
//! | 1 | `sync` atomics and locks, `sys` the kernel, `clock`, `budget` how long a task may go on, `error` |
//! | 2 | `observe` what instrumentation writes |
//! | 3 | `desc` the descriptor, `timers` the deadline queue |
//! | 4 | `poller` |
//! | 5 | `driver` who polls |
//! | 6 | `fd` the file-descriptor layer |
//! | 7 | `time`, `net`, `pipe`, `pollable`, `task` what users hold |
//! | 8 | `view` reading the live tables |
//! | 9 | `internals` what the crates beside this one read of it |

mod budget;
mod clock;
mod desc;
pub mod driver;
mod error;
mod fd;
#[doc(hidden)]
pub mod internals;
pub mod net;
mod observe;
pub mod pipe;
pub mod pollable;
mod poller;
#[cfg(all(test, shuttle))]
mod schedules;
mod sync;
mod sys;
pub mod task;
pub mod time;
mod timers;
pub mod view;

pub use desc::Kind;
pub use driver::{block_on, block_on_poller};
pub use error::{Error, NotRegistered, RegisterError};
pub use observe::{Counter, DescId, Direction, Histogram, HistogramSnapshot, Transition, Unit};
pub use poller::{Builder, Desc, Poller, ReadyList, Sides, Wait};

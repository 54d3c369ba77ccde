//! An embeddable epoll network poller with the semantics of Go's runtime netpoller, instrumented on every transition and
//! open to live inspection.
//!
//! # Floors
//!
//! A file imports only from floors below its own.
//!
//! | floor | rooms |
//! |---|---|
//! | 1 | `sys` the kernel, `sync` atomics and locks, `clock`, `error` |
//! | 2 | `observe` what instrumentation writes |
//! | 3 | `desc` the descriptor, `timers` the deadline queue |
//! | 4 | `poller` |
//! | 5 | `driver` who polls, `view` reading the live tables |
//! | 6 | `fd` the file-descriptor layer |
//! | 7 | `net`, `pipe`, `pollable`, `time`, `task` what users hold |
//! | 8 | `inspect` the endpoint, `prometheus` the metrics |

mod clock;
mod desc;
pub mod driver;
mod error;
mod fd;
#[cfg(any(feature = "inspect", feature = "prometheus"))]
mod host;
#[cfg(feature = "inspect")]
pub mod inspect;
pub mod net;
mod observe;
pub mod pipe;
pub mod pollable;
mod poller;
#[cfg(any(feature = "metrics", feature = "prometheus"))]
pub mod prometheus;
mod sync;
mod sys;
pub mod task;
pub mod time;
mod timers;
pub mod view;

pub use desc::Kind;
pub use driver::{block_on, block_on_poller};
pub use error::{Error, RegisterError};
pub use observe::{Counter, Direction, Histogram, HistogramSnapshot, Transition, Unit};
pub use poller::{Builder, Desc, Poller, ReadyList, Sides, Wait};

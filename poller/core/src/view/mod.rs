//! Reading the live tables of a poller: what its descriptors wait for, what was counted, and
//! whether the laws hold.
//!
//! | file | holds |
//! |---|---|
//! | `raw` | a consistent copy of one slot, or one that says it is torn |
//! | `row` | that copy in words: names, addresses, locations |
//! | `line` | from which line of code: the program's own, where the call that waits is a library's |
//! | `blame` | who ran while nobody polled |
//! | `address` | the addresses of a socket, asked of the kernel |
//! | `stats` | counters, gauges and histograms of a poller |
//! | `sites` | which lines open descriptors, and how many of those are open |
//! | `laws` | the conservation laws, exact when quiescent and bounded while running |
//! | `polled_by`, `os_thread` | the threads that poll, and what the kernel says of a thread |
//! | `recorder` | the flight recorder: what happened last |
//! | `dump` | the flight recorder in a file: when asked, on a panic, on a condition |
//! | `faults` | faults on purpose, for the demo of the inspector and for tests |
//! | `kernel` | what the kernel says of a descriptor, of sockets and of its registrations, on demand |
//! | [`lints`] | known faults, with evidence and advice |
//!
//! # What it promises
//!
//! Rows and counters are copied from atomics. Reading never takes the lock of a descriptor, nor any
//! lock that an event takes on its way from the kernel to who waits for it. So it answers when all
//! threads of the program are stuck, be it with the lock of a descriptor held, and a row that
//! changes faster than it can be read is marked instead of retried for ever.
//!
//! What is kept in lists has short locks of their own:
//!
//! | lock | taken here by | and else by |
//! |---|---|---|
//! | the free slots of a poller, for their number | [`Poller::stats`], [`Poller::info`], the laws | opening and closing a descriptor |
//! | its deadlines, for their number | the same | setting a deadline, and the poller when one has expired |
//! | the pollers of the process | [`pollers`] | making a poller |
//! | names of labels, tasks and threads | rows, for one text at a time | giving a name, a thread's first wait and its end |
//!
//! Each is held for some steps in memory, an allocation at most: nobody waits for anything, or
//! calls code of the program, while holding one. The kernel is asked for the addresses of sockets,
//! and for its registrations only by [`kernel_registrations`], [`kernel_view`], [`Poller::audit`]
//! and [`Poller::audit_quiescent`].
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! use netpoller::{Kind, Poller};
//! use std::os::fd::AsFd;
//!
//! let poller = Poller::builder().name("viewed").build()?;
//! let (socket, _peer) = std::os::unix::net::UnixStream::pair()?;
//! let desc = poller.open(socket.as_fd(), Kind::Unix)?;
//!
//! let rows = poller.rows();
//! assert_eq!(rows.len(), 1);
//! assert_eq!(rows[0].id(), desc.id());
//! assert!(poller.audit_quiescent()?.iter().all(|law| !law.violated));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod address;
pub(crate) mod blame;
pub mod dump;
#[cfg(any(test, feature = "faults"))]
pub mod faults;
pub(crate) mod kernel;
mod laws;
mod line;
pub mod lints;
mod os_thread;
mod polled_by;
pub(crate) mod raw;
pub mod recorder;
mod row;
mod sites;
mod stats;

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests;

pub use crate::desc::{Role, State, Transport};
pub use crate::observe::{Cause, EventKind, Exemplar, LineKind};
pub(crate) use kernel::list_took as kernel_list_took;
pub use kernel::{
    KernelView, Reading, Registration, Socket, Sockets, kernel_registrations, kernel_view,
};
pub use laws::{Auditor, Law, READ_INTERVAL, READS};
pub use line::Line;
pub(crate) use line::place_of_exemplar;
pub use polled_by::PollingThread;
pub use row::{Page, Reader, Row, Side, Snapshot, Waiter, Wake, page};
pub use sites::Site;
pub use stats::{PollerInfo, Stats};

use crate::poller::{Poller, all_pollers};

/// Returns the pollers of the process that are in use, in the order in which they were made.
pub fn pollers() -> Vec<Poller> {
    all_pollers()
}

/// Returns the time now, on the clock of every `_ns` field of this module: CLOCK_MONOTONIC.
pub fn now_ns() -> u64 {
    crate::clock::now_ns()
}

/// Returns when the process first used the library: no counter has counted before.
pub fn started_at_ns() -> u64 {
    crate::clock::anchor().monotonic_ns
}

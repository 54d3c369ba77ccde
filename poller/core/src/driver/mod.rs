//! Who calls [`Poller::poll`](crate::Poller::poll). Nobody owns a hidden thread: whoever would
//! sleep polls.
//!
//! | driver | for | how it polls |
//! |---|---|---|
//! | [`block_on`] and blocking handles | plain threads, any executor inside `block_on` | whoever blocks is the poller |
//! | [`tokio`] | tokio | a poller for each runtime, nested in tokio's own epoll |
//! | [`ThreadDriver`] | executors that cannot poll | a thread that does nothing else |
//!
//! A program with a loop of its own calls [`Poller::poll`](crate::Poller::poll) and needs none of
//! them.
//!
//! # The current poller
//!
//! Sockets, pipes, pollables, sleeps, timeouts and ticks alike belong to the current poller. That
//! is the first of these:
//!
//! 1. the innermost of the pollers that were entered on this thread
//!    ([`enter`](crate::Poller::enter), [`in_scope`](crate::Poller::in_scope)) and those that a
//!    [`block_on_poller`] or [`block_on`] on this thread polls,
//! 2. in a tokio runtime the runtime's own, see [`tokio`],
//! 3. the [global](crate::Poller::global) one.
//!
//! It is asked for when the thing is made; for a future when it is first polled, unless a poller
//! was entered when it was made.
#![forbid(unsafe_code)]

// | file | holds |
// |---|---|
// | `current` | the current poller of a thread |
// | `inline`, `tokio`, `thread` | the drivers |
// | `guest` | a poller that is polled by a thread which polls another one |
// | `kind` | which drivers a poller has |
// | `workers` | what tokio tells of those that poll |

mod current;
mod guest;
mod inline;
mod kind;
mod thread;
#[cfg(feature = "tokio")]
pub mod tokio;
mod workers;

pub use current::EnterGuard;
pub(crate) use current::{Choice, Later, choose, current};
pub(crate) use inline::block_on_operation;
pub use inline::{block_on, block_on_poller};
pub(crate) use kind::Driver;
pub use thread::ThreadDriver;
pub(crate) use workers::{Worker, workers};

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::current::Here;
use crate::poller::Shared;

/// Whether whoever waits for a descriptor also polls for it.
///
/// [`prepare`] attaches the runtime that a descriptor is opened in. But a listener is often bound
/// before there is a runtime, and a connection may outlive the one it was opened in, or be passed
/// on to another: whoever waits next must poll, or nobody does.
#[derive(Debug, Default)]
pub(crate) struct RuntimeLink {
    /// The stamp of the `block_on`, or of the runtime and its era, that was seen to last; 0 before
    /// that.
    last: AtomicU64,
}

impl RuntimeLink {
    /// Called before each wait. While nothing changes it asks for the current runtime and compares.
    #[inline(always)]
    pub(crate) fn ensure_polled(&self, shared: &Arc<Shared>) -> io::Result<()> {
        match current::stamp() {
            Some(stamp) if stamp != self.last.load(Ordering::Relaxed) => self.attend(shared),
            _ => Ok(()),
        }
    }

    #[cold]
    fn attend(&self, shared: &Arc<Shared>) -> io::Result<()> {
        if let Some(here) = Here::current() {
            let stamp = here.stamp();
            here.attend(shared)?;
            self.last.store(stamp, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Called before a descriptor is opened: attaches what has to be attached for somebody to poll.
#[cfg_attr(
    not(feature = "tokio"),
    expect(clippy::unnecessary_wraps, reason = "fails with a runtime only")
)]
pub(crate) fn prepare(poller: &crate::Poller) -> io::Result<()> {
    // Where a thread polls, the runtime that it belongs to need not: each event would wake both.
    #[cfg(feature = "tokio")]
    if !current::is_in_block_on() {
        tokio::attach(poller)?;
    }
    let _ = poller;
    Ok(())
}

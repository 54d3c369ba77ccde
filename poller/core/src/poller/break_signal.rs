//! netpollBreak: many requests, one write, until a poll has taken it back (semantics 39 to 42).

use std::io;

use crate::observe::{Counter, DescId, EventKind, Histogram, Local};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sys::Backend;

/// Nobody has asked.
const IDLE: u64 = u64::MAX;

/// Go's netpollWakeSig, as the time of the first request: what is pending and since when change in
/// one step, so that whoever takes the signal back never finds the time of an earlier one.
#[derive(Debug)]
pub(crate) struct BreakSignal {
    requested_ns: AtomicU64,
}

impl BreakSignal {
    pub(crate) fn new() -> Self {
        Self {
            requested_ns: AtomicU64::new(IDLE),
        }
    }

    /// Whether a request stands that nobody has taken back: written, or about to be.
    #[cfg(shuttle)]
    pub(crate) fn is_pending(&self) -> bool {
        self.requested_ns.load(Ordering::Acquire) != IDLE
    }

    /// Writes the signal unless one is pending. Whether it was written.
    pub(crate) fn request(&self, backend: &Backend, local: &Local<'_>) -> io::Result<bool> {
        local.count(Counter::BreaksRequested);
        let now_ns = local.stamp();
        // A read-modify-write that always stores, not a compare-and-swap: one that fails is a mere
        // load, and whoever takes the signal back must see what this thread has written before. Of
        // several requests the earliest time stays.
        if self.requested_ns.fetch_min(now_ns, Ordering::AcqRel) != IDLE {
            local.count(Counter::BreaksCoalesced);
            local.event(EventKind::BreakCoalesced, DescId::NONE, 0);
            return Ok(false);
        }
        local.count(Counter::BreaksWritten);
        local.event(EventKind::BreakWritten, DescId::NONE, 0);
        backend.break_poll().inspect_err(|_| {
            // Nobody was woken: the next request must try again.
            self.requested_ns.swap(IDLE, Ordering::AcqRel);
        })?;
        Ok(true)
    }

    /// Takes the signal back, at `now_ns`: first the eventfd, then the flag. A request in between
    /// is coalesced into the signal just taken, so whoever polls must look for work after the poll
    /// (semantics 41).
    pub(crate) fn drain(&self, backend: &Backend, now_ns: u64, local: &Local<'_>) {
        backend.drain_break();
        let requested_ns = self.requested_ns.swap(IDLE, Ordering::AcqRel);
        if requested_ns != IDLE {
            local.count(Counter::BreaksDrained);
            local.event(EventKind::BreakDrained, DescId::NONE, 0);
            local.record(Histogram::BreakLatency, now_ns.saturating_sub(requested_ns));
        }
    }
}

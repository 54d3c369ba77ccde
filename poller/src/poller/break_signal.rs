//! netpollBreak: many requests, one write, until a poll has taken it back (semantics 39 to 42).

use std::io;

use crate::observe::{Counter, DescId, EventKind, Histogram, Local};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sys::Backend;

/// Go's netpollWakeSig, with the time of the first request.
#[derive(Debug)]
pub(crate) struct BreakSignal {
    pending: AtomicU32,
    requested_ns: AtomicU64,
}

impl BreakSignal {
    pub(crate) fn new() -> Self {
        Self {
            pending: AtomicU32::new(0),
            requested_ns: AtomicU64::new(0),
        }
    }

    /// Whether a request stands that nobody has taken back: written, or about to be.
    #[cfg(shuttle)]
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire) == 1
    }

    /// Writes the signal unless one is pending. Whether it was written.
    pub(crate) fn request(&self, backend: &Backend, local: &Local<'_>) -> io::Result<bool> {
        local.count(Counter::BreaksRequested);
        // A swap, not a compare-and-swap: one that fails is a mere load, and whoever takes the signal back must see what this
        // thread has written before.
        if self.pending.swap(1, Ordering::AcqRel) == 1 {
            local.count(Counter::BreaksCoalesced);
            local.event(EventKind::BreakCoalesced, DescId::NONE, 0);
            return Ok(false);
        }
        self.requested_ns.store(local.stamp(), Ordering::Relaxed);
        local.count(Counter::BreaksWritten);
        local.event(EventKind::BreakWritten, DescId::NONE, 0);
        backend.break_poll().inspect_err(|_| {
            // Nobody was woken: the next request must try again.
            self.pending.swap(0, Ordering::AcqRel);
        })?;
        Ok(true)
    }

    /// Takes the signal back, at `now_ns`: first the eventfd, then the flag. A request in between is coalesced into the
    /// signal just taken, so whoever polls must look for work after the poll (semantics 41).
    pub(crate) fn drain(&self, backend: &Backend, now_ns: u64, local: &Local<'_>) {
        backend.drain_break();
        let requested = self.requested_ns.load(Ordering::Relaxed);
        if self.pending.swap(0, Ordering::AcqRel) == 1 {
            local.count(Counter::BreaksDrained);
            local.event(EventKind::BreakDrained, DescId::NONE, 0);
            local.record(Histogram::BreakLatency, now_ns.saturating_sub(requested));
        }
    }
}

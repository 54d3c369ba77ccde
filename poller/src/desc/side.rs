//! One direction of a descriptor: its word, who waits or waited, and what was counted.

use std::panic::Location;
use std::sync::atomic as shown;
use std::sync::atomic::AtomicPtr;

use super::word::{State, Word};
use crate::observe::{Direction, Label, Local, Transition};
use crate::sync::atomic::Ordering;

/// Why a parked waiter was woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Cause {
    Io = 0,
    Deadline = 1,
    Close = 2,
}

/// Who waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    /// Number of the thread (`observe::current_thread`).
    pub(crate) thread: u32,
    /// Name of the task, the empty label outside of a task.
    pub(crate) task: Label,
    /// Number of the task, 0 outside of a task.
    pub(crate) task_id: u64,
    /// The call that waits.
    pub(crate) location: &'static Location<'static>,
}

/// A `&'static Location` or nothing, in one atomic.
#[derive(Debug)]
pub(super) struct AtomicLocation(AtomicPtr<Location<'static>>);

impl AtomicLocation {
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    #[inline]
    pub(super) fn store(&self, location: &'static Location<'static>) {
        self.0
            .store(std::ptr::from_ref(location).cast_mut(), Ordering::Relaxed);
    }

    pub(super) fn load(&self) -> Option<&'static Location<'static>> {
        // SAFETY: null, or a reference with static lifetime that `store` has put here; nobody writes through it.
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }
}

/// One direction of a descriptor.
///
/// The first line is what a wait and a wake touch; the counts have the next one.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Side {
    pub(super) word: Word,
    /// When the waiter parked, or when the last one was woken.
    pub(super) since_ns: shown::AtomicU64,
    /// When epoll_wait returned the event, or the deadline fired, that woke the last waiter.
    pub(super) woken_ns: shown::AtomicU64,
    pub(super) location: AtomicLocation,
    pub(super) task_id: shown::AtomicU64,
    pub(super) task: shown::AtomicU32,
    /// Number of the thread in the upper half, cause of the last wake in the lowest byte.
    pub(super) thread: shown::AtomicU32,
    pub(super) cause: shown::AtomicU8,
    pub(super) transitions: [shown::AtomicU32; Transition::COUNT],
}

impl Side {
    pub(super) fn new() -> Self {
        Self {
            word: Word::new(),
            since_ns: shown::AtomicU64::new(0),
            woken_ns: shown::AtomicU64::new(0),
            location: AtomicLocation::new(),
            task_id: shown::AtomicU64::new(0),
            task: shown::AtomicU32::new(0),
            thread: shown::AtomicU32::new(0),
            cause: shown::AtomicU8::new(Cause::Io as u8),
            transitions: std::array::from_fn(|_| shown::AtomicU32::new(0)),
        }
    }

    pub(super) fn open(&self) {
        self.since_ns.store(0, Ordering::Relaxed);
        self.woken_ns.store(0, Ordering::Relaxed);
        for count in &self.transitions {
            count.store(0, Ordering::Relaxed);
        }
    }

    /// Counts `transition` for this descriptor and in the thread's shard.
    #[inline]
    pub(super) fn count(&self, local: &Local<'_>, direction: Direction, transition: Transition) {
        if cfg!(netpoller_bare) {
            return;
        }
        local.transition(direction, transition);
        let cell = &self.transitions[transition.index()];
        match transition {
            // The word is `wait`, `waking` or claimed by the caller: it is the only one that counts, and need not lock
            // the bus.
            Transition::Arm
            | Transition::Park
            | Transition::Rearm
            | Transition::ReadyParked
            | Transition::UnblockParked
            | Transition::CancelParked => {
                cell.store(
                    cell.load(Ordering::Relaxed).wrapping_add(1),
                    Ordering::Relaxed,
                );
            }
            _ => {
                cell.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn stamp_wake(&self, at_ns: u64, cause: Cause) {
        if cfg!(netpoller_bare) {
            return;
        }
        self.woken_ns.store(at_ns, Ordering::Relaxed);
        self.cause.store(cause as u8, Ordering::Relaxed);
    }

    /// How often each transition was taken in this life of the slot, modulo 2^32. A transition that a poller makes in the very
    /// moment in which the slot changes hands may count for the next life; the poller's totals are exact.
    pub(crate) fn transitions(&self) -> [u64; Transition::COUNT] {
        std::array::from_fn(|index| u64::from(self.transitions[index].load(Ordering::Relaxed)))
    }

    pub(crate) fn state(&self) -> State {
        self.word.state()
    }

    /// Who waits, or waited last.
    pub(crate) fn waiter(&self) -> StampedWaiter {
        StampedWaiter {
            since_ns: self.since_ns.load(Ordering::Acquire),
            thread: self.thread.load(Ordering::Relaxed),
            task: Label(self.task.load(Ordering::Relaxed)),
            task_id: self.task_id.load(Ordering::Relaxed),
            location: self.location.load(),
        }
    }
}

/// The stamps of a waiter, as they were read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StampedWaiter {
    pub(crate) since_ns: u64,
    pub(crate) thread: u32,
    pub(crate) task: Label,
    pub(crate) task_id: u64,
    pub(crate) location: Option<&'static Location<'static>>,
}

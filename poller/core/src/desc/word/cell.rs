//! The word with its cell, and who may touch that.

use std::task::Waker;

use super::{CLAIM, NIL, PARKED, POLLED, READY, STATE, WAIT, WAKING, WAKING_READY};
use crate::desc::State;
use crate::sync::UnsafeCell;
use crate::sync::atomic::{AtomicU32, Ordering};

/// The word and its cell.
#[derive(Debug)]
pub(crate) struct Word {
    pub(super) word: AtomicU32,
    waker: UnsafeCell<Option<Waker>>,
}

// SAFETY: the cell is touched only by whoever the state in `word` names as its owner, see the table
// of the module; each change of owner is a CAS with acquire and release order.
unsafe impl Sync for Word {}
// SAFETY: a `Waker` may be sent.
unsafe impl Send for Word {}

impl Word {
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicU32::new(NIL),
            waker: UnsafeCell::new(None),
        }
    }

    #[inline]
    pub(super) fn swap_state(&self, from: u32, to: u32) -> Result<u32, u32> {
        self.word
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }

    /// # Safety
    /// The caller must own the cell.
    #[inline]
    pub(super) unsafe fn exchange(&self, waker: Option<Waker>) -> Option<Waker> {
        self.waker.with_mut(|cell| {
            // SAFETY: by contract nobody else touches the cell.
            unsafe { std::mem::replace(&mut *cell, waker) }
        })
    }

    /// Whether a future waits here, which will be polled or dropped. A poll function has none, and
    /// may have been given up.
    pub(crate) fn is_claimed(&self) -> bool {
        self.word.load(Ordering::Acquire) & (CLAIM | POLLED) == CLAIM
    }

    pub(crate) fn state(&self) -> State {
        match self.word.load(Ordering::Acquire) & STATE {
            READY => State::Ready,
            WAIT => State::Wait,
            // The wake is committed when it leaves `waking`.
            PARKED | WAKING | WAKING_READY => State::Parked,
            _ => State::Nil,
        }
    }
}

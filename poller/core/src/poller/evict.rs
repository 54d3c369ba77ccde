//! Eviction of a descriptor: by its owner, who may close it then, and by whoever does not own it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Desc, Poller};
use crate::desc::NO_DEADLINE;
use crate::observe::{Cause, Counter, DescId, Direction, EventKind};
use crate::sync::Panics;

/// What became of an eviction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Eviction {
    /// Done, and so many waiters were released.
    Done(u32),
    /// It is being closed already, or was evicted before.
    Closing,
    /// No such descriptor lives.
    Gone,
}

impl Poller {
    /// [`Desc::unblock`] on the descriptor `id`. Its owner finds out at its next operation, and
    /// closes it.
    pub(crate) fn evict(&self, id: DescId) -> Eviction {
        let Some(slot) = self.shared.cache.slot(id.slot) else {
            return Eviction::Gone;
        };
        if !slot.is_live(id.generation) {
            return Eviction::Gone;
        }
        // To be dropped without deregistering what is not ours.
        let desc = Desc {
            shared: self.shared.clone(),
            slot,
            generation: id.generation,
            closed: AtomicBool::new(true),
        };
        // Wakers that panic are no business of whoever evicts from outside; the panic hook has
        // reported it.
        desc.evict(&mut Panics::default())
            .map_or(Eviction::Closing, Eviction::Done)
    }
}

impl Desc {
    /// Evicts the descriptor: every waiter is released, and every operation from here on fails with
    /// [`Error::Closed`](crate::Error::Closed) (Go's `pollUnblock`). `false` if that was done
    /// before; Go throws then (semantics 11).
    #[doc(alias = "pollUnblock")]
    #[doc(alias = "poll_runtime_pollUnblock")]
    #[doc(alias = "evict")]
    pub fn unblock(&self) -> bool {
        let mut panics = Panics::default();
        let evicted = self.evict(&mut panics);
        panics.resume();
        evicted.is_some()
    }

    /// [`Desc::unblock`]; how many waiters were released, `None` if it was done before, or if the
    /// descriptor is no more.
    pub(super) fn evict(&self, panics: &mut Panics) -> Option<u32> {
        // As in `close_once`.
        self.shared.check_process().ok()?;
        let local = self.shared.recorder.local();
        let mut wakers = [None, None];
        {
            let _guard = self.slot.lock();
            // Under the lock a slot begins no other life.
            if !self.slot.is_live(self.generation) || self.slot.info().closing() {
                return None;
            }
            local.stamp();
            for direction in Direction::ALL {
                self.slot.store_deadline(direction, NO_DEADLINE);
            }
            self.slot.publish(true);
            if self.slot.queued_ns.load(Ordering::Relaxed) != 0 {
                self.shared.timers.remove(&self.slot);
            }
            for (waker, direction) in wakers.iter_mut().zip(Direction::ALL) {
                *waker = self
                    .shared
                    .release_waiter(self, direction, Cause::Close, &local);
            }
        }
        local.count(Counter::Evicted);
        // Ours, whoever lives in the slot by now: of an eviction from outside the owner may have
        // closed it meanwhile.
        let id = DescId {
            slot: self.slot.slot(),
            generation: self.generation,
        };
        local.event(EventKind::Evicted, id, 0);
        let released = wakers.iter().flatten().count() as u32;
        self.shared.wake_released(wakers, panics);
        Some(released)
    }
}

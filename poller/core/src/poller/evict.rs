//! Eviction of a descriptor by whoever does not own it.

use std::sync::atomic::AtomicBool;

use super::{Desc, Poller};
use crate::observe::DescId;
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

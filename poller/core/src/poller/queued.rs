//! Who waits for the lock of a descriptor, for tables. Nobody comes here who finds the lock free.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::observe::{DescId, Direction, Task};

/// Somebody who waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queued {
    pub(crate) desc: DescId,
    pub(crate) direction: Direction,
    pub(crate) since_ns: u64,
    /// Number of the thread.
    pub(crate) thread: u32,
    pub(crate) task: Task,
    /// The call that waits.
    pub(crate) location: &'static Location<'static>,
}

/// All of one poller, in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct QueuedList(Mutex<(u64, BTreeMap<u64, Queued>)>);

impl QueuedList {
    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Queued>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number for [`QueuedList::leave`].
    pub(crate) fn enter(&self, queued: Queued) -> u64 {
        let (next, all) = &mut *self.lock();
        *next += 1;
        all.insert(*next, queued);
        *next
    }

    pub(crate) fn leave(&self, number: u64) {
        self.lock().1.remove(&number);
    }

    /// Those who wait now.
    pub(crate) fn all(&self) -> Vec<Queued> {
        self.lock().1.values().copied().collect()
    }
}

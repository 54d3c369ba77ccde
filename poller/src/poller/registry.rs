//! The pollers of the process, for whoever looks at them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Poller, Shared};
use crate::sync::lock_soon;

static POLLERS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());
static NEXT_ID: AtomicU32 = AtomicU32::new(1);

pub(super) fn next_id() -> u32 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

pub(super) fn register(shared: &Arc<Shared>) {
    let mut pollers = POLLERS.lock().unwrap_or_else(PoisonError::into_inner);
    pollers.retain(|poller| poller.strong_count() > 0);
    pollers.push(Arc::downgrade(shared));
}

/// All live pollers, in the order in which they were made.
pub(crate) fn all_pollers() -> Vec<Poller> {
    live(&POLLERS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// [`all_pollers`] for a thread that may hold the lock: `None` if it is not to be had soon.
pub(crate) fn all_pollers_soon() -> Option<Vec<Poller>> {
    lock_soon(&POLLERS).map(|pollers| live(&pollers))
}

fn live(pollers: &[Weak<Shared>]) -> Vec<Poller> {
    pollers
        .iter()
        .filter_map(Weak::upgrade)
        .map(|shared| Poller { shared })
        .collect()
}

/// Runs `body` while nobody can have the list.
#[cfg(all(test, not(loom), not(netpoller_bare)))]
pub(crate) fn with_registry_locked<R>(body: impl FnOnce() -> R) -> R {
    let _guard = POLLERS.lock().unwrap_or_else(PoisonError::into_inner);
    body()
}

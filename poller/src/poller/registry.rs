//! The pollers of the process, for whoever looks at them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use super::{Poller, Shared};
use crate::sys::{ForkMutex, Order};

static POLLERS: ForkMutex<Vec<Weak<Shared>>> = ForkMutex::new(Order::Pollers, Vec::new());
static NEXT_ID: AtomicU32 = AtomicU32::new(1);

pub(super) fn next_id() -> u32 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

pub(super) fn register(shared: &Arc<Shared>) {
    let mut pollers = POLLERS.lock();
    pollers.retain(|poller| poller.strong_count() > 0);
    pollers.push(Arc::downgrade(shared));
}

/// All live pollers, in the order in which they were made.
pub(crate) fn all_pollers() -> Vec<Poller> {
    live(&POLLERS.lock())
}

/// [`all_pollers`] for a thread that may hold the lock: `None` if it is not to be had soon.
pub(crate) fn all_pollers_soon() -> Option<Vec<Poller>> {
    POLLERS.lock_soon().map(|pollers| live(&pollers))
}

/// `base`, or the first of `base_2`, `base_3` and so on that no live poller is called: the name of one that is gone is given
/// again, so that there are never more names than there were pollers at a time.
#[cfg(feature = "tokio")]
pub(crate) fn free_name(base: &str) -> String {
    let pollers = all_pollers();
    // Which is always to be had for the one it belongs to.
    let taken = |name: &str| name == "global" || pollers.iter().any(|p| p.name() == name);
    let numbered = (2..).map(|n: u32| format!("{base}_{n}"));
    std::iter::once(base.to_owned())
        .chain(numbered)
        .find(|name| !taken(name))
        .unwrap_or_default()
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
    let _guard = POLLERS.lock();
    body()
}

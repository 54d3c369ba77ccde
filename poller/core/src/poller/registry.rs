//! The pollers of the process, for whoever looks at them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use super::{Poller, Shared};
use crate::sync::LockOrder;
use crate::sys::ForkMutex;

static POLLERS: ForkMutex<Vec<Weak<Shared>>> = ForkMutex::new(LockOrder::Pollers, Vec::new());
static NEXT_ID: AtomicU32 = AtomicU32::new(1);

/// The name of the poller of those who name none.
pub(super) const GLOBAL: &str = "global";

pub(super) fn next_id() -> u32 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// Lets a poller be seen, by a name that no other live one has: the one that it wants, or else that
/// one and the lowest free number from 2 on. It is given once, here, and kept until the poller is
/// gone; tables, events and metrics show it as it is, so that what they tell of one poller never
/// goes on as that of another. The name of one that is gone is given again, so that there are never
/// more names than there were pollers at a time.
///
/// `global` is always to be had for the one it belongs to, and for no other.
pub(super) fn register(mut poller: Shared, is_global: bool) -> Arc<Shared> {
    let mut pollers = POLLERS.lock();
    pollers.retain(|poller| poller.strong_count() > 0);
    // Released after the lock: the last reference to a poller may be among them.
    let live: Vec<Arc<Shared>> = pollers.iter().filter_map(Weak::upgrade).collect();
    let is_free = |name: &str| {
        (is_global || name != GLOBAL) && live.iter().all(|poller| *poller.name != *name)
    };
    if !is_free(&poller.name) {
        let numbered = (2_u32..).map(|number| format!("{}_{number}", poller.name));
        // There are fewer pollers than numbers.
        let free = numbered.into_iter().find(|name| is_free(name));
        poller.name = free.unwrap_or_default().into_boxed_str();
    }
    let poller = Arc::new(poller);
    pollers.push(Arc::downgrade(&poller));
    drop(pollers);
    drop(live);
    poller
}

/// All live pollers, in the order in which they were made.
pub(crate) fn all_pollers() -> Vec<Poller> {
    live(&POLLERS.lock())
}

/// [`all_pollers`] for a thread that may hold the lock: `None` if it is not to be had soon.
pub(crate) fn all_pollers_soon() -> Option<Vec<Poller>> {
    POLLERS.lock_soon().map(|pollers| live(&pollers))
}

fn live(pollers: &[Weak<Shared>]) -> Vec<Poller> {
    pollers
        .iter()
        .filter_map(Weak::upgrade)
        .map(|shared| Poller { shared })
        .collect()
}

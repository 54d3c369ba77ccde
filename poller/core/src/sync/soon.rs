//! Taking a lock that the caller may already hold.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::Duration;

/// How often it is tried, and how long it takes in between. Who else holds such a lock gives it
/// back within microseconds, unless the scheduler has taken the processor away.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(1);

/// The guard, or `None` if the lock is not given back soon: for a panic hook, which runs on a
/// thread that may have panicked with the lock held, and would wait for itself.
pub(crate) fn lock_soon<T>(lock: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    for _ in 0..TRIES {
        match lock.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
        }
    }
    None
}

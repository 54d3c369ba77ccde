//! One signal that ends the demo's executors.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Set once; then everything that waits for it goes on.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    set: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl Stop {
    /// Lets everything go on that waits for it.
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::Release);
        let wakers =
            std::mem::take(&mut *self.wakers.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether it is set, for threads that do not wait.
    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// Pending until it is set.
    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            // Looked at with the lock held: who sets it takes the lock after.
            if self.set.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

//! A box that is made once, in one atomic.

use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A `Box`, or nothing yet.
///
/// A [`OnceLock`] keeps its state beside the box, and asks for both. Each operation and each event
/// looks for its shard and its slot, so that here the pointer is the state.
pub(crate) struct OnceBox<T> {
    pointer: AtomicPtr<T>,
    /// May be sent and shared where this may be.
    like: PhantomData<OnceLock<Box<T>>>,
}

impl<T> OnceBox<T> {
    pub(crate) const fn new() -> Self {
        Self {
            pointer: AtomicPtr::new(std::ptr::null_mut()),
            like: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: null, or from a box that is put here once, and dropped with this alone.
        unsafe { self.pointer.load(Ordering::Acquire).as_ref() }
    }

    /// What is there, or else what `make` makes. Where several threads make one at once, that of
    /// the first is kept.
    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> Box<T>) -> &T {
        if let Some(made) = self.get() {
            return made;
        }
        let ours = Box::into_raw(make());
        let order = (Ordering::AcqRel, Ordering::Acquire);
        let put = self
            .pointer
            .compare_exchange(std::ptr::null_mut(), ours, order.0, order.1);
        match put {
            // SAFETY: as in `get`.
            Ok(_) => unsafe { &*ours },
            Err(theirs) => {
                // SAFETY: it was taken out of its box above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(ours) });
                // SAFETY: as in `get`; not null, or it would have been replaced.
                unsafe { &*theirs }
            }
        }
    }
}

impl<T> Drop for OnceBox<T> {
    fn drop(&mut self) {
        let pointer = *self.pointer.get_mut();
        if !pointer.is_null() {
            // SAFETY: from a box, and nobody borrows this any more.
            drop(unsafe { Box::from_raw(pointer) });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn threads_that_make_it_at_once_find_the_same_and_nothing_is_left() {
        let counted = Arc::new(());
        let once = OnceBox::new();
        assert!(once.get().is_none());
        std::thread::scope(|scope| {
            let find = || std::ptr::from_ref(once.get_or_init(|| Box::new(counted.clone()))).addr();
            let found: Vec<_> = (0..8).map(|_| scope.spawn(find)).collect();
            let found = found.into_iter().map(|thread| thread.join().unwrap());
            assert!(
                found
                    .collect::<Vec<_>>()
                    .windows(2)
                    .all(|two| two[0] == two[1])
            );
        });
        assert!(once.get().is_some_and(|it| Arc::ptr_eq(it, &counted)));
        assert_eq!(Arc::strong_count(&counted), 2);
        drop(once);
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}

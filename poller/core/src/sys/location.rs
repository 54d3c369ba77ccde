//! A line of code in one atomic.

use std::panic::Location;
// What tables show synchronises nothing, so no model needs to explore it.
use std::sync::atomic::{AtomicPtr, Ordering};

/// A `&'static Location` or nothing, in one atomic.
#[derive(Debug)]
pub(crate) struct AtomicLocation(AtomicPtr<Location<'static>>);

impl AtomicLocation {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    #[inline]
    pub(crate) fn store(&self, location: &'static Location<'static>) {
        self.0
            .store(std::ptr::from_ref(location).cast_mut(), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn set(&self, location: Option<&'static Location<'static>>) {
        let pointer = location.map_or(std::ptr::null(), std::ptr::from_ref);
        self.0.store(pointer.cast_mut(), Ordering::Relaxed);
    }

    pub(crate) fn load(&self) -> Option<&'static Location<'static>> {
        // SAFETY: null, or a reference with static lifetime that `store` has put here; nobody
        // writes through it.
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }
}

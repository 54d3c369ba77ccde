//! Wakers of a runtime that panics, for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// What of a waker panics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Clone,
    Wake,
    WakeByRef,
    Drop,
}

/// A runtime whose wakers panic in one of their functions, the first so many times once it is
/// armed.
#[derive(Debug)]
pub(crate) struct Foreign {
    part: Part,
    left: AtomicU32,
    /// How often its wakers have panicked.
    panics: AtomicUsize,
    /// How often they were called, with a panic or without.
    calls: AtomicUsize,
}

impl Foreign {
    pub(crate) fn new(part: Part, times: u32) -> Arc<Self> {
        Arc::new(Self {
            part,
            left: AtomicU32::new(times),
            panics: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
        })
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        // SAFETY: the functions below keep the contract: each waker owns one count of the `Arc`,
        // which clone takes and wake and drop give back, with a panic or without.
        unsafe { Waker::from_raw(raw(self.clone())) }
    }

    pub(crate) fn panics(&self) -> usize {
        self.panics.load(Ordering::Relaxed)
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// How many wakers there are.
    pub(crate) fn alive(self: &Arc<Self>) -> usize {
        Arc::strong_count(self) - 1
    }

    fn meets(&self, part: Part) {
        let less = |left: u32| left.checked_sub(1);
        if part == self.part
            && self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
                .is_ok()
        {
            self.panics.fetch_add(1, Ordering::Relaxed);
            // Without the hook, whose output would bury everything else.
            std::panic::resume_unwind(Box::new(part));
        }
    }
}

fn raw(foreign: Arc<Foreign>) -> RawWaker {
    RawWaker::new(Arc::into_raw(foreign).cast(), &FUNCTIONS)
}

static FUNCTIONS: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_one);

/// # Safety
/// `data` must be that of a waker made above, whose count is passed on.
unsafe fn owned(data: *const ()) -> Arc<Foreign> {
    // SAFETY: by contract it comes from `Arc::into_raw`, and owns a count.
    unsafe { Arc::from_raw(data.cast()) }
}

/// # Safety
/// `data` must be that of a waker made above, which lives on.
unsafe fn borrowed(data: *const ()) -> Arc<Foreign> {
    // SAFETY: by contract; the count is taken once more, as the waker keeps its own.
    unsafe {
        Arc::increment_strong_count(data.cast::<Foreign>());
        owned(data)
    }
}

// SAFETY: to be called as `RawWakerVTable` says, which only wakers made above do.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: called for a living waker only.
    let foreign = unsafe { borrowed(data) };
    foreign.meets(Part::Clone);
    raw(foreign)
}

// SAFETY: to be called as `RawWakerVTable` says, which only wakers made above do.
unsafe fn wake(data: *const ()) {
    // SAFETY: called for a living waker, which ends by it.
    let foreign = unsafe { owned(data) };
    foreign.calls.fetch_add(1, Ordering::Relaxed);
    foreign.meets(Part::Wake);
}

// SAFETY: to be called as `RawWakerVTable` says, which only wakers made above do.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: called for a living waker only.
    let foreign = unsafe { borrowed(data) };
    foreign.calls.fetch_add(1, Ordering::Relaxed);
    foreign.meets(Part::WakeByRef);
}

// SAFETY: to be called as `RawWakerVTable` says, which only wakers made above do.
unsafe fn drop_one(data: *const ()) {
    // SAFETY: called for a living waker, which ends by it.
    let foreign = unsafe { owned(data) };
    foreign.meets(Part::Drop);
}

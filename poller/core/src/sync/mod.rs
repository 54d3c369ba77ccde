//! Atomics, locks, cells and threads: std in production, loom under `cfg(loom)`, shuttle if
//! `cfg(shuttle)` comes with it.
//!
//! Everything that a model explores takes its primitives from here, so that the shipped code is the
//! model-checked code. State that no model looks at (process-wide registries, caches of names) uses
//! std directly. What each lock is for, and in which order they are taken, `lock_order` says.
#![forbid(unsafe_code)]

mod lock_order;
mod pad;
mod panics;
mod soon;

pub(crate) use lock_order::LockOrder;
pub(crate) use pad::CachePadded;
pub(crate) use panics::{Panics, wake_all};
pub(crate) use soon::lock_soon;

#[cfg(not(loom))]
mod imp {
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::atomic;
    pub(crate) use std::thread;
    pub(crate) use std::thread_local;

    /// A cell whose content is reached through a pointer, so that loom can watch the accesses.
    #[derive(Debug, Default)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    /// Only whoever owns the content for the moment touches it, and leaves it whole: nothing of the
    /// user's runs meanwhile.
    impl<T> std::panic::RefUnwindSafe for UnsafeCell<T> {}

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }

    /// A mutex that does not poison: a panic in a waker must not take the poller down with it.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

    pub(crate) type MutexGuard<'a, T> = std::sync::MutexGuard<'a, T>;

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}

#[cfg(all(loom, not(shuttle)))]
mod imp {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic;
    // No model has a thread that sleeps in a driver.
    pub(crate) use std::thread;
    pub(crate) use std::thread_local;

    /// Loom explores every interleaving, so a spin must tell it that this thread cannot go on
    /// alone.
    pub(crate) fn spin_loop() {
        loom::thread::yield_now();
    }

    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    pub(crate) type MutexGuard<'a, T> = loom::sync::MutexGuard<'a, T>;

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }
}

#[cfg(shuttle)]
mod imp {
    pub(crate) use shuttle::hint::spin_loop;
    pub(crate) use shuttle::sync::atomic;
    pub(crate) use shuttle::thread;
    pub(crate) use shuttle::thread_local;

    /// Shuttle runs one thread at a time and switches at its own primitives only, so a plain cell
    /// will do.
    #[derive(Debug, Default)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    pub(crate) type MutexGuard<'a, T> = shuttle::sync::MutexGuard<'a, T>;

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}

pub(crate) use imp::{Mutex, MutexGuard, UnsafeCell, atomic, spin_loop, thread, thread_local};

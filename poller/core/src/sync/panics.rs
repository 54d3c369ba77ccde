//! Foreign code that may panic in the middle of ours.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

/// Runs what is anybody's code, a waker's `wake` or its drop, where more is to be done afterwards
/// whatever becomes of it. Keeps the first panic, to be passed on once nothing is left to do; the
/// panic hook has reported the others.
#[derive(Default)]
pub(crate) struct Panics(Option<Box<dyn Any + Send>>);

impl Panics {
    /// What `foreign` returns, `None` if it panics.
    #[inline]
    pub(crate) fn catch<R>(&mut self, foreign: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(foreign)) {
            Ok(value) => Some(value),
            Err(panic) => {
                self.keep(panic);
                None
            }
        }
    }

    #[cold]
    fn keep(&mut self, panic: Box<dyn Any + Send>) {
        match &self.0 {
            None => self.0 = Some(panic),
            Some(_) => discard(panic),
        }
    }

    /// Wakes all of them.
    pub(crate) fn wake(&mut self, wakers: impl IntoIterator<Item = Waker>) {
        for waker in wakers {
            self.catch(|| waker.wake());
        }
    }

    /// Goes on with the first panic, if there was one; unless this thread is unwinding already, as
    /// a second panic on that way ends the process.
    #[inline]
    pub(crate) fn resume(mut self) {
        if let Some(panic) = self.0.take() {
            resume_or_discard(panic);
        }
    }
}

impl Drop for Panics {
    /// There is nobody to tell.
    #[inline]
    fn drop(&mut self) {
        if let Some(panic) = self.0.take() {
            discard(panic);
        }
    }
}

#[cold]
fn resume_or_discard(panic: Box<dyn Any + Send>) {
    if std::thread::panicking() {
        discard(panic);
    } else {
        resume_unwind(panic);
    }
}

/// Drops what was thrown, which may panic in its turn.
#[cold]
fn discard(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
}

/// Wakes all of them, though some may panic; the first panic goes on then. No lock may be held: a
/// waker is anybody's code.
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    let mut panics = Panics::default();
    panics.wake(wakers);
    panics.resume();
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::panic_any;

    use super::*;

    /// A payload that panics when it is dropped, with another one of its kind.
    struct Hydra(u32);

    impl Drop for Hydra {
        fn drop(&mut self) {
            if self.0 > 0 {
                panic_any(Hydra(self.0 - 1));
            }
        }
    }

    #[test]
    fn the_first_panic_goes_on_and_the_others_are_gone_whatever_they_throw() {
        let outcome = catch_unwind(|| {
            let mut panics = Panics::default();
            assert_eq!(panics.catch(|| 1), Some(1));
            for payload in ["first", "second"] {
                assert_eq!(panics.catch(|| panic_any(payload)), None::<()>);
            }
            panics.catch(|| panic_any(Hydra(3)));
            panics.resume();
        });
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"first"));
    }

    #[test]
    fn a_panic_on_the_way_of_another_one_ends_nothing() {
        struct Last;
        impl Drop for Last {
            fn drop(&mut self) {
                let mut panics = Panics::default();
                panics.catch(|| panic_any("second"));
                panics.resume();
            }
        }
        let outcome = catch_unwind(|| {
            let _last = Last;
            panic_any("first");
        });
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"first"));
    }
}

//! Locks of the process that a forked child finds free.
//!
//! A child has the one thread that called `fork(2)`, and a copy of everything else: also of a lock
//! that another thread held at that moment, and will never leave there. So the forking thread takes
//! them all before, in the order of [`LockOrder`], and leaves them on both sides
//! (`pthread_atfork(3)`); what they guard is whole then. A fork costs a few uncontended locks, and
//! nothing else does.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering, compiler_fence};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::sync::{LockOrder, lock_soon};

const COUNT: usize = LockOrder::Once as usize + 1 + cfg!(all(test, not(loom), not(miri))) as usize;

/// A lock of its own for each place in [`LockOrder`]. Does not poison.
#[derive(Debug)]
pub(crate) struct ForkMutex<T> {
    order: LockOrder,
    lock: Mutex<T>,
}

impl<T: Send + 'static> ForkMutex<T> {
    pub(crate) const fn new(order: LockOrder, value: T) -> Self {
        Self {
            order,
            lock: Mutex::new(value),
        }
    }

    pub(crate) fn lock(&'static self) -> ForkGuard<T> {
        self.enlist();
        let at_it = AtIt::begin(self.order);
        ForkGuard {
            guard: self.lock.lock().unwrap_or_else(PoisonError::into_inner),
            _at_it: at_it,
        }
    }

    /// [`lock_soon`].
    pub(crate) fn lock_soon(&'static self) -> Option<ForkGuard<T>> {
        self.enlist();
        let at_it = AtIt::begin(self.order);
        Some(ForkGuard {
            guard: lock_soon(&self.lock)?,
            _at_it: at_it,
        })
    }

    #[inline]
    fn enlist(&'static self) {
        let place = &LOCKS[self.order as usize];
        if place.load(Ordering::Acquire).is_null() {
            enlist(place, self);
        }
    }
}

/// Holds a [`ForkMutex`].
pub(crate) struct ForkGuard<T: 'static> {
    // Left before the other is.
    guard: MutexGuard<'static, T>,
    _at_it: AtIt,
}

impl<T> Deref for ForkGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for ForkGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

thread_local! {
    /// A bit for each lock that this thread has, or is about to take or leave.
    static AT_IT: Cell<u32> = const { Cell::new(0) };
}

/// This thread is at a lock, which a signal handler of its own must not wait for. Stays on its
/// thread, as the guard beside it does.
struct AtIt {
    /// None if it was at it before.
    bit: u32,
}

impl AtIt {
    fn begin(order: LockOrder) -> Self {
        let before = AT_IT.get();
        let bit = 1 << order as u32 & !before;
        AT_IT.set(before | bit);
        // Before the lock is taken, as a handler of this thread sees it.
        compiler_fence(Ordering::SeqCst);
        Self { bit }
    }
}

impl Drop for AtIt {
    fn drop(&mut self) {
        compiler_fence(Ordering::SeqCst);
        AT_IT.set(AT_IT.get() & !self.bit);
    }
}

/// What a fork takes.
trait Held: Sync {
    /// The guard, waited for however long its holder is kept from running. A fork in a signal
    /// handler, by a thread that is at one of the locks itself, may be what the holder waits for:
    /// it goes without if the lock is not to be had soon, `None`.
    fn hold(&'static self) -> Option<Box<dyn Any>>;
}

impl<T: Send + 'static> Held for ForkMutex<T> {
    fn hold(&'static self) -> Option<Box<dyn Any>> {
        if AT_IT.get() != 0 {
            let guard = lock_soon(&self.lock)?;
            return Some(Box::new(guard));
        }
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Box::new(guard))
    }
}

/// The locks that were ever taken. Atomics and no `OnceLock`, which is a lock in its turn.
static LOCKS: [AtomicPtr<&'static dyn Held>; COUNT] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; COUNT];

#[cold]
fn enlist(place: &AtomicPtr<&'static dyn Held>, lock: &'static dyn Held) {
    let ours = Box::into_raw(Box::new(lock));
    let null = std::ptr::null_mut();
    if place
        .compare_exchange(null, ours, Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        // SAFETY: made above, and nobody else has it.
        drop(unsafe { Box::from_raw(ours) });
    }
    static HANDLED: AtomicBool = AtomicBool::new(false);
    if !cfg!(miri) && !HANDLED.swap(true, Ordering::AcqRel) {
        // SAFETY: the handlers are functions of this program, which do not unwind. Without memory
        // for them forks go on as if there were none.
        unsafe { libc::pthread_atfork(Some(hold_all), Some(leave_all), Some(leave_all)) };
    }
}

thread_local! {
    /// What the thread that forks holds meanwhile, in the child too, whose only thread is a copy of
    /// it.
    static GUARDS: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

extern "C" fn hold_all() {
    // A thread that is ending goes without.
    let _ = GUARDS.try_with(|guards| {
        let Ok(mut guards) = guards.try_borrow_mut() else {
            return;
        };
        for place in &LOCKS {
            // SAFETY: null, or what `enlist` has put there for good.
            let lock = unsafe { place.load(Ordering::Acquire).as_ref() };
            guards.extend(lock.and_then(|lock| lock.hold()));
        }
    });
}

extern "C" fn leave_all() {
    let _ = GUARDS.try_with(|guards| {
        if let Ok(mut guards) = guards.try_borrow_mut() {
            guards.clear();
        }
    });
}

/// What is in `cell`, made on first use: nobody is at it when the process forks.
#[inline]
pub(crate) fn made_once<T>(cell: &OnceLock<T>, make: impl FnOnce() -> T) -> &T {
    match cell.get() {
        Some(made) => made,
        None => make_once(cell, make),
    }
}

#[cold]
fn make_once<T>(cell: &OnceLock<T>, make: impl FnOnce() -> T) -> &T {
    static MAKING: ForkMutex<()> = ForkMutex::new(LockOrder::Once, ());
    let _guard = MAKING.lock();
    cell.get_or_init(make)
}

#[cfg(all(test, not(loom), not(miri)))]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    static LOCK: ForkMutex<u32> = ForkMutex::new(LockOrder::Spare, 0);

    /// Found on a machine where everybody was late: the lock was waited for 50 ms, and its holder
    /// had not run by then.
    #[test]
    fn issue_tokio_1541_a_fork_waits_for_a_holder_that_is_kept_from_running() {
        let (held, is_held) = channel();
        let holder = std::thread::spawn(move || {
            let mut guard = LOCK.lock();
            held.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(300));
            *guard = 7;
        });
        is_held.recv().unwrap();
        // SAFETY: the child takes a lock that `fork` has left to it, and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = match LOCK.lock_soon() {
                Some(guard) if *guard == 7 => 0,
                Some(_) => 1,
                None => 2,
            };
            // SAFETY: ends the process without running anything of its parent's.
            unsafe { libc::_exit(code) };
        }
        assert!(child > 0);
        let mut status = 0;
        // SAFETY: `status` is valid for a write.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert!(libc::WIFEXITED(status), "{status}");
        assert_eq!(libc::WEXITSTATUS(status), 0, "1: not whole; 2: not free");
        holder.join().unwrap();
    }

    #[test]
    fn a_fork_by_whoever_is_at_a_lock_waits_for_none() {
        let guard = LOCK.lock();
        assert!(LOCK.hold().is_none(), "it would wait for itself");
        drop(guard);
        assert!(LOCK.hold().is_some());
        // The holder of a lock may wait for a later one, which is this thread's.
        let (held, is_held) = channel();
        let (over, is_over) = channel();
        let holder = std::thread::spawn(move || {
            let _guard = LOCK.lock();
            held.send(()).unwrap();
            is_over.recv().unwrap();
        });
        is_held.recv().unwrap();
        let later = AtIt::begin(LockOrder::Once);
        assert!(LOCK.hold().is_none());
        drop(later);
        over.send(()).unwrap();
        holder.join().unwrap();
        assert_eq!(AT_IT.get(), 0);
    }
}

//! Locks of the process that a forked child finds free.
//!
//! A child has the one thread that called `fork(2)`, and a copy of everything else: also of a lock
//! that another thread held at that moment, and will never leave there. So the forking thread takes
//! them all before, in the order of [`LockOrder`], and leaves them on both sides
//! (`pthread_atfork(3)`); what they guard is whole then. A fork costs a few uncontended locks, and
//! nothing else does.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::sync::{LockOrder, lock_soon};

const COUNT: usize = LockOrder::Once as usize + 1;

/// All of them, so that a fork holds also what is taken for the first time while it goes on.
static LOCKS: [Mutex<()>; COUNT] = [const { Mutex::new(()) }; COUNT];

/// What the lock of a place in [`LockOrder`] guards. Does not poison.
pub(crate) struct ForkMutex<T> {
    order: LockOrder,
    value: UnsafeCell<T>,
}

// SAFETY: `value` is reached by whoever has the lock of `order`, one thread at a time.
unsafe impl<T: Send> Sync for ForkMutex<T> {}

impl<T> fmt::Debug for ForkMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ForkMutex").field(&self.order).finish()
    }
}

impl<T: Send + 'static> ForkMutex<T> {
    /// Guards `value`, which alone has this place in the order.
    pub(crate) const fn new(order: LockOrder, value: T) -> Self {
        Self {
            order,
            value: UnsafeCell::new(value),
        }
    }

    pub(crate) fn lock(&'static self) -> ForkGuard<T> {
        let at_it = self.begin();
        let lock = LOCKS[self.order as usize].lock();
        self.held(lock.unwrap_or_else(PoisonError::into_inner), at_it)
    }

    /// [`lock_soon`].
    pub(crate) fn lock_soon(&'static self) -> Option<ForkGuard<T>> {
        let at_it = self.begin();
        let lock = lock_soon(&LOCKS[self.order as usize])?;
        Some(self.held(lock, at_it))
    }

    #[inline]
    fn begin(&self) -> AtIt {
        if !HANDLED.load(Ordering::Acquire) {
            handle_forks();
        }
        AtIt::begin(self.order)
    }

    fn held(&'static self, lock: MutexGuard<'static, ()>, at_it: AtIt) -> ForkGuard<T> {
        ForkGuard {
            _lock: lock,
            value: &self.value,
            _at_it: at_it,
        }
    }
}

/// Holds a [`ForkMutex`].
pub(crate) struct ForkGuard<T: 'static> {
    // Left before the last is.
    _lock: MutexGuard<'static, ()>,
    value: &'static UnsafeCell<T>,
    _at_it: AtIt,
}

impl<T> Deref for ForkGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held for as long as the guard lives, and it cannot be lent otherwise.
        unsafe { &*self.value.get() }
    }
}

impl<T> DerefMut for ForkGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed by one alone.
        unsafe { &mut *self.value.get() }
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

/// Whether forks are handled from now on.
static HANDLED: AtomicBool = AtomicBool::new(false);

/// Before any lock is taken: a fork that began before ends first, as `pthread_atfork` waits for it.
#[cold]
fn handle_forks() {
    if !cfg!(miri) {
        // Two threads may do so at once, and then a fork runs them twice.
        // SAFETY: the handlers are functions of this program, which do not unwind. Without memory
        // for them forks go on as if there were none.
        unsafe { libc::pthread_atfork(Some(hold_all), Some(leave_all), Some(leave_all)) };
    }
    HANDLED.store(true, Ordering::Release);
}

thread_local! {
    /// What the thread that forks holds meanwhile, in the child too, whose only thread is a copy of
    /// it.
    static GUARDS: RefCell<Vec<MutexGuard<'static, ()>>> = const { RefCell::new(Vec::new()) };
}

extern "C" fn hold_all() {
    // A thread that is ending goes without.
    let _ = GUARDS.try_with(|guards| {
        if let Ok(mut guards) = guards.try_borrow_mut()
            && guards.is_empty()
        {
            guards.extend(LOCKS.iter().filter_map(hold));
        }
    });
}

/// Waits for a lock, however long its holder is kept from running. A fork in a signal handler, by a
/// thread that is at one of the locks itself, may be what the holder waits for: it goes without if
/// the lock is not to be had soon, `None`.
fn hold(lock: &'static Mutex<()>) -> Option<MutexGuard<'static, ()>> {
    if AT_IT.get() != 0 {
        return lock_soon(lock);
    }
    Some(lock.lock().unwrap_or_else(PoisonError::into_inner))
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

    /// No other test here takes it.
    const ORDER: LockOrder = LockOrder::Binding;
    static LOCK: ForkMutex<u32> = ForkMutex::new(ORDER, 0);

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

    /// Found as a child that hung: a thread used labels for the first time while another forked.
    #[test]
    fn issue_tokio_1541_a_fork_holds_also_what_nobody_has_locked_before() {
        static NEVER: ForkMutex<()> = ForkMutex::new(ORDER, ());
        hold_all();
        // Twice, as if two threads had been the first at once.
        hold_all();
        let soon = || std::thread::spawn(|| NEVER.lock_soon().is_some()).join();
        assert!(!soon().unwrap());
        leave_all();
        leave_all();
        drop(NEVER.lock());
    }

    #[test]
    fn a_fork_by_whoever_is_at_a_lock_waits_for_none() {
        let guard = LOCK.lock();
        let hold = || hold(&LOCKS[ORDER as usize]);
        assert!(hold().is_none(), "it would wait for itself");
        drop(guard);
        assert!(hold().is_some());
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
        assert!(hold().is_none());
        drop(later);
        over.send(()).unwrap();
        holder.join().unwrap();
        assert_eq!(AT_IT.get(), 0);
    }
}

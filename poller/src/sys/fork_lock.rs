//! Locks of the process that a forked child finds free.
//!
//! A child has the one thread that called `fork(2)`, and a copy of everything else: also of a lock that another thread held at
//! that moment, and will never leave there. So the forking thread takes them all before, in the order of [`Order`], and leaves
//! them on both sides (`pthread_atfork(3)`); what they guard is whole then. A fork costs a few uncontended locks, and nothing
//! else does.

use std::any::Any;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::sync::lock_soon;

/// All of these locks. Whoever holds one takes only later ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Making the global poller.
    Global,
    /// Making the poller of a runtime.
    #[cfg(feature = "tokio")]
    Own,
    /// Binding the endpoint's socket.
    #[cfg(feature = "inspect")]
    Binding,
    /// Nesting a poller.
    Nesting,
    /// Which runtimes poll.
    #[cfg(feature = "tokio")]
    Runtimes,
    /// The list of pollers.
    Pollers,
    /// Labels and names of tasks.
    Names,
    /// The numbers of threads.
    Threads,
    /// Making what is made once.
    Once,
}

const COUNT: usize = Order::Once as usize + 1;

/// A lock of its own for each place in [`Order`]. Does not poison.
#[derive(Debug)]
pub(crate) struct ForkMutex<T> {
    order: Order,
    lock: Mutex<T>,
}

impl<T: Send + 'static> ForkMutex<T> {
    pub(crate) const fn new(order: Order, value: T) -> Self {
        Self {
            order,
            lock: Mutex::new(value),
        }
    }

    pub(crate) fn lock(&'static self) -> MutexGuard<'static, T> {
        self.enlist();
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// [`lock_soon`].
    pub(crate) fn lock_soon(&'static self) -> Option<MutexGuard<'static, T>> {
        self.enlist();
        lock_soon(&self.lock)
    }

    #[inline]
    fn enlist(&'static self) {
        let place = &LOCKS[self.order as usize];
        if place.load(Ordering::Acquire).is_null() {
            enlist(place, self);
        }
    }
}

/// What a fork takes.
trait Held: Sync {
    /// The guard; `None` if it is not to be had soon. A fork by a thread that holds the lock, in a signal handler, goes without.
    fn hold(&'static self) -> Option<Box<dyn Any>>;
}

impl<T: Send + 'static> Held for ForkMutex<T> {
    fn hold(&'static self) -> Option<Box<dyn Any>> {
        let guard = lock_soon(&self.lock)?;
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
        // SAFETY: the handlers are functions of this program, which do not unwind. Without memory for them forks go on as if
        // there were none.
        unsafe { libc::pthread_atfork(Some(hold_all), Some(leave_all), Some(leave_all)) };
    }
}

thread_local! {
    /// What the thread that forks holds meanwhile, in the child too, whose only thread is a copy of it.
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
    static MAKING: ForkMutex<()> = ForkMutex::new(Order::Once, ());
    let _guard = MAKING.lock();
    cell.get_or_init(make)
}

//! Models of the lock's queue: nobody is forgotten in it, and nobody in it holds the others up.

use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;

use super::*;
use crate::desc::models::{Calls, Parker, explore};

const READ: Direction = Direction::Read;

impl FdMutex {
    /// Leaves the lock of `direction`.
    fn unlock(&self, direction: Direction) -> Leave {
        self.try_unlock(direction)
            .unwrap_or_else(|| self.unlock_and_call(direction, &mut Panics::default()))
    }
}

/// Waits for the lock as a thread does that polls the future until it is done.
fn lock(mutex: &FdMutex) -> Result<(), Denied> {
    let parker = Parker::new();
    let waker = parker.clone().into();
    let mut lock = mutex.lock(READ);
    loop {
        match Pin::new(&mut lock).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => parker.park(),
        }
    }
}

/// A waiter in the queue that is not polled again.
fn queued(mutex: &FdMutex) -> Lock<'_> {
    let (_, waker) = Calls::new();
    let mut lock = mutex.lock(READ);
    let poll = Pin::new(&mut lock).poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    lock
}

fn held() -> Arc<FdMutex> {
    let mutex = Arc::new(FdMutex::new());
    assert_eq!(mutex.try_lock(READ), Ok(true));
    mutex
}

/// A thread that takes the lock and leaves it.
fn passer(mutex: &Arc<FdMutex>) -> thread::JoinHandle<()> {
    let mutex = mutex.clone();
    thread::spawn(move || {
        assert_eq!(lock(&mutex), Ok(()));
        assert_eq!(mutex.unlock(READ), Leave::Nothing);
    })
}

#[test]
fn loom_issue_tokio_4941_a_waiter_that_does_not_run_holds_nobody_up() {
    explore("idle waiter | lock | unlock", || {
        let mutex = held();
        let mut idle = queued(&mutex);
        let passer = passer(&mutex);
        assert_eq!(mutex.unlock(READ), Leave::Nothing);
        passer.join().unwrap();
        let poll = Pin::new(&mut idle).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll, Poll::Ready(Ok(())));
    });
}

#[test]
fn loom_waiters_that_give_up_beside_an_unlock_pass_the_call_on() {
    explore("waiters that are dropped | lock | unlock", || {
        let mutex = held();
        let idle = [queued(&mutex), queued(&mutex)];
        let passer = passer(&mutex);
        assert_eq!(mutex.unlock(READ), Leave::Nothing);
        drop(idle);
        passer.join().unwrap();
        assert_eq!(mutex.try_lock(READ), Ok(true), "nobody waits any more");
    });
}

#[test]
fn loom_one_at_a_time_and_nobody_is_forgotten() {
    explore("lock, unlock | lock, unlock", || {
        let shared = Arc::new((FdMutex::new(), UnsafeCell::new(0)));
        let pass = |(mutex, cell): &(FdMutex, UnsafeCell<u32>)| {
            assert_eq!(lock(mutex), Ok(()));
            // Loom fails if two are in here at a time.
            cell.with_mut(|_| ());
            assert_eq!(mutex.unlock(READ), Leave::Nothing);
        };
        let other = thread::spawn({
            let shared = shared.clone();
            move || pass(&shared)
        });
        pass(&shared);
        other.join().unwrap();
        assert_eq!(shared.0.try_lock(READ), Ok(true));
    });
}

#[test]
fn loom_semantics_53_a_close_releases_who_waits_and_the_last_one_destroys() {
    explore("lock | close, unlock", || {
        let mutex = held();
        let waiter = thread::spawn({
            let mutex = mutex.clone();
            move || match lock(&mutex) {
                Ok(()) => usize::from(mutex.unlock(READ) == Leave::Destroy),
                Err(denied) => {
                    assert_eq!(denied, Denied::Closed);
                    0
                }
            }
        });
        let mut destroyed = usize::from(mutex.unlock(READ) == Leave::Destroy);
        mutex.close().unwrap();
        destroyed += usize::from(mutex.decref() == Leave::Destroy);
        assert_eq!(destroyed + waiter.join().unwrap(), 1);
    });
}

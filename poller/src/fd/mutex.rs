//! fdMutex: one reader, one writer, a count of references and a closed bit, in one word (Go's `internal/poll.fdMutex`).
//!
//! ```text
//!  63          24  4        3        2       1       0
//! +---------------+--------+--------+-------+-------+--------+
//! |  references   | w wait | r wait | wlock | rlock | closed |
//! +---------------+--------+--------+-------+-------+--------+
//! ```
//!
//! Without contention an operation takes and leaves it with one CAS each. Those who must wait queue in order, and the lock is
//! handed from one to the next without ever being free, so nobody overtakes (in Go a newcomer may).

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use crate::error::Error;
use crate::observe::Direction;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering, fence};

const CLOSED: u64 = 1;
const LOCKED: [u64; 2] = [1 << 1, 1 << 2];
const WAITED: [u64; 2] = [1 << 3, 1 << 4];
const REF: u64 = 1 << 5;

/// Most operations on one descriptor at a time, as in Go (semantics 53).
const MAX_REFS: u64 = (1 << 20) - 1;

/// The operations that wait for one lock.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(u64, Waker)>,
    /// The one that the lock was handed to and that has not run since.
    granted: Option<u64>,
}

#[derive(Debug, Default)]
struct Queues {
    sides: [Queue; 2],
    closers: Vec<Waker>,
    next_ticket: u64,
}

/// Whom the mutex guards.
pub(crate) trait Owner: std::fmt::Debug + Sync {
    /// The last reference of the closed descriptor is gone.
    fn destroy(&self);
}

/// The mutex.
#[derive(Debug)]
pub(crate) struct FdMutex {
    state: AtomicU64,
    /// Made by the first operation that has to wait: most descriptors never need it.
    queues: OnceLock<Box<Mutex<Queues>>>,
}

/// Why a lock or a reference was not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Denied {
    Closed,
    /// [`MAX_REFS`] is reached.
    TooMany,
}

impl From<Denied> for std::io::Error {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Closed => Error::Closed.into(),
            Denied::TooMany => {
                std::io::Error::other("too many operations at a time on one descriptor (1 048 575)")
            }
        }
    }
}

/// What leaving the mutex asks of the one who leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Leave {
    /// Nothing.
    Nothing,
    /// It was the last reference of a closed descriptor: destroy it.
    Destroy,
}

impl FdMutex {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            queues: OnceLock::new(),
        }
    }

    fn queues(&self) -> &Mutex<Queues> {
        self.queues.get_or_init(Box::default)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many operations wait for the lock of `direction`.
    pub(crate) fn waiting(&self, direction: Direction) -> usize {
        self.queues.get().map_or(0, |queues| {
            queues.lock().sides[direction.index()].waiting.len()
        })
    }

    /// Takes a reference, without a lock.
    pub(crate) fn incref(&self) -> Result<(), Denied> {
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            check(state)?;
            match self.swap(state, state + REF) {
                Ok(()) => return Ok(()),
                Err(now) => state = now,
            }
        }
    }

    /// Gives a reference back.
    pub(crate) fn decref(&self) -> Leave {
        debug_assert!(
            self.state.load(Ordering::Relaxed) >= REF,
            "more references given back than taken"
        );
        let before = self.state.fetch_sub(REF, Ordering::AcqRel);
        leave(before - REF)
    }

    #[inline]
    fn swap(&self, from: u64, to: u64) -> Result<(), u64> {
        self.state
            .compare_exchange_weak(from, to, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
    }

    /// Takes the lock of `direction` and a reference, if it is free and nobody waits.
    #[inline]
    pub(crate) fn try_lock(&self, direction: Direction) -> Result<bool, Denied> {
        let side = direction.index();
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            check(state)?;
            if state & (LOCKED[side] | WAITED[side]) != 0 {
                return Ok(false);
            }
            match self.swap(state, (state | LOCKED[side]) + REF) {
                Ok(()) => return Ok(true),
                Err(now) => state = now,
            }
        }
    }

    /// Leaves the lock of `direction`, to the next in the queue if there is one, and gives the reference back.
    #[inline]
    pub(crate) fn unlock(&self, direction: Direction) -> Leave {
        let side = direction.index();
        let mut state = self.state.load(Ordering::Acquire);
        while state & WAITED[side] == 0 {
            debug_assert!(state & LOCKED[side] != 0, "unlocked although not locked");
            let after = (state & !LOCKED[side]) - REF;
            match self.swap(state, after) {
                Ok(()) => return leave(after),
                Err(now) => state = now,
            }
        }
        self.hand_over(direction)
    }

    /// The lock and the reference pass to the first in the queue; nothing in the word but the wait bit changes.
    #[cold]
    fn hand_over(&self, direction: Direction) -> Leave {
        let side = direction.index();
        let waker = {
            let mut queues = self.queues().lock();
            let queue = &mut queues.sides[side];
            let Some((ticket, waker)) = queue.waiting.pop_front() else {
                // Emptied by close or by a waiter that gave up.
                self.state.fetch_and(!WAITED[side], Ordering::AcqRel);
                drop(queues);
                return self.unlock(direction);
            };
            queue.granted = Some(ticket);
            if queue.waiting.is_empty() {
                self.state.fetch_and(!WAITED[side], Ordering::AcqRel);
            }
            waker
        };
        waker.wake();
        Leave::Nothing
    }

    /// Waits for the lock of `direction` and takes a reference.
    #[inline]
    pub(crate) fn lock<'a>(&'a self, direction: Direction, owner: &'a dyn Owner) -> Lock<'a> {
        Lock {
            mutex: self,
            owner,
            direction,
            ticket: None,
        }
    }

    /// Closes: every operation from here on is denied, those in the queues are woken to find out. Takes a reference for the
    /// closer. `Err` if it was closed before.
    pub(crate) fn close(&self) -> Result<(), Denied> {
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            if state & CLOSED != 0 {
                return Err(Denied::Closed);
            }
            match self.swap(state, (state | CLOSED) + REF) {
                Ok(()) => break,
                Err(now) => state = now,
            }
        }
        let Some(queues) = self.queues.get() else {
            return Ok(());
        };
        let wakers: Vec<_> = {
            let mut queues = queues.lock();
            self.state
                .fetch_and(!(WAITED[0] | WAITED[1]), Ordering::AcqRel);
            queues
                .sides
                .iter_mut()
                .flat_map(|side| side.waiting.drain(..))
                .map(|(_, waker)| waker)
                .collect()
        };
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Pending until the descriptor is destroyed, as `destroyed` says; wakes `cx` then.
    pub(crate) fn poll_destroyed(
        &self,
        cx: &mut Context<'_>,
        destroyed: impl Fn() -> bool,
    ) -> Poll<()> {
        if destroyed() {
            return Poll::Ready(());
        }
        let ours = cx.waker().clone();
        let queues = self.queues();
        // Pairs with the one in `wake_closers`: one side makes the queues and then looks whether it is destroyed, the other
        // destroys and then looks for the queues. Without the fences both may look before the other has acted, and the
        // closer is never woken.
        fence(Ordering::SeqCst);
        let mut queues = queues.lock();
        if destroyed() {
            return Poll::Ready(());
        }
        if !queues.closers.iter().any(|waker| waker.will_wake(&ours)) {
            queues.closers.push(ours);
        }
        Poll::Pending
    }

    /// Wakes whoever waits for the end of close. `destroyed` of [`FdMutex::poll_destroyed`] must be true by now.
    pub(crate) fn wake_closers(&self) {
        fence(Ordering::SeqCst);
        let Some(queues) = self.queues.get() else {
            return;
        };
        let closers = std::mem::take(&mut queues.lock().closers);
        closers.into_iter().for_each(Waker::wake);
    }
}

fn check(state: u64) -> Result<(), Denied> {
    if state & CLOSED != 0 {
        Err(Denied::Closed)
    } else if state / REF >= MAX_REFS {
        Err(Denied::TooMany)
    } else {
        Ok(())
    }
}

fn leave(state: u64) -> Leave {
    if state & CLOSED != 0 && state / REF == 0 {
        Leave::Destroy
    } else {
        Leave::Nothing
    }
}

/// The future of [`FdMutex::lock`]. Dropping it gives the place in the queue up, or the lock if it was just handed over.
#[derive(Debug)]
pub(crate) struct Lock<'a> {
    mutex: &'a FdMutex,
    owner: &'a dyn Owner,
    direction: Direction,
    ticket: Option<u64>,
}

impl Future for Lock<'_> {
    type Output = Result<(), Denied>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.ticket.is_none() {
            match self.mutex.try_lock(self.direction) {
                Ok(true) => return Poll::Ready(Ok(())),
                Ok(false) => {}
                Err(denied) => return Poll::Ready(Err(denied)),
            }
        }
        self.poll_queued(cx)
    }
}

impl Lock<'_> {
    #[cold]
    fn poll_queued(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Denied>> {
        let (mutex, side) = (self.mutex, self.direction.index());
        // Cloned before the lock is taken, and an old one dropped after it: both may run any code (semantics 50).
        let mut ours = cx.waker().clone();
        let mut queues = mutex.queues().lock();
        if let Some(ticket) = self.ticket {
            let queue = &mut queues.sides[side];
            if queue.granted == Some(ticket) {
                queue.granted = None;
                self.ticket = None;
                return Poll::Ready(Ok(()));
            }
            if mutex.is_closed() {
                self.ticket = None;
                let place = queue
                    .waiting
                    .iter()
                    .position(|(queued, _)| *queued == ticket);
                let waker = place.and_then(|place| queue.waiting.remove(place));
                drop(queues);
                drop(waker);
                return Poll::Ready(Err(Denied::Closed));
            }
            if let Some((_, waker)) = queue
                .waiting
                .iter_mut()
                .find(|(queued, _)| *queued == ticket)
            {
                std::mem::swap(waker, &mut ours);
                drop(queues);
                return Poll::Pending;
            }
        }
        // With the queue locked nobody hands over. Either the lock is free now, or its holder will see the wait bit.
        let mut state = mutex.state.load(Ordering::Acquire);
        loop {
            if let Err(denied) = check(state) {
                return Poll::Ready(Err(denied));
            }
            let free = state & (LOCKED[side] | WAITED[side]) == 0;
            let after = if free {
                (state | LOCKED[side]) + REF
            } else {
                state | WAITED[side]
            };
            match mutex.swap(state, after) {
                Ok(()) if free => return Poll::Ready(Ok(())),
                Ok(()) => break,
                Err(now) => state = now,
            }
        }
        let ticket = queues.next_ticket;
        queues.next_ticket += 1;
        queues.sides[side].waiting.push_back((ticket, ours));
        self.ticket = Some(ticket);
        Poll::Pending
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let side = self.direction.index();
        let mut queues = self.mutex.queues().lock();
        let queue = &mut queues.sides[side];
        if queue.granted == Some(ticket) {
            queue.granted = None;
            drop(queues);
            if self.mutex.unlock(self.direction) == Leave::Destroy {
                self.owner.destroy();
            }
            return;
        }
        let place = queue
            .waiting
            .iter()
            .position(|(queued, _)| *queued == ticket);
        let waker = place.and_then(|place| queue.waiting.remove(place));
        if waker.is_some() && queue.waiting.is_empty() {
            self.mutex.state.fetch_and(!WAITED[side], Ordering::AcqRel);
        }
        drop(queues);
        drop(waker);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

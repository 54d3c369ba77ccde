//! fdMutex: one reader, one writer, a count of references and a closed bit, in one word (Go's
//! `internal/poll.fdMutex`).
//!
//! ```text
//!  63           5     4        3        2       1       0
//! +--------------+--------+--------+-------+-------+--------+
//! |  references  | w wait | r wait | wlock | rlock | closed |
//! +--------------+--------+--------+-------+-------+--------+
//! ```
//!
//! Without contention an operation takes and leaves it with one CAS each. Those who must wait queue
//! in order of arrival. Who leaves frees the lock and calls the first of them, as in Go; it is not
//! handed over, for a task that was called need not run soon, or ever: its future may be kept and
//! not polled, and its worker may be busy with the task that called it (tokio#4941). So:
//!
//! * Whoever comes while somebody ahead was called and has not run steps back for one poll, then
//!   takes the lock.
//! * One that runs and finds the lock taken keeps its place, and twice as many polls are left to it
//!   the next time: nobody starves who runs. One that others have passed twice without its running
//!   is not waited for any more.
//! * The first [`CALLED`] tasks of the queue are called, not the first alone, as nobody else may be
//!   there to call the next.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use crate::error::Error;
use crate::observe::Direction;
use crate::sync::atomic::{AtomicU64, Ordering, fence};
use crate::sync::{Mutex, Panics, wake_all};

const CLOSED: u64 = 1;
const LOCKED: [u64; 2] = [1 << 1, 1 << 2];
const WAITED: [u64; 2] = [1 << 3, 1 << 4];
const REF: u64 = 1 << 5;

/// Most operations on one descriptor at a time, as in Go (semantics 53).
const MAX_REFS: u64 = (1 << 20) - 1;

/// Where one of these bits is set, it has to be asked how many references there are.
const MANY: u64 = !(MAX_REFS / 2 * REF + REF - 1);
const _: () = assert!(MANY == !((1 << 24) - 1));

/// How many tasks are called when a lock is left. More than one, because the first ones may not
/// run.
const CALLED: usize = if cfg!(loom) { 2 } else { 8 };

/// How often one that does not run is passed before it is no longer waited for.
const PASSED: u32 = 2;

/// The most polls that others leave to one that was called, as a power of two.
const PATIENCE: u32 = 10;

/// An operation that waits for a lock.
#[derive(Debug)]
struct Waiting {
    ticket: u64,
    /// `None` once it is called, or has called itself, until it runs.
    waker: Option<Waker>,
    /// How often it ran and found the lock taken by somebody else.
    lost: u32,
    /// How often others went ahead since it last ran.
    passed: u32,
}

impl Waiting {
    /// How many polls others leave to it.
    fn patience(&self) -> u32 {
        if self.waker.is_some() || self.passed >= PASSED {
            0
        } else {
            1 << self.lost.min(PATIENCE)
        }
    }
}

/// The operations that wait for one lock, in order of arrival.
#[derive(Debug, Default)]
struct Queue(VecDeque<Waiting>);

impl Queue {
    fn place_of(&self, ticket: u64) -> Option<usize> {
        self.0
            .binary_search_by_key(&ticket, |waiting| waiting.ticket)
            .ok()
    }

    /// The wakers of the first so many tasks that are not called yet, in order.
    fn call(&mut self, mut tasks: usize) -> Vec<Waker> {
        let mut called: Vec<Waker> = Vec::new();
        for waiting in &mut self.0 {
            let Some(waker) = &waiting.waker else {
                continue;
            };
            if !called.iter().any(|other| other.will_wake(waker)) {
                let Some(rest) = tasks.checked_sub(1) else {
                    break;
                };
                tasks = rest;
            }
            called.extend(waiting.waker.take());
        }
        called
    }
}

#[derive(Debug, Default)]
struct Queues {
    sides: [Queue; 2],
    closers: Vec<Waker>,
    next_ticket: u64,
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

    /// How many operations wait for the lock of `direction`, behind the one that has it or is
    /// called to take it.
    pub(crate) fn waiting(&self, direction: Direction) -> usize {
        let side = direction.index();
        self.queues.get().map_or(0, |queues| {
            let queues = queues.lock();
            let taken = self.state.load(Ordering::Acquire) & LOCKED[side] != 0;
            let waiting = queues.sides[side].0.len();
            waiting.saturating_sub(usize::from(!taken))
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
        let state = self.state.load(Ordering::Acquire);
        // Nearly all find it free, in one comparison.
        let is_free = state & (CLOSED | LOCKED[side] | WAITED[side] | MANY) == 0;
        if is_free && self.swap(state, state + LOCKED[side] + REF).is_ok() {
            return Ok(true);
        }
        self.try_lock_otherwise(side)
    }

    #[cold]
    fn try_lock_otherwise(&self, side: usize) -> Result<bool, Denied> {
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

    /// [`FdMutex::try_lock`] whether or not somebody waits: for poll functions, which have their
    /// descriptor for themselves, so that whoever is in the queue is a future that was forgotten.
    pub(crate) fn try_lock_first(&self, direction: Direction) -> Result<bool, Denied> {
        let side = direction.index();
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            check(state)?;
            if state & LOCKED[side] != 0 {
                return Ok(false);
            }
            match self.swap(state, (state | LOCKED[side]) + REF) {
                Ok(()) => return Ok(true),
                Err(now) => state = now,
            }
        }
    }

    /// Leaves the lock of `direction` and gives the reference back, if nobody waits for it. `None`
    /// if somebody does, and then [`FdMutex::unlock_and_call`] is to be called.
    #[inline]
    pub(crate) fn try_unlock(&self, direction: Direction) -> Option<Leave> {
        let side = direction.index();
        let state = self.state.load(Ordering::Acquire);
        debug_assert!(state & LOCKED[side] != 0, "unlocked although not locked");
        let is_all = state & (CLOSED | WAITED[side]) == 0;
        if is_all && self.swap(state, state - (LOCKED[side] + REF)).is_ok() {
            return Some(Leave::Nothing);
        }
        self.try_unlock_otherwise(side)
    }

    #[cold]
    fn try_unlock_otherwise(&self, side: usize) -> Option<Leave> {
        let mut state = self.state.load(Ordering::Acquire);
        while state & WAITED[side] == 0 {
            let after = state - (LOCKED[side] + REF);
            match self.swap(state, after) {
                Ok(()) => return Some(leave(after)),
                Err(now) => state = now,
            }
        }
        None
    }

    /// [`FdMutex::try_unlock`] in any case; calls those who wait for the lock. Returns what
    /// leaving asks for, although they may panic.
    #[cold]
    pub(crate) fn unlock_and_call(&self, direction: Direction, panics: &mut Panics) -> Leave {
        let side = direction.index();
        let (after, called) = {
            // With the queue locked: who finds the lock taken is in the queue before it is left.
            let mut queues = self.queues().lock();
            let mut state = self.state.load(Ordering::Acquire);
            let after = loop {
                let after = (state & !LOCKED[side]) - REF;
                match self.swap(state, after) {
                    Ok(()) => break after,
                    Err(now) => state = now,
                }
            };
            (after, queues.sides[side].call(CALLED))
        };
        panics.wake(called);
        leave(after)
    }

    /// Waits for the lock of `direction` and takes a reference.
    #[inline]
    pub(crate) fn lock(&self, direction: Direction) -> Lock<'_> {
        Lock {
            mutex: self,
            direction,
            ticket: None,
            stepped_back: 0,
            spent: [None, None],
        }
    }

    /// Closes: every operation from here on is denied, those in the queues are woken to find out.
    /// Takes a reference for the closer. `Err` if it was closed before. If one of those panics it
    /// is closed all the same, and all of them were woken.
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
                .flat_map(|side| side.0.drain(..))
                .filter_map(|waiting| waiting.waker)
                .collect()
        };
        wake_all(wakers);
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
        // Pairs with the one in `wake_closers`: one side makes the queues and then looks whether it
        // is destroyed, the other destroys and then looks for the queues. Without the fences both
        // may look before the other has acted, and the closer is never woken.
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

    /// Wakes whoever waits for the end of close. `destroyed` of [`FdMutex::poll_destroyed`] must be
    /// true by now.
    pub(crate) fn wake_closers(&self) {
        fence(Ordering::SeqCst);
        let Some(queues) = self.queues.get() else {
            return;
        };
        let closers = std::mem::take(&mut queues.lock().closers);
        wake_all(closers);
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

#[inline]
fn leave(state: u64) -> Leave {
    if state & CLOSED == 0 {
        return Leave::Nothing;
    }
    leave_closed(state)
}

#[cold]
fn leave_closed(state: u64) -> Leave {
    if state / REF == 0 {
        Leave::Destroy
    } else {
        Leave::Nothing
    }
}

/// The future of [`FdMutex::lock`]. Dropping it gives the place in the queue up.
#[derive(Debug)]
pub(crate) struct Lock<'a> {
    mutex: &'a FdMutex,
    direction: Direction,
    ticket: Option<u64>,
    /// How often it has left a free lock to those ahead.
    stepped_back: u32,
    /// Wakers of no use any more. Dropped with this, when the caller already has the lock: one
    /// that panics when it is dropped would otherwise take the lock along.
    spent: [Option<Waker>; 2],
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

/// What a poll of a queued operation comes to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The lock is its own.
    Taken,
    /// Somebody else has it.
    Wait,
    /// It is free, and is left to those ahead for now.
    StepBack,
}

impl Lock<'_> {
    /// Wakers that are of no use any more.
    pub(crate) fn spent(&mut self) -> [Option<Waker>; 2] {
        std::mem::take(&mut self.spent)
    }

    #[cold]
    fn poll_queued(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Denied>> {
        let (mutex, side) = (self.mutex, self.direction.index());
        // Cloned before the lock is taken, and an old one dropped after it: both may run any code
        // (semantics 50).
        let ours = cx.waker().clone();
        let mut queues = mutex.queues().lock();
        let Queues {
            sides, next_ticket, ..
        } = &mut *queues;
        let queue = &mut sides[side];
        let place = self.ticket.and_then(|ticket| queue.place_of(ticket));
        let queue = &mut queue.0;
        let ahead = place.unwrap_or(queue.len());
        let patience = queue
            .iter()
            .take(ahead)
            .map(Waiting::patience)
            .max()
            .unwrap_or(0);
        // With the queue locked nobody frees the lock unseen: its holder meets the wait bit.
        let mut state = mutex.state.load(Ordering::Acquire);
        let turn = loop {
            if let Err(denied) = check(state) {
                drop(queues);
                self.spent[0] = Some(ours);
                self.give_up();
                return Poll::Ready(Err(denied));
            }
            let (turn, after) = if state & LOCKED[side] != 0 {
                (Turn::Wait, state | WAITED[side])
            } else if self.stepped_back < patience {
                (Turn::StepBack, state | WAITED[side])
            } else {
                let last = queue.len() == usize::from(place.is_some());
                let waited = if last { 0 } else { WAITED[side] };
                (
                    Turn::Taken,
                    (state & !WAITED[side] | waited | LOCKED[side]) + REF,
                )
            };
            match mutex.swap(state, after) {
                Ok(()) => break turn,
                Err(now) => state = now,
            }
        };
        if turn == Turn::Taken {
            for passed in queue.iter_mut().take(ahead) {
                passed.passed += 1;
            }
            let old = place.and_then(|place| queue.remove(place));
            drop(queues);
            self.spent = [Some(ours), old.and_then(|waiting| waiting.waker)];
            self.ticket = None;
            return Poll::Ready(Ok(()));
        }
        let mut ours = Some(ours);
        let itself = if turn == Turn::StepBack {
            ours.take()
        } else {
            None
        };
        match place {
            Some(place) => {
                let waiting = &mut queue[place];
                if turn == Turn::Wait && waiting.waker.is_none() {
                    waiting.lost += 1;
                }
                waiting.passed = 0;
                std::mem::swap(&mut waiting.waker, &mut ours);
            }
            None => {
                queue.push_back(Waiting {
                    ticket: *next_ticket,
                    waker: ours.take(),
                    lost: 0,
                    passed: 0,
                });
                self.ticket = Some(*next_ticket);
                *next_ticket += 1;
            }
        }
        drop(queues);
        self.stepped_back = match itself {
            Some(_) => self.stepped_back + 1,
            None => 0,
        };
        let mut panics = Panics::default();
        panics.catch(|| drop(ours));
        panics.wake(itself);
        panics.resume();
        Poll::Pending
    }

    /// Leaves the queue, and passes on that it was called.
    fn give_up(&mut self) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let side = self.direction.index();
        let (ours, called) = {
            let mut queues = self.mutex.queues().lock();
            let queue = &mut queues.sides[side];
            // Close has emptied the queue.
            let Some(ours) = queue
                .place_of(ticket)
                .and_then(|place| queue.0.remove(place))
            else {
                return;
            };
            let mut state = self.mutex.state.load(Ordering::Acquire);
            if queue.0.is_empty() {
                state = self.mutex.state.fetch_and(!WAITED[side], Ordering::AcqRel);
            }
            let free = state & LOCKED[side] == 0;
            let called = if free && ours.waker.is_none() {
                queue.call(1)
            } else {
                Vec::new()
            };
            (ours, called)
        };
        let mut panics = Panics::default();
        panics.catch(|| drop(ours));
        panics.wake(called);
        panics.resume();
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        let mut panics = Panics::default();
        panics.catch(|| self.give_up());
        for waker in &mut self.spent {
            panics.catch(|| drop(waker.take()));
        }
        panics.resume();
    }
}

#[cfg(all(test, loom, not(shuttle)))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

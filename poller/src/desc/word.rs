//! The rg/wg word: one direction's meeting point of a waiter and whoever wakes it.
//!
//! Go keeps nil, ready, wait or a G pointer in one word. A Rust waker is two words, so it lives in a cell beside the word,
//! and the word also says who may touch the cell:
//!
//! | state | meaning | the cell belongs to |
//! |---|---|---|
//! | nil | nothing waits, nothing is ready | nobody; it is empty |
//! | ready | an edge that no wait has consumed | nobody; it is empty |
//! | wait | a waiter is publishing its waker | that waiter |
//! | parked | a waker is published | nobody; it is full |
//! | waking, waking+ready | the waker is being taken out | whoever moved the word here |
//!
//! `waking` is transient and no row in any table: it exists because the waker must be out of the cell before the word
//! shows `ready` or `nil`, for from then on the next waiter may write the cell. An edge that meets `waking` is not lost:
//! it leaves the mark `waking+ready`, and the owner of the cell ends in `ready`.
//!
//! Two flags ride beside the state. `CLAIM`: a wait is going on, from its first poll until its future is done; a second
//! wait in this direction is refused (semantics 22), which also keeps it away from the cell. `POLLED`: that wait belongs
//! to a poll function, which has no future to drop, so the next waiter may take its place.
//!
//! # Order
//!
//! A waiter stores `wait` here and then reads the info word; a deadline or close stores the info word and then reads this
//! one. That is the store-buffer pattern: with plain acquire and release both may miss the other, and the waiter sleeps for
//! ever (loom finds it; x86 hides it). So both sides use a read-modify-write on this word: whichever comes second in its
//! order sees what the other one stored before. Readiness needs no such care: between a waiter's EAGAIN and the edge that
//! follows lies the kernel's lock.

use std::task::{Poll, Waker};

use crate::observe::Transition;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{UnsafeCell, spin_loop};

const NIL: u32 = 0;
const READY: u32 = 1;
const WAIT: u32 = 2;
const PARKED: u32 = 3;
const WAKING: u32 = 4;
const WAKING_READY: u32 = 5;
const STATE: u32 = 0b111;

const CLAIM: u32 = 1 << 3;
const POLLED: u32 = 1 << 4;

/// How often a waiter looks again at a word that is `waking` before it asks to be polled once more instead. In a model a spin
/// yields to the thread it waits for, so there one is enough to explore both ways.
const WAKING_SPINS: usize = if cfg!(loom) { 1 } else { 64 };

/// The states that tables show.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// No waiter, no readiness.
    Nil,
    /// Readiness that no wait has consumed yet.
    Ready,
    /// A waiter is publishing its waker.
    Wait,
    /// A waiter is parked.
    Parked,
}

impl State {
    /// The name in tables and in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            State::Nil => "nil",
            State::Ready => "ready",
            State::Wait => "wait",
            State::Parked => "parked",
        }
    }
}

/// Another wait is going on in this direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Busy;

/// Why a wait ended without readiness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused<E> {
    /// Another wait is going on in this direction.
    Busy,
    /// The check said so.
    Check(E),
}

/// What a waiter brings along.
pub(crate) trait Waiter {
    type Error;
    /// Whether it may wait at all. Called before the wait, after arming, and when it was released without readiness.
    fn check(&self) -> Result<(), Self::Error>;
    /// Called in `wait`, before the waker is visible: stamps who waits; and since when, unless the wait was parked before and
    /// only changes its waker.
    fn publish(&self, rearmed: bool);
    /// Called once the park is committed. A wait that parks again with another waker has stayed parked for this purpose.
    fn parked(&self);
    /// Called when a wait that had parked was released while it put another waker in place: no waker of its was taken,
    /// so whoever released it does not account for it.
    fn unparked(&self);
    /// Called for every transition, where its CAS has won. While the word is `wait` or `waking` the caller is alone.
    fn count(&self, transition: Transition);
}

/// What one wait remembers between its polls.
#[derive(Debug, Default)]
pub(crate) struct Token {
    /// The word carries our CLAIM.
    claimed: bool,
    /// It was checked at the beginning.
    started: bool,
    /// It has parked; what comes next is a wake, or a poll without one.
    parked: bool,
    /// The waker that is in the cell, to tell a spurious poll from a new waker without touching the cell.
    waker: (usize, usize),
}

impl Token {
    /// The token of a poll function that comes back after it returned pending.
    pub(crate) fn resumed() -> Self {
        Self {
            parked: true,
            ..Self::default()
        }
    }

    /// Whether the wait is going on, so that it must be cancelled rather than forgotten.
    #[inline]
    pub(crate) fn is_claimed(&self) -> bool {
        self.claimed
    }

    /// Whether the wait has parked since it began.
    pub(crate) fn has_parked(&self) -> bool {
        self.parked
    }
}

fn identity(waker: &Waker) -> (usize, usize) {
    (
        waker.data() as usize,
        std::ptr::from_ref(waker.vtable()) as usize,
    )
}

/// The word and its cell.
#[derive(Debug)]
pub(crate) struct Word {
    word: AtomicU32,
    waker: UnsafeCell<Option<Waker>>,
}

// SAFETY: the cell is touched only by whoever the state in `word` names as its owner, see the table above; each change of
// owner is a CAS with acquire and release order.
unsafe impl Sync for Word {}
// SAFETY: a `Waker` may be sent.
unsafe impl Send for Word {}

impl Word {
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicU32::new(NIL),
            waker: UnsafeCell::new(None),
        }
    }

    #[inline]
    fn swap_state(&self, from: u32, to: u32) -> Result<u32, u32> {
        self.word
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }

    /// # Safety
    /// The caller must own the cell.
    #[inline]
    unsafe fn exchange(&self, waker: Option<Waker>) -> Option<Waker> {
        self.waker.with_mut(|cell| {
            // SAFETY: by contract nobody else touches the cell.
            unsafe { std::mem::replace(&mut *cell, waker) }
        })
    }

    pub(crate) fn state(&self) -> State {
        match self.word.load(Ordering::Acquire) & STATE {
            READY => State::Ready,
            WAIT => State::Wait,
            // The wake is committed when it leaves `waking`.
            PARKED | WAKING | WAKING_READY => State::Parked,
            _ => State::Nil,
        }
    }

    // ---- the waiter's side

    /// Begins an operation: readiness from before is dropped, because the operation itself will find out (semantics 12).
    /// `true` if there was some.
    #[inline]
    pub(crate) fn reset(&self, count: impl Fn(Transition)) -> Result<bool, Busy> {
        loop {
            let word = self.word.load(Ordering::Acquire);
            if word & (CLAIM | POLLED) == CLAIM {
                return Err(Busy);
            }
            if word & STATE != READY {
                return Ok(false);
            }
            if self.swap_state(word, NIL).is_ok() {
                count(Transition::Reset);
                return Ok(true);
            }
        }
    }

    /// Waits for readiness and consumes it.
    ///
    /// `polled` for a poll function, whose wait is left in place when it returns pending; a wait by a future must be ended
    /// with [`Word::cancel`] if the future is dropped before it is done.
    pub(crate) fn poll_wait<W: Waiter>(
        &self,
        token: &mut Token,
        polled: bool,
        waker: &Waker,
        waiter: &W,
    ) -> Poll<Result<(), Refused<W::Error>>> {
        let mut spins = 0;
        loop {
            let word = self.word.load(Ordering::Acquire);
            let foreign = !token.claimed && word & (CLAIM | POLLED) == CLAIM;
            if foreign {
                return Poll::Ready(Err(Refused::Busy));
            }
            if !token.started {
                // An error that is there already beats readiness (semantics 16). Later ones do not (semantics 14, 17).
                if let Err(error) = waiter.check() {
                    return Poll::Ready(Err(Refused::Check(error)));
                }
                token.started = true;
            }
            match word & STATE {
                READY => {
                    if self.swap_state(word, NIL).is_ok() {
                        token.claimed = false;
                        waiter.count(Transition::Consume);
                        return Poll::Ready(Ok(()));
                    }
                }
                NIL => {
                    // Released by a deadline or by close, or never armed. If the reason has gone meanwhile, a deadline
                    // that was moved, the wait begins anew (semantics 21).
                    if token.claimed
                        && let Err(error) = waiter.check()
                    {
                        self.release(token);
                        return Poll::Ready(Err(Refused::Check(error)));
                    }
                    let ours = waker.clone();
                    if self.swap_state(word, WAIT | CLAIM).is_err() {
                        continue;
                    }
                    token.claimed = true;
                    waiter.count(Transition::Arm);
                    // Once more, now that `wait` is visible: without it a deadline that expires here is lost
                    // (semantics 18).
                    if let Err(error) = waiter.check() {
                        if let Some(end) = self.give_up_arming(token, waiter, error) {
                            return end;
                        }
                        continue;
                    }
                    if let Some(end) = self.park(token, polled, ours, waiter, false) {
                        return end;
                    }
                }
                PARKED => {
                    if token.claimed && token.waker == identity(waker) {
                        return Poll::Pending;
                    }
                    let ours = waker.clone();
                    if self.swap_state(word, WAIT | CLAIM).is_err() {
                        continue;
                    }
                    token.claimed = true;
                    waiter.count(Transition::Rearm);
                    if let Some(end) = self.park(token, polled, ours, waiter, true) {
                        return end;
                    }
                }
                // Not our own, for a wait is polled by one thread at a time: a poll function is arming right now.
                WAIT => return Poll::Ready(Err(Refused::Busy)),
                _ => {
                    // Our old waker is being taken and will be called. If the new one differs, it must not be forgotten:
                    // wait for the few instructions, or else ask for another poll.
                    spins += 1;
                    if spins > WAKING_SPINS {
                        waker.wake_by_ref();
                        return Poll::Pending;
                    }
                    spin_loop();
                }
            }
        }
    }

    /// From `wait`, which the caller has just entered, to `parked`. `None` if it was released in between and must look
    /// again.
    fn park<W: Waiter>(
        &self,
        token: &mut Token,
        polled: bool,
        ours: Waker,
        waiter: &W,
        rearmed: bool,
    ) -> Option<Poll<Result<(), Refused<W::Error>>>> {
        waiter.publish(rearmed);
        token.waker = identity(&ours);
        // SAFETY: in `wait` the cell is ours.
        let old = unsafe { self.exchange(Some(ours)) };
        let outcome = self.swap_state(WAIT | CLAIM, PARKED | CLAIM);
        let end = match outcome {
            Ok(_) => {
                token.parked = true;
                waiter.count(Transition::Park);
                if !rearmed {
                    waiter.parked();
                }
                if polled {
                    // Only now may another waiter take our place, for until here it would have counted beside us.
                    self.word.fetch_or(POLLED, Ordering::AcqRel);
                }
                Some(Poll::Pending)
            }
            Err(_) => {
                // SAFETY: whoever took us out of `wait` has left the cell alone, and our claim keeps other waiters off.
                let ours = unsafe { self.exchange(None) };
                if rearmed {
                    waiter.unparked();
                }
                drop(ours);
                None
            }
        };
        // Last of all: to drop a waker may run any code, and panic.
        drop(old);
        end
    }

    /// From `wait` back to `nil` because the check failed after arming. Readiness that came in between wins
    /// (semantics 17); `None` then.
    fn give_up_arming<W: Waiter>(
        &self,
        token: &mut Token,
        waiter: &W,
        error: W::Error,
    ) -> Option<Poll<Result<(), Refused<W::Error>>>> {
        match self.swap_state(WAIT | CLAIM, NIL) {
            Ok(_) => {
                token.claimed = false;
                waiter.count(Transition::CancelArmed);
            }
            Err(word) if word & STATE == READY => return None,
            // Released by the same deadline or close that the check has seen.
            Err(_) => self.release(token),
        }
        Some(Poll::Ready(Err(Refused::Check(error))))
    }

    /// Gives the claim back. The state stays: `ready` must not become `nil` because a future was dropped.
    fn release(&self, token: &mut Token) {
        token.claimed = false;
        self.word.fetch_and(!(CLAIM | POLLED), Ordering::AcqRel);
    }

    /// Ends a wait whose future is dropped. `true` if it was parked.
    pub(crate) fn cancel(&self, token: &mut Token, count: impl Fn(Transition)) -> bool {
        if !token.claimed {
            return false;
        }
        loop {
            let word = self.word.load(Ordering::Acquire);
            if word & STATE != PARKED {
                // Released already, or being released by somebody who will call a waker of no use.
                self.release(token);
                return false;
            }
            if self.swap_state(word, WAKING).is_ok() {
                token.claimed = false;
                // SAFETY: we moved the word to `waking`.
                let waker = unsafe { self.exchange(None) };
                count(Transition::CancelParked);
                self.finish_waking(NIL, count);
                drop(waker);
                return true;
            }
        }
    }

    // ---- the waking side

    /// An edge. The waker of a parked waiter is handed to the caller, to be called when no lock is held; `stamp` is called
    /// before that waiter can run, so that it finds what woke it.
    #[inline]
    pub(crate) fn ready(&self, stamp: impl Fn(), count: impl Fn(Transition)) -> Option<Waker> {
        loop {
            let word = self.word.load(Ordering::Acquire);
            let (to, transition) = match word & STATE {
                READY => {
                    // A read-modify-write although it changes nothing: whoever takes the readiness down afterwards must see
                    // the mask of this event, or it may take a short read for the end of what is there.
                    if self.swap_state(word, word).is_err() {
                        continue;
                    }
                    count(Transition::ReadyAgain);
                    return None;
                }
                NIL => (READY, Transition::ReadyIdle),
                WAIT => (READY, Transition::ReadyArmed),
                PARKED => (WAKING, Transition::ReadyParked),
                // The owner of the cell will end in `ready`, and counts for us.
                WAKING => {
                    if self.swap_state(word, word & !STATE | WAKING_READY).is_ok() {
                        return None;
                    }
                    continue;
                }
                _ => {
                    count(Transition::ReadyAgain);
                    return None;
                }
            };
            if self.swap_state(word, word & !STATE | to).is_err() {
                continue;
            }
            if to != WAKING {
                count(transition);
                return None;
            }
            // SAFETY: we moved the word to `waking`.
            let waker = unsafe { self.exchange(None) };
            stamp();
            count(transition);
            self.finish_waking(READY, count);
            return waker;
        }
    }

    /// A deadline or close: releases a waiter, leaves readiness alone (semantics 20). `stamp` as for [`Word::ready`].
    pub(crate) fn unblock(&self, stamp: impl Fn(), count: impl Fn(Transition)) -> Option<Waker> {
        // A read-modify-write although it changes nothing: see "Order" above.
        let mut word = self.word.fetch_or(0, Ordering::AcqRel);
        loop {
            let (to, transition) = match word & STATE {
                WAIT => (NIL, Transition::UnblockArmed),
                PARKED => (WAKING, Transition::UnblockParked),
                _ => return None,
            };
            match self.swap_state(word, word & !STATE | to) {
                Err(now) => word = now,
                Ok(_) if to == NIL => {
                    count(transition);
                    return None;
                }
                Ok(_) => {
                    // SAFETY: we moved the word to `waking`.
                    let waker = unsafe { self.exchange(None) };
                    stamp();
                    count(transition);
                    self.finish_waking(NIL, count);
                    return waker;
                }
            }
        }
    }

    /// Leaves `waking`, the cell being empty. An edge that came meanwhile makes it `ready` in any case.
    fn finish_waking(&self, to: u32, count: impl Fn(Transition)) {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let marked = word & STATE == WAKING_READY;
            let end = if marked { READY } else { to };
            match self.word.compare_exchange_weak(
                word,
                word & !STATE | end,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) if marked => {
                    // The edge that left the mark: it told nothing new, or it came to a descriptor without waiter.
                    let again = to == READY;
                    return count(if again {
                        Transition::ReadyAgain
                    } else {
                        Transition::ReadyIdle
                    });
                }
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    // ---- the owner of the slot

    /// Empties the word for the next life of its slot. No future waits any more, but another poller may just be taking a
    /// waker: it is waited for, because the next life writes the cell.
    pub(crate) fn recycle(&self, count: impl Fn(Transition)) {
        loop {
            let word = self.word.load(Ordering::Acquire);
            match word & STATE {
                WAKING | WAKING_READY => spin_loop(),
                state => {
                    debug_assert!(
                        state == NIL || state == READY,
                        "freed with a waiter: {word:#b}"
                    );
                    if self.swap_state(word, NIL).is_ok() {
                        if state == READY {
                            count(Transition::Recycled);
                        }
                        return;
                    }
                }
            }
        }
    }
}

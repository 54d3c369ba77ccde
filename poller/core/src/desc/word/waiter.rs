//! The waiter's side of the word: arm, park, consume, give up.

use std::task::{Poll, Waker};

use super::{Busy, CLAIM, NIL, PARKED, POLLED, READY, Refused, STATE, WAIT, WAKING, Word};
use crate::observe::Transition;
use crate::sync::atomic::Ordering;
use crate::sync::{Panics, spin_loop};

/// How often a waiter looks again at a word that is `waking` before it asks to be polled once more
/// instead. In a model a spin yields to the thread it waits for, so there one is enough to explore
/// both ways.
const WAKING_SPINS: usize = if cfg!(loom) { 1 } else { 64 };

/// What a waiter brings along.
pub(crate) trait Waiter {
    type Error;
    /// Whether it may wait at all. Called before the wait, after arming, and when it was released
    /// without readiness.
    fn check(&self) -> Result<(), Self::Error>;
    /// Called in `wait`, which the wait has entered from `nil`: reads the clock.
    fn armed(&self);
    /// Called in `wait`, before the waker is visible: stamps who waits; and since when, unless the
    /// wait was parked before and only changes its waker.
    fn publish(&self, rearmed: bool);
    /// Called once the park is committed. A wait that parks again with another waker has stayed
    /// parked for this purpose.
    fn parked(&self);
    /// Called when a wait that had parked was released while it put another waker in place: no
    /// waker of its was taken, so whoever released it does not account for it.
    fn unparked(&self);
    /// Called when it has consumed readiness. `parked` if it had parked before.
    fn consumed(&self, parked: bool);
    /// Called for every other transition, once its CAS has won; for several in a row when the last
    /// one has. While the word is `wait`, `waking` or claimed the caller is alone.
    fn count<const N: usize>(&self, transitions: [Transition; N]);
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
    /// The waker that is in the cell, to tell a spurious poll from a new waker without touching the
    /// cell.
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

    /// The token of a wait that a poll function has left behind.
    pub(crate) fn left() -> Self {
        Self {
            claimed: true,
            ..Self::resumed()
        }
    }

    /// Whether the wait is going on, so that it must be cancelled rather than forgotten.
    #[inline]
    pub(crate) fn is_claimed(&self) -> bool {
        self.claimed
    }

    /// Whether the wait has parked since it began, and, once it is done, whether it was released
    /// from there.
    #[inline]
    pub(crate) fn has_parked(&self) -> bool {
        self.parked
    }
}

/// Whose waker was in the cell before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Former {
    None,
    /// That of the same wait.
    Own,
    /// That of a wait which a poll function had left behind, and whose place is taken.
    Left,
}

#[cold]
fn drop_wakers(old: Option<Waker>, former: Former, ours: Option<Waker>) {
    let mut panics = Panics::default();
    panics.catch(|| match old {
        // Whoever relies on it has to ask anew, for this wait may end without readiness.
        Some(left) if former == Former::Left => left.wake(),
        old => drop(old),
    });
    panics.catch(|| drop(ours));
    panics.resume();
}

#[inline]
fn identity(waker: &Waker) -> (usize, usize) {
    (
        waker.data() as usize,
        std::ptr::from_ref(waker.vtable()) as usize,
    )
}

impl Word {
    /// Whether nothing waits here, and nothing is ready.
    #[inline]
    pub(crate) fn is_nil(&self) -> bool {
        self.word.load(Ordering::Acquire) == NIL
    }

    /// Begins an operation: readiness from before is dropped, because the operation itself will
    /// find out (semantics 12). `true` if there was some.
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
    /// `polled` for a poll function, whose wait is left in place when it returns pending; a wait by
    /// a future must be ended with [`Word::cancel`] if the future is dropped before it is done.
    pub(crate) fn poll_wait<W: Waiter>(
        &self,
        token: &mut Token,
        polled: bool,
        waker: &Waker,
        waiter: &W,
    ) -> Poll<Result<(), Refused<W::Error>>> {
        match self.poll_wait_once(token, polled, waker, waiter) {
            Some(end) => end,
            None => self.poll_wait_slowly(token, polled, waker, waiter),
        }
    }

    /// [`Word::poll_wait`] for the two polls that nearly all waits have: its readiness has come, or
    /// it begins while nothing is ready. `None` in any other case; it goes on with
    /// [`Word::poll_wait`] then.
    #[inline(always)]
    pub(crate) fn poll_wait_once<W: Waiter>(
        &self,
        token: &mut Token,
        polled: bool,
        waker: &Waker,
        waiter: &W,
    ) -> Option<Poll<Result<(), Refused<W::Error>>>> {
        let word = self.word.load(Ordering::Acquire);
        if !token.claimed {
            let foreign = word & (CLAIM | POLLED) == CLAIM;
            if foreign || waiter.check().is_err() {
                return None;
            }
        }
        if word & STATE == READY && self.swap_state(word, NIL).is_ok() {
            token.started = true;
            token.claimed = false;
            waiter.consumed(token.parked);
            return Some(Poll::Ready(Ok(())));
        }
        if word & STATE == NIL && !token.claimed {
            token.started = true;
            let ours = waker.clone();
            if self.swap_state(word, WAIT | CLAIM).is_ok() {
                return self.arm(token, polled, ours, waiter);
            }
        }
        None
    }

    /// From `wait`, which the caller has just entered. `None` if it was released in between and
    /// must look again.
    #[inline(always)]
    fn arm<W: Waiter>(
        &self,
        token: &mut Token,
        polled: bool,
        ours: Waker,
        waiter: &W,
    ) -> Option<Poll<Result<(), Refused<W::Error>>>> {
        token.claimed = true;
        waiter.armed();
        // Once more, now that `wait` is visible: without it a deadline that expires here is lost
        // (semantics 18).
        if let Err(error) = waiter.check() {
            // While it is alone. One that goes on is counted where it parks.
            waiter.count([Transition::Arm]);
            match self.swap_state(WAIT | CLAIM, NIL) {
                Ok(_) => {
                    token.claimed = false;
                    waiter.count([Transition::CancelArmed]);
                }
                // Readiness that came in between wins (semantics 17).
                Err(word) if word & STATE == READY => return None,
                // Released by the same deadline or close that the check has seen.
                Err(_) => self.release(token),
            }
            return Some(Poll::Ready(Err(Refused::Check(error))));
        }
        self.park(token, polled, ours, waiter, Former::None)
    }

    #[inline(never)]
    fn poll_wait_slowly<W: Waiter>(
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
                token.parked = false;
                return Poll::Ready(Err(Refused::Busy));
            }
            if !token.started {
                // An error that is there already beats readiness (semantics 16). Later ones do not
                // (semantics 14, 17).
                if let Err(error) = waiter.check() {
                    // A wait that a poll function left behind, and whose deadline or close is
                    // published but has not released it yet: nobody has woken it, so nothing is
                    // known of a wake.
                    token.parked &= matches!(word & STATE, NIL | READY);
                    return Poll::Ready(Err(Refused::Check(error)));
                }
                token.started = true;
            }
            match word & STATE {
                READY => {
                    if self.swap_state(word, NIL).is_ok() {
                        token.claimed = false;
                        waiter.consumed(token.parked);
                        return Poll::Ready(Ok(()));
                    }
                }
                NIL => {
                    // Released by a deadline or by close, or never armed. If the reason has gone
                    // meanwhile, a deadline that was moved, the wait begins anew (semantics 21).
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
                    if let Some(end) = self.arm(token, polled, ours, waiter) {
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
                    let former = match token.claimed || token.parked {
                        true => Former::Own,
                        false => Former::Left,
                    };
                    token.claimed = true;
                    if let Some(end) = self.park(token, polled, ours, waiter, former) {
                        return end;
                    }
                }
                // Not our own, for a wait is polled by one thread at a time: a poll function is
                // arming right now.
                WAIT => return Poll::Ready(Err(Refused::Busy)),
                _ => {
                    // Our old waker is being taken and will be called. If the new one differs, it
                    // must not be forgotten: wait for the few instructions, or else ask for another
                    // poll.
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

    /// From `wait`, which the caller has just entered, to `parked`. `None` if it was released in
    /// between and must look again.
    #[inline(always)]
    fn park<W: Waiter>(
        &self,
        token: &mut Token,
        polled: bool,
        ours: Waker,
        waiter: &W,
        former: Former,
    ) -> Option<Poll<Result<(), Refused<W::Error>>>> {
        let rearmed = former != Former::None;
        let entered = if rearmed {
            Transition::Rearm
        } else {
            Transition::Arm
        };
        waiter.publish(rearmed);
        token.waker = identity(&ours);
        // SAFETY: in `wait` the cell is ours.
        let mut old = unsafe { self.exchange(Some(ours)) };
        if !rearmed {
            debug_assert!(old.is_none(), "in `nil` it is empty");
            std::mem::forget(old.take());
        }
        let outcome = self.swap_state(WAIT | CLAIM, PARKED | CLAIM);
        let (end, ours) = match outcome {
            Ok(_) => {
                token.parked = true;
                waiter.count([entered, Transition::Park]);
                if !rearmed {
                    waiter.parked();
                }
                if polled {
                    // Only now may another waiter take our place, for until here it would have
                    // counted beside us.
                    self.word.fetch_or(POLLED, Ordering::AcqRel);
                }
                (Some(Poll::Pending), None)
            }
            Err(_) => {
                // Still claimed.
                waiter.count([entered]);
                // SAFETY: whoever took us out of `wait` has left the cell alone, and our claim
                // keeps other waiters off.
                let ours = unsafe { self.exchange(None) };
                if rearmed {
                    waiter.unparked();
                }
                (None, ours)
            }
        };
        // Last of all: to drop a waker may run any code, and panic, the second one too.
        if old.is_some() || ours.is_some() {
            drop_wakers(old, former, ours);
        }
        end
    }

    /// Gives the claim back. The state stays: `ready` must not become `nil` because a future was
    /// dropped.
    fn release(&self, token: &mut Token) {
        token.claimed = false;
        self.word.fetch_and(!(CLAIM | POLLED), Ordering::AcqRel);
    }

    /// Ends a wait whose future is dropped. If it was parked, its waker is handed to the caller, to
    /// be dropped when nothing else is left to do.
    pub(crate) fn cancel(&self, token: &mut Token, count: impl Fn(Transition)) -> Option<Waker> {
        if !token.claimed {
            return None;
        }
        loop {
            let word = self.word.load(Ordering::Acquire);
            if word & STATE != PARKED {
                // Released already, or being released by somebody who will call a waker of no use.
                self.release(token);
                return None;
            }
            if self.swap_state(word, WAKING).is_ok() {
                token.claimed = false;
                // SAFETY: we moved the word to `waking`.
                let waker = unsafe { self.exchange(None) };
                count(Transition::CancelParked);
                self.finish_waking(NIL, count);
                return waker;
            }
        }
    }
}

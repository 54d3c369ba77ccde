//! The other side of the word: edges, deadlines and close, and the end of a slot's life.

use std::task::Waker;

use super::{NIL, PARKED, READY, STATE, WAIT, WAKING, WAKING_READY, Word};
use crate::observe::Transition;
use crate::sync::atomic::Ordering;
use crate::sync::spin_loop;

/// What an edge has met.
pub(crate) enum Edge {
    /// Readiness that nobody has consumed.
    Again,
    /// A parked waiter, whose waker and flags these are. Nobody can touch the word until
    /// [`Word::end_waking`] is called: it is `waking`.
    Waking(Option<Waker>, u32),
    /// Something else, which the word said: to be told to [`Word::ready`].
    Other(u32),
}

impl Word {
    /// An edge. The waker of a parked waiter is handed to the caller, to be called when no lock is
    /// held; `stamp` is called before that waiter can run, so that it finds what woke it.
    #[inline(never)]
    pub(crate) fn ready(&self, stamp: impl Fn(), count: impl Fn(Transition)) -> Option<Waker> {
        loop {
            let word = match self.edge() {
                Edge::Again => {
                    count(Transition::ReadyAgain);
                    return None;
                }
                Edge::Waking(waker, flags) => {
                    stamp();
                    count(Transition::ReadyParked);
                    self.end_waking(flags, count);
                    return waker;
                }
                Edge::Other(word) => word,
            };
            let transition = match word & STATE {
                NIL => Transition::ReadyIdle,
                WAIT => Transition::ReadyArmed,
                // The owner of the cell will end in `ready`, and counts for us.
                WAKING => {
                    if self.swap_state(word, word & !STATE | WAKING_READY).is_ok() {
                        return None;
                    }
                    continue;
                }
                WAKING_READY => {
                    count(Transition::ReadyAgain);
                    return None;
                }
                _ => continue,
            };
            if self.swap_state(word, word & !STATE | READY).is_ok() {
                count(transition);
                return None;
            }
        }
    }

    /// [`Word::ready`] for the two things that nearly all edges meet: readiness, and a parked
    /// waiter.
    #[inline(always)]
    pub(crate) fn edge(&self) -> Edge {
        let word = self.word.load(Ordering::Acquire);
        // A read-modify-write although it changes nothing: whoever takes the readiness down
        // afterwards must see the mask of this event, or it may take a short read for the end of
        // what is there.
        if word & STATE == READY && self.swap_state(word, word).is_ok() {
            return Edge::Again;
        }
        if word & STATE == PARKED && self.swap_state(word, word & !STATE | WAKING).is_ok() {
            // SAFETY: we moved the word to `waking`.
            let waker = unsafe { self.exchange(None) };
            return Edge::Waking(waker, word & !STATE);
        }
        Edge::Other(word)
    }

    /// Ends [`Edge::Waking`], whose waiter has `flags`.
    #[inline(always)]
    pub(crate) fn end_waking(&self, flags: u32, count: impl Fn(Transition)) {
        if self.swap_state(flags | WAKING, flags | READY).is_err() {
            self.finish_waking(READY, count);
        }
    }

    /// A deadline or close: releases a waiter, leaves readiness alone (semantics 20). `stamp` as
    /// for [`Word::ready`].
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

    /// Leaves `waking`, the cell being empty. An edge that came meanwhile makes it `ready` in any
    /// case.
    pub(super) fn finish_waking(&self, to: u32, count: impl Fn(Transition)) {
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
                    // The edge that left the mark: it told nothing new, or it came to a descriptor
                    // without waiter.
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

    /// Empties the word for the next life of its slot. No future waits any more, but another poller
    /// may just be taking a waker: it is waited for, because the next life writes the cell.
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

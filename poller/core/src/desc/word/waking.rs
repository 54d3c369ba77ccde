//! The other side of the word: edges, deadlines and close, and the end of a slot's life.

use std::task::Waker;

use super::{NIL, PARKED, READY, STATE, WAIT, WAKING, WAKING_READY, Word};
use crate::observe::Transition;
use crate::sync::atomic::Ordering;
use crate::sync::spin_loop;

impl Word {
    /// An edge. The waker of a parked waiter is handed to the caller, to be called when no lock is
    /// held; `stamp` is called before that waiter can run, so that it finds what woke it.
    #[inline]
    pub(crate) fn ready(&self, stamp: impl Fn(), count: impl Fn(Transition)) -> Option<Waker> {
        loop {
            let word = self.word.load(Ordering::Acquire);
            let (to, transition) = match word & STATE {
                READY => {
                    // A read-modify-write although it changes nothing: whoever takes the readiness
                    // down afterwards must see the mask of this event, or it may take a short read
                    // for the end of what is there.
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

//! The last transitions of one direction of one descriptor, kept beside its word for as long as it
//! lives.
//!
//! The flight recorder of a busy thread reaches back some milliseconds; who asks about a descriptor
//! that is stuck wants to know what happened to it an hour ago. So each direction keeps its own
//! last few, eight bytes each:
//!
//! ```text
//!  63                                   13 12           5      4       3          0
//! +---------------------------------------+--------------+----------+------------+
//! | time in units of 32 ns                | thread       | by close | transition |
//! +---------------------------------------+--------------+----------+------------+
//! ```
//!
//! Redundant edges (`ready_again`) are not kept. Two threads that make two transitions of one word
//! in the same instant may write to the same place, and one of the two is not kept. The counts are
//! exact all the same.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::thread::MAX_THREADS;
use super::{Cause, Direction, EventKind, Transition};

/// How many are kept.
pub(crate) const KEPT: usize = 8;

/// Bits of the transition, of the mark of a close, and of the thread; the time has the others.
const TRANSITION_BITS: u32 = 4;
const CLOSE: u64 = 1 << TRANSITION_BITS;
const THREAD_SHIFT: u32 = TRANSITION_BITS + 1;
const TIME_SHIFT: u32 = THREAD_SHIFT + 8;

const _: () = assert!(Transition::COUNT <= 1 << TRANSITION_BITS);
const _: () = assert!(MAX_THREADS <= 1 << (TIME_SHIFT - THREAD_SHIFT));

/// Bits of a time that are not kept: it is known to 32 ns, and for 834 days since the machine was
/// started.
pub const KEPT_SHIFT: u32 = 5;

/// Where the next one goes. Lies apart from the entries, on a line that a transition touches
/// anyway.
#[derive(Debug)]
pub(crate) struct Next(AtomicU8);

impl Next {
    pub(crate) const fn new() -> Self {
        Self(AtomicU8::new(0))
    }
}

/// The entries: one cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct History([AtomicU64; KEPT]);

/// One transition as it was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    /// When, to 32 ns.
    pub(crate) at_ns: u64,
    pub(crate) thread: u8,
    pub(crate) kind: EventKind,
    /// Of a release.
    pub(crate) cause: Option<Cause>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    pub(crate) fn clear(&self) {
        for entry in &self.0 {
            entry.store(0, Ordering::Relaxed);
        }
    }

    /// Keeps transitions that were made in a row.
    #[inline]
    pub(crate) fn keep<const N: usize>(
        &self,
        next: &Next,
        at_ns: u64,
        thread: u32,
        transitions: [Transition; N],
        cause: Cause,
    ) {
        let close = if cause == Cause::Close { CLOSE } else { 0 };
        let thread = u64::from(thread as u8) << THREAD_SHIFT;
        let common = at_ns >> KEPT_SHIFT << TIME_SHIFT | thread | close;
        let mut place = usize::from(next.0.load(Ordering::Relaxed)) % KEPT;
        for transition in transitions {
            self.0[place % KEPT].store(common | transition as u64, Ordering::Relaxed);
            place += 1;
        }
        next.0.store(place as u8, Ordering::Relaxed);
    }

    /// The oldest first.
    pub(crate) fn read(&self, next: &Next) -> impl Iterator<Item = Kept> + '_ {
        let first = usize::from(next.0.load(Ordering::Relaxed));
        (0..KEPT)
            .map(move |index| self.0[(first + index) % KEPT].load(Ordering::Relaxed))
            .filter(|entry| *entry != 0)
            .map(Kept::unpack)
    }

    /// When the last one was made, 0 before the first.
    pub(crate) fn last_ns(&self, next: &Next) -> u64 {
        let last = usize::from(next.0.load(Ordering::Relaxed).wrapping_sub(1));
        self.0[last % KEPT].load(Ordering::Relaxed) >> TIME_SHIFT << KEPT_SHIFT
    }
}

impl Kept {
    fn unpack(entry: u64) -> Self {
        let transition = (entry & ((1 << TRANSITION_BITS) - 1)) as usize;
        let kind = Transition::from_index(transition).map_or(EventKind::Poll, EventKind::from);
        let released = matches!(kind, EventKind::UnblockArmed | EventKind::UnblockParked);
        let cause = if entry & CLOSE != 0 {
            Cause::Close
        } else {
            Cause::Deadline
        };
        Kept {
            at_ns: entry >> TIME_SHIFT << KEPT_SHIFT,
            thread: (entry >> THREAD_SHIFT) as u8,
            kind,
            cause: released.then_some(cause),
        }
    }

    /// The cause as the argument of an event.
    pub(crate) fn argument(self) -> u64 {
        self.cause.map_or(0, |cause| cause as u64)
    }
}

/// One of [`Kept`] with the direction to which it belongs.
pub(crate) type KeptIn = (Direction, Kept);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_in_their_order_with_time_thread_and_cause() {
        let (history, next) = (History::new(), Next::new());
        assert_eq!(history.last_ns(&next), 0);
        for n in 0..300_u64 {
            let transition = Transition::ALL[n as usize % Transition::COUNT];
            history.keep(&next, n * 1600, n as u32, [transition], Cause::Close);
        }
        let kept: Vec<_> = history.read(&next).collect();
        assert_eq!(kept.len(), KEPT);
        for (kept, n) in kept.iter().zip(300 - KEPT as u64..) {
            let transition = Transition::ALL[n as usize % Transition::COUNT];
            assert_eq!(kept.kind, EventKind::from(transition));
            assert_eq!((kept.at_ns, kept.thread), (n * 1600, n as u8));
            let released = transition.name().starts_with("unblock");
            assert_eq!(kept.cause, released.then_some(Cause::Close));
        }
        assert_eq!(history.last_ns(&next), 299 * 1600);
        history.clear();
        assert_eq!(history.read(&next).count(), 0);
    }

    #[test]
    fn a_release_by_a_deadline_and_one_by_close_are_told_apart() {
        let (history, next) = (History::new(), Next::new());
        for cause in [Cause::Deadline, Cause::Close] {
            history.keep(&next, 1600, 1, [Transition::UnblockParked], cause);
        }
        let causes: Vec<_> = history.read(&next).map(|kept| kept.cause).collect();
        assert_eq!(causes, [Some(Cause::Deadline), Some(Cause::Close)]);
    }
}

//! One direction of a descriptor: its word, who waits or waited, and what was counted.

use std::panic::Location;
use std::sync::atomic as shown;

use super::State;
use super::word::Word;
use crate::observe::{Cause, History, Label, Next, RECORDS, Span, Transition};
use crate::sync::atomic::Ordering;
use crate::sys::AtomicLocation;

/// A [`Span`], or none, in one atomic.
#[derive(Debug)]
struct AtomicSpan(shown::AtomicU32);

impl AtomicSpan {
    fn new() -> Self {
        Self(shown::AtomicU32::new(Span::UNKNOWN.to_bits()))
    }

    #[inline]
    fn store(&self, span: Span) {
        self.0.store(span.to_bits(), Ordering::Relaxed);
    }

    #[inline]
    fn load(&self) -> Span {
        Span::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// For how long there had been something to wake a waiter for when that was found out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Before {
    ns: u64,
    /// [`BOUND`] and [`IDLE`].
    flags: u8,
}

impl Before {
    /// It was found out at once.
    pub(crate) const NONE: Self = Self::exactly(0);

    pub(crate) const fn exactly(ns: u64) -> Self {
        Self { ns, flags: 0 }
    }

    /// Nobody looked for so long.
    pub(crate) const fn at_most(ns: u64) -> Self {
        Self { ns, flags: BOUND }
    }

    /// The same where nobody looks while there is nothing.
    pub(crate) const fn unless_idle(ns: u64) -> Self {
        Self {
            ns,
            flags: BOUND | IDLE,
        }
    }

    /// The same of one who waits since `since_ns`, of what was found out at `at_ns`: there was
    /// nothing when it began to wait.
    #[inline]
    pub(crate) fn of_waiter(self, since_ns: u64, at_ns: u64) -> Self {
        if self.flags & BOUND == 0 {
            return self;
        }
        Self {
            ns: self.ns.min(at_ns.saturating_sub(since_ns)),
            ..self
        }
    }

    /// The most that it can have been.
    pub(crate) fn most_ns(self) -> u64 {
        self.ns
    }
}

/// What is known of few wakes: of the one that was stamped at a time that ends in `stamp`, if it is
/// the last.
#[derive(Debug)]
pub(super) struct Rare {
    stamp: shown::AtomicU32,
    told: AtomicSpan,
    wakers: AtomicSpan,
}

impl Rare {
    pub(super) fn new() -> Self {
        Self {
            stamp: shown::AtomicU32::new(0),
            told: AtomicSpan::new(),
            wakers: AtomicSpan::new(),
        }
    }

    fn of(&self, woken_ns: u64) -> &Self {
        let stamp = woken_ns as u32;
        if self.stamp.swap(stamp, Ordering::Relaxed) != stamp {
            self.told.store(Span::UNKNOWN);
            self.wakers.store(Span::UNKNOWN);
        }
        self
    }

    /// How old the data were at `woken_ns`, as the kernel tells it.
    #[cold]
    pub(super) fn note_told(&self, woken_ns: u64, ns: u64) {
        self.of(woken_ns).told.store(Span::of(ns));
    }

    /// How long other wakers took before that of the one who was woken at `woken_ns`.
    #[cold]
    pub(super) fn note_wakers(&self, woken_ns: u64, ns: u64) {
        self.of(woken_ns).wakers.store(Span::of(ns));
    }

    /// `wake` with what is known of it here.
    pub(super) fn add_to(&self, wake: &mut StampedWake) {
        if self.stamp.load(Ordering::Relaxed) == wake.woken_ns as u32 {
            wake.told_ns = self.told.load().ns();
            wake.wakers_ns = self.wakers.load().ns().unwrap_or(0);
        }
    }
}

/// Bit of [`Side::cause`] beside the cause: `before` is the longest that it can have been.
const BOUND: u8 = 1 << 7;
/// Another: there may have been nothing to look for all the while.
const IDLE: u8 = 1 << 6;

/// One direction of a descriptor.
///
/// The first line is what a wait and a wake touch; the counts, and how long the last wake took,
/// have the next one; the last transitions have the third.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Side {
    pub(super) word: Word,
    /// When the waiter parked, or when the last one was woken.
    pub(super) since_ns: shown::AtomicU64,
    /// When epoll_wait returned the event, or the deadline fired, that woke the last waiter.
    pub(super) woken_ns: shown::AtomicU64,
    pub(super) location: AtomicLocation,
    pub(super) task_id: shown::AtomicU64,
    pub(super) task: shown::AtomicU32,
    /// Number of the thread.
    pub(super) thread: shown::AtomicU16,
    /// [`Cause`] of the last wake, [`BOUND`] and [`IDLE`].
    cause: shown::AtomicU8,
    pub(super) next: Next,
    /// All but `recycled`, which ends the life whose counts these are.
    pub(super) transitions: [shown::AtomicU32; Transition::COUNT - 1],
    /// From `woken_ns` until the waker was called, or the waiter ran without it.
    called_after: AtomicSpan,
    /// From there until the waiter ran.
    ran_after: AtomicSpan,
    /// From there being something to wake it for until `woken_ns`.
    before: AtomicSpan,
    pub(super) history: History,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Side>() == 3 * 64);
const _: () = assert!(Transition::Recycled.index() == Transition::COUNT - 1);

impl Side {
    pub(super) fn new() -> Self {
        Self {
            word: Word::new(),
            since_ns: shown::AtomicU64::new(0),
            woken_ns: shown::AtomicU64::new(0),
            location: AtomicLocation::new(),
            task_id: shown::AtomicU64::new(0),
            task: shown::AtomicU32::new(0),
            thread: shown::AtomicU16::new(0),
            cause: shown::AtomicU8::new(Cause::Io as u8),
            next: Next::new(),
            transitions: std::array::from_fn(|_| shown::AtomicU32::new(0)),
            called_after: AtomicSpan::new(),
            ran_after: AtomicSpan::new(),
            before: AtomicSpan::new(),
            history: History::new(),
        }
    }

    pub(super) fn open(&self) {
        self.since_ns.store(0, Ordering::Relaxed);
        self.woken_ns.store(0, Ordering::Relaxed);
        for count in &self.transitions {
            count.store(0, Ordering::Relaxed);
        }
        self.history.clear();
    }

    /// Counts `transition` for this descriptor.
    #[inline(always)]
    pub(super) fn count(&self, transition: Transition) {
        let Some(cell) = self.transitions.get(transition.index()) else {
            return;
        };
        match transition {
            // The word is `wait`, `waking` or claimed by the caller: it is the only one that
            // counts, and need not lock the bus.
            Transition::Arm
            | Transition::Park
            | Transition::Rearm
            | Transition::ReadyParked
            | Transition::UnblockParked
            | Transition::CancelParked => {
                cell.store(
                    cell.load(Ordering::Relaxed).wrapping_add(1),
                    Ordering::Relaxed,
                );
            }
            _ => {
                cell.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A parked waiter is about to be woken because of what was found out at `at_ns`.
    #[inline]
    pub(super) fn stamp_wake(&self, at_ns: u64, before: Before, cause: Cause) {
        if !RECORDS {
            return;
        }
        let before = before.of_waiter(self.since_ns.load(Ordering::Relaxed), at_ns);
        self.called_after.store(Span::UNKNOWN);
        self.ran_after.store(Span::UNKNOWN);
        self.before.store(Span::of(before.ns));
        self.cause
            .store(cause as u8 | before.flags, Ordering::Relaxed);
        self.woken_ns.store(at_ns, Ordering::Relaxed);
    }

    /// Why the last waiter was woken.
    #[inline]
    pub(super) fn cause(&self) -> u8 {
        self.cause.load(Ordering::Relaxed) & !(BOUND | IDLE)
    }

    /// The waker is called at `now_ns`, because of what was found out at `woken_ns`. If the waiter
    /// was polled before for another reason it may be over, and even woken again: then this says
    /// nothing.
    #[inline]
    pub(crate) fn stamp_call(&self, woken_ns: u64, now_ns: u64) {
        if self.woken_ns.load(Ordering::Relaxed) == woken_ns
            && self.called_after.load() == Span::UNKNOWN
        {
            self.called_after
                .store(Span::of(now_ns.saturating_sub(woken_ns)));
        }
    }

    /// The waiter runs at `now_ns`. Returns when it was woken, and how long that is after the call
    /// of its waker; `None` if it runs before that.
    #[inline(always)]
    pub(super) fn stamp_run(&self, now_ns: u64) -> (u64, Option<u64>) {
        let woken_ns = self.woken_ns.load(Ordering::Relaxed);
        let Some(called) = self.called_after.load().ns() else {
            self.stamp_run_uncalled(now_ns, woken_ns);
            return (woken_ns, None);
        };
        let ran = now_ns.saturating_sub(woken_ns + called);
        self.ran_after.store(Span::of(ran));
        (woken_ns, Some(ran))
    }

    /// It was polled for another reason, as by the other half of its task. It has run all the same,
    /// and must not be taken for one that does not; its waker comes too late.
    #[cold]
    fn stamp_run_uncalled(&self, now_ns: u64, woken_ns: u64) {
        self.called_after
            .store(Span::of(now_ns.saturating_sub(woken_ns)));
        self.ran_after.store(Span::of(0));
    }

    /// The last wake of a parked waiter, `None` before the first.
    pub(super) fn last_wake(&self) -> Option<StampedWake> {
        let woken_ns = self.woken_ns.load(Ordering::Relaxed);
        (woken_ns != 0).then(|| StampedWake {
            cause: Cause::from_index(self.cause().into()).unwrap_or(Cause::Io),
            before_ns: self.before.load().ns().unwrap_or(0),
            is_bound: self.cause.load(Ordering::Relaxed) & BOUND != 0,
            may_be_idle: self.cause.load(Ordering::Relaxed) & IDLE != 0,
            told_ns: None,
            wakers_ns: 0,
            woken_ns,
            called_after_ns: self.called_after.load().ns(),
            ran_after_ns: self.ran_after.load().ns(),
        })
    }

    /// The last transitions, the oldest first.
    pub(crate) fn history(&self) -> impl Iterator<Item = crate::observe::Kept> + '_ {
        self.history.read(&self.next)
    }

    /// When the state was entered; 0 if that is not known.
    pub(crate) fn entered_ns(&self) -> u64 {
        self.history.last_ns(&self.next)
    }

    /// How often each transition was taken in this life of the slot, modulo 2^32. A transition that
    /// a poller makes in the very moment in which the slot changes hands may count for the next
    /// life; the poller's totals are exact.
    pub(crate) fn transitions(&self) -> [u64; Transition::COUNT] {
        let count = |cell: &shown::AtomicU32| u64::from(cell.load(Ordering::Relaxed));
        std::array::from_fn(|index| self.transitions.get(index).map_or(0, count))
    }

    pub(crate) fn state(&self) -> State {
        self.word.state()
    }

    /// The state as tables show it: [`State::Woken`] where a waiter was woken and has not run.
    pub(crate) fn shown_state(&self) -> State {
        let has_run = |wake: StampedWake| wake.ran_after_ns.is_some();
        match self.state() {
            state @ (State::Wait | State::Parked) => state,
            _ if self.word.is_claimed() && !self.last_wake().is_none_or(has_run) => State::Woken,
            state => state,
        }
    }

    /// Who waits, or waited last.
    pub(crate) fn waiter(&self) -> StampedWaiter {
        StampedWaiter {
            since_ns: self.since_ns.load(Ordering::Acquire),
            thread: u32::from(self.thread.load(Ordering::Relaxed)),
            task: Label(self.task.load(Ordering::Relaxed)),
            task_id: self.task_id.load(Ordering::Relaxed),
            location: self.location.load(),
        }
    }
}

/// The last wake, as it was read; its spans as [`Span`] keeps them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StampedWake {
    pub cause: Cause,
    pub before_ns: u64,
    pub is_bound: bool,
    pub may_be_idle: bool,
    pub told_ns: Option<u64>,
    pub wakers_ns: u64,
    pub woken_ns: u64,
    pub called_after_ns: Option<u64>,
    pub ran_after_ns: Option<u64>,
}

/// The stamps of a waiter, as they were read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StampedWaiter {
    pub(crate) since_ns: u64,
    pub(crate) thread: u32,
    pub(crate) task: Label,
    pub(crate) task_id: u64,
    pub(crate) location: Option<&'static Location<'static>>,
}

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_that_runs_before_its_waker_is_called_has_run() {
        let side = Side::new();
        side.stamp_wake(100, Before::NONE, Cause::Io);
        assert_eq!(side.stamp_run(150), (100, None), "no share is known");
        side.stamp_call(100, 170);
        let wake = side.last_wake().unwrap();
        assert_eq!(
            (wake.called_after_ns, wake.ran_after_ns),
            (Some(50), Some(0))
        );

        side.stamp_wake(200, Before::NONE, Cause::Io);
        let wake = side.last_wake().unwrap();
        assert_eq!((wake.called_after_ns, wake.ran_after_ns), (None, None));
        side.stamp_call(200, 210);
        assert_eq!(side.stamp_run(240), (200, Some(30)));
    }

    #[test]
    fn what_is_bounded_before_a_poll_is_no_longer_than_the_wait_and_what_is_known_stays() {
        let side = Side::new();
        side.since_ns.store(400, Ordering::Relaxed);
        for (before, told) in [
            (Before::at_most(50), (50, true, false)),
            (Before::at_most(900), (600, true, false)),
            (Before::unless_idle(900), (600, true, true)),
            (Before::exactly(900), (900, false, false)),
            (Before::NONE, (0, false, false)),
        ] {
            for cause in Cause::ALL {
                side.stamp_wake(1000, before, cause);
                let wake = side.last_wake().unwrap();
                assert_eq!((wake.before_ns, wake.is_bound, wake.may_be_idle), told);
                assert_eq!((wake.cause, wake.woken_ns), (cause, 1000));
            }
        }
    }

    #[test]
    fn the_shares_of_a_wake_that_took_minutes_add_up() {
        const MINUTE: u64 = 60_000_000_000;
        let side = Side::new();
        side.stamp_wake(100, Before::NONE, Cause::Io);
        side.stamp_call(100, 100 + MINUTE);
        let (woken, ran) = side.stamp_run(100 + 3 * MINUTE);
        let off = (woken + MINUTE + ran.unwrap()).abs_diff(100 + 3 * MINUTE);
        assert!(off < 50_000, "{off}");
        let wake = side.last_wake().unwrap();
        for (kept, exact) in [
            (wake.called_after_ns, MINUTE),
            (wake.ran_after_ns, 2 * MINUTE),
        ] {
            assert!(kept.unwrap().abs_diff(exact) < 50_000, "{kept:?}");
        }
    }
}

//! The info word: the facts about a descriptor that a waiter checks before it parks, in one atomic
//! (semantics 6, 15, 35).
//!
//! ```text
//!  31                                4   3        2        1          0
//! +-----------------------------------+--------+--------+----------+---------+
//! | low 28 bits of the generation     | exp. w | exp. r | eventErr | closing |
//! +-----------------------------------+--------+--------+----------+---------+
//! ```
//!
//! Closing and the expiry bits are published under the descriptor's lock; eventErr is set by the
//! poller without it, and only if the generation of its event is still the one in the word.

use crate::observe::Direction;
use crate::sync::atomic::{AtomicU32, Ordering};

const CLOSING: u32 = 1;
const EVENT_ERR: u32 = 1 << 1;
const EXPIRED_READ: u32 = 1 << 2;
const EXPIRED_WRITE: u32 = 1 << 3;
const GENERATION_SHIFT: u32 = 4;
const FLAGS: u32 = (1 << GENERATION_SHIFT) - 1;

const _: () =
    assert!((CLOSING | EVENT_ERR | EXPIRED_READ | EXPIRED_WRITE) >> GENERATION_SHIFT == 0);

/// Why an operation must not wait, in order of priority (semantics 15).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Blocker {
    /// Close or eviction has begun.
    Closing,
    /// The deadline of this direction has expired.
    Timeout,
    /// The descriptor is in an error state in which reads would not make progress.
    NotPollable,
}

/// The word.
#[derive(Debug)]
pub(crate) struct Info(AtomicU32);

impl Info {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Whether nothing keeps any operation from waiting.
    #[inline]
    pub(crate) fn is_clear(&self) -> bool {
        self.0.load(Ordering::Acquire) & FLAGS == 0
    }

    /// What keeps an operation in `direction` from waiting.
    #[inline]
    pub(crate) fn check(&self, direction: Direction) -> Result<(), Blocker> {
        let info = self.0.load(Ordering::Acquire);
        // The common case in one comparison.
        if info & FLAGS == 0 {
            return Ok(());
        }
        let (expired, event_err) = match direction {
            Direction::Read => (EXPIRED_READ, EVENT_ERR),
            // A writer goes on, to get a precise error from its call (semantics 25).
            Direction::Write => (EXPIRED_WRITE, 0),
        };
        if info & CLOSING != 0 {
            Err(Blocker::Closing)
        } else if info & expired != 0 {
            Err(Blocker::Timeout)
        } else if info & event_err != 0 {
            Err(Blocker::NotPollable)
        } else {
            Ok(())
        }
    }

    /// Begins the life of `generation`: nothing closing, expired or wrong.
    pub(crate) fn open(&self, generation: u32) {
        self.0
            .store(generation << GENERATION_SHIFT, Ordering::Release);
    }

    /// Ends a life: from here a late [`Info::set_event_err`] of the old generation finds another
    /// one (semantics 7).
    pub(crate) fn free(&self, next_generation: u32) {
        self.0.swap(
            next_generation << GENERATION_SHIFT | CLOSING,
            Ordering::AcqRel,
        );
    }

    /// Publishes closing and expiry. A read-modify-write, because the poller sets eventErr beside
    /// it, and because of the order that [`super::word`] explains.
    pub(crate) fn publish(&self, closing: bool, expired_read: bool, expired_write: bool) {
        let set = if closing { CLOSING } else { 0 }
            | if expired_read { EXPIRED_READ } else { 0 }
            | if expired_write { EXPIRED_WRITE } else { 0 };
        let keep = !(CLOSING | EXPIRED_READ | EXPIRED_WRITE);
        let mut info = self.0.load(Ordering::Relaxed);
        while let Err(now) = self.0.compare_exchange_weak(
            info,
            info & keep | set,
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            info = now;
        }
    }

    /// Stores eventErr on behalf of an event of `generation`. `Some(before)` where the bit changed;
    /// an event of another generation changes nothing (semantics 24, 26).
    #[inline]
    pub(crate) fn set_event_err(&self, event_err: bool, generation: u32) -> Option<bool> {
        let info = self.0.load(Ordering::Acquire);
        // Nearly all events find it as they leave it.
        if (info & EVENT_ERR != 0) == event_err {
            return None;
        }
        self.change_event_err(info, event_err, generation)
    }

    #[cold]
    fn change_event_err(&self, mut info: u32, event_err: bool, generation: u32) -> Option<bool> {
        loop {
            let before = info & EVENT_ERR != 0;
            if before == event_err
                || info >> GENERATION_SHIFT != generation << GENERATION_SHIFT >> GENERATION_SHIFT
            {
                return None;
            }
            match self.0.compare_exchange_weak(
                info,
                info ^ EVENT_ERR,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(before),
                Err(now) => info = now,
            }
        }
    }

    pub(crate) fn closing(&self) -> bool {
        self.0.load(Ordering::Acquire) & CLOSING != 0
    }

    pub(crate) fn event_err(&self) -> bool {
        self.0.load(Ordering::Acquire) & EVENT_ERR != 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn semantics_15_error_priority_is_closing_then_timeout_then_not_pollable() {
        let info = Info::new();
        info.open(1);
        assert_eq!(info.check(Direction::Read), Ok(()));
        info.set_event_err(true, 1);
        assert_eq!(info.check(Direction::Read), Err(Blocker::NotPollable));
        info.publish(false, true, false);
        assert_eq!(info.check(Direction::Read), Err(Blocker::Timeout));
        info.publish(true, true, false);
        assert_eq!(info.check(Direction::Read), Err(Blocker::Closing));
    }

    #[test]
    fn semantics_25_event_err_is_reported_to_readers_only_and_survives_a_change_of_deadline() {
        let info = Info::new();
        info.open(3);
        info.set_event_err(true, 3);
        assert_eq!(info.check(Direction::Write), Ok(()));
        info.publish(false, true, true);
        info.publish(false, false, false);
        assert_eq!(info.check(Direction::Read), Err(Blocker::NotPollable));
        assert_eq!(info.set_event_err(false, 3), Some(true));
        assert_eq!(info.check(Direction::Read), Ok(()));
    }

    #[test]
    fn semantics_6_only_low_bits_of_the_generation_are_kept_and_a_generation_with_none_of_them_still_compares()
     {
        let info = Info::new();
        let generation = 1 << 28;
        info.open(generation);
        assert_eq!(info.set_event_err(true, generation), Some(false));
        assert_eq!(
            info.set_event_err(false, generation + 1),
            None,
            "an event of the next generation"
        );
    }

    #[test]
    fn semantics_15_each_direction_finds_its_own_expiry_whatever_the_generation() {
        for generation in [1, 2, 3, 0x555_5555, 0xaaa_aaaa, u32::MAX] {
            let info = Info::new();
            let expect = |read, write| {
                assert_eq!(info.check(Direction::Read), read, "{generation:#x}");
                assert_eq!(info.check(Direction::Write), write, "{generation:#x}");
            };
            info.open(generation);
            expect(Ok(()), Ok(()));
            info.publish(false, true, false);
            expect(Err(Blocker::Timeout), Ok(()));
            info.publish(false, false, true);
            expect(Ok(()), Err(Blocker::Timeout));
            info.publish(true, false, false);
            expect(Err(Blocker::Closing), Err(Blocker::Closing));
            assert!(info.closing() && !info.event_err());
            info.publish(false, false, false);
            assert_eq!(info.set_event_err(true, generation), Some(false));
            assert_eq!(info.set_event_err(true, generation), None, "as before");
            expect(Err(Blocker::NotPollable), Ok(()));
            assert!(!info.closing() && info.event_err());
        }
    }

    #[test]
    fn semantics_7_an_event_of_a_freed_generation_sets_no_error() {
        for generation in [5, 0x1f] {
            let info = Info::new();
            info.open(generation);
            info.free(generation + 1);
            assert_eq!(info.set_event_err(true, generation), None);
            assert!(info.closing() && !info.event_err(), "nobody lives here");
            info.open(generation + 1);
            assert_eq!(info.set_event_err(true, generation), None);
            assert_eq!(info.check(Direction::Read), Ok(()));
        }
    }
}

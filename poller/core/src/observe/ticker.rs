//! The clock as one thread reads it for its own records: the kernel's, and between two readings of
//! that the processor's.
//!
//! A reading of the kernel's clock takes about 25 ns, one of the processor's counter a third of it.
//! The counter is never trusted for longer than [`SPAN_NS`] after a reading of the kernel's clock,
//! over which an error of its rate, or a clock that is being slewed, cannot amount to more than
//! some nanoseconds.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock;
use crate::sys;

/// How long the counter is trusted.
const SPAN_NS: u64 = 100_000;
/// Ticks that cannot be a span of that length on any processor, and whose product with a rate fits.
const MOST_TICKS: u64 = 1 << 22;
/// Readings that may be interrupted until the rate is known.
const INTERRUPTIONS: u64 = 64;
/// How long the counter is watched until its rate is known.
const CALIBRATION_NS: u64 = 20_000_000;

/// Nanoseconds a tick, times 2^32; [`UNKNOWN`], or [`UNSTEADY`].
static RATE: AtomicU64 = AtomicU64::new(UNKNOWN);
/// The rate is not known yet.
const UNKNOWN: u64 = 0;
/// The counter is of no use.
const UNSTEADY: u64 = u64::MAX;

/// What one thread knows of the time. Other threads may read it, and use it at the cost of some
/// precision.
#[derive(Debug)]
pub(super) struct Ticker {
    /// The last reading of the kernel's clock, and the counter then.
    ns: AtomicU64,
    ticks: AtomicU64,
}

impl Ticker {
    pub(super) fn new() -> Self {
        Self {
            ns: AtomicU64::new(0),
            ticks: AtomicU64::new(0),
        }
    }

    /// Now, CLOCK_MONOTONIC.
    #[inline]
    pub(super) fn now_ns(&self) -> u64 {
        let rate = RATE.load(Ordering::Relaxed);
        if rate == UNSTEADY {
            return clock::now_ns();
        }
        if rate == UNKNOWN {
            return self.read_after(sys::ticks());
        }
        let ticks = sys::ticks();
        let passed = ticks.wrapping_sub(self.ticks.load(Ordering::Relaxed));
        if passed < MOST_TICKS {
            let passed_ns = (passed * rate) >> 32;
            if passed_ns < SPAN_NS {
                return self.ns.load(Ordering::Relaxed) + passed_ns;
            }
        }
        self.read_after(ticks)
    }

    /// Now, by the kernel's clock.
    #[inline]
    pub(super) fn read(&self) -> u64 {
        if RATE.load(Ordering::Relaxed) == UNSTEADY {
            return clock::now_ns();
        }
        self.read_after(sys::ticks())
    }

    #[inline(never)]
    fn read_after(&self, before: u64) -> u64 {
        let now = clock::now_ns();
        let ticks = sys::ticks();
        if ticks.wrapping_sub(before) > sys::ADJACENT {
            // Interrupted in between, perhaps for long: the two do not belong together. The counter
            // is not used until they do.
            self.ticks
                .store(ticks.wrapping_add(MOST_TICKS), Ordering::Relaxed);
            give_up_counter();
            return now;
        }
        // In the middle, where the clock was read.
        self.set(now, before + (ticks - before) / 2);
        now
    }

    #[inline]
    fn set(&self, now_ns: u64, ticks: u64) {
        self.ns.store(now_ns, Ordering::Relaxed);
        self.ticks.store(ticks, Ordering::Relaxed);
        if RATE.load(Ordering::Relaxed) == UNKNOWN {
            calibrate(now_ns, ticks);
        }
    }
}

/// Counts readings that were interrupted, while no rate is known. If all of them are, as where a
/// hypervisor or an emulator takes each reading of the counter for itself, it is of no use.
#[cold]
fn give_up_counter() {
    static INTERRUPTED: AtomicU64 = AtomicU64::new(0);
    if RATE.load(Ordering::Relaxed) == UNKNOWN
        && INTERRUPTED.fetch_add(1, Ordering::Relaxed) >= INTERRUPTIONS
    {
        RATE.store(UNSTEADY, Ordering::Relaxed);
    }
}

/// Finds out the rate once the first reading is long enough ago.
#[cold]
fn calibrate(now_ns: u64, ticks: u64) {
    static FIRST: OnceLock<Option<(u64, u64)>> = OnceLock::new();
    let first = sys::made_once(&FIRST, || {
        let steady = sys::ticks_are_steady();
        if !steady {
            RATE.store(UNSTEADY, Ordering::Relaxed);
        }
        steady.then_some((now_ns, ticks))
    });
    if let Some((first_ns, first_ticks)) = *first
        && now_ns > first_ns + CALIBRATION_NS
        && ticks > first_ticks
    {
        let rate = (u128::from(now_ns - first_ns) << 32) / u128::from(ticks - first_ticks);
        // A rate beyond 1 MHz to 1 THz is a mistake, and would overflow above.
        if (1 << 22..1 << 42).contains(&rate) {
            // Unless it was given up meanwhile.
            let _ =
                RATE.compare_exchange(UNKNOWN, rate as u64, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_kernels_clock_and_does_not_go_back() {
        let ticker = Ticker::new();
        let begin = clock::now_ns();
        let mut last = 0;
        // Longer than the rate takes to be known.
        while clock::now_ns() < begin + 3 * CALIBRATION_NS {
            let before = clock::now_ns();
            let now = ticker.now_ns();
            let after = clock::now_ns();
            // A microsecond, for two readings that were not made at exactly the same time, and a
            // rate that is not exact.
            let slack = 1000 + SPAN_NS / 1000;
            assert!(
                (before.saturating_sub(slack)..=after + slack).contains(&now),
                "{now} is not between {before} and {after}"
            );
            assert!(now + slack >= last);
            last = now;
        }
        let rate = RATE.load(Ordering::Relaxed);
        assert_eq!(!matches!(rate, UNKNOWN | UNSTEADY), sys::ticks_are_steady());
    }

    #[test]
    fn a_counter_that_went_back_is_not_trusted() {
        let ticker = Ticker::new();
        ticker.ns.store(1, Ordering::Relaxed);
        ticker.ticks.store(u64::MAX / 2, Ordering::Relaxed);
        let before = clock::now_ns();
        assert!(ticker.now_ns() >= before);
    }
}

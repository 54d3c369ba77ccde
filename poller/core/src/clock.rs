//! Monotonic nanoseconds.
//!
//! The time line is CLOCK_MONOTONIC, read as one number: half the instructions of an [`Instant`],
//! and comparable between the processes of a machine. An `Instant` of the user's is placed on it by
//! an anchor that errs, by some nanoseconds, to the late side: a deadline must not fire early.
#![forbid(unsafe_code)]

use std::sync::OnceLock;
use std::time::Instant;

/// No point in time: a deadline that never comes.
pub(crate) const NEVER: u64 = i64::MAX as u64;

#[derive(Debug)]
pub(crate) struct Anchor {
    instant: Instant,
    /// CLOCK_MONOTONIC at `instant`, or just after.
    pub(crate) monotonic_ns: u64,
}

/// The anchor, taken on first use.
pub(crate) fn anchor() -> &'static Anchor {
    static ANCHOR: OnceLock<Anchor> = OnceLock::new();
    crate::sys::made_once(&ANCHOR, || closest(crate::sys::monotonic_ns, Instant::now))
}

/// How often the two clocks are read for the anchor.
const READINGS: usize = 8;

/// The anchor that errs least. A thread that is interrupted between the two readings makes one that
/// errs by as long, and then every deadline of the process would be late by that.
fn closest(monotonic_ns: impl Fn() -> u64, instant: impl Fn() -> Instant) -> Anchor {
    let read = || {
        let before = monotonic_ns();
        // In this order, so that the number is the later one.
        let instant = instant();
        let monotonic_ns = monotonic_ns();
        let anchor = Anchor {
            instant,
            monotonic_ns,
        };
        (monotonic_ns - before, anchor)
    };
    let first = read();
    let others = (1..READINGS).map(|_| read());
    let (_, anchor) = others.fold(
        first,
        |best, next| if next.0 < best.0 { next } else { best },
    );
    anchor
}

/// Nanoseconds now. One vDSO call, about 25 ns.
#[inline]
pub(crate) fn now_ns() -> u64 {
    crate::sys::monotonic_ns()
}

/// Now, as an instant of the same time line.
#[inline]
pub(crate) fn now() -> Instant {
    // In a model of shuttle's time is that of its kernel in memory.
    if cfg!(shuttle) {
        ns_instant(now_ns()).unwrap_or_else(Instant::now)
    } else {
        Instant::now()
    }
}

/// `instant` in nanoseconds, at most [`NEVER`] (semantics 30: overflow is the far future, not the
/// past).
#[inline]
pub(crate) fn instant_ns(instant: Instant) -> u64 {
    let anchor = anchor();
    match instant.checked_duration_since(anchor.instant) {
        Some(after) => match u64::try_from(after.as_nanos()) {
            Ok(after) => anchor.monotonic_ns.saturating_add(after).min(NEVER),
            Err(_) => NEVER,
        },
        None => {
            let before = anchor.instant.duration_since(instant).as_nanos();
            // 2 is the smallest point in time: 0 and 1 mean "none" and "expired" in a deadline
            // word.
            u64::try_from(before).map_or(2, |before| {
                anchor.monotonic_ns.saturating_sub(before).max(2)
            })
        }
    }
}

/// The instant at `ns`, `None` where an `Instant` cannot express it.
pub(crate) fn ns_instant(ns: u64) -> Option<Instant> {
    let anchor = anchor();
    if ns >= anchor.monotonic_ns {
        anchor
            .instant
            .checked_add(std::time::Duration::from_nanos(ns - anchor.monotonic_ns))
    } else {
        anchor
            .instant
            .checked_sub(std::time::Duration::from_nanos(anchor.monotonic_ns - ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_instant_survives_the_way_to_nanoseconds_and_back() {
        let now = Instant::now();
        for offset in [0, 1, 999, 1_000_000_007] {
            let instant = now + Duration::from_nanos(offset);
            assert_eq!(ns_instant(instant_ns(instant)), Some(instant));
        }
    }

    #[test]
    fn an_interruption_while_the_clocks_are_compared_makes_no_deadline_late() {
        use std::cell::Cell;
        let began = Instant::now();
        for interrupted in 0..3 * READINGS {
            // Each reading takes ten nanoseconds, but for one, after which the thread is away for a
            // second.
            let (elapsed, readings) = (Cell::new(0), Cell::new(0));
            let read = || {
                elapsed.set(elapsed.get() + 10);
                let now = elapsed.get();
                let away = readings.get() == interrupted;
                elapsed.set(now + if away { 1_000_000_000 } else { 0 });
                readings.set(readings.get() + 1);
                now
            };
            let anchor = closest(read, || began + Duration::from_nanos(read()));
            let late = began + Duration::from_nanos(anchor.monotonic_ns) - anchor.instant;
            assert_eq!(late, Duration::from_nanos(10), "{interrupted}");
        }
    }

    #[test]
    fn a_deadline_in_the_year_2500_does_not_wrap_into_the_past() {
        let far = Instant::now() + Duration::from_secs(474 * 365 * 86_400);
        assert_eq!(instant_ns(far), NEVER);
    }

    #[test]
    fn stamps_never_go_back() {
        let stamps: Vec<_> = (0..1000).map(|_| now_ns()).collect();
        assert!(stamps.is_sorted());
    }
}

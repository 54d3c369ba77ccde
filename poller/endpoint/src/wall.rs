//! The wall clock of this process, as its distance from the monotonic clock.
//!
//! Both are slewed alike, so the distance changes only where the wall clock is set, and is kept
//! until then. Read anew for each answer it would be another each time, by what passes between two
//! readings, and a moment of the past be shown as two.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use netpoller_core::view;

/// The wall clock was set if it is off by more.
const SET_NS: u64 = 1_000_000;
/// How often the clocks are compared, of which the closest counts: a thread may be interrupted
/// between the two.
const READINGS: usize = 8;
/// They were not compared yet.
const UNKNOWN: i64 = i64::MIN;

/// Where the two clocks met.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    /// By how much the wall clock, since 1970, is ahead of the monotonic one.
    ahead_ns: i64,
}

impl Anchor {
    pub(crate) fn now() -> Self {
        static KEPT: AtomicI64 = AtomicI64::new(UNKNOWN);
        let kept = KEPT.load(Ordering::Relaxed);
        let ahead_ns = settle(kept, compared());
        if ahead_ns != kept {
            KEPT.store(ahead_ns, Ordering::Relaxed);
        }
        Self { ahead_ns }
    }

    /// A moment of the monotonic clock, in nanoseconds since 1970.
    pub(crate) fn wall_ns(self, monotonic_ns: u64) -> u64 {
        monotonic_ns.saturating_add_signed(self.ahead_ns)
    }
}

fn compared() -> i64 {
    let compare = |_| {
        let before = view::now_ns();
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let took = view::now_ns() - before;
        let wall_ns = i64::try_from(wall.as_nanos()).unwrap_or(i64::MAX);
        (took, wall_ns.saturating_sub_unsigned(before + took / 2))
    };
    let closest = (0..READINGS).map(compare).min_by_key(|(took, _)| *took);
    closest.map_or(0, |(_, ahead_ns)| ahead_ns)
}

/// What was known, unless the clock was set.
fn settle(kept: i64, read: i64) -> i64 {
    match kept {
        UNKNOWN => read,
        _ if kept.abs_diff(read) > SET_NS => read,
        _ => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_kept_until_the_clock_is_set() {
        assert_eq!(settle(UNKNOWN, 7), 7);
        assert_eq!(settle(7, 1_000_007), 7);
        assert_eq!(settle(7, 1_000_008), 1_000_008);
        assert_eq!(settle(1_000_008, 7), 7);
    }

    #[test]
    fn a_moment_is_shown_as_one_however_often_and_by_whomever_it_is_asked_for() {
        let moment = view::now_ns();
        let shown = move || Anchor::now().wall_ns(moment);
        let first = shown();
        let others = std::thread::spawn(move || (0..1_000).map(|_| shown()).collect::<Vec<_>>());
        let others = others.join().unwrap();
        assert!(others.iter().all(|it| *it == first), "{first}: {others:?}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(u128::from(first) <= now.as_nanos() + u128::from(SET_NS));
    }
}

//! The wall clock of the messages: one anchor, and the monotonic clock from there.
//!
//! The client subtracts these times from each other. If each was read from the wall clock, a step
//! of that clock would make durations negative, at which some of its versions panic.

use netpoller_core::view;
use prost_types::{Duration, Timestamp};

use crate::wall;

const SECOND: u64 = 1_000_000_000;

/// Where the two clocks met.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    monotonic_ns: u64,
    /// Since 1970.
    wall_ns: u64,
}

impl Anchor {
    /// Where the wall clock, since 1970, showed `wall_ns`.
    pub(super) fn at(monotonic_ns: u64, wall_ns: u64) -> Self {
        Self {
            monotonic_ns,
            wall_ns,
        }
    }

    pub(super) fn now() -> Self {
        let monotonic_ns = view::now_ns();
        Self {
            monotonic_ns,
            wall_ns: wall::Anchor::now().wall_ns(monotonic_ns),
        }
    }

    fn wall_ns(self, ns: u64) -> u64 {
        let after_ns = ns.saturating_sub(self.monotonic_ns);
        (self.wall_ns.saturating_add(after_ns)).saturating_sub(self.monotonic_ns.saturating_sub(ns))
    }

    /// A time on the monotonic clock, as the protocol writes it.
    pub(super) fn timestamp(self, ns: u64) -> Timestamp {
        let wall = self.wall_ns(ns);
        Timestamp {
            seconds: (wall / SECOND) as i64,
            nanos: (wall % SECOND) as i32,
        }
    }

    /// A time that is 0 if there is none.
    pub(super) fn known(self, ns: u64) -> Option<Timestamp> {
        (ns != 0).then(|| self.timestamp(ns))
    }

    /// The time of the day in UTC: `09:41:07.042`.
    pub(super) fn time_of_day(self, ns: u64) -> String {
        let millis = self.wall_ns(ns) / 1_000_000 % 86_400_000;
        let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
        format!(
            "{hours:02}:{minutes:02}:{:02}.{:03}",
            millis / 1000 % 60,
            millis % 1000
        )
    }
}

/// A duration, as the protocol writes it.
pub(super) fn duration(ns: u64) -> Duration {
    Duration {
        seconds: (ns / SECOND) as i64,
        nanos: (ns % SECOND) as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_the_anchor_keep_their_distance() {
        let anchor = Anchor {
            monotonic_ns: 10 * SECOND,
            wall_ns: 86_400 * SECOND + 5,
        };
        let at = |ns| {
            let Timestamp { seconds, nanos } = anchor.timestamp(ns);
            (seconds, nanos)
        };
        assert_eq!(at(10 * SECOND), (86_400, 5));
        assert_eq!(at(12 * SECOND + 1), (86_402, 6));
        assert_eq!(at(9 * SECOND), (86_399, 5));
        assert_eq!(anchor.time_of_day(9 * SECOND), "23:59:59.000");
    }

    #[test]
    fn what_would_lie_before_1970_is_1970() {
        let anchor = Anchor {
            monotonic_ns: 10 * SECOND,
            wall_ns: SECOND,
        };
        let Timestamp { seconds, nanos } = anchor.timestamp(0);
        assert_eq!((seconds, nanos), (0, 0));
    }
}

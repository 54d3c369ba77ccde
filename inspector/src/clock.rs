//! The two clocks of the inspected process, tied together by the one anchor that it sends.
//!
//! Ages are differences of its monotonic clock. The wall clock of this machine is never used,
//! because it need not be the wall clock of that one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use netpoller_proto::v1::GetServerResponse;

/// Turns points on the monotonic clock of the process into its wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Anchor {
    monotonic_ns: u64,
    wall_ns: u64,
}

impl Anchor {
    /// The anchor that came with the answer.
    pub(crate) fn of(server: &GetServerResponse) -> Self {
        Self {
            monotonic_ns: server.captured_at_ns,
            wall_ns: server.wall_clock_ns,
        }
    }

    /// A point on the wall clock of the process, on its monotonic clock; `None` if that had not
    /// begun.
    pub(crate) fn monotonic_ns(self, wall_ns: u64) -> Option<u64> {
        let at = i128::from(self.monotonic_ns) + i128::from(wall_ns) - i128::from(self.wall_ns);
        u64::try_from(at).ok()
    }

    /// RFC 3339 with nanoseconds; `None` for 0, which means "not set".
    pub(crate) fn rfc3339(self, monotonic_ns: u64) -> Option<String> {
        if monotonic_ns == 0 {
            return None;
        }
        let wall =
            i128::from(self.wall_ns) + i128::from(monotonic_ns) - i128::from(self.monotonic_ns);
        // Nanoseconds end in the year 2554; a later moment is nonsense from the wire.
        let wall = u64::try_from(wall).ok()?;
        let time = UNIX_EPOCH.checked_add(Duration::from_nanos(wall))?;
        Some(humantime::format_rfc3339_nanos(time).to_string())
    }

    /// To the second, for tables.
    pub(crate) fn seconds(time: SystemTime) -> String {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(since.as_secs()))
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monotonic_moment_is_placed_on_the_wall_clock_of_the_process() {
        let anchor = Anchor {
            monotonic_ns: 5_000_000_000,
            wall_ns: 1_700_000_000_000_000_000,
        };
        assert_eq!(
            anchor.rfc3339(4_000_000_001).as_deref(),
            Some("2023-11-14T22:13:19.000000001Z")
        );
        assert_eq!(anchor.rfc3339(0), None);
        assert_eq!(anchor.rfc3339(u64::MAX), None, "there is no such date");
    }
}

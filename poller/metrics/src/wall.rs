//! Moments of the monotonic clock, by the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use netpoller_core::view;

/// A moment of CLOCK_MONOTONIC by the wall clock of now, which may have been set since.
pub(super) fn wall_at(ns: u64) -> SystemTime {
    let age = Duration::from_nanos(view::now_ns().saturating_sub(ns));
    SystemTime::now().checked_sub(age).unwrap_or(UNIX_EPOCH)
}

/// Seconds since the Unix epoch.
pub(super) fn since_epoch(at: SystemTime) -> f64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64()
}

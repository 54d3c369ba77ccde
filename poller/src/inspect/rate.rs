//! How often something may be done: a bucket of tokens.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// So many a second, and so many at once.
#[derive(Debug)]
pub(super) struct Rate {
    rate: f64,
    bucket: Mutex<(f64, Instant)>,
}

impl Rate {
    pub(super) fn new(rate: u32) -> Self {
        let rate = f64::from(rate);
        Self {
            rate,
            bucket: Mutex::new((rate, Instant::now())),
        }
    }

    /// Whether it may be done once more, now.
    pub(super) fn take(&self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, at) = *bucket;
        let filled = now.saturating_duration_since(at).as_secs_f64() * self.rate;
        let tokens = (tokens + filled).min(self.rate);
        let taken = tokens >= 1.0;
        *bucket = (if taken { tokens - 1.0 } else { tokens }, now);
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_bounded_and_the_bucket_fills_again_but_never_over() {
        let rate = Rate::new(20);
        let now = Instant::now();
        let taken = |at| (0..100).filter(|_| rate.take_at(at)).count();
        assert_eq!(taken(now), 20);
        assert_eq!(taken(now + Duration::from_millis(500)), 10);
        assert_eq!(taken(now + Duration::from_secs(3600)), 20);
    }
}

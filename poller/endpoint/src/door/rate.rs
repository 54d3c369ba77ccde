//! How often something may be done, and how much may be read: buckets of tokens.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

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

/// How many bytes may be read: so many a second, and so many at once. A read is never cut, so what
/// it took too much is waited for before the next.
#[derive(Debug)]
pub(super) struct Intake {
    rate: f64,
    burst: f64,
    left: f64,
    at: Instant,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Intake {
    pub(super) fn new(rate: u32, burst: u32) -> Self {
        Self {
            rate: f64::from(rate),
            burst: f64::from(burst),
            left: f64::from(burst),
            at: Instant::now(),
            pause: None,
        }
    }

    /// Ready when more may be read.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }

    /// So many bytes were read.
    pub(super) fn took(&mut self, bytes: usize) {
        let now = Instant::now();
        let filled = now.saturating_duration_since(self.at).as_secs_f64() * self.rate;
        self.at = now;
        self.left = (self.left + filled).min(self.burst) - bytes as f64;
        if self.left < 0.0 {
            let missing = Duration::from_secs_f64(-self.left / self.rate);
            self.pause = Some(Box::pin(tokio::time::sleep(missing)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn beyond_a_burst_no_more_is_read_than_the_rate_allows_and_a_rest_brings_no_more_than_a_burst()
     {
        let mut intake = Intake::new(1000, 4000);
        let began = Instant::now();
        let mut read = async |bytes: usize| {
            for _ in 0..bytes / 100 {
                std::future::poll_fn(|cx| intake.poll_ready(cx)).await;
                intake.took(100);
            }
            std::future::poll_fn(|cx| intake.poll_ready(cx)).await;
        };
        read(4000).await;
        assert_eq!(began.elapsed().as_millis(), 0);
        read(6000).await;
        // To within the millisecond that the timer rounds each of sixty pauses up to.
        let took = began.elapsed().as_millis();
        assert!((6000..=6060).contains(&took), "{took}");
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let rested = Instant::now();
        read(5000).await;
        let took = rested.elapsed().as_millis();
        assert!((1000..=1020).contains(&took), "{took}");
    }

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

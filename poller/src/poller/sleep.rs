//! Sleeping: a slot without a descriptor whose one end is its deadline.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use super::{Desc, Poller, Sides};
use crate::observe::Direction;

impl Poller {
    /// Sleeps until `until`, for ever if there is no such time. `attend` is called whenever
    /// it waits: it sees to it that somebody polls.
    pub(crate) async fn sleep_until(
        &self,
        until: Option<Instant>,
        location: &'static Location<'static>,
        attend: impl Fn(),
    ) {
        match Timer::new(self, until, location) {
            Some(timer) => timer.wait(location, attend).await,
            // 67 million sleeps at a time: rather late than never.
            None => without_slot(until).await,
        }
    }
}

/// Looks again on every poll of the task.
async fn without_slot(until: Option<Instant>) {
    poll_fn(|cx| {
        if until.is_some_and(|until| Instant::now() >= until) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A deadline with nothing behind it.
#[derive(Debug)]
struct Timer(Desc);

impl Timer {
    fn new(
        poller: &Poller,
        until: Option<Instant>,
        location: &'static Location<'static>,
    ) -> Option<Timer> {
        let timer = Timer(poller.open_timer(location).ok()?);
        if let Some(until) = until {
            timer.0.set_deadline(Some(until), Sides::Read);
        }
        Some(timer)
    }

    /// Until the deadline; for ever without one.
    async fn wait(&self, location: &'static Location<'static>, attend: impl Fn()) {
        // Readiness is that of the slot's former owner, whose event was under way when it left
        // (semantics 26): the one end is the deadline. Only an eviction from outside comes before
        // it.
        loop {
            let mut wait = self.0.wait_at(Direction::Read, location);
            let ended = poll_fn(|cx| {
                let polled = Pin::new(&mut wait).poll(cx);
                if polled.is_pending() {
                    // Each time: it may have been passed on, to somebody else who has to poll now.
                    attend();
                }
                polled
            });
            if ended.await.is_err() {
                return;
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::Duration;

    #[test]
    fn semantics_26_the_event_of_a_slots_former_owner_does_not_end_a_sleep() {
        let poller = Poller::builder().build().unwrap();
        let until = Instant::now() + Duration::from_secs(3600);
        let timer = Timer::new(&poller, Some(until), Location::caller()).unwrap();
        let mut waiting = pin!(timer.wait(Location::caller(), || ()));
        let mut cx = Context::from_waker(Waker::noop());
        let local = poller.shared.recorder.local();
        // It may come before the sleep has parked, or after.
        assert!(timer.0.slot.ready(Direction::Read, 1, &local).is_none());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        assert!(timer.0.slot.ready(Direction::Read, 1, &local).is_some());
        assert!(
            waiting.as_mut().poll(&mut cx).is_pending(),
            "an hour is not over"
        );

        timer.0.set_deadline(Some(Instant::now()), Sides::Read);
        assert!(waiting.as_mut().poll(&mut cx).is_ready());
    }
}

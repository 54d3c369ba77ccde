//! Sleeping: a slot without a descriptor whose one end is its deadline.

use std::future::{Future, poll_fn};
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use super::{Desc, Poller, Sides};
use crate::error::is_shortage;
use crate::observe::Direction;

impl Poller {
    /// Sleeps until `until`, for ever if there is no such time. `attend` is called whenever
    /// it waits: it sees to it that somebody polls.
    pub(crate) async fn sleep_until(
        &self,
        until: Option<Instant>,
        location: &'static Location<'static>,
        attend: impl Fn() -> io::Result<()>,
    ) {
        match Timer::new(self, until, location) {
            Some(timer) => timer.wait(until, location, attend).await,
            // 67 million sleeps at a time: rather late than never.
            None => poll_fn(|cx| look_again(until, cx)).await,
        }
    }
}

/// For a sleep that nobody will wake: it is over, or is polled again at once.
pub(crate) fn look_again(until: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
    if until.is_some_and(|until| Instant::now() >= until) {
        return Poll::Ready(());
    }
    cx.waker().wake_by_ref();
    Poll::Pending
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
    async fn wait(
        &self,
        until: Option<Instant>,
        location: &'static Location<'static>,
        attend: impl Fn() -> io::Result<()>,
    ) {
        // Readiness is that of the slot's former owner, whose event was under way when it left
        // (semantics 26): the one end is the deadline. Only an eviction from outside comes before
        // it.
        loop {
            let mut wait = self.0.wait_at(Direction::Read, location);
            let goes_on = poll_fn(|cx| {
                if let Poll::Ready(ended) = Pin::new(&mut wait).poll(cx) {
                    return Poll::Ready(ended.is_ok());
                }
                // Each time: it may have been passed on, to somebody else who has to poll now.
                match attend() {
                    // Without a descriptor for that there is nobody, until one is free.
                    Err(error) if is_shortage(&error) => look_again(until, cx).map(|()| false),
                    _ => Poll::Pending,
                }
            });
            if !goes_on.await {
                return;
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Waker;
    use std::time::Duration;

    #[test]
    fn semantics_26_the_event_of_a_slots_former_owner_does_not_end_a_sleep() {
        let poller = Poller::builder().build().unwrap();
        let until = Instant::now() + Duration::from_secs(3600);
        let timer = Timer::new(&poller, Some(until), Location::caller()).unwrap();
        let mut waiting = pin!(timer.wait(Some(until), Location::caller(), || Ok(())));
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

//! Sleeps, timeouts and intervals on the poller's own deadlines. A sleep is a slot without a descriptor, so the inspector shows
//! who sleeps, since when and where.
//!
//! All of them are cancel safe: a dropped sleep gives its slot back, a dropped timeout drops its future, and a dropped tick is not
//! lost. They use the current poller, see [`driver`](crate::driver).
#![forbid(unsafe_code)]

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::driver::{Attended, Later};
use crate::observe::Direction;
use crate::poller::{Desc, Poller, Sides};

/// Waits for `duration`. Never ends early; how much later it ends is in the histogram `deadline_lag`.
///
/// # Panics
///
/// When polled, if the global poller cannot be made (see [`Poller::global`]).
#[track_caller]
pub fn sleep(duration: Duration) -> impl Future<Output = ()> {
    let location = Location::caller();
    let until = Instant::now().checked_add(duration);
    let poller = Later::new();
    async move { sleep_until_at(&found(poller), until, location).await }
}

/// Waits until `deadline`.
///
/// # Panics
///
/// As [`sleep`].
#[track_caller]
pub fn sleep_until(deadline: Instant) -> impl Future<Output = ()> {
    let location = Location::caller();
    let poller = Later::new();
    async move { sleep_until_at(&found(poller), Some(deadline), location).await }
}

/// The poller whose deadlines a sleep uses. In a runtime that cannot have one it depends on whoever polls the global one.
fn found(poller: Later) -> Poller {
    poller.get().unwrap_or_else(|_| Poller::global().clone())
}

/// [`sleep`] on a poller of one's own.
pub(crate) async fn sleep_on(
    poller: &Poller,
    duration: Duration,
    location: &'static Location<'static>,
) {
    sleep_until_at(poller, Instant::now().checked_add(duration), location).await;
}

async fn sleep_until_at(
    poller: &Poller,
    until: Option<Instant>,
    location: &'static Location<'static>,
) {
    match Timer::new(poller, until, location) {
        Some(timer) => timer.wait(location).await,
        // 67 million sleeps at a time: rather late than never.
        None => futures_pending(until).await,
    }
}

/// Without a slot: looks again on every poll of the task.
async fn futures_pending(until: Option<Instant>) {
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
        let desc = poller.open_timer(location).ok()?;
        let timer = Timer(desc);
        if let Some(until) = until {
            timer.0.set_deadline(Some(until), Sides::Read);
        }
        Some(timer)
    }

    /// Until the deadline; for ever without one.
    async fn wait(&self, location: &'static Location<'static>) {
        // Readiness is that of the slot's former owner, whose event was under way when it left (semantics 26): the one end is
        // the deadline. Only an eviction from outside comes before it.
        loop {
            // A runtime without I/O cannot be attached to; the sleep then depends on whoever else polls.
            let _ = Attended::default().see_to(&self.0.shared);
            if self.0.wait_at(Direction::Read, location).await.is_err() {
                return;
            }
        }
    }
}

/// The future did not end in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> Self {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

/// Runs `future` for at most `duration`. If both end at once, the future wins. For a socket a deadline of its own is cheaper.
///
/// ```
/// # netpoller::block_on(async {
/// use netpoller::time::timeout;
/// use std::{future::pending, time::Duration};
/// assert!(timeout(Duration::from_millis(1), pending::<()>()).await.is_err());
/// # });
/// ```
///
/// # Errors
///
/// [`Elapsed`]; the future is dropped then.
///
/// # Panics
///
/// As [`sleep`].
#[track_caller]
pub fn timeout<F: Future>(
    duration: Duration,
    future: F,
) -> impl Future<Output = Result<F::Output, Elapsed>> {
    let location = Location::caller();
    let until = Instant::now().checked_add(duration);
    let poller = Later::new();
    async move {
        let mut future = pin!(future);
        // Most futures that are guarded like this are ready soon; the timer is made for those that are not.
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Ok(output);
        }
        let poller = found(poller);
        let mut sleep = pin!(sleep_until_at(&poller, until, location));
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| Err(Elapsed(()))),
        })
        .await
    }
}

/// Ticks every `period`, first after one `period`.
///
/// # Panics
///
/// If `period` is zero.
pub fn interval(period: Duration) -> Interval {
    assert!(
        !period.is_zero(),
        "an interval needs a period greater than zero"
    );
    Interval {
        period,
        next: Instant::now().checked_add(period),
    }
}

/// What [`interval`] returns.
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    next: Option<Instant>,
}

impl Interval {
    /// Waits for the next tick and says for when it was due. Ticks that were missed come at once, each in its turn. Cancel safe.
    ///
    /// # Panics
    ///
    /// As [`sleep`].
    #[track_caller]
    pub fn tick(&mut self) -> impl Future<Output = Instant> + '_ {
        let location = Location::caller();
        let poller = Later::new();
        async move {
            sleep_until_at(&found(poller), self.next, location).await;
            // Only a tick that came moves the next one, so a dropped future loses none.
            let due = self.next.unwrap_or_else(Instant::now);
            self.next = due.checked_add(self.period);
            due
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::task::{Context, Waker};

    #[test]
    fn semantics_26_the_event_of_a_slots_former_owner_does_not_end_a_sleep() {
        let poller = Poller::builder().build().unwrap();
        let until = Instant::now() + Duration::from_secs(3600);
        let timer = Timer::new(&poller, Some(until), Location::caller()).unwrap();
        let mut waiting = pin!(timer.wait(Location::caller()));
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

//! Sleeps, timeouts and intervals on the poller's own deadlines. A sleep is a slot without a
//! descriptor, so the inspector shows who sleeps, since when and where.
//!
//! All of them are cancel safe: a dropped sleep gives its slot back, a dropped timeout drops its
//! future, and a dropped tick is not lost. They use the current poller, see
//! [`driver`](crate::driver), and go by the real clock, also where tokio's is paused.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::budget;
use crate::driver::{Later, RuntimeLink};
use crate::error::is_shortage;
use crate::poller::{Poller, look_again};

/// Waits for `duration`. Never ends early; how much later it ends is in the histogram
/// `deadline_lag`.
///
/// With no file left to open for its poller, it asks for the time on every poll of the task, and
/// for the next poll at once, until one is free or it is over.
///
/// # Panics
///
/// When polled, if the global poller is needed and cannot be made for another reason than a
/// shortage (see [`Poller::global`]); or if it has to wait in a tokio runtime that was built
/// without I/O, of a poller that nobody else polls: it would wait for ever.
#[track_caller]
pub fn sleep(duration: Duration) -> impl Future<Output = ()> {
    let location = Location::caller();
    let until = Instant::now().checked_add(duration);
    let poller = Later::new();
    async move { sleep_until_at(found(poller), until, location).await }
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
    async move { sleep_until_at(found(poller), Some(deadline), location).await }
}

/// The poller whose deadlines a sleep uses. In a runtime that cannot have one it depends on whoever
/// polls the global one. `None` while there is no file left to open.
fn found(poller: Later) -> Option<Poller> {
    match poller.get().or_else(|_| Poller::try_global().cloned()) {
        Err(error) if is_shortage(&error) => None,
        found => Some(found.unwrap_or_else(|_| Poller::global().clone())),
    }
}

async fn sleep_until_at(
    poller: Option<Poller>,
    until: Option<Instant>,
    location: &'static Location<'static>,
) {
    let Some(poller) = poller else {
        return poll_fn(|cx| look_again(until, cx)).await;
    };
    let attend = || match RuntimeLink::default().ensure_polled(&poller.shared) {
        // As a socket refuses to wait there; of a sleep this is the only way to tell.
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            panic!("nothing would end the sleep of {location}: {error}")
        }
        result => result,
    };
    let mut sleep = pin!(poller.sleep_until(until, location, attend));
    budget::cooperative(|cx| sleep.as_mut().poll(cx), || {}).await;
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

/// Runs `future` for at most `duration`. If both end at once, the future wins. For a socket a
/// deadline of its own is cheaper.
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
        // Most futures that are guarded like this are ready soon; the timer is made for those that
        // are not.
        let mut spent = match poll_fn(|cx| Poll::Ready(poll_spending(future.as_mut(), cx))).await {
            (Poll::Ready(output), _) => return Ok(output),
            (Poll::Pending, spent) => Some(spent),
        };
        let mut sleep = pin!(sleep_until_at(found(poller), until, location));
        poll_fn(|cx| {
            let spent = match spent.take() {
                Some(spent) => spent,
                None => match poll_spending(future.as_mut(), cx) {
                    (Poll::Ready(output), _) => return Poll::Ready(Ok(output)),
                    (Poll::Pending, spent) => spent,
                },
            };
            // A future that always uses the budget up must not keep its time from running out.
            let elapsed = if spent {
                budget::poll_unconstrained(sleep.as_mut(), cx)
            } else {
                sleep.as_mut().poll(cx)
            };
            elapsed.map(|()| Err(Elapsed(())))
        })
        .await
    }
}

/// Polls `future`, and says whether it has used the budget up.
fn poll_spending<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> (Poll<F::Output>, bool) {
    let had = budget::has_remaining(cx);
    let poll = future.poll(cx);
    (poll, had && !budget::has_remaining(cx))
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
    /// Waits for the next tick and says for when it was due. Ticks that were missed come at once,
    /// each in its turn. Cancel safe.
    ///
    /// # Panics
    ///
    /// As [`sleep`].
    #[track_caller]
    pub fn tick(&mut self) -> impl Future<Output = Instant> + '_ {
        let location = Location::caller();
        let poller = Later::new();
        async move {
            sleep_until_at(found(poller), self.next, location).await;
            // Only a tick that came moves the next one, so a dropped future loses none.
            let due = self.next.unwrap_or_else(Instant::now);
            self.next = due.checked_add(self.period);
            due
        }
    }
}

//! Measuring one future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::spent::{Account, Spent};
use crate::clock;
use crate::observe::Watch;

/// Measures `future`: it is done with its output, and with where its time went.
///
/// Put a request into it to learn why that one was slow. The time between two of its polls belongs
/// to the wait that ended it, on a socket, a pipe, a `Pollable` or a sleep of this crate, and is
/// split there into the time until the poller had the event, until it called the waker, and until
/// the executor polled; what anything else has ended, as a channel or a lock, is
/// [`Awaited::Other`](super::Awaited::Other). If several waits are over at once, it is the one
/// whose waker was called first.
///
/// Measured futures nest: each sees its own time, and an outer one that of its inner ones as well.
/// Costs a reading of the clock, two more for each poll, and nothing where nobody measures. For how
/// long it waited for its first poll, as a future that is spawned, is told apart:
/// [`Spent::before_first_poll`](super::Spent::before_first_poll).
///
/// Cancel safe if `future` is: dropped before its end it measures nothing any more, and
/// [`Measured::spent`] says until then what has been spent. If `future` panics, so does this, with
/// the poll that panicked measured to its end.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use netpoller::task::{self, Awaited};
/// use std::time::Duration;
///
/// # netpoller::block_on(async {
/// let request = async {
///     netpoller::time::sleep(Duration::from_millis(2)).await;
///     "answer"
/// };
/// let (answer, spent) = task::measured(request).await;
/// println!("{answer}: {spent}, {} of it asleep", spent.parked(Awaited::Sleep));
///
/// assert!(spent.wall() >= Duration::from_millis(2));
/// assert_eq!(spent.wall(), spent.running() + spent.parked_total().total());
/// # Ok(())
/// # })
/// # }
/// ```
pub fn measured<F: Future>(future: F) -> Measured<F> {
    Measured {
        account: Account::made_at(clock::now_ns()),
        future: Box::pin(future),
    }
}

/// The future of [`measured`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Measured<F> {
    account: Account,
    // Boxed as in `Named`.
    future: Pin<Box<F>>,
}

impl<F> Measured<F> {
    /// Returns what was spent until the end of the last poll.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.account.spent()
    }
}

/// One poll, which ends also where the future panics.
struct Turn<'a> {
    account: &'a mut Account,
    watch: Option<Watch>,
}

impl<'a> Turn<'a> {
    fn begin(account: &'a mut Account) -> Self {
        account.enter(clock::now_ns());
        Self {
            account,
            watch: Some(Watch::begin()),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let resumed = self.watch.take().and_then(Watch::end);
        self.account.leave(clock::now_ns(), resumed);
    }
}

impl<F: Future> Future for Measured<F> {
    type Output = (F::Output, Spent);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let turn = Turn::begin(&mut this.account);
        let poll = this.future.as_mut().poll(cx);
        drop(turn);
        poll.map(|output| (output, this.spent()))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::future::{pending, poll_fn};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::Waker;

    use super::*;
    use crate::observe::is_watched;

    #[test]
    fn a_future_that_panics_is_measured_to_its_end_and_nothing_after_it_is() {
        let mut panics = measured(poll_fn::<(), _>(|_| {
            assert!(is_watched());
            panic!("it")
        }));
        let cx = &mut Context::from_waker(Waker::noop());
        let poll = AssertUnwindSafe(|| Pin::new(&mut panics).poll(cx));
        assert!(catch_unwind(poll).is_err());
        assert!(!is_watched());
        let spent = panics.spent();
        assert_eq!((spent.polls(), spent.wall()), (1, spent.running()));
    }

    #[test]
    fn one_that_is_given_up_says_what_it_has_spent_so_far() {
        let mut given_up = measured(pending::<()>());
        assert_eq!(given_up.spent(), Spent::default());
        let cx = &mut Context::from_waker(Waker::noop());
        for polls in 1..4 {
            assert!(Pin::new(&mut given_up).poll(cx).is_pending());
            let spent = given_up.spent();
            assert_eq!(
                (spent.polls(), spent.parked_total().times()),
                (polls, polls - 1)
            );
            assert_eq!(spent.wall(), spent.running() + spent.parked_total().total());
        }
    }
}

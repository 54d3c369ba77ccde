//! Waiting: the future behind every operation that would block.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::Desc;
use crate::budget::{self, Before};
use crate::desc::{Blocker, Refused, Token, WaitContext};
use crate::error::Error;
use crate::observe::{Direction, Local};

impl Desc {
    /// Waits until the descriptor is ready in `direction`, and consumes that readiness.
    ///
    /// Readiness is an edge: wait only after a system call has said EAGAIN since [`Desc::reset`],
    /// or it may never come though bytes are there (semantics 13). It may also be spurious: the
    /// system call decides (semantics 26).
    ///
    /// Cancel safe: dropping the future loses no readiness.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], [`Error::DeadlineExceeded`], [`Error::NotPollable`], and [`Error::Busy`]
    /// if somebody else waits in this direction (semantics 22).
    #[doc(alias = "pollWait")]
    #[doc(alias = "poll_runtime_pollWait")]
    #[track_caller]
    pub fn wait(&self, direction: Direction) -> Wait<'_> {
        let mut wait = self.wait_at(direction, Location::caller());
        wait.counts = true;
        wait
    }

    /// Waits until the descriptor is ready, whatever its deadline and close say (Go's
    /// `pollWaitCanceled`): for an operation that was cancelled and whose end must be seen all the
    /// same.
    ///
    /// # Errors
    ///
    /// Only [`Error::Busy`].
    #[doc(alias = "pollWaitCanceled")]
    #[doc(alias = "poll_runtime_pollWaitCanceled")]
    #[track_caller]
    pub fn wait_canceled(&self, direction: Direction) -> Wait<'_> {
        let mut wait = self.wait_at(direction, Location::caller());
        wait.unconditional = true;
        wait.counts = true;
        wait
    }

    #[inline]
    pub(crate) fn wait_at(
        &self,
        direction: Direction,
        location: &'static Location<'static>,
    ) -> Wait<'_> {
        Wait {
            desc: self,
            direction,
            location,
            token: Token::default(),
            unconditional: false,
            counts: false,
            asked: budget::Asked::default(),
        }
    }

    /// A wait at `location`, by the thread that counts in `local`.
    #[inline]
    pub(crate) fn context<'a>(
        &'a self,
        direction: Direction,
        location: &'static Location<'static>,
        local: Local<'a>,
    ) -> WaitContext<'a> {
        WaitContext {
            desc: &self.slot,
            direction,
            local,
            waiters: &self.shared.waiters,
            location,
            unconditional: false,
        }
    }
}

impl Desc {
    /// Waits for the sake of a poll function: the wait stays behind when it returns pending, and
    /// the next waiter takes its place and wakes it. So only the last waker counts, as the contract
    /// of such functions has it. `resumed` if the function comes back to a wait that it has left
    /// behind.
    #[inline(never)]
    pub(crate) fn poll_wait(
        &self,
        direction: Direction,
        location: &'static Location<'static>,
        resumed: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let mut token = if resumed {
            Token::resumed()
        } else {
            Token::default()
        };
        self.context(direction, location, self.local())
            .poll(&mut token, true, cx.waker())
            .map(into_error)
    }

    /// Ends a wait that a poll function has left behind. The caller has its turn.
    #[cold]
    pub(crate) fn cancel_left(&self, direction: Direction, location: &'static Location<'static>) {
        self.context(direction, location, self.local())
            .cancel(&mut Token::left());
    }
}

#[inline]
pub(crate) fn into_error(result: Result<(), Refused<Blocker>>) -> Result<(), Error> {
    result.map_err(|refused| match refused {
        Refused::Busy => Error::Busy,
        Refused::Check(blocker) => blocker.into(),
    })
}

/// The future of [`Desc::wait`] and [`Desc::wait_canceled`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Wait<'a> {
    desc: &'a Desc,
    direction: Direction,
    location: &'static Location<'static>,
    token: Token,
    unconditional: bool,
    /// It is an operation of its own, not a part of one, and takes part in the task's budget.
    counts: bool,
    asked: budget::Asked,
}

impl Future for Wait<'_> {
    type Output = Result<(), Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.desc.shared.check_process()?;
        let permit = if this.counts {
            let look = || this.desc.shared.give_way();
            Some(ready!(if budget::is_unknown() {
                // Who polls by hand, in a loop of the program's own, is not refused.
                budget::poll_proceed(cx, || Before::Leave, look)
            } else {
                this.asked.poll(cx, false, look)
            }))
        } else {
            None
        };
        let context = this.context();
        let result = ready!(context.poll(&mut this.token, false, cx.waker()));
        // If it is polled again it is a new wait, which checks anew and has not parked.
        this.token = Token::default();
        if let Some(permit) = permit {
            permit.made_progress();
        }
        Poll::Ready(into_error(result))
    }
}

impl<'a> Wait<'a> {
    /// Waits no longer. It can be polled again, and is a new wait then.
    #[inline]
    pub(crate) fn cancel(&mut self) {
        if self.token.is_claimed() {
            self.give_up();
        }
    }

    #[cold]
    fn give_up(&mut self) {
        self.context().cancel(&mut self.token);
        self.token = Token::default();
    }

    #[inline]
    fn context(&self) -> WaitContext<'a> {
        let desc = self.desc;
        WaitContext {
            unconditional: self.unconditional,
            ..desc.context(self.direction, self.location, desc.local())
        }
    }
}

impl Drop for Wait<'_> {
    #[inline]
    fn drop(&mut self) {
        self.cancel();
    }
}

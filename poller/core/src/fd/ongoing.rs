//! An operation of a descriptor from its beginning to its end, as a future or by a poll function:
//! its turn, its tries, and what is counted when it has ended.

use std::future::Future;
use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use super::attempt::{self, Attempt};
use super::descriptor::Fd;
use super::operation::{Moved, Op, Operation};
use super::turn::Turn;
use crate::budget::{self, Before};
use crate::observe::{Direction, Local, OpKind};

impl Fd {
    /// Runs `call` until it says something else than EAGAIN.
    #[inline]
    pub(super) fn run<O: Op, R: Moved, C: FnMut(RawFd) -> io::Result<R>>(
        &self,
        operation: Operation<O>,
        call: C,
    ) -> Run<'_, O, C> {
        Run {
            ongoing: self.begin(operation),
            call,
        }
    }

    /// An operation that has not begun.
    #[inline]
    pub(super) fn begin<O: Op>(&self, operation: Operation<O>) -> Ongoing<'_, O> {
        Ongoing {
            attempt: Attempt::new(self, operation),
            asked: budget::Asked::default(),
            stage: Stage::Begin,
        }
    }

    /// Counts how an operation has ended. Hands the result on.
    #[inline(always)]
    fn count_end<O: Op, R: Moved>(
        &self,
        operation: Operation<O>,
        local: Local<'_>,
        result: io::Result<R>,
    ) -> io::Result<R> {
        operation.end(local, result, |moved| {
            let bytes = moved.bytes();
            if O::KIND == OpKind::Read {
                self.note_read(local, bytes);
            }
            bytes
        })
    }

    /// [`budget::poll_proceed`] for a poll function, which remembers nothing itself.
    #[inline]
    pub(super) fn poll_permit(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
    ) -> Poll<budget::Permit> {
        let refused = &self.refused[direction.index()];
        let before = refused.load(Ordering::Relaxed);
        let told = || match before {
            true => Before::Refusal,
            false => Before::Nothing,
        };
        let permit = budget::poll_proceed(cx, told, || self.desc().shared.give_way());
        if permit.is_pending() != before {
            refused.store(permit.is_pending(), Ordering::Relaxed);
        }
        permit
    }

    /// One poll of an operation, for traits whose contract is a poll function. It does not keep the
    /// lock when it returns pending; such functions take `&mut self`, so that nobody else is at it.
    /// One that was left pending goes on with waiting.
    #[cfg_attr(
        not(any(feature = "tokio", feature = "futures-io", feature = "hyper")),
        allow(dead_code)
    )]
    pub(super) fn poll_run<O: Op, R: Moved>(
        &self,
        operation: Operation<O>,
        cx: &mut Context<'_>,
        mut call: impl FnMut(RawFd) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let permit = ready!(self.poll_permit(O::DIRECTION, cx));
        let result = match self.mutex.try_lock_first(O::DIRECTION) {
            Ok(true) => {
                let turn = Turn {
                    fd: self,
                    direction: O::DIRECTION,
                };
                let polled = &self.polled[O::DIRECTION.index()];
                let resumed = polled.load(Ordering::Relaxed);
                let local = self.local();
                let outcome = attempt::poll_left(self, operation, resumed, local, cx, &mut call);
                polled.store(outcome.is_pending(), Ordering::Relaxed);
                drop(turn);
                ready!(outcome)
            }
            Ok(false) => {
                // Somebody shares the descriptor after all, and is about to leave, or waits; either
                // way this is not the place to queue.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Err(denied) => Err(denied.into()),
        };
        permit.made_progress();
        Poll::Ready(self.count_end(operation, self.local(), result))
    }
}

/// The future of [`Fd::run`].
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Run<'a, O: Op, C> {
    ongoing: Ongoing<'a, O>,
    call: C,
}

// Nothing in it is pinned: the call is only ever borrowed.
impl<O: Op, C> Unpin for Run<'_, O, C> {}

impl<O: Op, R: Moved, C: FnMut(RawFd) -> io::Result<R>> Future for Run<'_, O, C> {
    type Output = io::Result<R>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Run { ongoing, call } = self.get_mut();
        let local = ongoing.fd().local();
        #[expect(
            clippy::redundant_closure,
            reason = "a reference that is called is a function of its own, which is not inlined"
        )]
        let result = ready!(ongoing.poll(local, cx, |fd| call(fd)));
        ongoing.end();
        let (fd, operation) = (ongoing.fd(), ongoing.operation());
        Poll::Ready(match operation.peeks() {
            true => result,
            false => fd.count_end(operation, local, result),
        })
    }
}

/// An operation from its beginning to its end.
///
/// Its parts are written out, and not in `async` blocks or an enum with data: this is what a parked
/// connection holds, and what each operation makes and throws away, most of them without any wait.
pub(super) struct Ongoing<'a, O: Op> {
    attempt: Attempt<'a, &'a Fd, O>,
    asked: budget::Asked,
    stage: Stage,
}

/// Where an operation stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Begin,
    Ended,
    /// Others are at it.
    Queued,
    /// It has its turn.
    Turn,
}

impl<'a, O: Op> Ongoing<'a, O> {
    #[inline]
    pub(super) fn fd(&self) -> &'a Fd {
        self.attempt.target
    }

    #[inline]
    pub(super) fn operation(&self) -> Operation<O> {
        self.attempt.operation
    }

    #[inline]
    pub(super) fn poll<R>(
        &mut self,
        local: Local<'_>,
        cx: &mut Context<'_>,
        call: impl FnMut(RawFd) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let guard = EndOnPanic(self);
        let outcome = guard.0.poll_turn(local, cx, call);
        mem::forget(guard);
        outcome
    }

    #[inline(always)]
    fn poll_turn<R>(
        &mut self,
        local: Local<'_>,
        cx: &mut Context<'_>,
        call: impl FnMut(RawFd) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let has_begun = self.stage == Stage::Turn;
        if !has_begun {
            if self.stage == Stage::Begin
                && let Some(turn) = self.fd().try_turn(O::DIRECTION)
            {
                match turn {
                    // From here on it is `Ongoing::end` that leaves.
                    Ok(turn) => mem::forget(turn),
                    Err(error) => return self.poll_last(cx, |_| Err(error)),
                }
                self.stage = Stage::Turn;
            } else if let Err(error) = ready!(self.wait_for_turn(cx)) {
                return self.poll_last(cx, |_| Err(error));
            }
            if self.operation().is_idle() {
                return self.poll_last(cx, call);
            }
        }
        let (fd, asked, mut refused) = (self.fd(), &mut self.asked, false);
        let outcome = self.attempt.poll_first(local, cx, call, |cx, waited| {
            match asked.poll(cx, waited, || fd.desc().shared.give_way()) {
                Poll::Ready(permit) => Poll::Ready(permit),
                Poll::Pending => {
                    refused = true;
                    Poll::Pending
                }
            }
        });
        // One that has done a part, or waited, keeps its turn: nobody comes between its parts.
        if refused && !self.attempt.refused() && !has_begun {
            self.go_back();
        }
        outcome
    }

    /// Ends with what `last` says, when it has leave.
    #[cold]
    fn poll_last<R>(
        &mut self,
        cx: &mut Context<'_>,
        last: impl FnOnce(RawFd) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let fd = self.fd();
        let asked = &mut self.asked;
        match asked.poll(cx, false, || fd.desc().shared.give_way()) {
            Poll::Ready(permit) => {
                permit.made_progress();
                Poll::Ready(last(fd.raw()))
            }
            Poll::Pending => {
                self.go_back();
                Poll::Pending
            }
        }
    }

    /// To its beginning: whoever was refused keeps nobody from their turn.
    #[cold]
    fn go_back(&mut self) {
        if self.stage != Stage::Ended {
            self.end();
            self.stage = Stage::Begin;
        }
    }

    #[cold]
    fn wait_for_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stage == Stage::Ended {
            return Poll::Ready(Err(io::Error::other("polled after its end")));
        }
        self.stage = Stage::Queued;
        let (fd, direction, location) = (self.fd(), O::DIRECTION, self.operation().location);
        let queue = self.attempt.aside.get_or_insert_with(|| {
            let queue = fd.queue(direction, location);
            // From there on it is `Ongoing::end` that leaves.
            Box::pin(async move { queue.await.map(mem::forget) })
        });
        let outcome = ready!(queue.as_mut().poll(cx));
        *self.attempt.aside = None;
        outcome?;
        self.stage = Stage::Turn;
        Poll::Ready(Ok(()))
    }

    /// What was done was a part; the turn stays.
    #[inline]
    pub(super) fn begin_anew(&mut self) {
        self.asked = budget::Asked::default();
        self.attempt.begin_anew();
    }

    /// Leaves, being done: nothing of it waits any more.
    #[inline]
    pub(super) fn end(&mut self) {
        let stage = mem::replace(&mut self.stage, Stage::Ended);
        if stage == Stage::Turn {
            drop(Turn {
                fd: self.fd(),
                direction: O::DIRECTION,
            });
        }
    }

    /// Leaves before it is done. The wait goes before the turn does.
    #[cold]
    #[inline(never)]
    fn give_up(&mut self) {
        let stage = mem::replace(&mut self.stage, Stage::Ended);
        let _turn = (stage == Stage::Turn).then(|| Turn {
            fd: self.fd(),
            direction: O::DIRECTION,
        });
        self.attempt.give_up();
    }
}

impl<O: Op> Drop for Ongoing<'_, O> {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Turn | Stage::Queued) {
            self.give_up();
        }
    }
}

/// Ends an operation that panics: nobody is left waiting for its turn, however long its future is
/// kept.
struct EndOnPanic<'p, 'a, O: Op>(&'p mut Ongoing<'a, O>);

impl<O: Op> Drop for EndOnPanic<'_, '_, O> {
    #[cold]
    fn drop(&mut self) {
        self.0.give_up();
    }
}

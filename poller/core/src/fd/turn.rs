//! The turn of an operation in its direction of a descriptor: the lock, the queue for it, and the
//! futures that have both.

use std::future::Future;
use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::attempt::{Attempt, Target};
use super::descriptor::Fd;
use super::mutex::{Leave, Lock};
use super::operation::{Moved, Operation};
use crate::budget::{self, Before, Permit};
use crate::observe::{Counter, Direction, Local};
use crate::sync::Panics;

/// Holds the lock of one direction and a reference.
pub(super) struct Turn<'a> {
    pub(super) fd: &'a Fd,
    pub(super) direction: Direction,
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        match self.fd.mutex.try_unlock(self.direction) {
            Some(Leave::Nothing) => {}
            Some(Leave::Destroy) => self.fd.destroy(),
            None => self.leave_and_call(),
        }
    }
}

impl Turn<'_> {
    #[cold]
    fn leave_and_call(&self) {
        let mut panics = Panics::default();
        let leave = self.fd.mutex.unlock_and_call(self.direction, &mut panics);
        if leave == Leave::Destroy {
            panics.catch(|| self.fd.destroy());
        }
        panics.resume();
    }
}

impl Fd {
    #[inline]
    pub(super) fn local(&self) -> Local<'_> {
        self.desc().shared.recorder.local()
    }

    #[inline]
    pub(super) fn count(&self, counter: Counter) {
        self.local().count(counter);
    }

    /// Waits for this operation's turn in its direction.
    pub(super) async fn turn(&self, direction: Direction) -> io::Result<Turn<'_>> {
        match self.try_turn(direction) {
            Some(turn) => turn,
            None => self.queue(direction).await,
        }
    }

    /// [`Fd::turn`] if there is nothing to wait for. `None` if there is, and then [`Fd::queue`] is
    /// to be called.
    ///
    /// Apart, because the body of an `async fn` is never inlined, and nearly every operation finds
    /// the lock free.
    #[inline]
    pub(super) fn try_turn(&self, direction: Direction) -> Option<io::Result<Turn<'_>>> {
        match self.mutex.try_lock(direction) {
            Ok(true) => Some(Ok(self.begin_turn(direction))),
            Ok(false) => None,
            Err(denied) => Some(Err(denied.into())),
        }
    }

    /// Waits for whoever has the lock of `direction`.
    pub(super) fn queue(&self, direction: Direction) -> Queue<'_> {
        self.count(match direction {
            Direction::Read => Counter::FdLockWaitsRead,
            Direction::Write => Counter::FdLockWaitsWrite,
        });
        Queue {
            fd: self,
            direction,
            lock: self.mutex.lock(direction),
        }
    }

    /// The caller has the lock of `direction`.
    #[inline]
    fn begin_turn(&self, direction: Direction) -> Turn<'_> {
        // A poll function that returned pending has lost its place to this operation, which may
        // leave bytes behind.
        if self.polled[direction.index()].load(Ordering::Relaxed) {
            self.polled[direction.index()].store(false, Ordering::Relaxed);
        }
        Turn {
            fd: self,
            direction,
        }
    }

    /// Runs `call` until it says something else than EAGAIN.
    #[inline]
    pub(super) fn run<R: Moved, C: FnMut(RawFd) -> io::Result<R>>(
        &self,
        operation: Operation,
        call: C,
    ) -> Run<'_, C> {
        Run {
            ongoing: Ongoing::new(self, operation),
            call,
        }
    }

    /// [`Fd::run`] again and again, in one turn, until `call` has done the last part. Counts
    /// nothing but the calls.
    #[inline]
    pub(super) fn run_all<C: FnMut(RawFd) -> io::Result<Part>>(
        &self,
        operation: Operation,
        call: C,
    ) -> RunAll<'_, C> {
        RunAll {
            ongoing: Ongoing::new(self, operation),
            call,
        }
    }

    #[inline]
    pub(super) fn target(&self) -> Target<'_> {
        Target {
            raw: self.raw(),
            desc: self.desc(),
            runtime_link: &self.runtime_link,
            drained: Some(&self.drained),
        }
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
        let told = match before {
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
    pub(super) fn poll_run<R: Moved>(
        &self,
        operation: Operation,
        cx: &mut Context<'_>,
        mut call: impl FnMut(RawFd) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let permit = ready!(self.poll_permit(operation.direction, cx));
        let result = match self.mutex.try_lock_first(operation.direction) {
            Ok(true) => {
                let turn = Turn {
                    fd: self,
                    direction: operation.direction,
                };
                let polled = &self.polled[operation.direction.index()];
                let resumed = polled.load(Ordering::Relaxed);
                let outcome = self.target().poll_left(&operation, resumed, cx, &mut call);
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
        operation.count(self.local(), result.as_ref());
        Poll::Ready(result)
    }
}

impl Turn<'_> {
    /// Lets `pause` go by, unless a deadline or close comes first.
    pub(super) async fn pause(&self, operation: Operation, pause: Duration) -> io::Result<()> {
        self.fd.target().pause(operation, pause).await
    }
}

/// The future of [`Fd::queue`].
pub(super) struct Queue<'a> {
    fd: &'a Fd,
    direction: Direction,
    lock: Lock<'a>,
}

impl<'a> Future for Queue<'a> {
    type Output = io::Result<Turn<'a>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(Pin::new(&mut self.lock).poll(cx))?;
        let turn = self.fd.begin_turn(self.direction);
        // Which may panic; the lock is left then.
        drop(self.lock.spent());
        Poll::Ready(Ok(turn))
    }
}

/// The future of [`Fd::run`].
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Run<'a, C> {
    ongoing: Ongoing<'a>,
    call: C,
}

// Nothing in it is pinned: the call is only ever borrowed.
impl<C> Unpin for Run<'_, C> {}

impl<R: Moved, C: FnMut(RawFd) -> io::Result<R>> Future for Run<'_, C> {
    type Output = io::Result<R>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Run { ongoing, call } = self.get_mut();
        let (permit, result) = ready!(ongoing.poll(cx, call));
        ongoing.end();
        permit.made_progress();
        if !ongoing.operation.peeks {
            ongoing.operation.count(ongoing.fd.local(), result.as_ref());
        }
        Poll::Ready(result)
    }
}

/// What a call has done of an operation that takes several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// There is more to do.
    Rest,
    Last,
}

/// The future of [`Fd::run_all`].
#[must_use = "futures do nothing unless awaited"]
pub(super) struct RunAll<'a, C> {
    ongoing: Ongoing<'a>,
    call: C,
}

// As in `Run`.
impl<C> Unpin for RunAll<'_, C> {}

impl<C: FnMut(RawFd) -> io::Result<Part>> Future for RunAll<'_, C> {
    type Output = io::Result<()>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let RunAll { ongoing, call } = self.get_mut();
        loop {
            let (permit, result) = ready!(ongoing.poll(cx, call));
            // Each call counts: a peer that is quick keeps the task from its executor as well.
            permit.made_progress();
            if let Ok(Part::Rest) = result {
                ongoing.begin_anew();
                continue;
            }
            ongoing.end();
            return Poll::Ready(result.map(drop));
        }
    }
}

/// An operation from its beginning to its end.
///
/// Its parts are written out, and not in `async` blocks or an enum with data: this is what a parked
/// connection holds, and what each operation makes and throws away, most of them without any wait.
struct Ongoing<'a> {
    fd: &'a Fd,
    operation: Operation,
    attempt: Attempt<'a>,
    queue: Option<Box<Queue<'a>>>,
    asked: budget::Asked,
    stage: Stage,
}

/// Where an operation stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Begin,
    /// Others are at it.
    Queued,
    /// It has its turn.
    Turn,
    Ended,
}

impl<'a> Ongoing<'a> {
    #[inline]
    fn new(fd: &'a Fd, operation: Operation) -> Self {
        Self {
            fd,
            operation,
            attempt: Attempt::new(fd.desc(), &operation),
            queue: None,
            asked: budget::Asked::default(),
            stage: Stage::Begin,
        }
    }

    #[inline]
    fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        call: &mut impl FnMut(RawFd) -> io::Result<R>,
    ) -> Poll<(Permit, io::Result<R>)> {
        let fd = self.fd;
        let guard = EndOnPanic(self);
        let asked = guard.0.asked.poll(cx, || fd.desc().shared.give_way());
        let outcome = match asked {
            Poll::Ready(permit) => guard.0.poll_turn(cx, call).map(|result| (permit, result)),
            Poll::Pending => Poll::Pending,
        };
        mem::forget(guard);
        outcome
    }

    #[inline]
    fn poll_turn<R>(
        &mut self,
        cx: &mut Context<'_>,
        call: &mut impl FnMut(RawFd) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        if self.stage != Stage::Turn {
            if self.stage == Stage::Begin
                && let Some(turn) = self.fd.try_turn(self.operation.direction)
            {
                self.begin_turn(turn?);
            } else {
                ready!(self.wait_for_turn(cx))?;
            }
        }
        if self.operation.idle {
            return Poll::Ready(call(self.fd.raw()));
        }
        self.attempt
            .poll(self.fd.target(), &self.operation, cx, call)
    }

    /// From here on it is [`Ongoing::end`] that leaves.
    #[inline]
    fn begin_turn(&mut self, turn: Turn<'a>) {
        mem::forget(turn);
        self.stage = Stage::Turn;
    }

    #[cold]
    fn wait_for_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stage == Stage::Ended {
            return Poll::Ready(Err(io::Error::other("polled after its end")));
        }
        self.stage = Stage::Queued;
        let queue = self
            .queue
            .get_or_insert_with(|| Box::new(self.fd.queue(self.operation.direction)));
        let turn = ready!(Pin::new(&mut **queue).poll(cx))?;
        self.begin_turn(turn);
        self.queue = None;
        Poll::Ready(Ok(()))
    }

    /// What was done was a part; the turn stays.
    #[inline]
    fn begin_anew(&mut self) {
        self.asked = budget::Asked::default();
        self.attempt.begin_anew();
    }

    /// Leaves. The wait goes before the turn does.
    #[inline]
    fn end(&mut self) {
        let stage = mem::replace(&mut self.stage, Stage::Ended);
        if stage == Stage::Turn {
            let turn = Turn {
                fd: self.fd,
                direction: self.operation.direction,
            };
            self.attempt.end();
            drop(turn);
        }
    }
}

impl Drop for Ongoing<'_> {
    #[inline]
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends an operation that panics: nobody is left waiting for its turn, however long its future is
/// kept.
struct EndOnPanic<'p, 'a>(&'p mut Ongoing<'a>);

impl Drop for EndOnPanic<'_, '_> {
    #[cold]
    fn drop(&mut self) {
        self.0.end();
        self.0.queue = None;
    }
}

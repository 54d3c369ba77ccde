//! One operation: take the lock, try, wait when the kernel says EAGAIN, try again (semantics 12).

use std::io;
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::descriptor::Fd;
use super::mutex::Leave;
use crate::error::Error;
use crate::observe::{Counter, Direction, Local, OpKind, OpResult};
use crate::poller::Desc;
use crate::sys;

/// What an operation is, apart from the call itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) direction: Direction,
    pub(super) kind: OpKind,
    /// The call that waits, for tables.
    pub(super) location: &'static Location<'static>,
    /// It may begin with waiting if the last read was short.
    pub(super) elide: bool,
}

/// Holds the lock of one direction and a reference.
pub(super) struct Turn<'a> {
    pub(super) fd: &'a Fd,
    pub(super) direction: Direction,
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.fd.mutex.unlock(self.direction) == Leave::Destroy {
            self.fd.destroy();
        }
    }
}

/// How an operation begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// With a try; the reset is done.
    Try,
    /// With a try, and the reset only if that says EAGAIN. Most writes find room, and each edge of the other direction
    /// brings write readiness along (semantics 27): to take it down every time would be work for nothing.
    TryThenReset,
    /// With waiting.
    Wait,
}

/// What to do after a try.
enum Next<R> {
    Done(io::Result<R>),
    Wait,
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

    /// [`Fd::turn`] if there is nothing to wait for. `None` if there is, and then [`Fd::queue`] is to be called.
    ///
    /// Apart, because the body of an `async fn` is never inlined, and nearly every operation finds the lock free.
    #[inline]
    pub(super) fn try_turn(&self, direction: Direction) -> Option<io::Result<Turn<'_>>> {
        match self.mutex.try_lock(direction) {
            Ok(true) => Some(Ok(self.begin_turn(direction))),
            Ok(false) => None,
            Err(denied) => Some(Err(denied.into())),
        }
    }

    /// Waits for whoever has the lock of `direction`.
    pub(super) async fn queue(&self, direction: Direction) -> io::Result<Turn<'_>> {
        self.count(match direction {
            Direction::Read => Counter::FdLockWaitsRead,
            Direction::Write => Counter::FdLockWaitsWrite,
        });
        self.mutex.lock(direction).await?;
        Ok(self.begin_turn(direction))
    }

    /// The caller has the lock of `direction`.
    #[inline]
    fn begin_turn(&self, direction: Direction) -> Turn<'_> {
        // A poll function that returned pending has lost its place to this operation, which may leave bytes behind.
        if self.polled[direction.index()].load(Ordering::Relaxed) {
            self.polled[direction.index()].store(false, Ordering::Relaxed);
        }
        Turn {
            fd: self,
            direction,
        }
    }

    /// Runs `call` until it says something else than EAGAIN.
    pub(super) async fn run<R>(
        &self,
        operation: Operation,
        mut call: impl FnMut(i32) -> io::Result<R>,
    ) -> io::Result<R> {
        let turn = match self.try_turn(operation.direction) {
            Some(turn) => turn,
            None => self.queue(operation.direction).await,
        }
        .map_err(|error| self.failed(operation.kind, error))?;
        let result = turn.attempt(operation, &mut call).await;
        drop(turn);
        match &result {
            Ok(_) => self.count(operation.kind.op(OpResult::Ok)),
            Err(_) => return result.map_err(|error| self.failed(operation.kind, error)),
        }
        result
    }

    /// Counts the end of an operation that failed.
    #[cold]
    pub(super) fn failed(&self, kind: OpKind, error: io::Error) -> io::Error {
        self.count(kind.op(match Error::of(&error) {
            Some(Error::DeadlineExceeded) => OpResult::Timeout,
            Some(Error::Closed) => OpResult::Closed,
            _ => OpResult::Error,
        }));
        error
    }

    /// What comes before the first try.
    #[inline]
    fn prepare(&self, desc: &Desc, operation: &Operation) -> Result<Start, Error> {
        if operation.direction == Direction::Write {
            desc.check(Direction::Write)?;
            return Ok(Start::TryThenReset);
        }
        let had_edge = desc.reset(operation.direction)?;
        if operation.elide && !had_edge && self.drained_for_sure(desc) {
            self.count(Counter::ElidedReads);
            return Ok(Start::Wait);
        }
        // This operation may use an edge up, the one just taken down or one it waits for, and leave the bytes where they
        // are: `readable` does. So the next read must try; a short read of this operation says otherwise again.
        self.drained.store(false, Ordering::Relaxed);
        Ok(Start::Try)
    }

    /// The last read was short and nothing was behind its end; an edge will tell of what comes later.
    #[inline]
    pub(super) fn drained_for_sure(&self, desc: &Desc) -> bool {
        self.drained.load(Ordering::Relaxed) && desc.last_events() & sys::REFUSES_WAIT == 0
    }

    #[inline]
    fn try_once<R>(
        &self,
        kind: OpKind,
        woken_for: Option<Direction>,
        call: &mut impl FnMut(i32) -> io::Result<R>,
    ) -> Next<R> {
        loop {
            let result = call(self.raw());
            let local = self.local();
            return match result {
                Ok(value) => {
                    local.count(kind.sys_ok());
                    Next::Done(Ok(value))
                }
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => {
                        local.count(kind.sys_eagain());
                        if let Some(direction) = woken_for {
                            local.count(match direction {
                                Direction::Read => Counter::SpuriousRead,
                                Direction::Write => Counter::SpuriousWrite,
                            });
                        }
                        Next::Wait
                    }
                    Some(libc::EINTR) => {
                        local.count(kind.sys_eintr());
                        continue;
                    }
                    // The peer was gone before it was accepted: its business, not the listener's (semantics 55).
                    Some(libc::ECONNABORTED) if kind == OpKind::Accept => {
                        local.count(kind.sys_eintr());
                        continue;
                    }
                    _ => {
                        local.count(kind.sys_error());
                        Next::Done(Err(error))
                    }
                },
            };
        }
    }

    /// One poll of an operation, for traits whose contract is a poll function. It does not keep the lock when it returns
    /// pending; such functions take `&mut self`, so that nobody else is at it. `resumable` operations that were left pending
    /// go on with waiting, where others begin anew.
    pub(super) fn poll_run<R>(
        &self,
        operation: Operation,
        cx: &mut Context<'_>,
        mut call: impl FnMut(i32) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        match self.mutex.try_lock_first(operation.direction) {
            Ok(true) => {}
            Ok(false) => {
                // Somebody shares the descriptor after all, and is about to leave, or waits; either way this is not the
                // place to queue.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Err(denied) => return Poll::Ready(Err(self.failed(operation.kind, denied.into()))),
        }
        let turn = Turn {
            fd: self,
            direction: operation.direction,
        };
        let polled = &self.polled[operation.direction.index()];
        let outcome = turn.poll_attempt(operation, polled.load(Ordering::Relaxed), cx, &mut call);
        polled.store(outcome.is_pending(), Ordering::Relaxed);
        drop(turn);
        match outcome {
            Poll::Ready(Ok(value)) => {
                self.count(operation.kind.op(OpResult::Ok));
                Poll::Ready(Ok(value))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(operation.kind, error))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Turn<'_> {
    /// Tries and waits until it is done.
    pub(super) async fn attempt<R>(
        &self,
        operation: Operation,
        call: &mut impl FnMut(i32) -> io::Result<R>,
    ) -> io::Result<R> {
        let fd = self.fd;
        let desc = fd.desc();
        let mut start = fd.prepare(desc, &operation)?;
        let mut woken = None;
        loop {
            if start != Start::Wait {
                match fd.try_once(operation.kind, woken, call) {
                    Next::Done(result) => return result,
                    Next::Wait if start == Start::TryThenReset => {
                        start = Start::Try;
                        if desc.reset(operation.direction)? {
                            // The edge taken down may have come after the try, so it does not count (semantics 12).
                            continue;
                        }
                    }
                    Next::Wait => {}
                }
            }
            start = Start::Try;
            fd.attend(desc)?;
            desc.wait_at(operation.direction, operation.location)
                .await?;
            woken = Some(operation.direction);
        }
    }

    fn poll_attempt<R>(
        &self,
        operation: Operation,
        mut resumed: bool,
        cx: &mut Context<'_>,
        call: &mut impl FnMut(i32) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let fd = self.fd;
        let desc = fd.desc();
        let mut start = if resumed {
            Start::Wait
        } else {
            fd.prepare(desc, &operation)?
        };
        let mut woken = None;
        loop {
            if start != Start::Wait {
                match fd.try_once(operation.kind, woken, call) {
                    Next::Done(result) => return Poll::Ready(result),
                    Next::Wait if start == Start::TryThenReset => {
                        start = Start::Try;
                        if desc.reset(operation.direction)? {
                            continue;
                        }
                    }
                    Next::Wait => {}
                }
            }
            start = Start::Try;
            fd.attend(desc)?;
            match desc.poll_wait(operation.direction, operation.location, resumed, cx) {
                Poll::Ready(Ok(())) => {
                    woken = Some(operation.direction);
                    // The wait that was left behind is over. Another one, after a spurious wake, has not parked before.
                    resumed = false;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::desc::Kind;
    use crate::fd::Options;
    use crate::poller::Poller;

    /// Runs an operation whose calls answer with `errnos`, one after the other, and then with success.
    fn run(kind: OpKind, errnos: &[i32]) -> (io::Result<usize>, usize) {
        let poller = Poller::builder().build().unwrap();
        let (reader, _writer) = sys::io::pipe().unwrap();
        let options = Options::new(Kind::Pipe);
        let fd = Fd::new(&poller, reader, options, Location::caller()).unwrap();
        let operation = Operation {
            direction: Direction::Read,
            kind,
            location: Location::caller(),
            elide: false,
        };
        let mut calls = 0;
        let result = futures_lite::future::block_on(fd.run(operation, |_| {
            calls += 1;
            match errnos.get(calls - 1) {
                Some(errno) => Err(io::Error::from_raw_os_error(*errno)),
                None => Ok(calls),
            }
        }));
        (result, calls)
    }

    #[test]
    fn semantics_55_accept_goes_on_after_a_signal_and_after_a_peer_that_has_left() {
        let errnos = [libc::ECONNABORTED, libc::EINTR, libc::ECONNABORTED];
        assert_eq!(run(OpKind::Accept, &errnos).0.unwrap(), 4);
        let (result, calls) = run(OpKind::Accept, &[libc::EMFILE]);
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EMFILE));
        assert_eq!(calls, 1);
    }

    #[test]
    fn a_read_goes_on_after_a_signal_and_reports_the_rest() {
        assert_eq!(run(OpKind::Read, &[libc::EINTR]).0.unwrap(), 2);
        let (result, _) = run(OpKind::Read, &[libc::ECONNABORTED]);
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ECONNABORTED));
    }

    /// A wake that was for nothing, and an edge that comes before the operation waits again: it was woken once.
    #[cfg(not(netpoller_bare))]
    #[test]
    fn a_poll_function_that_need_not_park_again_after_a_spurious_wake_records_one_wake() {
        use std::os::fd::AsRawFd;
        use std::task::Waker;
        use std::time::Duration;

        use crate::observe::Histogram;
        use crate::poller::ReadyList;

        let poller = Poller::builder().build().unwrap();
        let (reader, writer) = sys::io::pipe().unwrap();
        let options = Options::new(Kind::Pipe);
        let fd = Fd::new(&poller, reader, options, Location::caller()).unwrap();
        let operation = Operation {
            direction: Direction::Read,
            kind: OpKind::Read,
            location: Location::caller(),
            elide: false,
        };
        let edge = || {
            sys::io::write(writer.as_raw_fd(), b"x").unwrap();
            let mut ready = ReadyList::default();
            poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
            ready.wake_all();
        };
        let again = || io::Result::<usize>::Err(io::Error::from_raw_os_error(libc::EAGAIN));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(fd.poll_run(operation, cx, |_| again()).is_pending());
        edge();
        let mut calls = 0;
        let outcome = fd.poll_run(operation, cx, |_| {
            calls += 1;
            if calls == 1 {
                edge();
                return again();
            }
            Ok(calls)
        });
        assert!(matches!(outcome, Poll::Ready(Ok(2))), "{outcome:?}");
        let totals = poller.shared.recorder.totals();
        let of = |histogram: Histogram| totals.histograms[histogram.index()].count();
        assert_eq!(of(Histogram::WakeLatencyRead), 1);
        assert_eq!(of(Histogram::TimeParkedReadIo), 1);
    }
}

//! One operation: take the lock, try, wait when the kernel says EAGAIN, try again (semantics 12).

use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::os::fd::{OwnedFd, RawFd};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::descriptor::Fd;
use super::mutex::{Leave, Lock};
use crate::budget;
use crate::driver::RuntimeLink;
use crate::error::Error;
use crate::observe::{Counter, Direction, Local, OpKind, OpResult};
use crate::poller::{Desc, Wait};
use crate::sync::Panics;
use crate::sys;

/// First pause of a sender whose peer's queue is full, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(16);

/// What an operation is, apart from the call itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) direction: Direction,
    pub(crate) kind: OpKind,
    /// The call that waits, for tables.
    pub(crate) location: &'static Location<'static>,
    /// It may begin with waiting if the last read was short.
    pub(crate) elide: bool,
    /// How many bytes a read of a stream has room for: if it has, none is the end.
    pub(crate) room: usize,
    /// It writes to a queue that is not the descriptor's own, and of which no event tells.
    pub(crate) elsewhere: bool,
    /// It has no bytes to move: it is done as soon as it has its turn, whatever the deadline says (semantics 37).
    pub(crate) idle: bool,
    /// It only waits until it could go on, and counts for none.
    pub(crate) peeks: bool,
}

impl Operation {
    pub(crate) fn new(kind: OpKind, location: &'static Location<'static>) -> Self {
        Self {
            direction: match kind {
                OpKind::Read | OpKind::Accept => Direction::Read,
                OpKind::Write | OpKind::Connect => Direction::Write,
            },
            kind,
            location,
            elide: false,
            room: 0,
            elsewhere: false,
            idle: false,
            peeks: false,
        }
    }

    /// Counts how it has ended, and the bytes that it has moved.
    #[inline]
    pub(crate) fn count<R: Moved>(&self, local: Local<'_>, result: Result<&R, &io::Error>) {
        let end = match result {
            Ok(moved) => {
                let bytes = moved.bytes();
                if let Some(bytes) = bytes {
                    self.count_bytes(local, bytes);
                }
                if bytes == Some(0) && self.room > 0 {
                    OpResult::Eof
                } else {
                    OpResult::Ok
                }
            }
            Err(error) => failure(error),
        };
        local.count(self.kind.op(end));
    }

    #[inline]
    pub(super) fn count_bytes(&self, local: Local<'_>, bytes: usize) {
        let counter = match self.direction {
            Direction::Read => Counter::BytesRead,
            Direction::Write => Counter::BytesWritten,
        };
        local.add(counter, bytes as u64);
    }
}

/// How an operation has failed.
#[cold]
pub(super) fn failure(error: &io::Error) -> OpResult {
    match Error::of(error) {
        Some(Error::DeadlineExceeded) => OpResult::Timeout,
        Some(Error::Closed) => OpResult::Closed,
        _ => OpResult::Error,
    }
}

/// What calls return.
pub(crate) trait Moved {
    /// The bytes that were moved, if that is what it tells.
    fn bytes(&self) -> Option<usize> {
        None
    }
}

impl Moved for usize {
    fn bytes(&self) -> Option<usize> {
        Some(*self)
    }
}

impl Moved for (usize, socket2::SockAddr) {
    fn bytes(&self) -> Option<usize> {
        Some(self.0)
    }
}

impl Moved for sys::io::Received {
    fn bytes(&self) -> Option<usize> {
        Some(self.bytes)
    }
}

impl Moved for () {}

impl Moved for (OwnedFd, socket2::SockAddr) {}

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

/// How far an operation is, between two polls.
#[derive(Default)]
struct Progress {
    /// `None` before it has begun.
    start: Option<Start>,
    /// It has waited.
    woken: bool,
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
    #[inline]
    pub(super) fn run<R: Moved, C: FnMut(RawFd) -> io::Result<R>>(
        &self,
        operation: Operation,
        call: C,
    ) -> Run<'_, C> {
        Run {
            fd: self,
            operation,
            call,
            asked: budget::Asked::default(),
            phase: Phase::Begin,
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
        let permit = budget::poll_proceed(cx, !before);
        if permit.is_pending() {
            self.desc().shared.give_way();
        }
        if permit.is_pending() != before {
            refused.store(permit.is_pending(), Ordering::Relaxed);
        }
        permit
    }

    /// One poll of an operation, for traits whose contract is a poll function. It does not keep the lock when it returns
    /// pending; such functions take `&mut self`, so that nobody else is at it. `resumable` operations that were left pending
    /// go on with waiting, where others begin anew.
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
                // Somebody shares the descriptor after all, and is about to leave, or waits; either way this is not the
                // place to queue.
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
///
/// Written by hand: this is what a parked connection holds, and what the compiler makes of the same in `async` blocks is twice
/// as large.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Run<'a, C> {
    fd: &'a Fd,
    operation: Operation,
    call: C,
    asked: budget::Asked,
    phase: Phase<'a>,
}

/// Where an operation stands.
enum Phase<'a> {
    Begin,
    /// Others are at it.
    Queued(Queue<'a>),
    /// It is its turn. The wait inside goes before the turn does.
    Turn(Attempt<'a>, Turn<'a>),
    Ended,
}

/// Ends the phase when it is dropped: nobody is left waiting for the turn of an operation that has panicked, however long its
/// future is kept.
struct Ending<'p, 'a>(&'p mut Phase<'a>);

impl Drop for Ending<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        drop(mem::replace(self.0, Phase::Ended));
    }
}

// Nothing in it is pinned: the call is only ever borrowed.
impl<C> Unpin for Run<'_, C> {}

impl<R: Moved, C: FnMut(RawFd) -> io::Result<R>> Future for Run<'_, C> {
    type Output = io::Result<R>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (fd, operation) = (this.fd, &this.operation);
        let permit = ready!(this.asked.poll(cx, || fd.desc().shared.give_way()));
        let ending = Ending(&mut this.phase);
        let Poll::Ready(result) = ending.0.poll(fd, operation, cx, &mut this.call) else {
            mem::forget(ending);
            return Poll::Pending;
        };
        drop(ending);
        permit.made_progress();
        if !operation.peeks {
            operation.count(fd.local(), result.as_ref());
        }
        Poll::Ready(result)
    }
}

impl<'a> Phase<'a> {
    #[inline]
    fn poll<R>(
        &mut self,
        fd: &'a Fd,
        operation: &Operation,
        cx: &mut Context<'_>,
        call: &mut impl FnMut(RawFd) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            let turn = match self {
                Self::Begin => match fd.try_turn(operation.direction) {
                    Some(turn) => turn?,
                    None => {
                        *self = Self::Queued(fd.queue(operation.direction));
                        continue;
                    }
                },
                Self::Queued(queue) => ready!(Pin::new(queue).poll(cx))?,
                Self::Turn(..) if operation.idle => return Poll::Ready(call(fd.raw())),
                Self::Turn(attempt, turn) => {
                    return attempt.poll(turn.fd.target(), operation, cx, call);
                }
                Self::Ended => return Poll::Ready(Err(io::Error::other("polled after its end"))),
            };
            *self = Self::Turn(Attempt::default(), turn);
        }
    }
}

/// An operation whose turn it is.
#[derive(Default)]
pub(crate) struct Attempt<'a> {
    progress: Progress,
    wait: Option<Wait<'a>>,
    pause: Option<Box<Pause<'a>>>,
}

/// What an operation does that no event will call.
struct Pause<'a> {
    length: Duration,
    /// `None` between two pauses.
    rest: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync + 'a>>>,
}

impl<'a> Attempt<'a> {
    /// Tries and waits until it is done. The caller sees to it that nobody else does, in this direction, and gives the same
    /// target and operation each time.
    #[inline]
    pub(crate) fn poll<R>(
        &mut self,
        target: Target<'a>,
        operation: &Operation,
        cx: &mut Context<'_>,
        call: &mut impl FnMut(RawFd) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            if self.pause.is_some() {
                ready!(self.poll_pause(cx))?;
            }
            let wait = &mut self.wait;
            let tried = target.poll(operation, &mut self.progress, cx, call, |cx| {
                let waiting = wait.get_or_insert_with(|| {
                    target.desc.wait_at(operation.direction, operation.location)
                });
                let result = ready!(Pin::new(waiting).poll(cx));
                *wait = None;
                Poll::Ready(result)
            });
            if let Some(done) = ready!(tried)? {
                return Poll::Ready(Ok(done));
            }
            self.begin_pause(target, *operation);
        }
    }

    #[cold]
    fn begin_pause(&mut self, target: Target<'a>, operation: Operation) {
        let length = match &self.pause {
            Some(last) => (last.length * 2).min(LONGEST_PAUSE),
            None => FIRST_PAUSE,
        };
        let rest = Box::pin(target.pause(operation, length));
        self.pause = Some(Box::new(Pause {
            length,
            rest: Some(rest),
        }));
        self.progress.start = Some(Start::Try);
    }

    #[cold]
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(Pause { rest, .. }) = self.pause.as_deref_mut() else {
            return Poll::Ready(Ok(()));
        };
        if let Some(resting) = rest {
            ready!(resting.as_mut().poll(cx))?;
            *rest = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// What an operation waits for, and what is known of it.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) raw: RawFd,
    pub(crate) desc: &'a Desc,
    pub(crate) runtime_link: &'a RuntimeLink,
    /// Whether the last read was short; `None` where nobody knows what the calls do.
    pub(crate) drained: Option<&'a AtomicBool>,
}

impl<'a> Target<'a> {
    #[inline]
    fn local(&self) -> Local<'_> {
        self.desc.shared.recorder.local()
    }

    /// [`Attempt::poll`] for a poll function: its wait stays behind when it returns pending. `resumed` if it comes back to one.
    fn poll_left<R>(
        &self,
        operation: &Operation,
        mut resumed: bool,
        cx: &mut Context<'_>,
        call: &mut impl FnMut(RawFd) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let mut progress = Progress {
            start: resumed.then_some(Start::Wait),
            woken: false,
        };
        loop {
            let tried = self.poll(operation, &mut progress, cx, call, |cx| {
                let (direction, location) = (operation.direction, operation.location);
                let result = ready!(self.desc.poll_wait(direction, location, resumed, cx));
                // The wait that was left behind is over. Another one, after a spurious wake, has not parked before.
                resumed = false;
                Poll::Ready(result)
            });
            if let Some(done) = ready!(tried)? {
                return Poll::Ready(Ok(done));
            }
            // Only a datagram has to pause, and no poll function sends one; the wait will do.
            progress.start = Some(Start::Wait);
        }
    }

    /// Goes on until it is done, or has to wait; `None` if no event will tell when to try again.
    #[inline]
    fn poll<R>(
        &self,
        operation: &Operation,
        progress: &mut Progress,
        cx: &mut Context<'_>,
        call: &mut impl FnMut(RawFd) -> io::Result<R>,
        mut poll_wait: impl FnMut(&mut Context<'_>) -> Poll<Result<(), Error>>,
    ) -> Poll<io::Result<Option<R>>> {
        let mut start = match progress.start {
            Some(start) => start,
            None => self.prepare(operation)?,
        };
        loop {
            if start != Start::Wait {
                let woken_for = progress.woken.then_some(operation.direction);
                match self.try_once(operation.kind, woken_for, call) {
                    Next::Done(result) => return Poll::Ready(result.map(Some)),
                    Next::Wait if start == Start::TryThenReset => {
                        start = Start::Try;
                        if self.desc.reset(operation.direction)? {
                            // The edge taken down may have come after the try, so it does not count (semantics 12).
                            continue;
                        }
                    }
                    Next::Wait if progress.woken && operation.elsewhere && self.has_room()? => {
                        return Poll::Ready(Ok(None));
                    }
                    Next::Wait => {}
                }
            }
            start = Start::Try;
            progress.start = Some(Start::Wait);
            self.runtime_link.ensure_polled(&self.desc.shared)?;
            ready!(poll_wait(cx))?;
            progress.woken = true;
        }
    }

    /// What comes before the first try.
    #[inline]
    fn prepare(&self, operation: &Operation) -> Result<Start, Error> {
        let desc = self.desc;
        if operation.direction == Direction::Write {
            desc.check(Direction::Write)?;
            return Ok(Start::TryThenReset);
        }
        let had_edge = desc.reset(operation.direction)?;
        if let Some(drained) = self.drained {
            if operation.elide && !had_edge && drained_for_sure(drained, desc) {
                self.local().count(Counter::ElidedReads);
                return Ok(Start::Wait);
            }
            // This operation may use an edge up, the one just taken down or one it waits for, and leave the bytes where they
            // are: `readable` does. So the next read must try; a short read of this operation says otherwise again.
            drained.store(false, Ordering::Relaxed);
        }
        Ok(Start::Try)
    }

    #[inline]
    fn try_once<R>(
        &self,
        kind: OpKind,
        woken_for: Option<Direction>,
        call: &mut impl FnMut(RawFd) -> io::Result<R>,
    ) -> Next<R> {
        loop {
            let result = call(self.raw);
            let local = self.local();
            return match result {
                Ok(value) => {
                    local.count(kind.sys_ok());
                    Next::Done(Ok(value))
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        local.count(kind.sys_eagain());
                        if let Some(direction) = woken_for {
                            local.count(match direction {
                                Direction::Read => Counter::SpuriousRead,
                                Direction::Write => Counter::SpuriousWrite,
                            });
                        }
                        Next::Wait
                    }
                    io::ErrorKind::Interrupted => {
                        local.count(kind.sys_eintr());
                        continue;
                    }
                    // The peer was gone before it was accepted: its business, not the listener's (semantics 55).
                    io::ErrorKind::ConnectionAborted if kind == OpKind::Accept => {
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

    /// Whether the descriptor's own buffer has room. A Unix datagram that finds the queue of its receiver full says EAGAIN all the
    /// same, and gives its buffer back, which is an edge: to wait for that and to try again is to spin (golang/go#17249).
    #[cold]
    fn has_room(&self) -> io::Result<bool> {
        Ok(sys::io::poll_now(self.raw, libc::POLLOUT)? & libc::POLLOUT != 0)
    }

    /// Lets `pause` go by, unless a deadline or close comes first.
    #[cold]
    async fn pause(self, operation: Operation, pause: Duration) -> io::Result<()> {
        let (desc, direction) = (self.desc, operation.direction);
        self.runtime_link.ensure_polled(&desc.shared)?;
        let poller = desc.poller();
        let until = Instant::now().checked_add(pause);
        let attend = || drop(self.runtime_link.ensure_polled(&desc.shared));
        let mut sleep = pin!(poller.sleep_until(until, operation.location, attend));
        loop {
            desc.check(direction)?;
            let mut wait = desc.wait_at(direction, operation.location);
            let ended = poll_fn(|cx| match sleep.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => Pin::new(&mut wait).poll(cx).map(Some),
            });
            match ended.await {
                None => return Ok(()),
                // An edge changes nothing: whatever it tells of will be found after the pause.
                Some(Ok(())) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }
}

/// The last read was short and nothing was behind its end; an edge will tell of what comes later.
#[inline]
fn drained_for_sure(drained: &AtomicBool, desc: &Desc) -> bool {
    drained.load(Ordering::Relaxed) && desc.last_events() & sys::REFUSES_WAIT == 0
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
        let operation = Operation::new(kind, Location::caller());
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
        let operation = Operation::new(OpKind::Read, Location::caller());
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

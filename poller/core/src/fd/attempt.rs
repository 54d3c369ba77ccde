//! One operation whose turn it is: try, wait when the kernel says EAGAIN, try again (semantics 12).
//!
//! This is the only loop of its kind: sockets, pipes, `Pollable` and the poll functions of traits
//! all go through [`poll`]. Most operations find their descriptor ready, so what they pass through
//! is inlined into them, and what they do not is kept out of their way.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::RawFd;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::operation::{Op, Operation};
use crate::budget::Permit;
use crate::desc::{Blocker, Refused, Token};
use crate::driver::RuntimeLink;
use crate::error::Error;
use crate::observe::{Counter, Direction, Local, OpKind};
use crate::poller::{Desc, into_error};
use crate::sys::{self, AcceptFailure};

/// First pause of a sender whose peer's queue is full.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// How often a pause is twice as long as the one before: the longest has 16 ms.
const LAST_PAUSE: u8 = 4;

/// What an operation waits for, and what is known of it.
pub(crate) trait Target<'a>: Copy + Send + Sync + 'a {
    fn raw(self) -> RawFd;

    fn desc(self) -> &'a Desc;

    fn runtime_link(self) -> &'a RuntimeLink;

    /// Whether the last read was short; `None` where nobody knows what the calls do.
    fn drained(self) -> Option<&'a AtomicBool>;
}

/// How an operation goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Next {
    /// With its beginning.
    #[default]
    Begin,
    /// With waiting.
    Wait,
    /// With a pause: no event will tell when to try again.
    Pause,
    /// With a try; the reset is done.
    Try,
    /// With a try, and the reset only if that says EAGAIN. Most writes find room, and each edge of
    /// the other direction brings write readiness along (semantics 27): to take it down every time
    /// would be work for nothing.
    TryThenReset,
}

/// How far an operation is, between two polls.
#[derive(Default)]
struct Progress {
    next: Next,
    /// It has waited.
    woken: bool,
    /// How often it has paused.
    pauses: u8,
}

/// An operation whose turn it is.
pub(crate) struct Attempt<'a, T, O> {
    pub(super) target: T,
    pub(super) operation: Operation<O>,
    progress: Progress,
    token: Token,
    /// What it waits for that no event tells of: its turn, or the end of a pause.
    /// None is left when it has ended, or was given up: so that nobody need look for it then.
    pub(super) aside: ManuallyDrop<Option<Aside<'a>>>,
}

/// A future that few operations need.
pub(super) type Aside<'a> = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync + 'a>>;

impl<'a, T: Target<'a>, O: Op> Attempt<'a, T, O> {
    #[inline]
    pub(crate) fn new(target: T, operation: Operation<O>) -> Self {
        Self {
            target,
            operation,
            progress: Progress::default(),
            token: Token::default(),
            aside: ManuallyDrop::new(None),
        }
    }

    /// It has done a part, and begins with the next.
    #[inline]
    pub(super) fn begin_anew(&mut self) {
        self.progress = Progress::default();
    }

    /// Waits no longer, if it does.
    #[cold]
    pub(crate) fn give_up(&mut self) {
        let desc = self.target.desc();
        desc.context(O::DIRECTION, self.operation.location, desc.local())
            .cancel(&mut self.token);
        self.token = Token::default();
        *self.aside = None;
    }

    /// [`Attempt::poll`] of one that begins, for most of which the first try is all, or that comes
    /// back to its wait. Only a try wants leave, for which it asks by `ask`: one that begins with
    /// waiting, or waits on, keeps nobody from anything.
    #[inline(always)]
    pub(super) fn poll_first<R>(
        &mut self,
        local: Local<'_>,
        cx: &mut Context<'_>,
        call: impl FnMut(RawFd) -> io::Result<R>,
        ask: impl FnOnce(&mut Context<'_>, bool) -> Poll<Permit>,
    ) -> Poll<io::Result<R>> {
        let prepared = ready!(self.prepare(local, cx));
        let permit = ready!(ask(cx, self.progress.woken));
        let result = match prepared {
            Ok(()) => ready!(self.poll_try(local, cx, call)),
            Err(error) => Err(error),
        };
        permit.made_progress();
        Poll::Ready(result)
    }

    /// Goes as far as a try, a pause, or an end.
    #[inline(always)]
    fn prepare(&mut self, local: Local<'_>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.progress.next == Next::Begin {
            self.progress.next = begin(self.target, self.operation, local)?;
        } else {
            self.check_process()?;
        }
        if self.progress.next == Next::Wait {
            ready!(self.poll_wait(local, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    #[inline(always)]
    fn poll_try<R>(
        &mut self,
        local: Local<'_>,
        cx: &mut Context<'_>,
        mut call: impl FnMut(RawFd) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        if matches!(self.progress.next, Next::Try | Next::TryThenReset) {
            match call(self.target.raw()) {
                Ok(value) => return Poll::Ready(Ok(self.succeed(local, value))),
                Err(error) => self.fail(local, error)?,
            }
        }
        // Moved, so that it need not lie in memory for the others.
        let mut call = call;
        self.poll(local, cx, &mut call)
    }

    /// It was refused a try. Returns whether it keeps its turn: one that has waited does.
    #[cold]
    pub(super) fn refused(&mut self) -> bool {
        if !self.progress.woken {
            self.begin_anew();
            return false;
        }
        // The edge that it waited for is used up, and it may be dropped before it tries.
        if let Some(drained) = self.target.drained() {
            drained.store(false, Ordering::Relaxed);
        }
        true
    }

    #[inline(always)]
    fn succeed<R>(&self, local: Local<'_>, value: R) -> R {
        local.count(O::KIND.sys_ok());
        value
    }

    #[cold]
    fn fail(&mut self, local: Local<'_>, error: io::Error) -> io::Result<()> {
        self.progress.next =
            after_error(self.target, self.operation, &self.progress, local, error)?;
        Ok(())
    }

    /// Fails in another process than its own, where it is not to be polled any more.
    #[inline(always)]
    fn check_process(&mut self) -> io::Result<()> {
        match self.target.desc().shared.check_process() {
            Ok(()) => Ok(()),
            Err(error) => {
                *self.aside = None;
                Err(self.unpolled(error.into()))
            }
        }
    }

    /// One poll of its wait, by a process that was checked.
    #[inline(never)]
    fn poll_wait(&mut self, local: Local<'_>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (desc, location) = (self.target.desc(), self.operation.location);
        // Those without a number of their own count with locked instructions: elsewhere, so that
        // nobody else asks at each count.
        if local.has_number() {
            let context = desc.context(O::DIRECTION, location, local);
            if let Some(poll) = context.poll_once(&mut self.token, cx.waker()) {
                return self.end_poll(poll);
            }
        }
        self.poll_wait_otherwise(local, cx)
    }

    #[cold]
    fn poll_wait_otherwise(
        &mut self,
        local: Local<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let (desc, location) = (self.target.desc(), self.operation.location);
        let context = desc.context(O::DIRECTION, location, local);
        let poll = context.poll(&mut self.token, false, cx.waker());
        self.end_poll(poll)
    }

    #[inline(always)]
    fn end_poll(&mut self, poll: Poll<Result<(), Refused<Blocker>>>) -> Poll<io::Result<()>> {
        match poll {
            Poll::Ready(result) => {
                // The next wait is a new one, which checks anew and has not parked.
                self.token = Token::default();
                self.progress.next = Next::Try;
                self.progress.woken = true;
                Poll::Ready(match result {
                    Ok(()) => Ok(()),
                    refused => into_error(refused).map_err(io::Error::from),
                })
            }
            // Each time: it may have been passed on, to somebody else who has to poll now.
            Poll::Pending => {
                let desc = self.target.desc();
                match self.target.runtime_link().ensure_polled(&desc.shared) {
                    Ok(()) => Poll::Pending,
                    Err(error) => Poll::Ready(Err(self.unpolled(error))),
                }
            }
        }
    }

    /// Ends a wait that nobody would poll for.
    #[cold]
    fn unpolled(&mut self, error: io::Error) -> io::Error {
        let desc = self.target.desc();
        desc.context(O::DIRECTION, self.operation.location, desc.local())
            .cancel(&mut self.token);
        self.token = Token::default();
        error
    }

    /// Tries and waits until it is done. The caller sees to it that nobody else does, in this
    /// direction. `local` is that of the calling thread.
    #[inline(never)]
    pub(crate) fn poll<R>(
        &mut self,
        local: Local<'_>,
        cx: &mut Context<'_>,
        call: &mut impl FnMut(RawFd) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        if self.progress.next != Next::Begin {
            self.check_process()?;
        }
        loop {
            match self.progress.next {
                Next::Begin => {
                    self.progress.next = begin(self.target, self.operation, local)?;
                }
                Next::Wait => ready!(self.poll_wait(local, cx))?,
                Next::Pause => ready!(self.poll_pause(cx))?,
                Next::Try | Next::TryThenReset => match call(self.target.raw()) {
                    Ok(value) => return Poll::Ready(Ok(self.succeed(local, value))),
                    Err(error) => self.fail(local, error)?,
                },
            }
        }
    }

    #[cold]
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (target, operation) = (self.target, self.operation);
        let pauses = &mut self.progress.pauses;
        let pause = self.aside.get_or_insert_with(|| {
            let length = FIRST_PAUSE * (1 << *pauses);
            *pauses = (*pauses + 1).min(LAST_PAUSE);
            Box::pin(self::pause(target, operation, length))
        });
        let outcome = ready!(pause.as_mut().poll(cx));
        *self.aside = None;
        self.progress.next = Next::Try;
        Poll::Ready(outcome)
    }
}

/// [`Attempt::poll`] for a poll function: its wait stays behind when it returns pending. `resumed`
/// if it comes back to one.
pub(super) fn poll_left<'a, O: Op, R>(
    target: impl Target<'a>,
    operation: Operation<O>,
    mut resumed: bool,
    local: Local<'_>,
    cx: &mut Context<'_>,
    call: &mut impl FnMut(RawFd) -> io::Result<R>,
) -> Poll<io::Result<R>> {
    let mut attempt = Attempt::new(target, operation);
    if resumed {
        attempt.progress.next = Next::Wait;
    }
    let desc = target.desc();
    loop {
        match attempt.progress.next {
            Next::Begin => attempt.progress.next = begin(target, operation, local)?,
            // Only a datagram has to pause, and no poll function sends one; the wait will do.
            Next::Wait | Next::Pause => {
                let location = operation.location;
                let Poll::Ready(result) = desc.poll_wait(O::DIRECTION, location, resumed, cx)
                else {
                    // Each time: it may have been passed on, to somebody else who has to poll now.
                    if let Err(error) = target.runtime_link().ensure_polled(&desc.shared) {
                        // Nobody would poll for it.
                        desc.cancel_left(O::DIRECTION, location);
                        return Poll::Ready(Err(error));
                    }
                    return Poll::Pending;
                };
                result?;
                // The wait that was left behind is over. Another one, after a spurious wake, has
                // not parked before.
                resumed = false;
                attempt.progress.next = Next::Try;
                attempt.progress.woken = true;
            }
            Next::Try | Next::TryThenReset => match call(target.raw()) {
                Ok(value) => return Poll::Ready(Ok(attempt.succeed(local, value))),
                Err(error) => attempt.fail(local, error)?,
            },
        }
    }
}

/// What comes before the first try.
#[inline(always)]
fn begin<'a, O: Op>(
    target: impl Target<'a>,
    operation: Operation<O>,
    local: Local<'_>,
) -> Result<Next, Error> {
    let desc = target.desc();
    desc.check(O::DIRECTION)?;
    if O::DIRECTION == Direction::Write {
        return Ok(Next::TryThenReset);
    }
    let had_edge = desc.reset_unchecked(Direction::Read, local)?;
    if let Some(drained) = target.drained() {
        if operation.elides() && !had_edge && drained_for_sure(drained, desc) {
            local.count(Counter::ElidedReads);
            return Ok(Next::Wait);
        }
        // This operation may use an edge up, the one just taken down or one it waits for, and
        // leave the bytes where they are: `readable` does. So the next read must try; a short read
        // of this operation says otherwise again.
        drained.store(false, Ordering::Relaxed);
    }
    Ok(Next::Try)
}

/// Counts a call that has failed, and says how to go on.
#[cold]
fn after_error<'a, O: Op>(
    target: impl Target<'a>,
    operation: Operation<O>,
    progress: &Progress,
    local: Local<'_>,
    error: io::Error,
) -> io::Result<Next> {
    let kind = O::KIND;
    match error.kind() {
        io::ErrorKind::WouldBlock => {}
        io::ErrorKind::Interrupted => {
            local.count(kind.sys_eintr());
            return Ok(progress.next);
        }
        // The peer was gone before it was accepted: its business, not the listener's (semantics
        // 55).
        _ if kind == OpKind::Accept && AcceptFailure::of(&error) == AcceptFailure::Connection => {
            local.count(kind.sys_eintr());
            return Ok(progress.next);
        }
        _ => {
            local.count(kind.sys_error());
            return Err(error);
        }
    }
    local.count(kind.sys_eagain());
    if progress.woken {
        local.count(match O::DIRECTION {
            Direction::Read => Counter::SpuriousRead,
            Direction::Write => Counter::SpuriousWrite,
        });
    }
    if progress.next == Next::TryThenReset {
        let had_edge = target.desc().reset(O::DIRECTION)?;
        // The edge taken down may have come after the try, so it does not count (semantics 12).
        return Ok(if had_edge { Next::Try } else { Next::Wait });
    }
    if progress.woken && operation.is_elsewhere() && has_room(target.raw())? {
        return Ok(Next::Pause);
    }
    Ok(Next::Wait)
}

/// Whether the descriptor's own buffer has room. A Unix datagram that finds the queue of its
/// receiver full says EAGAIN all the same, and gives its buffer back, which is an edge: to wait for
/// that and to try again is to spin (golang/go#17249).
fn has_room(fd: RawFd) -> io::Result<bool> {
    Ok(sys::io::poll_now(fd, libc::POLLOUT)? & libc::POLLOUT != 0)
}

/// Lets `pause` go by, unless a deadline or close comes first.
#[cold]
pub(super) async fn pause<'a, O: Op>(
    target: impl Target<'a>,
    operation: Operation<O>,
    pause: Duration,
) -> io::Result<()> {
    let (desc, direction) = (target.desc(), O::DIRECTION);
    target.runtime_link().ensure_polled(&desc.shared)?;
    let poller = desc.poller();
    let until = Instant::now().checked_add(pause);
    let attend = || target.runtime_link().ensure_polled(&desc.shared);
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

/// The last read was short and nothing was behind its end; an edge will tell of what comes later.
#[inline]
fn drained_for_sure(drained: &AtomicBool, desc: &Desc) -> bool {
    drained.load(Ordering::Relaxed) && desc.last_events() & sys::REFUSES_WAIT == 0
}

#[cfg(all(test, not(loom)))]
mod tests {
    #[cfg(not(netpoller_bare))]
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::panic::Location;
    #[cfg(not(netpoller_bare))]
    use std::task::Waker;

    use super::*;
    use crate::desc::Kind;
    use crate::fd::operation::{Accept, Read};
    use crate::fd::{Fd, Options};
    use crate::poller::Poller;
    #[cfg(not(netpoller_bare))]
    use crate::{
        observe::Histogram,
        poller::{ReadyList, Sides},
    };

    /// Runs an operation whose calls answer with `errnos`, one after the other, and then with
    /// success.
    fn run<O: Op>(errnos: &[i32]) -> (io::Result<usize>, usize) {
        let poller = Poller::builder().build().unwrap();
        let (reader, _writer) = sys::io::pipe().unwrap();
        let options = Options::new(Kind::Pipe);
        let fd = Fd::new(&poller, reader, options, Location::caller()).unwrap();
        let operation = Operation::<O>::new(Location::caller());
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
        assert_eq!(run::<Accept>(&errnos).0.unwrap(), 4);
        let (result, calls) = run::<Accept>(&[libc::EMFILE]);
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EMFILE));
        assert_eq!(calls, 1);
    }

    #[test]
    fn a_read_goes_on_after_a_signal_and_reports_the_rest() {
        assert_eq!(run::<Read>(&[libc::EINTR]).0.unwrap(), 2);
        let (result, _) = run::<Read>(&[libc::ECONNABORTED]);
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ECONNABORTED));
    }

    /// A pipe, and an operation that reads from it.
    #[cfg(not(netpoller_bare))]
    struct Reading {
        poller: Poller,
        fd: Fd,
        writer: OwnedFd,
        operation: Operation<Read>,
    }

    #[cfg(not(netpoller_bare))]
    impl Reading {
        #[track_caller]
        fn new() -> Self {
            let poller = Poller::builder().build().unwrap();
            let (reader, writer) = sys::io::pipe().unwrap();
            let options = Options::new(Kind::Pipe);
            Self {
                fd: Fd::new(&poller, reader, options, Location::caller()).unwrap(),
                poller,
                writer,
                operation: Operation::new(Location::caller()),
            }
        }

        /// Makes an event and wakes whoever waits for it.
        fn edge(&self) {
            sys::io::write(self.writer.as_raw_fd(), b"x").unwrap();
            let mut ready = ReadyList::default();
            self.poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
            ready.wake_all();
        }

        #[track_caller]
        fn has_recorded_one_wake(&self) {
            let totals = self.poller.shared.recorder.totals();
            let of = |histogram: Histogram| totals.histograms[histogram.index()].count();
            assert_eq!(of(Histogram::WakeLatencyRead), 1);
            assert_eq!(of(Histogram::TimeParkedReadIo), 1);
        }
    }

    #[cfg(not(netpoller_bare))]
    fn again() -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(libc::EAGAIN))
    }

    /// As the next one, with a future: its second wait is a new one, which has not parked.
    #[cfg(not(netpoller_bare))]
    #[test]
    fn a_future_that_need_not_park_again_after_a_spurious_wake_records_one_wake_and_checks_anew() {
        for expires in [false, true] {
            let reading = Reading::new();
            let fd = &reading.fd;
            let mut calls = 0;
            let mut running = pin!(fd.run(reading.operation, |_| {
                calls += 1;
                match calls {
                    1 => again(),
                    2 => {
                        if expires {
                            let now = Some(Instant::now());
                            fd.set_deadline(now, Sides::Read).unwrap();
                        }
                        reading.edge();
                        again()
                    }
                    _ => Ok(calls),
                }
            }));
            let cx = &mut Context::from_waker(Waker::noop());
            assert!(running.as_mut().poll(cx).is_pending());
            reading.edge();
            let outcome = running.as_mut().poll(cx);
            if expires {
                assert!(matches!(outcome, Poll::Ready(Err(_))), "{outcome:?}");
                continue;
            }
            assert!(matches!(outcome, Poll::Ready(Ok(3))), "{outcome:?}");
            reading.has_recorded_one_wake();
        }
    }

    /// A wake that was for nothing, and an edge that comes before the operation waits again: it was
    /// woken once.
    #[cfg(not(netpoller_bare))]
    #[test]
    fn a_poll_function_that_need_not_park_again_after_a_spurious_wake_records_one_wake() {
        let reading = Reading::new();
        let (fd, operation) = (&reading.fd, reading.operation);
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(fd.poll_run(operation, cx, |_| again()).is_pending());
        reading.edge();
        let mut calls = 0;
        let outcome = fd.poll_run(operation, cx, |_| {
            calls += 1;
            if calls == 1 {
                reading.edge();
                return again();
            }
            Ok(calls)
        });
        assert!(matches!(outcome, Poll::Ready(Ok(2))), "{outcome:?}");
        reading.has_recorded_one_wake();
    }
}

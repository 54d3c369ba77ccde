//! One operation whose turn it is: try, wait when the kernel says EAGAIN, try again (semantics 12).
//!
//! This is the only loop of its kind: sockets, pipes, `Pollable` and the poll functions of traits
//! all go through [`Target::poll`].

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::RawFd;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::operation::Operation;
use crate::driver::RuntimeLink;
use crate::error::Error;
use crate::observe::{Counter, Direction, Local, OpKind};
use crate::poller::{Desc, Wait};
use crate::sys::{self, AcceptFailure};

/// First pause of a sender whose peer's queue is full.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// How often a pause is twice as long as the one before: the longest has 16 ms.
const LAST_PAUSE: u8 = 4;

/// How an operation begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// With a try; the reset is done.
    Try,
    /// With a try, and the reset only if that says EAGAIN. Most writes find room, and each edge of
    /// the other direction brings write readiness along (semantics 27): to take it down every time
    /// would be work for nothing.
    TryThenReset,
    /// With waiting.
    Wait,
}

/// What to do after a try.
enum Next<R> {
    Done(io::Result<R>),
    Wait,
    /// No event will tell when to try again.
    Pause,
}

/// How far an operation is, between two polls.
#[derive(Default)]
struct Progress {
    /// `None` before it has begun.
    start: Option<Start>,
    /// It has waited.
    woken: bool,
    /// How often it has paused.
    pauses: u8,
}

/// An operation whose turn it is.
pub(crate) struct Attempt<'a> {
    progress: Progress,
    wait: Wait<'a>,
    /// What no event will call.
    pause: Option<Box<Pause<'a>>>,
}

struct Pause<'a>(Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync + 'a>>);

impl<'a> Attempt<'a> {
    #[inline]
    pub(crate) fn new(desc: &'a Desc, operation: &Operation) -> Self {
        Self {
            progress: Progress::default(),
            wait: desc.wait_at(operation.direction, operation.location),
            pause: None,
        }
    }

    /// It has done a part, and begins with the next.
    #[inline]
    pub(super) fn begin_anew(&mut self) {
        self.progress = Progress::default();
    }

    /// Waits no longer.
    #[inline]
    pub(super) fn end(&mut self) {
        self.wait.cancel();
        if self.pause.is_some() {
            self.end_pause();
        }
    }

    /// Tries and waits until it is done. The caller sees to it that nobody else does, in this
    /// direction, and gives the same target and operation each time.
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
                Pin::new(&mut *wait).poll(cx)
            });
            if let Some(done) = ready!(tried) {
                return Poll::Ready(done);
            }
            self.begin_pause(target, *operation);
        }
    }

    #[cold]
    fn end_pause(&mut self) {
        self.pause = None;
    }

    #[cold]
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(pause) = &mut self.pause else {
            return Poll::Ready(Ok(()));
        };
        ready!(pause.0.as_mut().poll(cx))?;
        self.pause = None;
        Poll::Ready(Ok(()))
    }

    #[cold]
    fn begin_pause(&mut self, target: Target<'a>, operation: Operation) {
        let length = FIRST_PAUSE * (1 << self.progress.pauses);
        self.progress.pauses = (self.progress.pauses + 1).min(LAST_PAUSE);
        self.progress.start = Some(Start::Try);
        self.pause = Some(Box::new(Pause(Box::pin(target.pause(operation, length)))));
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

    /// [`Attempt::poll`] for a poll function: its wait stays behind when it returns pending.
    /// `resumed` if it comes back to one.
    pub(super) fn poll_left<R>(
        &self,
        operation: &Operation,
        mut resumed: bool,
        cx: &mut Context<'_>,
        call: &mut impl FnMut(RawFd) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let mut progress = Progress {
            start: resumed.then_some(Start::Wait),
            ..Progress::default()
        };
        let (direction, location) = (operation.direction, operation.location);
        let mut left = false;
        loop {
            let tried = self.poll(operation, &mut progress, cx, call, |cx| {
                let polled = self.desc.poll_wait(direction, location, resumed, cx);
                left = polled.is_pending();
                let result = ready!(polled);
                // The wait that was left behind is over. Another one, after a spurious wake, has
                // not parked before.
                resumed = false;
                Poll::Ready(result)
            });
            if let Some(done) = ready!(tried) {
                if left {
                    // Nobody would poll for it.
                    self.desc.cancel_left(direction, location);
                }
                return Poll::Ready(done);
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
    ) -> Poll<Option<io::Result<R>>> {
        loop {
            if progress.start != Some(Start::Wait) {
                match self.attempt(operation, progress, call) {
                    Next::Done(result) => return Poll::Ready(Some(result)),
                    Next::Pause => return Poll::Ready(None),
                    Next::Wait => progress.start = Some(Start::Wait),
                }
            }
            match poll_wait(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                // Each time: it may have been passed on, to somebody else who has to poll now.
                Poll::Pending => {
                    return match self.runtime_link.ensure_polled(&self.desc.shared) {
                        Ok(()) => Poll::Pending,
                        Err(error) => Poll::Ready(Some(Err(error))),
                    };
                }
            }
            progress.start = Some(Start::Try);
            progress.woken = true;
        }
    }

    /// Tries until it is done, or has to wait.
    #[inline]
    fn attempt<R>(
        &self,
        operation: &Operation,
        progress: &mut Progress,
        call: &mut impl FnMut(RawFd) -> io::Result<R>,
    ) -> Next<R> {
        let mut start = match progress.start {
            Some(start) => start,
            None => match self.prepare(operation) {
                Ok(start) => start,
                Err(error) => return Next::Done(Err(error.into())),
            },
        };
        loop {
            if start == Start::Wait {
                return Next::Wait;
            }
            let woken_for = progress.woken.then_some(operation.direction);
            match self.try_once(operation.kind, woken_for, call) {
                Next::Wait if start == Start::TryThenReset => {
                    start = Start::Try;
                    match self.desc.reset(operation.direction) {
                        // The edge taken down may have come after the try, so it does not count
                        // (semantics 12).
                        Ok(true) => {}
                        Ok(false) => return Next::Wait,
                        Err(error) => return Next::Done(Err(error.into())),
                    }
                }
                Next::Wait if progress.woken && operation.elsewhere => {
                    return match self.has_room() {
                        Ok(true) => Next::Pause,
                        Ok(false) => Next::Wait,
                        Err(error) => Next::Done(Err(error)),
                    };
                }
                next => return next,
            }
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
            // This operation may use an edge up, the one just taken down or one it waits for, and
            // leave the bytes where they are: `readable` does. So the next read must try; a short
            // read of this operation says otherwise again.
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
                    // The peer was gone before it was accepted: its business, not the listener's
                    // (semantics 55).
                    _ if kind == OpKind::Accept
                        && AcceptFailure::of(&error) == AcceptFailure::Connection =>
                    {
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

    /// Whether the descriptor's own buffer has room. A Unix datagram that finds the queue of its
    /// receiver full says EAGAIN all the same, and gives its buffer back, which is an edge: to wait
    /// for that and to try again is to spin (golang/go#17249).
    #[cold]
    fn has_room(&self) -> io::Result<bool> {
        Ok(sys::io::poll_now(self.raw, libc::POLLOUT)? & libc::POLLOUT != 0)
    }

    /// Lets `pause` go by, unless a deadline or close comes first.
    #[cold]
    pub(super) async fn pause(self, operation: Operation, pause: Duration) -> io::Result<()> {
        let (desc, direction) = (self.desc, operation.direction);
        self.runtime_link.ensure_polled(&desc.shared)?;
        let poller = desc.poller();
        let until = Instant::now().checked_add(pause);
        let attend = || self.runtime_link.ensure_polled(&desc.shared);
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
    use std::panic::Location;
    #[cfg(not(netpoller_bare))]
    use std::{
        os::fd::{AsRawFd, OwnedFd},
        task::Waker,
    };

    use super::*;
    use crate::desc::Kind;
    use crate::fd::{Fd, Options};
    use crate::poller::Poller;
    #[cfg(not(netpoller_bare))]
    use crate::{
        observe::Histogram,
        poller::{ReadyList, Sides},
    };

    /// Runs an operation whose calls answer with `errnos`, one after the other, and then with
    /// success.
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

    /// A pipe, and an operation that reads from it.
    #[cfg(not(netpoller_bare))]
    struct Reading {
        poller: Poller,
        fd: Fd,
        writer: OwnedFd,
        operation: Operation,
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
                operation: Operation::new(OpKind::Read, Location::caller()),
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

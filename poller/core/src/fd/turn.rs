//! The turn of an operation in its direction of a descriptor: the lock, and the queue for it.

use std::future::Future;
use std::io;
use std::os::fd::RawFd;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use super::attempt::{self, Target};
use super::descriptor::Fd;
use super::mutex::{Leave, Lock};
use super::operation::{Op, Operation};
use crate::driver::RuntimeLink;
use crate::observe::{Counter, Direction, Local, RECORDS, current_task};
use crate::poller::{Desc, Queued};
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
            None => self.fd.leave_and_call(self.direction),
        }
    }
}

impl<'a> Target<'a> for &'a Fd {
    #[inline]
    fn raw(self) -> RawFd {
        Fd::raw(self)
    }

    #[inline]
    fn desc(self) -> &'a Desc {
        Fd::desc(self)
    }

    #[inline]
    fn runtime_link(self) -> &'a RuntimeLink {
        &self.runtime_link
    }

    #[inline]
    fn drained(self) -> Option<&'a AtomicBool> {
        Some(&self.drained)
    }
}

impl Fd {
    #[inline]
    pub(super) fn local(&self) -> Local<'_> {
        self.desc().local()
    }

    #[inline]
    pub(super) fn count(&self, counter: Counter) {
        self.local().count(counter);
    }

    /// Waits for the turn in this direction of the operation that is called at `location`.
    pub(super) async fn turn(
        &self,
        direction: Direction,
        location: &'static Location<'static>,
    ) -> io::Result<Turn<'_>> {
        match self.try_turn(direction) {
            Some(turn) => turn,
            None => self.queue(direction, location).await,
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

    #[cold]
    fn leave_and_call(&self, direction: Direction) {
        let mut panics = Panics::default();
        let leave = self.mutex.unlock_and_call(direction, &mut panics);
        if leave == Leave::Destroy {
            panics.catch(|| self.destroy());
        }
        panics.resume();
    }

    /// Waits for whoever has the lock of `direction`.
    pub(super) fn queue(
        &self,
        direction: Direction,
        location: &'static Location<'static>,
    ) -> Queue<'_> {
        self.count(match direction {
            Direction::Read => Counter::FdLockWaitsRead,
            Direction::Write => Counter::FdLockWaitsWrite,
        });
        Queue {
            fd: self,
            direction,
            location,
            number: None,
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
}

impl Turn<'_> {
    /// Lets `pause` go by, unless a deadline or close comes first.
    pub(super) async fn pause<O: Op>(
        &self,
        operation: Operation<O>,
        pause: Duration,
    ) -> io::Result<()> {
        attempt::pause(self.fd, operation, pause).await
    }
}

/// The future of [`Fd::queue`].
pub(super) struct Queue<'a> {
    fd: &'a Fd,
    direction: Direction,
    location: &'static Location<'static>,
    /// In the list of those who wait, once it does.
    number: Option<u64>,
    lock: Lock<'a>,
}

impl Queue<'_> {
    fn enter(&mut self) {
        let (local, desc) = (self.fd.local(), self.fd.desc());
        if RECORDS && self.number.is_none() {
            self.number = Some(desc.shared.queued.enter(Queued {
                desc: desc.id(),
                direction: self.direction,
                since_ns: local.stamp(),
                thread: local.thread(),
                task: current_task(),
                location: self.location,
            }));
        }
    }
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        let shared = &self.fd.desc().shared;
        // A forked child may have copied the list in the middle of a change.
        if let Some(number) = self.number
            && shared.check_process().is_ok()
        {
            shared.queued.leave(number);
        }
    }
}

impl<'a> Future for Queue<'a> {
    type Output = io::Result<Turn<'a>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(locked) = Pin::new(&mut self.lock).poll(cx) else {
            self.enter();
            return Poll::Pending;
        };
        locked?;
        let turn = self.fd.begin_turn(self.direction);
        // Which may panic; the lock is left then.
        drop(self.lock.spent());
        Poll::Ready(Ok(turn))
    }
}

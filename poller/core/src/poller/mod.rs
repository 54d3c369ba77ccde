//! The poller: Go's runtime netpoller under Rust names.
//!
//! | Go (`runtime/netpoll*.go`) | here |
//! |---|---|
//! | `poll_runtime_pollServerInit`, `netpollGenericInit` | [`Poller::global`] |
//! | `poll_runtime_pollOpen` | [`Poller::open`] |
//! | `poll_runtime_pollClose` | [`Desc::close`] |
//! | `poll_runtime_pollReset` | [`Desc::reset`] |
//! | `poll_runtime_pollWait` | [`Desc::wait`] |
//! | `poll_runtime_pollWaitCanceled` | [`Desc::wait_canceled`] |
//! | `poll_runtime_pollSetDeadline` | [`Desc::set_deadline`] |
//! | `poll_runtime_pollUnblock` | [`Desc::unblock`] |
//! | `netpollIsPollDescriptor` | [`Poller::is_poll_descriptor`] |
//! | `netpoll(delay)` | [`Poller::poll`] |
//! | `netpollBreak` | [`Poller::wake`] |
//! | `netpollAnyWaiters` | [`Poller::any_waiters`] |
//!
//! | file | holds |
//! |---|---|
//! | `builder` | how a poller is made |
//! | `desc` | [`Desc`]: a registration, as users hold it |
//! | `open`, `evict` | registering and freeing a descriptor; throwing everybody off it |
//! | `wait`, `sleep` | the waiter's side, of a descriptor and of a time alone |
//! | `deadline` | setting deadlines, and firing them |
//! | `poll`, `passing` | fetching events; the same between two tasks |
//! | `ready_list` | what a poll has made runnable |
//! | `break_signal` | breaks, of which any number is one write |
//! | `role` | who may block |
//! | `queued` | who waits for the lock of a descriptor |
//! | `registry` | all pollers of the process |
#![forbid(unsafe_code)]

mod break_signal;
mod builder;
mod deadline;
mod desc;
mod evict;
mod open;
mod passing;
mod poll;
mod queued;
mod ready_list;
mod registry;
mod role;
mod sleep;
mod wait;

#[cfg(all(test, loom, not(shuttle)))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::clock;
use crate::desc::PollCache;
use crate::error::Error;
use crate::observe::{Recorder, Sites};
use crate::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use crate::sync::{CachePadded, LockOrder, Mutex};
use crate::sys::{Backend, ForkMutex, TimerFd};
use crate::timers::{DeadlineQueue, EMPTY};
use break_signal::BreakSignal;
use role::RoleQueue;

pub use builder::Builder;
pub use deadline::Sides;
pub use desc::Desc;
pub use ready_list::ReadyList;
pub use wait::Wait;
pub(crate) use wait::into_error;

pub use evict::Eviction;
pub(crate) use queued::{Queued, QueuedList};
pub(crate) use registry::{all_pollers, all_pollers_soon};
pub(crate) use role::Role;
pub(crate) use sleep::look_again;

/// Everything that the handles of one poller share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: Box<str>,
    pub(crate) id: u32,
    pub(crate) created_ns: u64,
    /// The process that it belongs to.
    pub(crate) process: crate::sys::Process,
    pub(crate) backend: Backend,
    pub(crate) cache: Arc<PollCache>,
    pub(crate) timers: DeadlineQueue,
    pub(crate) recorder: Recorder,
    /// What each line has opened. Sleeps, which are no descriptors, are not counted.
    pub(crate) sites: Sites,
    /// Waiters parked now (Go's netpollWaiters). Raised when a park is committed, lowered after the
    /// waiter was woken.
    pub(crate) waiters: CachePadded<AtomicI64>,
    pub(crate) signal: CachePadded<BreakSignal>,
    /// Until when the blocking poller sleeps: 0 if nobody does, `u64::MAX` without a limit.
    pub(crate) poll_until: CachePadded<AtomicU64>,
    /// Who is the blocking poller, and who would be.
    pub(crate) role: CachePadded<RoleQueue>,
    pub(crate) last_poll_ns: AtomicU64,
    /// Deadlines by timerfd, once the poller is nested in somebody's loop.
    pub(crate) nested: OnceLock<Nested>,
    /// Most events of one poll.
    pub(crate) batch: usize,
    /// Duplicates of the epoll descriptor that drivers watch.
    duplicates: std::sync::Mutex<Vec<RawFd>>,
    /// Who waits for the lock of a descriptor.
    pub(crate) queued: QueuedList,
    /// Bits of `driver::Driver`: who polls.
    pub(crate) drivers: AtomicU32,
}

/// The timerfd of a nested poller and the time it is set to.
#[derive(Debug)]
pub(crate) struct Nested {
    timer: Option<TimerFd>,
    armed_ns: Mutex<u64>,
}

/// A handle to a poller. Cheap to clone; the poller lives as long as a handle or a registered
/// descriptor does.
///
/// # Who polls
///
/// A poller has no thread of its own. [`block_on`](crate::block_on) and blocking handles poll while
/// they wait; the drivers in [`driver`](crate::driver) poll for a runtime; and a program with a
/// loop of its own calls [`Poller::poll`].
///
/// # Which poller
///
/// Few programs have to name one: [`driver`](crate::driver) says which is the current one, and
/// [`Poller::enter`] makes another the current one.
///
/// # Fork
///
/// A child of `fork(2)` shares the epoll instance with its parent: what it registered would wake
/// the parent, and what it fetched the parent would miss. So whatever would touch it fails there
/// with [`Error::Forked`](crate::Error::Forked): opening, waiting, polling, [`Poller::try_global`];
/// where there is no room for an error, in `block_on` and sleeps on such a poller, it panics.
/// Dropping leaves the parent's registrations alone. A child that goes on running Rust makes a
/// poller of its own and [enters](Poller::enter) it; one that calls `exec` is safe, because every
/// descriptor here is closed on exec. The locks of this crate are free in the child, whatever other
/// threads were doing when it was forked (`pthread_atfork(3)`; not if the child was made by a bare
/// `clone(2)`, or by a fork in a signal handler that has interrupted this crate).
///
/// # Bring your own loop
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use netpoller::{Direction, Kind, Poller, ReadyList};
/// use std::{io::Write, os::fd::AsFd, time::Duration};
///
/// let poller = Poller::builder().name("mine").build()?;
/// let (reader, mut writer) = std::os::unix::net::UnixStream::pair()?;
/// reader.set_nonblocking(true)?;
/// let desc = poller.open(reader.as_fd(), Kind::Unix)?;
/// writer.write_all(b"x")?;
///
/// let mut ready = ReadyList::with_capacity(128);
/// poller.poll(Some(Duration::from_secs(1)), &mut ready)?; // nobody waits, so the edge is kept in the descriptor
/// ready.wake_all();
/// assert!(desc.reset(Direction::Read)?, "an edge was pending");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Poller {
    pub(crate) shared: Arc<Shared>,
}

static GLOBAL: OnceLock<Poller> = OnceLock::new();

impl Poller {
    /// The poller of the process, if it was made. Takes no lock.
    pub(crate) fn existing_global() -> Option<Poller> {
        GLOBAL.get().cloned()
    }

    /// Returns the poller of the process, made on first use, once, whoever comes first (semantics
    /// 1; golang/go#22606). Plain threads and [`block_on`](crate::block_on) share it; each tokio
    /// runtime has one of its own (see [`driver`](crate::driver)).
    ///
    /// # Panics
    ///
    /// If the kernel refuses an epoll instance or an eventfd: without them nothing of this crate
    /// works, as in Go. A program that wants to handle that calls [`Poller::try_global`] first.
    #[doc(alias = "pollServerInit")]
    #[doc(alias = "netpollGenericInit")]
    pub fn global() -> &'static Poller {
        match Self::try_global() {
            Ok(poller) => poller,
            Err(error) => panic!("netpoller: cannot make the global poller: {error}"),
        }
    }

    /// Returns [`Poller::global`], or an error instead of a panic. An error is not remembered: the
    /// next call tries again.
    ///
    /// # Errors
    ///
    /// What `epoll_create1(2)` or `eventfd(2)` said, mostly a limit of open files;
    /// [`Error::Forked`](crate::Error::Forked) in a child of the process that it was made in.
    pub fn try_global() -> io::Result<&'static Poller> {
        static INIT: ForkMutex<()> = ForkMutex::new(LockOrder::Global, ());
        if let Some(poller) = GLOBAL.get() {
            poller.shared.check_process()?;
            return Ok(poller);
        }
        // One at a time: a second instance would be made and thrown away.
        let _guard = INIT.lock();
        if GLOBAL.get().is_none() {
            let poller = Builder::global().build()?;
            // The lock is held, so nobody else can have set it.
            let _ = GLOBAL.set(poller);
        }
        GLOBAL
            .get()
            .ok_or_else(|| io::Error::other("the global poller vanished"))
    }

    /// Makes another poller, as a shard of its own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the name it was built with, with a number added if another poller had it then. No
    /// two live pollers share one, and it never changes.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Returns whether `fd` is one of the poller's own descriptors. Programs that close what they
    /// do not know must spare those (semantics 57).
    #[doc(alias = "netpollIsPollDescriptor")]
    pub fn is_poll_descriptor(&self, fd: RawFd) -> bool {
        self.shared.backend.is_poll_descriptor(fd) || self.shared.duplicates().contains(&fd)
    }

    /// Returns whether anybody is parked. If not, there is no need to poll but for deadlines.
    #[doc(alias = "netpollAnyWaiters")]
    pub fn any_waiters(&self) -> bool {
        self.waiters() > 0
    }

    /// Returns how many waiters are parked. A descriptor counts twice if one waits in each
    /// direction; a waiter that has been woken counts until its waker was called.
    pub fn waiters(&self) -> i64 {
        self.shared.waiters.load(Ordering::Acquire)
    }

    /// Returns when the next deadline is to be looked at, `None` without one. [`Poller::poll`]
    /// needs no help with it; a foreign loop that sleeps elsewhere must not sleep longer.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.shared.timers.peek_ns() {
            EMPTY => None,
            at => clock::ns_instant(at),
        }
    }

    /// Makes a blocked [`Poller::poll`] return, or the next one if nobody is blocked (Go's
    /// netpollBreak). Any number of calls before that poll are one (semantics 39).
    ///
    /// # Errors
    ///
    /// If the eventfd cannot be written, which is not to be expected.
    #[doc(alias = "netpollBreak")]
    pub fn wake(&self) -> io::Result<()> {
        self.shared.wake()
    }

    /// Nests the poller in a foreign loop: from now on its epoll descriptor ([`AsFd`]) also becomes
    /// readable when a deadline is due, and a poll with zero delay takes breaks back. Calling it
    /// again does nothing.
    ///
    /// # Errors
    ///
    /// What `timerfd_create(2)` or `epoll_ctl(2)` said.
    pub fn nest(&self) -> io::Result<()> {
        self.shared.nest()
    }
}

impl Shared {
    /// The role of the blocking poller, unless somebody has it.
    pub(crate) fn take_role(&self) -> Option<Role<'_>> {
        Role::take(&self.role, &self.poll_until)
    }

    /// Fails in a process that was forked from the one that it belongs to.
    #[inline]
    pub(crate) fn check_process(&self) -> Result<(), Error> {
        if self.process.is_current() {
            Ok(())
        } else {
            Err(Error::Forked)
        }
    }

    /// Whether it is the one of [`Poller::global`].
    #[inline]
    pub(crate) fn is_global(&self) -> bool {
        GLOBAL
            .get()
            .is_some_and(|global| std::ptr::eq(&raw const *global.shared, self))
    }

    fn duplicates(&self) -> std::sync::MutexGuard<'_, Vec<RawFd>> {
        self.duplicates
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether it is one of those that a driver has made, to watch it.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_duplicate(&self, fd: RawFd) -> bool {
        self.duplicates().contains(&fd)
    }

    /// Counts `fd`, which somebody watches, among the poller's own.
    pub(crate) fn add_duplicate(&self, fd: RawFd) {
        self.duplicates().push(fd);
    }

    /// To be called before `fd` is closed.
    pub(crate) fn remove_duplicate(&self, fd: RawFd) {
        self.duplicates().retain(|duplicate| *duplicate != fd);
    }

    pub(crate) fn wake(&self) -> io::Result<()> {
        self.request_break().map(drop)
    }

    /// Whether the signal was written; `false` if one was pending.
    pub(crate) fn request_break(&self) -> io::Result<bool> {
        self.check_process()?;
        self.signal.request(&self.backend, &self.recorder.local())
    }

    fn nest(&self) -> io::Result<()> {
        self.check_process()?;
        // One at a time, for the backend holds one timer.
        static NESTING: ForkMutex<()> = ForkMutex::new(LockOrder::Nesting, ());
        let _guard = NESTING.lock();
        if self.nested.get().is_none() {
            let timer = self.backend.add_timer()?;
            let _ = self.nested.set(Nested {
                timer,
                armed_ns: Mutex::new(EMPTY),
            });
            self.rearm_timer(false);
        }
        Ok(())
    }

    /// Sets the timerfd of a nested poller to the next deadline. `expired` if it has fired and must
    /// be set in any case.
    pub(crate) fn rearm_timer(&self, expired: bool) {
        let Some(nested) = self.nested.get() else {
            return;
        };
        if self.check_process().is_err() {
            return;
        }
        let Some(timer) = &nested.timer else { return };
        // The lock orders the reading of the next deadline with the setting, or an older reader
        // could set last.
        let mut armed = nested.armed_ns.lock();
        let next = self.timers.next_ns();
        if expired || *armed != next {
            let delay = (next != EMPTY).then(|| next.saturating_sub(clock::now_ns()));
            match timer.set(delay) {
                Ok(()) => *armed = next,
                // Cannot fail with a valid descriptor and time; if it does, be woken at once rather
                // than never.
                Err(_) => drop(self.wake()),
            }
        }
    }
}

impl AsFd for Poller {
    /// The epoll instance: readable when [`Poller::poll`] would find something. Watch it, level- or
    /// edge-triggered, after [`Poller::nest`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.shared.backend.as_fd() {
            Some(fd) => fd,
            // Only the in-memory backend of tests has none.
            None => unreachable!("the in-memory backend has no descriptor"),
        }
    }
}

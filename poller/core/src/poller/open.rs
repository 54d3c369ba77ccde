//! Registering and deregistering.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Desc, Poller};
use crate::desc::{Kind, Transport};
use crate::error::RegisterError;
use crate::observe::{Cause, Counter, Direction, EventKind, Histogram, Label, Names};
use crate::sync::Panics;
use crate::sys::{INTEREST, INTEREST_URGENT, Tag};

/// The counters of registrations and of deregistrations by kind.
fn counters(kind: Kind) -> (Counter, Counter) {
    if kind.is_listener() {
        return (Counter::OpenedListener, Counter::ClosedListener);
    }
    match kind.transport() {
        Transport::Tcp => (Counter::OpenedTcp, Counter::ClosedTcp),
        Transport::Udp => (Counter::OpenedUdp, Counter::ClosedUdp),
        Transport::Unix => (Counter::OpenedUnix, Counter::ClosedUnix),
        Transport::Pipe => (Counter::OpenedPipe, Counter::ClosedPipe),
        Transport::Unknown => (Counter::OpenedOther, Counter::ClosedOther),
        Transport::Timer => (Counter::OpenedTimer, Counter::ClosedTimer),
    }
}

fn refused_counter(error: &io::Error) -> Counter {
    match error.raw_os_error() {
        Some(libc::ENOMEM) => Counter::RegisterEnomem,
        Some(libc::ENOSPC) => Counter::RegisterEnospc,
        Some(libc::EPERM) => Counter::RegisterEperm,
        Some(libc::EEXIST) => Counter::RegisterEexist,
        Some(libc::EBADF) => Counter::RegisterEbadf,
        _ => Counter::RegisterOther,
    }
}

impl Poller {
    /// Registers `fd`, edge-triggered, for both directions, once and for all (semantics 2). It
    /// should be non-blocking.
    ///
    /// # Errors
    ///
    /// The descriptor stays the caller's in every case. It is refused if it is closed (EBADF),
    /// registered already (EEXIST), of a kind that epoll does not take, as a regular file (EPERM),
    /// beyond the user's limit of watches (ENOSPC), or one of the poller's own.
    #[doc(alias = "pollOpen")]
    #[doc(alias = "poll_runtime_pollOpen")]
    #[doc(alias = "netpollopen")]
    #[track_caller]
    pub fn open(&self, fd: BorrowedFd<'_>, kind: Kind) -> Result<Desc, RegisterError> {
        self.open_at(fd.as_raw_fd(), kind, Location::caller())
    }

    pub(crate) fn open_at(
        &self,
        fd: RawFd,
        kind: Kind,
        location: &'static Location<'static>,
    ) -> Result<Desc, RegisterError> {
        let refused = |source| RegisterError {
            fd,
            poller: self.name().to_owned(),
            source,
        };
        if self.is_poll_descriptor(fd) {
            self.shared.recorder.local().count(Counter::RegisterOther);
            return Err(refused(io::Error::other(
                "it is the poller's own descriptor (semantics 57)",
            )));
        }
        if kind == Kind::Timer {
            self.shared.recorder.local().count(Counter::RegisterOther);
            let text = "Kind::Timer is for sleeps, which have no descriptor";
            return Err(refused(io::Error::new(io::ErrorKind::InvalidInput, text)));
        }
        let desc = self.new_desc(fd, kind, location).map_err(refused)?;
        let interest = if kind == Kind::Tcp {
            INTEREST_URGENT
        } else {
            INTEREST
        };
        let tag = Tag {
            slot: desc.slot.slot(),
            generation: desc.generation,
        };
        let local = self.shared.recorder.local();
        let began_ns = local.stamp();
        if let Err(error) = self.shared.backend.open(fd, interest, tag) {
            local.count(refused_counter(&error));
            // The slot goes back, and its generation with it (semantics 3); it was never
            // registered, so it was never opened either.
            desc.closed.store(true, Ordering::Release);
            desc.slot.free(&local);
            desc.slot.release();
            return Err(refused(error));
        }
        let took_ns = desc.count_opened(counters(kind).0).saturating_sub(began_ns);
        local.record_for(desc.slot.id(), Histogram::EpollCtlAdd, took_ns);
        self.shared.sites.opened(location);
        Ok(desc)
    }

    /// A slot without a descriptor, for a sleep.
    pub(crate) fn open_timer(&self, location: &'static Location<'static>) -> io::Result<Desc> {
        let desc = self.new_desc(-1, Kind::Timer, location)?;
        desc.count_opened(Counter::OpenedTimer);
        Ok(desc)
    }

    fn new_desc(
        &self,
        fd: RawFd,
        kind: Kind,
        location: &'static Location<'static>,
    ) -> io::Result<Desc> {
        self.shared.check_process()?;
        let slot = self
            .shared
            .cache
            .alloc()
            .ok_or_else(|| io::Error::other("all slots of the poller are in use"))?;
        let generation = slot.open(fd, kind, location);
        Ok(Desc {
            shared: self.shared.clone(),
            slot,
            generation,
            closed: AtomicBool::new(false),
        })
    }
}

impl Desc {
    /// Returns when it was.
    fn count_opened(&self, counter: Counter) -> u64 {
        let local = self.shared.recorder.local();
        let now_ns = local.stamp();
        local.count(Counter::Opened);
        local.count(counter);
        local.event(
            EventKind::Opened,
            self.slot.id(),
            u64::from(self.slot.fd() as u32),
        );
        now_ns
    }

    /// Deregisters the descriptor, which stays open and the caller's. Waiters were released, if
    /// need be by [`Desc::unblock`]. The slot is free for reuse at once; events that the kernel has
    /// already handed out are told apart by their generation.
    #[doc(alias = "pollClose")]
    #[doc(alias = "poll_runtime_pollClose")]
    #[doc(alias = "netpollclose")]
    pub fn close(self) {
        self.close_once();
    }

    /// [`Desc::close`] through a shared reference, once. Whoever calls it sees to it that nobody
    /// uses the handle afterwards.
    pub(crate) fn close_once(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        // What is the parent's stays as it was, in a copy that nobody looks at; its locks may be
        // held for ever.
        if self.shared.check_process().is_err() {
            return;
        }
        // Wakers that panic keep nothing from being closed.
        let mut panics = Panics::default();
        if self.evict(&mut panics).is_none() {
            // Evicted before. A wait that asks for no leave (`wait_canceled`) may have parked
            // since, and been forgotten.
            let local = self.shared.recorder.local();
            let wakers = Direction::ALL.map(|direction| {
                self.shared
                    .release_waiter(self, direction, Cause::Close, &local)
            });
            self.shared.wake_released(wakers, &mut panics);
        }
        let kind = self.slot.kind();
        let local = self.shared.recorder.local();
        if self.slot.fd() >= 0 {
            let began_ns = local.stamp();
            // Before close(2), and whatever it says (semantics 10): the descriptor may have been
            // closed behind our back.
            let _ = self.shared.backend.close(self.slot.fd());
            let took_ns = local.stamp().saturating_sub(began_ns);
            local.record_for(self.slot.id(), Histogram::EpollCtlDel, took_ns);
        }
        local.event(
            EventKind::Closed,
            self.slot.id(),
            u64::from(self.slot.fd() as u32),
        );
        Names::shared().give_back(self.slot.set_label(Label(0)));
        // Of this life: the slot may have another one as soon as it is free.
        let site = self.slot.opened_location().filter(|_| kind != Kind::Timer);
        self.slot.free(&local);
        local.count(Counter::Closed);
        local.count(counters(kind).1);
        if let Some(site) = site {
            self.shared.sites.closed(site);
        }
        self.slot.release();
        panics.resume();
    }
}

impl Drop for Desc {
    fn drop(&mut self) {
        self.close_once();
    }
}

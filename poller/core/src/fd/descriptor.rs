//! [`Fd`]: a descriptor that is shared by operations and closed by the last of them.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use super::mutex::{FdMutex, Leave};
use crate::desc::{Kind, Role, Transport};
use crate::driver::{self, RuntimeLink};
use crate::error::NotRegistered;
use crate::observe::{DescId, Direction, Histogram, LineKind, Local, RECORDS};
use crate::poller::{Desc, Poller, Sides};
use crate::sync::Panics;
use crate::sys::{self, CloseableFd};

/// How a descriptor behaves, beyond what epoll needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) kind: Kind,
    /// `recv`/`send` rather than `read`/`write`.
    pub(crate) socket: bool,
    /// Bytes in order, without boundaries: a read of 0 is the end, and a write may be partial.
    pub(crate) stream: bool,
}

impl Options {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            socket: matches!(
                kind.transport(),
                Transport::Tcp | Transport::Udp | Transport::Unix
            ),
            stream: kind.role() == Role::Stream,
        }
    }
}

/// A descriptor with its registration and its fdMutex.
#[derive(Debug)]
pub(crate) struct Fd {
    handle: CloseableFd,
    desc: Desc,
    pub(super) mutex: FdMutex,
    pub(super) options: Options,
    /// It was accepted, and nothing was read from it yet.
    unread: AtomicBool,
    /// The last read was short, so that the next one may wait without trying first.
    pub(super) drained: AtomicBool,
    /// Somebody has had the socket itself, and may have taken its urgent byte: no event tells of
    /// the mark that is left, at which reads stop short.
    pub(super) lent: AtomicBool,
    /// The last poll function of this direction returned pending.
    pub(super) polled: [AtomicBool; 2],
    /// The last poll function of this direction was told to let others go on.
    pub(super) refused: [AtomicBool; 2],
    destroyed: AtomicBool,
    pub(super) runtime_link: RuntimeLink,
}

impl Fd {
    /// Registers `fd` and takes it over. If that fails, it is given back.
    pub(crate) fn new(
        poller: &Poller,
        fd: OwnedFd,
        options: Options,
        location: &'static Location<'static>,
    ) -> Result<Self, NotRegistered<OwnedFd>> {
        match poller.open_at(fd.as_raw_fd(), options.kind, location) {
            Ok(desc) => Ok(Self::with_desc(fd, desc, options)),
            Err(error) => Err(NotRegistered {
                inner: fd,
                error: error.into(),
            }),
        }
    }

    /// [`Fd::new`] for a descriptor that others have made: makes it non-blocking, but only once it
    /// is registered, so that one that is given back is as it was.
    pub(crate) fn adopt(
        poller: &Poller,
        fd: OwnedFd,
        options: Options,
        location: &'static Location<'static>,
    ) -> Result<Self, NotRegistered<OwnedFd>> {
        if let Err(error) = driver::prepare(poller) {
            return Err(NotRegistered { inner: fd, error });
        }
        let this = Self::new(poller, fd, options, location)?;
        match sys::io::set_nonblocking(this.raw()) {
            Ok(()) => Ok(this),
            // It was never shared, so it is there to be had.
            Err(error) => match this.into_owned() {
                Some(inner) => Err(NotRegistered { inner, error }),
                None => unreachable!("nobody has closed it"),
            },
        }
    }

    fn with_desc(fd: OwnedFd, desc: Desc, options: Options) -> Self {
        Self {
            handle: CloseableFd::new(fd),
            desc,
            mutex: FdMutex::new(),
            options,
            unread: AtomicBool::new(false),
            drained: AtomicBool::new(false),
            lent: AtomicBool::new(false),
            polled: [AtomicBool::new(false), AtomicBool::new(false)],
            refused: [AtomicBool::new(false), AtomicBool::new(false)],
            destroyed: AtomicBool::new(false),
            runtime_link: RuntimeLink::default(),
        }
    }

    /// It is a connection that was accepted just now.
    pub(crate) fn set_accepted(&self) {
        self.desc.slot.set_origin(LineKind::Accepted);
        self.unread.store(RECORDS, Ordering::Relaxed);
    }

    /// A read has brought so many bytes, if it has.
    #[inline(always)]
    pub(super) fn note_read(&self, local: Local<'_>, bytes: Option<usize>) {
        if self.unread.load(Ordering::Relaxed) {
            self.first_read(local, bytes);
        }
    }

    #[cold]
    fn first_read(&self, local: Local<'_>, bytes: Option<usize>) {
        if bytes > Some(0) && self.unread.swap(false, Ordering::Relaxed) {
            // It was registered as soon as it was accepted.
            let accepted_ns = self.desc.slot.opened_ns();
            let took_ns = local.stamp().saturating_sub(accepted_ns);
            local.record_for(self.desc.id(), Histogram::AcceptToFirstRead, took_ns);
        }
    }

    /// The number; open for as long as the caller has a reference.
    #[inline]
    pub(crate) fn raw(&self) -> RawFd {
        self.handle.raw()
    }

    #[inline]
    pub(crate) fn desc(&self) -> &Desc {
        &self.desc
    }

    /// Runs `f` with the descriptor, which is not closed meanwhile.
    pub(crate) fn with<R>(&self, f: impl FnOnce(RawFd) -> io::Result<R>) -> io::Result<R> {
        self.mutex.incref()?;
        let _reference = Reference(self);
        f(self.raw())
    }

    /// [`Fd::with`] for code of the user's, which may do more with the descriptor than ask it.
    pub(crate) fn lend<R>(&self, f: impl FnOnce(RawFd) -> io::Result<R>) -> io::Result<R> {
        self.lent.store(true, Ordering::Relaxed);
        self.drained.store(false, Ordering::Relaxed);
        self.with(f)
    }

    pub(crate) fn set_deadline(&self, deadline: Option<Instant>, sides: Sides) -> io::Result<()> {
        self.with(|_| {
            self.desc.set_deadline(deadline, sides);
            Ok(())
        })
    }

    pub(crate) fn set_label(&self, label: &str) {
        if self.mutex.incref().is_ok() {
            let _reference = Reference(self);
            self.desc.set_label(label);
        }
    }

    /// `slot.generation`, as tables show it.
    pub(crate) fn id(&self) -> DescId {
        self.desc.id()
    }

    /// How many operations wait for their turn in `direction`, behind the one that is under way.
    pub(crate) fn queued(&self, direction: Direction) -> usize {
        self.mutex.waiting(direction)
    }

    /// Closes: releases everybody who waits, denies what comes after. The returned future ends when
    /// the operations under way have returned and the descriptor's number is free (semantics 52);
    /// it need not be awaited for that to happen.
    pub(crate) fn close(&self) -> io::Result<Closing<'_>> {
        // Wakers that panic keep nothing from being closed, and nobody from being released.
        let mut panics = Panics::default();
        // One that panics in there does so when it is closed.
        panics.catch(|| self.mutex.close()).unwrap_or(Ok(()))?;
        panics.catch(|| self.desc.unblock());
        if self.mutex.decref() == Leave::Destroy {
            panics.catch(|| self.destroy());
        }
        panics.resume();
        Ok(Closing(self))
    }

    /// Deregisters and gives the descriptor back, still non-blocking.
    pub(crate) fn into_owned(self) -> Option<OwnedFd> {
        self.desc.close_once();
        self.handle.take()
    }

    /// A second descriptor for the same open file, not registered.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.with(sys::io::duplicate)
    }

    /// The last reference of the closed descriptor is gone.
    pub(super) fn destroy(&self) {
        let mut panics = Panics::default();
        // DEL before close(2): a duplicate would keep the registration alive (semantics 10).
        panics.catch(|| self.desc.close_once());
        drop(self.handle.take());
        self.destroyed.store(true, Ordering::Release);
        panics.catch(|| self.mutex.wake_closers());
        panics.resume();
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // Nobody borrows it any more, so there is nobody to wait for.
        self.destroy();
    }
}

/// The end of a close: the future that `close` returns. It is done when the operations that were
/// under way have returned and the descriptor's number is free. That comes about whether it is
/// awaited or not.
#[derive(Debug)]
pub struct Closing<'a>(&'a Fd);

impl Future for Closing<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Fd {
            mutex, destroyed, ..
        } = self.0;
        mutex.poll_destroyed(cx, || destroyed.load(Ordering::Acquire))
    }
}

/// A reference without a lock; gives itself back.
struct Reference<'a>(&'a Fd);

impl Drop for Reference<'_> {
    fn drop(&mut self) {
        if self.0.mutex.decref() == Leave::Destroy {
            self.0.destroy();
        }
    }
}

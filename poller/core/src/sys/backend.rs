//! Which backend a poller runs on: the kernel's epoll, or memory in tests.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use super::epoll::{Epoll, EventBuf};
use super::{Tag, Timeout, TimerFd};

/// The seam. With one variant in production, a match on it costs nothing.
#[derive(Debug)]
pub(crate) enum Backend {
    Epoll(Epoll),
    #[cfg(any(test, loom))]
    Fake(std::sync::Arc<super::fake::FakeKernel>),
}

impl Backend {
    pub(crate) fn init() -> io::Result<Self> {
        Epoll::new().map(Backend::Epoll)
    }

    pub(crate) fn open(&self, fd: RawFd, interest: u32, tag: Tag) -> io::Result<()> {
        match self {
            Backend::Epoll(epoll) => epoll.add(fd, interest, tag),
            #[cfg(any(test, loom))]
            Backend::Fake(kernel) => kernel.open(fd, tag),
        }
    }

    pub(crate) fn close(&self, fd: RawFd) -> io::Result<()> {
        match self {
            Backend::Epoll(epoll) => epoll.delete(fd),
            #[cfg(any(test, loom))]
            Backend::Fake(kernel) => kernel.close(fd),
        }
    }

    pub(crate) fn poll(&self, timeout: Timeout, events: &mut EventBuf) -> io::Result<usize> {
        match self {
            Backend::Epoll(epoll) => epoll.wait(timeout, events),
            #[cfg(any(test, loom))]
            Backend::Fake(kernel) => kernel.poll(timeout, events),
        }
    }

    pub(crate) fn break_poll(&self) -> io::Result<()> {
        match self {
            Backend::Epoll(epoll) => epoll.signal(),
            #[cfg(any(test, loom))]
            Backend::Fake(kernel) => kernel.break_poll(),
        }
    }

    /// Takes the break signal back, so that the level-triggered eventfd is quiet again.
    pub(crate) fn drain_break(&self) {
        match self {
            Backend::Epoll(epoll) => epoll.drain(),
            #[cfg(any(test, loom))]
            Backend::Fake(kernel) => kernel.drain_break(),
        }
    }

    pub(crate) fn is_poll_descriptor(&self, fd: RawFd) -> bool {
        match self {
            Backend::Epoll(epoll) => epoll.owns(fd),
            #[cfg(any(test, loom))]
            Backend::Fake(_) => false,
        }
    }

    /// Number of the eventfd that carries the break signal; `None` for memory.
    pub(crate) fn break_fd(&self) -> Option<RawFd> {
        match self {
            Backend::Epoll(epoll) => Some(epoll.break_fd()),
            #[cfg(any(test, loom))]
            Backend::Fake(_) => None,
        }
    }

    /// Puts a timerfd into the instance, for pollers that are nested in another one.
    pub(crate) fn add_timer(&self) -> io::Result<Option<TimerFd>> {
        match self {
            Backend::Epoll(epoll) => epoll.add_timer().map(Some),
            #[cfg(any(test, loom))]
            Backend::Fake(_) => Ok(None),
        }
    }

    /// The epoll instance, readable when it has events; `None` for memory.
    pub(crate) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Backend::Epoll(epoll) => Some(epoll.as_fd()),
            #[cfg(any(test, loom))]
            Backend::Fake(_) => None,
        }
    }
}

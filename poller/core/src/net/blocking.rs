//! Handles that park the thread instead of the task.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::panic::Location;

use crate::driver::block_on_operation;
use crate::fd::{Fd, WriteAllError};
use crate::poller::Poller;

/// A type with a descriptor inside that can be used from a plain thread.
pub(crate) trait HasFd {
    fn fd(&self) -> &Fd;
}

/// A descriptor as std's [`Read`] and [`Write`]: the calling thread parks until it can go on, and
/// polls for everybody while it does. Deadlines hold as they do for tasks.
///
/// In tokio it is for `spawn_blocking` and `block_in_place`: where it would have to wait on a
/// worker, an operation fails with [`io::ErrorKind::Deadlock`] instead.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use netpoller::net::UnixStream;
/// use std::io::{Read, Write};
///
/// let (a, b) = UnixStream::pair()?;
/// a.blocking().write_all(b"hello")?;
/// let mut buf = [0; 5];
/// b.blocking().read_exact(&mut buf)?;
/// assert_eq!(&buf, b"hello");
/// # Ok(())
/// # }
/// ```
pub struct Blocking<'a, T> {
    inner: &'a T,
}

impl<'a, T> Blocking<'a, T> {
    pub(crate) fn new(inner: &'a T) -> Self {
        Self { inner }
    }
}

impl<T> Clone for Blocking<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Blocking<'_, T> {}

impl<T: fmt::Debug> fmt::Debug for Blocking<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(self.inner).finish()
    }
}

/// Writes all of `buf` in one turn, on this thread.
pub(crate) fn write_all<T: HasFd>(
    handle: &Blocking<'_, T>,
    buf: &[u8],
    location: &'static Location<'static>,
) -> Result<(), WriteAllError> {
    let fd = handle.inner.fd();
    block_on_operation(&poller_of(fd), fd.write_all(buf, location))
        .map_err(WriteAllError::refused)?
}

/// Runs an operation of `fd` on this thread.
pub(crate) fn run<R>(fd: &Fd, operation: impl Future<Output = io::Result<R>>) -> io::Result<R> {
    block_on_operation(&poller_of(fd), operation)?
}

fn poller_of(fd: &Fd) -> Poller {
    Poller {
        shared: fd.desc().shared.clone(),
    }
}

impl<T: HasFd> Read for Blocking<'_, T> {
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let fd = self.inner.fd();
        run(fd, fd.read(buf, Location::caller()))
    }

    #[track_caller]
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let fd = self.inner.fd();
        run(fd, fd.readv(bufs, Location::caller()))
    }
}

impl<T: HasFd> Write for Blocking<'_, T> {
    #[track_caller]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let fd = self.inner.fd();
        run(fd, fd.write(buf, Location::caller()))
    }

    /// In one turn: other writers come before or after it, not in between.
    #[track_caller]
    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        Ok(write_all(self, buf, Location::caller())?)
    }

    #[track_caller]
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let fd = self.inner.fd();
        run(fd, fd.writev(bufs, Location::caller()))
    }

    /// Nothing is buffered here.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Reads and writes.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::RawFd;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use super::descriptor::Fd;
use super::ongoing::Ongoing;
use super::operation::{self as op, Op, Operation};
use crate::desc::Kind;
use crate::observe::Direction;
use crate::sys::{self, Room};

/// Most bytes of one read or write, as in Go: some kernels and file systems misbehave beyond.
const MAX_RW: usize = 1 << 30;

/// A write that ended before all bytes were written.
///
/// Converts into an [`io::Error`] for `?`, which forgets the count.
#[derive(Debug)]
pub struct WriteAllError {
    written: usize,
    source: io::Error,
}

impl WriteAllError {
    /// It was not even begun with.
    pub(crate) fn refused(source: io::Error) -> Self {
        Self { written: 0, source }
    }

    /// Bytes that were written before the error (semantics 36).
    pub fn written(&self) -> usize {
        self.written
    }

    /// The error without the count.
    pub fn into_inner(self) -> io::Error {
        self.source
    }
}

impl fmt::Display for WriteAllError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (after {} bytes were written)",
            self.source, self.written
        )
    }
}

// An error is not left in the middle of anything, whatever lies inside.
impl std::panic::UnwindSafe for WriteAllError {}
impl std::panic::RefUnwindSafe for WriteAllError {}

impl std::error::Error for WriteAllError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl From<WriteAllError> for io::Error {
    fn from(error: WriteAllError) -> Self {
        error.source
    }
}

impl Fd {
    /// A read with so much room.
    #[inline]
    fn reading(&self, room: usize, location: &'static Location<'static>) -> Operation<op::Read> {
        Operation::new(location).with_end(self.options.stream && room > 0)
    }

    #[inline]
    fn writing(&self, location: &'static Location<'static>) -> Operation<op::Write> {
        Operation::new(location).with_queue_elsewhere(self.options.kind == Kind::UnixDatagram)
    }

    /// Notes whether the kernel's buffer is empty now. Only for TCP: Unix sockets end a read at a
    /// change of credentials or where a descriptor was passed, pipes in packet mode at each packet.
    #[inline]
    fn note_drained(&self, n: usize, room: usize) {
        if self.options.kind == Kind::Tcp {
            // Some bytes, but not as many as there was room for.
            let is_short = n.wrapping_sub(1) < room.wrapping_sub(1);
            let drained = is_short && !self.lent.load(Ordering::Relaxed);
            self.drained.store(drained, Ordering::Relaxed);
        }
    }

    #[inline]
    fn try_read(&self, fd: RawFd, buf: &mut (impl Room + ?Sized)) -> io::Result<usize> {
        let room = buf.size().min(MAX_RW);
        let n = if self.options.socket {
            sys::io::recv(fd, buf, room, 0)?
        } else {
            sys::io::read(fd, buf, room)?
        };
        self.note_drained(n, room);
        Ok(n)
    }

    #[inline]
    fn try_write(&self, fd: RawFd, buf: &[u8]) -> io::Result<usize> {
        // A datagram is whole or not at all; cutting it would send another one.
        let buf = match buf.get(..MAX_RW) {
            Some(most) if self.options.stream => most,
            _ => buf,
        };
        if self.options.socket {
            sys::io::send(fd, buf, 0)
        } else {
            sys::io::write(fd, buf)
        }
    }

    /// Reads once.
    #[inline]
    pub(crate) fn read<'a>(
        &'a self,
        buf: &'a mut [u8],
        location: &'static Location<'static>,
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        // Asking the kernel for no bytes would look like the end.
        let reading = self.reading(buf.len(), location);
        let operation = reading.with_elision(true).with_idleness(buf.is_empty());
        self.run(operation, move |fd| {
            if buf.is_empty() {
                return Ok(0);
            }
            self.try_read(fd, buf)
        })
    }

    /// [`Fd::read`] for traits with a poll function.
    #[cfg_attr(
        not(any(feature = "tokio", feature = "futures-io", feature = "hyper")),
        allow(dead_code)
    )]
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut (impl Room + ?Sized),
        location: &'static Location<'static>,
    ) -> Poll<io::Result<usize>> {
        if buf.size() == 0 {
            let permit = ready!(self.poll_permit(Direction::Read, cx));
            permit.made_progress();
            return Poll::Ready(if self.mutex.is_closed() {
                Err(crate::Error::Closed.into())
            } else {
                Ok(0)
            });
        }
        let operation = self.reading(buf.size(), location).with_elision(true);
        self.poll_run(operation, cx, |fd| self.try_read(fd, buf))
    }

    /// Reads once, into several buffers.
    pub(crate) async fn readv(
        &self,
        bufs: &mut [IoSliceMut<'_>],
        location: &'static Location<'static>,
    ) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return self.read(&mut [], location).await;
        }
        let room = room_of(bufs);
        self.run(self.reading(room, location), |fd| {
            let n = sys::io::readv(fd, bufs)?;
            self.note_drained(n, room);
            Ok(n)
        })
        .await
    }

    /// Writes once; a stream may take a part.
    #[inline]
    pub(crate) fn write<'a>(
        &'a self,
        buf: &'a [u8],
        location: &'static Location<'static>,
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        self.run(self.writing(location), move |fd| self.try_write(fd, buf))
    }

    /// [`Fd::write`] for traits with a poll function.
    #[cfg_attr(
        not(any(feature = "tokio", feature = "futures-io", feature = "hyper")),
        allow(dead_code)
    )]
    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        location: &'static Location<'static>,
    ) -> Poll<io::Result<usize>> {
        self.poll_run(self.writing(location), cx, |fd| self.try_write(fd, buf))
    }

    /// [`Fd::writev`] for traits with a poll function.
    #[cfg_attr(
        not(any(feature = "tokio", feature = "futures-io", feature = "hyper")),
        allow(dead_code)
    )]
    pub(crate) fn poll_writev(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        location: &'static Location<'static>,
    ) -> Poll<io::Result<usize>> {
        self.poll_run(self.writing(location), cx, |fd| self.try_writev(fd, bufs))
    }

    fn try_writev(&self, fd: RawFd, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        // writev(2) has no flags, so a socket takes sendmsg for MSG_NOSIGNAL.
        if self.options.socket {
            sys::io::sendmsg(fd, &bufs[..bufs.len().min(sys::io::IOV_MAX)], None, &[])
        } else {
            sys::io::writev(fd, bufs)
        }
    }

    /// Writes once, from several buffers.
    pub(crate) async fn writev(
        &self,
        bufs: &[IoSlice<'_>],
        location: &'static Location<'static>,
    ) -> io::Result<usize> {
        self.run(self.writing(location), |fd| self.try_writev(fd, bufs))
            .await
    }

    /// Writes all of `buf` in one turn, so that no other writer comes in between. On an error the
    /// bytes written so far are counted in it (semantics 36).
    #[inline]
    pub(crate) fn write_all<'a>(
        &'a self,
        buf: &'a [u8],
        location: &'static Location<'static>,
    ) -> WriteAll<'a> {
        WriteAll {
            ongoing: self.begin(self.writing(location)),
            rest: buf,
            length: buf.len(),
        }
    }

    /// Receives one datagram, and who sent it.
    pub(crate) async fn recv_from(
        &self,
        buf: &mut [u8],
        flags: i32,
        location: &'static Location<'static>,
    ) -> io::Result<(usize, socket2::SockAddr)> {
        self.run(self.reading(buf.len(), location), |fd| {
            sys::io::recv_from(fd, buf, flags)
        })
        .await
    }

    /// Sends one datagram.
    pub(crate) async fn send_to(
        &self,
        buf: &[u8],
        to: &socket2::SockAddr,
        location: &'static Location<'static>,
    ) -> io::Result<usize> {
        self.run(self.writing(location), |fd| sys::io::send_to(fd, buf, to))
            .await
    }

    /// recvmsg(2).
    pub(crate) async fn recvmsg(
        &self,
        bufs: &mut [IoSliceMut<'_>],
        control: &mut [u8],
        location: &'static Location<'static>,
    ) -> io::Result<sys::io::Received> {
        let operation = self.reading(room_of(bufs), location);
        self.run(operation, |fd| sys::io::recvmsg(fd, bufs, control, 0))
            .await
    }

    /// sendmsg(2).
    pub(crate) async fn sendmsg(
        &self,
        bufs: &[IoSlice<'_>],
        to: Option<&socket2::SockAddr>,
        control: &[u8],
        location: &'static Location<'static>,
    ) -> io::Result<usize> {
        self.run(self.writing(location), |fd| {
            sys::io::sendmsg(fd, bufs, to, control)
        })
        .await
    }

    /// Waits until there is something to read, without doing it: asks the kernel first, because an
    /// edge that has gone by does not come again (golang/go#15735).
    #[inline]
    pub(crate) fn readable(
        &self,
        location: &'static Location<'static>,
    ) -> impl Future<Output = io::Result<()>> {
        self.ready::<op::Read>(libc::POLLIN | libc::POLLRDHUP, location)
    }

    /// Waits until there is room to write, as [`Fd::readable`] does.
    #[inline]
    pub(crate) fn writable(
        &self,
        location: &'static Location<'static>,
    ) -> impl Future<Output = io::Result<()>> {
        self.ready::<op::Write>(libc::POLLOUT, location)
    }

    #[inline]
    fn ready<O: Op>(
        &self,
        events: i16,
        location: &'static Location<'static>,
    ) -> impl Future<Output = io::Result<()>> {
        let operation = Operation::<O>::new(location).with_peeking(true);
        self.run(operation, move |fd| match sys::io::poll_now(fd, events)? {
            0 => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
            _ => Ok(()),
        })
    }
}

/// The future of [`Fd::write_all`].
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct WriteAll<'a> {
    ongoing: Ongoing<'a, op::Write>,
    /// What is left to write, of so many bytes.
    rest: &'a [u8],
    length: usize,
}

impl Future for WriteAll<'_> {
    type Output = Result<(), WriteAllError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let WriteAll {
            ongoing,
            rest,
            length,
        } = self.get_mut();
        let fd = ongoing.fd();
        let local = fd.local();
        let result = loop {
            // Each call counts: a peer that is quick keeps the task from its executor as well.
            let part = *rest;
            match ready!(ongoing.poll(local, cx, move |raw| fd.try_write(raw, part))) {
                Ok(n) if n >= part.len() => break Ok(()),
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => *rest = &rest[n..],
                Err(error) => break Err(error),
            }
            ongoing.begin_anew();
        };
        ongoing.end();
        let operation = ongoing.operation();
        Poll::Ready(match result {
            Ok(()) => {
                operation.count_success(local, Some(*length));
                Ok(())
            }
            Err(source) => {
                let written = *length - rest.len();
                operation.count_bytes(local, written);
                let source = operation.count_failure(local, source);
                Err(WriteAllError { written, source })
            }
        })
    }
}

/// What one call can take: more room than that says nothing about what is left in the kernel.
fn room_of(bufs: &[IoSliceMut<'_>]) -> usize {
    bufs.iter()
        .take(sys::io::IOV_MAX)
        .fold(0, |room: usize, buf| room.saturating_add(buf.len()))
        .min(MAX_RW)
}

//! Reads and writes.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::descriptor::Fd;
use super::operation::Operation;
use crate::desc::Kind;
use crate::observe::{Counter, Direction, OpKind, OpResult};
use crate::sys;

/// Most bytes of one read or write, as in Go: some kernels and file systems misbehave beyond.
const MAX_RW: usize = 1 << 30;

fn reading(location: &'static Location<'static>, elide: bool) -> Operation {
    Operation {
        direction: Direction::Read,
        kind: OpKind::Read,
        location,
        elide,
    }
}

fn writing(location: &'static Location<'static>) -> Operation {
    Operation {
        direction: Direction::Write,
        kind: OpKind::Write,
        location,
        elide: false,
    }
}

/// A write that ended before all bytes were written.
///
/// Converts into an [`io::Error`] for `?`, which forgets the count.
#[derive(Debug)]
pub struct WriteAllError {
    written: usize,
    source: io::Error,
}

impl WriteAllError {
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
    /// The end of a stream was read, or a message, or bytes.
    #[inline]
    fn count_read(&self, n: usize, room: usize) {
        let local = self.local();
        local.add(Counter::BytesRead, n as u64);
        local.count(
            OpKind::Read.op(if n == 0 && room > 0 && self.options.stream {
                OpResult::Eof
            } else {
                OpResult::Ok
            }),
        );
    }

    /// Notes whether the kernel's buffer is empty now. Only for TCP: Unix sockets end a read at a change of credentials or
    /// where a descriptor was passed, pipes in packet mode at each packet.
    #[inline]
    fn note_drained(&self, n: usize, room: usize) {
        if self.options.kind == Kind::Tcp {
            let drained = n > 0 && n < room && !self.lent.load(Ordering::Relaxed);
            self.drained.store(drained, Ordering::Relaxed);
        }
    }

    #[inline]
    fn try_read(&self, fd: i32, buf: &mut [u8]) -> io::Result<usize> {
        let room = buf.len().min(MAX_RW);
        let n = if self.options.socket {
            sys::io::recv(fd, &mut buf[..room], 0)?
        } else {
            sys::io::read(fd, &mut buf[..room])?
        };
        self.note_drained(n, room);
        Ok(n)
    }

    #[inline]
    fn try_write(&self, fd: i32, buf: &[u8]) -> io::Result<usize> {
        // A datagram is whole or not at all; cutting it would send another one.
        let buf = if self.options.stream {
            &buf[..buf.len().min(MAX_RW)]
        } else {
            buf
        };
        if self.options.socket {
            sys::io::send(fd, buf, 0)
        } else {
            sys::io::write(fd, buf)
        }
    }

    /// Reads once.
    pub(crate) async fn read(
        &self,
        buf: &mut [u8],
        location: &'static Location<'static>,
    ) -> io::Result<usize> {
        let operation = reading(location, true);
        let turn = match self.try_turn(Direction::Read) {
            Some(turn) => turn,
            None => self.queue(Direction::Read).await,
        }
        .map_err(|error| self.failed(OpKind::Read, error))?;
        // Semantics 37: no bytes wanted, none given, whatever the deadline says. Asking the kernel would look like the end.
        let result = if buf.is_empty() {
            Ok(0)
        } else {
            turn.attempt(operation, &mut |fd| self.try_read(fd, buf))
                .await
        };
        drop(turn);
        match result {
            Ok(n) => {
                self.count_read(n, buf.len());
                Ok(n)
            }
            Err(error) => Err(self.failed(OpKind::Read, error)),
        }
    }

    /// [`Fd::read`] for traits with a poll function.
    #[cfg_attr(
        not(any(feature = "tokio", feature = "futures-io", feature = "hyper")),
        allow(dead_code)
    )]
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        location: &'static Location<'static>,
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(if self.mutex.is_closed() {
                Err(crate::Error::Closed.into())
            } else {
                Ok(0)
            });
        }
        self.poll_run(reading(location, true), cx, |fd| self.try_read(fd, buf))
            .map_ok(|n| {
                self.local().add(Counter::BytesRead, n as u64);
                n
            })
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
        // What one call can take: more room than that says nothing about what is left in the kernel.
        let room = bufs
            .iter()
            .take(sys::io::IOV_MAX)
            .fold(0, |room: usize, buf| room.saturating_add(buf.len()))
            .min(MAX_RW);
        let n = self
            .run(reading(location, false), |fd| {
                let n = sys::io::readv(fd, bufs)?;
                self.note_drained(n, room);
                Ok(n)
            })
            .await?;
        self.local().add(Counter::BytesRead, n as u64);
        Ok(n)
    }

    /// Writes once; a stream may take a part.
    pub(crate) async fn write(
        &self,
        buf: &[u8],
        location: &'static Location<'static>,
    ) -> io::Result<usize> {
        let n = self
            .run(writing(location), |fd| self.try_write(fd, buf))
            .await?;
        self.count_written(n);
        Ok(n)
    }

    #[inline]
    fn count_written(&self, n: usize) {
        self.local().add(Counter::BytesWritten, n as u64);
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
        self.poll_run(writing(location), cx, |fd| self.try_write(fd, buf))
            .map_ok(|n| {
                self.count_written(n);
                n
            })
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
        self.poll_run(writing(location), cx, |fd| self.try_writev(fd, bufs))
            .map_ok(|n| {
                self.count_written(n);
                n
            })
    }

    fn try_writev(&self, fd: i32, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
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
        let n = self
            .run(writing(location), |fd| self.try_writev(fd, bufs))
            .await?;
        self.count_written(n);
        Ok(n)
    }

    /// Writes all of `buf` in one turn, so that no other writer comes in between. On an error the bytes written so far are
    /// counted in it (semantics 36).
    pub(crate) async fn write_all(
        &self,
        buf: &[u8],
        location: &'static Location<'static>,
    ) -> Result<(), WriteAllError> {
        let mut written = 0;
        let result = self.write_rest(buf, &mut written, location).await;
        let local = self.local();
        local.add(Counter::BytesWritten, written as u64);
        match result {
            Ok(()) => {
                local.count(OpKind::Write.op(OpResult::Ok));
                Ok(())
            }
            Err(error) => Err(WriteAllError {
                written,
                source: self.failed(OpKind::Write, error),
            }),
        }
    }

    async fn write_rest(
        &self,
        buf: &[u8],
        written: &mut usize,
        location: &'static Location<'static>,
    ) -> io::Result<()> {
        let turn = match self.try_turn(Direction::Write) {
            Some(turn) => turn?,
            None => self.queue(Direction::Write).await?,
        };
        loop {
            let rest = &buf[*written..];
            let n = turn
                .attempt(writing(location), &mut |fd| self.try_write(fd, rest))
                .await?;
            *written += n;
            if *written >= buf.len() {
                return Ok(());
            }
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
    }

    /// Receives one datagram, and who sent it.
    pub(crate) async fn recv_from(
        &self,
        buf: &mut [u8],
        flags: i32,
        location: &'static Location<'static>,
    ) -> io::Result<(usize, socket2::SockAddr)> {
        let (n, from) = self
            .run(reading(location, false), |fd| {
                sys::io::recv_from(fd, buf, flags)
            })
            .await?;
        self.local().add(Counter::BytesRead, n as u64);
        Ok((n, from))
    }

    /// Sends one datagram.
    pub(crate) async fn send_to(
        &self,
        buf: &[u8],
        to: &socket2::SockAddr,
        location: &'static Location<'static>,
    ) -> io::Result<usize> {
        let n = self
            .run(writing(location), |fd| sys::io::send_to(fd, buf, to))
            .await?;
        self.count_written(n);
        Ok(n)
    }

    /// recvmsg(2).
    pub(crate) async fn recvmsg(
        &self,
        bufs: &mut [IoSliceMut<'_>],
        control: &mut [u8],
        location: &'static Location<'static>,
    ) -> io::Result<sys::io::Received> {
        let call = |fd| sys::io::recvmsg(fd, bufs, control, 0);
        let received = self.run(reading(location, false), call).await?;
        self.local().add(Counter::BytesRead, received.bytes as u64);
        Ok(received)
    }

    /// sendmsg(2).
    pub(crate) async fn sendmsg(
        &self,
        bufs: &[IoSlice<'_>],
        to: Option<&socket2::SockAddr>,
        control: &[u8],
        location: &'static Location<'static>,
    ) -> io::Result<usize> {
        let n = self
            .run(writing(location), |fd| {
                sys::io::sendmsg(fd, bufs, to, control)
            })
            .await?;
        self.count_written(n);
        Ok(n)
    }

    /// Waits until there is something to read, or to write, without doing it: asks the kernel first, because an edge that has
    /// gone by does not come again (golang/go#15735).
    pub(crate) async fn ready(
        &self,
        direction: Direction,
        location: &'static Location<'static>,
    ) -> io::Result<()> {
        let (operation, events) = match direction {
            Direction::Read => (reading(location, false), libc::POLLIN | libc::POLLRDHUP),
            Direction::Write => (writing(location), libc::POLLOUT),
        };
        let turn = self.turn(direction).await?;
        let mut poll = |fd| match sys::io::poll_now(fd, events)? {
            0 => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
            _ => Ok(()),
        };
        turn.attempt(operation, &mut poll).await
    }
}

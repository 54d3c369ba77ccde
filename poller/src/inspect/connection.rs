//! One accepted connection. It holds a place among those allowed, and loses it if it does not begin to speak in time:
//! somebody who connects and says nothing must not keep others out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tonic::transport::server::Connected;

/// What every HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The time it has for that.
const PREFACE_TIME: Duration = Duration::from_secs(5);

/// A stream socket of either kind.
#[derive(Debug)]
pub(super) enum Stream {
    Unix(tokio::net::UnixStream),
    Tcp(tokio::net::TcpStream),
}

/// A connection that was let in.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    /// `None` once the preface was read.
    deadline: Option<Pin<Box<Sleep>>>,
    read: usize,
    redact: bool,
    _place: OwnedSemaphorePermit,
}

/// What handlers know of the connection that asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// Addresses are not to be shown.
    pub(super) redact: bool,
}

impl Connection {
    pub(super) fn new(stream: Stream, redact: bool, place: OwnedSemaphorePermit) -> Self {
        let deadline = Some(Box::pin(tokio::time::sleep(PREFACE_TIME)));
        Self {
            stream,
            deadline,
            read: 0,
            redact,
            _place: place,
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        Peer {
            redact: self.redact,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(deadline) = &mut this.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        match &mut this.stream {
            Stream::Unix(stream) => ready!(Pin::new(stream).poll_read(cx, buf))?,
            Stream::Tcp(stream) => ready!(Pin::new(stream).poll_read(cx, buf))?,
        }
        if this.deadline.is_some() {
            let got = &buf.filled()[before..];
            let expected = &PREFACE[this.read..];
            let length = got.len().min(expected.len());
            if got[..length] != expected[..length] {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            this.read += length;
            if this.read == PREFACE.len() {
                this.deadline = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

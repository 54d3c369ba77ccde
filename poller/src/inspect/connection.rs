//! One accepted connection: what it runs over, who is at the other end, and when it has to go.
//!
//! It holds a place among those allowed, and loses it if no request of it was let in in time: somebody who connects and
//! says nothing, or half a preface, or shows no token, must not keep others out. It goes too when it is old, and when one
//! of its subscribers takes nothing any more.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tonic::transport::server::Connected;

use super::limits::Limits;

/// What every HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream socket of either kind, or TLS over one.
#[derive(Debug)]
pub(super) enum Stream {
    Unix(tokio::net::UnixStream),
    Tcp(tokio::net::TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::server::TlsStream<tokio::net::TcpStream>>),
}

impl Stream {
    fn transport(&self) -> Transport {
        match self {
            Self::Unix(_) => Transport::Unix,
            Self::Tcp(_) => Transport::Tcp,
            #[cfg(feature = "tls")]
            Self::Tls(_) => Transport::Tls,
        }
    }

    /// For the log of `Control`.
    fn peer(&self) -> String {
        let address = |address: io::Result<std::net::SocketAddr>| {
            address.map_or_else(|_| "a peer that is gone".to_owned(), |a| a.to_string())
        };
        match self {
            Self::Unix(stream) => match stream.peer_cred() {
                Ok(peer) => format!("uid {} pid {}", peer.uid(), peer.pid().unwrap_or(0)),
                Err(_) => "a peer that is gone".to_owned(),
            },
            Self::Tcp(stream) => address(stream.peer_addr()),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => address(stream.get_ref().0.peer_addr()),
        }
    }
}

/// What a connection runs over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transport {
    /// Only this user, and root, are at the other end.
    Unix,
    Tcp,
    #[cfg(feature = "tls")]
    Tls,
}

/// What is known of a connection by all who serve it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) transport: Transport,
    /// Who is at the other end.
    pub(super) peer: String,
    /// Places for streams that go on.
    pub(super) subscriptions: Arc<Semaphore>,
    /// tokio-console on this connection has pressed pause. Its requests have nothing else in common.
    #[cfg(feature = "console")]
    pub(super) paused: tokio::sync::watch::Sender<bool>,
    admitted: AtomicBool,
    broken_off: Arc<Notify>,
}

impl Session {
    /// A request was let in: whoever is there has shown what he had to.
    pub(super) fn admit(&self) {
        self.admitted.store(true, Ordering::Relaxed);
    }

    /// Ends the connection, whatever its streams wait for.
    pub(super) fn break_off(&self) {
        self.broken_off.notify_one();
    }
}

/// What handlers know of the connection that asks.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Addresses are not to be shown.
    pub(super) redact: bool,
    pub(super) session: Arc<Session>,
}

/// A connection that was let in.
pub(super) struct Connection {
    stream: Stream,
    peer: Peer,
    /// Until the first request was let in, and then until it is too old.
    deadline: Pin<Box<Sleep>>,
    oldest: Instant,
    /// Bytes of the preface that came.
    read: usize,
    broken_off: Pin<Box<OwnedNotified>>,
    /// The error with which it ended. A future that is done must not be asked again.
    ended: Option<io::ErrorKind>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    pub(super) fn new(
        stream: Stream,
        redact: bool,
        limits: &Limits,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let now = Instant::now();
        let notify = Arc::new(Notify::new());
        let session = Session {
            transport: stream.transport(),
            peer: stream.peer(),
            subscriptions: Arc::new(Semaphore::new(limits.subscriptions)),
            #[cfg(feature = "console")]
            paused: tokio::sync::watch::Sender::new(false),
            admitted: AtomicBool::new(false),
            broken_off: notify.clone(),
        };
        Self {
            stream,
            peer: Peer {
                redact,
                session: Arc::new(session),
            },
            deadline: Box::pin(tokio::time::sleep_until(now + limits.opening)),
            oldest: now + limits.age,
            read: 0,
            broken_off: Box::pin(notify.notified_owned()),
            ended: None,
            _place: place,
        }
    }

    /// An error when the connection has to go. Both halves ask: a peer that reads nothing keeps the writing half waiting,
    /// and one that writes nothing the reading half.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.ended.is_none() && self.broken_off.as_mut().poll(cx).is_ready() {
            self.ended = Some(io::ErrorKind::ConnectionAborted);
        }
        while self.ended.is_none() && self.deadline.as_mut().poll(cx).is_ready() {
            if Instant::now() < self.oldest && self.peer.session.admitted.load(Ordering::Relaxed) {
                self.deadline.as_mut().reset(self.oldest);
            } else {
                self.ended = Some(io::ErrorKind::TimedOut);
            }
        }
        self.ended.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn io(&mut self) -> Pin<&mut (dyn Io + Unpin)> {
        Pin::new(match &mut self.stream {
            Stream::Unix(stream) => stream,
            Stream::Tcp(stream) => stream,
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream,
        })
    }
}

/// Both halves of a stream.
trait Io: AsyncRead + AsyncWrite {}

impl<T: AsyncRead + AsyncWrite> Io for T {}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("session", &self.peer.session)
            .finish_non_exhaustive()
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buf.filled().len();
        ready!(self.io().poll_read(cx, buf))?;
        let expected = &PREFACE[self.read..];
        let got = &buf.filled()[before..];
        let length = got.len().min(expected.len());
        if got[..length] != expected[..length] {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        self.read += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        self.io().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }
}

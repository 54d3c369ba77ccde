//! One accepted connection: what it runs over, who is at the other end, and when it has to go.
//!
//! It holds a place among those allowed, and loses it if no request of it was let in in time:
//! somebody who connects and says nothing, or half a preface, or shows no token, must not keep
//! others out. It goes too when it is old, when one of its subscribers takes nothing any more, and
//! when it is the idlest and another one comes.
//!
//! No more is read of it in a second than a client has to say: PRIORITY frames, and those of types
//! that nobody knows, cost nothing to send, and time to read.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use netpoller_core::view::lints::Lints;
use netpoller_host::{Place, Reserve, Seat};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Semaphore;
use tokio::sync::futures::OwnedNotified;
use tokio::time::{Instant, Sleep};
use tonic::transport::server::Connected;
use tonic::{Request, Status};

use super::rate::Intake;
use crate::limits::Limits;

/// What every HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream socket of either kind, or TLS over one.
#[derive(Debug)]
pub(crate) enum Stream {
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

    /// Its descriptor, which nobody uses any more. `None` if it was closed.
    pub(super) fn into_fd(self) -> Option<OwnedFd> {
        match self {
            Self::Unix(stream) => stream.into_std().ok().map(OwnedFd::from),
            Self::Tcp(stream) => stream.into_std().ok().map(OwnedFd::from),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.into_inner().0.into_std().ok().map(OwnedFd::from),
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

/// What the last diagnosis of a connection has seen, and when that was over.
pub(crate) type Seen = Mutex<Option<(Instant, Lints)>>;

/// What is known of a connection by all who serve it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) transport: Transport,
    /// Who is at the other end.
    pub(super) peer: String,
    /// Whether it is idle, and how to end it.
    pub(super) seat: Arc<Seat>,
    /// Places for streams that go on.
    pub(super) subscriptions: Arc<Semaphore>,
    /// And for pages that were not taken yet.
    pub(super) pages: Arc<Semaphore>,
    /// tokio-console on this connection has pressed pause. Its requests have nothing else in
    /// common.
    #[cfg(feature = "console")]
    pub(crate) paused: tokio::sync::watch::Sender<bool>,
    /// Its streams end when nothing of them was taken for so long.
    pub(crate) stalled: Duration,
    pub(crate) seen: Seen,
    admitted: AtomicBool,
}

impl Session {
    /// A request was let in: the peer has shown what it had to.
    pub(super) fn admit(&self) {
        self.admitted.store(true, Ordering::Relaxed);
    }

    /// Ends the connection, whatever its streams wait for.
    pub(super) fn break_off(&self) {
        self.seat.dismiss();
    }
}

/// What handlers know of the connection that asks.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Addresses are not to be shown.
    pub(crate) redact: bool,
    pub(crate) session: Arc<Session>,
}

impl Peer {
    /// Who sent this request.
    pub(crate) fn of<T>(request: &Request<T>) -> Result<&Self, Status> {
        let peer = request.extensions().get::<Self>();
        peer.ok_or_else(|| Status::internal("the endpoint does not know who calls: a bug"))
    }
}

/// A connection that was let in.
pub(crate) struct Connection {
    /// Until it is dropped.
    stream: Option<Stream>,
    peer: Peer,
    intake: Intake,
    /// Until the first request was let in, and then until it is too old.
    deadline: Pin<Box<Sleep>>,
    oldest: Instant,
    /// Bytes of the preface that came.
    read: usize,
    broken_off: Pin<Box<OwnedNotified>>,
    /// The error with which it ended. A future that is done must not be asked again.
    ended: Option<io::ErrorKind>,
    reserve: Reserve,
    _place: Place,
}

impl Connection {
    pub(crate) fn new(
        stream: Stream,
        redact: bool,
        limits: &Limits,
        place: Place,
        reserve: Reserve,
    ) -> Self {
        let now = Instant::now();
        let seat = place.seat().clone();
        let broken_off = Box::pin(seat.dismissed());
        let session = Session {
            transport: stream.transport(),
            peer: stream.peer(),
            seat,
            subscriptions: Arc::new(Semaphore::new(limits.subscriptions)),
            pages: Arc::new(Semaphore::new(limits.pages)),
            #[cfg(feature = "console")]
            paused: tokio::sync::watch::Sender::new(false),
            stalled: limits.stalled,
            seen: Mutex::default(),
            admitted: AtomicBool::new(false),
        };
        Self {
            stream: Some(stream),
            peer: Peer {
                redact,
                session: Arc::new(session),
            },
            intake: Intake::new(limits.intake, limits.intake_burst),
            deadline: Box::pin(tokio::time::sleep_until(now + limits.opening)),
            oldest: now + limits.age,
            read: 0,
            broken_off,
            ended: None,
            reserve,
            _place: place,
        }
    }

    /// An error when the connection has to go. Both halves ask: a peer that reads nothing keeps the
    /// writing half waiting, and one that writes nothing the reading half.
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

    fn io(&mut self) -> io::Result<Pin<&mut (dyn Io + Unpin)>> {
        Ok(Pin::new(match &mut self.stream {
            Some(Stream::Unix(stream)) => stream,
            Some(Stream::Tcp(stream)) => stream,
            #[cfg(feature = "tls")]
            Some(Stream::Tls(stream)) => stream,
            None => return Err(io::ErrorKind::NotConnected.into()),
        }))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(fd) = self.stream.take().and_then(Stream::into_fd) {
            self.reserve.take_back(fd);
        }
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
        ready!(self.intake.poll_ready(cx));
        let before = buf.filled().len();
        ready!(self.io()?.poll_read(cx, buf))?;
        let took = buf.filled().len() - before;
        self.intake.took(took);
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
        self.io()?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        self.io()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io()?.poll_shutdown(cx)
    }
}

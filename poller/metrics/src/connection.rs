//! One connection of the server: what it does at the moment, and how long that may take.
//!
//! | it | may take | so that |
//! |---|---|---|
//! | has begun, or sends the head of a request | `head` | who says nothing, or half of it, has no place for long |
//! | answers, and nothing is taken of it | `write` | nor does who asks and does not read |
//! | waits for the next request | `idle` | Prometheus need not connect for each scrape |

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::StatusCode;
use netpoller_host::{Reserve, Seat, UnderWay};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What a connection does, told by both of its halves.
#[derive(Clone, Debug)]
pub(super) struct Visit(Arc<Told>);

#[derive(Debug)]
struct Told {
    seat: Arc<Seat>,
    doing: Mutex<(Doing, Instant)>,
}

#[derive(Debug)]
enum Doing {
    Head,
    Answer(#[allow(dead_code, reason = "it is for its end")] UnderWay),
    Nothing,
}

impl Visit {
    pub(super) fn new(seat: Arc<Seat>) -> Self {
        Self(Arc::new(Told {
            seat,
            doing: Mutex::new((Doing::Head, Instant::now())),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, (Doing, Instant)> {
        self.0.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes came.
    fn came(&self) {
        self.0.seat.sign();
        let mut doing = self.lock();
        if matches!(doing.0, Doing::Nothing) {
            *doing = (Doing::Head, Instant::now());
        }
    }

    /// A head was read, and is answered from now on.
    pub(super) fn answer(&self) {
        *self.lock() = (Doing::Answer(self.0.seat.begin()), Instant::now());
    }

    /// Bytes were taken.
    fn wrote(&self) {
        self.0.seat.sign();
        let mut doing = self.lock();
        if matches!(doing.0, Doing::Answer(_)) {
            doing.1 = Instant::now();
        }
    }

    /// All that was to be written was.
    fn flushed(&self) {
        let mut doing = self.lock();
        if matches!(doing.0, Doing::Answer(_)) {
            *doing = (Doing::Nothing, Instant::now());
        }
    }

    /// When what it does will have taken too long.
    pub(super) fn due(&self, head: Duration, write: Duration, idle: Duration) -> Instant {
        let doing = self.lock();
        doing.1
            + match doing.0 {
                Doing::Head => head,
                Doing::Answer(_) => write,
                Doing::Nothing => idle,
            }
    }
}

/// The status with which hyper has refused what is no head of a request.
pub(super) fn refused_head(error: &hyper::Error) -> u16 {
    let status = match error.is_parse_too_large() {
        true => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        false => StatusCode::BAD_REQUEST,
    };
    status.as_u16()
}

/// A socket whose descriptor goes to the reserve when it is missing there.
#[derive(Debug)]
pub(super) struct Stream {
    /// Until it is dropped.
    stream: Option<TcpStream>,
    reserve: Reserve,
    visit: Option<Visit>,
}

impl Stream {
    pub(super) fn new(stream: TcpStream, reserve: Reserve) -> Self {
        Self {
            stream: Some(stream),
            reserve,
            visit: None,
        }
    }

    /// Tells `visit` from now on.
    pub(super) fn of(mut self, visit: Visit) -> Self {
        self.visit = Some(visit);
        self
    }

    fn io(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        let stream = self.stream.as_mut();
        stream
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(Ok(stream)) = self.stream.take().map(TcpStream::into_std) {
            self.reserve.take_back(stream);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.io()?.poll_read(cx, buf);
        if let Some(visit) = &self.visit
            && buf.filled().len() > before
        {
            visit.came();
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.io()?.poll_write(cx, buf);
        if let (Some(visit), Poll::Ready(Ok(_))) = (&self.visit, &written) {
            visit.wrote();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.io()?.poll_flush(cx);
        if let (Some(visit), Poll::Ready(Ok(()))) = (&self.visit, &flushed) {
            visit.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io()?.poll_shutdown(cx)
    }
}

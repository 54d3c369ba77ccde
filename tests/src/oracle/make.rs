//! What scripts begin with: pairs, listeners, pipes, files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use netpoller::Poller;
use netpoller::net::{
    TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSeqpacketListener,
};
use netpoller::pipe::{self, PipeReader, PipeWriter};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::dial::dial;
use super::script::{Access, Kind, PairKind, When};
use super::thing::{Address, PlainFile, Thing, misused};
use crate::loopback;

/// A directory for the paths of one script.
#[derive(Clone, Debug)]
pub(super) struct Place {
    dir: Arc<tempfile::TempDir>,
    next: Arc<AtomicUsize>,
}

impl Place {
    /// A new one, which goes with the last handle.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            dir: Arc::new(tempfile::Builder::new().prefix("oracle-").tempdir()?),
            next: Arc::default(),
        })
    }

    fn path(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.dir.path().join(number.to_string())
    }
}

/// Something to make.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the words of the language")]
pub(super) enum Make {
    Pair(PairKind, Place),
    Listener(Kind, Place),
    Udp,
    Unixgram(Place),
    Pipe,
    Fifo(Place),
    Open(Access, PathBuf),
    File,
    Dup(Arc<Thing>),
    /// A connection to where nobody listens.
    DialDead,
    /// A connection that must be made by then.
    DialTo(When),
}

impl Make {
    /// Makes it.
    ///
    /// # Errors
    ///
    /// What the library says.
    pub(super) async fn run(self, poller: &Poller) -> io::Result<Vec<Thing>> {
        match self {
            Make::Pair(kind, place) => pair(poller, kind, &place).await,
            Make::Listener(kind, place) => Ok(vec![listener(poller, kind, &place)?]),
            Make::Udp => Ok(vec![udp(UdpSocket::bind_on(poller, loopback())?)?]),
            Make::Unixgram(place) => {
                let path = place.path();
                let socket = UnixDatagram::bind_on(poller, &path)?;
                Ok(vec![Thing::Gram(socket, Some(path))])
            }
            Make::Pipe => {
                let (reader, writer) = pipe::pipe_on(poller)?;
                Ok(vec![Thing::Reader(reader), Thing::Writer(writer)])
            }
            Make::Fifo(place) => {
                let path = place.path();
                mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
                Ok(vec![Thing::Fifo(path)])
            }
            Make::Open(access, path) => Ok(vec![open(poller, access, &path)?]),
            Make::File => Ok(vec![Thing::File(PlainFile::temporary()?)]),
            Make::Dup(of) => Ok(vec![of.dup(poller)?]),
            Make::DialDead => {
                // Bound and not listening: nobody else is given the port meanwhile.
                let socket = socket2::Socket::new(
                    socket2::Domain::IPV4,
                    socket2::Type::STREAM,
                    Some(socket2::Protocol::TCP),
                )?;
                socket.bind(&loopback().into())?;
                let address = socket.local_addr()?.as_socket().ok_or_else(misused)?;
                let stream = TcpStream::connect_on(poller, address, None).await?;
                Ok(vec![Thing::Tcp(stream)])
            }
            Make::DialTo(when) => {
                let listener = TcpListener::bind_on(poller, loopback())?;
                let to = listener.local_addr()?;
                let stream = TcpStream::connect_on(poller, to, when.instant()).await?;
                Ok(vec![Thing::Tcp(stream), tcp_listener(listener)?])
            }
        }
    }
}

async fn pair(poller: &Poller, kind: PairKind, place: &Place) -> io::Result<Vec<Thing>> {
    match kind {
        PairKind::Tcp => {
            let listener = TcpListener::bind_on(poller, loopback())?;
            let to = Address::Internet(listener.local_addr()?);
            let client = dial(poller, Kind::TcpListener, to).await?;
            Ok(vec![client, Thing::Tcp(listener.accept().await?.0)])
        }
        PairKind::Unix => {
            let path = place.path();
            let listener = UnixListener::bind_on(poller, &path)?;
            let client = dial(poller, Kind::UnixListener, Address::Path(path)).await?;
            Ok(vec![client, Thing::Unix(listener.accept().await?.0)])
        }
        PairKind::Packet => {
            let path = place.path();
            let listener = UnixSeqpacketListener::bind_on(poller, &path)?;
            let client = dial(poller, Kind::PacketListener, Address::Path(path)).await?;
            Ok(vec![client, Thing::Packet(listener.accept().await?)])
        }
        PairKind::Gram => {
            let (a, b) = UnixDatagram::pair_on(poller)?;
            Ok(vec![Thing::Gram(a, None), Thing::Gram(b, None)])
        }
        PairKind::Udp => {
            let a = UdpSocket::bind_on(poller, loopback())?;
            let b = UdpSocket::bind_on(poller, loopback())?;
            a.connect(b.local_addr()?)?;
            b.connect(a.local_addr()?)?;
            Ok(vec![udp(a)?, udp(b)?])
        }
    }
}

fn udp(socket: UdpSocket) -> io::Result<Thing> {
    let address = socket.local_addr()?;
    Ok(Thing::Udp(socket, address))
}

fn tcp_listener(listener: TcpListener) -> io::Result<Thing> {
    let address = listener.local_addr()?;
    Ok(Thing::TcpListener(listener, address))
}

fn listener(poller: &Poller, kind: Kind, place: &Place) -> io::Result<Thing> {
    let path = place.path();
    match kind {
        Kind::TcpListener => tcp_listener(TcpListener::bind_on(poller, loopback())?),
        Kind::UnixListener => Ok(Thing::UnixListener(
            UnixListener::bind_on(poller, &path)?,
            path,
        )),
        Kind::PacketListener => Ok(Thing::PacketListener(
            UnixSeqpacketListener::bind_on(poller, &path)?,
            path,
        )),
        _ => Err(misused()),
    }
}

fn open(poller: &Poller, access: Access, path: &Path) -> io::Result<Thing> {
    Ok(match access {
        Access::Read => Thing::Reader(PipeReader::open_on(poller, path)?),
        Access::ReadWrite => Thing::Reader(PipeReader::open_resilient_on(poller, path)?),
        Access::Write => Thing::Writer(PipeWriter::open_on(poller, path)?),
    })
}

impl When {
    /// The moment, seen from now.
    pub(super) fn instant(self) -> Option<Instant> {
        let now = Instant::now();
        match self {
            When::Never => None,
            When::Now => Some(now),
            When::Largest => Some(largest(now)),
            When::After(time) => Some(now.checked_add(time).unwrap_or_else(|| largest(now))),
            // Older than the machine is past all the same.
            When::Before(time) => Some(now.checked_sub(time).unwrap_or(now)),
        }
    }
}

/// The last moment there is.
fn largest(now: Instant) -> Instant {
    (0..64).rev().fold(now, |moment, bit| {
        moment
            .checked_add(Duration::from_secs(1 << bit))
            .unwrap_or(moment)
    })
}

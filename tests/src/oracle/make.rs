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
            Make::Udp => Ok(vec![udp(poller.in_scope(|| UdpSocket::bind(loopback()))?)?]),
            Make::Unixgram(place) => {
                let path = place.path();
                let socket = poller.in_scope(|| UnixDatagram::bind(&path))?;
                Ok(vec![Thing::Gram(socket, Some(path))])
            }
            Make::Pipe => {
                let (reader, writer) = poller.in_scope(|| pipe::pipe())?;
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
                let stream = poller.in_scope(|| TcpStream::connect(address)).await?;
                Ok(vec![Thing::Tcp(stream)])
            }
            Make::DialTo(when) => {
                let listener = poller.in_scope(|| TcpListener::bind(loopback()))?;
                let to = listener.local_addr()?;
                let stream = match when.instant() {
                    Some(by) => poller.in_scope(|| TcpStream::connect_by(to, by)).await?,
                    None => poller.in_scope(|| TcpStream::connect(to)).await?,
                };
                Ok(vec![Thing::Tcp(stream), tcp_listener(listener)?])
            }
        }
    }
}

async fn pair(poller: &Poller, kind: PairKind, place: &Place) -> io::Result<Vec<Thing>> {
    match kind {
        PairKind::Tcp => {
            let listener = poller.in_scope(|| TcpListener::bind(loopback()))?;
            let to = Address::Internet(listener.local_addr()?);
            let client = dial(poller, Kind::TcpListener, to).await?;
            Ok(vec![client, Thing::Tcp(listener.accept().await?.0)])
        }
        PairKind::Unix => {
            let path = place.path();
            let listener = poller.in_scope(|| UnixListener::bind(&path))?;
            let client = dial(poller, Kind::UnixListener, Address::Path(path)).await?;
            Ok(vec![client, Thing::Unix(listener.accept().await?.0)])
        }
        PairKind::Packet => {
            let path = place.path();
            let listener = poller.in_scope(|| UnixSeqpacketListener::bind(&path))?;
            let client = dial(poller, Kind::PacketListener, Address::Path(path)).await?;
            Ok(vec![client, Thing::Packet(listener.accept().await?)])
        }
        PairKind::Gram => {
            let (a, b) = poller.in_scope(|| UnixDatagram::pair())?;
            Ok(vec![Thing::Gram(a, None), Thing::Gram(b, None)])
        }
        PairKind::Udp => {
            let a = poller.in_scope(|| UdpSocket::bind(loopback()))?;
            let b = poller.in_scope(|| UdpSocket::bind(loopback()))?;
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
    let _entered = poller.enter();
    let path = place.path();
    match kind {
        Kind::TcpListener => tcp_listener(TcpListener::bind(loopback())?),
        Kind::UnixListener => Ok(Thing::UnixListener(UnixListener::bind(&path)?, path)),
        Kind::PacketListener => Ok(Thing::PacketListener(
            UnixSeqpacketListener::bind(&path)?,
            path,
        )),
        _ => Err(misused()),
    }
}

fn open(poller: &Poller, access: Access, path: &Path) -> io::Result<Thing> {
    let _entered = poller.enter();
    Ok(match access {
        Access::Read => Thing::Reader(PipeReader::open(path)?),
        Access::ReadWrite => Thing::Reader(PipeReader::open_resilient(path)?),
        Access::Write => Thing::Writer(PipeWriter::open(path)?),
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

//! [`TcpStream`].

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Type};

use crate::desc::Kind;
use crate::driver::{self, Later};
use crate::error::while_doing;
use crate::fd::{self, Fd, Options};
use crate::net::{Blocking, addr, descriptor_methods, stream_methods, stream_traits};
use crate::poller::{Poller, Sides};
use crate::sys;

/// A TCP connection.
///
/// ```
/// # netpoller::block_on(async {
/// use netpoller::net::{TcpListener, TcpStream};
/// use std::time::{Duration, Instant};
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// let stream = TcpStream::connect(listener.local_addr()?).await?;
/// stream.set_read_deadline(Some(Instant::now() + Duration::from_millis(5)))?;
/// let error = stream.read(&mut [0; 16]).await.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct TcpStream {
    fd: Fd,
}

descriptor_methods!(TcpStream);
stream_methods!(TcpStream);
stream_traits!(TcpStream);

impl TcpStream {
    /// Connects to `addr`.
    ///
    /// # Errors
    ///
    /// Names the address: refused, not reachable, and so on.
    #[track_caller]
    pub fn connect(addr: SocketAddr) -> impl Future<Output = io::Result<Self>> {
        Self::connect_at(Later::new(), addr, None, Location::caller())
    }

    /// [`TcpStream::connect`] with a limit: fails with [`io::ErrorKind::TimedOut`] if there is no connection by `deadline`.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::connect`].
    #[track_caller]
    pub fn connect_by(
        addr: SocketAddr,
        deadline: Instant,
    ) -> impl Future<Output = io::Result<Self>> {
        Self::connect_at(Later::new(), addr, Some(deadline), Location::caller())
    }

    /// [`TcpStream::connect`] with a poller of your own and, if given, a deadline.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::connect`].
    #[track_caller]
    pub fn connect_on(
        poller: &Poller,
        addr: SocketAddr,
        deadline: Option<Instant>,
    ) -> impl Future<Output = io::Result<Self>> + use<> {
        Self::connect_at(Later::named(poller), addr, deadline, Location::caller())
    }

    async fn connect_at(
        poller: Later,
        addr: SocketAddr,
        deadline: Option<Instant>,
        location: &'static Location<'static>,
    ) -> io::Result<Self> {
        let failed = |error| while_doing(format_args!("cannot connect to {addr}"), error);
        let socket = addr::socket(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))
            .map_err(failed)?;
        let stream =
            Self::register(&poller.get()?, socket.into(), location).map_err(|(_, error)| error)?;
        if deadline.is_some() {
            stream.fd.set_deadline(deadline, Sides::Write)?;
        }
        fd::connect(&stream.fd, &addr.into(), location)
            .await
            .map_err(failed)?;
        if deadline.is_some() {
            // It was for the connection to be made, not for what follows.
            stream.fd.set_deadline(None, Sides::Write)?;
        }
        Ok(stream)
    }

    pub(super) fn register(
        poller: &Poller,
        fd: OwnedFd,
        location: &'static Location<'static>,
    ) -> Result<Self, (OwnedFd, io::Error)> {
        if let Err(error) = driver::prepare(poller) {
            return Err((fd, error));
        }
        match Fd::new(poller, fd, Options::new(Kind::Tcp), location) {
            Ok(fd) => Ok(Self { fd }),
            Err((fd, error)) => Err((fd, error.into())),
        }
    }

    /// Takes over a connection of std, making it non-blocking.
    ///
    /// # Errors
    ///
    /// If it cannot be registered; it is given back then.
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> Result<Self, (std::net::TcpStream, io::Error)> {
        let location = Location::caller();
        match driver::current() {
            Ok(poller) => Self::from_std_at(&poller, stream, location),
            Err(error) => Err((stream, error)),
        }
    }

    /// [`TcpStream::from_std`] with a poller of your own.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::from_std`].
    #[track_caller]
    pub fn from_std_on(
        poller: &Poller,
        stream: std::net::TcpStream,
    ) -> Result<Self, (std::net::TcpStream, io::Error)> {
        Self::from_std_at(poller, stream, Location::caller())
    }

    fn from_std_at(
        poller: &Poller,
        stream: std::net::TcpStream,
        location: &'static Location<'static>,
    ) -> Result<Self, (std::net::TcpStream, io::Error)> {
        match Fd::adopt(poller, stream.into(), Options::new(Kind::Tcp), location) {
            Ok(fd) => Ok(Self { fd }),
            Err((fd, error)) => Err((fd.into(), error)),
        }
    }

    /// The same connection as one that parks the thread, with std's `Read` and `Write` and the same deadlines.
    pub fn blocking(&self) -> Blocking<'_, Self> {
        Blocking::new(self)
    }

    /// Own address.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed), or what `getsockname(2)` said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.fd
            .with(|fd| addr::internet(&sys::socket::local_addr(fd)?))
    }

    /// Address of the peer.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed), or what `getpeername(2)` said.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.fd
            .with(|fd| addr::internet(&sys::socket::peer_addr(fd)?))
    }

    /// Ends one direction, or both. After `Shutdown::Write` the peer reads the end of the stream, and can still send.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed), or what `shutdown(2)` said.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.fd.with(|fd| sys::socket::shutdown(fd, how))
    }

    /// Whether small writes are sent at once (TCP_NODELAY).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed), or what `setsockopt(2)` said.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.fd
            .with(|fd| sys::socket::with_options(fd, |socket| socket.set_tcp_nodelay(nodelay)))
    }

    /// What close does with bytes that are not sent: `None` leaves them to the kernel, zero throws them away and resets the
    /// connection, anything else makes close(2) wait that long.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed), or what `setsockopt(2)` said.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.fd
            .with(|fd| sys::socket::with_options(fd, |socket| socket.set_linger(linger)))
    }

    /// Runs `f` with the socket's options, whatever this type has no method for. As `f` may read an urgent byte, a short read of
    /// this stream does not save the next one its try from here on.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed), or what `f` said.
    pub fn with_options<R>(
        &self,
        f: impl FnOnce(socket2::SockRef<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        self.fd.lend(|fd| sys::socket::with_options(fd, f))
    }
}

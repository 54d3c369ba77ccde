//! [`TcpStream`].

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::pin::pin;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Type};

use super::set_defaults;
use crate::budget;
use crate::desc::Kind;
use crate::driver::{self, Later};
use crate::error::{Error, NotRegistered, context};
use crate::fd::{self, Fd, Options};
use crate::net::resolve::{self, Targets, ToSocketAddrs};
use crate::net::{Blocking, addr, descriptor_methods, stream_methods, stream_traits};
use crate::poller::{Poller, Sides};
use crate::sys;

/// How often an address is dialled that is met by accident, as in Go.
const MOST_ATTEMPTS: u32 = 3;

/// Whether the kernel chose a port that must not be: where nobody listens on a port of those that
/// it gives to clients, it may give that very port to the client, and two ends that call each other
/// are connected, here the socket with itself. It may also find that port taken a moment later. Go
/// dials again then (`selfConnect`, `spuriousENOTAVAIL`).
fn is_accident(dialled: &io::Result<TcpStream>, to: SocketAddr) -> bool {
    match dialled {
        Ok(stream) => stream.local_addr().is_ok_and(|own| {
            own.port() == to.port() && own.ip().to_canonical() == to.ip().to_canonical()
        }),
        Err(error) => error.raw_os_error() == Some(libc::EADDRNOTAVAIL),
    }
}

/// A TCP connection. Small writes are sent at once and a silent peer is asked for a sign of life
/// after 15 s, as in Go; [`set_nodelay`](Self::set_nodelay) and
/// [`with_options`](Self::with_options) change that.
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
    /// Connects to `to`: an address, or the name of a host with a port. Of several addresses, as of
    /// a name, the first that answers is taken, one after the other.
    ///
    /// ```no_run
    /// # async fn connect() -> std::io::Result<()> {
    /// use netpoller::net::TcpStream;
    /// let stream = TcpStream::connect("example.org:80").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Names the last address: refused, not reachable, and so on; or the name, if it has none.
    #[track_caller]
    pub fn connect(to: impl ToSocketAddrs) -> impl Future<Output = io::Result<Self>> {
        Self::connect_until(to.targets(), None)
    }

    /// Connects as [`TcpStream::connect`], with a limit: fails with [`io::ErrorKind::TimedOut`] if
    /// there is no connection by `deadline`, the looking up of a name included.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::connect`].
    #[track_caller]
    pub fn connect_by(
        to: impl ToSocketAddrs,
        deadline: Instant,
    ) -> impl Future<Output = io::Result<Self>> {
        Self::connect_until(to.targets(), Some(deadline))
    }

    #[track_caller]
    fn connect_until(
        targets: Targets,
        deadline: Option<Instant>,
    ) -> impl Future<Output = io::Result<Self>> {
        let (poller, location) = (Later::new(), Location::caller());
        async move {
            // All of it is one operation, for it may fail before it comes to the descriptor.
            let mut dialling = pin!(async {
                let poller = poller.get()?;
                let mut last = None;
                for addr in resolve::addresses(targets, deadline).await? {
                    match Self::connect_to(&poller, addr, deadline, location).await {
                        Err(error) if Error::of(&error) != Some(Error::DeadlineExceeded) => {
                            last = Some(error);
                        }
                        ended => return ended,
                    }
                }
                Err(last.unwrap_or_else(resolve::without_address))
            });
            budget::cooperative(|cx| dialling.as_mut().poll(cx), || {}).await
        }
    }

    async fn connect_to(
        poller: &Poller,
        addr: SocketAddr,
        deadline: Option<Instant>,
        location: &'static Location<'static>,
    ) -> io::Result<Self> {
        let domain = Domain::for_address(addr);
        let socket = || addr::socket(domain, Type::STREAM, Some(Protocol::TCP));
        Self::connect_with(socket, poller, addr, deadline, location).await
    }

    /// Connects to `addr` with a socket that `make` makes, or another one if the first is met by
    /// accident.
    async fn connect_with(
        mut make: impl FnMut() -> io::Result<socket2::Socket>,
        poller: &Poller,
        addr: SocketAddr,
        deadline: Option<Instant>,
        location: &'static Location<'static>,
    ) -> io::Result<Self> {
        let mut attempts = 1;
        loop {
            let dialled = match make() {
                Ok(socket) => Self::dial(poller, socket, addr, deadline, location).await,
                Err(error) => Err(error),
            };
            if attempts < MOST_ATTEMPTS && is_accident(&dialled, addr) {
                attempts += 1;
                continue;
            }
            return dialled
                .map_err(|error| context(format_args!("cannot connect to {addr}"), error));
        }
    }

    /// Connects `socket` to `addr`.
    async fn dial(
        poller: &Poller,
        socket: socket2::Socket,
        addr: SocketAddr,
        deadline: Option<Instant>,
        location: &'static Location<'static>,
    ) -> io::Result<Self> {
        set_defaults(socket2::SockRef::from(&socket));
        let stream = Self::register(poller, socket.into(), location)?;
        if deadline.is_some() {
            stream.fd.set_deadline(deadline, Sides::Write)?;
        }
        fd::connect(&stream.fd, &addr.into(), location).await?;
        if deadline.is_some() {
            // It was for the connection to be made, not for what follows.
            stream.fd.set_deadline(None, Sides::Write)?;
        }
        Ok(stream)
    }

    /// [`TcpStream::register`] for one that was accepted just now.
    pub(super) fn accepted(
        poller: &Poller,
        fd: OwnedFd,
        location: &'static Location<'static>,
    ) -> Result<Self, NotRegistered<OwnedFd>> {
        let stream = Self::register(poller, fd, location)?;
        stream.fd.set_accepted();
        Ok(stream)
    }

    fn register(
        poller: &Poller,
        fd: OwnedFd,
        location: &'static Location<'static>,
    ) -> Result<Self, NotRegistered<OwnedFd>> {
        if let Err(error) = driver::prepare(poller) {
            return Err(NotRegistered { inner: fd, error });
        }
        Fd::new(poller, fd, Options::new(Kind::Tcp), location).map(|fd| Self { fd })
    }

    /// Takes over a connection of std, making it non-blocking.
    ///
    /// # Errors
    ///
    /// If it cannot be registered; it is given back then.
    #[track_caller]
    pub fn from_std(
        stream: std::net::TcpStream,
    ) -> Result<Self, NotRegistered<std::net::TcpStream>> {
        let poller = match driver::current() {
            Ok(poller) => poller,
            Err(error) => {
                return Err(NotRegistered {
                    inner: stream,
                    error,
                });
            }
        };
        let options = Options::new(Kind::Tcp);
        Fd::adopt(&poller, stream.into(), options, Location::caller())
            .map(|fd| Self { fd })
            .map_err(|refused| refused.map(Into::into))
    }

    /// Returns the same connection as one that parks the thread, with std's `Read` and `Write` and
    /// the same deadlines.
    pub fn blocking(&self) -> Blocking<'_, Self> {
        Blocking::new(self)
    }

    /// Returns its own address.
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

    /// Ends one direction, or both. After `Shutdown::Write` the peer reads the end of the stream,
    /// and can still send.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed), or what `shutdown(2)` said.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.fd.with(|fd| sys::socket::shutdown(fd, how))
    }

    /// Sets whether small writes are sent at once (TCP_NODELAY). They are, on connections that were
    /// dialled or accepted here; `false` lets the kernel gather them (Nagle's algorithm).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed), or what `setsockopt(2)` said.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.fd
            .with(|fd| sys::socket::with_options(fd, |socket| socket.set_tcp_nodelay(nodelay)))
    }

    /// Sets what close does with bytes that are not sent: `None` leaves them to the kernel, zero
    /// throws them away and resets the connection, anything else makes close(2) wait that long.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed), or what `setsockopt(2)` said.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.fd
            .with(|fd| sys::socket::with_options(fd, |socket| socket.set_linger(linger)))
    }

    /// Runs `f` with the socket's options, whatever this type has no method for. As `f` may read an
    /// urgent byte, a short read of this stream does not save the next one its try from here on.
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

#[cfg(all(test, not(loom)))]
mod tests {
    use socket2::Socket;

    use super::*;

    /// A socket on which the kernel has chosen the port, as it does in a connect.
    fn bound() -> (Socket, SocketAddr) {
        let socket = addr::socket(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        socket.bind(&any.into()).unwrap();
        let own = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, own)
    }

    /// Connects to the address of the first of the sockets that are used; `again` says whether
    /// later ones have it too.
    fn connect_to_itself(again: bool) -> (io::Result<TcpStream>, u32) {
        let poller = Poller::builder().build().unwrap();
        let (first, own) = bound();
        let mut first = Some(first);
        let mut made = 0;
        let make = || {
            made += 1;
            let socket = match first.take() {
                Some(socket) => socket,
                None => {
                    let socket = addr::socket(Domain::IPV4, Type::STREAM, None)?;
                    if again {
                        socket.bind(&own.into())?;
                    }
                    socket
                }
            };
            // So that its port is free as soon as it is closed.
            socket.set_linger(Some(Duration::ZERO))?;
            Ok(socket)
        };
        let location = Location::caller();
        let connect = TcpStream::connect_with(make, &poller, own, None, location);
        let connected = crate::block_on_poller(&poller, connect);
        (connected, made)
    }

    #[test]
    fn issue_tokio_3405_a_connection_of_a_socket_with_itself_is_dialled_again_and_refused() {
        let (connected, made) = connect_to_itself(false);
        let error = connected.expect_err("nobody listens there");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
        assert_eq!(made, 2);
    }

    #[test]
    fn as_in_go_the_third_accident_is_taken_as_it_is() {
        let (connected, made) = connect_to_itself(true);
        let stream = connected.unwrap();
        assert_eq!(stream.local_addr().unwrap(), stream.peer_addr().unwrap());
        assert_eq!(made, MOST_ATTEMPTS);
    }

    #[test]
    fn a_port_that_is_taken_a_moment_later_is_an_accident_and_a_refusal_is_none() {
        let failed = |errno| Err(io::Error::from_raw_os_error(errno));
        let to = ([127, 0, 0, 1], 1).into();
        assert!(is_accident(&failed(libc::EADDRNOTAVAIL), to));
        assert!(!is_accident(&failed(libc::ECONNREFUSED), to));
    }
}

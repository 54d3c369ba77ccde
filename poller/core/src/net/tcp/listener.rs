//! [`TcpListener`] and its accept loop.

use std::borrow::Borrow;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::panic::Location;

use socket2::{Domain, Protocol, Type};

use super::{TcpStream, set_defaults};
use crate::desc::Kind;
use crate::driver::{self, Choice};
use crate::error::{NotRegistered, context};
use crate::fd::{AcceptBackoff, Fd, Options};
use crate::net::accept::accept_failed;
use crate::net::{addr, descriptor_methods};
use crate::sys;

/// Length of the queue of connections to be accepted; the kernel cuts it at net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// A socket that accepts TCP connections, which send small writes at once and ask a silent peer for
/// a sign of life, as [`TcpStream`] says.
///
/// ```
/// # netpoller::block_on(async {
/// use netpoller::net::{TcpListener, TcpStream};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let (server, peer) = listener.accept().await?;
/// assert_eq!(peer, client.local_addr()?);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct TcpListener {
    fd: Fd,
    poller: Choice,
}

descriptor_methods!(TcpListener);

impl TcpListener {
    /// Listens on `addr`, on the first of its addresses that can be had. SO_REUSEADDR is set. A
    /// name is looked up by the system's blocking resolver.
    ///
    /// # Errors
    ///
    /// Names the address and what to do about it, if it is in use, not of this machine, or not
    /// allowed.
    #[track_caller]
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let choice = driver::choose()?;
        let fd = addr::first_of(addr, |addr| {
            listen(addr).map_err(|e| context(format_args!("cannot listen on {addr}"), e))
        })?;
        Ok(Self::register(choice, fd, Location::caller())?)
    }

    fn register(
        choice: Choice,
        fd: OwnedFd,
        location: &'static Location<'static>,
    ) -> Result<Self, NotRegistered<OwnedFd>> {
        if let Err(error) = driver::prepare(&choice.poller) {
            return Err(NotRegistered { inner: fd, error });
        }
        let options = Options::new(Kind::TcpListener);
        let fd = Fd::new(&choice.poller, fd, options, location)?;
        Ok(Self { fd, poller: choice })
    }

    /// Takes over a listening socket of std, making it non-blocking.
    ///
    /// # Errors
    ///
    /// If it cannot be registered; it is given back then.
    #[track_caller]
    pub fn from_std(
        listener: std::net::TcpListener,
    ) -> Result<Self, NotRegistered<std::net::TcpListener>> {
        let location = Location::caller();
        let choice = match driver::choose() {
            Ok(choice) => choice,
            Err(error) => {
                return Err(NotRegistered {
                    inner: listener,
                    error,
                });
            }
        };
        set_defaults(socket2::SockRef::from(&listener));
        let options = Options::new(Kind::TcpListener);
        match Fd::adopt(&choice.poller, listener.into(), options, location) {
            Ok(fd) => Ok(Self { fd, poller: choice }),
            Err(refused) => Err(refused.map(Into::into)),
        }
    }

    /// Returns the address it listens on.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed), or what `getsockname(2)` said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.fd
            .with(|fd| addr::internet(&sys::socket::local_addr(fd)?))
    }

    /// Accepts a connection.
    ///
    /// # Errors
    ///
    /// At the limit of open files the error surfaces here, and the connection stays in the queue;
    /// [`TcpListener::incoming`] gets over that. Otherwise
    /// [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded),
    /// [`Error::Closed`](crate::Error::Closed), or an error of the registration of the connection,
    /// which is closed then.
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + '_ {
        self.accept_at(Location::caller())
    }

    async fn accept_at(
        &self,
        location: &'static Location<'static>,
    ) -> io::Result<(TcpStream, SocketAddr)> {
        let (fd, peer) = self.fd.accept(location).await.map_err(accept_failed)?;
        let poller = self.poller.for_accepted()?;
        let stream = TcpStream::accepted(&poller, fd, location)?;
        Ok((stream, addr::internet(&peer)?))
    }

    /// Returns a loop of accepts that gets over the limit of open files: it keeps a descriptor in
    /// reserve to refuse connections with, and pauses, 5 ms at first and up to 1 s.
    pub fn incoming(&self) -> Incoming<&Self> {
        Incoming {
            listener: self,
            backoff: AcceptBackoff::new(),
        }
    }

    /// Works as [`TcpListener::incoming`], with a loop that owns the listener.
    pub fn into_incoming(self) -> Incoming<Self> {
        Incoming {
            listener: self,
            backoff: AcceptBackoff::new(),
        }
    }
}

fn listen(addr: SocketAddr) -> io::Result<OwnedFd> {
    let socket = addr::socket(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    set_defaults(socket2::SockRef::from(&socket));
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The accept loop of [`TcpListener::incoming`].
#[derive(Debug)]
pub struct Incoming<L = TcpListener> {
    listener: L,
    backoff: AcceptBackoff,
}

impl<L: Borrow<TcpListener>> Incoming<L> {
    /// Returns the listener.
    pub fn listener(&self) -> &TcpListener {
        self.listener.borrow()
    }

    /// Accepts the next connection. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::accept`], except at the limit of open files.
    #[track_caller]
    pub fn accept(&mut self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + '_ {
        self.accept_at(Location::caller())
    }

    async fn accept_at(
        &mut self,
        location: &'static Location<'static>,
    ) -> io::Result<(TcpStream, SocketAddr)> {
        let listener = self.listener.borrow();
        let (fd, peer) = self.backoff.accept(&listener.fd, location).await?;
        let poller = listener.poller.for_accepted()?;
        let stream = TcpStream::accepted(&poller, fd, location)?;
        Ok((stream, addr::internet(&peer)?))
    }
}

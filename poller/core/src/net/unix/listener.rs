//! [`UnixListener`] and its accept loop.

use std::io;
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::path::Path;

use socket2::Type;

use super::UnixStream;
use crate::desc::Kind;
use crate::driver::{self, Choice};
use crate::fd::{AcceptBackoff, Fd};
use crate::net::accept::accept_failed;
use crate::net::{addr, descriptor_methods};
use crate::sys;

/// A socket that accepts Unix stream connections. Its path is not removed when it is dropped.
#[derive(Debug)]
pub struct UnixListener {
    fd: Fd,
    poller: Choice,
}

descriptor_methods!(UnixListener);

impl UnixListener {
    /// Listens at `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// Names the path.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let choice = driver::choose()?;
        let location = Location::caller();
        let fd = super::listen(&choice.poller, path.as_ref(), Type::STREAM, location)?;
        Ok(Self { fd, poller: choice })
    }

    /// Returns the address it listens on.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed), or what `getsockname(2)` said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.fd.with(sys::socket::unix_local_addr)
    }

    /// Accepts a connection.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::accept`](crate::net::TcpListener::accept).
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = io::Result<(UnixStream, SocketAddr)>> + '_ {
        let location = Location::caller();
        async move {
            let (fd, peer) = self.fd.accept(location).await.map_err(accept_failed)?;
            self.stream(fd, &peer, location)
        }
    }

    fn stream(
        &self,
        fd: std::os::fd::OwnedFd,
        peer: &socket2::SockAddr,
        location: &'static Location<'static>,
    ) -> io::Result<(UnixStream, SocketAddr)> {
        let poller = self.poller.for_accepted()?;
        let fd = super::register(&poller, fd, Kind::Unix, location)?;
        fd.set_accepted();
        let stream = UnixStream { fd };
        let mut name = addr::unix(peer)?;
        if name.is_unnamed() && peer.as_pathname().is_some() {
            // It fills all the room there is, and std can tell such a name where it asks itself.
            name = stream.peer_addr().unwrap_or(name);
        }
        Ok((stream, name))
    }

    /// Returns a loop of accepts that gets over the limit of open files, as
    /// [`TcpListener::incoming`](crate::net::TcpListener::incoming).
    pub fn incoming(&self) -> UnixIncoming<'_> {
        UnixIncoming {
            listener: self,
            backoff: AcceptBackoff::new(),
        }
    }
}

/// The accept loop of [`UnixListener::incoming`].
#[derive(Debug)]
pub struct UnixIncoming<'a> {
    listener: &'a UnixListener,
    backoff: AcceptBackoff,
}

impl UnixIncoming<'_> {
    /// Accepts the next connection. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`UnixListener::accept`], except at the limit of open files.
    #[track_caller]
    pub fn accept(&mut self) -> impl Future<Output = io::Result<(UnixStream, SocketAddr)>> + '_ {
        let location = Location::caller();
        async move {
            let listener = self.listener;
            let (fd, peer) = self.backoff.accept(&listener.fd, location).await?;
            listener.stream(fd, &peer, location)
        }
    }
}

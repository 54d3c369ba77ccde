//! [`UnixDatagram`].

use std::io;
use std::panic::Location;
use std::path::Path;

use socket2::{Domain, Type};

use super::message::message_io;
use super::{message_methods, unix_addresses};
use crate::desc::Kind;
use crate::driver;
use crate::error::context;
use crate::fd::Fd;
use crate::net::{addr, descriptor_methods};
use crate::poller::Poller;
use crate::sys;

/// A Unix datagram socket. Unlike UDP it is reliable: a full receiver makes the sender wait.
#[derive(Debug)]
pub struct UnixDatagram {
    fd: Fd,
}

descriptor_methods!(UnixDatagram);
message_methods!(UnixDatagram);
message_io!(UnixDatagram);
unix_addresses!(UnixDatagram);

impl UnixDatagram {
    /// Binds to `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// Names the path.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let (poller, path) = (driver::current()?, path.as_ref());
        let bind = || {
            let socket = addr::socket(Domain::UNIX, Type::DGRAM, None)?;
            socket.bind(&addr::at_path(path)?)?;
            Ok(socket)
        };
        let socket = bind()
            .map_err(|error| context(format_args!("cannot bind to {}", path.display()), error))?;
        Self::register(&poller, socket, Location::caller())
    }

    /// Makes a socket without a name: it can send, and receive once it is connected.
    ///
    /// # Errors
    ///
    /// If it cannot be made or registered.
    #[track_caller]
    pub fn unbound() -> io::Result<Self> {
        let socket = addr::socket(Domain::UNIX, Type::DGRAM, None)?;
        Self::register(&driver::current()?, socket, Location::caller())
    }

    fn register(
        poller: &Poller,
        socket: socket2::Socket,
        location: &'static Location<'static>,
    ) -> io::Result<Self> {
        let fd = super::register(poller, socket.into(), Kind::UnixDatagram, location);
        Ok(Self { fd: fd? })
    }

    /// Makes two connected sockets.
    ///
    /// # Errors
    ///
    /// If they cannot be made or registered.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = super::pair(Type::DGRAM, Kind::UnixDatagram, Location::caller())?;
        Ok((Self { fd: a }, Self { fd: b }))
    }

    /// Fixes the peer for `send` and `recv`.
    ///
    /// # Errors
    ///
    /// Names the path.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let to = addr::at_path(path.as_ref())?;
        self.fd
            .with(|fd| sys::socket::connect(fd, &to))
            .map_err(|error| {
                context(
                    format_args!("cannot connect to {}", path.as_ref().display()),
                    error,
                )
            })
    }

    /// Sends a datagram to the socket at `path`.
    ///
    /// # Errors
    ///
    /// As `send`.
    #[track_caller]
    pub fn send_to<'a>(
        &'a self,
        buf: &'a [u8],
        path: impl AsRef<Path> + 'a,
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        let location = Location::caller();
        async move {
            self.fd
                .send_to(buf, &addr::at_path(path.as_ref())?, location)
                .await
        }
    }

    /// Receives a datagram and says who sent it.
    ///
    /// # Errors
    ///
    /// As `recv`.
    #[track_caller]
    pub fn recv_from<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<(usize, std::os::unix::net::SocketAddr)>> + 'a {
        let location = Location::caller();
        async move {
            let (n, from) = self.fd.recv_from(buf, 0, location).await?;
            Ok((n, addr::unix(&from)?))
        }
    }
}

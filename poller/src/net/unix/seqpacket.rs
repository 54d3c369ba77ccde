//! [`UnixSeqpacket`]: connections that keep the boundaries of messages.

use std::io;
use std::panic::Location;
use std::path::Path;

use socket2::Type;

use super::message::message_io;
use super::{message_methods, unix_addresses};
use crate::desc::Kind;
use crate::driver::{self, Choice, Later};
use crate::fd::Fd;
use crate::net::accept::accept_failed;
use crate::net::descriptor_methods;
use crate::poller::Poller;

/// A connection of messages, in order and whole. A message of no bytes looks like the end, as with `recv(2)`.
#[derive(Debug)]
pub struct UnixSeqpacket {
    fd: Fd,
}

descriptor_methods!(UnixSeqpacket);
message_methods!(UnixSeqpacket);
message_io!(UnixSeqpacket);
unix_addresses!(UnixSeqpacket);

impl UnixSeqpacket {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    ///
    /// Names the path.
    #[track_caller]
    pub fn connect<'a>(path: impl AsRef<Path> + 'a) -> impl Future<Output = io::Result<Self>> + 'a {
        Self::connect_at(Later::new(), path, Location::caller())
    }

    /// [`UnixSeqpacket::connect`] with a poller of your own.
    ///
    /// # Errors
    ///
    /// As [`UnixSeqpacket::connect`].
    #[track_caller]
    pub fn connect_on<'a, P: AsRef<Path> + 'a>(
        poller: &Poller,
        path: P,
    ) -> impl Future<Output = io::Result<Self>> + use<'a, P> {
        Self::connect_at(Later::named(poller), path, Location::caller())
    }

    async fn connect_at(
        poller: Later,
        path: impl AsRef<Path>,
        location: &'static Location<'static>,
    ) -> io::Result<Self> {
        let (path, kind) = (path.as_ref(), Kind::UnixSeqpacket);
        let fd = super::connect(poller, path, Type::SEQPACKET, kind, location).await?;
        Ok(Self { fd })
    }

    /// Two connected sockets.
    ///
    /// # Errors
    ///
    /// If they cannot be made or registered.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        Self::pair_at(&driver::current()?, Location::caller())
    }

    /// [`UnixSeqpacket::pair`] with a poller of your own.
    ///
    /// # Errors
    ///
    /// As [`UnixSeqpacket::pair`].
    #[track_caller]
    pub fn pair_on(poller: &Poller) -> io::Result<(Self, Self)> {
        Self::pair_at(poller, Location::caller())
    }

    fn pair_at(poller: &Poller, location: &'static Location<'static>) -> io::Result<(Self, Self)> {
        let (a, b) = super::pair(poller, Type::SEQPACKET, Kind::UnixSeqpacket, location)?;
        Ok((Self { fd: a }, Self { fd: b }))
    }
}

/// A socket that accepts [`UnixSeqpacket`] connections.
#[derive(Debug)]
pub struct UnixSeqpacketListener {
    fd: Fd,
    poller: Choice,
}

descriptor_methods!(UnixSeqpacketListener);

impl UnixSeqpacketListener {
    /// Listens at `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// Names the path.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_at(driver::choose()?, path.as_ref(), Location::caller())
    }

    /// [`UnixSeqpacketListener::bind`] with a poller of your own.
    ///
    /// # Errors
    ///
    /// As [`UnixSeqpacketListener::bind`].
    #[track_caller]
    pub fn bind_on(poller: &Poller, path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_at(Choice::named(poller), path.as_ref(), Location::caller())
    }

    fn bind_at(
        choice: Choice,
        path: &Path,
        location: &'static Location<'static>,
    ) -> io::Result<Self> {
        let fd = super::listen(&choice.poller, path, Type::SEQPACKET, location)?;
        Ok(Self { fd, poller: choice })
    }

    /// Accepts a connection.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::accept`](crate::net::TcpListener::accept).
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = io::Result<UnixSeqpacket>> + '_ {
        let location = Location::caller();
        async move {
            let (connection, _) = self.fd.accept(location).await.map_err(accept_failed)?;
            let poller = self.poller.for_accepted()?;
            let fd = super::register(&poller, connection, Kind::UnixSeqpacket, location);
            fd.map(|fd| UnixSeqpacket { fd })
                .map_err(|(_, error)| error)
        }
    }
}

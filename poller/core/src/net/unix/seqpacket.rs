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

/// A connection of messages, in order and whole. A message of no bytes looks like the end, as with
/// `recv(2)`.
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
        let (poller, location) = (Later::new(), Location::caller());
        async move {
            let (path, kind) = (path.as_ref(), Kind::UnixSeqpacket);
            let fd = super::connect(poller, path, Type::SEQPACKET, kind, location).await?;
            Ok(Self { fd })
        }
    }

    /// Makes two connected sockets.
    ///
    /// # Errors
    ///
    /// If they cannot be made or registered.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = super::pair(Type::SEQPACKET, Kind::UnixSeqpacket, Location::caller())?;
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
        let choice = driver::choose()?;
        let location = Location::caller();
        let fd = super::listen(&choice.poller, path.as_ref(), Type::SEQPACKET, location)?;
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
            let fd = super::register(&poller, connection, Kind::UnixSeqpacket, location)?;
            fd.set_accepted();
            Ok(UnixSeqpacket { fd })
        }
    }
}
